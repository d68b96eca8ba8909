/* addresses.h: very many addresses given to one command, as words or as lines. All are read and checked
 * before the first is sent: a mistake on line 40,000 changes nothing. They travel in slices, each one
 * transaction; a run that was stopped is run again and passes over what is done. The caller frees with
 * addresses_done(), after a failure too. */
#ifndef CLI_ADDRESSES_H
#define CLI_ADDRESSES_H

#include "cli/cli.h"

struct addresses {
    view *list; /* normalised; their octets in the command's arena */
    size_t count, room;
};

struct addresses_rule {
    view domain;  /* each must be of it; empty: any */
    bool map;     /* lines as of a Postfix map: the first word counts, "#" begins a comment */
    bool senders; /* "@DOMAIN" and "^EXPRESSION", too (store/sender_set.h) */
};

void addresses_add(struct addresses *a, view address);
void addresses_done(struct addresses *a);
/* By octets, each once. */
void addresses_sort(struct addresses *a);
/* One address a line; "-" is standard input. */
bool addresses_read(struct cli *c, const char *file, const struct addresses_rule *rule, struct addresses *a,
                    struct err *e);
/* The command's words behind the first; "-" alone: the lines of standard input. */
bool addresses_read_words(struct cli *c, const struct addresses_rule *rule, struct addresses *a,
                          struct err *e);
/* `op` takes some values, then addresses, and answers how many it changed: *ret_changed is the sum. */
bool addresses_send(struct cli *c, enum op op, const struct buf *before, const struct addresses *a,
                    int64_t *ret_changed, struct err *e);

/* Where addresses are kept. The operations take `of`; add and remove then `who`, if there is one, and
 * addresses; ls takes the last one seen and how many are wanted, and answers addresses in their order. */
struct addresses_place {
    enum op add, remove, ls;
    const char *kind; /* what `of` is: "domain" */
    view of, who;
    void (*pass)(struct vals *v); /* what ls says of each behind the address, or NULL */
};
bool addresses_change(struct cli *c, const struct addresses_place *p, bool remove, const struct addresses *a,
                      int64_t *ret_changed, struct err *e);
/* Those behind *after, which moves on. */
bool addresses_page(struct cli *c, const struct addresses_place *p, view *after, struct addresses *out,
                    bool *ret_more, struct err *e);
/* Make it hold what the file (or "-") holds: shows the difference, asks, and then does it (--dry-run, --yes,
 * --force). `what`: "recipients of example.org". */
bool addresses_import(struct cli *c, const struct addresses_place *p, const struct addresses_rule *rule,
                      const char *file, view what, struct err *e);

#endif
