/* dane.h: what a mail server's TLSA records say of its certificate (RFC 6698; for mail, RFC 7672). */
#ifndef NET_DANE_H
#define NET_DANE_H

#include "net/dns.h"
#include "net/tls.h"

/* One record. False: of no use for mail: it is malformed, unknown, or of a usage that asks for public
 * authorities (RFC 7672 3.1.3). */
bool dane_record(view rdata, struct tls_tlsa *ret);

enum dane_found {
    DANE_NONE,     /* the host says nothing, or it is not secured by DNSSEC */
    DANE_USABLE,   /* TLS, with a certificate of these records */
    DANE_UNUSABLE, /* TLS, whatever the certificate */
    DANE_FAILED    /* nobody knows: the host must not be used */
};
struct dane {
    enum dane_found found;
    const char *base; /* name that the records are at: for SNI and the certificate (RFC 7672 2.2.3) */
    struct tls_tlsa *records;
    size_t count;
};

/* `host` as MX names it, `known` as its addresses were found. All in the arena. */
struct dane dane_lookup(struct dns *d, view host, const struct dns_host *known, int port, struct arena *a,
                        int64_t deadline_ms);

#endif
