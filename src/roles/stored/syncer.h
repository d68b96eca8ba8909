/* syncer.h: a thread that puts the store's log on stable storage, so that the next group is run meanwhile.
 * Commits are numbered; whoever must not go on before a commit is safe waits until syncer_done() has reached
 * its number. */
#ifndef ROLES_STORED_SYNCER_H
#define ROLES_STORED_SYNCER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct syncer;

/* `fd` is the log, taken over; -1: nothing is synced (tests), all is done at once. */
struct syncer *syncer_start(int fd, struct err *e);
/* Commits up to `number` are to be synced; returns at once. A sync that fails ends the process: what the
 * kernel still shows of the log may not be on the disk, so nothing that is said from then on could be relied
 * on. */
void syncer_want(struct syncer *s, uint64_t number);
/* Commits up to this number are on stable storage. */
uint64_t syncer_done(struct syncer *s);
/* Readable when syncer_done() has grown; syncer_heard() makes it unreadable again. */
int syncer_fd(const struct syncer *s);
void syncer_heard(struct syncer *s);
/* Waits until all that was wanted is done. */
void syncer_stop(struct syncer **s);

#endif
