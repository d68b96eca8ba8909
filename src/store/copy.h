/* copy.h: every row of a store into another, empty one, across engines. */
#ifndef STORE_COPY_H
#define STORE_COPY_H

#include "store/db.h"
#include "store/snapshot.h"

/* One of the two is SQLite; both have the same schema. `from` is read in one transaction (PostgreSQL:
 * repeatable read), `to` is written in many, so after a failure it is good for nothing. Tables and columns
 * are those of the SQLite side. Neither connection may be used for SQL made at run time afterwards. */
bool store_copy(struct db *from, struct db *to, snapshot_progress progress, void *ctx, struct err *e);

#endif
