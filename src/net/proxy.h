/* proxy.h: the header by which a front end (HAProxy, nginx …) says for whom it connects: PROXY protocol
 * versions 1 and 2. Pure: octets in, values out. */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include "net/sockaddr.h"

struct proxy {
    bool own; /* UNKNOWN or LOCAL: the front end speaks for itself (a health check) */
    struct sockaddr_any source;
};

enum proxy_state {
    PROXY_MORE,  /* so far it can be a header: more octets are needed */
    PROXY_WHOLE, /* *ret_proxy is set, and *ret_len octets were the header */
    PROXY_WRONG, /* it is none, or longer than LIMIT_PROXY_HEADER */
};

/* Look at what a connection began with. Version 2: TLVs are stepped over; UDP is wrong, UNIX sockets count as
 * the front end's own. */
enum proxy_state proxy_parse(view in, struct proxy *ret_proxy, size_t *ret_len);

#endif
