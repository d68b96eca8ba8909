/* check.h: all that mail authentication says of a message that comes in. Pure: see answers.h. */
#ifndef AUTH_CHECK_H
#define AUTH_CHECK_H

#include "auth/authres.h"
#include "auth/dkim.h"
#include "auth/dmarc.h"
#include "auth/spf.h"

struct auth_query {
    struct spf_query spf; /* client empty: nobody to ask about */
    view message;         /* as for dkim_verify() */
    const struct dkim_bodies *bodies;
    int64_t now_s;
};

struct auth_verdict {
    struct spf_verdict spf;
    struct dkim_verdict dkim;
    view author; /* domain of From, in A-labels; empty: not exactly one domain, so no policy can count */
    bool author_unclear; /* there is a From, and it is so */
    struct dmarc_verdict dmarc;
};

/* False: answers are wanted first. */
bool auth_check(const struct auth_query *q, struct answers *a, struct auth_verdict *ret);

/* What auth_check() found, as `id` tells it to those behind (RFC 8601). */
void auth_results(const struct auth_query *q, const struct auth_verdict *v, view id, struct arena *a,
                  struct authres *ret);

#endif
