/* dkim2.h: DKIM2, draft-ietf-dkim-dkim2-spec-06 (28 August 2026). This header and its dkim2_*.c are the only
 * places that know the draft's revision. Each hop signs the envelope it sends with (DKIM2-Signature); one
 * that changes a message adds a Message-Instance, whose recipe makes the form before out of the form after.
 * Pure: see answers.h. */
#ifndef AUTH_DKIM2_H
#define AUTH_DKIM2_H

#include "auth/answers.h"
#include "auth/dkim_sign.h"

enum dkim2_result { DKIM2_NONE, DKIM2_PASS, DKIM2_FAIL, DKIM2_TEMPERROR, DKIM2_PERMERROR, DKIM2_WAITS };
#define DKIM2_WORDS "none pass fail temperror permerror" /* as base/words.h reads it */

enum {
    DKIM2_HOPS_MOST = 50,
    DKIM2_RECIPE_MOST = 1 << 20, /* octets of a recipe's JSON */
    DKIM2_AGE_MOST_S = 14 * 24 * 3600
};

/* Addresses without angle brackets; sender empty: "<>". */
struct dkim2_envelope {
    view sender;
    const view *recipients;
    size_t recipient_count;
};

enum dkim2_flags {
    DKIM2_EXPLODED = 1,
    DKIM2_DONOTEXPLODE = 2,
    DKIM2_DONOTMODIFY = 4,
    DKIM2_FEEDBACK = 8,
    DKIM2_FEEDHERE = 16
};

struct dkim2_verdict {
    enum dkim2_result result;
    const char *why;   /* of what does not pass, in the words of the draft where it has them; "" */
    int hop;           /* i= of the signature that fails; 0: none in particular */
    int hops;          /* signatures there are */
    int instances;     /* Message-Instances there are */
    view domain;       /* d= of the first signature */
    view last_domain;  /* d= of the last one */
    view last_sender;  /* mf= of the last one, without brackets: where a notification may go */
    unsigned wishes;   /* enum dkim2_flags of all signatures together */
    view first_hashes; /* h= of the first instance: the same message again (replay) has the same */
};

/* message: as received, lines end in CRLF. now_s: seconds since 1970. */
void dkim2_verify(view message, const struct dkim2_envelope *e, int64_t now_s, struct answers *a,
                  struct dkim2_verdict *ret);

/* Append the message as its instance `m` had it. Octets and order are those of the message where a recipe
 * does not say otherwise (then canonical: "subject: text" in one line); the fields that are never hashed are
 * left out, but those of DKIM2 that there were by then are kept. False: it has no such instance, or the body
 * cannot be had (b null): then *ret_header_only, and only the header is appended; or a recipe is malformed.
 * The arena takes what is hashed and the recipes, not bodies. */
bool dkim2_rebuild(view message, int m, struct arena *a, struct buf *out, bool *ret_header_only);

enum dkim2_instance_made {
    DKIM2_INSTANCE_SAME, /* nothing appended: hashes and so instance are the same, no field is needed */
    DKIM2_INSTANCE_ADDED,
    DKIM2_INSTANCE_CANNOT /* nothing appended: the chain is broken, or a field that was changed is no UTF-8
                             and so cannot be in a recipe: the chain cannot go on with this change */
};
/* Append the field Message-Instance for `after`. `before`: the form it was received in, whose highest
 * instance is counted on from; empty, or with none: m=1, no recipe. The recipe is proved by applying it
 * before it is used; where the old body needs more text than half of it, or the recipe 64 kB, or is no UTF-8
 * there, the body's recipe is null. The arena takes about 100 octets for each line that was or is. */
enum dkim2_instance_made dkim2_add_instance(view before, view after, struct arena *a, struct buf *out);

/* What is the same in the signature of every copy: all fields of DKIM2 that are there, canonical. */
struct dkim2_prepared {
    view signed_fields;
    int next_hop;      /* i= of the signature to come */
    int last_instance; /* its m= */
};
/* header: of the message as it goes, Message-Instance included. False: there is none, or the chain is broken.
 */
bool dkim2_prepare(view header, struct arena *a, struct dkim2_prepared *ret);

struct dkim2_signing {
    const struct signing_key *keys[2]; /* of one domain; NULL: only one */
    int64_t now_s;
    unsigned flags;   /* enum dkim2_flags */
    view next_domain; /* nd= of an imaginary hop, whose envelope is empty; or empty */
};
/* Append the field DKIM2-Signature for one copy, folded, with its CRLF. */
void dkim2_sign(const struct dkim2_prepared *p, const struct dkim2_signing *s, const struct dkim2_envelope *e,
                struct buf *out);

#endif
