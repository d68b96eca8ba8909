/* router: turns each accepted recipient into deliveries, list expansions, archive entries or a notification;
 * and deletes what nothing refers to any more (the reaper).
 *
 * Trusts: the store. May touch: the store (its own operations only). Never: network, files of mail.
 * When it dies: what it had taken is taken again; a decision is one transaction, so nothing is half routed. A
 * message that kills it twice is set aside.
 *
 * One round: take up to LIMIT_ROUTE_BATCH messages, ask for the facts of all their recipients at once, decide
 * each message with the pure rules of routing/, commit all decisions at once (one group commit), then a slice
 * of each expansion that is under way. */
#include "roles/router/router.h"

#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#define LEASE_MS         60000
#define REAP_EVERY_MS    1000
#define ORPHANS_EVERY_MS 60000
#define ENDS_EVERY_MS    10000
#define REAP_SLICES      20 /* of LIMIT_ROUTE_BATCH messages each, in one go */

#define EXPAND_AT_ONCE LIMIT_ROUTE_BATCH /* slices that share a commit */

struct expansion {
    int64_t message, list;
    bool edited;
};

/* A slice of each of n expansions in one group commit; the slices are the smaller the more there are, so that
 * no transaction lasts. */
static bool expand_together(struct role *r, const struct expansion *expansions, size_t n, struct err *e) {
    struct store_request slices[EXPAND_AT_ONCE];
    struct store_wait wait;
    bool ok = true;
    store_wait_init(&wait);
    for (size_t i = 0; i < n; i++) {
        store_request_init(&slices[i], OP_EXPAND);
        vals_int(&slices[i].args, expansions[i].message);
        vals_int(&slices[i].args, expansions[i].list);
        vals_int(&slices[i].args, LIMIT_EXPAND_SLICE / (int64_t)n);
        store_wait_submit(&wait, r->store, &slices[i]);
    }
    store_wait_all(&wait);
    for (size_t i = 0; i < n; i++) {
        struct vals out = vals_of(buf_view(&slices[i].out));
        if (slices[i].err.code == ERR_OK)
            metric_add(METRIC_ROUTER_DELIVERIES, vals_get_int(&out));
        else
            *e = slices[i].err;
        ok = ok && slices[i].err.code == ERR_OK;
        store_request_done(&slices[i]);
    }
    store_wait_done(&wait);
    return ok;
}

/* What has no edition yet gets one; what cannot get one now is left out. Returns how many are left. */
static size_t edit(struct role *r, struct expansion *expansions, size_t n, struct err *e) {
    struct edition_job jobs[EXPAND_AT_ONCE];
    size_t count = 0, left = 0, job = 0;
    for (size_t i = 0; i < n; i++)
        if (!expansions[i].edited)
            jobs[count++] =
                (struct edition_job){.message = expansions[i].message, .list = expansions[i].list};
    if (count > 0)
        editions_keep(r, jobs, count);
    for (size_t i = 0; i < n; i++) {
        const struct err *why = expansions[i].edited ? NULL : &jobs[job++].err;
        if (why && why->code != ERR_OK)
            *e = *why;
        else
            expansions[left++] = expansions[i];
    }
    return left;
}

static bool read_expansions(struct role *r, struct expansion *ret, size_t *ret_count, struct err *e) {
    struct store_request list;
    store_request_init(&list, OP_EXPANSIONS);
    bool ok = store_call(r->store, &list, e);
    *ret_count = 0;
    for (struct vals v = vals_of(buf_view(&list.out)); ok && vals_more(&v) && *ret_count < EXPAND_AT_ONCE;) {
        struct expansion *x = &ret[(*ret_count)++];
        x->message = vals_get_int(&v);
        x->list = vals_get_int(&v);
        x->edited = vals_get_int(&v) != 0;
    }
    store_request_done(&list);
    return ok;
}

/* One slice of every expansion under way. True when there was any. */
static bool expand_some(struct role *r) {
    struct expansion all[EXPAND_AT_ONCE];
    struct err e = {.code = ERR_OK};
    size_t count = 0;
    if (!read_expansions(r, all, &count, &e) || role_stopping())
        count = 0;
    size_t left = edit(r, all, count, &e);
    bool ok = left == 0 || expand_together(r, all, left, &e);
    if (e.code != ERR_OK)
        log_line(LOG_ERROR, "expand-failed", LOG_S("reason", e.text));
    if (left > 0 && ok) {
        hint_send(r->config->dir, "deliver");
        hint_send(r->config->dir, "archived");
    }
    return left > 0 && ok;
}

/* Preferences, requests, held posts and reports whose time is up; members whose mail came back and whose next
 * warning is due. */
static void end_what_is_over(struct role *r) {
    static const enum op ops[] = {OP_PREFERENCES_END, OP_REQUESTS_END, OP_HELD_END, OP_BOUNCES_STEP,
                                  OP_REPORTS_END};
    static int64_t next_ms;
    if (clock_mono_ms() < next_ms)
        return;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        struct store_request q;
        struct err e;
        int64_t ended = 1;
        store_request_init(&q, ops[i]);
        while (ended > 0 && !role_stopping()) {
            buf_reset(&q.args);
            vals_int(&q.args, LIMIT_ROUTE_BATCH);
            if (ops[i] == OP_REPORTS_END)
                vals_int(&q.args, r->config->keep_reports);
            bool ok = store_call(r->store, &q, &e);
            if (!ok)
                log_line(LOG_ERROR, "end-failed", LOG_S("reason", e.text));
            struct vals out = vals_of(buf_view(&q.out));
            ended = ok ? vals_get_int(&out) : 0;
        }
        store_request_done(&q);
    }
    next_ms = clock_mono_ms() + ENDS_EVERY_MS;
}

/* Walk the unfinished messages once in a while and delete the bodies that nothing needs any more. */
static void reap(struct role *r) {
    static int64_t next_ms, cursor, next_orphans_ms;
    struct store_request q;
    struct err e;
    bool ok = true;
    if (clock_mono_ms() < next_ms)
        return;
    store_request_init(&q, OP_REAP);
    for (int i = 0; i < REAP_SLICES && ok && !role_stopping(); i++) {
        buf_reset(&q.args);
        vals_int(&q.args, cursor);
        vals_int(&q.args, LIMIT_ROUTE_BATCH);
        vals_int(&q.args, r->config->keep_events);
        bool orphans = clock_mono_ms() >= next_orphans_ms; /* a scan: rarely */
        vals_int(&q.args, orphans);
        if (orphans)
            next_orphans_ms = clock_mono_ms() + ORPHANS_EVERY_MS;
        ok = store_call(r->store, &q, &e);
        struct vals out = vals_of(buf_view(&q.out));
        cursor = ok ? vals_get_int(&out) : 0;
        metric_add(METRIC_ROUTER_REAPED, ok ? vals_get_int(&out) : 0);
        if (cursor == 0)
            break;
    }
    if (!ok)
        log_line(LOG_ERROR, "reap-failed", LOG_S("reason", e.text));
    store_request_done(&q);
    next_ms = cursor == 0 ? clock_mono_ms() + REAP_EVERY_MS : 0;
}

static bool reset_leases(struct role *r, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_ROUTE_RESET);
    vals_view(&q.args, view_of(r->node));
    bool ok = store_call(r->store, &q, e);
    store_request_done(&q);
    return ok;
}

static void work(struct role *r) {
    /* What was leased is given back before the next round when a round failed in part; and once a second when
     * there is nothing to do, since a store that crashed may have lost a decision that was not synced yet
     * (ADR 11). */
    bool left_some = false;
    int64_t next_reset_ms = 0;
    while (!role_stopping()) {
        struct err e = {.code = ERR_OK};
        left_some = left_some && !reset_leases(r, &e);
        e.code = ERR_OK;
        int routed = route_some(r, LEASE_MS, &e);
        if (routed < 0)
            log_line(LOG_ERROR, "route-failed", LOG_S("reason", e.text));
        left_some = left_some || e.code != ERR_OK;
        if (routed == 0 && clock_real_us() / 1000 >= next_reset_ms) {
            left_some = true;
            next_reset_ms = clock_real_us() / 1000 + REAP_EVERY_MS;
        }
        bool expanded = expand_some(r), wrote = letters_write(r);
        wrote = digests_send(r) || wrote;
        reap(r);
        end_what_is_over(r);
        if ((routed <= 0 && !expanded && !wrote) || e.code != ERR_OK)
            hint_wait(r->hint, REAP_EVERY_MS);
    }
}

int main(int argc, char **argv) {
    static const struct role_needs needs = {
        .name = "router", .store_role = R_ROUTER, .store_threads = 1, .hint = true}; /* one: posts in order */
    struct role role;
    struct err e;
    int status = 0;
    if (!role_start(argc, argv, &needs, &role, &status))
        return status;
    if (reset_leases(&role, &e)) {
        role_ready(&role);
        work(&role);
        log_line(LOG_INFO, "stopped");
    } else {
        log_line(LOG_ERROR, "cannot-start", LOG_S("reason", e.text));
        status = err_info(e.code)->exit;
    }
    role_end(&role);
    return status;
}
