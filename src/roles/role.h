/* role.h: what every role does at its start and end: options, configuration, log, metrics, clock, signals,
 * the store, its hint socket; and the record of a message that kills its worker (ADR 4). */
#ifndef ROLES_ROLE_H
#define ROLES_ROLE_H

#include "base/config.h"
#include "net/hint.h"
#include "store/store.h"

struct role {
    const char *name;
    struct config *config;
    struct store *store; /* NULL for stored */
    struct hint *hint;   /* NULL unless wanted */
    const char *node;    /* "node1/deliver": owner of leases */
};

struct role_needs {
    const char *name;
    enum store_role store_role;
    unsigned store_threads; /* connections to PostgreSQL; 0: no store is opened */
    bool hint;
};
/* A role whose store is opened in role_start is locked in there already, as far as files go: before the first
 * thread. It opens later only what its row in sandbox.c names. */

/* Parse `postroad-<name> -C DIR` and open everything. False: the reason was logged; the exit status to give
 * is in *ret_status. */
bool role_start(int argc, char **argv, const struct role_needs *needs, struct role *r, int *ret_status);
void role_end(struct role *r);

/* SIGTERM or SIGINT came. `on_stop` of role_on_stop is called from the signal handler: async-signal-safe
 * only. */
bool role_stopping(void);
void role_on_stop(void (*on_stop)(void));

/* SIGUSR1 came: a successor runs already, or is started as soon as this process has ended. `on_leave` is
 * called from the signal handler: async-signal-safe only. A role that has set none stops as on SIGTERM. */
void role_on_leave(void (*on_leave)(void));
bool role_leaving(void);

/* SIGHUP came: the configuration is to be read again. `on_reload` runs on a thread of its own, and ends with
 * role_reloaded. A role that has set none when it says role_ready is restarted by the supervisor instead.
 * NULL: no more of it, and none is running when this returns. */
void role_on_reload(void (*on_reload)(void));
/* The end of a reload. False: what changed cannot be taken alive; the supervisor starts a successor, then has
 * this process drain. The caller has logged what it took or why not. */
void role_reloaded(bool in_force);

/* Everything is open and work begins: the process locks itself in (sandbox.h) and whoever started it is told
 * (sd_notify READY=1). Does not return when it cannot be locked in as the configuration demands. */
void role_ready(struct role *r);

/* Real milliseconds to wait for work when no hint comes (DESIGN 2). */
#define ROLE_LOOK_MS 2000

/* This thread works on `message` from now on (0: on none). When the process dies by a bug now, that message
 * is written down, and role_start of the next process tells the store (operation CRASHED). In builds for
 * tests a message whose header has "X-Postroad-Crash: <role>" is a planted bug: see role_planted_crash. */
void role_works_on(int64_t message);
/* Test builds: die when `header` (the message's first bytes) asks this role to. Does nothing in release
 * builds. */
void role_planted_crash(const struct role *r, view header);
/* This is a test build: headers are to be shown to role_planted_crash. */
bool role_plants_crashes(void);

/* The store is away, or we are told to stop: nothing is wrong with the work, which is to be done again. */
bool role_store_is_away(enum err_code code);

/* The body of a stored message in two steps, so that many are asked for at once: MESSAGE_INFO in `q`, which
 * the caller keeps and ends; and when it was answered, the whole body appended to `out`, further pieces read.
 */
void role_ask_message(struct role *r, int64_t message, struct store_wait *wait, struct store_request *q);
bool role_take_message(struct role *r, int64_t message, const struct store_request *q, struct buf *out,
                       struct err *e);
/* The same with the stored trace fields in front, `ret_trace` octets: what editions are made from. */
bool role_take_source(struct role *r, int64_t message, const struct store_request *q, struct buf *out,
                      size_t *ret_trace, struct err *e);
/* A body from piece `seq` on, until `out` holds `len` bytes. DAMAGED when the pieces end before. */
bool role_read_rest(struct role *r, int64_t message, int64_t seq, size_t len, struct buf *out, struct err *e);

#endif
