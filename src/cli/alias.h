/* alias.h: the pages of ALIAS_LS, which a listing and an import go through. */
#ifndef CLI_ALIAS_H
#define CLI_ALIAS_H

#include "store/alias.h"
#include "store/store.h"

/* Ask for the next page behind the cursor; an empty cursor is the beginning. */
static inline void alias_page_args(struct buf *args, view source, enum alias_view what,
                                   const struct buf *cursor) {
    buf_reset(args);
    vals_view(args, source);
    vals_int(args, what);
    if (cursor->len == 0) {
        for (int i = 0; i < 3; i++)
            vals_view(args, VIEW(""));
        vals_int(args, 0);
    }
    buf_add(args, buf_view(cursor));
    vals_int(args, LIMIT_ALIAS_SCAN);
}

/* Behind the entries of a page: keeps the cursor. False when that was the last page. */
static inline bool alias_page_end(struct vals *v, struct buf *cursor) {
    buf_reset(cursor);
    for (int i = 0; i < 3; i++)
        vals_view(cursor, vals_get_view(v));
    vals_int(cursor, vals_get_int(v));
    return vals_get_int(v) == 0 && !v->failed;
}

#endif
