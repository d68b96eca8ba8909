/* encoded_word.h: text of header fields that was not ASCII (RFC 2047). */
#ifndef MAIL_ENCODED_WORD_H
#define MAIL_ENCODED_WORD_H

#include "base/buf.h"

/* Append an unfolded value with its encoded words decoded, as UTF-8. White space between two of them is not
 * part of the text (6.2). Words in charsets other than UTF-8, US-ASCII, ISO-8859-1 and windows-1252, and what
 * is no encoded word, stay as written. What was decoded may hold any octet: it is for looking at. */
void encoded_words_decode(view value, struct buf *out);

#endif
