/* router.h: what the files of this role share. main.c: the loop, expansions, the reaper; batch.c: a batch of
 * messages from the inbox to committed decisions; edition.c: what a list makes of a post. */
#ifndef ROLES_ROUTER_ROUTER_H
#define ROLES_ROUTER_ROUTER_H

#include "roles/role.h"

/* Take, decide and commit up to LIMIT_ROUTE_BATCH messages. The number routed, or -1: see e. */
int route_some(struct role *r, int64_t lease_ms, struct err *e);

/* Make and keep the list's edition of the message, before its first copy is due. False: see e; it is tried
 * again. */
bool edition_keep(struct role *r, int64_t message, int64_t list, struct err *e);

#endif
