/* supervisor.h: `postroad run`: starts the roles of an instance, owns the listening sockets and hands them
 * over, starts a role that died again, and stops all of them in an order in which nothing is cut short. On
 * SIGHUP it takes a new configuration, on SIGUSR2 it becomes a new program; no client is refused by either.
 */
#ifndef ROLES_SUPERVISOR_SUPERVISOR_H
#define ROLES_SUPERVISOR_SUPERVISOR_H

#include "base/config.h"

/* Runs until SIGTERM or SIGINT. `roles`: names; none means all. stored is added where the store is SQLite.
 * False when it could not begin: USAGE (a role's name), CONFIG, EXISTS (the instance runs already), SYSTEM.
 * Else *ret_status is the exit status to give: 0, or that of a role that refused its configuration at its
 * first start. The caller has set up the log. */
bool supervisor_run(const struct config *c, const char *const *roles, size_t count, int *ret_status,
                    struct err *e);
/* Would supervisor_run begin here: are these roles, and do their programs start? Changes nothing. */
bool supervisor_check(const struct config *c, const char *const *roles, size_t count, struct err *e);

#endif
