/* bounced.h: what mail that comes back does to a membership (Mailman's scores). */
#ifndef STORE_BOUNCED_H
#define STORE_BOUNCED_H

#include "store/op.h"

/* What a bounce came to. */
enum bounced {
    BOUNCED_NO_MEMBER, /* nobody of that address is on the list */
    BOUNCED_IGNORED,   /* the list does not count, or delivery is off already */
    BOUNCED_TODAY,     /* one a day counts */
    BOUNCED_COUNTED,
    BOUNCED_PROBED,   /* a letter tries the address, and the count begins again */
    BOUNCED_DISABLED, /* delivery is off */
    BOUNCED_REMOVED   /* the membership has ended */
};
#define BOUNCED_WORDS "no-member ignored today counted probed disabled removed"

/* The setting forward_unrecognized_bounces_to. */
enum { FORWARD_TO_NOBODY, FORWARD_TO_OWNERS, FORWARD_TO_SITE };

/* A message could not be delivered to the address on account of the list, for good and for reasons of that
 * address. seen: a server told us so; else a mail says it, which may be forged. `why`: printable. *ret_score:
 * the days counted so far. */
enum bounced bounce_count(struct op_run *r, int64_t list, int64_t addr, bool seen, view why,
                          int64_t *ret_score);

#endif
