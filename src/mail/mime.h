/* mime.h: the parts of a message (RFC 2045, 2046), found in place: where each begins and ends in the octets.
 * Nothing is decoded, and what is odd is read as far as it makes sense (RFC 2045 leaves that to us; senders
 * of malware do not). */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "base/arena.h"
#include "mail/header.h"

struct mime_part {
    int parent;      /* index of the part it stands in; -1: it is the message itself */
    int depth;       /* of the message: 0 */
    size_t children; /* parts directly in it */
    size_t after;    /* index of the first part that is not in it: it and what it holds are [index, after) */
    view span; /* of a part of a multipart: from its delimiter line to the next one; else the part itself */
    view head,
        body; /* its header section; what is behind the empty line, without the line end before a delimiter */
    view type, subtype; /* lower case; "text", "plain" where nothing fit to read is said; in a digest
                           "message", "rfc822" */
    view charset;       /* lower case, or empty */
    view encoding;      /* Content-Transfer-Encoding, lower case, or empty */
    view filename;      /* as sent, decoded as RFC 2231 says, in UTF-8 where that is declared; or empty */
    view boundary;      /* of a multipart; empty where it has none, and then it has no children */
    view closing;       /* the delimiter line that ends a multipart; empty where it is missing */
    bool flowed;        /* format=flowed (RFC 3676) */
};

struct mime {
    struct mime_part *parts; /* in the order of the octets; the first is the message */
    size_t count;
    bool odd; /* something is not as RFC 2046 has it: a multipart without boundary or end */
    bool cut; /* there is more than the limits let be read: parts, depth, fields of a header */
};

/* `message`: a whole message or part. Lives in the arena and borrows from both. False: the arena is full. */
bool mime_parse(view message, struct arena *a, struct mime *ret);

/* "text/plain" == type/subtype; "text" alone: any of that type. Both in lower case. */
bool mime_is(const struct mime_part *p, const char *type);

/* The parameter of a field's value, unquoted and put together from its sections, percent signs decoded (RFC
 * 2231). Empty when it is not there. */
view mime_parameter(view value, const char *name, struct arena *a);

/* A boundary of 128 random bits: it is in no message. */
#define MIME_BOUNDARY (2 + 2 * 16 + 1)
void mime_boundary(char ret[MIME_BOUNDARY]);

/* A Content-Transfer-Encoding that leaves the octets as they are: 7bit, 8bit, binary, or none. */
bool mime_is_plain(view encoding);
/* The octets of a body in that Content-Transfer-Encoding. What is
 * not of its alphabet is read over (RFC 2045 6.7, 6.8). False: the encoding is not known; nothing is
 * appended. */
bool mime_decode(view encoding, view body, struct buf *out);

#endif
