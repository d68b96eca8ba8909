/* wrap.h: an author's address inside one of ours, for lists that change a post whose author's domain forbids
 * that (DMARC): ada@example.org is shown as ada=40example.org@dmarc.list.example, and mail to that reaches
 * her.
 *
 * Two generations of such addresses are in archives and address books already, and stay good for authors
 * known to have posted; those made here carry a keyed tag, ada=40example.org=_k5x2m7q4@…, so no table is
 * needed for them, and nobody else can mint one (an open relay else). */
#ifndef AUTH_WRAP_H
#define AUTH_WRAP_H

#include "base/arena.h"

enum { WRAP_TAG_LEN = 10 }; /* of base32: 50 bits */

/* The wrapped form. With an empty key no tag. False: the address cannot be wrapped (malformed, or longer than
 * 64 + 253 octets allow). The domain is lower case in it, the local part keeps its case, and is quoted again
 * where it must be. */
bool wrap_address(view address, view wrap_domain, view key, struct arena *a, view *ret);

enum wrap_kind {
    WRAP_NONE,  /* no such address */
    WRAP_KEYED, /* made with one of the keys */
    WRAP_OLD    /* of an older generation: good only for an author known to have posted */
};
/* What stands in the local part of an address of a wrap domain: split at the last "=40"; where there is a tag
 * it must be right. The generation before quoted other characters too ("=2B"): *ret_older is that reading
 * where it differs from *ret, else empty. */
enum wrap_kind wrap_read(view address, const view *keys, size_t key_count, struct arena *a, view *ret,
                         view *ret_older);

#endif
