/* exec.c: group commit. A group runs optimistically, without savepoints: refusals and failures are rare, and
 * then the whole group is rolled back and each call runs in a transaction of its own. That costs nothing
 * while all is well and keeps PostgreSQL's pipeline full. Nothing is answered before the commit, so a rerun
 * is never seen from outside. */
#include "store/exec.h"

#include <time.h>

#include "base/clock.h"
#include "base/metrics.h"

enum { PATIENCE_MS = 10000 }; /* a database server that restarts or fails over is waited for */

static enum durability group_durability(const struct db *db, const struct exec_call *calls, size_t n) {
    enum durability most = DURABLE_READ;
    for (size_t i = 0; i < n; i++)
        if (op_info(calls[i].op)->durability > most)
            most = op_info(calls[i].op)->durability;
    return most == DURABLE_FULL && db_is_synced_apart(db) ? DURABLE_SOON : most;
}

/* False when the operation refused or the database failed; calls[].err is set only for a refusal. */
static bool run_one(struct db *db, struct exec_call *call, struct arena *arena) {
    struct op_run r = {
        .db = db, .in = vals_of(call->args), .out = call->out, .now_ms = clock_now_ms(), .arena = arena};
    call->err.code = ERR_OK;
    buf_reset(call->out);
    op_info(call->op)->run(&r);
    if (r.in.failed)
        op_refuse(&r, ERR_SYNTAX, "%s: malformed arguments", op_info(call->op)->name);
    if (call->out->failed || arena->failed)
        op_refuse(&r, ERR_LIMIT, "%s: the answer is too large", op_info(call->op)->name);
    if (r.err.code != ERR_OK)
        call->err = r.err;
    return r.err.code == ERR_OK && !db_error(db);
}

static void pause_before_rerun(unsigned n) {
    struct timespec ts = {.tv_nsec = (n < 7 ? 2000000L << n : 250000000L)};
    nanosleep(&ts, NULL);
}

/* One transaction over the calls. False: nothing of it happened; the database error, if any, is in *ret. */
static bool attempt(struct db *db, struct exec_call *calls, size_t n, enum durability d, struct arena *arena,
                    struct err *ret) {
    bool good = db_begin(db, d);
    for (size_t i = 0; good && i < n; i++) {
        good = run_one(db, &calls[i], arena);
        arena_reset(arena);
    }
    ret->code = ERR_OK;
    if (good && db_commit(db)) {
        metric_add(METRIC_STORE_COMMITS, d != DURABLE_READ);
        metric_add(METRIC_STORE_SYNCS, d == DURABLE_FULL);
        metric_add(METRIC_STORE_OPERATIONS, (int64_t)n);
        return true;
    }
    if (db_error(db))
        *ret = *db_error(db);
    db_rollback(db);
    return false;
}

static void run_group(struct db *db, struct exec_call *calls, size_t n, struct arena *arena) {
    enum durability d = group_durability(db, calls, n);
    struct err failure;
    int64_t until = clock_real_us() / 1000 + PATIENCE_MS;
    for (unsigned try = 0; !attempt(db, calls, n, d, arena, &failure); try++) {
        if (try > 0)
            metric_add(METRIC_STORE_RERUNS, 1);
        if (failure.code == ERR_STORE_BUSY && clock_real_us() / 1000 < until) {
            pause_before_rerun(try);
            struct err ignored; /* a server that is still away shows again at the next begin */
            db_reset(db, &ignored);
            continue;
        }
        if (n > 1) {
            for (size_t i = 0; i < n; i++)
                run_group(db, &calls[i], 1, arena);
        } else if (failure.code != ERR_OK) {
            calls[0].err = failure;
        }
        break;
    }
}

void exec_group(struct db *db, struct exec_call *calls, size_t n) {
    struct arena arena;
    arena_init(&arena, LIMIT_STEP_ARENA);
    run_group(db, calls, n, &arena);
    arena_done(&arena);
}
