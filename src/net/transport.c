/* transport.c: takes "smtp:host:port" and its kin apart. */
#include "net/transport.h"

#include <sys/un.h>

#include "net/sockaddr.h"

enum { PORT_MAX = 65535 };

static bool is_host_name(view v) {
    for (size_t i = 0; i < v.len; i++)
        if (!ascii_is_alnum(v.ptr[i]) && v.ptr[i] != '.' && v.ptr[i] != '-' && v.ptr[i] != '_')
            return false;
    return v.len > 0 && v.len <= LIMIT_DOMAIN && ascii_is_alnum(v.ptr[0]);
}

static bool take_host(view host, view *ret_host) {
    struct sockaddr_any addr;
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        *ret_host = view_slice(host, 1, host.len - 2);
        return view_find(*ret_host, ':') >= 0 && sockaddr_from_ip(*ret_host, 1, &addr, NULL);
    }
    *ret_host = host;
    return is_host_name(host);
}

static bool take_path(view path, struct transport *t) {
    t->path = path;
    if (path.len < 2 || path.ptr[0] != '/' || path.len >= sizeof((struct sockaddr_un *)0)->sun_path)
        return false;
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] <= ' ' || path.ptr[i] == 0x7f)
            return false;
    return true;
}

static bool take_next_hop(view rest, struct transport *t) {
    int64_t port;
    ptrdiff_t colon = view_rfind(rest, ':');
    if (t->kind == TRANSPORT_LMTP && view_starts_with(rest, VIEW("unix:")))
        return take_path(view_skip(rest, 5), t);
    if (colon <= 0 || !view_to_i64(view_skip(rest, (size_t)colon + 1), &port) || port < 1 || port > PORT_MAX)
        return false;
    t->port = (int)port;
    return take_host(view_slice(rest, 0, (size_t)colon), &t->host);
}

view transport_of_relay(view relay, struct arena *a) {
    bool bare = !view_starts_with(relay, VIEW("smtp:")) && !view_starts_with(relay, VIEW("lmtp:")) &&
                !view_eq(relay, VIEW("mx"));
    return bare ? arena_printf(a, "smtp:%.*s", VIEW_ARG(relay)) : relay;
}

bool transport_parse(view text, struct transport *ret_transport, struct err *e) {
    struct transport t = {.kind = TRANSPORT_DEFAULT};
    bool ok = text.len == 0;
    if (view_eq(text, VIEW("mx"))) {
        t.kind = TRANSPORT_MX;
        ok = true;
    } else if (view_starts_with(text, VIEW("smtp:")) || view_starts_with(text, VIEW("lmtp:"))) {
        t.kind = text.ptr[0] == 's' ? TRANSPORT_SMTP : TRANSPORT_LMTP;
        ok = take_next_hop(view_skip(text, 5), &t);
    }
    if (!ok) {
        view shown = view_slice(text, 0, 80);
        return err_set(e, ERR_USAGE, "%.*s: smtp:HOST:PORT, lmtp:HOST:PORT, lmtp:unix:/PATH or mx is wanted",
                       VIEW_ARG(shown));
    }
    *ret_transport = t;
    return true;
}
