/* pg.h: a PostgreSQL server of the test program's own: in a temporary folder, on a Unix socket that nobody
 * else knows, with fsync on (but in memory, where there is room). It is started when it is first asked for
 * and ends with the program. */
#ifndef TESTING_PG_H
#define TESTING_PG_H

#include "base/err.h"

/* The connection string (URL) of a new, empty database, or NULL with the reason in *e. The caller frees it.
 */
char *pg_database(const char *name, struct err *e);
/* The URL of such a database for another user; the caller frees it. */
char *pg_url(const char *database, const char *user);

#endif
