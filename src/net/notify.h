/* notify.h: what a process tells whoever started it (sd_notify(3)): a datagram of lines NAME=VALUE to the
 * socket that NOTIFY_SOCKET names, a path or, behind a '@', an abstract address. Both ends are here: systemd
 * hears the supervisor, the supervisor hears its roles, and a role alone is heard by systemd. */
#ifndef NET_NOTIFY_H
#define NET_NOTIFY_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Connect to NOTIFY_SOCKET, once, before the process locks itself in. Nobody listening is fine: then nothing
 * is ever sent. */
void notify_open(void);
/* "READY=1", several lines with "\n". Async-signal-safe; never blocks. */
void notify_send(const char *lines);
/* "RELOADING=1" with MONOTONIC_USEC, which systemd wants with it. */
void notify_reloading(void);
/* Milliseconds between two "WATCHDOG=1" (half of WATCHDOG_USEC, when WATCHDOG_PID is this process or not
 * given); 0: nobody waits for any. */
int64_t notify_watchdog_ms(void);

/* The other end: a socket of our own, non-blocking, O_CLOEXEC, with an abstract address the kernel chooses;
 * -1 on failure. */
int notify_listen(struct err *e);
/* What NOTIFY_SOCKET must be for processes that are to send to that socket. False when it has no address. */
bool notify_address(int fd, char ret_text[], size_t room);
/* The next datagram, ended by a NUL, and the process the kernel says it came from. False: none is there. */
bool notify_receive(int fd, char ret_text[], size_t room, pid_t *ret_pid);
/* The value of `name` in such a datagram, or a null view. */
view notify_value(view lines, const char *name);

#endif
