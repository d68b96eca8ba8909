/* dkim.h: DKIM signatures of a message (RFC 6376; RFC 8301: no SHA-1, no key below 1024 bits; RFC 8463:
 * Ed25519). Pure: see answers.h. */
#ifndef AUTH_DKIM_H
#define AUTH_DKIM_H

#include "auth/answers.h"
#include "auth/dkim_canon.h"

enum dkim_result {
    DKIM_NONE,
    DKIM_PASS,
    DKIM_FAIL, /* what was signed is not what came */
    DKIM_TEMPERROR,
    DKIM_PERMERROR, /* the signature, or its key, cannot be used */
    DKIM_WAITS      /* answers are wanted first */
};
#define DKIM_WORDS "none pass fail temperror permerror" /* as base/words.h reads it */

struct dkim_signature {
    enum dkim_result result;
    const char *why;       /* of what does not pass; "" */
    view domain, selector; /* d=, s=; lower case */
    view identity;         /* i=, or "@" and the domain */
    view algorithm;        /* a= */
    view value;            /* b=, the first octets of it (RFC 8601 2.7.1, header.b) */
    bool testing;          /* the key says so (t=y) */
    int bits;              /* of an RSA key */
    int64_t unsigned_len;  /* octets of the body behind l=, which nobody signed */
};

/* Signatures that are looked at; of more the rest is a PERMERROR. */
enum { DKIM_SIGNATURES_MOST = 40 };

struct dkim_verdict {
    enum dkim_result result;     /* of all: the best */
    struct dkim_signature *list; /* from the top of the header */
    size_t count;
};

/* The body as the signatures of a message look at it, hashed while it comes: for one that is not kept in
 * memory. */
enum { DKIM_BODIES_MOST = 8 };
struct dkim_bodies {
    struct dkim_body {
        struct canon_body running;
        enum canon how;
        int64_t limit, len; /* len: once it has ended */
        unsigned char digest[32];
    } list[DKIM_BODIES_MOST];
    size_t count;
};
/* header: at least all of it, lines end in CRLF. Returns how many ways there are; 0: nothing is to be added.
 */
size_t dkim_bodies_begin(struct dkim_bodies *b, view header);
void dkim_bodies_add(struct dkim_bodies *b, view octets);
void dkim_bodies_end(struct dkim_bodies *b);
void dkim_bodies_drop(struct dkim_bodies *b); /* whether it has ended or not */

/* message: as received, lines end in CRLF; only its header where `bodies`, ended, has what is behind that
 * (else NULL). now_s: seconds since 1970, for x=. Views live in the arena of the answers or are borrowed. */
void dkim_verify(view message, const struct dkim_bodies *bodies, int64_t now_s, struct answers *a,
                 struct dkim_verdict *ret);

#endif
