/* accept.h: the arguments of the operation ACCEPT: one message with its envelope. smtpd writes them for what
 * it receives; router and deliver for the notifications they make. */
#ifndef STORE_ACCEPT_H
#define STORE_ACCEPT_H

#include "store/vals.h"

enum message_flags {
    MESSAGE_UTF8 = 1,  /* came with SMTPUTF8 (RFC 6531) */
    MESSAGE_8BIT = 2,  /* BODY=8BITMIME (RFC 6152) */
    MESSAGE_NOTICE = 4 /* made here: a DSN */
};

struct accept {
    int64_t id;      /* the queue id: made by the caller, so that a second try is known */
    view sender;     /* envelope sender, empty for <> */
    view message_id; /* without brackets; may be empty */
    int64_t size;    /* of the body in octets */
    view sha256;     /* of the body, 32 octets */
    view fields;     /* fields put on top on output (Received) */
    view origin;     /* key=value text for the event: who brought it */
    int64_t flags;   /* enum message_flags */
    view body;       /* empty when it was staged by BODY_STAGE */
    const view *recipients;
    size_t recipient_count;
};

void accept_args(const struct accept *a, struct buf *args);

#endif
