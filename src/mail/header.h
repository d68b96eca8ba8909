/* header.h: the header section of a message, found in place (RFC 5322 2.2). Nothing is unfolded or decoded
 * unless asked for, and nothing is ever written back: changes are splices of whole fields. */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct header_field {
    view name;  /* as written, without white space before the colon */
    view value; /* everything behind the colon, folds and the last CRLF included */
    view raw;   /* the whole field with its CRLF */
};

struct header {
    struct header_field *fields; /* in message order */
    size_t count;
    view section;   /* all fields with their CRLFs, without the empty line */
    view body;      /* behind the empty line; empty when there is none */
    bool truncated; /* more than LIMIT_HEADER_FIELDS fields or LIMIT_HEADER_BYTES: the rest was not indexed */
};

/* Find the fields. Never fails on odd input: a line that is no field ends the section as if the empty line
 * had been there (obsolete and broken mail is common). Lines end in CRLF or in LF alone. */
void header_parse(view message, struct arena *a, struct header *ret_header);

/* First field of that name (case-insensitive), or NULL. */
const struct header_field *header_find(const struct header *h, const char *name);
size_t header_count(const struct header *h, const char *name);

/* The value unfolded (CRLF before white space removed) and trimmed. */
view header_value(const struct header_field *f, struct arena *a);

/* The first msg-id "<...>" of a value without its brackets, or empty. Tolerates comments and folds; gives the
 * trimmed value itself when there are no brackets. At most LIMIT_MESSAGE_ID octets. */
view header_message_id(const struct header *h, struct arena *a);

/* Append "Name: value\r\n", folded at white space before column 78 where it can be (RFC 5322 2.1.1). CR and
 * LF in `value` are replaced by spaces: nothing outside can inject a field. */
void header_add(struct buf *out, const char *name, view value);

/* Append an RFC 2047 encoded form when `text` is not ASCII, else the text: for unstructured values. */
void header_encode_text(struct buf *out, view text);

#endif
