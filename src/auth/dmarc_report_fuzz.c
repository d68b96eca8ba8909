/* dmarc_report_fuzz.c: a report of strangers. One that is read is written as one that is read the same. */
#include "auth/dmarc_report.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct arena arena;
    struct dmarc_report r, again;
    struct buf once = BUF_INIT(DMARC_REPORT_BYTES_MOST), twice = BUF_INIT(DMARC_REPORT_BYTES_MOST);
    struct err e = {0};
    arena_init(&arena, 64 << 20);
    if (dmarc_report_read(view_from(data, size), &arena, &r, &e)) {
        dmarc_report_write(&r, &once);
        BUG_ON(!once.failed && !dmarc_report_read(buf_view(&once), &arena, &again, &e));
        if (!once.failed) {
            dmarc_report_write(&again, &twice);
            BUG_ON(!view_eq(buf_view(&once), buf_view(&twice)));
        }
    } else {
        BUG_ON(e.code != ERR_USAGE && e.code != ERR_LIMIT);
    }
    buf_done(&once);
    buf_done(&twice);
    arena_done(&arena);
    return 0;
}
