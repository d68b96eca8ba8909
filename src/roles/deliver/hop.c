/* hop.c: where mail goes: a transport that people named, the smart host, or the exchangers of the domain; and
 * the connections there, in use and kept. Domains with the same exchangers share a hop, and with it the
 * number of connections: the limit is a receiving site's, not a domain's. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "mail/address.h"
#include "net/transport.h"
#include "roles/deliver/deliver.h"
#include "store/class.h"

#define IDLE_MS          15000 /* a connection kept longer than this is likely gone */
#define SLOW_MS          30000 /* waiting longer than this for one answer makes a site slow */
#define QUICK_MS         5000
#define SLOW_FOR_MS      600000
#define TRANSACTIONS_MAX 1000
#define ADDRESSES_MAX    6 /* tried for one connection */
#define HOSTS_MAX        16
#define REFUSED_MS       1000 /* how long what was missing at a host is not looked for again */

static void free_hop(struct hop *h) {
    for (struct smtp *c = h->idle, *next; c; c = next) {
        next = c->next;
        smtp_close(c);
    }
    for (size_t i = 0; i < h->host_count; i++)
        free(h->hosts[i]);
    free(h->hosts);
    sts_free(h->sts);
    free(h->name);
    free(h);
}

/* A hop without queues and without kept connections is forgotten; hop_tend sees to the rest. */
void hop_put(struct hop *h) {
    h->queues--;
}

/* What is known of a hop's limits outlives its queues for a while: the next lease must not learn it anew. */
static bool is_forgotten(const struct hop *h, int64_t now) {
    bool learnt = now < h->window.probe_ms || now < h->window.paused_ms || now < h->slow_until_ms;
    return h->queues == 0 && h->active == 0 && !h->idle && (deliver.stopping || !learnt);
}

void hop_tend(void) {
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
        if (h->window.paused_ms && now >= h->window.paused_ms) {
            h->window.paused_ms = 0;
            pthread_cond_broadcast(&deliver.work);
        }
        if (is_forgotten(h, now)) {
            *at = h->next;
            free_hop(h);
        } else {
            at = &h->next;
        }
    }
    pthread_cond_signal(&deliver.work); /* time alone lifts some limits */
    pthread_mutex_unlock(&deliver.lock);
    for (struct smtp *next; old; old = next) {
        next = old->next;
        smtp_close(old);
    }
}

size_t hop_most_slow_threads(void) {
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
    if (is_slow(h) && threads_at_slow_hops() >= hop_most_slow_threads())
        return false;
    return window_allows(&h->window, h->active, (size_t)deliver.role.config->deliver_site_connections,
                         clock_mono_ms());
}

static _Thread_local bool waits_for_slow;

bool hop_keep_waiting(struct hop *h, int64_t waited_ms) {
    pthread_mutex_lock(&deliver.lock);
    bool go_on = deliver.stop_ms == 0 || clock_real_us() / 1000 < deliver.stop_ms;
    if (go_on && waited_ms >= SLOW_MS && !waits_for_slow) {
        h->slow_until_ms = clock_mono_ms() + SLOW_FOR_MS;
        waits_for_slow = deliver.slow_threads < hop_most_slow_threads();
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
    if (others)
        window_limit(&h->window, h->connected > 0 ? h->connected : h->active - 1, clock_mono_ms());
    pthread_mutex_unlock(&deliver.lock);
    return others;
}

bool hop_refused(struct hop *h) {
    pthread_mutex_lock(&deliver.lock);
    bool again = window_refusal(&h->window, clock_mono_ms());
    int64_t pause = h->window.pause_ms;
    pthread_mutex_unlock(&deliver.lock);
    log_line(LOG_INFO, "site-pauses", LOG_S("site", h->name), LOG_I("ms", pause));
    return again;
}

void hop_succeeded(struct hop *h) {
    pthread_mutex_lock(&deliver.lock);
    window_success(&h->window, (size_t)deliver.role.config->deliver_site_connections, clock_mono_ms());
    pthread_mutex_unlock(&deliver.lock);
}

/* One whose host has shown enough for such mail. */
static struct smtp *take_idle(struct hop *h, enum tls_need need) {
    pthread_mutex_lock(&deliver.lock);
    struct smtp **at = &h->idle;
    while (*at && (*at)->fits < (int)need)
        at = &(*at)->next;
    struct smtp *c = *at;
    if (c)
        *at = c->next;
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

/* What the look-up of a queue found, until the hop of that name is found or made. */
struct route {
    struct arena arena;
    struct buf name;
    bool lmtp, by_mx, own;
    const char *hosts[HOSTS_MAX];
    size_t host_count;
    int port;
    bool secure;
    struct sts *sts; /* goes to the hop that is made */
};

static const char *setting_of(const struct config_list *list, enum mail_class class) {
    const char *name = class_name(class), *found = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (!equals)
            found = found ? found : list->items[i];
        else if (view_eq(view_from(list->items[i], (size_t)(equals - list->items[i])), view_of(name)))
            return equals + 1;
    }
    return found;
}

/* "VALUE" or "CLASS=VALUE"; *ret_value: what stands behind the class. */
static bool split_setting(const char *name, const char *item, view *ret_value, struct err *e) {
    view rest = view_of(item), class_text;
    enum mail_class class;
    *ret_value = rest;
    if (view_find(rest, '=') < 0)
        return true;
    view_split(&rest, '=', &class_text);
    *ret_value = rest;
    return class_parse(class_text, &class) ||
           err_set(e, ERR_CONFIG, "%s = %s: %.*s is no class of traffic (direct, list, announcement, bounce)",
                   name, item, VIEW_ARG(class_text));
}

bool hop_check_settings(const struct config *c, struct err *e) {
    struct arena arena;
    bool ok = true;
    arena_init(&arena, LIMIT_STEP_ARENA);
    for (size_t i = 0; ok && i < c->deliver_bind.count; i++) {
        const char *item = c->deliver_bind.items[i];
        struct sockaddr_any address;
        view value;
        ok = split_setting("deliver_bind", item, &value, e) &&
             (sockaddr_from_ip(value, 0, &address, NULL) ||
              err_set(e, ERR_CONFIG, "deliver_bind = %s: not an IP address", item));
    }
    for (size_t i = 0; ok && i < c->deliver_helo.count; i++) {
        const char *item = c->deliver_helo.items[i];
        view value, name;
        ok = split_setting("deliver_helo", item, &value, e) &&
             (view_starts_with(value, VIEW("[")) || domain_normalise(value, &arena, &name, e) ||
              err_prefix(e, "deliver_helo = %s", item));
        if (!ok)
            e->code = ERR_CONFIG;
    }
    arena_done(&arena);
    return ok;
}

static void add_host(struct route *r, view host) {
    if (r->host_count < HOSTS_MAX)
        r->hosts[r->host_count++] = arena_str(&r->arena, host);
}

/* False: people wrote something else than a transport. */
static bool route_by_transport(struct route *r, view text, bool *ret_by_mx, struct err *e) {
    struct transport t;
    text = transport_of_relay(text, &r->arena);
    if (!transport_parse(text, &t, e)) {
        e->code = ERR_DNS; /* our own mistake is not the message's */
        return false;
    }
    *ret_by_mx = t.kind == TRANSPORT_MX;
    r->lmtp = t.kind == TRANSPORT_LMTP;
    r->port = t.port;
    if (*ret_by_mx)
        return true;
    r->secure = t.kind == TRANSPORT_SMTP;
    buf_add(&r->name, text);
    add_host(r, t.path.len > 0 ? arena_printf(&r->arena, "unix:%.*s", VIEW_ARG(t.path)) : t.host);
    return true;
}

static int by_name(const void *a, const void *b) {
    const struct dns_mx *x = a, *y = b;
    if (x->preference != y->preference)
        return x->preference < y->preference ? -1 : 1;
    size_t least = x->host.len < y->host.len ? x->host.len : y->host.len;
    int c = memcmp(x->host.ptr, y->host.ptr, least);
    return c ? c : (x->host.len > y->host.len) - (x->host.len < y->host.len);
}

/* Exchangers that are worse than ourselves, or as good, would send it back (RFC 5321 5.1). */
static int before_ourselves(const struct dns_mx *mx, int n) {
    for (int i = 0; i < n; i++)
        if (view_eq_nocase(mx[i].host, view_of(deliver.role.config->hostname))) {
            int first = i;
            while (first > 0 && mx[first - 1].preference == mx[i].preference)
                first--;
            return first;
        }
    return n;
}

/* RFC 5321 5.1: MX in order of preference, or the domain's own addresses when it has none. Domains with the
 * same exchangers are one site. */
static bool route_by_mx(struct route *r, view domain, struct err *e) {
    const struct config *c = deliver.role.config;
    struct dns_mx *mx;
    r->port = (int)c->smtp_port_out;
    if (!view_starts_with(domain, VIEW("["))) { /* no address literal */
        int n = dns_lookup_mx(deliver.dns, domain, &r->arena, clock_mono_ms() + c->deliver_connect_timeout,
                              &mx, &r->secure, e);
        if (n < 0)
            return false;
        int usable = before_ourselves(mx, n);
        if (n > 0 && usable == 0)
            return err_set(e, ERR_LOOP,
                           "mail for %.*s loops back to this server: its best mail exchanger is %s",
                           VIEW_ARG(domain), c->hostname);
        for (int i = 0; i < usable; i++)
            add_host(r, mx[i].host);
        qsort(mx, (size_t)usable, sizeof *mx, by_name);
        for (int i = 0; i < usable && i < HOSTS_MAX; i++)
            buf_printf(&r->name, "%s%.*s", i ? "," : "", VIEW_ARG(mx[i].host));
        r->by_mx = usable > 0;
        if (r->by_mx)
            return true;
    }
    buf_add(&r->name, domain);
    add_host(r, domain);
    r->own = true;
    return true;
}

/* Under the lock. */
static struct hop *find_or_make(struct route *r, const char *helo, const char *bind) {
    view name = buf_view(&r->name);
    struct hop *h = deliver.hops;
    while (h && !view_eq(view_of(h->name), name))
        h = h->next;
    if (h)
        return h;
    h = mem_alloc(sizeof *h);
    *h = (struct hop){.name = mem_view(name),
                      .lmtp = r->lmtp,
                      .by_mx = r->by_mx,
                      .own = r->own,
                      .helo = helo,
                      .bind = bind,
                      .hosts = mem_resize(NULL, r->host_count, sizeof *h->hosts),
                      .host_count = r->host_count,
                      .port = r->port,
                      .secure = r->secure,
                      .sts = r->sts,
                      .next = deliver.hops};
    for (size_t i = 0; i < r->host_count; i++)
        h->hosts[i] = mem_str(r->hosts[i]);
    r->sts = NULL;
    window_init(&h->window);
    deliver.hops = h;
    return h;
}

/* Domains with the same exchangers are one site as far as they demand the same of them. */
static void add_demands(struct route *r) {
    unsigned char sha256[32];
    if (r->secure && deliver.validates && (r->by_mx || r->own))
        buf_add_str(&r->name, " by DNSSEC");
    if (!r->sts)
        return;
    EVP_Digest(r->sts->text.ptr, r->sts->text.len, sha256, NULL, EVP_sha256(), NULL);
    buf_add_str(&r->name, " by MTA-STS ");
    for (int i = 0; i < 8; i++)
        buf_printf(&r->name, "%02x", sha256[i]);
}

bool hop_find(struct queue *q, struct err *e) {
    const struct config *c = deliver.role.config;
    struct route r = {.name = BUF_INIT(LIMIT_STEP_ARENA)};
    const char *helo = setting_of(&c->deliver_helo, q->class), *bind = setting_of(&c->deliver_bind, q->class);
    arena_init(&r.arena, LIMIT_STEP_ARENA);
    bool ok = true;
    const char *transport = *q->transport ? q->transport : c->relay;
    bool by_mx = !*transport;
    if (*transport)
        ok = route_by_transport(&r, view_of(transport), &by_mx, e);
    if (ok && by_mx)
        ok = route_by_mx(&r, view_of(q->domain), e);
    if (ok && by_mx && deliver.tls && *q->domain != '[')
        ok = sts_find(q->domain, &r.sts, &q->reports, e);
    add_demands(&r);
    helo = helo ? helo : c->hostname;
    if (bind || helo != c->hostname) /* a connection is kept for those that look the same from outside */
        buf_printf(&r.name, " as %s from %s", helo, bind ? bind : "any");
    if (ok) {
        pthread_mutex_lock(&deliver.lock);
        q->hop = find_or_make(&r, helo, bind);
        q->hop->queues++;
        pthread_mutex_unlock(&deliver.lock);
    }
    sts_free(r.sts);
    buf_done(&r.name);
    arena_done(&r.arena);
    return ok;
}

static size_t add_addresses(view host, int port, struct arena *a, struct target targets[ADDRESSES_MAX],
                            size_t count, int64_t deadline, struct err *e) {
    struct sockaddr_any *addrs;
    struct dns_host known;
    int n = dns_lookup_addresses(deliver.dns, host, port, a, deadline, &addrs, &known, e);
    for (int i = 0; i < n && count < ADDRESSES_MAX; i++)
        targets[count++] = (struct target){host, addrs[i], known};
    return count;
}

static size_t find_targets(const struct hop *h, struct arena *a, struct target targets[ADDRESSES_MAX],
                           struct err *e) {
    int64_t deadline = clock_mono_ms() + deliver.role.config->deliver_connect_timeout;
    size_t count = 0;
    if (h->port == 0) {
        targets[0].host = view_of(h->hosts[0]);
        return sockaddr_from_path(view_skip(targets[0].host, 5), &targets[0].addr, e);
    }
    for (size_t i = 0; i < h->host_count && count < ADDRESSES_MAX; i++) {
        struct err why = {.code = ERR_OK};
        size_t before = count;
        count = add_addresses(view_of(h->hosts[i]), h->port, a, targets, count, deadline, &why);
        if (count > before)
            continue;
        if (h->by_mx) /* the domain exists, and one of its exchangers may be mended */
            err_set(e, ERR_DNS, "no mail exchanger of the domain has an address: %.160s", h->name);
        else if (!h->own)
            err_set(e, ERR_DNS, "%s has no address",
                    h->hosts[i]); /* people named it: not the message's fault */
        else if (why.code != ERR_OK)
            *e = why;
        else
            err_set(e, ERR_HOST_UNKNOWN, "%s has neither MX nor address", h->hosts[i]);
    }
    return count;
}

static bool keep_waiting(void *hop, int64_t waited_ms) {
    return hop_keep_waiting(hop, waited_ms);
}

struct smtp_settings hop_settings(struct hop *h) {
    const struct config *c = deliver.role.config;
    return (struct smtp_settings){.helo = h->helo,
                                  .bind = h->bind,
                                  .lmtp = h->lmtp,
                                  .tls = deliver.tls,
                                  .proving = deliver.tls_proving,
                                  .connect_timeout_ms = c->deliver_connect_timeout,
                                  .reply_timeout_ms = c->deliver_reply_timeout,
                                  .keep_waiting = keep_waiting,
                                  .context = h};
}

/* What a connection was opened for, or more: a proved host that promises REQUIRETLS is good for all. */
static int need_that_fits(const struct smtp *c, enum tls_need need) {
    return c->proved_by && c->requiretls ? TLS_REQUIRED : need;
}

static struct smtp *try_target(struct queue *q, enum tls_need need, const struct target *t, struct arena *a,
                               struct err *e) {
    const struct smtp_settings set = hop_settings(q->hop);
    struct policy p;
    struct smtp_tls_end end = {.end = SMTP_TLS_UNTRIED};
    struct smtp *c = NULL;
    if (policy_find(q->hop, q->domain, need, t, a, &p, e))
        c = smtp_open(&t->addr, t->host, &set, &p.demand, &end, e);
    if (need == TLS_BY_POLICY)
        session_count(q, &p, t, &end);
    if (c)
        c->fits = need_that_fits(c, need);
    return c;
}

/* Which of two hosts' errors to tell: that nothing was wrong but TLS. What is temporary goes before what is
 * not, since the message may still get there. */
static bool tells_more(const struct err *one, const struct err *before) {
    return before->code == ERR_OK || before->code == ERR_STOPPING ||
           (before->code != ERR_TLS_POLICY && (err_is_temporary(one) || !err_is_temporary(before)));
}

static struct smtp *connect_first(struct queue *q, enum tls_need need, struct err *e) {
    struct target targets[ADDRESSES_MAX];
    struct arena a;
    struct smtp *connection = NULL;
    arena_init(&a, LIMIT_STEP_ARENA);
    size_t n = find_targets(q->hop, &a, targets, e);
    if (n > 0)
        err_set(e, ERR_STOPPING, NULL); /* what holds when the loop has no time for a first try */
    for (size_t i = 0; i < n && !connection && !role_stopping(); i++) {
        struct err one;
        connection = try_target(q, need, &targets[i], &a, &one);
        if (connection)
            break;
        if (one.code == ERR_REMOTE_PERMANENT)
            one.code = ERR_REMOTE_TEMPORARY; /* a greeting of 5xx is that host's; another may take it later */
        if (tells_more(&one, e))
            *e = one;
    }
    arena_done(&a);
    metric_add(METRIC_DELIVER_CONNECTIONS, connection != NULL);
    return connection;
}

/* True: a moment ago what such mail needs was not to be had there. */
static bool was_refused(struct hop *h, enum tls_need need, struct err *e) {
    pthread_mutex_lock(&deliver.lock);
    bool refused = clock_mono_ms() < h->refused[need].until_ms;
    if (refused)
        *e = h->refused[need].err;
    pthread_mutex_unlock(&deliver.lock);
    return refused;
}

static void note_refusal(struct hop *h, enum tls_need need, const struct err *e) {
    if (e->code != ERR_TLS_POLICY && e->code != ERR_NO_ENCRYPTION && e->code != ERR_NO_REQUIRETLS)
        return;
    pthread_mutex_lock(&deliver.lock);
    h->refused[need].err = *e;
    h->refused[need].until_ms = clock_mono_ms() + REFUSED_MS;
    pthread_mutex_unlock(&deliver.lock);
}

struct smtp *hop_connect(struct queue *q, enum tls_need need, bool *ret_reused, struct err *e) {
    struct hop *h = q->hop;
    struct smtp *c = take_idle(h, need);
    *ret_reused = c != NULL;
    if (!c && was_refused(h, need, e))
        return NULL;
    if (!c && !(c = connect_first(q, need, e)))
        note_refusal(h, need, e);
    pthread_mutex_lock(&deliver.lock);
    h->connected += c != NULL;
    pthread_mutex_unlock(&deliver.lock);
    return c;
}
