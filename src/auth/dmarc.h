/* dmarc.h: whether a message is from whom it says (DMARC, RFC 9989): the author's domain against what SPF and
 * DKIM have shown, and what that domain wants done with mail that fails. Records of RFC 7489 are read, too;
 * pct, rf and ri say nothing any more. Pure: see answers.h. */
#ifndef AUTH_DMARC_H
#define AUTH_DMARC_H

#include "auth/answers.h"

enum dmarc_result { DMARC_NONE, DMARC_PASS, DMARC_FAIL, DMARC_TEMPERROR, DMARC_WAITS };
#define DMARC_WORDS "none pass fail temperror" /* as base/words.h reads it */

enum dmarc_policy { DMARC_P_NONE, DMARC_P_QUARANTINE, DMARC_P_REJECT };
#define DMARC_POLICY_WORDS "none quarantine reject"

/* A domain that SPF or DKIM has shown. */
struct dmarc_identity {
    view domain; /* empty: none */
    bool passed;
};

enum { DMARC_SIGNATURES_MOST = 40 };
struct dmarc_query {
    view author_domain; /* of From */
    struct dmarc_identity spf;
    struct dmarc_identity dkim[DMARC_SIGNATURES_MOST];
    size_t dkim_count;
};

/* The tags of the record that counts, as far as reports tell them. */
struct dmarc_tags {
    int p, sp, np; /* enum dmarc_policy; -1: not said */
    bool strict_spf, strict_dkim;
};

struct dmarc_verdict {
    enum dmarc_result result;    /* NONE: the domain has no policy */
    view policy_domain;          /* where the record stands that counts */
    view org_domain;             /* the author's organizational domain (RFC 9989 4.10.2) */
    enum dmarc_policy published; /* p, sp or np of it, whichever is for this domain */
    enum dmarc_policy applied;   /* after t=y */
    bool testing;
    bool spf_aligned, dkim_aligned[DMARC_SIGNATURES_MOST];
    view rua, ruf; /* where reports go, as written; or empty */
    struct dmarc_tags tags;
};

void dmarc_check(const struct dmarc_query *q, struct answers *a, struct dmarc_verdict *ret);

/* What a domain wants, without any message: for a list that is to change a post. Of the verdict the result is
 * NONE, or FAIL where there is a policy; TEMPERROR, WAITS. */
void dmarc_find_policy(view author_domain, struct answers *a, struct dmarc_verdict *ret);

#endif
