/* xtext.h: the encoding of values in SMTP commands (RFC 3461 4): printable ASCII, with "+" and two upper-case
 * hexadecimal digits for what may not stand there. */
#ifndef MAIL_XTEXT_H
#define MAIL_XTEXT_H

#include "base/buf.h"

/* Append what v stands for. False when v is no xtext, or stands for a control character: no line end can
 * be hidden in it. It may stand for 8-bit octets: Postfix writes UTF-8 addresses so. NULL for `out` only
 * checks. */
bool xtext_decode(view v, struct buf *out);

/* ORCPT's value "addr-type;xtext" (RFC 3461 4.2); with `utf8` the address may also have UTF-8 as it is
 * (RFC 6533 3). At most LIMIT_ORCPT octets. */
bool xtext_is_orcpt(view v, bool utf8);

#endif
