/* password.h: what is kept of a password or key instead of it (Argon2id). Checking one takes tens of
 * milliseconds by intent. */
#ifndef BASE_PASSWORD_H
#define BASE_PASSWORD_H

#include "base/err.h"

enum { PASSWORD_MOST = 1024, PASSWORD_KEPT = 128 /* octets of what is kept, with its NUL */ };

/* LIMIT: it is longer than PASSWORD_MOST. */
bool password_keep(view password, char ret_kept[PASSWORD_KEPT], struct err *e);
/* False for what was kept by nobody, too: "" is no password. */
bool password_is(view password, view kept);

#endif
