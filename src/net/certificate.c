/* certificate.c: see certificate.h. */
#include "net/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

static X509 *read_certificate(const char *path, struct err *e) {
    FILE *f = fopen(path, "re");
    if (!f) {
        err_errno(e, ERR_CONFIG, "tls_certificate %s", path);
        return NULL;
    }
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    if (!x)
        err_set(e, ERR_CONFIG, "tls_certificate %s holds no certificate in PEM form", path);
    return x;
}

/* No pass phrase is asked for: a role could not answer either. */
static int no_phrase(char *text, int size, int writing, void *unused) {
    (void)text, (void)size, (void)writing, (void)unused;
    return 0;
}

static EVP_PKEY *read_key(const char *path, struct err *e) {
    FILE *f = fopen(path, "re");
    if (!f) {
        err_errno(e, ERR_CONFIG, "tls_key %s", path);
        return NULL;
    }
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, no_phrase, NULL);
    fclose(f);
    if (!key)
        err_set(e, ERR_CONFIG, "tls_key %s holds no private key in PEM form (without a pass phrase)", path);
    return key;
}

static int64_t time_of(const ASN1_TIME *t) {
    struct tm tm = {.tm_year = 70};
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

bool certificate_look(const char *certificate_path, const char *key_path, view host, struct certificate *ret,
                      struct err *e) {
    X509 *x = read_certificate(certificate_path, e);
    EVP_PKEY *key = x ? read_key(key_path, e) : NULL;
    bool ok = key != NULL;
    if (ok && X509_check_private_key(x, key) != 1)
        ok = err_set(e, ERR_CONFIG, "tls_key %s is not the key of tls_certificate %s", key_path,
                     certificate_path);
    if (ok)
        *ret = (struct certificate){.from_ms = time_of(X509_get0_notBefore(x)),
                                    .until_ms = time_of(X509_get0_notAfter(x)),
                                    .names_host = X509_check_host(x, host.ptr, host.len, 0, NULL) == 1,
                                    .self_signed = X509_self_signed(x, 0) == 1};
    EVP_PKEY_free(key);
    X509_free(x);
    return ok;
}

bool certificate_key_digest(const char *certificate_path, unsigned char ret[32], struct err *e) {
    X509 *x = read_certificate(certificate_path, e);
    unsigned char *der = NULL;
    int len = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : 0;
    bool ok = len > 0 && EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL) == 1;
    if (x && !ok)
        err_set(e, ERR_CONFIG, "tls_certificate %s has no public key that can be read", certificate_path);
    OPENSSL_free(der);
    X509_free(x);
    return ok;
}
