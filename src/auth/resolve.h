/* resolve.h: answers from DNS. */
#ifndef AUTH_RESOLVE_H
#define AUTH_RESOLVE_H

#include "auth/answers.h"
#include "net/dns.h"

/* Get all that is wanted, in parallel; what does not come by the deadline is a temporary error. For threads
 * that may wait. */
void answers_resolve(struct answers *a, struct dns *d, int64_t deadline_ms);

/* The strings of a TXT record's data in one. */
view resolve_text(view wire, struct arena *a);

#endif
