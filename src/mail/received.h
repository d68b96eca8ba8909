/* received.h: the trace field this server adds on acceptance (RFC 5321 4.4, RFC 3848 protocol names, RFC 8314
 * tls clause). */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include "base/buf.h"
#include "mail/header.h"

struct received {
    view helo;
    view peer;                         /* address literal text: 192.0.2.1 or IPv6:2001:db8::1 */
    view by;                           /* our host name */
    bool esmtp, tls, auth, utf8, lmtp; /* choose SMTP, ESMTP, ESMTPS, UTF8SMTP, LMTP … */
    view tls_version;                  /* "TLS1.3", empty without TLS */
    view tls_cipher;
    view id;   /* queue id */
    view rcpt; /* "for" clause; empty when there are several recipients */
    int64_t at_ms;
};

/* Append the field with its CRLF, folded. */
void received_format(const struct received *r, struct buf *out);

/* How many Received fields a message has passed: loop detection (RFC 5321 6.3). */
size_t received_hops(const struct header *h);

#endif
