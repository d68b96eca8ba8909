/* stored: the only process that opens the store file (SQLite). It runs operations for the other roles.
 *
 * Trusts: nothing but its own file; a caller may run only the operations of the role whose socket it came in
 * by. May touch: DIR/data/store.db and its log, DIR/data/reserve, DIR/data/run. Never the network. When it
 * dies: nothing acknowledged is lost (every answer came after the commit was safe). Roles connect again and
 * send their unanswered requests once more.
 *
 * One thread runs everything, a second one syncs (syncer.h). A round takes at most one request of each client
 * after another, until a group is full or nothing is there: no client can crowd out another. Reads of a round
 * are answered first; its writes share one commit. While the disk syncs, the next group is run: what must be
 * safe before it is heard of waits for its sync (ADR 17). Under load a group is waited for (ADR 16). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "roles/role.h"
#include "roles/stored/clients.h"
#include "roles/stored/reserve.h"
#include "roles/stored/syncer.h"
#include "store/schema.h"

#define SYNC_WITHIN_MS 150 /* DESIGN 1.1: results are on stable storage within 200 ms */
#define GATHER_MS      2
#define GATHER_TRIES   32 /* one in so many waits for a larger crowd than the last one */
#define WAL_BYTES_MAX  (64 << 20)

struct server {
    struct db *db;
    struct clients clients;
    struct syncer *syncer;
    struct request requests[LIMIT_STORE_GROUP];
    uint64_t commit;        /* the number of the last one that is to be synced */
    int64_t unsynced_since; /* of what was committed to be synced soon; 0: nothing */
    size_t crowd;           /* calls that were there to share the last syncs */
    unsigned gathers;
};

static void handle_events(struct server *s, int timeout_ms) {
    if (clients_wait(&s->clients, timeout_ms))
        syncer_heard(s->syncer);
    clients_release(&s->clients, syncer_done(s->syncer));
}

/* What has to be safe before the answer is heard: a commit that promises it; and for those whose answers
 * leave the system (as mail, as archive files, to people) all that was committed with such a promise before.
 * The others turn answers into commits only, which lie behind in the same log. */
static uint64_t safe_before(const struct server *s, const struct request *q, enum durability d) {
    bool acts_outside = client_role(q->client) & (R_DELIVER | R_ARCHIVED | R_CLI | R_HTTPD);
    return d == DURABLE_FULL || acts_outside ? s->commit : 0;
}

/* A commit of the group is to be synced: now for one that promises it, soon for another. */
static void promise(struct server *s, const struct exec_call *calls, size_t count) {
    enum durability most = DURABLE_READ;
    for (size_t i = 0; i < count; i++)
        if (calls[i].err.code == ERR_OK && op_info(calls[i].op)->durability > most)
            most = op_info(calls[i].op)->durability;
    if (most == DURABLE_FULL) {
        syncer_want(s->syncer, ++s->commit);
        s->unsynced_since = 0; /* it carries along what was committed before it */
    } else if (most == DURABLE_SOON && s->unsynced_since == 0) {
        s->unsynced_since = clock_real_us() / 1000;
    }
}

/* The calls of one kind among the requests from..n: run, and answer each. */
static void run_group(struct server *s, size_t first, size_t n, bool reads) {
    struct exec_call calls[LIMIT_STORE_GROUP];
    struct request *from[LIMIT_STORE_GROUP];
    size_t count = 0;
    for (size_t i = first; i < n; i++) {
        struct request *q = &s->requests[i];
        if ((op_info(q->head.op)->durability == DURABLE_READ) != reads)
            continue;
        from[count] = q;
        calls[count++] = (struct exec_call){.op = q->head.op, .args = buf_view(&q->args), .out = &q->out};
    }
    if (count == 0)
        return;
    exec_group(s->db, calls, count);
    promise(s, calls, count);
    for (size_t i = 0; i < count; i++)
        if (calls[i].err.code == ERR_DISK_FULL)
            reserve_release();
    for (size_t i = 0; i < count; i++)
        from[i]->after = safe_before(s, from[i], op_info(calls[i].op)->durability);
    clients_answer(&s->clients, from, calls, count, syncer_done(s->syncer));
}

static void keep_promises(struct server *s) {
    if (s->unsynced_since != 0 && clock_real_us() / 1000 - s->unsynced_since >= SYNC_WITHIN_MS) {
        syncer_want(s->syncer, ++s->commit);
        s->unsynced_since = 0;
    }
    if (db_wal_bytes(s->db) > WAL_BYTES_MAX)
        db_checkpoint(s->db);
    reserve_tend();
}

static size_t full_calls(const struct server *s, size_t first, size_t n) {
    size_t count = 0;
    for (size_t i = first; i < n; i++)
        count += op_info(s->requests[i].head.op)->durability == DURABLE_FULL;
    return count;
}

/* Calls that wait for a sync share it: as many as last time are waited for, though not long. One that is
 * alone finds a crowd of one. Reads that come meanwhile are answered. */
static size_t gather(struct server *s, size_t n) {
    size_t full = full_calls(s, 0, n), wanted = s->crowd;
    int64_t until = clock_mono_ms() + GATHER_MS, left = GATHER_MS;
    if (full > 1 && ++s->gathers % GATHER_TRIES == 0)
        wanted += wanted / 4 + 1;
    for (; full > 0 && full < wanted && n < LIMIT_STORE_GROUP && left > 0; left = until - clock_mono_ms()) {
        handle_events(s, (int)left);
        size_t now = clients_take(&s->clients, s->requests, n, LIMIT_STORE_GROUP);
        run_group(s, n, now, true);
        full += full_calls(s, n, now);
        n = now;
    }
    if (full > s->crowd || (full > 0 && left <= 0))
        s->crowd = full;
    return n;
}

/* When a successor waits it leaves at once: the others send it what was not answered. Told to stop, it serves
 * those that are connected to their end: they stop, too, and need the store for it.
 */
static bool goes_on(struct server *s, int64_t patience_ms) {
    static int64_t until_ms;
    if (role_leaving())
        return false;
    if (!role_stopping())
        return true;
    int64_t now = clock_real_us() / 1000;
    if (until_ms == 0)
        until_ms = now + patience_ms;
    return clients_any(&s->clients) && now < until_ms;
}

static void serve(struct server *s, int64_t patience_ms) {
    size_t n = 0;
    while (goes_on(s, patience_ms)) {
        int timeout = n > 0 ? 0 : s->unsynced_since ? SYNC_WITHIN_MS / 3 : role_stopping() ? 50 : 1000;
        handle_events(s, timeout);
        n = clients_take(&s->clients, s->requests, 0, LIMIT_STORE_GROUP);
        run_group(s, 0, n, true);
        n = gather(s, n);
        run_group(s, 0, n, false);
        clients_drop_gone(&s->clients);
        keep_promises(s);
    }
}

static bool open_server(struct server *s, const struct config *config, struct err *e) {
    static const enum store_role roles[] = {R_SMTPD, R_ROUTER, R_DELIVER, R_ARCHIVED, R_CLI, R_HTTPD};
    FREE_AUTO char *path = config_path(config, "data/store.db");
    FREE_AUTO char *run = config_path(config, "data/run/store");
    s->db = db_open_sqlite(path, config->store_sync, e);
    if (!s->db || !schema_migrate(s->db, e) || !file_mkdirs(run, 0700, e))
        return false;
    db_checkpoint(s->db); /* what a process before left in the log is on the disk from here on */
    reserve_open(config);
    clients_init(&s->clients);
    for (size_t i = 0; i < LIMIT_STORE_GROUP; i++) {
        buf_init(&s->requests[i].args, LIMIT_STORE_PACKET);
        buf_init(&s->requests[i].out, LIMIT_STORE_PACKET - sizeof(struct wire_answer));
    }
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (!clients_listen(&s->clients, config, roles[i], e))
            return false;
    return true;
}

/* A thread of its own comes after the process has locked itself in. */
static bool start_syncer(struct server *s, struct err *e) {
    int fd;
    if (!db_sync_apart(s->db, &fd, e))
        return false;
    s->syncer = syncer_start(fd, e);
    if (s->syncer)
        clients_watch(&s->clients, syncer_fd(s->syncer));
    return s->syncer != NULL;
}

static void close_server(struct server *s) {
    if (s->syncer) {
        syncer_want(s->syncer, ++s->commit);
        syncer_stop(&s->syncer);
        clients_release(&s->clients, s->commit);
    }
    if (s->clients.packet)
        clients_done(&s->clients);
    for (size_t i = 0; i < LIMIT_STORE_GROUP; i++) {
        buf_done(&s->requests[i].args);
        buf_done(&s->requests[i].out);
    }
    if (s->db)
        db_checkpoint(s->db);
    db_close(&s->db);
    reserve_close();
}

int main(int argc, char **argv) {
    static const struct role_needs needs = {.name = "stored", .store_role = R_STORED};
    static struct server server;
    struct role role;
    struct err e;
    int status = 0;
    if (!role_start(argc, argv, &needs, &role, &status))
        return status;
    bool opened = open_server(&server, role.config, &e);
    if (opened)
        role_ready(&role);
    if (opened && start_syncer(&server, &e)) {
        serve(&server, role.config->drain_timeout);
    } else {
        log_line(LOG_ERROR, "cannot-start", LOG_S("reason", e.text));
        status = err_info(e.code)->exit;
    }
    close_server(&server);
    role_end(&role);
    return status;
}
