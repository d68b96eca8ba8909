/* schema.h: the tables, as numbered, forward-only migrations. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/db.h"

#define SCHEMA_VERSION 7

/* Bring the store to SCHEMA_VERSION, one transaction a migration; nothing to do is fine. Refuses a store that
 * a newer release has migrated. */
bool schema_migrate(struct db *db, struct err *e);
/* Only up to a version, as a release of that time did: for tests. */
bool schema_migrate_to(struct db *db, int64_t version, struct err *e);
/* The version the store has now; 0: an empty store. */
int64_t schema_version(struct db *db);

/* The time at which nothing is due. */
#define STORE_NEVER INT64_C(9000000000000000)
/* Staged bodies whose client went away are deleted after this long. */
#define STORE_ORPHAN_MS (4 * 3600 * INT64_C(1000)) /* longer than a session lives */

#endif
