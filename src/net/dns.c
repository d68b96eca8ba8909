/* dns.c: look-ups by libunbound, whose own thread does the work.
 *
 * A second thread, ours, takes the answers from libunbound and hands each to the caller that waits for it. A
 * look-up is shared by its caller and by every question it has asked, and goes when the last of them lets go:
 * a caller whose deadline passes cancels its questions and leaves, while an answer may be arriving. */
#include "net/dns.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <stdio.h>
#include <unbound.h>
#include <unistd.h>

enum {
    TYPE_A = 1,
    TYPE_PTR = 12,
    TYPE_MX = 15,
    TYPE_AAAA = 28,
    CLASS_IN = 1,
    RCODE_NOERROR = 0,
    RCODE_NXDOMAIN = 3,
};

enum {
    MX_MAX = 64,        /* records of a domain that are looked at */
    ADDRESSES_MAX = 64, /* of one kind of a host */
    NAME_MAX_LEN = 253, /* as text, without the final dot */
    LABEL_MAX_LEN = 63,
    WAIT_SLICE_MS = 250, /* real time, after which a clock that was moved is noticed */
};

struct dns {
    struct ub_ctx *ctx;
    pthread_t thread;
    int stop_fd;
};

struct question {
    struct lookup *lookup;
    int type, id;
    int failure; /* libunbound's; 0: there is a result */
    struct ub_result *result;
};

struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int refs;
    int unanswered;
    int count;
    struct question questions[]; /* as many as lookup_new() was told */
};

/* ---- the context and its threads ---- */

static const char *const options[][2] = {
    {"do-not-query-localhost:", "no"}, /* a resolver on this machine is a good choice */
    /* A server that was away is used again as soon as it is back. What libunbound remembers of servers is
     * kept for 15 minutes by default; with 60 s it took up to 24 s until answers came again, with 1 s none
     * (measured). */
    {"infra-keep-probing:", "yes"},
    {"infra-host-ttl:", "1"},
    {"infra-cache-max-rtt:", "5000"},
    {"cache-max-negative-ttl:", "300"},
    {"unblock-lan-zones:", "yes"}, /* the resolver decides what exists in a private network */
    {"local-zone:", "test. transparent"},
};

static bool configure(struct ub_ctx *ctx, char *const *servers, size_t count, const char *anchors,
                      struct err *e) {
    ub_ctx_debugout(ctx, NULL); /* libraries do not log */
    int failed = ub_ctx_async(ctx, 1);
    for (size_t i = 0; !failed && i < sizeof options / sizeof options[0]; i++)
        failed = ub_ctx_set_option(ctx, options[i][0], options[i][1]);
    if (failed)
        return err_set(e, ERR_SYSTEM, "cannot set up the resolver: %s", ub_strerror(failed));
    for (size_t i = 0; i < count; i++)
        if ((failed = ub_ctx_set_fwd(ctx, servers[i])))
            return err_set(e, ERR_CONFIG, "not a name server address: %s", servers[i]);
    if (count == 0 && (failed = ub_ctx_resolvconf(ctx, NULL)))
        return err_set(e, ERR_CONFIG, "cannot read /etc/resolv.conf: %s", ub_strerror(failed));
    if (anchors && *anchors && (access(anchors, R_OK) < 0 || ub_ctx_add_ta_file(ctx, anchors)))
        return err_errno(e, ERR_CONFIG, "cannot read the trust anchors in %s", anchors);
    return true;
}

static void *take_answers(void *ctx) {
    struct dns *d = ctx;
    struct pollfd fds[] = {{.fd = ub_fd(d->ctx), .events = POLLIN}, {.fd = d->stop_fd, .events = POLLIN}};
    for (;;) {
        int n = poll(fds, 2, -1);
        BUG_ON(n < 0 && errno != EINTR);
        if (n > 0 && fds[1].revents)
            return NULL;
        if (n > 0 && fds[0].revents)
            ub_process(d->ctx);
    }
}

static void ignore(void *ctx, int failure, struct ub_result *result) {
    (void)ctx, (void)failure;
    ub_resolve_free(result);
}

/* The first question makes libunbound start its thread: here, while nobody else asks. Signals are for the
 * threads that were there before. */
static bool start_threads(struct dns *d, struct err *e) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = ub_resolve_async(d->ctx, "localhost", TYPE_A, CLASS_IN, NULL, ignore, NULL);
    int failed_own = failed ? 0 : pthread_create(&d->thread, NULL, take_answers, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return err_set(e, ERR_SYSTEM, "cannot start the resolver: %s", ub_strerror(failed));
    if (failed_own)
        return err_set(e, ERR_SYSTEM, "cannot start the resolver: %s", strerror(failed_own));
    return true;
}

struct dns *dns_open(char *const *servers, size_t count, struct err *e) {
    return dns_open_validating(servers, count, NULL, e);
}

struct dns *dns_open_validating(char *const *servers, size_t count, const char *anchors, struct err *e) {
    struct dns *d = mem_alloc(sizeof *d);
    d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->ctx = ub_ctx_create();
    if (d->stop_fd < 0 || !d->ctx)
        err_set(e, ERR_SYSTEM, "cannot set up the resolver");
    else if (configure(d->ctx, servers, count, anchors, e) && start_threads(d, e))
        return d;
    if (d->ctx)
        ub_ctx_delete(d->ctx);
    mem_close_fd(&d->stop_fd);
    free(d);
    return NULL;
}

struct dns *dns_open_configured(const struct config *c, struct err *e) {
    FREE_AUTO char *anchors = *c->dnssec_anchors ? config_path(c, c->dnssec_anchors) : NULL;
    return dns_open_validating(c->dns_servers.items, c->dns_servers.count, anchors, e);
}

void dns_close(struct dns **d) {
    if (!*d)
        return;
    eventfd_write((*d)->stop_fd, 1);
    pthread_join((*d)->thread, NULL);
    ub_ctx_delete((*d)->ctx);
    mem_close_fd(&(*d)->stop_fd);
    free(*d);
    *d = NULL;
}

/* ---- asking and waiting ---- */

static struct lookup *lookup_new(size_t questions) {
    struct lookup *l = mem_alloc(sizeof *l + questions * sizeof l->questions[0]);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->answered, &attr);
    pthread_condattr_destroy(&attr);
    l->refs = 1;
    return l;
}

static void lookup_unref(struct lookup *l) {
    pthread_mutex_lock(&l->lock);
    bool last = --l->refs == 0;
    pthread_mutex_unlock(&l->lock);
    if (!last)
        return;
    for (int i = 0; i < l->count; i++)
        ub_resolve_free(l->questions[i].result);
    pthread_cond_destroy(&l->answered);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void answer(void *ctx, int failure, struct ub_result *result) {
    struct question *q = ctx;
    struct lookup *l = q->lookup;
    pthread_mutex_lock(&l->lock);
    q->failure = failure;
    q->result = result;
    l->unanswered--;
    pthread_cond_signal(&l->answered);
    pthread_mutex_unlock(&l->lock);
    lookup_unref(l);
}

static void ask(struct dns *d, struct lookup *l, const char *name, int type) {
    struct question *q = &l->questions[l->count];
    q->lookup = l;
    q->type = type;
    pthread_mutex_lock(&l->lock);
    l->count++;
    l->refs++;
    l->unanswered++;
    pthread_mutex_unlock(&l->lock);
    int failed = ub_resolve_async(d->ctx, name, type, CLASS_IN, q, answer, &q->id);
    if (failed) /* then `answer` will not be called by libunbound */
        answer(q, failed, NULL);
}

static void wait_a_while(struct lookup *l, int64_t ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (ms < WAIT_SLICE_MS ? ms : WAIT_SLICE_MS) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&l->answered, &l->lock, &until);
}

/* True: all is answered. False: the deadline passed, and the questions are cancelled. */
static bool wait_for_answers(struct dns *d, struct lookup *l, int64_t deadline_ms) {
    bool missing[DNS_QUESTIONS_MAX] = {false};
    int64_t left;
    pthread_mutex_lock(&l->lock);
    while (l->unanswered > 0 && (left = deadline_ms - clock_mono_ms()) > 0)
        wait_a_while(l, left);
    bool complete = l->unanswered == 0;
    for (int i = 0; i < l->count; i++)
        missing[i] = !l->questions[i].result && !l->questions[i].failure;
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->count; i++)
        /* Cancelled for sure, the question's hold on the look-up is ours to give up; else `answer` is about
         * to run, or has run meanwhile. */
        if (missing[i] && ub_cancel(d->ctx, l->questions[i].id) == 0)
            lookup_unref(l);
    return complete;
}

/* What an answer means. OK: it may have data. */
static enum err_code judge(const struct question *q, const char *name, struct err *e) {
    const struct ub_result *r = q->result;
    if (q->failure == UB_SYNTAX)
        err_set(e, ERR_HOST_UNKNOWN, "%s is not a domain name", name);
    else if (q->failure || !r)
        err_set(e, ERR_DNS, "cannot look up %s: %s", name, ub_strerror(q->failure));
    else if (r->bogus)
        err_set(e, ERR_DNS, "the answer for %s is forged (DNSSEC)", name);
    else if (r->nxdomain || r->rcode == RCODE_NXDOMAIN)
        err_set(e, ERR_HOST_UNKNOWN, "domain %s does not exist", name);
    else if (r->rcode != RCODE_NOERROR)
        err_set(e, ERR_DNS, "name servers fail to answer for %s (code %d)", name, r->rcode);
    else
        return ERR_OK;
    return e->code;
}

/* A name as it may be asked for: letters, digits, hyphens, underscores; without a final dot. */
static bool check_name(view v, char ret_name[NAME_MAX_LEN + 1], struct err *e) {
    if (view_ends_with(v, VIEW(".")))
        v.len--;
    size_t label = 0;
    bool fine = v.len > 0 && v.len <= NAME_MAX_LEN;
    for (size_t i = 0; fine && i < v.len; i++) {
        char c = v.ptr[i];
        if (c == '.') {
            fine = label > 0;
            label = 0;
        } else {
            fine = (ascii_is_alnum(c) || c == '-' || c == '_') && ++label <= LABEL_MAX_LEN;
        }
        ret_name[i] = ascii_lower(c);
    }
    if (!fine || label == 0)
        return err_set(e, ERR_HOST_UNKNOWN, "not a domain name");
    ret_name[v.len] = '\0';
    return true;
}

/* ---- MX ---- */

/* A name in wire form (RFC 1035 3.1, no compression), which fills the bytes; dots inside of labels and other
 * bytes no host name has make it false. The root is "". */
static bool name_from_wire(const unsigned char *p, size_t len, char ret_name[NAME_MAX_LEN + 1]) {
    size_t at = 0, out = 0;
    while (at < len && p[at] > 0) {
        size_t label = p[at++];
        if (label > LABEL_MAX_LEN || label > len - at || out + label + 1 > NAME_MAX_LEN)
            return false;
        if (out > 0)
            ret_name[out++] = '.';
        for (size_t i = 0; i < label; i++) {
            char c = ascii_lower((char)p[at++]);
            if (!ascii_is_alnum(c) && c != '-' && c != '_')
                return false;
            ret_name[out++] = c;
        }
    }
    ret_name[out] = '\0';
    return at + 1 == len;
}

static int cmp_mx(const void *a, const void *b) {
    int x = ((const struct dns_mx *)a)->preference, y = ((const struct dns_mx *)b)->preference;
    return (x > y) - (x < y);
}

/* Sorted by preference, equals in a new order each time (RFC 5321 5.1). */
static void order_mx(struct dns_mx *mx, int count) {
    for (int i = count - 1; i > 0; i--) {
        int other = (int)(random_u64() % (uint64_t)(i + 1));
        struct dns_mx kept = mx[i];
        mx[i] = mx[other];
        mx[other] = kept;
    }
    qsort(mx, (size_t)count, sizeof *mx, cmp_mx);
}

static int collect_mx(const struct ub_result *r, const char *name, struct arena *a, struct dns_mx **ret_mx,
                      struct err *e) {
    struct dns_mx *mx = arena_array(a, struct dns_mx, MX_MAX);
    bool null_mx = false;
    int count = 0;
    for (int i = 0; mx && r->havedata && r->data[i] && count < MX_MAX; i++) {
        const unsigned char *p = (const unsigned char *)r->data[i];
        char host[NAME_MAX_LEN + 1];
        if (r->len[i] < 3 || !name_from_wire(p + 2, (size_t)r->len[i] - 2, host))
            continue;
        int preference = p[0] << 8 | p[1];
        if (host[0] == '\0')
            null_mx = true;
        else
            mx[count++] = (struct dns_mx){preference, arena_view(a, view_of(host))};
    }
    if (a->failed)
        return err_set(e, ERR_LIMIT, "too many mail servers of %s", name), -1;
    if (count == 0 && null_mx)
        return err_set(e, ERR_NULL_MX, "domain %s accepts no mail", name), -1;
    if (count == 0 && r->havedata)
        return err_set(e, ERR_DNS, "no mail server of %s has a valid name", name), -1;
    order_mx(mx, count);
    *ret_mx = mx;
    return count;
}

int dns_lookup_mx(struct dns *d, view domain, struct arena *a, int64_t deadline_ms, struct dns_mx **ret_mx,
                  bool *ret_secure, struct err *e) {
    char name[NAME_MAX_LEN + 1];
    struct err local;
    if (!e)
        e = &local;
    if (!check_name(domain, name, e))
        return -1;
    struct lookup *l = lookup_new(1);
    ask(d, l, name, TYPE_MX);
    int count = -1;
    if (!wait_for_answers(d, l, deadline_ms))
        err_set(e, ERR_TIMEOUT, "name servers did not answer for %s in time", name);
    else if (judge(&l->questions[0], name, e) == ERR_OK)
        count = collect_mx(l->questions[0].result, name, a, ret_mx, e);
    if (ret_secure)
        *ret_secure = count >= 0 && l->questions[0].result->secure;
    lookup_unref(l);
    return count;
}

/* ---- addresses ---- */

/* How many of an answer's records to use. */
static int usable(const struct question *q) {
    const struct ub_result *r = q->result;
    int count = 0;
    if (r && !r->bogus && r->havedata)
        while (count < ADDRESSES_MAX && r->data[count])
            count++;
    return count;
}

static bool address_from_wire(const struct question *q, int i, int port, struct sockaddr_any *ret_addr) {
    int family = q->type == TYPE_AAAA ? AF_INET6 : AF_INET;
    char text[INET6_ADDRSTRLEN];
    return q->result->len[i] == (family == AF_INET6 ? 16 : 4) &&
           inet_ntop(family, q->result->data[i], text, sizeof text) &&
           sockaddr_from_ip(view_of(text), port, ret_addr, NULL);
}

/* By turns one address of each kind, until both have run out; *ret_addrs has room for all that are usable. */
static int collect_addresses(const struct lookup *l, int port, struct sockaddr_any *ret_addrs) {
    int count = 0;
    for (int i = 0; i < ADDRESSES_MAX; i++)
        for (int k = 0; k < l->count; k++)
            if (i < usable(&l->questions[k]) &&
                address_from_wire(&l->questions[k], i, port, &ret_addrs[count]))
                count++;
    return count;
}

/* A host without addresses: because of which answer? A kind whose answer failed may have had some. */
static int judge_none(const struct lookup *l, const char *name, struct err *e) {
    enum err_code worst = ERR_OK;
    for (int i = 0; i < l->count; i++) {
        const struct question *q = &l->questions[i];
        struct err one;
        if (!q->result && !q->failure)
            err_set(&one, ERR_TIMEOUT, "name servers did not answer for %s in time", name);
        else if (judge(q, name, &one) == ERR_OK)
            continue;
        if (worst == ERR_OK || err_is_temporary(&one)) {
            worst = one.code;
            *e = one;
        }
    }
    return worst == ERR_OK ? 0 : -1;
}

/* Of all answers that are good: one that is forged or missing must not make the others look unsigned. */
static void describe_host(const struct lookup *l, const char *name, struct arena *a, struct dns_host *ret) {
    bool any = false, all = true;
    view canonical = view_of(name);
    for (int i = 0; i < l->count; i++) {
        const struct question *q = &l->questions[i];
        struct err ignored;
        if ((!q->result && !q->failure) || judge(q, name, &ignored) != ERR_OK)
            continue;
        any = true;
        all &= q->result->secure != 0;
        if (q->result->havedata && q->result->canonname && *q->result->canonname)
            canonical = view_of(q->result->canonname);
    }
    if (view_ends_with(canonical, VIEW(".")))
        canonical.len--;
    *ret = (struct dns_host){.secure = any && all, .name = arena_lower(a, canonical)};
}

static int ask_addresses(struct dns *d, const char *name, int port, struct arena *a, int64_t deadline_ms,
                         struct sockaddr_any **ret_addrs, struct dns_host *ret_host, struct err *e) {
    struct lookup *l = lookup_new(2);
    int count = 0, records = 0;
    ask(d, l, name, TYPE_AAAA);
    ask(d, l, name, TYPE_A);
    wait_for_answers(d, l, deadline_ms);
    pthread_mutex_lock(&l->lock); /* an answer may come even now */
    for (int i = 0; i < l->count; i++)
        records += usable(&l->questions[i]);
    struct sockaddr_any *addrs = arena_array(a, struct sockaddr_any, (size_t)records);
    if (addrs)
        count = collect_addresses(l, port, addrs);
    describe_host(l, name, a, ret_host);
    if (a->failed) {
        err_set(e, ERR_LIMIT, "too many addresses of %s", name);
        count = -1;
    } else if (count == 0) {
        count = judge_none(l, name, e);
    }
    pthread_mutex_unlock(&l->lock);
    lookup_unref(l);
    if (count >= 0)
        *ret_addrs = addrs;
    return count;
}

/* "192.0.2.1", "2001:db8::1"; an address literal of mail, "[192.0.2.1]" or "[IPv6:2001:db8::1]"; "localhost".
 */
static bool address_from_text(view host, int port, struct sockaddr_any *ret_addr) {
    if (view_eq_nocase(host, VIEW("localhost")))
        host = VIEW("127.0.0.1");
    if (view_starts_with(host, VIEW("[")) && view_ends_with(host, VIEW("]"))) {
        host = view_slice(host, 1, host.len - 2);
        if (view_starts_with_nocase(host, VIEW("IPv6:")))
            host = view_skip(host, 5);
    }
    return sockaddr_from_ip(host, port, ret_addr, NULL);
}

int dns_lookup_addresses(struct dns *d, view host, int port, struct arena *a, int64_t deadline_ms,
                         struct sockaddr_any **ret_addrs, struct dns_host *ret_host, struct err *e) {
    char name[NAME_MAX_LEN + 1];
    struct sockaddr_any known;
    struct dns_host unwanted;
    struct err local;
    if (!e)
        e = &local;
    if (!ret_host)
        ret_host = &unwanted;
    *ret_host = (struct dns_host){.name = host};
    if (!address_from_text(host, port, &known))
        return check_name(host, name, e)
                   ? ask_addresses(d, name, port, a, deadline_ms, ret_addrs, ret_host, e)
                   : -1;
    struct sockaddr_any *one = arena_new(a, struct sockaddr_any);
    if (!one)
        return err_set(e, ERR_LIMIT, "too many addresses"), -1;
    *one = known;
    *ret_addrs = one;
    return 1;
}

/* ---- names of addresses ---- */

/* "4.3.2.1.in-addr.arpa", or the nibbles of an IPv6 address under ip6.arpa (RFC 1035 3.5, RFC 3596 2.5). */
static void reverse_name(const struct sockaddr_any *addr, char ret_name[NAME_MAX_LEN + 1]) {
    struct sockaddr_text ip = sockaddr_ip(addr);
    unsigned char bytes[16];
    size_t out = 0;
    if (inet_pton(AF_INET, ip.s, bytes) == 1) {
        snprintf(ret_name, NAME_MAX_LEN + 1, "%d.%d.%d.%d.in-addr.arpa", bytes[3], bytes[2], bytes[1],
                 bytes[0]);
        return;
    }
    if (inet_pton(AF_INET6, ip.s, bytes) != 1)
        memset(bytes, 0, sizeof bytes);
    for (size_t i = sizeof bytes; i-- > 0;)
        out +=
            (size_t)snprintf(ret_name + out, NAME_MAX_LEN + 1 - out, "%x.%x.", bytes[i] & 15, bytes[i] >> 4);
    snprintf(ret_name + out, NAME_MAX_LEN + 1 - out, "ip6.arpa");
}

int dns_lookup_names(struct dns *d, const struct sockaddr_any *addr, struct arena *a, int64_t deadline_ms,
                     view *ret_names, size_t most, struct err *e) {
    char name[NAME_MAX_LEN + 1], host[NAME_MAX_LEN + 1];
    struct err local;
    size_t count = 0;
    if (!e)
        e = &local;
    reverse_name(addr, name);
    struct lookup *l = lookup_new(1);
    ask(d, l, name, TYPE_PTR);
    bool ok = false;
    if (!wait_for_answers(d, l, deadline_ms))
        err_set(e, ERR_TIMEOUT, "name servers did not answer for %s in time", name);
    else
        ok = judge(&l->questions[0], name, e) == ERR_OK;
    const struct ub_result *r = ok ? l->questions[0].result : NULL;
    for (int i = 0; r && r->havedata && r->data[i] && count < most; i++)
        if (name_from_wire((const unsigned char *)r->data[i], (size_t)r->len[i], host) && host[0])
            ret_names[count++] = arena_view(a, view_of(host));
    lookup_unref(l);
    return ok || e->code == ERR_HOST_UNKNOWN ? (int)count : -1;
}

/* ---- any records ---- */

/* For libunbound: what is no letter of host names by its number (RFC 1035 5.1). False: no name. */
static bool escape_name(view v, struct buf *out) {
    if (view_ends_with(v, VIEW(".")))
        v.len--;
    size_t label = 0;
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.ptr[i];
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_MAX_LEN || (label == 0 && (i == 0 || v.ptr[i - 1] == '.')))
            return false;
        if (ascii_is_alnum((char)c) || c == '-' || c == '_' || c == '.')
            buf_add_char(out, (char)c);
        else
            buf_printf(out, "\\%03u", c);
    }
    return label > 0 && v.len <= NAME_MAX_LEN;
}

static void take_data(const struct ub_result *r, struct arena *a, struct dns_question *q) {
    while (q->count < DNS_RECORDS_MAX && r->data[q->count])
        q->count++;
    q->data = arena_array(a, view, q->count);
    for (size_t i = 0; q->data && i < q->count; i++)
        q->data[i] = arena_view(a, view_from(r->data[i], (size_t)r->len[i]));
    q->found = a->failed ? DNS_TEMPORARY : DNS_FOUND;
    q->count = a->failed ? 0 : q->count;
}

/* Its answer may come even now: the look-up is locked. */
static void take_answer(const struct question *asked, struct arena *a, struct dns_question *q) {
    const struct ub_result *r = asked->result;
    struct err e;
    q->found = DNS_TEMPORARY;
    if (!r && !asked->failure)
        return;
    enum err_code code = judge(asked, "", &e);
    q->secure = r && r->secure;
    if (code == ERR_HOST_UNKNOWN)
        q->found = DNS_NO_NAME;
    else if (code == ERR_OK && r->havedata)
        take_data(r, a, q);
    else if (code == ERR_OK)
        q->found = DNS_NO_DATA;
}

void dns_ask(struct dns *d, struct dns_question *questions, size_t count, struct arena *a,
             int64_t deadline_ms) {
    struct lookup *l = lookup_new(count);
    struct buf name = BUF_INIT(5 * NAME_MAX_LEN);
    int asked[DNS_QUESTIONS_MAX];
    BUG_ON(count > DNS_QUESTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        questions[i].found = DNS_NO_NAME;
        questions[i].count = 0;
        questions[i].secure = false;
        buf_reset(&name);
        asked[i] = escape_name(questions[i].name, &name) && !name.failed ? l->count : -1;
        if (asked[i] >= 0)
            ask(d, l, name.data, questions[i].type);
    }
    wait_for_answers(d, l, deadline_ms);
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < count; i++)
        if (asked[i] >= 0)
            take_answer(&l->questions[asked[i]], a, &questions[i]);
    pthread_mutex_unlock(&l->lock);
    lookup_unref(l);
    buf_done(&name);
}

bool dns_name_from_wire(view wire, struct arena *a, view *ret) {
    char name[NAME_MAX_LEN + 1];
    if (!name_from_wire((const unsigned char *)wire.ptr, wire.len, name))
        return false;
    *ret = arena_view(a, view_of(name));
    return true;
}
