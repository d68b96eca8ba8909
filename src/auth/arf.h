/* arf.h: reports about one message: feedback reports (ARF, RFC 5965), and among them those of a failed
 * authentication (RFC 6591), as DMARC's receivers send them, too (RFC 7489 7.3). */
#ifndef AUTH_ARF_H
#define AUTH_ARF_H

#include "base/arena.h"

enum {
    ARF_TEXT_MOST = 4096, /* octets of a value; of what is in base64: what a header has room for */
    ARF_LIST_MOST = 100   /* values of a field that may be there several times; the rest is passed over */
};

struct arf_list {
    view *items;
    size_t count;
};

/* Unfolded, but not cleaned: it is text of strangers. Empty where nothing is said. */
struct arf_report {
    view type; /* "abuse", "auth-failure", …: lower case */
    view user_agent, version;
    view mail_from; /* without brackets: the null path is empty, too */
    struct arf_list rcpt_to, domains, uris, results /* Authentication-Results */, spf_dns;
    int64_t arrival_ms; /* since 1970; 0: not said, or no date */
    int64_t incidents;  /* 1 where it is not said */
    view source_ip;     /* without brackets and "IPv6:" */
    int64_t source_port;
    view reporting_mta;                 /* its name alone */
    view envelope_id;                   /* as written, in xtext */
    view auth_failure, delivery_result; /* one word, lower case */
    view identity_alignment;            /* "dkim, spf" or "none" */
    view dkim_domain, dkim_identity, dkim_selector, dkim_selector_dns, dkim_adsp_dns;
    view dkim_canonical_header, dkim_canonical_body; /* base64, without white space */
    view original;                                   /* the message that is reported, or its header */
    bool is_header_only;                             /* it is its header */
};

/* From a mail, leniently: fields in any order; of what may stand once, the first counts. A report in a
 * message that is attached is none. False: it is no such report, names no type, or the arena is full. */
bool arf_read(view message, struct arena *a, struct arf_report *ret);

#endif
