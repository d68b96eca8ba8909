/* check_net.c: what other machines see of an instance: its certificate, its ports, its names; and the smart
 * host it sends to. What others run (name servers, the smart host) may be away for a while: that is a
 * warning, since mail waits meanwhile. */
#include "cli/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/certificate.h"
#include "net/dns.h"
#include "net/stream.h"
#include "net/transport.h"

enum { PATIENCE_MS = 5000, DNS_PATIENCE_MS = 20000, DAY_MS = 86400000, RENEW_DAYS = 14, ADDRESSES_MOST = 16 };

/* ---- certificate ---- */

void check_certificate(struct check *k) {
    const struct config *c = k->cli->config;
    struct certificate found;
    struct err e;
    if (!*c->tls_certificate && !*c->tls_key) {
        check_note(k, FINDING_WARN, "certificate",
                   "no tls_certificate: STARTTLS is not offered, and others send to you in the clear");
        return;
    }
    if (!*c->tls_certificate || !*c->tls_key) {
        check_note(k, FINDING_FAIL, "certificate",
                   "tls_certificate and tls_key belong together: %s is missing",
                   *c->tls_key ? "tls_certificate" : "tls_key");
        return;
    }
    FREE_AUTO char *certificate = config_path(c, c->tls_certificate);
    FREE_AUTO char *key = config_path(c, c->tls_key);
    view host = cli_hostname(k->cli);
    if (!certificate_look(certificate, key, host, &found, &e)) {
        check_note(k, FINDING_FAIL, "certificate", "%s", e.text);
        return;
    }
    int64_t now = clock_now_ms(), days = (found.until_ms - now) / DAY_MS;
    if (found.until_ms <= now || found.from_ms > now)
        check_note(k, FINDING_FAIL, "certificate", "%s is %s %s: put a new one in its place", certificate,
                   found.from_ms > now ? "not valid before" : "expired since",
                   cli_time(found.from_ms > now ? found.from_ms : found.until_ms).s);
    else if (days < RENEW_DAYS && !found.self_signed)
        check_note(k, FINDING_WARN, "certificate", "%s expires in %lld days: renew it", certificate,
                   (long long)days);
    else if (!found.names_host)
        check_note(k, FINDING_WARN, "certificate",
                   "%s is not for %.*s, the name this server gives itself (hostname)", certificate,
                   VIEW_ARG(host));
    else
        check_note(k, FINDING_OK, "certificate", "%s is for %.*s, fits its key, and is good for %lld days%s",
                   certificate, VIEW_ARG(host), (long long)days,
                   found.self_signed ? " (signed by itself: enough for STARTTLS)" : "");
}

/* ---- ports ---- */

/* A server's greeting; false with *e when nobody gives one. */
static bool greeting(const struct sockaddr_any *addr, char *ret_line, size_t size, struct err *e) {
    struct stream s;
    view line = VIEW("");
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    bool ok = stream_connect_wait(&s, &addr->storage, addr->len, NULL, 0, LIMIT_SMTP_REPLY, LIMIT_SMTP_LINE,
                                  deadline) &&
              stream_line_wait(&s, LIMIT_SMTP_REPLY_LINE, &line, deadline);
    if (ok)
        snprintf(ret_line, size, "%.*s", VIEW_ARG(line));
    else
        *e = s.error;
    stream_done(&s);
    return ok;
}

/* The supervisor holds the lock as long as it lives. */
static bool is_running(const struct config *c) {
    FREE_AUTO char *path = config_path(c, "data/run/supervisor.pid");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool running = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return running;
}

static int try_bind(const struct sockaddr_any *addr) {
    int fd = socket(addr->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int rc = bind(fd, (const struct sockaddr *)&addr->storage, addr->len) < 0 ? errno : 0;
    if (rc == 0 && listen(fd, 1) < 0)
        rc = errno;
    close(fd);
    return rc;
}

static void check_free_port(struct check *k, const char *text, const struct sockaddr_any *addr) {
    int rc = try_bind(addr);
    if (rc == 0)
        check_note(k, FINDING_OK, "port", "%s is free", text);
    else if (rc == EADDRINUSE)
        check_note(k, FINDING_FAIL, "port",
                   "%s is taken by another program: stop that one, or change smtp_listen", text);
    else if (rc == EACCES || rc == EPERM)
        check_note(k, FINDING_FAIL, "port",
                   "you may not listen on %s: start as root, by systemd, or on a port above 1023", text);
    else
        check_note(k, FINDING_FAIL, "port", "%s: %s", text, strerror(rc));
}

void check_ports(struct check *k) {
    const struct config *c = k->cli->config;
    bool running = is_running(c);
    view host = cli_hostname(k->cli);
    for (size_t i = 0; i < c->smtp_listen.count; i++) {
        const char *text = c->smtp_listen.items[i];
        struct sockaddr_any addr;
        char line[LIMIT_SMTP_REPLY_LINE + 1];
        struct err e;
        if (!sockaddr_parse(view_of(text), &addr, NULL))
            continue; /* said before */
        if (!running) {
            check_free_port(k, text, &addr);
            continue;
        }
        bool ok = greeting(&addr, line, sizeof line, &e);
        if (ok && view_starts_with(view_of(line), arena_printf(&k->cli->arena, "220 %.*s ", VIEW_ARG(host))))
            check_note(k, FINDING_OK, "port", "%s answers as %.*s", text, VIEW_ARG(host));
        else if (ok)
            check_note(k, FINDING_FAIL, "port", "%s answers, but not as this instance: %.200s", text, line);
        else
            check_note(k, FINDING_FAIL, "port",
                       "the instance runs, but %s does not answer: %s; see smtpd's log", text, e.text);
    }
}

/* ---- names ---- */

static struct dns *open_dns(struct check *k) {
    const struct config *c = k->cli->config;
    struct err e;
    struct dns *d = dns_open(c->dns_servers.items, c->dns_servers.count, &e);
    if (!d)
        check_note(k, FINDING_WARN, "dns", "%s", e.text);
    return d;
}

static bool same_ip(const struct sockaddr_any *a, const struct sockaddr_any *b) {
    return strcmp(sockaddr_ip(a).s, sockaddr_ip(b).s) == 0;
}

struct own {
    view host;
    struct sockaddr_any *addrs;
    int count;
};

/* Receivers distrust a server whose address does not lead back to its name. */
static void check_reverse(struct check *k, struct dns *d, const struct own *own, int64_t deadline) {
    for (int i = 0; i < own->count; i++) {
        view names[ADDRESSES_MOST];
        struct err e;
        struct sockaddr_text ip = sockaddr_ip(&own->addrs[i]);
        int n = dns_lookup_names(d, &own->addrs[i], &k->cli->arena, deadline, names, ADDRESSES_MOST, &e);
        bool back = false;
        for (int j = 0; j < n; j++)
            back |= view_eq_nocase(names[j], own->host);
        if (n < 0)
            check_note(k, FINDING_WARN, "dns", "%s: %s", ip.s, e.text);
        else if (!back)
            check_note(k, FINDING_WARN, "dns",
                       "%s does not lead back to %.*s: ask whoever gave you the address for a PTR", ip.s,
                       VIEW_ARG(own->host));
        else
            check_note(k, FINDING_OK, "dns", "%.*s is %s, and back", VIEW_ARG(own->host), ip.s);
    }
}

/* The host of an MX is this one, by its name or by an address. */
static bool is_us(struct check *k, struct dns *d, view host, const struct own *own, int64_t deadline) {
    struct sockaddr_any *addrs;
    if (view_eq_nocase(host, own->host))
        return true;
    int n = dns_lookup_addresses(d, host, 25, &k->cli->arena, deadline, &addrs, NULL, NULL);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < own->count; j++)
            if (same_ip(&addrs[i], &own->addrs[j]))
                return true;
    return false;
}

static void check_mx(struct check *k, struct dns *d, view domain, const struct own *own, int64_t deadline) {
    struct dns_mx *mx;
    struct err e;
    int n = dns_lookup_mx(d, domain, &k->cli->arena, deadline, &mx, NULL, &e);
    bool ours = n == 0 && is_us(k, d, domain, own, deadline);
    for (int i = 0; i < n && !ours; i++)
        ours = is_us(k, d, mx[i].host, own, deadline);
    if (n < 0)
        check_note(k, FINDING_WARN, "dns", "MX of %.*s: %s", VIEW_ARG(domain), e.text);
    else if (!ours)
        check_note(k, FINDING_WARN, "dns",
                   "the MX of %.*s is %.*s, not this server (%.*s): its mail goes elsewhere",
                   VIEW_ARG(domain), VIEW_ARG(n > 0 ? mx[0].host : domain), VIEW_ARG(own->host));
    else
        check_note(k, FINDING_OK, "dns", "mail for %.*s comes here", VIEW_ARG(domain));
}

void check_dns(struct check *k) {
    struct own own = {.host = cli_hostname(k->cli)};
    struct dns *d = open_dns(k);
    struct err e;
    view *domains;
    size_t count;
    if (!d)
        return;
    int64_t deadline = clock_mono_ms() + DNS_PATIENCE_MS;
    own.count = dns_lookup_addresses(d, own.host, 25, &k->cli->arena, clock_mono_ms() + PATIENCE_MS,
                                     &own.addrs, NULL, &e);
    if (own.count <= 0) {
        check_note(k, FINDING_WARN, "dns", "hostname = %.*s: %s; others may refuse mail from it",
                   VIEW_ARG(own.host), own.count < 0 ? e.text : "it has no address");
        own.count = 0;
        if (e.code == ERR_DNS || e.code == ERR_TIMEOUT) { /* nobody answers: the rest would say the same */
            dns_close(&d);
            return;
        }
    }
    check_reverse(k, d, &own, deadline);
    if (check_domains(k, &domains, &count))
        for (size_t i = 0; i < count && clock_mono_ms() < deadline; i++)
            check_mx(k, d, domains[i], &own, deadline);
    dns_close(&d);
}

/* ---- DNSSEC ---- */

/* The first name that the file has a key of. */
static view first_anchor(struct check *k, view text) {
    view line, name = VIEW("");
    while (name.len == 0 && view_split(&text, '\n', &line)) {
        line = view_trim(line);
        size_t len = 0;
        while (len < line.len && line.ptr[len] != ' ' && line.ptr[len] != '\t' && line.ptr[len] != ';')
            len++;
        name = view_slice(line, 0, len);
    }
    return arena_view(&k->cli->arena, name);
}

/* A resolver that does not pass signatures on makes all answers look forged. */
static void ask_anchor(struct check *k, struct dns *d, view name) {
    enum { TYPE_DNSKEY = 48 };
    struct dns_question q = {.name = name, .type = TYPE_DNSKEY};
    dns_ask(d, &q, 1, &k->cli->arena, clock_mono_ms() + PATIENCE_MS);
    if (q.found == DNS_FOUND && q.secure)
        check_note(k, FINDING_OK, "dnssec", "answers are validated, and mail follows DANE");
    else
        check_note(
            k, FINDING_FAIL, "dnssec",
            "the keys of %.*s do not match dnssec_anchors: all names look forged, and no mail leaves. The "
            "resolver may not pass DNSSEC on, or the anchors are old: mend it, or leave dnssec_anchors empty",
            VIEW_ARG(name));
}

void check_dnssec(struct check *k) {
    const struct config *c = k->cli->config;
    struct buf text = BUF_INIT(LIMIT_SETTING_TEXT);
    struct err e = {.code = ERR_OK};
    if (!*c->dnssec_anchors) {
        check_note(k, FINDING_OK, "dnssec", "no dnssec_anchors: DANE of other servers is not followed");
        return;
    }
    FREE_AUTO char *path = config_path(c, c->dnssec_anchors);
    struct dns *d = dns_open_validating(c->dns_servers.items, c->dns_servers.count, path, &e);
    view name = d && file_read(path, &text, &e) ? first_anchor(k, buf_view(&text)) : VIEW("");
    if (name.len > 0)
        ask_anchor(k, d, name);
    else
        check_note(k, FINDING_FAIL, "dnssec", "dnssec_anchors = %s: %s", path,
                   d && e.code == ERR_OK ? "it has no keys" : e.text);
    dns_close(&d);
    buf_done(&text);
}

/* ---- smart host ---- */

/* The first of its addresses. */
static bool relay_address(struct check *k, const struct transport *t, struct sockaddr_any *ret,
                          struct err *e) {
    struct sockaddr_any *addrs;
    if (t->path.len > 0)
        return sockaddr_from_path(t->path, ret, e);
    if (sockaddr_from_ip(t->host, t->port, ret, NULL))
        return true;
    struct dns *d = open_dns(k);
    if (!d)
        return err_set(e, ERR_DNS, "no name server");
    int n = dns_lookup_addresses(d, t->host, t->port, &k->cli->arena, clock_mono_ms() + PATIENCE_MS, &addrs,
                                 NULL, e);
    dns_close(&d);
    if (n > 0)
        *ret = addrs[0];
    return n > 0 || (n < 0 ? false : err_set(e, ERR_DNS, "%.*s has no address", VIEW_ARG(t->host)));
}

void check_relay(struct check *k) {
    const char *relay = k->cli->config->relay;
    struct sockaddr_any addr;
    struct err e = {.code = ERR_OK};
    char line[LIMIT_SMTP_REPLY_LINE + 1];
    struct transport t;
    if (!*relay)
        return;
    if (!transport_parse(transport_of_relay(view_of(relay), &k->cli->arena), &t, &e))
        check_note(k, FINDING_FAIL, "relay", "relay = %s", e.text);
    else if (t.kind == TRANSPORT_MX)
        check_note(k, FINDING_OK, "relay", "%s: each domain's own exchangers", relay);
    else if (!relay_address(k, &t, &addr, &e))
        check_note(k, FINDING_WARN, "relay", "%s", e.text);
    else if (!greeting(&addr, line, sizeof line, &e))
        check_note(k, FINDING_WARN, "relay", "%s does not answer now: %s; mail waits for it", relay, e.text);
    else if (!view_starts_with(view_of(line), VIEW("220")))
        check_note(k, FINDING_WARN, "relay", "%s answers %.200s; mail waits for it", relay, line);
    else
        check_note(k, FINDING_OK, "relay", "%s answers", relay);
}
