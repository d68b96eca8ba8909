/* message.h: what the operation MESSAGE_INFO answers about a message. */
#ifndef STORE_MESSAGE_H
#define STORE_MESSAGE_H

#include "store/vals.h"

struct message_info {
    int64_t id; /* as asked for */
    view sender, msgid, sha256;
    view fields;   /* put on top on output (Received) */
    view origin;   /* key=value text: who brought it */
    view envid;    /* RFC 3461, in xtext, or empty */
    view first;    /* the first piece of the body, which holds the header; empty when it is gone */
    int64_t size;  /* of the whole body, octets */
    int64_t flags; /* enum message_flags */
    bool gone;     /* the body was deleted after its last use */
};

/* The texts are the answer's. */
struct message_info message_info_of(int64_t id, view answer);

#endif
