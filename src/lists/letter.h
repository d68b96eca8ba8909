/* letter.h: a letter that a list writes by itself: to a poster, to its moderators. It comes from LIST-owner
 * with the null sender, and says that no person wrote it (RFC 3834). */
#ifndef LISTS_LETTER_H
#define LISTS_LETTER_H

#include "base/buf.h"
#include "base/err.h"

struct letter {
    view hostname, list, to; /* list, to: normalised addresses */
    view part;               /* who writes, of the list: "confirm+TOKEN"; empty: "owner" */
    view subject, text;      /* UTF-8; lines of the text end in LF */
    view references;         /* Message-ID of the post it is about, without brackets, or empty */
    view sender;             /* of the envelope; empty: the null sender */
    int64_t message;         /* the post; 0: it is about none */
    view original;           /* its octets, or its header, to be attached; or empty */
    bool whole;              /* all of it */
};

/* Append the arguments of ACCEPT (store/accept.h). LIMIT: too large, or args is full: then nothing is
 * appended. */
bool letter_args(const struct letter *l, int64_t now_ms, struct buf *args, struct err *e);

#endif
