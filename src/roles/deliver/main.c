/* deliver: sends what the queue holds to the world: leases destinations, delivers with many threads, records
 * every result, returns what cannot be delivered.
 *
 * Also fetches texts of letters that are behind URIs.
 *
 * Trusts: nobody it talks to. May touch: the network outwards, the store (its own operations only), DNS.
 * Never: listening sockets, archive files.
 * When it dies: leases go back at its next start or when they end; rows whose results were not committed are
 * sent again (DESIGN 1.1 says how few that can be). */
#include "roles/deliver/deliver.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "roles/tally.h"

#define LEASE_MS       300000
#define RENEW_EVERY_MS 60000
#define LEASE_MOST     32   /* destinations taken at once */
#define QUEUES_MAX     4096 /* destinations held */

struct deliver deliver = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static bool call_with_node(enum op op, int64_t lease, struct err *e) {
    struct store_request q;
    store_request_init(&q, op);
    vals_view(&q.args, view_of(deliver.role.node));
    if (lease)
        vals_int(&q.args, lease);
    bool ok = store_call(deliver.role.store, &q, e);
    store_request_done(&q);
    return ok;
}

static void renew_leases(void) {
    static int64_t next_ms;
    struct err e;
    int64_t now = clock_mono_ms();
    if (now < next_ms)
        return;
    next_ms = now + RENEW_EVERY_MS;
    if (call_with_node(OP_LEASE_RENEW, LEASE_MS, &e))
        return;
    log_line(LOG_ERROR, "renew-failed", LOG_S("reason", e.text));
    next_ms = now + ROLE_LOOK_MS;
}

/* Take destinations that are due. The number taken. A batch whose answer did not come is asked for again
 * under its number: what the store gave away under it is ours. */
static size_t lease(void) {
    static int64_t unanswered;
    struct store_request q;
    struct err e;
    int64_t batch = unanswered ? unanswered : id_new();
    size_t n = 0;
    store_request_init(&q, OP_LEASE);
    vals_view(&q.args, view_of(deliver.role.node));
    vals_int(&q.args, batch);
    vals_int(&q.args, LEASE_MOST);
    vals_int(&q.args, LEASE_MS);
    bool ok = store_call(deliver.role.store, &q, &e);
    unanswered = ok ? 0 : batch;
    if (ok) {
        struct vals v = vals_of(buf_view(&q.out));
        bool frozen = vals_get_int(&v) != 0;
        pthread_mutex_lock(&deliver.lock);
        if (deliver.frozen && !frozen)
            pthread_cond_broadcast(&deliver.work);
        deliver.frozen = frozen;
        for (; vals_more(&v); n++) {
            struct lease l = {.batch = batch, .dest = vals_get_int(&v)};
            l.domain = vals_get_view(&v);
            l.tries = vals_get_int(&v);
            l.transport = vals_get_view(&v);
            l.frozen = vals_get_int(&v) != 0;
            queue_add(&l);
        }
        pthread_mutex_unlock(&deliver.lock);
    } else {
        log_line(LOG_ERROR, "lease-failed", LOG_S("reason", e.text));
    }
    store_request_done(&q);
    return n;
}

static bool release(const struct queue *s) {
    struct store_request q;
    struct err e;
    bool wait = s->failed && err_is_temporary(&s->why);
    store_request_init(&q, OP_RELEASE);
    vals_int(&q.args, s->dest);
    vals_int(&q.args, s->batch);
    vals_int(&q.args, wait ? clock_now_ms() + backoff_ms(deliver.role.config, s->tries) : 0);
    vals_int(&q.args, wait ? s->tries + 1 : 0);
    vals_view(&q.args, wait ? view_of(s->why.text) : VIEW(""));
    bool ok = store_call(deliver.role.store, &q, &e);
    if (!ok)
        log_line(LOG_ERROR, "release-failed", LOG_S("site", s->domain), LOG_S("reason", e.text));
    store_request_done(&q);
    return ok;
}

/* A release that did not get through is tried again: the lease is renewed as long as we live. */
static void release_finished(void) {
    for (bool ok = true; ok;) {
        pthread_mutex_lock(&deliver.lock);
        struct queue *s = queue_take_finished();
        pthread_mutex_unlock(&deliver.lock);
        if (!s)
            return;
        ok = release(s);
        pthread_mutex_lock(&deliver.lock);
        if (ok)
            queue_free(s);
        else
            queue_link(s);
        pthread_mutex_unlock(&deliver.lock);
    }
}

static bool has_room(void) {
    pthread_mutex_lock(&deliver.lock);
    bool room = deliver.queue_count < QUEUES_MAX;
    pthread_mutex_unlock(&deliver.lock);
    return room;
}

static void schedule(void) {
    while (!role_stopping()) {
        release_finished();
        renew_leases();
        hop_tend();
        signing_refresh();
        if (!has_room() || lease() == 0)
            hint_wait(deliver.role.hint, deliver.queue_count ? ROLE_LOOK_MS / 10 : ROLE_LOOK_MS);
    }
}

static bool start(struct err *e) {
    const struct config *c = deliver.role.config;
    if (!hop_check_settings(c, e))
        return false;
    FREE_AUTO char *authorities = *c->tls_ca_file ? config_path(c, c->tls_ca_file) : NULL;
    deliver.validates = *c->dnssec_anchors != '\0';
    deliver.dns = dns_open_configured(c, e);
    if (!deliver.dns)
        return false;
    if (c->tls_out && (!(deliver.tls = tls_client_context(e)) ||
                       !(deliver.tls_proving = tls_proving_context(authorities, e))))
        return false;
    return call_with_node(OP_LEASE_RESET, 0, e) && results_start(e) && templates_start(e) &&
           signing_start(e) && reports_start(e);
}

static void run_threads(void) {
    workers_start((size_t)deliver.role.config->deliver_threads);
    schedule();
    pthread_mutex_lock(&deliver.lock);
    deliver.stopping = true;
    deliver.stop_ms = clock_real_us() / 1000 + deliver.role.config->drain_timeout;
    pthread_cond_broadcast(&deliver.work);
    pthread_mutex_unlock(&deliver.lock);
    workers_join();
}

static void stop(void) {
    struct err e;
    reports_stop();
    templates_stop();
    tally_stop();
    results_stop();
    release_finished();
    hop_tend();
    if (!call_with_node(OP_LEASE_RESET, 0, &e))
        log_line(LOG_WARN, "leases-not-released", LOG_S("reason", e.text));
    while (deliver.queues) {
        struct queue *s = deliver.queues;
        deliver.queues = s->next;
        queue_free(s);
    }
    hop_tend();
    log_line(LOG_INFO, "stopped");
}

int main(int argc, char **argv) {
    static const struct role_needs needs = {
        .name = "deliver", .store_role = R_DELIVER, .store_threads = 4, .hint = true};
    struct err e;
    int status = 0;
    if (!role_start(argc, argv, &needs, &deliver.role, &status))
        return status;
    if (start(&e)) {
        tally_start(&deliver.role);
        role_ready(&deliver.role);
        run_threads();
        stop();
    } else {
        log_line(LOG_ERROR, "cannot-start", LOG_S("reason", e.text));
        status = err_info(e.code)->exit;
    }
    signing_stop();
    dns_close(&deliver.dns);
    tls_context_unref(&deliver.tls);
    tls_context_unref(&deliver.tls_proving);
    role_end(&deliver.role);
    return status;
}
