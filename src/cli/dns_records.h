/* dns_records.h: what a domain should publish in DNS so that its mail comes in and is trusted. */
#ifndef CLI_DNS_RECORDS_H
#define CLI_DNS_RECORDS_H

#include "auth/keyring.h"
#include "cli/cli.h"
#include "net/sockaddr.h"

enum dns_what {
    DNS_WHAT_MX,
    DNS_WHAT_SPF,  /* of the domain */
    DNS_WHAT_HELO, /* of a name given in EHLO */
    DNS_WHAT_DKIM,
    DNS_WHAT_DMARC,
    DNS_WHAT_CONSENT, /* of the domain that takes the reports (RFC 9990 4) */
    DNS_WHAT_MTA_STS,
    DNS_WHAT_TLSRPT,
    DNS_WHAT_TLSA,
    DNS_WHAT_PTR
};

struct dns_record {
    enum dns_what what;
    view name;                     /* without its final dot */
    const char *type;              /* "TXT" */
    int number;                    /* of the type */
    view value;                    /* of TXT the text; else as a zone file has it */
    const struct signing_key *key; /* DKIM */
    struct sockaddr_any ip;        /* PTR */
};

enum { DNS_RECORDS_MOST = 200, DNS_IPS_MOST = 32 };
struct dns_records {
    view domain, hostname;
    struct sockaddr_any ips[DNS_IPS_MOST]; /* where mail leaves from; none: not known */
    size_t ip_count;
    struct keyring *ring;
    struct dns_record list[DNS_RECORDS_MOST];
    size_t count;
    view sts_policy; /* the text to serve by HTTPS; empty: none */
};

/* Of the domain that is the command's first word. False: see e; dns_records_done() frees in any case. */
bool dns_records_make(struct cli *c, struct dns_records *ret, struct err *e);
void dns_records_done(struct dns_records *r);

/* A line of a zone file. */
view dns_record_line(const struct dns_record *r, struct arena *a);

#endif
