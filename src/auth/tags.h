/* tags.h: "tag=value; tag=value" (RFC 6376 3.2), as DKIM, its keys, DMARC and others write it. */
#ifndef AUTH_TAGS_H
#define AUTH_TAGS_H

#include "base/arena.h"

struct tag {
    view name;  /* as written: case matters */
    view value; /* trimmed of white space and folds around it */
    view raw;   /* everything between "=" and ";" */
};

enum { TAGS_MOST = 64 };
struct tags {
    struct tag list[TAGS_MOST];
    size_t count;
};

/* Borrows. False: malformed, a tag is there twice, or more than TAGS_MOST. */
bool tags_parse(view text, struct tags *ret);
/* NULL when it is not there. */
const struct tag *tags_find(const struct tags *t, const char *name);
/* Its value, or empty. */
view tags_value(const struct tags *t, const char *name);

/* White space and folds left out, anywhere. */
view tags_squeeze(view text, struct arena *a);
/* One of a list with colons between, white space around each; case of letters does not matter. */
bool tags_list_has(view list, view word);

#endif
