/* flow.c: the pace of intake. When what was taken in waits long for the router, the answers to end-of-data
 * wait a little, so that the house is not filled faster than it can be worked off: senders feel it, and lists
 * stay prompt. Nobody is refused. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "roles/smtpd/smtpd.h"

struct question {
    struct store_request request;
    struct server *server;
};

/* On a thread of the store. */
static void told(struct store_request *r) {
    struct question *q = (struct question *)r;
    struct vals v = vals_of(buf_view(&r->out));
    if (r->err.code == ERR_OK)
        atomic_store(&q->server->inbox_age_ms, vals_get_int(&v));
    store_request_done(r);
    free(q);
}

/* Nobody waits for the answer: it holds for those that come after. */
static void ask_now_and_then(struct server *server) {
    int64_t now = clock_mono_ms(), last = atomic_load(&server->inbox_asked_ms);
    if (now - last < FLOW_ASK_MS || !atomic_compare_exchange_strong(&server->inbox_asked_ms, &last, now))
        return;
    struct question *q = mem_alloc(sizeof *q);
    q->server = server;
    store_request_init(&q->request, OP_INBOX_AGE);
    q->request.done = told;
    store_submit(server->role.store, &q->request);
}

int64_t flow_pause_ms(struct server *server) {
    ask_now_and_then(server);
    int64_t pause = (atomic_load(&server->inbox_age_ms) - FLOW_AGE_MS) / FLOW_AGE_PER_MS;
    if (pause <= 0)
        return 0;
    metric_add(METRIC_SMTPD_SLOWED, 1);
    return pause < FLOW_PAUSE_MAX_MS ? pause : FLOW_PAUSE_MAX_MS;
}
