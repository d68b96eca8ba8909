/* dkim_canon.h: how DKIM looks at header and body (RFC 6376 3.4). */
#ifndef AUTH_DKIM_CANON_H
#define AUTH_DKIM_CANON_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/view.h"
#include "mail/header.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };

/* The digest (SHA-256) of the canonical body up to `limit` octets of it (-1: all). Returns how long the
 * canonical body is. */
int64_t canon_body_digest(enum canon how, view body, int64_t limit, unsigned char ret[32]);

/* Append the canonical field, with its CRLF. */
void canon_field(enum canon how, const struct header_field *f, struct buf *out);

#endif
