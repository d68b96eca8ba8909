/* unsubscribe.h: the key in a member's copy that ends the membership without further questions (RFC 8058): it
 * proves that whoever has it got the copy. It is computed, not stored: HMAC-SHA256 under a secret of the
 * instance (RFC 2104). */
#ifndef LISTS_UNSUBSCRIBE_H
#define LISTS_UNSUBSCRIBE_H

#include "base/arena.h"
#include "base/buf.h"

#define UNSUBSCRIBE_KEY_LEN                                                                                  \
    32 /* hexadecimal digits, 128 bits; mail programs may change the case of an address */

/* Any key of the list: of whatever the seed says, which no address can look like where it has a blank. */
view unsubscribe_key(view list_secret, view seed, struct arena *a);
/* Append the key of `address` on the list whose secret that is. */
void unsubscribe_key_add(view list_secret, view address, struct buf *out);
/* In constant time; the case of digits does not matter. */
bool unsubscribe_key_is(view list_secret, view address, view key);

#endif
