/* dns.h: name look-ups through libunbound's asynchronous calls, one context and one thread per process.
 *
 * Callers are threads that may wait; every look-up has a deadline. DNSSEC-bogus and SERVFAIL are temporary
 * errors, never "no such name". */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "base/arena.h"
#include "base/err.h"
#include "net/sockaddr.h"

struct dns;

/* `servers`: "address" or "address@port" each; none: /etc/resolv.conf. */
struct dns *dns_open(char *const *servers, size_t count, struct err *e);
void dns_close(struct dns **d);

struct dns_mx {
    int preference;
    view host; /* without final dot, lower case; in the arena */
};

/* MX records sorted by preference, equal ones shuffled. Returns the count; 0: the domain exists without MX
 * (use its addresses, RFC 5321 5.1); -1: see e: HOST_UNKNOWN, NULL_MX (RFC 7505), DNS, TIMEOUT. */
int dns_lookup_mx(struct dns *d, view domain, struct arena *a, int64_t deadline_ms, struct dns_mx **ret_mx,
                  struct err *e);
/* Addresses of a host, IPv6 and IPv4 alternating, `port` filled in. Count; 0: it has none; -1: see e. */
int dns_lookup_addresses(struct dns *d, view host, int port, struct arena *a, int64_t deadline_ms,
                         struct sockaddr_any **ret_addrs, struct err *e);

/* Names of an address (PTR), at most `most`, lower case, without final dot. Count; 0: it has none; -1: see e.
 */
int dns_lookup_names(struct dns *d, const struct sockaddr_any *addr, struct arena *a, int64_t deadline_ms,
                     view *ret_names, size_t most, struct err *e);

#endif
