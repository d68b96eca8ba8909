/* arc_private.h: the ARC sets of a message, as verifying and sealing both see them. */
#ifndef AUTH_ARC_PRIVATE_H
#define AUTH_ARC_PRIVATE_H

#include "auth/arc.h"
#include "auth/dkim_private.h"

#define ARC_SEAL_NAME      "ARC-Seal"
#define ARC_SIGNATURE_NAME "ARC-Message-Signature"
#define ARC_RESULTS_NAME   "ARC-Authentication-Results"

struct arc_set {
    const struct header_field *results, *signature, *seal;
    view found; /* of the results: what stands behind i= */
    view chain; /* of the seal: cv= */
};

struct arc_chain {
    struct arc_set sets[ARC_SETS_MOST]; /* i=1 first */
    int count;                          /* the highest i=, even of a chain that is not whole */
    bool any;                           /* there are fields of ARC, however odd */
    bool failed;                        /* a seal says so: cv=fail */
};

/* Collect them. "": the chain is whole, or there is none; else what is wrong with it (RFC 8617 5.2, 1 to 3).
 */
const char *arc_collect(const struct header *h, struct arc_chain *ret);

/* Append the fields of a set to what its seal signs: without the seal itself, or with it. */
void arc_add_set(const struct arc_set *s, bool with_seal, struct buf *out);

/* As arc_seal(), with what was found as text: "id; method=result ..." and a line end. unfolded: signatures in
 * one line each, as the public suite has signed them. */
struct arc_text {
    view found;
    bool unfolded;
};
void arc_seal_text(const struct arc_sealing *s, const struct arc_text *text, view header,
                   const unsigned char body_sha256[32], struct arena *a, struct buf *out);

#endif
