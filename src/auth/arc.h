/* arc.h: the Authenticated Received Chain (ARC, RFC 8617): what servers on the way have found out, and
 * sealed. Pure: see answers.h. It is on its way to Historic: verified, and sealed where an instance says so.
 */
#ifndef AUTH_ARC_H
#define AUTH_ARC_H

#include "auth/answers.h"
#include "auth/authres.h"
#include "auth/dkim.h"
#include "auth/dkim_sign.h"

enum arc_result { ARC_NONE, ARC_PASS, ARC_FAIL, ARC_TEMPERROR, ARC_WAITS };
#define ARC_WORDS "none pass fail temperror" /* as base/words.h reads it */
enum { ARC_SETS_MOST = 50 };                 /* RFC 8617 5.1.1.1 */

struct arc_verdict {
    enum arc_result result;
    const char *why; /* of what does not pass; "" */
    int count;       /* sets there are, of a chain that is whole */
    view domain;     /* d= of the last seal */
    view found;      /* what the last ARC-Authentication-Results says, behind its i=; or empty */
    int oldest_pass; /* RFC 8617 5.2: 0, or the first instance whose message signature still holds */
};

/* message, bodies, now_s: as for dkim_verify(). */
void arc_verify(view message, const struct dkim_bodies *bodies, int64_t now_s, struct answers *a,
                struct arc_verdict *ret);

struct arc_sealing {
    const struct signing_key *key; /* RSA: ARC knows nothing else */
    const struct authres *found;   /* what this server has found out */
    int64_t now_s;
    enum arc_result chain; /* what arc_verify() said of the message as it came: cv= */
    view fields;           /* names of the fields that are signed, with ":" between; empty: ours */
};

/* header: of the copy as it goes, its ARC sets included. body_sha256: of the relaxed body (dkim_canon.h).
 * Appends the three fields of the next set, ARC-Seal first. Nothing where a set says cv=fail already, where
 * there are ARC_SETS_MOST, and where nobody knows how the chain was (TEMPERROR). */
void arc_seal(const struct arc_sealing *s, view header, const unsigned char body_sha256[32], struct arena *a,
              struct buf *out);

#endif
