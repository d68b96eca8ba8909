/* route.h: what becomes of a recipient. Pure: decided from facts that the operation LOOKUP gathered, so that
 * smtpd (before it answers RCPT) and router (which binds) come to the same answer (DESIGN 1.4). */
#ifndef ROUTING_ROUTE_H
#define ROUTING_ROUTE_H

#include "base/arena.h"
#include "base/err.h"
#include "mail/list_address.h"
#include "store/vals.h"

enum route_kind {
    ROUTE_LIST,    /* a post to a list */
    ROUTE_ADDRESS, /* on to an address elsewhere, or of a domain that is passed on */
    ROUTE_BOUNCE,  /* LIST-bounces: recorded, not sent on */
    ROUTE_COMMAND, /* LIST-request, -join, -leave, -confirm: done and answered */
    ROUTE_REPORT,  /* reports of others (report_address.h): kept */
    ROUTE_REFUSED, /* e says why: NO_SUCH_USER, LOOP, LIMIT, NO_RELAY */
};

struct route_target {
    enum route_kind kind;
    view address; /* ADDRESS: where to; LIST, BOUNCE: the list; COMMAND: LIST-join or the like; REFUSED: the
                     address that failed */
    int64_t list; /* LIST, BOUNCE, COMMAND */
    view list_address;     /* COMMAND: the list's own */
    enum list_part part;   /* COMMAND */
    view detail;           /* COMMAND, BOUNCE: behind the plus */
    view member;           /* BOUNCE: the member that VERP names, or empty */
    const struct err *why; /* REFUSED */
};

struct route {
    bool local; /* the recipient's domain is one whose mail is taken from everybody */
    struct route_target *targets;
    size_t count; /* each list and each address once; several when it is an alias */
};

/* `facts`: results of LOOKUP for `address` (normalised). Lives in the arena. An alias of which some targets
 * fail still serves the others; one of which all fail is refused. An address whose domain is not local is a
 * ROUTE_ADDRESS: whether this client may relay is the caller's question. SYNTAX when the facts are malformed.
 */
bool route_decide(view address, view facts, struct arena *a, struct route *ret_route, struct err *e);

/* Why nothing at all can be done for the recipient: the answer to its RCPT. NULL when something can. */
const struct err *route_refusal(const struct route *r);

#endif
