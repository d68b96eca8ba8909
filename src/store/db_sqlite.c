/* db_sqlite.c: the SQLite engine. The file is opened in WAL mode by one process only (stored), which holds it
 * exclusively: no shared-memory index, no lock calls per transaction. synchronous=FULL makes a commit wait
 * for fsync of the WAL; NORMAL does not, and the next FULL commit carries it along, because the WAL is one
 * file. */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/db_private.h"
#include "store/wal_vfs.h"

#define SNAPSHOT_PATIENCE_US (60 * INT64_C(1000000))
#define PAGE_SIZE            4096

struct db_sqlite {
    struct db base;
    sqlite3 *handle;
    enum durability mode; /* what PRAGMA synchronous is set to now */
    int wal_frames;       /* that no checkpoint has brought into the file */
    char *wal_path;
    char *snapshot_path;
    sqlite3 *snapshot; /* under way; NULL: none */
    sqlite3_backup *backup;
    int64_t snapshot_token;
    int64_t snapshot_us; /* of its last step, clock_real_us() */
};

static sqlite3 *handle_of(struct db *db) {
    return ((struct db_sqlite *)db)->handle;
}

static enum err_code code_of(int rc) {
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_STORE_BUSY;
    case SQLITE_FULL:
        return ERR_DISK_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_DAMAGED;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    default:
        return ERR_STORE;
    }
}

static bool fail(struct db *db, int rc, const char *what) {
    if (db->error.code == ERR_OK)
        err_set(&db->error, code_of(rc), "%s: %s", what, sqlite3_errmsg(handle_of(db)));
    return false;
}

/* Its file is worth something only when it was complete. */
static int end_snapshot(struct db_sqlite *s) {
    int rc = s->backup ? sqlite3_backup_finish(s->backup) : SQLITE_OK;
    sqlite3_close(s->snapshot);
    s->backup = NULL;
    s->snapshot = NULL;
    return rc;
}

static void engine_close(struct db *db) {
    struct db_sqlite *s = (struct db_sqlite *)db;
    end_snapshot(s);
    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++)
        sqlite3_finalize(db->statements[i].handle);
    sqlite3_close(s->handle);
    free(s->wal_path);
    free(s->snapshot_path);
    free(s);
}

static bool engine_reset(struct db *db, struct err *e) {
    (void)db;
    (void)e;
    return true;
}

/* "$3" is a named parameter to SQLite, numbered by first appearance: find its place by name. */
static int place_of(sqlite3_stmt *st, size_t i) {
    char name[24];
    snprintf(name, sizeof name, "$%zu", i + 1);
    int at = sqlite3_bind_parameter_index(st, name);
    BUG_ON(at == 0);
    return at;
}

static bool engine_prepare(struct db *db, struct db_statement *s, const struct db_value *values,
                           size_t count) {
    (void)values;
    struct buf sql = BUF_INIT(1 << 20);
    db_translate(DB_SQLITE, s->sql, &sql);
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v3(handle_of(db), sql.data, (int)sql.len, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (rc != SQLITE_OK)
        fail(db, rc, sql.data);
    else
        BUG_ON((size_t)sqlite3_bind_parameter_count(st) != count);
    buf_done(&sql);
    s->handle = st;
    s->in_order = rc == SQLITE_OK;
    for (size_t i = 0; i < count && s->in_order; i++)
        s->in_order = place_of(st, i) == (int)i + 1;
    return rc == SQLITE_OK;
}

static void bind(struct db_statement *s, const struct db_value *values, size_t count) {
    sqlite3_stmt *st = s->handle;
    for (size_t i = 0; i < count; i++) {
        int at = s->in_order ? (int)i + 1 : place_of(st, i);
        const struct db_value *v = &values[i];
        const char *p = v->bytes.ptr ? v->bytes.ptr : "";
        if (v->kind == DB_INT)
            sqlite3_bind_int64(st, at, v->number);
        else if (v->kind == DB_TEXT)
            sqlite3_bind_text(st, at, p, (int)v->bytes.len, SQLITE_STATIC);
        else if (v->kind == DB_BYTES)
            sqlite3_bind_blob(st, at, p, (int)v->bytes.len, SQLITE_STATIC);
        else
            sqlite3_bind_null(st, at);
    }
}

static void finish(struct db_statement *s) {
    sqlite3_reset(s->handle);
    sqlite3_clear_bindings(s->handle);
}

static int64_t engine_change(struct db *db, struct db_statement *s, const struct db_value *values,
                             size_t count) {
    bind(s, values, count);
    int rc;
    while ((rc = sqlite3_step(s->handle)) == SQLITE_ROW)
        ;
    if (rc != SQLITE_DONE)
        fail(db, rc, "store");
    finish(s);
    return rc == SQLITE_DONE ? sqlite3_changes64(handle_of(db)) : -1;
}

static void engine_run(struct db *db, struct db_statement *s, const struct db_value *values, size_t count) {
    engine_change(db, s, values, count);
}

static void engine_query(struct db *db, struct query *q, const struct db_value *values, size_t count) {
    (void)db;
    bind(q->statement, values, count);
}

static bool engine_row(struct query *q) {
    int rc = sqlite3_step(q->statement->handle);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        fail(q->db, rc, "store");
    return rc == SQLITE_ROW;
}

static void engine_done(struct query *q) {
    finish(q->statement);
}

static int64_t engine_get_int(const struct query *q, int column) {
    return sqlite3_column_int64(q->statement->handle, column);
}

static view engine_get_text(const struct query *q, int column) {
    const void *p = sqlite3_column_blob(q->statement->handle, column);
    return view_from(p, p ? (size_t)sqlite3_column_bytes(q->statement->handle, column) : 0);
}

static bool engine_is_null(const struct query *q, int column) {
    return sqlite3_column_type(q->statement->handle, column) == SQLITE_NULL;
}

static void engine_script(struct db *db, const char *sql) {
    int rc = sqlite3_exec(handle_of(db), sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        fail(db, rc, "schema");
}

static bool engine_control(struct db *db, const char *sql) {
    int rc = sqlite3_exec(handle_of(db), sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || fail(db, rc, sql);
}

static bool engine_begin(struct db *db, enum durability d) {
    struct db_sqlite *s = (struct db_sqlite *)db;
    if (d == DURABLE_READ)
        return engine_control(db, "BEGIN");
    if (!db->sync)
        d = DURABLE_SOON;
    if (d != s->mode) {
        const char *pragma = !db->sync           ? "PRAGMA synchronous=OFF"
                             : d == DURABLE_FULL ? "PRAGMA synchronous=FULL"
                                                 : "PRAGMA synchronous=NORMAL";
        if (!engine_control(db, pragma))
            return false;
        s->mode = d;
    }
    return engine_control(db, "BEGIN IMMEDIATE");
}

static const struct db_ops sqlite_ops = {
    .engine = DB_SQLITE,
    .close = engine_close,
    .reset = engine_reset,
    .prepare = engine_prepare,
    .run = engine_run,
    .change = engine_change,
    .query = engine_query,
    .row = engine_row,
    .done = engine_done,
    .get_int = engine_get_int,
    .get_text = engine_get_text,
    .is_null = engine_is_null,
    .script = engine_script,
    .begin = engine_begin,
    .control = engine_control,
};

/* WAL and locks are not reliable over a network (https://www.sqlite.org/wal.html, sqlite.org/faq.html#q5). */
static bool refuse_network_file_system(const char *path, struct err *e) {
    static const struct {
        long magic;
        const char *name;
    } remote[] = {{0x6969, "NFS"},        {0xff534d42, "CIFS"},   {0xfe534d42, "SMB2"},
                  {0x517b, "SMB"},        {0x5346414f, "AFS"},    {0x01021997, "9p"},
                  {0x00c36400, "CephFS"}, {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"}};
    char *dir = mem_str(path);
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    struct statfs fs;
    bool ok = statfs(slash ? dir : ".", &fs) == 0 ||
              err_errno(e, ERR_CONFIG, "cannot look at the file system of %s", path);
    for (size_t i = 0; ok && i < sizeof remote / sizeof remote[0]; i++)
        if ((unsigned long)fs.f_type == (unsigned long)remote[i].magic)
            ok = err_set(e, ERR_CONFIG,
                         "%s is on %s: SQLite is not safe on network file systems; use a local disk, or "
                         "store = postgresql://...",
                         path, remote[i].name);
    free(dir);
    return ok;
}

static int note_frames(void *ctx, sqlite3 *handle, const char *name, int frames) {
    struct db_sqlite *s = ctx;
    (void)handle;
    (void)name;
    s->wal_frames = frames;
    return SQLITE_OK;
}

/* Once, before SQLite starts: nobody asks for its statistics of memory, and they cost a lock per allocation.
 */
static const char *start_sqlite(void) {
    static const char *vfs;
    if (!vfs) {
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        vfs = wal_vfs();
    }
    return vfs;
}

struct db *db_open_sqlite(const char *path, bool sync, struct err *e) {
    if (!refuse_network_file_system(path, e))
        return NULL;
    struct db_sqlite *s = mem_alloc(sizeof *s);
    s->base.ops = &sqlite_ops;
    s->base.sync = sync;
    s->mode = DURABLE_READ;
    s->wal_path = mem_printf("%s-wal", path);
    s->snapshot_path = mem_printf("%s" DB_SNAPSHOT_SUFFIX, path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &s->handle, flags, start_sqlite()) == SQLITE_OK) {
        sqlite3_busy_timeout(s->handle, 2000);
        db_script(&s->base, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA foreign_keys=OFF;"
                            "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;"
                            "PRAGMA journal_size_limit=67108864; PRAGMA secure_delete=FAST;");
        sqlite3_wal_hook(s->handle, note_frames, s);
        if (!db_error(&s->base))
            return &s->base;
    }
    if (s->base.error.code == ERR_STORE_BUSY)
        err_set(e, ERR_STORE_BUSY, "%s is in use by another process", path);
    else
        err_set(e, ERR_STORE, "cannot open %s: %s", path, sqlite3_errmsg(s->handle));
    engine_close(&s->base);
    return NULL;
}

/* The log's own descriptor is SQLite's; another one on the same file flushes the same pages, and the file is
 * the same as long as the store is open. No lock is ever taken on it, so closing the descriptor gives none
 * up. */
bool db_sync_apart(struct db *db, int *ret_fd, struct err *e) {
    struct db_sqlite *s = (struct db_sqlite *)db;
    BUG_ON(db->ops != &sqlite_ops);
    *ret_fd = db->sync ? open(s->wal_path, O_RDONLY | O_CLOEXEC) : -1;
    if (db->sync && *ret_fd < 0)
        return err_errno(e, ERR_STORE, "cannot open %s", s->wal_path);
    db->sync_apart = true;
    return true;
}

int64_t db_wal_bytes(struct db *db) {
    return db->ops == &sqlite_ops ? (int64_t)((struct db_sqlite *)db)->wal_frames * PAGE_SIZE : 0;
}

/* Whoever wanted a snapshot has gone: every commit would go on to be written into it, too. */
static void drop_abandoned_snapshot(struct db_sqlite *s) {
    if (!s->backup || clock_real_us() - s->snapshot_us < SNAPSHOT_PATIENCE_US)
        return;
    end_snapshot(s);
    unlink(s->snapshot_path);
}

/* The log keeps its length and is written from its beginning again: a sync of octets in place costs less than
 * one of a file that grows. */
void db_checkpoint(struct db *db) {
    if (db->ops != &sqlite_ops)
        return;
    struct db_sqlite *s = (struct db_sqlite *)db;
    int frames = 0, done = 0;
    drop_abandoned_snapshot(s);
    if (sqlite3_wal_checkpoint_v2(s->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &done) == SQLITE_OK)
        s->wal_frames = frames - done;
}

/* The copy is written without a journal and without syncs: until it is complete it is worth nothing anyway.
 */
static bool begin_snapshot(struct db_sqlite *s, int64_t token) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    char *name = strrchr(s->snapshot_path, '/');
    end_snapshot(s);
    *name = '\0';
    mkdir(s->snapshot_path, 0700); /* whether there is a folder now is seen when the file is opened */
    *name = '/';
    unlink(s->snapshot_path);
    s->snapshot_token = token;
    return sqlite3_open_v2(s->snapshot_path, &s->snapshot, flags, NULL) == SQLITE_OK &&
           sqlite3_exec(s->snapshot, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;", NULL, NULL, NULL) ==
               SQLITE_OK &&
           (s->backup = sqlite3_backup_init(s->snapshot, "main", s->handle, "main")) != NULL;
}

static void fail_snapshot(struct db *db, int rc) {
    struct db_sqlite *s = (struct db_sqlite *)db;
    if (db->error.code == ERR_OK)
        err_set(&db->error, code_of(rc), "snapshot %s: %s", s->snapshot_path,
                s->snapshot ? sqlite3_errmsg(s->snapshot) : sqlite3_errstr(rc));
    end_snapshot(s);
    unlink(s->snapshot_path);
}

void db_snapshot_step(struct db *db, int64_t token, int64_t pages, int64_t *ret_left, int64_t *ret_total) {
    struct db_sqlite *s = (struct db_sqlite *)db;
    *ret_left = *ret_total = 0;
    if (db->ops != &sqlite_ops)
        return;
    if ((!s->backup || s->snapshot_token != token) && !begin_snapshot(s, token)) {
        fail_snapshot(db, s->snapshot ? sqlite3_errcode(s->snapshot) : SQLITE_CANTOPEN);
        return;
    }
    s->snapshot_us = clock_real_us();
    int rc = sqlite3_backup_step(s->backup, (int)pages);
    bool more = rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED;
    *ret_total = sqlite3_backup_pagecount(s->backup);
    *ret_left = more ? sqlite3_backup_remaining(s->backup) : 0;
    *ret_left = more && *ret_left == 0 ? 1 : *ret_left;
    if (rc == SQLITE_DONE)
        rc = end_snapshot(s);
    if (!more && rc != SQLITE_OK)
        fail_snapshot(db, rc);
}
