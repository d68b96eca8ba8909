/* extent.h: how far a month's files reach up to a UID: what a backup copies, so that files and store end with
 * the same post although more are being written. */
#ifndef ARCHIVE_EXTENT_H
#define ARCHIVE_EXTENT_H

#include "base/err.h"

struct archive_extent {
    const char *month;         /* YYYY-MM */
    int64_t log_end, mbox_end; /* bytes of each file; both > 0 */
    bool damaged;              /* a journal line could not be read: the mbox counts to its end */
};

/* Each month of a list's folder that has a post with a UID below `below`, oldest first. Takes no lock. */
typedef bool (*archive_extent_visit)(const struct archive_extent *x, void *ctx, struct err *e);
bool archive_extents(const char *path, int64_t below, archive_extent_visit visit, void *ctx, struct err *e);

#endif
