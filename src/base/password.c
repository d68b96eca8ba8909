/* password.c: by libsodium. */
#include "base/password.h"

#include <sodium.h>
#include <string.h>

/* One check of many at once must not eat the machine: less memory and more passes than libsodium's own
 * choice for what is interactive. */
enum { PASSES = 3, MEMORY = 16 * 1024 * 1024 };

_Static_assert(crypto_pwhash_STRBYTES <= PASSWORD_KEPT, "what is kept has room");

bool password_keep(view password, char ret_kept[PASSWORD_KEPT], struct err *e) {
    if (password.len > PASSWORD_MOST)
        return err_set(e, ERR_LIMIT, "a password has at most %d octets", PASSWORD_MOST);
    if (sodium_init() < 0 || crypto_pwhash_str_alg(ret_kept, password.ptr ? password.ptr : "", password.len,
                                                   PASSES, MEMORY, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return err_set(e, ERR_SYSTEM, "no memory to hash a password");
    return true;
}

bool password_is(view password, view kept) {
    char text[PASSWORD_KEPT] = "";
    if (kept.len == 0 || kept.len >= sizeof text || password.len > PASSWORD_MOST || sodium_init() < 0)
        return false;
    memcpy(text, kept.ptr, kept.len);
    return crypto_pwhash_str_verify(text, password.ptr ? password.ptr : "", password.len) == 0;
}
