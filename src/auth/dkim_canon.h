/* dkim_canon.h: how DKIM looks at header and body (RFC 6376 3.4). */
#ifndef AUTH_DKIM_CANON_H
#define AUTH_DKIM_CANON_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/view.h"
#include "mail/header.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };

/* A body's digest (SHA-256) while it comes, piece by piece: of its canonical form, up to `limit` octets of
 * that (-1: all). */
struct canon_body {
    enum canon how;
    int64_t limit, len; /* octets of the canonical form; len: so far */
    EVP_MD_CTX *digest;
    size_t empty;   /* lines that count only when another follows */
    bool begun;     /* the line has something that counts */
    bool blank, cr; /* that counts only when something follows in the line */
    unsigned char buffer[4096];
    size_t filled;
};
void canon_body_begin(struct canon_body *b, enum canon how, int64_t limit);
void canon_body_add(struct canon_body *b, view octets);
/* Returns how long the canonical body is. */
int64_t canon_body_end(struct canon_body *b, unsigned char ret[32]);
/* Instead of canon_body_end(). */
void canon_body_drop(struct canon_body *b);

/* The same of a body that is all there. */
int64_t canon_body_digest(enum canon how, view body, int64_t limit, unsigned char ret[32]);

/* Append the canonical field, with its CRLF. */
void canon_field(enum canon how, const struct header_field *f, struct buf *out);

#endif
