/* sts.c: what domains demand by MTA-STS (RFC 8461). A record in DNS says that there is a policy, and under
 * which id; the policy is fetched from the domain's web server and kept in the store, so that it holds as
 * long as it says itself, whatever becomes of the record, the web server and this process. */
#include <stdlib.h>

#include "auth/resolve.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "roles/deliver/deliver.h"
#include "roles/deliver/web.h"

enum {
    TYPE_TXT = 16,
    FETCH_MS = 20000,
    AGAIN_MS = 300000, /* how long after a try that failed (RFC 8461 3.3) */
    DAY_MS = 86400000,
    ADDRESSES_MAX = 6
};

/* What the store has of a domain. */
struct kept {
    view id, policy; /* in the arena; policy empty: only a try that failed */
    int64_t fetched, expires, tried;
};

/* ---- the store ---- */

static bool look_up(view domain, struct arena *a, struct kept *ret, struct err *e) {
    struct store_request q;
    *ret = (struct kept){.id = VIEW("")};
    store_request_init(&q, OP_STS_POLICY);
    vals_view(&q.args, domain);
    bool ok = store_call(deliver.role.store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok && vals_more(&v)) {
        ret->id = arena_view(a, vals_get_view(&v));
        ret->policy = arena_view(a, vals_get_view(&v));
        ret->fetched = vals_get_int(&v);
        ret->expires = vals_get_int(&v);
        ret->tried = vals_get_int(&v);
    }
    store_request_done(&q);
    return ok;
}

static void keep(view domain, const struct kept *k) {
    struct store_request q;
    struct err e;
    store_request_init(&q, OP_STS_KEEP);
    vals_view(&q.args, domain);
    vals_view(&q.args, k->id);
    vals_view(&q.args, k->policy);
    vals_int(&q.args, k->fetched);
    vals_int(&q.args, k->expires);
    vals_int(&q.args, k->tried);
    if (!store_call(deliver.role.store, &q, &e))
        log_line(LOG_WARN, "sts-not-kept", LOG_V("domain", domain), LOG_S("reason", e.text));
    store_request_done(&q);
}

/* ---- the web server ---- */

/* "mta-sts.example.org:443:192.0.2.1,[2001:db8::1]": names are looked up as all others here. */
static bool resolve(view host, int64_t port, struct arena *a, struct buf *out, struct err *e) {
    struct sockaddr_any *addrs;
    int64_t deadline = clock_mono_ms() + deliver.role.config->deliver_connect_timeout;
    int n = dns_lookup_addresses(deliver.dns, host, (int)port, a, deadline, &addrs, NULL, e);
    if (n == 0)
        err_set(e, ERR_HOST_UNKNOWN, "%.*s has no address", VIEW_ARG(host));
    if (n <= 0)
        return false;
    buf_printf(out, "%.*s:%lld:", VIEW_ARG(host), (long long)port);
    for (int i = 0; i < n && i < ADDRESSES_MAX; i++) {
        struct sockaddr_text ip = sockaddr_ip(&addrs[i]);
        bool six = view_find(view_of(ip.s), ':') >= 0;
        buf_printf(out, "%s%s%s%s", i ? "," : "", six ? "[" : "", ip.s, six ? "]" : "");
    }
    return true;
}

/* No redirects (RFC 8461 3.3), no proxies, and a certificate that is valid for the host. */
static void set_options(CURL *curl, const char *uri, struct curl_slist *addresses, const struct web *web) {
    const struct config *c = deliver.role.config;
    FREE_AUTO char *authorities = *c->tls_ca_file ? config_path(c, c->tls_ca_file) : NULL;
    web_prepare(curl, uri, web);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_RESOLVE, addresses);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (authorities)
        curl_easy_setopt(curl, CURLOPT_CAINFO, authorities);
}

static bool is_plain_text(const char *type) {
    view rest = view_of(type ? type : ""), media;
    return view_split(&rest, ';', &media) && view_eq_nocase(view_trim(media), VIEW("text/plain"));
}

/* *ret_failure as reports name it (RFC 8460 4.3.2.2). */
static bool perform(CURL *curl, struct buf *text, const char **ret_failure, struct err *e) {
    char *type = NULL;
    long status = 0;
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    if (text->failed)
        *ret_failure = "sts-policy-invalid";
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        *ret_failure = "sts-webpki-invalid";
    if (text->failed)
        return err_set(e, ERR_LIMIT, "more than %d octets", MTA_STS_BYTES_MOST);
    if (code != CURLE_OK)
        return err_set(e, ERR_CONNECT, "%s", curl_easy_strerror(code));
    if (status != 200)
        return err_set(e, ERR_NOT_FOUND, "status %ld", status);
    *ret_failure = "sts-policy-invalid";
    return is_plain_text(type) || err_set(e, ERR_SYNTAX, "it is no text/plain");
}

static bool download(view domain, struct arena *a, struct buf *text, const char **ret_failure,
                     struct err *e) {
    int64_t port = deliver.role.config->mta_sts_port;
    view host = arena_printf(a, "mta-sts.%.*s", VIEW_ARG(domain));
    view uri = arena_printf(a, "https://%.*s:%lld/.well-known/mta-sts.txt", VIEW_ARG(host), (long long)port);
    struct buf found = BUF_INIT(LIMIT_SMTP_LINE);
    const struct web web = {
        .protocols = "https", .most_ms = FETCH_MS, .stopping = role_stopping, .answer = text};
    *ret_failure = "sts-policy-fetch-error";
    bool ok = resolve(host, port, a, &found, e);
    struct curl_slist *addresses = ok ? curl_slist_append(NULL, found.data) : NULL;
    CURL *curl = addresses ? curl_easy_init() : NULL;
    if (ok && !curl)
        ok = err_set(e, ERR_LIMIT, NULL);
    if (ok) {
        set_options(curl, uri.ptr, addresses, &web);
        ok = perform(curl, text, ret_failure, e);
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(addresses);
    buf_done(&found);
    return ok;
}

static bool fetch(view domain, struct arena *a, struct buf *text, struct mta_sts_policy *policy,
                  struct err *e) {
    const char *failure, *why = NULL;
    bool ok = download(domain, a, text, &failure, e);
    if (ok && !mta_sts_policy_read(buf_view(text), a, policy, &why))
        ok = err_set(e, ERR_SYNTAX, "%s", why);
    if (!ok && !role_stopping()) {
        log_line(LOG_INFO, "sts-not-fetched", LOG_V("domain", domain), LOG_S("reason", e->text));
        session_count_sts(arena_str(a, domain), failure, e->text);
    }
    return ok;
}

/* ---- both ---- */

/* What the kept policy lacks; the record's id is empty where DNS has none. */
static bool is_to_fetch(const struct kept *k, view id, int64_t now) {
    int64_t half = (k->expires - k->fetched) / 2;
    bool failed = k->tried > k->fetched;
    if (id.len == 0 || (failed && now < k->tried + AGAIN_MS))
        return false;
    return k->policy.len == 0 || now >= k->expires || !view_eq(id, k->id) ||
           now >= k->fetched + (half < DAY_MS ? half : DAY_MS);
}

/* Replaces what is kept where a new one comes. */
static void refresh(view domain, view id, struct arena *a, struct kept *k, int64_t now) {
    struct buf text = BUF_INIT(MTA_STS_BYTES_MOST);
    struct mta_sts_policy policy;
    struct err e;
    k->tried = now;
    if (fetch(domain, a, &text, &policy, &e)) {
        *k = (struct kept){.id = id,
                           .policy = arena_view(a, buf_view(&text)),
                           .fetched = now,
                           .expires = now + policy.max_age_s * 1000,
                           .tried = now};
    } else if (k->policy.len == 0 || now >= k->expires) {
        *k = (struct kept){.id = VIEW(""), .policy = VIEW(""), .expires = now + AGAIN_MS, .tried = now};
    }
    if (!role_stopping())
        keep(domain, k);
    buf_done(&text);
}

/* The id of the domain's policy, empty without one; and whether it wants reports. */
static view ask_dns(view domain, struct arena *a, bool *ret_reports) {
    struct dns_question q[] = {
        {.name = arena_printf(a, "_mta-sts.%.*s", VIEW_ARG(domain)), .type = TYPE_TXT},
        {.name = arena_printf(a, "_smtp._tls.%.*s", VIEW_ARG(domain)), .type = TYPE_TXT},
    };
    view places[TLS_REPORT_PLACES_MOST], texts[DNS_RECORDS_MAX], id = VIEW("");
    dns_ask(deliver.dns, q, 2, a, clock_mono_ms() + deliver.role.config->deliver_connect_timeout);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < q[k].count; i++)
            texts[i] = resolve_text(q[k].data[i], a);
        if (k == 0 && !mta_sts_record(texts, q[k].count, &id))
            id = VIEW("");
        if (k == 1)
            *ret_reports = tls_report_record(texts, q[k].count, a, places) > 0;
    }
    return id;
}

void sts_free(struct sts *s) {
    if (!s)
        return;
    arena_done(&s->arena);
    free(s);
}

bool sts_find(const char *domain, struct sts **ret, bool *ret_reports, struct err *e) {
    struct sts *s = mem_alloc(sizeof *s);
    struct kept k;
    const char *why;
    int64_t now = clock_now_ms();
    *s = (struct sts){.text = VIEW("")};
    *ret = NULL;
    arena_init(&s->arena, LIMIT_STEP_ARENA);
    view name = arena_lower(&s->arena, view_of(domain)), id = ask_dns(name, &s->arena, ret_reports);
    bool known = look_up(name, &s->arena, &k, e);
    if (known && is_to_fetch(&k, id, now))
        refresh(name, id, &s->arena, &k, now);
    s->text = known ? k.policy : VIEW("");
    if (s->text.len > 0 && now < k.expires && mta_sts_policy_read(s->text, &s->arena, &s->policy, &why) &&
        s->policy.mode != MTA_STS_NONE)
        *ret = s;
    else
        sts_free(s);
    return known;
}
