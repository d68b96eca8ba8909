/* reply.h: replies of SMTP and LMTP servers (RFC 5321 4.2) as a client reads them. */
#ifndef MAIL_REPLY_H
#define MAIL_REPLY_H

#include "base/buf.h"
#include "base/err.h"

struct reply {
    int code;        /* 0 while nothing came */
    char status[16]; /* enhanced status, made from the code when the server sent none */
    size_t lines;    /* taken so far */
    struct buf text; /* lines joined by "\n", without code; printable UTF-8 only, others as '?' */
};

/* Feed one line without its line end. Returns 1 when the reply is complete, 0 when more lines follow, -1 when
 * it is no reply (SYNTAX in e) or too long. */
int reply_feed(struct reply *r, view line, struct err *e);
void reply_init(struct reply *r);
void reply_reset(struct reply *r);
void reply_done(struct reply *r);
/* Temporary (4xx), permanent (5xx), or fine; anything else counts as temporary. */
enum err_class reply_class(const struct reply *r);

#endif
