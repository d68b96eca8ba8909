/* dkim_key.c: see dkim_key.h. */
#include "auth/dkim_key.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>

#include "auth/tags.h"
#include "base/err.h"

enum { BITS_LEAST = 1024, BITS_MOST = 8192, ED25519_LEN = 32, KEYS_KEPT = 256 };

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

static bool refuse(struct dkim_key *k, enum dkim_key_fault fault, const char **ret_why, const char *why) {
    k->fault = fault;
    *ret_why = why;
    return false;
}

/* What is behind the head of an element of that tag that fills all of the octets; empty: it is none. */
static view inside(view der, int tag) {
    const unsigned char *p = (const unsigned char *)der.ptr;
    long len;
    int found, class, head = ASN1_get_object(&p, &len, &found, &class, (long)der.len);
    if (head & 0x81 || found != tag || class != V_ASN1_UNIVERSAL)
        return VIEW("");
    view rest = view_skip(der, (size_t)((const char *)p - der.ptr));
    return rest.len == (size_t)len ? rest : VIEW("");
}

/* The RSAPublicKey in a SubjectPublicKeyInfo, if that is written as it nearly always is. */
static EVP_PKEY *read_rsa_within(view der) {
    static const char algorithm[] = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05"; /* and 0 */
    view info = inside(der, V_ASN1_SEQUENCE);
    if (!view_starts_with(info, view_from(algorithm, sizeof algorithm)))
        return NULL;
    view bits = inside(view_skip(info, sizeof algorithm), V_ASN1_BIT_STRING);
    if (!view_starts_with(bits, view_from("", 1)))
        return NULL;
    bits = view_skip(bits, 1);
    const unsigned char *p = (const unsigned char *)bits.ptr;
    EVP_PKEY *key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)bits.len);
    if (!key || (const char *)p == bits.ptr + bits.len)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

/* SubjectPublicKeyInfo, or the bare RSAPublicKey that RFC 6376 speaks of. d2i_PUBKEY() understands all of the
 * former, but takes six times as long as to verify a signature with it. */
static EVP_PKEY *read_rsa(const unsigned char *der, size_t len) {
    const unsigned char *p = der;
    EVP_PKEY *key = read_rsa_within(view_from(der, len));
    if (!key)
        key = d2i_PUBKEY(NULL, &p, (long)len);
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return key;
    EVP_PKEY_free(key);
    p = der;
    return d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)len);
}

/* ---- keys that were read ---- */

/* Most mail is signed with few keys, and OpenSSL works out once for each what it needs to use it, which takes
 * half as long as the use. A key's place is that of its text's digest; who comes later takes it. */
struct kept {
    unsigned char digest[32];
    bool ed25519;
    EVP_PKEY *key; /* NULL: none yet */
};
static struct kept kept[KEYS_KEPT];
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t place_of(const struct kept *k) {
    return (k->digest[0] | (size_t)k->digest[1] << 8) % KEYS_KEPT;
}

static void recall(view text, struct kept *k) {
    BUG_ON(!EVP_Digest(text.ptr, text.len, k->digest, NULL, EVP_sha256(), NULL));
    struct kept *there = &kept[place_of(k)];
    pthread_mutex_lock(&kept_lock);
    if (there->key && there->ed25519 == k->ed25519 &&
        memcmp(there->digest, k->digest, sizeof k->digest) == 0 && EVP_PKEY_up_ref(there->key))
        k->key = there->key;
    pthread_mutex_unlock(&kept_lock);
}

static void keep(const struct kept *k) {
    if (!EVP_PKEY_up_ref(k->key))
        return;
    struct kept *there = &kept[place_of(k)];
    pthread_mutex_lock(&kept_lock);
    EVP_PKEY_free(there->key);
    *there = *k;
    pthread_mutex_unlock(&kept_lock);
}

static bool read_new(view text, struct arena *a, struct dkim_key *ret, const char **ret_why) {
    size_t len;
    unsigned char *der = dkim_base64(text, a, &len);
    if (!der)
        return refuse(ret, DKIM_KEY_MALFORMED, ret_why, "the key is no base64");
    ret->key = ret->ed25519
                   ? len == ED25519_LEN ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, der, len) : NULL
                   : read_rsa(der, len);
    if (!ret->key)
        return refuse(ret, DKIM_KEY_MALFORMED, ret_why, "the key cannot be read");
    ret->bits = EVP_PKEY_get_bits(ret->key);
    if (ret->ed25519 || (ret->bits >= BITS_LEAST && ret->bits <= BITS_MOST))
        return true;
    dkim_key_done(ret);
    return refuse(ret, DKIM_KEY_SIZE, ret_why,
                  ret->bits < BITS_LEAST ? "the key has less than 1024 bits"
                                         : "the key has more than 8192 bits");
}

static bool read_public(view text, struct arena *a, struct dkim_key *ret, const char **ret_why) {
    struct kept k = {.ed25519 = ret->ed25519};
    recall(text, &k);
    if (k.key) {
        ret->key = k.key;
        ret->bits = EVP_PKEY_get_bits(k.key);
        return true;
    }
    if (!read_new(text, a, ret, ret_why))
        return false;
    k.key = ret->key;
    keep(&k);
    return true;
}

/* ---- a record ---- */

/* What is the same in DKIM and DKIM2. */
static bool read_kind(view record, struct tags *t, struct dkim_key *ret, const char **ret_why) {
    *ret = (struct dkim_key){.key = NULL};
    if (!tags_parse(record, t) || t->count == 0 || !tags_find(t, "p"))
        return refuse(ret, DKIM_KEY_MALFORMED, ret_why, "no key record");
    const struct tag *version = tags_find(t, "v"), *kind = tags_find(t, "k");
    if (version && (version != &t->list[0] || !view_eq(version->value, VIEW("DKIM1"))))
        return refuse(ret, DKIM_KEY_MALFORMED, ret_why, "no key record of DKIM1");
    ret->ed25519 = kind && view_eq(kind->value, VIEW("ed25519"));
    if (kind && !ret->ed25519 && !view_eq(kind->value, VIEW("rsa")))
        return refuse(ret, DKIM_KEY_OTHER_KIND, ret_why, "a key of an unknown kind");
    return true;
}

static bool read_value(const struct tags *t, struct arena *a, struct dkim_key *ret, const char **ret_why) {
    if (tags_value(t, "p").len == 0)
        return refuse(ret, DKIM_KEY_REVOKED, ret_why, "the key is revoked");
    ret->testing = tags_list_has(tags_value(t, "t"), VIEW("y"));
    ret->strict = tags_list_has(tags_value(t, "t"), VIEW("s"));
    return read_public(tags_value(t, "p"), a, ret, ret_why);
}

bool dkim_key_read(view record, struct arena *a, struct dkim_key *ret, const char **ret_why) {
    struct tags t;
    if (!read_kind(record, &t, ret, ret_why))
        return false;
    const struct tag *hashes = tags_find(&t, "h"), *services = tags_find(&t, "s");
    if (hashes && !tags_list_has(hashes->value, VIEW("sha256")))
        return refuse(ret, DKIM_KEY_OTHER_USE, ret_why, "a key for other hashes");
    if (services && !tags_list_has(services->value, VIEW("*")) &&
        !tags_list_has(services->value, VIEW("email")))
        return refuse(ret, DKIM_KEY_OTHER_USE, ret_why, "a key for other services");
    return read_value(&t, a, ret, ret_why);
}

bool dkim_key_read_dkim2(view record, struct arena *a, struct dkim_key *ret, const char **ret_why) {
    struct tags t;
    return read_kind(record, &t, ret, ret_why) && read_value(&t, a, ret, ret_why);
}

bool dkim_key_has_signed(const struct dkim_key *k, view what, const unsigned char *signature, size_t len) {
    unsigned char digest[32];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    BUG_ON(!context || (k->ed25519 && !EVP_Digest(what.ptr, what.len, digest, NULL, EVP_sha256(), NULL)));
    int ok = k->ed25519 ? EVP_DigestVerifyInit(context, NULL, NULL, NULL, k->key) == 1 &&
                              EVP_DigestVerify(context, signature, len, digest, sizeof digest) == 1
                        : EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, k->key) == 1 &&
                              EVP_DigestVerify(context, signature, len, (const unsigned char *)what.ptr,
                                               what.len) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

/* OpenSSL counts who has a key by itself; within the lock ThreadSanitizer sees that the last use is over,
 * too. */
void dkim_key_done(struct dkim_key *k) {
    pthread_mutex_lock(&kept_lock);
    EVP_PKEY_free(k->key);
    pthread_mutex_unlock(&kept_lock);
    k->key = NULL;
}
