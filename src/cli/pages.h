/* pages.h: a listing that the store answers page by page. */
#ifndef CLI_PAGES_H
#define CLI_PAGES_H

#include "cli/cli.h"

struct pages {
    enum op op;
    /* The operation's arguments in front of its last, the number of rows. */
    void (*ask)(const struct pages *p, struct buf *args);
    /* Show one row, and keep where the next page begins. */
    void (*row)(struct pages *p, struct table *t, struct vals *v);
    view of;          /* what is listed: a list, an address, or empty */
    int64_t only[2];  /* filters of the listing */
    int64_t at[3];    /* where the next page begins, as numbers */
    struct buf after; /* the same as a text; pages_show() begins and ends it */
};

bool pages_show(struct cli *c, struct pages *p, const struct column *columns, size_t count, struct err *e);
/* For `row`: the next page begins behind this text. */
void pages_after(struct pages *p, view last);
/* An `ask` of operations that take the text and nothing else. */
void pages_ask_after(const struct pages *p, struct buf *args);

#endif
