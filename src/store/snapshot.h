/* snapshot.h: the whole store at one instant as an SQLite file of this schema, whichever engine it comes
 * from, and back into either. Nothing is stopped: SQLite's pages are copied in short steps by the connection
 * that also writes, PostgreSQL's rows are read in one repeatable-read transaction. */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "base/config.h"

/* How far it is: pages of SQLite, rows of PostgreSQL (whose total is 0: not known). */
typedef void (*snapshot_progress)(int64_t done, int64_t total, void *ctx);

/* Write the store's snapshot to `path`, which must not exist, and put it on stable storage. One at a time. */
bool store_snapshot(const struct config *c, const char *path, snapshot_progress progress, void *ctx,
                    struct err *e);

struct snapshot_list {
    view address;
    view archive;                /* public, private, none */
    int64_t uid_last, feed_last; /* what was given out */
    int64_t pending_uid;         /* the first one that `node` had still to archive; 0: none */
};
typedef bool (*snapshot_list_visit)(const struct snapshot_list *l, void *ctx, struct err *e);
/* The lists in a snapshot nobody else uses, by address, as `node` has archived them. */
bool store_snapshot_lists(const char *path, const char *node, snapshot_list_visit visit, void *ctx,
                          struct err *e);

/* Make the store of a new instance from a snapshot, which stays as it is: brought to this release's schema,
 * and with outbound frozen (instance.frozen). EXISTS when there is a store already. */
bool store_restore(const struct config *c, const char *path, snapshot_progress progress, void *ctx,
                   struct err *e);

#endif
