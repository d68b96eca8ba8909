/* store.h: a role's way into the store. The caller sees operations (op.def) and never SQL.
 *
 * SQLite: requests travel to stored over DIR/data/run/store/<role>.sock, many at a time; a lost stored is
 * waited for and the requests are sent again (operations are idempotent). PostgreSQL: threads of this process
 * run them, a group in one transaction. The command line runs them itself when no stored is there. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <semaphore.h>

#include "base/config.h"
#include "store/op.h"

struct store;

/* One call. The caller fills op, args and done, keeps the memory until done was called, and reads err and
 * out. err.code == ERR_OK: out holds the results. */
struct store_request {
    enum op op;
    struct buf args; /* vals_int, vals_view */
    struct buf out;
    struct err err;
    void (*done)(struct store_request *r); /* on a thread of the store; short, never blocking */
    /* The rest is the store's. */
    struct store_request *next;
    uint64_t number;
    int64_t deadline_ms;
    struct store_wait *waiter;
    unsigned sends;
};

/* How long a request waits for a store that went away before it fails with STORE. */
#define STORE_PATIENCE_MS 10000

/* Waits up to STORE_PATIENCE_MS for the store to be there. `threads`: connections to PostgreSQL. */
struct store *store_open(const struct config *c, enum store_role role, unsigned threads, struct err *e);
/* Requests that are not answered yet fail with STOPPING. */
void store_close(struct store **s);

/* Buffers with the limits of a packet. */
void store_request_init(struct store_request *r, enum op op);
void store_request_done(struct store_request *r);
/* Thread-safe. `done` is called exactly once, perhaps before this returns. */
void store_submit(struct store *s, struct store_request *r);

/* Waiting form: false with r->err set and copied to e (NULL allowed). Uses r->done itself. */
bool store_call(struct store *s, struct store_request *r, struct err *e);

/* Many calls at once, so that they share commits: submit each, then wait for all; they may leave only then.
 */
struct store_wait {
    struct store *store;
    _Atomic size_t left; /* without an answer, and one for the waiter itself */
    sem_t answered;      /* posted by the last one: who waits for many wakes up once */
};
void store_wait_init(struct store_wait *w);
void store_wait_submit(struct store_wait *w, struct store *s, struct store_request *r);
void store_wait_all(struct store_wait *w); /* each request's err tells */
void store_wait_done(struct store_wait *w);

/* Create or migrate the store of a configuration; with PostgreSQL also the roles and their GRANTs where the
 * user may do that. Not while stored runs. */
bool store_prepare(const struct config *c, struct err *e);

#endif
