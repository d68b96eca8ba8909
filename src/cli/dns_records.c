/* dns_records.c: see dns_records.h. */
#include "cli/dns_records.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "mail/address.h"
#include "net/certificate.h"

enum {
    TTL_S = 3600,
    STRING_MOST = 255, /* RFC 1035 3.3 */
    TEXT_MOST = 8192,
    TYPE_PTR = 12,
    TYPE_MX = 15,
    TYPE_TXT = 16,
    TYPE_TLSA = 52,
    STS_AGE_S = 604800,
    STS_ID_OCTETS = 10
};

static struct dns_record *add(struct dns_records *r, enum dns_what what, view name, view value) {
    static const struct {
        const char *name;
        int number;
    } types[] = {[DNS_WHAT_MX] = {"MX", TYPE_MX},        [DNS_WHAT_SPF] = {"TXT", TYPE_TXT},
                 [DNS_WHAT_HELO] = {"TXT", TYPE_TXT},    [DNS_WHAT_DKIM] = {"TXT", TYPE_TXT},
                 [DNS_WHAT_DMARC] = {"TXT", TYPE_TXT},   [DNS_WHAT_CONSENT] = {"TXT", TYPE_TXT},
                 [DNS_WHAT_MTA_STS] = {"TXT", TYPE_TXT}, [DNS_WHAT_TLSRPT] = {"TXT", TYPE_TXT},
                 [DNS_WHAT_TLSA] = {"TLSA", TYPE_TLSA},  [DNS_WHAT_PTR] = {"PTR", TYPE_PTR}};
    static struct dns_record beyond; /* of very many keys the last are left off */
    struct dns_record *one = r->count < DNS_RECORDS_MOST ? &r->list[r->count++] : &beyond;
    *one = (struct dns_record){
        .what = what, .name = name, .type = types[what].name, .number = types[what].number, .value = value};
    return one;
}

/* ---- where mail leaves from ---- */

static bool is_public(const struct sockaddr_any *ip) {
    static const char *const not_public[] = {
        "0.0.0.0/8",     "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",   "::/16",       "fc00::/6"};
    struct cidr net;
    struct err e;
    bool four = strchr(sockaddr_ip(ip).s, ':') == NULL;
    for (size_t i = 0; i < COUNT_OF(not_public); i++)
        if (four == (strchr(not_public[i], ':') == NULL) && cidr_parse(view_of(not_public[i]), &net, &e) &&
            cidr_match(&net, ip))
            return false;
    return true;
}

static void add_ip(struct dns_records *r, const struct sockaddr_any *ip) {
    for (size_t i = 0; i < r->ip_count; i++)
        if (strcmp(sockaddr_ip(&r->ips[i]).s, sockaddr_ip(ip).s) == 0)
            return;
    if (r->ip_count < DNS_IPS_MOST)
        r->ips[r->ip_count++] = *ip;
}

static bool read_given_ips(struct cli *c, struct dns_records *r, struct err *e) {
    for (size_t i = 0; i < c->args.given_count; i++) {
        struct sockaddr_any ip;
        if (!view_eq(c->args.given[i].name, VIEW("--ip")))
            continue;
        if (!sockaddr_from_ip(view_of(c->args.given[i].value), 0, &ip, e))
            return err_set(e, ERR_USAGE, "--ip %.60s: an IP address is wanted", c->args.given[i].value);
        add_ip(r, &ip);
    }
    return true;
}

static void find_own_ips(const struct config *c, struct dns_records *r) {
    struct sockaddr_any ip;
    struct err e;
    for (size_t i = 0; i < c->deliver_bind.count; i++) {
        view item = view_of(c->deliver_bind.items[i]);
        item = view_skip(item, (size_t)(view_find(item, '=') + 1));
        if (sockaddr_from_ip(item, 0, &ip, &e) && is_public(&ip))
            add_ip(r, &ip);
    }
    for (size_t i = 0; i < c->smtp_listen.count && r->ip_count == 0; i++)
        if (sockaddr_parse(view_of(c->smtp_listen.items[i]), &ip, &e) && is_public(&ip))
            add_ip(r, &ip);
}

/* ---- records ---- */

static view spf_text(const struct dns_records *r, view name, struct arena *a) {
    struct buf text = BUF_INIT(TEXT_MOST);
    buf_add_str(&text, "v=spf1");
    for (size_t i = 0; i < r->ip_count; i++) {
        struct sockaddr_text ip = sockaddr_ip(&r->ips[i]);
        buf_printf(&text, " ip%d:%s", strchr(ip.s, ':') ? 6 : 4, ip.s);
    }
    if (r->ip_count == 0)
        buf_printf(&text, view_eq(name, r->hostname) ? " a" : " a:%.*s", VIEW_ARG(r->hostname));
    buf_add_str(&text, " -all");
    view made = arena_view(a, buf_view(&text));
    buf_done(&text);
    return made;
}

static void add_helo(struct dns_records *r, view name, struct arena *a) {
    name = arena_lower(a, name);
    for (size_t i = 0; i < r->count; i++)
        if ((r->list[i].what == DNS_WHAT_SPF || r->list[i].what == DNS_WHAT_HELO) &&
            view_eq(r->list[i].name, name))
            return;
    add(r, DNS_WHAT_HELO, name, spf_text(r, name, a));
}

static void add_spf(struct cli *c, struct dns_records *r) {
    const struct config_list *names = &c->config->deliver_helo;
    add(r, DNS_WHAT_SPF, r->domain, spf_text(r, r->domain, &c->arena));
    add_helo(r, r->hostname, &c->arena);
    for (size_t i = 0; i < names->count; i++) {
        view item = view_of(names->items[i]);
        add_helo(r, view_skip(item, (size_t)(view_find(item, '=') + 1)), &c->arena);
    }
}

static void add_dkim(struct cli *c, struct dns_records *r) {
    for (size_t i = 0; i < r->ring->count; i++) {
        const struct signing_key *key = &r->ring->list[i].key;
        struct buf text = BUF_INIT(TEXT_MOST);
        if (!view_eq(key->domain, r->domain))
            continue;
        signing_key_record(key, &text);
        view name =
            arena_printf(&c->arena, "%.*s._domainkey.%.*s", VIEW_ARG(key->selector), VIEW_ARG(key->domain));
        add(r, DNS_WHAT_DKIM, name, arena_view(&c->arena, buf_view(&text)))->key = key;
        buf_done(&text);
    }
}

static bool is_within(view domain, view other) {
    return view_eq(domain, other) || (domain.len > other.len && view_ends_with(domain, other) &&
                                      domain.ptr[domain.len - other.len - 1] == '.');
}

/* People who post to lists have p=none's protection only: with more their posts are refused elsewhere (RFC
 * 9989 7.4). */
static void add_reports(struct cli *c, struct dns_records *r) {
    struct arena *a = &c->arena;
    view to = VIEW("");
    struct err e;
    if (*c->config->reports_to)
        address_normalise_text(view_of(c->config->reports_to), a, &to, &e);
    view taker = address_split(to).domain;
    add(r, DNS_WHAT_DMARC, arena_printf(a, "_dmarc.%.*s", VIEW_ARG(r->domain)),
        to.len ? arena_printf(a, "v=DMARC1; p=none; rua=mailto:%.*s", VIEW_ARG(to))
               : VIEW("v=DMARC1; p=none"));
    if (to.len == 0)
        return;
    if (!is_within(taker, r->domain) && !is_within(r->domain, taker))
        add(r, DNS_WHAT_CONSENT,
            arena_printf(a, "%.*s._report._dmarc.%.*s", VIEW_ARG(r->domain), VIEW_ARG(taker)),
            VIEW("v=DMARC1"));
    add(r, DNS_WHAT_TLSRPT, arena_printf(a, "_smtp._tls.%.*s", VIEW_ARG(r->domain)),
        arena_printf(a, "v=TLSRPTv1; rua=mailto:%.*s", VIEW_ARG(to)));
}

static view hex(const unsigned char *octets, size_t len, struct arena *a) {
    struct buf out = BUF_INIT(TEXT_MOST);
    for (size_t i = 0; i < len; i++)
        buf_printf(&out, "%02x", octets[i]);
    view made = arena_view(a, buf_view(&out));
    buf_done(&out);
    return made;
}

/* The id changes with the policy (RFC 8461 3.1). */
static void add_sts(struct cli *c, struct dns_records *r) {
    unsigned char digest[32];
    r->sts_policy = arena_printf(&c->arena, "version: STSv1\nmode: testing\nmx: %.*s\nmax_age: %d\n",
                                 VIEW_ARG(r->hostname), STS_AGE_S);
    EVP_Digest(r->sts_policy.ptr, r->sts_policy.len, digest, NULL, EVP_sha256(), NULL);
    add(r, DNS_WHAT_MTA_STS, arena_printf(&c->arena, "_mta-sts.%.*s", VIEW_ARG(r->domain)),
        arena_printf(&c->arena, "v=STSv1; id=%.*s;", VIEW_ARG(hex(digest, STS_ID_OCTETS, &c->arena))));
}

static bool add_tls(struct cli *c, struct dns_records *r, struct err *e) {
    unsigned char digest[32];
    if (!*c->config->tls_certificate)
        return true;
    FREE_AUTO char *path = config_path(c->config, c->config->tls_certificate);
    if (!certificate_key_digest(path, digest, e))
        return false;
    add_sts(c, r);
    add(r, DNS_WHAT_TLSA, arena_printf(&c->arena, "_25._tcp.%.*s", VIEW_ARG(r->hostname)),
        arena_printf(&c->arena, "3 1 1 %.*s", VIEW_ARG(hex(digest, sizeof digest, &c->arena))));
    return true;
}

/* "1.2.0.192.in-addr.arpa" */
static view reverse_name(const struct sockaddr_any *ip, struct arena *a) {
    struct sockaddr_text text = sockaddr_ip(ip);
    unsigned char o[16];
    struct buf out = BUF_INIT(STRING_MOST);
    if (inet_pton(AF_INET, text.s, o) == 1) {
        buf_printf(&out, "%d.%d.%d.%d.in-addr.arpa", o[3], o[2], o[1], o[0]);
    } else if (inet_pton(AF_INET6, text.s, o) == 1) {
        for (int i = 15; i >= 0; i--)
            buf_printf(&out, "%x.%x.", o[i] & 15, o[i] >> 4);
        buf_add_str(&out, "ip6.arpa");
    }
    view made = arena_view(a, buf_view(&out));
    buf_done(&out);
    return made;
}

static void add_ptr(struct cli *c, struct dns_records *r) {
    for (size_t i = 0; i < r->ip_count; i++)
        add(r, DNS_WHAT_PTR, reverse_name(&r->ips[i], &c->arena),
            arena_printf(&c->arena, "%.*s.", VIEW_ARG(r->hostname)))
            ->ip = r->ips[i];
}

bool dns_records_make(struct cli *c, struct dns_records *r, struct err *e) {
    *r = (struct dns_records){.sts_policy = VIEW("")};
    if (!cli_domain(c, c->args.words[0], &r->domain, e) || !cli_config(c, e) || !read_given_ips(c, r, e))
        return false;
    r->hostname = arena_lower(&c->arena, cli_hostname(c));
    if (r->ip_count == 0)
        find_own_ips(c->config, r);
    FREE_AUTO char *folder = config_path(c->config, "data/dkim");
    r->ring = keyring_open(folder, false, e);
    if (!r->ring)
        return false;
    add(r, DNS_WHAT_MX, r->domain, arena_printf(&c->arena, "10 %.*s.", VIEW_ARG(r->hostname)));
    add_spf(c, r);
    add_dkim(c, r);
    add_reports(c, r);
    if (!add_tls(c, r, e))
        return false;
    add_ptr(c, r);
    return true;
}

void dns_records_done(struct dns_records *r) {
    if (r->ring)
        keyring_free(&r->ring);
}

static void add_quoted(struct buf *out, view text) {
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, text.ptr[i]);
    }
    buf_add_char(out, '"');
}

view dns_record_line(const struct dns_record *r, struct arena *a) {
    struct buf out = BUF_INIT(4 * TEXT_MOST);
    view rest = r->value;
    bool split = rest.len > STRING_MOST;
    buf_printf(&out, "%.*s. %d IN %s ", VIEW_ARG(r->name), TTL_S, r->type);
    if (r->number != TYPE_TXT)
        buf_add(&out, rest);
    buf_add_str(&out, r->number == TYPE_TXT && split ? "( " : "");
    for (; r->number == TYPE_TXT && rest.len > 0; rest = view_skip(rest, STRING_MOST)) {
        add_quoted(&out, view_slice(rest, 0, STRING_MOST));
        buf_add_str(&out, split ? " " : "");
    }
    buf_add_str(&out, r->number == TYPE_TXT && split ? ")" : "");
    view made = arena_view(a, buf_view(&out));
    buf_done(&out);
    return made;
}
