/* snapshot.c: the store to a file and back. With SQLite whoever has the store open writes the file, in steps
 * of the operation SNAPSHOT; with PostgreSQL it is written here, row by row (copy.h). */
#include "store/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/copy.h"
#include "store/schema.h"
#include "store/store_private.h"

enum { STEP_PAGES = 256 /* 1 MB */, COPY_BYTES = 1 << 20, MODE = 0600 };

static bool sync_file(const char *path, struct err *e) {
    CLOSE_AUTO int fd = open(path, O_RDONLY | O_CLOEXEC);
    return (fd >= 0 && fsync(fd) == 0) || err_errno(e, ERR_IO, "cannot sync %s", path);
}

static bool copy_bytes(int from, int to, const char *path, struct err *e) {
    struct buf piece = BUF_INIT(COPY_BYTES);
    bool ok = true;
    for (ssize_t n = 1; ok && n > 0;) {
        buf_reset(&piece);
        n = read(from, buf_reserve(&piece, COPY_BYTES), COPY_BYTES);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            ok = err_errno(e, ERR_IO, "cannot read for %s", path);
        else
            ok = file_write_all(to, view_from(piece.data, (size_t)n), e) || err_prefix(e, "%s", path);
    }
    buf_done(&piece);
    return ok;
}

static bool copy_file(const char *from, const char *to, struct err *e) {
    CLOSE_AUTO int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s", from);
    CLOSE_AUTO int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    if (out < 0)
        return err_errno(e, errno == EEXIST ? ERR_EXISTS : ERR_IO, "cannot make %s", to);
    return copy_bytes(in, out, to, e);
}

/* Into the backup, which may be on another file system. */
static bool move_file(const char *from, const char *to, struct err *e) {
    if (rename(from, to) == 0)
        return true;
    bool ok =
        errno == EXDEV ? copy_file(from, to, e) : err_errno(e, ERR_IO, "cannot rename %s to %s", from, to);
    unlink(from);
    return ok;
}

/* -- SQLite: by steps of whoever has it open */

static bool take_steps(struct store *s, snapshot_progress progress, void *ctx, struct err *e) {
    int64_t token = id_new(), pages = STEP_PAGES, left = INT64_MAX;
    struct store_request r;
    bool ok = true;
    store_request_init(&r, OP_SNAPSHOT);
    while (ok && left > 0) {
        buf_reset(&r.args);
        vals_int(&r.args, token);
        vals_int(&r.args, pages);
        ok = store_call(s, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        int64_t now = ok ? vals_get_int(&v) : 0, total = ok ? vals_get_int(&v) : 0;
        /* It was sent back to its beginning: with longer steps it comes to an end before that happens again.
         */
        if (now > left && pages < INT_MAX / 2)
            pages *= 2;
        left = now;
        if (ok && progress)
            progress(total - left, total, ctx);
    }
    store_request_done(&r);
    return ok;
}

static bool snapshot_sqlite(const struct config *c, const char *path, snapshot_progress progress, void *ctx,
                            struct err *e) {
    FREE_AUTO char *made = config_path(c, "data/store.db" DB_SNAPSHOT_SUFFIX);
    struct store *s = store_open(c, R_CLI, 1, e);
    if (!s)
        return false;
    bool ok = take_steps(s, progress, ctx, e);
    store_close(&s);
    return ok && move_file(made, path, e);
}

/* -- PostgreSQL: row by row */

static bool snapshot_postgresql(const struct config *c, const char *path, snapshot_progress progress,
                                void *ctx, struct err *e) {
    struct db *from = store_open_db(c, e), *to = from ? db_open_sqlite(path, false, e) : NULL;
    bool ok = to && schema_migrate(to, e);
    if (ok && schema_version(from) != SCHEMA_VERSION)
        ok = err_set(e, ERR_CONFIG, "the store has another schema than this release: run migrate first");
    ok = ok && store_copy(from, to, progress, ctx, e);
    db_close(&from);
    db_close(&to);
    return ok;
}

/* One file without a log beside it. */
static bool close_file(const char *path, struct err *e) {
    struct db *db = db_open_sqlite(path, false, e);
    if (!db)
        return false;
    db_checkpoint(db);
    db_script(db, "PRAGMA journal_mode=DELETE");
    bool ok = !db_error(db);
    if (!ok)
        *e = *db_error(db);
    db_close(&db);
    return ok && sync_file(path, e);
}

bool store_snapshot(const struct config *c, const char *path, snapshot_progress progress, void *ctx,
                    struct err *e) {
    if (file_exists(path))
        return err_set(e, ERR_EXISTS, "%s is there already", path);
    bool ok = store_is_postgresql(c) ? snapshot_postgresql(c, path, progress, ctx, e)
                                     : snapshot_sqlite(c, path, progress, ctx, e);
    return ok && close_file(path, e);
}

bool store_snapshot_lists(const char *path, const char *node, snapshot_list_visit visit, void *ctx,
                          struct err *e) {
    struct db *db = db_open_sqlite(path, false, e);
    struct query q;
    if (!db)
        return false;
    bool ok = true;
    db_query(
        db, &q,
        "SELECT address, archive, uid_last, feed_last, (SELECT min(f.uid) FROM feed f WHERE f.list = list.id"
        " AND f.n > coalesce((SELECT cursor FROM follower w WHERE w.list = list.id AND w.node = $1), 0))"
        " FROM list ORDER BY address",
        DB_T(view_of(node)));
    while (ok && query_row(&q)) {
        struct snapshot_list l = {.address = query_text(&q, 0),
                                  .archive = query_text(&q, 1),
                                  .uid_last = query_int(&q, 2),
                                  .feed_last = query_int(&q, 3),
                                  .pending_uid = query_int(&q, 4)};
        ok = visit(&l, ctx, e);
    }
    query_done(&q);
    if (ok && db_error(db)) {
        *e = *db_error(db);
        ok = false;
    }
    db_script(db, "PRAGMA journal_mode=DELETE");
    db_close(&db);
    return ok;
}

/* -- restoring */

static bool freeze(struct db *db, struct err *e) {
    if (db_begin(db, DURABLE_FULL)) {
        db_run(db, "INSERT INTO instance(name, value) VALUES('frozen', 1) ON CONFLICT(name) DO UPDATE SET "
                   "value = 1");
        if (!db_commit(db))
            db_rollback(db);
    }
    if (db_error(db))
        *e = *db_error(db);
    return !db_error(db);
}

/* A schema that was left half filled would look like a store. */
static void drop_schema(const struct config *c) {
    struct db *db = store_open_db(c, NULL);
    if (db)
        db_script(db, "DROP SCHEMA postroad CASCADE");
    db_close(&db);
}

static bool is_empty(const struct config *c, struct err *e) {
    struct db *db = store_open_db(c, e);
    if (!db)
        return false;
    int64_t version = schema_version(db);
    bool ok = !db_error(db);
    if (!ok)
        *e = *db_error(db);
    db_close(&db);
    return ok &&
           (version == 0 || err_set(e, ERR_EXISTS,
                                    "the database of the setting store has a store already: name an empty "
                                    "one with --store"));
}

static bool fill_postgresql(const struct config *c, struct db *from, snapshot_progress progress, void *ctx,
                            struct err *e) {
    if (!is_empty(c, e) || !store_prepare(c, e))
        return false;
    struct db *to = store_open_db(c, e);
    bool ok = to && store_copy(from, to, progress, ctx, e) && freeze(to, e);
    db_close(&to);
    if (!ok)
        drop_schema(c);
    return ok;
}

bool store_restore(const struct config *c, const char *path, snapshot_progress progress, void *ctx,
                   struct err *e) {
    FREE_AUTO char *file = config_path(c, "data/store.db");
    if (!copy_file(path, file, e))
        return false;
    struct db *db = db_open_sqlite(file, true, e);
    bool ok = db && schema_migrate(db, e);
    if (ok && store_is_postgresql(c))
        ok = fill_postgresql(c, db, progress, ctx, e);
    else
        ok = ok && freeze(db, e);
    if (db)
        db_checkpoint(db);
    db_close(&db);
    if (!ok || store_is_postgresql(c))
        unlink(file);
    return ok && (store_is_postgresql(c) || sync_file(file, e));
}
