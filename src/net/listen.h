/* listen.h: listening sockets. A supervisor (ours or systemd) opens them and hands them over as LISTEN_FDS
 * (sd_listen_fds(3)); a role started alone opens its own. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "net/sockaddr.h"

/* A bound, listening, non-blocking, O_CLOEXEC TCP socket, or -1. IPv6 "*" takes IPv4 as well. */
int listen_open(const struct sockaddr_any *addr, struct err *e);

/* The descriptors handed over to this process (LISTEN_PID, LISTEN_FDS, names in LISTEN_FDNAMES) whose name is
 * `name` (the one bound to `addr` if there is one, else one not taken yet), or, whatever its name, the one
 * bound to `addr`. Returns the descriptor (set non-blocking and
 * O_CLOEXEC), or -1 when none was handed over. */
int listen_inherited(const char *name, const struct sockaddr_any *addr);

/* In a supervisor between fork and exec: put `fds` on 3.. and set LISTEN_FDS, LISTEN_FDNAMES ("a:b") and
 * LISTEN_PID for this process. */
bool listen_hand_over(const int *fds, const char *const *names, size_t count, struct err *e);

#endif
