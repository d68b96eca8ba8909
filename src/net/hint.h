/* hint.h: wake-ups between roles: "there is something new for you in the store". A hint is sent after the
 * commit, is coalesced, may be lost, and is never needed: every role looks by itself at least every 2 s. */
#ifndef NET_HINT_H
#define NET_HINT_H

#include "base/err.h"

struct hint; /* a role's ear: a datagram socket DIR/data/run/hint/<role> */

struct hint *hint_open(const char *dir, const char *role, struct err *e);
void hint_close(struct hint **h);
/* Wait for a hint, at most `timeout_ms` of real time. True when one came; all that are waiting count as one.
 */
bool hint_wait(struct hint *h, int timeout_ms);
/* End a hint_wait in this process from a signal handler or another thread. */
void hint_interrupt(struct hint *h);

/* Send to `role`: never blocks, nobody listening is fine. */
void hint_send(const char *dir, const char *role);

#endif
