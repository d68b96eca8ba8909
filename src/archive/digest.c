/* digest.c: SHA-256 from OpenSSL's libcrypto.
 *
 * The algorithm is looked up once: OpenSSL 3 otherwise searches its providers at every call, which costs more
 * than hashing a journal line does. A library without SHA-256 is not one to go on with. */
#include "archive/digest.h"

#include "base/err.h"

#include <openssl/evp.h>
#include <pthread.h>

static EVP_MD *sha256;

static void look_up(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void digest_sha256(view v, unsigned char ret_digest[DIGEST_BYTES]) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned len = 0;
    BUG_ON(pthread_once(&once, look_up) != 0 || !sha256);
    BUG_ON(!EVP_Digest(v.ptr ? v.ptr : "", v.len, ret_digest, &len, sha256, NULL) || len != DIGEST_BYTES);
}
