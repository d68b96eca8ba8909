/* place.c: see place.h. A folder is moved before the list's next post too (shelf.c); this is for lists that
 * get none: what was made private must not stay in sight until somebody writes. */
#include "roles/archived/place.h"

#include "base/log.h"

static void place_one(struct shelf *shelf, view address, view archive) {
    struct err e;
    if (view_eq(archive, VIEW("none"))) /* what was archived stays where it is */
        return;
    if (!shelf_place(shelf, address, view_eq(archive, VIEW("public")), &e))
        log_line(LOG_ERROR, "archive-not-moved", LOG_V("list", address), LOG_V("to", archive),
                 LOG_S("reason", e.text));
}

void place_all(struct role *r, struct shelf *shelf) {
    enum { PAGE_ROWS = 1000 };
    struct buf last = BUF_INIT(LIMIT_ADDRESS);
    size_t rows = PAGE_ROWS;
    while (rows == PAGE_ROWS && !role_stopping()) {
        struct store_request q;
        struct err e;
        store_request_init(&q, OP_ARCHIVE_LISTS);
        vals_view(&q.args, buf_view(&last));
        vals_int(&q.args, PAGE_ROWS);
        bool ok = store_call(r->store, &q, &e);
        struct vals v = vals_of(buf_view(&q.out));
        for (rows = 0; ok && vals_more(&v); rows++) {
            view address = vals_get_view(&v), archive = vals_get_view(&v);
            place_one(shelf, address, archive);
            buf_reset(&last);
            buf_add(&last, address);
        }
        store_request_done(&q);
    }
    buf_done(&last);
}
