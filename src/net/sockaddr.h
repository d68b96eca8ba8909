/* sockaddr.h: "host:port" in settings, and addresses of peers as text. Numeric hosts only: no name look-up.
 */
#ifndef NET_SOCKADDR_H
#define NET_SOCKADDR_H

#include <sys/socket.h>

#include "base/err.h"

struct sockaddr_any {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* "127.0.0.1:25", "[::1]:25", "*:25" (IPv6 any, also IPv4). "localhost" is 127.0.0.1. */
bool sockaddr_parse(view text, struct sockaddr_any *ret_addr, struct err *e);
/* An address without port plus a port. */
bool sockaddr_from_ip(view ip, int port, struct sockaddr_any *ret_addr, struct err *e);
/* A local socket. */
bool sockaddr_from_path(view path, struct sockaddr_any *ret_addr, struct err *e);

struct sockaddr_text {
    char s[64];
};
/* "192.0.2.1" or "2001:db8::1"; IPv4-mapped addresses are written as IPv4. */
struct sockaddr_text sockaddr_ip(const struct sockaddr_any *a);
/* With port: "192.0.2.1:25", "[2001:db8::1]:25". */
struct sockaddr_text sockaddr_format(const struct sockaddr_any *a);
int sockaddr_port(const struct sockaddr_any *a);

/* CIDR match: "192.0.2.0/24", "2001:db8::/32", a single address. */
struct cidr {
    unsigned char bytes[16]; /* IPv4 as mapped IPv6 */
    int bits;                /* over the 128 */
};
bool cidr_parse(view text, struct cidr *ret_cidr, struct err *e);
bool cidr_match(const struct cidr *c, const struct sockaddr_any *a);

#endif
