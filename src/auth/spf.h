/* spf.h: whether a host may send mail for a domain (SPF, RFC 7208). Pure: see answers.h. */
#ifndef AUTH_SPF_H
#define AUTH_SPF_H

#include "auth/answers.h"

/* RFC 7208 2.6. */
enum spf_result {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
    SPF_WAITS /* answers are wanted first */
};
#define SPF_WORDS "none neutral pass fail softfail temperror permerror" /* as base/words.h reads it */

struct spf_query {
    view client;   /* address: 4 octets, or 16; one that maps IPv4 (::ffff:) is taken as that */
    view helo;     /* as the client said */
    view sender;   /* of the envelope; empty: postmaster at helo (RFC 7208 2.4) */
    view receiver; /* this host, for %{r} */
    int64_t now_s; /* for %{t} */
};

struct spf_verdict {
    enum spf_result result;
    view domain;      /* whose policy it is */
    view explanation; /* of a FAIL, as the domain gives it (RFC 7208 6.2); printable ASCII, or empty */
    const char *why;  /* of an error, what is wrong; "" */
    view mechanism;   /* that matched, as it stands in the record; or empty */
};

/* Views live in the arena of the answers or are borrowed. */
void spf_check(const struct spf_query *q, struct answers *a, struct spf_verdict *ret);

/* The record is well-formed (RFC 7208 4.6, 5, 6, 7.1). */
bool spf_record_is_valid(view record);

#endif
