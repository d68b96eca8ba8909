/* pages.c: see pages.h. */
#include "cli/pages.h"

enum { PAGE_ROWS = 500 };

void pages_after(struct pages *p, view last) {
    buf_reset(&p->after);
    buf_add(&p->after, last);
}

void pages_ask_after(const struct pages *p, struct buf *args) {
    vals_view(args, buf_view(&p->after));
}

bool pages_show(struct cli *c, struct pages *p, const struct column *columns, size_t count, struct err *e) {
    struct table t;
    struct store_request r;
    bool ok = true, more = true;
    buf_init(&p->after, LIMIT_STORE_PACKET);
    table_open(&t, c, columns, count);
    store_request_init(&r, p->op);
    while (ok && more) {
        buf_reset(&r.args);
        p->ask(p, &r.args);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        size_t rows = 0;
        for (; ok && vals_more(&v); rows++)
            p->row(p, &t, &v);
        more = rows == PAGE_ROWS && cli_flush(c, NULL);
    }
    store_request_done(&r);
    buf_done(&p->after);
    return table_close(&t, ok ? e : NULL) && ok;
}
