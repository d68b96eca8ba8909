/* mailboxes.h: the addresses in a header field such as To (RFC 5322 3.4): display names, comments, groups and
 * routes are read over. */
#ifndef MAIL_MAILBOXES_H
#define MAIL_MAILBOXES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* The next address of an unfolded value: "local@domain", or a local name alone as programs write it; in the
 * arena, without white space and comments outside of quotes. *rest begins behind it. False at the end, and
 * when what is left is no address list: then *e says so and *rest is left as it is, not empty. */
bool mailboxes_next(view *rest, struct arena *a, view *ret_address, struct err *e);

/* Append "name" <address>, the name cleaned of what cannot be printed and encoded where it is not ASCII (RFC
 * 2047); without a name the address alone. */
void mailbox_format(view name, view address, struct buf *out);

#endif
