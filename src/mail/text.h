/* text.h: text of strangers (host names, replies, addresses) made safe to write into replies, header fields
 * and notifications: printable characters only, so that it can neither end a line nor hide anything. */
#ifndef MAIL_TEXT_H
#define MAIL_TEXT_H

#include "base/buf.h"

/* Octets of the printable character at the front: well-formed UTF-8, space included, C0 and C1 controls and
 * DEL not. 0 when there is none. */
size_t text_char_len(view v);
/* All of it is such characters; true for the empty view. */
bool text_is_printable(view v);
/* No octet >= 0x80. */
bool text_is_7bit(view v);

/* Append v with '?' for each octet that is not part of a printable character, or, without `utf8`, not ASCII.
 */
void text_add_printable(struct buf *out, view v, bool utf8);

/* Append lines that end in LF or CRLF as lines that end in CRLF, the last one too. */
void text_add_lines(struct buf *out, view lines);

#endif
