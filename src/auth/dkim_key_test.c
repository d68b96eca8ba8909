/* dkim_key_test.c: keys read the quick way are those that OpenSSL's decoders read, however they are damaged;
 * keys that were read before, by many threads. */
#include "auth/dkim_key.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>

#include "base/buf.h"
#include "testing/unit.h"

enum { DER_MOST = 2048, RECORD_MOST = 4096, THREADS = 4 };

static struct key {
    EVP_PKEY *pair;
    unsigned char info[DER_MOST]; /* SubjectPublicKeyInfo */
    size_t len;
    unsigned char signature[256];
    size_t signature_len;
} rsa;
static const view what = {"what was signed", 15};

static int make_key(void **state) {
    (void)state;
    unsigned char *to = rsa.info;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    rsa.pair = EVP_RSA_gen(1024);
    rsa.len = (size_t)i2d_PUBKEY(rsa.pair, &to);
    rsa.signature_len = sizeof rsa.signature;
    int ok =
        EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, rsa.pair) == 1 &&
        EVP_DigestSign(context, rsa.signature, &rsa.signature_len, (const unsigned char *)what.ptr, what.len);
    EVP_MD_CTX_free(context);
    return ok == 1 ? 0 : -1;
}

static int drop_key(void **state) {
    (void)state;
    EVP_PKEY_free(rsa.pair);
    return 0;
}

/* "v=DKIM1; p=...", a blank in its base64 at that place. */
static view record_of(view der, const char *kind, size_t blank, char *to) {
    static const char tags[] = "v=DKIM1; k=";
    unsigned char base64[RECORD_MOST];
    size_t len = (size_t)EVP_EncodeBlock(base64, (const unsigned char *)der.ptr, (int)der.len);
    blank %= len;
    int n = snprintf(to, RECORD_MOST, "%s%s; p=%.*s %s", tags, kind, (int)blank, (const char *)base64,
                     (const char *)base64 + blank);
    return view_from(to, (size_t)n);
}

static bool read_der(view der, const char *kind, size_t blank, struct dkim_key *ret) {
    struct arena arena;
    char text[RECORD_MOST];
    const char *why;
    arena_init(&arena, 1 << 20);
    bool read = dkim_key_read(record_of(der, kind, blank, text), &arena, ret, &why);
    arena_done(&arena);
    return read;
}

/* ---- against OpenSSL's decoders ---- */

static EVP_PKEY *read_by_decoders(view der) {
    const unsigned char *p = (const unsigned char *)der.ptr;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)der.len);
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return key;
    EVP_PKEY_free(key);
    p = (const unsigned char *)der.ptr;
    return d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)der.len);
}

static void same_as_decoders(view der, size_t row) {
    struct dkim_key k;
    EVP_PKEY *wanted = read_by_decoders(der);
    int bits = wanted ? EVP_PKEY_get_bits(wanted) : 0;
    bool good = bits >= 1024 && bits <= 8192, read = read_der(der, "rsa", row, &k);
    check(read == good, "row %zu: read %d, wanted %d of %d bits", row, read, good, bits);
    check(!read || EVP_PKEY_eq(k.key, wanted) == 1, "row %zu: another key", row);
    check(good || k.fault == (wanted ? DKIM_KEY_SIZE : DKIM_KEY_MALFORMED), "row %zu: fault %d", row,
          (int)k.fault);
    dkim_key_done(&k);
    EVP_PKEY_free(wanted);
}

static size_t random_below(uint64_t *seed, size_t n) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(*seed >> 33) % n;
}

static void test_read__damaged_anywhere_as_the_decoders_do(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (size_t row = 0; row < 1500; row++) {
        unsigned char der[DER_MOST];
        size_t len = rsa.len + random_below(&seed, 3) - 1; /* cut, as it is, or with an octet behind */
        memcpy(der, rsa.info, rsa.len);
        der[rsa.len] = (unsigned char)random_below(&seed, 256);
        for (size_t times = random_below(&seed, 3); times > 0; times--) /* most in what is not the number */
            der[random_below(&seed, random_below(&seed, 4) ? 34 : rsa.len)] =
                (unsigned char)random_below(&seed, 256);
        same_as_decoders(view_from(der, len), row);
    }
}

/* Lengths in more octets than they need, no NULL behind the algorithm, the bare key, one of RSA-PSS. */
static void test_read__other_forms_as_the_decoders_do(void **state) {
    (void)state;
    unsigned char der[DER_MOST], *to = der;
    view info = view_from(rsa.info, rsa.len), content = view_skip(info, 3);
    assert_int_equal(rsa.info[1], 0x81);
    memcpy(der, "\x30\x82\x00", 3);
    der[3] = (unsigned char)content.len;
    memcpy(der + 4, content.ptr, content.len);
    same_as_decoders(view_from(der, content.len + 4), 0);
    memcpy(der, rsa.info, 16); /* 30 81 LEN 30 0d OID */
    der[2] -= 2;
    der[4] -= 2;
    memcpy(der + 16, rsa.info + 18, rsa.len - 18);
    same_as_decoders(view_from(der, rsa.len - 2), 1);
    size_t len = (size_t)i2d_PublicKey(rsa.pair, &to);
    same_as_decoders(view_from(der, len), 2);
    EVP_PKEY *pss = EVP_PKEY_Q_keygen(NULL, NULL, "RSA-PSS");
    if (pss) {
        to = der;
        len = (size_t)i2d_PUBKEY(pss, &to);
        same_as_decoders(view_from(der, len), 3);
    }
    EVP_PKEY_free(pss);
}

/* ---- keys that were read before ---- */

static void test_kept__only_for_their_kind(void **state) {
    (void)state;
    struct dkim_key k;
    view der = view_from(rsa.info, rsa.len);
    for (int times = 0; times < 2; times++) {
        assert_true(read_der(der, "rsa", 7, &k));
        assert_int_equal(k.bits, 1024);
        assert_true(dkim_key_has_signed(&k, what, rsa.signature, rsa.signature_len));
        dkim_key_done(&k);
        assert_false(read_der(der, "ed25519", 7, &k));
        assert_int_equal(k.fault, DKIM_KEY_MALFORMED);
        assert_false(read_der(view_from(rsa.info, 32), "rsa", 7, &k));
        assert_true(read_der(view_from(rsa.info, 32), "ed25519", 7, &k));
        assert_true(k.ed25519);
        dkim_key_done(&k);
    }
}

static void *read_many(void *unused) {
    (void)unused;
    size_t bad = 0;
    for (size_t n = 0; n < 2000; n++) { /* about as many texts as places: some are kept, some pushed out */
        struct dkim_key k;
        if (read_der(view_from(rsa.info, rsa.len), "rsa", n * 7, &k))
            bad += !dkim_key_has_signed(&k, what, rsa.signature, rsa.signature_len);
        else
            bad++;
        dkim_key_done(&k);
    }
    return (void *)bad;
}

static void test_kept__many_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    void *bad;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_many, NULL), 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &bad);
        assert_null(bad);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read__damaged_anywhere_as_the_decoders_do),
        cmocka_unit_test(test_read__other_forms_as_the_decoders_do),
        cmocka_unit_test(test_kept__only_for_their_kind),
        cmocka_unit_test(test_kept__many_threads),
    };
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
