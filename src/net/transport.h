/* transport.h: by what way mail goes to a site, as site.transport keeps it and people write it:
 *
 *     smtp:HOST:PORT       SMTP to that host, an IPv6 address in brackets
 *     lmtp:HOST:PORT       LMTP (RFC 2033)
 *     lmtp:unix:/PATH      LMTP over a local socket
 *     mx                   to the domain's MX, whatever smart host is configured
 *     (empty)              as the configuration says
 */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include "base/arena.h"
#include "base/err.h"

enum transport_kind { TRANSPORT_DEFAULT, TRANSPORT_MX, TRANSPORT_SMTP, TRANSPORT_LMTP };

struct transport {
    enum transport_kind kind;
    view host; /* SMTP, LMTP: a name or an IP address without brackets; empty: `path` it is */
    int port;
    view path; /* LMTP: of a local socket, absolute */
};

/* Views borrow from the text. USAGE when it is none of the above. */
bool transport_parse(view text, struct transport *ret_transport, struct err *e);
/* The setting `relay` as a transport's text: HOST:PORT alone means SMTP. */
view transport_of_relay(view relay, struct arena *a);

#endif
