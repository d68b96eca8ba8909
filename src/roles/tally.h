/* tally.h: counts for the reports a role's work is told in: DMARC's (RFC 9990) from smtpd, TLS's (RFC 8460)
 * from deliver. What is alike is counted in memory and written to the store now and then: a count that a
 * crash loses is not missed. */
#ifndef ROLES_TALLY_H
#define ROLES_TALLY_H

#include "roles/role.h"

/* Numbers are kept in the store: never reused. */
enum tally_kind { TALLY_DMARC = 1, TALLY_TLS = 2 };

void tally_start(struct role *r);
/* domain: whom the report is for, lower case; row: what is counted, as vals.h writes it. Thread-safe; never
 * waits. */
void tally_add(enum tally_kind kind, view domain, view row);
/* What is counted goes to the store. */
void tally_stop(void);

#endif
