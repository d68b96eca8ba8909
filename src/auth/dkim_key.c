/* dkim_key.c: see dkim_key.h. */
#include "auth/dkim_key.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "auth/tags.h"

enum { BITS_LEAST = 1024, BITS_MOST = 8192, ED25519_LEN = 32 };

unsigned char *dkim_base64(view text, struct arena *a, size_t *ret_len) {
    view clean = tags_squeeze(text, a);
    unsigned char *out = arena_alloc(a, clean.len + 3);
    size_t padding = 0;
    if (!out || clean.len == 0 || clean.len % 4 != 0)
        return NULL;
    while (padding < 2 && clean.ptr[clean.len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < clean.len - padding; i++)
        if (!ascii_is_alnum(clean.ptr[i]) && clean.ptr[i] != '+' && clean.ptr[i] != '/')
            return NULL;
    int n = EVP_DecodeBlock(out, (const unsigned char *)clean.ptr, (int)clean.len);
    *ret_len = n < 0 ? 0 : (size_t)n - padding;
    return n < 0 ? NULL : out;
}

static bool refuse(const char **ret_why, const char *why) {
    *ret_why = why;
    return false;
}

/* SubjectPublicKeyInfo, or the bare RSAPublicKey that RFC 6376 speaks of. */
static EVP_PKEY *read_rsa(const unsigned char *der, size_t len) {
    const unsigned char *p = der;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)len);
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return key;
    EVP_PKEY_free(key);
    p = der;
    return d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)len);
}

static bool read_public(view text, struct arena *a, struct dkim_key *ret, const char **ret_why) {
    size_t len;
    unsigned char *der = dkim_base64(text, a, &len);
    if (!der)
        return refuse(ret_why, "the key is no base64");
    ret->key = ret->ed25519
                   ? len == ED25519_LEN ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, der, len) : NULL
                   : read_rsa(der, len);
    if (!ret->key)
        return refuse(ret_why, "the key cannot be read");
    ret->bits = EVP_PKEY_get_bits(ret->key);
    if (ret->ed25519 || (ret->bits >= BITS_LEAST && ret->bits <= BITS_MOST))
        return true;
    dkim_key_done(ret);
    return refuse(ret_why, ret->bits < BITS_LEAST ? "the key has less than 1024 bits"
                                                  : "the key has more than 8192 bits");
}

bool dkim_key_read(view record, struct arena *a, struct dkim_key *ret, const char **ret_why) {
    struct tags t;
    *ret = (struct dkim_key){.key = NULL};
    if (!tags_parse(record, &t) || t.count == 0 || !tags_find(&t, "p"))
        return refuse(ret_why, "no key record");
    const struct tag *version = tags_find(&t, "v"), *kind = tags_find(&t, "k"), *hashes = tags_find(&t, "h"),
                     *services = tags_find(&t, "s");
    if (version && (version != &t.list[0] || !view_eq(version->value, VIEW("DKIM1"))))
        return refuse(ret_why, "no key record of DKIM1");
    ret->ed25519 = kind && view_eq(kind->value, VIEW("ed25519"));
    if (kind && !ret->ed25519 && !view_eq(kind->value, VIEW("rsa")))
        return refuse(ret_why, "a key of an unknown kind");
    if (hashes && !tags_list_has(hashes->value, VIEW("sha256")))
        return refuse(ret_why, "a key for other hashes");
    if (services && !tags_list_has(services->value, VIEW("*")) &&
        !tags_list_has(services->value, VIEW("email")))
        return refuse(ret_why, "a key for other services");
    if (tags_value(&t, "p").len == 0)
        return refuse(ret_why, "the key is revoked");
    ret->testing = tags_list_has(tags_value(&t, "t"), VIEW("y"));
    ret->strict = tags_list_has(tags_value(&t, "t"), VIEW("s"));
    return read_public(tags_value(&t, "p"), a, ret, ret_why);
}

void dkim_key_done(struct dkim_key *k) {
    EVP_PKEY_free(k->key);
    k->key = NULL;
}
