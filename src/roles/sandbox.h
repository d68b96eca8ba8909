/* sandbox.h: a role locks itself in: what it may do from then on is a row of a table in sandbox.c, the same
 * as in DESIGN 2. Landlock limits files, TCP and signals, seccomp the system calls; both work unprivileged
 * and hold until the process ends. */
#ifndef ROLES_SANDBOX_H
#define ROLES_SANDBOX_H

#include "base/config.h"

/* Setting `sandbox`: on refuses to start without Landlock, try says so in the log and goes on, off does
 * nothing. CONFIG when it is something else, SYSTEM when the lock cannot be had. The caller has set up the
 * log. */

/* Files, TCP and signals. Threads that run already stay outside, so this comes before the first is made; what
 * is open already stays usable. */
bool sandbox_files(const char *role, const struct config *c, struct err *e);
/* System calls, for all threads of the process. */
bool sandbox_calls(const char *role, const struct config *c, struct err *e);

/* Builds for tests: try one deed ("exec", "socket", "listen", "connect 127.0.0.1:25", "read PATH", "write
 * PATH", "unlink PATH", "kill", "io_uring", "namespace") and print what came of it. True when it was
 * possible. */
bool sandbox_probe(const char *what);

#endif
