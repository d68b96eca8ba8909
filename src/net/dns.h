/* dns.h: name look-ups through libunbound's asynchronous calls, one context and one thread per process.
 *
 * Callers are threads that may wait; every look-up has a deadline. DNSSEC-bogus and SERVFAIL are temporary
 * errors, never "no such name". */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "base/arena.h"
#include "base/config.h"
#include "base/err.h"
#include "net/sockaddr.h"

struct dns;

/* `servers`: "address" or "address@port" each; none: /etc/resolv.conf. */
struct dns *dns_open(char *const *servers, size_t count, struct err *e);
/* Answers are validated, beginning with the keys in the file `anchors` (DS or DNSKEY records, RFC 4033). NULL
 * or empty, and by dns_open: nothing is secure, and nothing is forged. */
struct dns *dns_open_validating(char *const *servers, size_t count, const char *anchors, struct err *e);
/* As the instance is set: dns_servers, dnssec_anchors. */
struct dns *dns_open_configured(const struct config *c, struct err *e);
void dns_close(struct dns **d);

struct dns_mx {
    int preference;
    view host; /* without final dot, lower case; in the arena */
};

/* MX records sorted by preference, equal ones shuffled. Returns the count; 0: the domain exists without MX
 * (use its addresses, RFC 5321 5.1); -1: see e: HOST_UNKNOWN, NULL_MX (RFC 7505), DNS, TIMEOUT. *ret_secure
 * (or NULL): DNSSEC says that it is so, also that there is none. */
int dns_lookup_mx(struct dns *d, view domain, struct arena *a, int64_t deadline_ms, struct dns_mx **ret_mx,
                  bool *ret_secure, struct err *e);
struct dns_host {
    bool secure; /* DNSSEC says that these are its addresses */
    view name;   /* where its aliases lead, lower case; in the arena */
};
/* Addresses of a host, IPv6 and IPv4 alternating, `port` filled in. Count; 0: it has none; -1: see e.
 * ret_host may be NULL. */
int dns_lookup_addresses(struct dns *d, view host, int port, struct arena *a, int64_t deadline_ms,
                         struct sockaddr_any **ret_addrs, struct dns_host *ret_host, struct err *e);

/* Names of an address (PTR), at most `most`, lower case, without final dot. Count; 0: it has none; -1: see e.
 */
int dns_lookup_names(struct dns *d, const struct sockaddr_any *addr, struct arena *a, int64_t deadline_ms,
                     view *ret_names, size_t most, struct err *e);

/* Whatever records: octets as they stand in the answer (RDATA, RFC 1035 3.3; names in wire form without
 * compression). */
enum dns_found {
    DNS_FOUND,
    DNS_NO_DATA,
    DNS_NO_NAME,  /* NXDOMAIN, or no name that DNS can have */
    DNS_TEMPORARY /* SERVFAIL and the like, DNSSEC-bogus, or no answer by the deadline */
};
struct dns_question {
    view name; /* any octets in its labels */
    int type;  /* of RFC 1035 and its successors */
    enum dns_found found;
    view *data; /* of FOUND, in the arena */
    size_t count;
    bool secure; /* DNSSEC says it is so */
};
enum { DNS_QUESTIONS_MAX = 64, DNS_RECORDS_MAX = 100 };

/* At most DNS_QUESTIONS_MAX at once. */
void dns_ask(struct dns *d, struct dns_question *questions, size_t count, struct arena *a,
             int64_t deadline_ms);

/* "\3www\7example\3org\0" as "www.example.org", lower case; of host names' letters only. False: it is none.
 */
bool dns_name_from_wire(view wire, struct arena *a, view *ret);

#endif
