/* hop.c: where a site's mail goes, and the connections kept for it. With a smart host all sites share one
 * hop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "roles/deliver/deliver.h"

#define IDLE_MS          15000 /* a connection kept longer than this is likely gone */
#define SLOW_MS          30000 /* waiting longer than this for one answer makes a site slow */
#define QUICK_MS         5000
#define SLOW_FOR_MS      600000
#define LIMITED_MS       60000 /* a limit that was seen is kept to for this long */
#define TRANSACTIONS_MAX 1000
#define ADDRESSES_MAX    6 /* tried for one connection */

struct hop *hop_get(view domain) {
    view name = *deliver.role.config->relay ? VIEW("relay") : domain;
    struct hop *h = deliver.hops;
    while (h && !view_eq(view_of(h->name), name))
        h = h->next;
    if (!h) {
        h = mem_alloc(sizeof *h);
        *h = (struct hop){.name = mem_view(name), .next = deliver.hops};
        deliver.hops = h;
    }
    h->sites++;
    return h;
}

static void free_hop(struct hop *h) {
    for (struct smtp *c = h->idle, *next; c; c = next) {
        next = c->next;
        smtp_close(c);
    }
    free(h->name);
    free(h);
}

/* A hop without sites and without kept connections is forgotten; hop_close_idle sees to the rest. */
void hop_put(struct hop *h) {
    h->sites--;
}

void hop_close_idle(void) {
    struct smtp *old = NULL;
    pthread_mutex_lock(&deliver.lock);
    int64_t now = clock_mono_ms();
    for (struct hop **at = &deliver.hops, *h; (h = *at);) {
        for (struct smtp **ca = &h->idle, *c; (c = *ca);) {
            if (!deliver.stopping && now - c->idle_since_ms < IDLE_MS) {
                ca = &c->next;
                continue;
            }
            *ca = c->next;
            c->next = old;
            old = c;
        }
        if (h->sites == 0 && h->active == 0 && !h->idle) {
            *at = h->next;
            free_hop(h);
        } else {
            at = &h->next;
        }
    }
    pthread_mutex_unlock(&deliver.lock);
    for (struct smtp *next; old; old = next) {
        next = old->next;
        smtp_close(old);
    }
}

static size_t most_slow_threads(void) {
    size_t quarter = (size_t)deliver.role.config->deliver_threads / 4;
    return quarter > 0 ? quarter : 1;
}

static bool is_slow(const struct hop *h) {
    return clock_mono_ms() < h->slow_until_ms;
}

/* Threads at slow hops, waiting or not yet. */
static size_t threads_at_slow_hops(void) {
    size_t n = 0;
    for (const struct hop *h = deliver.hops; h; h = h->next)
        n += is_slow(h) ? h->active : 0;
    return n;
}

bool hop_may_start(const struct hop *h) {
    size_t most = (size_t)deliver.role.config->deliver_site_connections;
    if (h->limit > 0 && h->limit < most && clock_mono_ms() - h->limited_ms < LIMITED_MS)
        most = h->limit;
    if (is_slow(h) && threads_at_slow_hops() >= most_slow_threads())
        return false;
    return h->active < most;
}

static _Thread_local bool waits_for_slow;

bool hop_keep_waiting(struct hop *h, int64_t waited_ms) {
    pthread_mutex_lock(&deliver.lock);
    bool go_on = deliver.stop_ms == 0 || clock_real_us() / 1000 < deliver.stop_ms;
    if (go_on && waited_ms >= SLOW_MS && !waits_for_slow) {
        h->slow_until_ms = clock_mono_ms() + SLOW_FOR_MS;
        waits_for_slow = deliver.slow_threads < most_slow_threads();
        deliver.slow_threads += waits_for_slow;
        go_on = waits_for_slow;
    }
    pthread_mutex_unlock(&deliver.lock);
    return go_on;
}

void hop_waited(void) {
    if (!waits_for_slow)
        return;
    pthread_mutex_lock(&deliver.lock);
    deliver.slow_threads--;
    pthread_mutex_unlock(&deliver.lock);
    waits_for_slow = false;
}

bool hop_is_at_limit(struct hop *h) {
    pthread_mutex_lock(&deliver.lock);
    bool others = h->connected > 0 || h->active > 1; /* have a connection, or still try for one */
    if (others) {
        h->limit = h->connected > 0 ? h->connected : h->active - 1;
        h->limited_ms = clock_mono_ms();
    }
    pthread_mutex_unlock(&deliver.lock);
    return others;
}

static struct smtp *take_idle(struct hop *h) {
    pthread_mutex_lock(&deliver.lock);
    struct smtp *c = h->idle;
    if (c)
        h->idle = c->next;
    pthread_mutex_unlock(&deliver.lock);
    return c;
}

void hop_give_back(struct hop *h, struct smtp *c, bool usable) {
    if (!usable || c->transactions >= TRANSACTIONS_MAX) {
        smtp_close(c);
        pthread_mutex_lock(&deliver.lock);
        h->connected--;
        pthread_mutex_unlock(&deliver.lock);
        return;
    }
    c->idle_since_ms = clock_mono_ms();
    pthread_mutex_lock(&deliver.lock);
    h->connected--;
    if (c->longest_wait_ms < QUICK_MS)
        h->slow_until_ms = 0;
    c->longest_wait_ms = 0;
    c->next = h->idle;
    h->idle = c;
    pthread_mutex_unlock(&deliver.lock);
}

/* ---- where to ---- */

struct target {
    view host;
    struct sockaddr_any addr;
};

static size_t add_addresses(view host, int port, struct arena *a, struct target targets[ADDRESSES_MAX],
                            size_t count, int64_t deadline, struct err *e) {
    struct sockaddr_any *addrs;
    int n = dns_lookup_addresses(deliver.dns, host, port, a, deadline, &addrs, e);
    for (int i = 0; i < n && count < ADDRESSES_MAX; i++)
        targets[count++] = (struct target){host, addrs[i]};
    return count;
}

/* relay = host:port */
static size_t find_relay(struct arena *a, struct target targets[ADDRESSES_MAX], int64_t deadline,
                         struct err *e) {
    view relay = view_of(deliver.role.config->relay);
    if (sockaddr_parse(relay, &targets[0].addr, NULL)) {
        targets[0].host = relay;
        return 1;
    }
    ptrdiff_t colon = view_rfind(relay, ':');
    int64_t port;
    if (colon <= 0 || !view_to_i64(view_skip(relay, (size_t)colon + 1), &port) || port < 1 || port > 65535) {
        err_set(e, ERR_DNS, "relay = %.*s: host:port is wanted", VIEW_ARG(relay));
        return 0;
    }
    size_t n = add_addresses(view_slice(relay, 0, (size_t)colon), (int)port, a, targets, 0, deadline, e);
    if (n == 0) /* our own mistake is not the message's */
        err_set(e, ERR_DNS, "the relay %.*s has no address", VIEW_ARG(relay));
    return n;
}

/* RFC 5321 5.1: MX in order of preference, or the domain's own addresses when it has none. */
static size_t find_targets(view domain, struct arena *a, struct target targets[ADDRESSES_MAX],
                           struct err *e) {
    const struct config *c = deliver.role.config;
    int64_t deadline = clock_mono_ms() + c->deliver_connect_timeout;
    struct dns_mx *mx;
    size_t count = 0;
    if (*c->relay)
        return find_relay(a, targets, deadline, e);
    if (view_starts_with(domain, VIEW("["))) /* an address literal */
        return add_addresses(domain, (int)c->smtp_port_out, a, targets, 0, deadline, e);
    int n = dns_lookup_mx(deliver.dns, domain, a, deadline, &mx, e);
    if (n < 0)
        return 0;
    err_set(e, ERR_HOST_UNKNOWN, "%.*s has neither MX nor address", VIEW_ARG(domain));
    if (n == 0)
        return add_addresses(domain, (int)c->smtp_port_out, a, targets, 0, deadline, e);
    err_set(e, ERR_DNS, "no mail exchanger of %.*s has an address", VIEW_ARG(domain));
    for (int i = 0; i < n && count < ADDRESSES_MAX; i++) {
        struct err ignored;
        count = add_addresses(mx[i].host, (int)c->smtp_port_out, a, targets, count, deadline, &ignored);
    }
    return count;
}

static bool keep_waiting(void *hop, int64_t waited_ms) {
    return hop_keep_waiting(hop, waited_ms);
}

struct smtp_settings hop_settings(struct hop *h) {
    const struct config *c = deliver.role.config;
    return (struct smtp_settings){.helo = c->hostname,
                                  .tls = deliver.tls,
                                  .connect_timeout_ms = c->deliver_connect_timeout,
                                  .reply_timeout_ms = c->deliver_reply_timeout,
                                  .keep_waiting = keep_waiting,
                                  .context = h};
}

static struct smtp *connect_first(struct hop *h, view domain, struct err *e) {
    const struct smtp_settings set = hop_settings(h);
    struct target targets[ADDRESSES_MAX];
    struct arena a;
    struct smtp *connection = NULL;
    arena_init(&a, LIMIT_STEP_ARENA);
    size_t n = find_targets(domain, &a, targets, e);
    if (n > 0)
        err_set(e, ERR_STOPPING, NULL); /* what holds when the loop has no time for a first try */
    for (size_t i = 0; i < n && !connection && !role_stopping(); i++) {
        connection = smtp_open(&targets[i].addr, targets[i].host, &set, e);
        if (!connection && !err_is_temporary(e))
            e->code = ERR_CONNECT; /* a greeting of 5xx is that host's; another may take it later */
    }
    arena_done(&a);
    metric_add(METRIC_DELIVER_CONNECTIONS, connection != NULL);
    return connection;
}

struct smtp *hop_connect(struct site *s, bool *ret_reused, struct err *e) {
    struct smtp *c = take_idle(s->hop);
    *ret_reused = c != NULL;
    if (!c)
        c = connect_first(s->hop, view_of(s->domain), e);
    pthread_mutex_lock(&deliver.lock);
    s->hop->connected += c != NULL;
    pthread_mutex_unlock(&deliver.lock);
    return c;
}
