/* frontend.c: those who speak for others: front ends in proxy_networks, whose connections begin with a PROXY
 * header, and clients in xclient_networks, who may say with XCLIENT whose session it is (for tests, and for
 * filters in front). From then on the address that was named counts: for relaying, limits, Received and log.
 */
#include <string.h>

#include "base/log.h"
#include "mail/text.h"
#include "mail/xtext.h"
#include "roles/smtpd/smtpd.h"

/* The session is `peer`'s now. False: that client has too many. */
static bool become(struct session *s, const struct sockaddr_any *peer) {
    if (s->counted)
        clients_leave(s->server->clients, &s->peer);
    s->peer = *peer;
    s->speaks_for_other = true;
    s->peer_ip = sockaddr_ip(peer);
    s->may_relay = networks_have(&s->policy->relay, peer);
    s->counted = clients_enter(s->server->clients, peer);
    if (!s->counted)
        session_reply(s, 421, "4.7.0 %s too many connections from your address", s->server->hostname);
    return s->counted;
}

enum next frontend_proxy_phase(struct session *s) {
    struct proxy p;
    size_t len;
    switch (proxy_parse(stream_peek(&s->stream), &p, &len)) {
    case PROXY_MORE:
        return NEXT_INPUT;
    case PROXY_WRONG:
        log_line(LOG_WARN, "no-proxy-header", LOG_S("client", s->peer_ip.s));
        return NEXT_CLOSE;
    case PROXY_WHOLE:
        break;
    }
    struct sockaddr_text front_end = s->peer_ip;
    stream_take(&s->stream, len);
    s->phase_ends_ms = 0;
    s->phase = session_phase_command;
    if (!become(s, p.own ? &s->peer : &p.source))
        return NEXT_CLOSE;
    log_line(LOG_DEBUG, "proxied", LOG_S("client", s->peer_ip.s), LOG_S("by", front_end.s));
    session_greet(s);
    return NEXT_MORE;
}

struct xclient {
    struct sockaddr_any peer;
    view helo;
    bool has_helo, has_proto, esmtp;
};

static bool is_unavailable(view v) {
    return view_eq_nocase(v, VIEW("[UNAVAILABLE]")) || view_eq_nocase(v, VIEW("[TEMPUNAVAIL]"));
}

static bool take_addr(view value, struct xclient *x) {
    if (is_unavailable(value))
        return true;
    int port = sockaddr_port(&x->peer);
    bool v6 = view_starts_with_nocase(value, VIEW("IPV6:"));
    return sockaddr_from_ip(v6 ? view_skip(value, 5) : value, port, &x->peer, NULL);
}

static bool take_port(view value, struct xclient *x) {
    int64_t port;
    if (is_unavailable(value))
        return true;
    struct sockaddr_text ip = sockaddr_ip(&x->peer);
    return view_to_i64(value, &port) && port >= 0 && port <= 65535 &&
           sockaddr_from_ip(view_of(ip.s), (int)port, &x->peer, NULL);
}

static bool take_proto(view value, struct xclient *x) {
    x->has_proto = true;
    x->esmtp = view_eq_nocase(value, VIEW("ESMTP"));
    return x->esmtp || view_eq_nocase(value, VIEW("SMTP"));
}

/* NAME and LOGIN are taken and not used: nothing here depends on a host name, and there are no users. */
static bool take_attribute(struct session *s, view name, view value, struct xclient *x) {
    struct buf plain = BUF_INIT(LIMIT_SMTP_LINE);
    bool fine = xtext_decode(value, &plain);
    view v = buf_view(&plain);
    if (fine && view_eq_nocase(name, VIEW("ADDR"))) {
        fine = take_addr(v, x);
    } else if (fine && view_eq_nocase(name, VIEW("PORT"))) {
        fine = take_port(v, x);
    } else if (fine && view_eq_nocase(name, VIEW("PROTO"))) {
        fine = take_proto(v, x);
    } else if (fine && view_eq_nocase(name, VIEW("HELO"))) {
        x->has_helo = true;
        x->helo = is_unavailable(v) ? VIEW("") : arena_view(&s->arena, v);
        fine = v.len <= LIMIT_DOMAIN && text_is_printable(v);
    } else if (fine) {
        fine = view_eq_nocase(name, VIEW("NAME")) || view_eq_nocase(name, VIEW("LOGIN"));
    }
    buf_done(&plain);
    return fine;
}

static bool take_attributes(struct session *s, view argument, struct xclient *x) {
    view word;
    while (view_split(&argument, ' ', &word)) {
        ptrdiff_t equals = view_find(word, '=');
        if (word.len > 0 && (equals < 0 || !take_attribute(s, view_slice(word, 0, (size_t)equals),
                                                           view_skip(word, (size_t)equals + 1), x)))
            return false;
    }
    return !s->arena.failed;
}

enum next frontend_xclient(struct session *s, view argument) {
    struct xclient x = {.peer = s->peer};
    if (!take_attributes(s, argument, &x)) {
        session_reply(s, 501, "5.5.4 XCLIENT: an attribute is unknown or wrong");
        return s->arena.failed ? NEXT_CLOSE : NEXT_MORE;
    }
    session_reset(s);
    s->greeted = false;
    s->esmtp = x.has_proto && x.esmtp;
    s->helo = x.has_helo ? x.helo : VIEW_NULL;
    log_line(LOG_INFO, "xclient", LOG_S("client", sockaddr_ip(&x.peer).s), LOG_S("by", s->peer_ip.s));
    if (!become(s, &x.peer))
        return NEXT_CLOSE;
    session_greet(s);
    return NEXT_MORE;
}
