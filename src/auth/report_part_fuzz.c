/* report_part_fuzz.c: a mail, or what is attached to one. What comes out keeps to its limit, and is the same
 * after it is packed. */
#include "auth/report_part.h"

enum { MOST = 1 << 20 };

static void unpack(view packed) {
    struct buf out = BUF_INIT(2 * MOST), again = BUF_INIT(2 * MOST), gzip = BUF_INIT(4 * MOST);
    struct err e = {0};
    if (report_part_unpack(packed, MOST, &out, &e)) {
        BUG_ON(out.len > MOST || out.len == 0);
        report_part_gzip(buf_view(&out), &gzip);
        BUG_ON(!report_part_unpack(buf_view(&gzip), MOST, &again, &e));
        BUG_ON(!view_eq(buf_view(&out), buf_view(&again)));
    } else {
        BUG_ON(out.len != 0 || (e.code != ERR_USAGE && e.code != ERR_LIMIT));
    }
    buf_done(&out);
    buf_done(&again);
    buf_done(&gzip);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct arena arena;
    struct buf part = BUF_INIT(MOST);
    arena_init(&arena, 8 << 20);
    unpack(view_from(data, size));
    if (report_part_find(view_from(data, size), &arena, &part))
        unpack(buf_view(&part));
    buf_done(&part);
    arena_done(&arena);
    return 0;
}
