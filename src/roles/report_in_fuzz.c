/* report_in_fuzz.c: a report of others from any octets: what the store is given has the lengths it takes, is
 * text that can be printed, and the same each time. */
#include "roles/report_in.h"

#include "mail/text.h"
#include "store/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct given {
    uint64_t sum; /* of all that was given */
    int64_t next, total;
};

static view text(struct vals *v, size_t most) {
    view one = vals_get_view(v);
    BUG_ON(one.len > most || !text_is_printable(one) || !view_is_utf8(one));
    return one;
}

static void check_rows(struct vals *v, struct given *g) {
    BUG_ON(vals_get_int(v) != g->next);
    for (size_t count = vals_get_count(v); count > 0; count--, g->next++) {
        for (int i = 0; i < 3; i++)
            text(v, REPORT_NAME_MOST);
        BUG_ON((uint64_t)vals_get_int(v) > 1);
        text(v, REPORT_NAME_MOST);
        int64_t messages = vals_get_int(v);
        BUG_ON(messages < 0 || messages > REPORT_MESSAGES_MOST);
    }
    BUG_ON(v->failed || vals_more(v) || g->next > g->total);
}

static bool call(void *context, struct store_request *q, struct err *e) {
    struct given *g = context;
    struct vals v = vals_of(buf_view(&q->args));
    (void)e;
    for (size_t i = 0; i < q->args.len; i++)
        g->sum = g->sum * 31 + (unsigned char)q->args.data[i];
    BUG_ON(q->op != OP_REPORT_TAKE);
    BUG_ON(vals_get_int(&v) > REPORT_TLS);
    for (int i = 0; i < 3; i++)
        text(&v, REPORT_NAME_MOST);
    text(&v, REPORT_TEXT_MOST);
    vals_get_int(&v);
    vals_get_int(&v);
    text(&v, REPORT_TEXT_MOST);
    g->total = vals_get_int(&v);
    BUG_ON(g->total < 0 || g->total > REPORT_TOTAL_MOST);
    check_rows(&v, g);
    vals_int(&q->out, 1);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct given given[2] = {{.next = 0}, {.next = 0}};
    for (int i = 0; i < 2; i++) {
        struct report_in_store store = {.call = call, .context = &given[i]};
        struct report_in found;
        struct arena a;
        struct err e = {.code = ERR_OK};
        arena_init(&a, REPORT_IN_ARENA);
        if (report_in(view_from(data, size), &store, &a, &found, &e))
            BUG_ON(given[i].next != given[i].total || found.domain.len == 0);
        else
            BUG_ON(e.code != ERR_USAGE && e.code != ERR_LIMIT);
        arena_done(&a);
    }
    BUG_ON(given[0].sum != given[1].sum);
    return 0;
}
