/* sibling.h: other lists that have to do with a list's posts. Settings name them; what counts for a post is
 * noted when its edition is made, so that all slices of its expansion see the same. */
#ifndef STORE_SIBLING_H
#define STORE_SIBLING_H

#include "store/op.h"

enum sibling {
    SIBLING_INCLUDED = 1, /* its members get the post, too */
    SIBLING_EXCLUDED = 2  /* its members get no copy here: the post names that list, and goes there */
};

/* Lists that may be included, by those that are included, too. */
enum { SIBLINGS_MOST = 500 };

/* What holds for the post. `named`: count of addresses in its To and Cc, and them. */
void siblings_note(struct op_run *r, int64_t message, int64_t list, struct vals named);

/* The post is expanded, or will not be: the expansion and what was noted for it go. */
void expansion_end(struct op_run *r, int64_t message, int64_t list);

#endif
