/* encoded_word.h: text of header fields that was not ASCII (RFC 2047). */
#ifndef MAIL_ENCODED_WORD_H
#define MAIL_ENCODED_WORD_H

#include "base/buf.h"

/* Append an unfolded value with its encoded words decoded, as UTF-8. White space between two of them is not
 * part of the text (6.2). Words in charsets that are not known (mail/charset.h), and what is no encoded word,
 * stay as written. What was decoded may hold any octet: it is for looking at. At most three octets for each
 * of the value's. */
void encoded_words_decode(view value, struct buf *out);

#endif
