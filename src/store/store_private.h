/* store_private.h: the two ways into the store behind store.h. */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "store/store.h"

#define STORE_PG_ROLE "postroad_" /* PostgreSQL roles are named postroad_smtpd … */

struct store {
    void (*submit)(struct store *s, struct store_request *r); /* it may wait for the next flush */
    void (*flush)(struct store *s);
    void (*close)(struct store *s);
};

/* Over stored's socket. NULL at once when nobody listens there and `patience_ms` is 0. */
struct store *store_open_socket(const struct config *c, enum store_role role, int64_t patience_ms,
                                struct err *e);
/* By threads of this process, one database connection each. */
struct store *store_open_threads(const struct config *c, enum store_role role, unsigned threads,
                                 struct err *e);

/* The database of a configuration, not yet checked for its schema. */
struct db *store_open_db(const struct config *c, struct err *e);
bool store_is_postgresql(const struct config *c);

static inline void store_finish(struct store_request *r, enum err_code code, const char *text) {
    if (code != ERR_OK)
        err_set(&r->err, code, "%s", text);
    r->done(r);
}

#endif
