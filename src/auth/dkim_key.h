/* dkim_key.h: the record of a DKIM key (RFC 6376 3.6.1, RFC 8463). */
#ifndef AUTH_DKIM_KEY_H
#define AUTH_DKIM_KEY_H

#include <openssl/evp.h>

#include "base/arena.h"

/* Why a key cannot be used. */
enum dkim_key_fault {
    DKIM_KEY_FINE,
    DKIM_KEY_MALFORMED,
    DKIM_KEY_OTHER_KIND, /* k= is unknown */
    DKIM_KEY_OTHER_USE,  /* for other hashes or services */
    DKIM_KEY_REVOKED,
    DKIM_KEY_SIZE /* RSA below 1024 bits, or above 8192 */
};

struct dkim_key {
    EVP_PKEY *key; /* dkim_key_done() frees */
    enum dkim_key_fault fault;
    bool ed25519;
    int bits;
    bool testing, strict; /* t=y, t=s */
};

/* False: it cannot be used, for the reason in *ret_why. Threads share a key that was read before: it is not
 * to be changed. */
bool dkim_key_read(view record, struct arena *a, struct dkim_key *ret, const char **ret_why);
/* As DKIM2 reads it: hashes (h=), services (s=) and t= say nothing there. */
bool dkim_key_read_dkim2(view record, struct arena *a, struct dkim_key *ret, const char **ret_why);
void dkim_key_done(struct dkim_key *k);

/* Whether the key has signed `what`: RSA with SHA-256, or Ed25519 over its SHA-256 (RFC 8463 3). */
bool dkim_key_has_signed(const struct dkim_key *k, view what, const unsigned char *signature, size_t len);

/* Base64, with white space anywhere. NULL: malformed. Behind the octets stands one that is 0, unless bits of
 * the padding are not. */
unsigned char *dkim_base64(view text, struct arena *a, size_t *ret_len);

#endif
