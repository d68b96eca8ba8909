/* reserve.h: room on the disk that is given back when the disk is full, so that what is in the queue can
 * still be worked off: results, deletions. smtpd takes nothing in then (min_free); when there is room again,
 * the reserve is taken anew. Only one thread may use it. */
#ifndef STORED_RESERVE_H
#define STORED_RESERVE_H

#include "base/config.h"

/* Take disk_reserve octets in DIR/data/reserve; before the process locks itself in. Where there is no room
 * for it, there is none: that is logged. */
void reserve_open(const struct config *config);
/* The disk is full. */
void reserve_release(void);
/* Now and then: take it anew if there is room beyond it and min_free. */
void reserve_tend(void);
void reserve_close(void);

#endif
