/* unsubscribe.c: see unsubscribe.h. */
#include "lists/unsubscribe.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/err.h"

void unsubscribe_key_add(view list_secret, view address, struct buf *out) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    unsigned char *ok = HMAC(EVP_sha256(), list_secret.ptr, (int)list_secret.len,
                             (const unsigned char *)address.ptr, address.len, mac, &len);
    BUG_ON(!ok || len < UNSUBSCRIBE_KEY_LEN / 2);
    for (size_t i = 0; i < UNSUBSCRIBE_KEY_LEN / 2; i++)
        buf_printf(out, "%02x", mac[i]);
}

view unsubscribe_key(view list_secret, view seed, struct arena *a) {
    struct buf key = BUF_INIT(UNSUBSCRIBE_KEY_LEN + 1);
    unsubscribe_key_add(list_secret, seed, &key);
    view made = arena_view(a, buf_view(&key));
    buf_done(&key);
    return made;
}

bool unsubscribe_key_is(view list_secret, view address, view key) {
    struct buf right = BUF_INIT(UNSUBSCRIBE_KEY_LEN + 1);
    char given[UNSUBSCRIBE_KEY_LEN];
    unsubscribe_key_add(list_secret, address, &right);
    bool same = key.len == sizeof given;
    for (size_t i = 0; same && i < sizeof given; i++)
        given[i] = ascii_lower(key.ptr[i]);
    same = same && CRYPTO_memcmp(given, right.data, sizeof given) == 0;
    buf_done(&right);
    return same;
}
