/* wal_vfs_test.c: what has been committed is in the files, whatever was written again on the way, and a
 * commit that could not be written is none. The files are looked at as a killed process leaves them: copied
 * while they are open. */
#include "testing/unit.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/file.h"
#include "store/db.h"

static struct db *open_db(const char *path) {
    struct err e;
    struct db *db = db_open_sqlite(path, true, &e);
    check(db != NULL, "%s", e.text);
    return db;
}

static struct db *make_db(void) {
    struct db *db = open_db("store.db");
    db_script(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB)");
    return db;
}

static void copy_file(const char *from, const char *to) {
    struct buf b = BUF_INIT(64 << 20);
    struct err e;
    check(file_read(from, &b, &e) && file_replace(to, buf_view(&b), 0600, &e), "%s", e.text);
    buf_done(&b);
}

static int64_t ask(struct db *db, const char *sql) {
    check(db_begin(db, DURABLE_READ), "begin");
    int64_t n = db_number_values(db, -1, sql, DB_ARGS());
    check(db_commit(db), "commit");
    return n;
}

/* The same question to the files as they are now. */
static int64_t ask_files(const char *sql) {
    copy_file("store.db", "copy.db");
    copy_file("store.db-wal", "copy.db-wal");
    struct db *db = open_db("copy.db");
    assert_int_equal(ask(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
    int64_t n = ask(db, sql);
    db_close(&db);
    return n;
}

static void add_rows(struct db *db, int count) {
    for (int i = 0; i < count; i++)
        db_run(db, "INSERT INTO t(b) VALUES(zeroblob(3000))");
}

static bool add_committed(struct db *db, int count, enum durability d) {
    check(db_begin(db, d), "begin");
    add_rows(db, count);
    bool done = db_commit(db);
    if (!done)
        db_rollback(db);
    return done;
}

/* Calls that wrote, of this process (proc(5), syscw). */
static long writes_so_far(void) {
    FILE *f = fopen("/proc/self/io", "r");
    char line[100];
    long n = -1;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "syscw: %ld", &n) == 1)
            break;
    if (f)
        fclose(f);
    return n;
}

static void test_commit__is_in_the_files(void **state) {
    (void)state;
    static const enum durability ways[] = {DURABLE_SOON, DURABLE_FULL};
    struct db *db = make_db();
    for (int i = 1; i <= 15; i++) {
        assert_true(add_committed(db, i, ways[i % 2]));
        assert_int_equal(ask_files("SELECT count(*) FROM t"), i * (i + 1) / 2);
    }
    db_close(&db);
}

/* Pages that do not fit into the cache are in the log before the commit; changed again they are written where
 * they were, and the sums of all frames behind them anew. */
static void test_commit__of_pages_written_again(void **state) {
    (void)state;
    struct db *db = make_db();
    db_script(db, "PRAGMA cache_size=10");
    assert_true(add_committed(db, 300, DURABLE_SOON));
    check(db_begin(db, DURABLE_SOON), "begin");
    for (int round = 1; round <= 3; round++)
        for (int i = 1; i <= 300; i += round)
            db_run(db, "UPDATE t SET b = zeroblob($1) WHERE id = $2", DB_I(2990 + round), DB_I(i));
    for (int i = 0; i < 200;
         i++) /* more pages than the cache holds, and fewer than the buffer: read from it */
        db_run(db, "UPDATE t SET b = zeroblob($1) WHERE id = $2", DB_I(2000 + i), DB_I(i % 20 + 1));
    assert_true(db_commit(db));
    assert_int_equal(ask_files("SELECT sum(length(b)) FROM t"), ask(db, "SELECT sum(length(b)) FROM t"));
    db_close(&db);
}

static void test_checkpoint__the_log_begins_again(void **state) {
    (void)state;
    struct db *db = make_db();
    for (int i = 1; i <= 5; i++) {
        assert_true(add_committed(db, 50, DURABLE_SOON));
        assert_true(db_wal_bytes(db) > 50 * 3000 && db_wal_bytes(db) < 100 * 3000);
        assert_int_equal(ask_files("SELECT count(*) FROM t"), 50 * i);
        db_checkpoint(db);
        assert_int_equal(db_wal_bytes(db), 0);
        assert_int_equal(ask_files("SELECT count(*) FROM t"), 50 * i);
    }
    db_close(&db);
}

static void test_commit__that_has_no_room_is_none(void **state) {
    (void)state;
    struct db *db = make_db();
    struct rlimit before, small = {.rlim_cur = 300 << 10};
    assert_true(add_committed(db, 10, DURABLE_SOON));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    assert_false(add_committed(db, 200, DURABLE_SOON));
    assert_false(add_committed(db, 200, DURABLE_FULL));
    assert_true(add_committed(db, 1, DURABLE_SOON));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(ask_files("SELECT count(*) FROM t"), 11);
    assert_true(add_committed(db, 200, DURABLE_SOON));
    assert_int_equal(ask_files("SELECT count(*) FROM t"), 211);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 211);
    db_close(&db);
}

static void test_commit__takes_few_writes(void **state) {
    (void)state;
    struct db *db = make_db();
    assert_true(add_committed(db, 100, DURABLE_SOON));
    long before = writes_so_far();
    assert_true(add_committed(db, 100, DURABLE_SOON));
    long writes = writes_so_far() - before;
    check(before >= 0 && writes > 0 && writes <= 6, "%ld writes for some 100 pages", writes);
    db_close(&db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commit__is_in_the_files, unit_enter_folder, unit_leave_folder),
        cmocka_unit_test_setup_teardown(test_commit__of_pages_written_again, unit_enter_folder,
                                        unit_leave_folder),
        cmocka_unit_test_setup_teardown(test_checkpoint__the_log_begins_again, unit_enter_folder,
                                        unit_leave_folder),
        cmocka_unit_test_setup_teardown(test_commit__that_has_no_room_is_none, unit_enter_folder,
                                        unit_leave_folder),
        cmocka_unit_test_setup_teardown(test_commit__takes_few_writes, unit_enter_folder, unit_leave_folder),
    };
    return cmocka_run_group_tests_name("store/wal_vfs", tests, NULL, NULL);
}
