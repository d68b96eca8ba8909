/* check.h: all that mail authentication says of a message that comes in. Pure: see answers.h. */
#ifndef AUTH_CHECK_H
#define AUTH_CHECK_H

#include "auth/arc.h"
#include "auth/authres.h"
#include "auth/dkim.h"
#include "auth/dkim2.h"
#include "auth/dmarc.h"
#include "auth/spf.h"

/* The domain of a message's authors, in A-labels, lower case. False: not exactly one (RFC 9989 5.3.1);
 * *ret is that of the first where the rest cannot be read, else empty. message: its header at least. */
bool author_domain(view message, struct arena *a, view *ret);

struct auth_query {
    struct spf_query spf; /* client empty: nobody to ask about */
    view message;         /* as for dkim_verify() */
    const struct dkim_bodies *bodies;
    int64_t now_s;
    const struct dkim2_envelope
        *envelope; /* NULL: DKIM2 is not looked at, nor where the body is not all there */
};

struct auth_verdict {
    struct spf_verdict spf;
    struct dkim_verdict dkim;
    struct arc_verdict arc;
    struct dkim2_verdict dkim2;
    view author; /* domain of From, in A-labels; empty: not exactly one domain, so no policy can count */
    bool author_unclear; /* so it is */
    struct dmarc_verdict dmarc;
};

/* False: answers are wanted first. */
bool auth_check(const struct auth_query *q, struct answers *a, struct auth_verdict *ret);

/* What auth_check() found, as `id` tells it to those behind (RFC 8601). */
void auth_results(const struct auth_query *q, const struct auth_verdict *v, view id, struct arena *a,
                  struct authres *ret);

#endif
