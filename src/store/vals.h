/* vals.h: values in, values out: how the arguments and results of operations travel. A flat run of tagged
 * values, read back in the same order by a cursor with a sticky error. */
#ifndef STORE_VALS_H
#define STORE_VALS_H

#include "base/buf.h"

void vals_int(struct buf *b, int64_t n);
void vals_view(struct buf *b, view v);

struct vals {
    view rest;
    bool failed; /* the bytes were not what was asked for */
};

struct vals vals_of(view bytes);
bool vals_more(const struct vals *v); /* something is left and nothing failed */
int64_t vals_get_int(struct vals *v);
view vals_get_view(struct vals *v); /* borrows */
/* A count of things that follow, each at least one value long: fails when the rest could not hold them. */
size_t vals_get_count(struct vals *v);

#endif
