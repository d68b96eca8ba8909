/* charset.h: text of the charsets that mail uses (RFC 2045 2.2, the names of the IANA registry) as UTF-8.
 *
 * Names are compared as ICU does: case, "-" and "_" do not matter, and the usual aliases ("latin1", "cp1251",
 * "x-sjis") are known. Where mail is known to say less than it means, the larger charset is decoded:
 * ISO-8859-1 as windows-1252, ISO-8859-9 as windows-1254, GB2312 as GB18030, EUC-KR as windows-949. */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include "base/buf.h"

/* Append `text` as UTF-8; what cannot be decoded becomes U+FFFD. At most three octets for each of the text's.
 * The result may hold control characters, NUL among them, as the text does. False, with nothing appended, for
 * a charset that is unknown or that mail has no use for (UTF-7, UTF-32, EBCDIC ...). The limit of `out` is no
 * reason for false: `out` remembers it. */
bool charset_to_utf8(view name, view text, struct buf *out);

/* At the beginning of every line of a text in that charset octets below 0x80 mean ASCII, so that lines of
 * ASCII may be put before it or behind it. False for unknown charsets. */
bool charset_is_ascii_compatible(view name);

#endif
