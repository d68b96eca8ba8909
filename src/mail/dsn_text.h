/* dsn_text.h: the part of a delivery status notification that people read. */
#ifndef MAIL_DSN_TEXT_H
#define MAIL_DSN_TEXT_H

#include "mail/dsn.h"

/* The subject: what happened, worst first. */
const char *dsn_text_subject(const struct dsn *d);

/* Append the text, CRLF line ends, UTF-8 where addresses or answers are. */
void dsn_text_format(const struct dsn *d, struct buf *out);

/* The meaning of an enhanced status code (RFC 3463 and its registry) as the end of "…: ". */
const char *dsn_text_reason(view status);

#endif
