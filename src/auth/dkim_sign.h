/* dkim_sign.h: sign with DKIM (RFC 6376, 8463): relaxed/relaxed, all of the body. */
#ifndef AUTH_DKIM_SIGN_H
#define AUTH_DKIM_SIGN_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/view.h"

/* A private key, and the name its public half is published under. Not changed once it is made: threads share
 * it. */
struct signing_key {
    view domain, selector;
    bool ed25519; /* else RSA */
    EVP_PKEY *key;
};

/* Append the signature of `what` in base64: RSA with SHA-256, or Ed25519 over its SHA-256 (RFC 8463 3). */
void signing_key_sign(const struct signing_key *k, view what, struct buf *out);

enum { SIGNING_KEYS_MOST = 8 };
struct dkim_signing {
    const struct signing_key *keys[SIGNING_KEYS_MOST]; /* one signature each */
    size_t key_count;
    int64_t now_s;
    int64_t life_s; /* x= is so much later (RFC 6376 3.5); 0: none */
};

/* Append a DKIM-Signature field for each key. header: of the copy as it goes, with all that was added.
 * body_sha256: of the relaxed body (dkim_canon.h). Signed is what a reader sees or acts on; From, Subject,
 * Date, Reply-To and the like once more than they are there, so that nobody can add another (RFC 6376 8.15).
 */
void dkim_sign(const struct dkim_signing *s, view header, const unsigned char body_sha256[32],
               struct buf *out);

#endif
