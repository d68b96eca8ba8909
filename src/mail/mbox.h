/* mbox.h: mboxrd, the form in which the archive keeps posts (DESIGN 6). A message is octets with CRLF line
 * ends; in the file its lines end in LF, "From " lines and quoted ones get one '>' more, and an empty line
 * follows. What that loses is kept in a short note, so that decoding always gives the same octets back. */
#ifndef MAIL_MBOX_H
#define MAIL_MBOX_H

#include "base/buf.h"
#include "base/err.h"

/* Append "From SENDER DATE\n", the quoted body and one empty line. The eol note goes to `note`: "-" when
 * every line ends in CRLF; otherwise comma-separated: "lf:N,N-M" the (1-based) lines that end in LF alone,
 * "none" when the last line has no end at all. A CR that is not followed by LF is kept as it is. An empty
 * sender is written MAILER-DAEMON. */
void mbox_encode(view message, view sender, int64_t date_ms, struct buf *out, struct buf *note);

/* The reverse: `entry` is exactly what mbox_encode appended, `note` what it noted. DAMAGED when it cannot be.
 */
bool mbox_decode(view entry, view note, struct buf *out, struct err *e);

#endif
