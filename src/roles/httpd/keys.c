/* keys.c: whose key a request shows. Checking one is slow by intent (base/password.h), so what was right is
 * remembered for a moment: a key that is taken away is worth nothing after that. */
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/password.h"
#include "roles/httpd/httpd.h"

enum { REMEMBERED = 32, REMEMBER_MS = 5000, DIGEST = 32 };

/* Only a digest, with salt of this process, is kept in memory. */
static struct {
    unsigned char digest[DIGEST];
    int64_t until_ms;
} remembered[REMEMBERED];
static unsigned char salt[DIGEST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void digest_of(view credentials, unsigned char ret[DIGEST]) {
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    static bool salted;
    pthread_mutex_lock(&lock);
    if (!salted)
        random_bytes(salt, sizeof salt);
    salted = true;
    pthread_mutex_unlock(&lock);
    BUG_ON(!m || !EVP_DigestInit_ex(m, EVP_sha256(), NULL) || !EVP_DigestUpdate(m, salt, sizeof salt) ||
           !EVP_DigestUpdate(m, credentials.ptr, credentials.len) || !EVP_DigestFinal_ex(m, ret, NULL));
    EVP_MD_CTX_free(m);
}

static bool is_remembered(const unsigned char digest[DIGEST]) {
    bool found = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < REMEMBERED && !found; i++)
        found = remembered[i].until_ms > clock_mono_ms() && memcmp(remembered[i].digest, digest, DIGEST) == 0;
    pthread_mutex_unlock(&lock);
    return found;
}

static void remember(const unsigned char digest[DIGEST]) {
    size_t oldest = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 1; i < REMEMBERED; i++)
        if (remembered[i].until_ms < remembered[oldest].until_ms)
            oldest = i;
    memcpy(remembered[oldest].digest, digest, DIGEST);
    remembered[oldest].until_ms = clock_mono_ms() + REMEMBER_MS;
    pthread_mutex_unlock(&lock);
}

static bool is_key(struct role *r, view name, view key, bool *ret_away) {
    struct store_request q;
    struct err e;
    store_request_init(&q, OP_KEY_KEPT);
    vals_view(&q.args, name);
    bool ok = store_call(r->store, &q, &e);
    *ret_away = !ok && err_info(e.code)->class != ERR_CLASS_PERMANENT;
    struct vals v = vals_of(buf_view(&q.out));
    ok = ok && password_is(key, vals_get_view(&v));
    store_request_done(&q);
    return ok;
}

/* RFC 7617: base64 of NAME:KEY. */
static bool read_basic(view authorization, struct arena *a, view *ret_name, view *ret_key) {
    view word;
    char *text = arena_alloc(a, authorization.len + 4);
    if (!view_split(&authorization, ' ', &word) || !view_eq_nocase(word, VIEW("Basic")) || !text)
        return false;
    view encoded = view_trim(authorization);
    int n = encoded.len % 4 ? -1
                            : EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)encoded.ptr,
                                              (int)encoded.len);
    for (size_t i = encoded.len; n > 0 && i > 0 && encoded.ptr[i - 1] == '='; i--)
        n--;
    *ret_key = view_from(text, n > 0 ? (size_t)n : 0);
    return view_find(*ret_key, ':') > 0 && view_split(ret_key, ':', ret_name);
}

bool keys_know(struct role *r, view authorization, struct arena *a, view *ret_name, bool *ret_away) {
    unsigned char digest[DIGEST];
    view key;
    *ret_away = false;
    if (!read_basic(authorization, a, ret_name, &key))
        return false;
    digest_of(authorization, digest);
    if (is_remembered(digest))
        return true;
    if (!is_key(r, *ret_name, key, ret_away))
        return false;
    remember(digest);
    return true;
}
