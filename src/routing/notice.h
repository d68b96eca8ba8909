/* notice.h: the notification that goes back to the sender of a message that could not be delivered: a DSN as
 * a message of its own, ready for the queue. router and deliver make it the same way. */
#ifndef ROUTING_NOTICE_H
#define ROUTING_NOTICE_H

#include "base/arena.h"
#include "mail/dsn.h"

struct notice {
    view hostname;
    int64_t message; /* that failed */
    view sender;     /* its envelope sender: who gets the notice; never empty */
    view fields;     /* put on top of it on output */
    view body;       /* its octets, or at least its header */
    view envid;      /* ENVID the client gave, in xtext, or empty */
    bool whole;      /* body is complete, and its sender asked for it (RET=FULL) */
    bool requiretls; /* of a message that TLS must protect: so must it be, where it can (RFC 8689 5) */
    const struct dsn_recipient *recipients;
    size_t recipient_count;
};

/* A notice is never sent to the null sender (RFC 5321 6.1), nor for a list copy, whose events are its record.
 */
bool notice_wanted(view sender, int64_t list);
/* Whether a sender who said so (enum dsn_notify) wants to hear of this (RFC 3461 4.1). Who said nothing hears
 * of failure and delay. */
bool notice_wants(int64_t notify, enum dsn_action action);

/* Append the arguments of ACCEPT (store/accept.h) for the notice. Where very many recipients failed it leaves
 * off what was said about each, and then recipients, so that it fits: LIMIT does not happen. */
bool notice_args(const struct notice *n, int64_t now_ms, struct buf *args, struct err *e);

#endif
