/* xtext.h: the encoding of values in SMTP commands (RFC 3461 4): printable ASCII, with "+" and two upper-case
 * hexadecimal digits for what may not stand there. */
#ifndef MAIL_XTEXT_H
#define MAIL_XTEXT_H

#include "base/buf.h"

/* Append what v stands for. False when v is no xtext, or stands for something else than printable ASCII and
 * spaces: no line end can be hidden in it. NULL for `out` only checks. */
bool xtext_decode(view v, struct buf *out);

/* ORCPT's value "addr-type;xtext" (RFC 3461 4.2) that stands for printable text; with `utf8` the address may
 * also have UTF-8 as it is (RFC 6533 3). Postfix writes the octets of UTF-8 in xtext, which is taken too. At
 * most LIMIT_ORCPT octets. */
bool xtext_is_orcpt(view v, bool utf8);

#endif
