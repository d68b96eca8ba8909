/* dkim_key.h: the record of a DKIM key (RFC 6376 3.6.1, RFC 8463). */
#ifndef AUTH_DKIM_KEY_H
#define AUTH_DKIM_KEY_H

#include <openssl/evp.h>

#include "base/arena.h"

struct dkim_key {
    EVP_PKEY *key; /* dkim_key_done() frees */
    bool ed25519;
    int bits;
    bool testing, strict; /* t=y, t=s */
};

/* False: it cannot be used, for the reason in *ret_why. */
bool dkim_key_read(view record, struct arena *a, struct dkim_key *ret, const char **ret_why);
void dkim_key_done(struct dkim_key *k);

/* Base64, with white space anywhere. NULL: malformed. */
unsigned char *dkim_base64(view text, struct arena *a, size_t *ret_len);

#endif
