/* transfer.h: the content transfer encodings of RFC 2045 6, for what this server writes itself. */
#ifndef MAIL_TRANSFER_H
#define MAIL_TRANSFER_H

#include "base/buf.h"

/* Append v in quoted-printable (RFC 2045 6.7): lines of at most 76 characters, CRLF in v a line break, a bare
 * CR or LF and everything that is not printable ASCII as =XX. Decoding gives exactly v. */
void transfer_add_qp(struct buf *out, view v);

/* Append v in base64 (RFC 2045 6.8) without line breaks. */
void transfer_add_base64(struct buf *out, view v);

#endif
