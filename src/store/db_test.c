/* db_test.c: what operations may rely on whatever the engine: values come back as they were given, an error
 * sticks until the transaction is rolled back, and a lost connection costs a rerun and no more. */
#include "testing/store.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/db_private.h"

#define IS(s, e) ((s)->engine == (e))

static void make_table(struct unit_store *s) {
    if (IS(s, DB_POSTGRESQL))
        db_script(s->db, "CREATE SCHEMA postroad");
    db_script(s->db, "CREATE TABLE t(id {int} PRIMARY KEY, n {int}, t {text}, b {bytes})");
    check(!db_error(s->db), "%s", db_error(s->db)->text);
}

static void begin(struct unit_store *s, enum durability d) {
    check(db_begin(s->db, d), "begin: %s", db_error(s->db) ? db_error(s->db)->text : "");
}

static void commit(struct unit_store *s) {
    check(db_commit(s->db), "commit: %s", db_error(s->db) ? db_error(s->db)->text : "");
}

/* The failure that is there now has this code; it is rolled back. */
static void roll_back(struct unit_store *s, enum err_code want) {
    const struct err *e = db_error(s->db);
    check(e && e->code == want, "%s, expected %s", e ? e->text : "no error", err_info(want)->name);
    db_rollback(s->db);
    check(db_error(s->db) && db_error(s->db)->code == want, "the error is there after the rollback too");
}

static void test_translate__tokens(struct unit_store *s) {
    static const struct {
        const char *sql, *sqlite, *postgresql;
    } rows[] = {
        {"", "", ""},
        {"SELECT 1", "SELECT 1", "SELECT 1"},
        {"a {int}, b {bytes}", "a INTEGER, b BLOB", "a BIGINT, b BYTEA"},
        {"{text}", "TEXT", "TEXT COLLATE \"C\""},
        {"x(y){rowless};", "x(y)WITHOUT ROWID;", "x(y);"},
        {"S {skip locked} {for update}", "S  ", "S FOR UPDATE SKIP LOCKED FOR UPDATE"},
        {"{unknown} {int", "{unknown} {int", "{unknown} {int"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(1000);
        db_translate(s->engine, rows[i].sql, &out);
        assert_view(buf_view(&out), IS(s, DB_SQLITE) ? rows[i].sqlite : rows[i].postgresql);
        buf_done(&out);
    }
}

static void test_values__come_back_as_they_were(struct unit_store *s) {
    static const int64_t numbers[] = {0,   1,      -1,        127,       128,       255,
                                      256, -32769, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    static const view bytes[] = {OCTETS(""), OCTETS("a"), OCTETS("\0"), OCTETS("a\0b\xff\xfe\r\n")};
    make_table(s);
    begin(s, DURABLE_SOON);
    for (size_t i = 0; i < COUNT(numbers); i++)
        db_run(s->db, "INSERT INTO t(id, n, t, b) VALUES($1, $2, $3, $4)", DB_I(i), DB_I(numbers[i]),
               DB_T(VIEW("gr\xc3\xbc\xc3\x9f")), DB_B(bytes[i % COUNT(bytes)]));
    commit(s);
    begin(s, DURABLE_READ);
    struct query q;
    size_t i = 0;
    for (db_query(s->db, &q, "SELECT n, t, b FROM t ORDER BY id"); query_row(&q); i++) {
        check(query_int(&q, 0) == numbers[i], "row %zu: %lld", i, (long long)query_int(&q, 0));
        assert_view(query_text(&q, 1), "gr\xc3\xbc\xc3\x9f");
        check(view_eq(query_text(&q, 2), bytes[i % COUNT(bytes)]), "row %zu: bytes", i);
        assert_false(query_is_null(&q, 2));
    }
    assert_int_equal(i, COUNT(numbers));
    commit(s);
}

static void test_values__null_is_not_empty(struct unit_store *s) {
    make_table(s);
    struct db_value null = {.kind = DB_NULL};
    begin(s, DURABLE_SOON);
    db_run(s->db, "INSERT INTO t(id, t, b) VALUES($1, $2, $3)", DB_I(1), null, DB_B(VIEW_NULL));
    struct query q;
    db_query(s->db, &q, "SELECT n, t, b, id FROM t");
    assert_true(query_row(&q));
    assert_true(query_is_null(&q, 0) && query_is_null(&q, 1) && !query_is_null(&q, 2));
    assert_int_equal(query_text(&q, 1).len, 0);
    assert_int_equal(query_int(&q, 3), 1);
    assert_false(query_row(&q));
    assert_false(query_row(&q)); /* and asking again is no harm */
    assert_int_equal(db_number(s->db, 7, "SELECT n FROM t"), 7);
    assert_int_equal(db_number(s->db, 7, "SELECT id FROM t WHERE id = 99"), 7);
    commit(s);
}

static void test_texts__what_is_no_utf8_becomes_a_question_mark(struct unit_store *s) {
    static const struct {
        view given, kept;
    } rows[] = {
        {OCTETS("plain"), OCTETS("plain")},
        {OCTETS("\xff"), OCTETS("?")},
        {OCTETS("a\0b"), OCTETS("a?b")},
        {OCTETS("caf\xe9 au lait"), OCTETS("caf? au lait")},
        {OCTETS("\xc3\xa9\xe9\xc3\xa9"), OCTETS("\xc3\xa9?\xc3\xa9")},
        {OCTETS("cut \xe2\x82"), OCTETS("cut ??")},
        {OCTETS("overlong \xc0\xaf"), OCTETS("overlong ??")},
        {OCTETS("surrogate \xed\xa0\x80."), OCTETS("surrogate ???.")},
        {OCTETS("\xf0\x9f\x93\xac\x80"), OCTETS("\xf0\x9f\x93\xac?")},
        {OCTETS("too high \xf5\x80\x80\x80"), OCTETS("too high ????")},
    };
    make_table(s);
    for (size_t i = 0; i < COUNT(rows); i++) {
        begin(s, DURABLE_SOON);
        db_run(s->db, "INSERT INTO t(id, t, b) VALUES($1, $2, $3)", DB_I(i), DB_T(rows[i].given),
               DB_B(rows[i].given));
        struct query q;
        db_query(s->db, &q, "SELECT t, b FROM t WHERE id = $1", DB_I(i));
        check(query_row(&q), "row %zu: %s", i, db_error(s->db) ? db_error(s->db)->text : "not there");
        check(view_eq(query_text(&q, 0), rows[i].kept), "row %zu: \"%.*s\"", i, VIEW_ARG(query_text(&q, 0)));
        check(view_eq(query_text(&q, 1), rows[i].given), "row %zu: bytes are never changed", i);
        query_done(&q);
        /* It is found again under the octets it was given. */
        assert_int_equal(
            db_number(s->db, -1, "SELECT id FROM t WHERE t = $1 AND id = $2", DB_T(rows[i].given), DB_I(i)),
            i);
        commit(s);
    }
}

static void test_texts__one_too_large_to_be_cleaned_is_an_error(struct unit_store *s) {
    make_table(s);
    size_t size = LIMIT_STEP_ARENA + 1;
    FREE_AUTO char *bad = mem_alloc(size);
    memset(bad, 0xff, size);
    begin(s, DURABLE_SOON);
    db_run(s->db, "INSERT INTO t(id, t) VALUES(1, $1)", DB_T(view_from(bad, size)));
    assert_int_equal(db_change(s->db, "INSERT INTO t(id, n) VALUES(2, 0)"), -1);
    roll_back(s, ERR_LIMIT);
    assert_number(s, 0, "SELECT count(*) FROM t");
}

static void test_change__counts_rows(struct unit_store *s) {
    make_table(s);
    begin(s, DURABLE_SOON);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            db_change(s->db, "INSERT INTO t(id, n) VALUES($1, 0) ON CONFLICT DO NOTHING", DB_I(i)), 1);
    assert_int_equal(db_change(s->db, "INSERT INTO t(id, n) VALUES($1, 0) ON CONFLICT DO NOTHING", DB_I(0)),
                     0);
    assert_int_equal(db_change(s->db, "UPDATE t SET n = 1 WHERE id > $1", DB_I(1)), 3);
    assert_int_equal(db_change(s->db, "DELETE FROM t WHERE id > 100"), 0);
    assert_int_equal(db_change(s->db, "DELETE FROM t"), 5);
    commit(s);
}

static void test_query__several_at_once_and_left_early(struct unit_store *s) {
    make_table(s);
    begin(s, DURABLE_SOON);
    for (int i = 0; i < 4; i++)
        db_run(s->db, "INSERT INTO t(id, n) VALUES($1, $2)", DB_I(i), DB_I(i * i));
    struct query outer, inner;
    int64_t sum = 0;
    db_query(s->db, &outer, "SELECT id FROM t ORDER BY id");
    while (query_row(&outer)) {
        db_query(s->db, &inner, "SELECT n FROM t WHERE id <= $1 ORDER BY id DESC",
                 DB_I(query_int(&outer, 0)));
        assert_true(query_row(&inner));
        sum += query_int(&inner, 0);
        query_done(&inner); /* rows are left over */
        query_done(&inner); /* twice is no harm */
    }
    assert_int_equal(sum, 0 + 1 + 4 + 9);
    commit(s);
}

static void test_error__sticks_until_rolled_back(struct unit_store *s) {
    make_table(s);
    begin(s, DURABLE_SOON);
    db_run(s->db, "INSERT INTO t(id, n) VALUES(1, 1)");
    assert_int_equal(db_change(s->db, "INSERT INTO t(id, n) VALUES(1, 2)"), -1);
    db_run(s->db, "INSERT INTO t(id, n) VALUES(3, 3)");
    assert_int_equal(db_change(s->db, "UPDATE t SET n = 9"), -1);
    assert_int_equal(db_number(s->db, 7, "SELECT count(*) FROM t"), 7);
    struct query q;
    db_query(s->db, &q, "SELECT id FROM t");
    assert_false(query_row(&q));
    db_set_error(s->db, ERR_LIMIT, "a later one is not kept");
    assert_false(db_commit(s->db));
    roll_back(s, ERR_CONFLICT);
    assert_number(s, 0, "SELECT count(*) FROM t");
}

static void test_error__codes(struct unit_store *s) {
    make_table(s);
    begin(s, DURABLE_SOON);
    db_change(s->db, "INSERT INTO t(id, n) VALUES(NULL, 1), (1, 1), (1, 2)");
    roll_back(s, ERR_CONFLICT);
    begin(s, DURABLE_SOON);
    db_change(s->db, "INSERT INTO no_such_table(id) VALUES(1)");
    roll_back(s, ERR_STORE);
    check(strlen(db_error(s->db)->text) > 10 && !strchr(db_error(s->db)->text, '\n'),
          "one line that says what");
    begin(s, DURABLE_SOON);
    db_set_error(s->db, ERR_DISK_FULL, "as if");
    roll_back(s, ERR_DISK_FULL);
    begin(s, DURABLE_SOON);
    db_script(s->db, "CREATE TABLE u(");
    roll_back(s, ERR_STORE);
    begin(s, DURABLE_READ);
    commit(s);
}

/* A statement that was sent and not waited for fails: at the latest the commit says so. */
static void test_error__of_a_statement_not_waited_for(struct unit_store *s) {
    make_table(s);
    begin(s, DURABLE_SOON);
    for (int i = 0; i < 10; i++)
        db_run(s->db, "INSERT INTO t(id, n) VALUES($1, 1)", DB_I(i % 9));
    assert_false(db_commit(s->db));
    roll_back(s, ERR_CONFLICT);
    assert_number(s, 0, "SELECT count(*) FROM t");
}

/* The same, and nobody ever asked: the rollback ends the transaction all the same. */
static void test_rollback__with_a_failure_not_yet_seen(struct unit_store *s) {
    make_table(s);
    begin(s, DURABLE_SOON);
    db_run(s->db, "INSERT INTO t(id, n) VALUES(1, 1)");
    db_run(s->db, "INSERT INTO t(id, n) VALUES(1, 1)");
    db_rollback(s->db);
    begin(s, DURABLE_SOON);
    assert_int_equal(db_change(s->db, "INSERT INTO t(id, n) VALUES(2, 2)"), 1);
    commit(s);
    assert_number(s, 2, "SELECT CAST(sum(id) AS {int}) FROM t");
}

static void test_rollback__takes_everything_back(struct unit_store *s) {
    make_table(s);
    change(s, "INSERT INTO t(id, n) VALUES(1, 1)");
    begin(s, DURABLE_FULL);
    db_run(s->db, "DELETE FROM t");
    db_run(s->db, "INSERT INTO t(id, n) VALUES(2, 2)");
    db_rollback(s->db);
    db_rollback(s->db); /* nothing under way: nothing happens */
    assert_number(s, 1, "SELECT CAST(sum(id) AS {int}) FROM t");
}

/* Statements are found again by the address of their text. */
static void test_statements__are_prepared_once(struct unit_store *s) {
    make_table(s);
    static const char sql[] = "INSERT INTO t(id, n) VALUES($1, $2)";
    begin(s, DURABLE_SOON);
    size_t before = s->db->statement_count;
    for (int i = 0; i < 20; i++)
        db_run(s->db, sql, DB_I(i), DB_I(i));
    assert_int_equal(s->db->statement_count, before + 1);
    commit(s);
    if (IS(s, DB_POSTGRESQL))
        assert_number(
            s, 1, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO t(id, n)%'");
}

static void test_statements__one_that_cannot_be_prepared_is_tried_again(struct unit_store *s) {
    make_table(s);
    static const char sql[] = "INSERT INTO later(id) VALUES($1)";
    begin(s, DURABLE_SOON);
    db_run(s->db, sql, DB_I(1));
    roll_back(s, ERR_STORE);
    begin(s, DURABLE_SOON);
    db_script(s->db, "CREATE TABLE later(id {int})");
    assert_int_equal(db_change(s->db, sql, DB_I(1)), 1);
    commit(s);
}

static void test_statements__parameters_in_any_order_and_twice(struct unit_store *s) {
    make_table(s);
    begin(s, DURABLE_SOON);
    db_run(s->db, "INSERT INTO t(t, n, id) VALUES($3, $2, $1)", DB_I(1), DB_I(2), DB_T(VIEW("three")));
    db_run(s->db, "INSERT INTO t(id, n, t) VALUES($2, $2, $1)", DB_T(VIEW("twice")), DB_I(5));
    assert_int_equal(db_number(s->db, 0, "SELECT n FROM t WHERE t = 'three' AND id = 1"), 2);
    assert_int_equal(db_number(s->db, 0, "SELECT n FROM t WHERE t = 'twice' AND id = 5"), 5);
    commit(s);
}

/* Far more than are sent before their results are read. */
static void test_pipeline__hundreds_of_statements_in_one_transaction(struct unit_store *s) {
    make_table(s);
    begin(s, DURABLE_SOON);
    for (int i = 0; i < 700; i++) {
        db_run(s->db, "INSERT INTO t(id, n) VALUES($1, $2)", DB_I(i), DB_I(1));
        if (i % 100 == 99)
            assert_int_equal(db_number(s->db, -1, "SELECT count(*) FROM t"), i + 1);
    }
    commit(s);
    assert_number(s, 700, "SELECT count(*) FROM t");
}

static void test_pipeline__large_bytes(struct unit_store *s) {
    make_table(s);
    enum { MANY = 12 };
    FREE_AUTO char *bytes = mem_alloc(LIMIT_BODY_CHUNK);
    begin(s, DURABLE_SOON);
    for (int i = 0; i < MANY; i++) {
        for (size_t k = 0; k < LIMIT_BODY_CHUNK; k++)
            bytes[k] = (char)(k * 31 + (size_t)i);
        db_run(s->db, "INSERT INTO t(id, b) VALUES($1, $2)", DB_I(i),
               DB_B(view_from(bytes, LIMIT_BODY_CHUNK)));
    }
    commit(s);
    begin(s, DURABLE_READ);
    struct query q;
    int i = 0;
    for (db_query(s->db, &q, "SELECT b FROM t ORDER BY id"); query_row(&q); i++) {
        view got = query_text(&q, 0);
        assert_int_equal(got.len, LIMIT_BODY_CHUNK);
        for (size_t k = 0; k < got.len; k++)
            check(got.ptr[k] == (char)(k * 31 + (size_t)i), "piece %d differs at %zu", i, k);
    }
    assert_int_equal(i, MANY);
    commit(s);
}

/* FULL and SOON are what the engine was told (DESIGN 1.1). */
static void test_begin__sets_durability(struct unit_store *s) {
    static const struct {
        enum durability d;
        const char *postgresql;
        int64_t sqlite;
    } rows[] = {
        {DURABLE_SOON, "off", 1}, {DURABLE_FULL, "on", 2}, {DURABLE_SOON, "off", 1}, {DURABLE_FULL, "on", 2}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        begin(s, rows[i].d);
        struct query q;
        db_query(s->db, &q, IS(s, DB_SQLITE) ? "PRAGMA synchronous" : "SHOW synchronous_commit");
        assert_true(query_row(&q));
        if (IS(s, DB_SQLITE))
            check(query_int(&q, 0) == rows[i].sqlite, "row %zu: %lld", i, (long long)query_int(&q, 0));
        else
            check(view_eq(query_text(&q, 0), view_of(rows[i].postgresql)), "row %zu: %.*s", i,
                  VIEW_ARG(query_text(&q, 0)));
        query_done(&q);
        commit(s);
    }
}

static void test_begin__without_sync_nothing_is_durable(struct unit_store *s) {
    struct err e = {0};
    db_close(&s->db);
    FREE_AUTO char *path = config_path(&s->config, "data/store.db");
    s->db =
        IS(s, DB_SQLITE) ? db_open_sqlite(path, false, &e) : db_open_postgresql(s->config.store, false, &e);
    check(s->db != NULL, "%s", e.text);
    begin(s, DURABLE_FULL);
    struct query q;
    db_query(s->db, &q, IS(s, DB_SQLITE) ? "PRAGMA synchronous" : "SHOW synchronous_commit");
    assert_true(query_row(&q));
    if (IS(s, DB_SQLITE))
        assert_int_equal(query_int(&q, 0), 0);
    else
        assert_view(query_text(&q, 0), "off");
    query_done(&q);
    commit(s);
}

/* What another commits meanwhile belongs to the next one (SQLite has no other). */
static void test_begin__a_read_sees_one_moment(struct unit_store *s) {
    if (IS(s, DB_SQLITE))
        return;
    make_table(s);
    struct db *other = unit_store_connect(s);
    begin(s, DURABLE_READ);
    assert_int_equal(db_number(s->db, -1, "SELECT count(*) FROM t"), 0);
    assert_true(db_begin(other, DURABLE_SOON));
    db_run(other, "INSERT INTO t(id) VALUES(1)");
    assert_true(db_commit(other));
    assert_int_equal(db_number(s->db, -1, "SELECT count(*) FROM t"), 0);
    commit(s);
    assert_number(s, 1, "SELECT count(*) FROM t");
    begin(s, DURABLE_READ);
    db_run(s->db, "INSERT INTO t(id) VALUES(2)");
    assert_false(db_commit(s->db));
    assert_non_null(db_error(s->db));
    db_rollback(s->db);
    db_close(&other);
}

static void test_wal__grows_and_is_checkpointed(struct unit_store *s) {
    make_table(s);
    begin(s, DURABLE_SOON);
    for (int i = 0; i < 200; i++)
        db_run(s->db, "INSERT INTO t(id, t) VALUES($1, $2)", DB_I(i),
               DB_T(VIEW("some text that takes room")));
    commit(s);
    if (IS(s, DB_SQLITE))
        assert_true(db_wal_bytes(s->db) > 4096);
    db_checkpoint(s->db);
    assert_int_equal(db_wal_bytes(s->db), 0);
    assert_number(s, 200, "SELECT count(*) FROM t");
}

/* -- opening */

static void test_open__what_cannot_be_opened_says_why(struct unit_store *s) {
    struct err e = {0};
    if (IS(s, DB_POSTGRESQL)) {
        assert_null(db_open_postgresql("postgresql:///nothing?host=/nonexistent", true, &e));
        assert_int_equal(e.code, ERR_STORE);
        check(strstr(e.text, "cannot connect") && !strchr(e.text, '\n'), "%s", e.text);
        return;
    }
    assert_null(db_open_sqlite("data/no/such/folder.db", true, &e));
    assert_true(e.code == ERR_CONFIG || e.code == ERR_STORE);
    FREE_AUTO char *path = config_path(&s->config, "data/store.db");
    assert_null(db_open_sqlite(path, true, &e));
    check(e.code == ERR_STORE_BUSY && strstr(e.text, "in use by another process"), "%s", e.text);
    int fd = open("data/text.db", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    for (int i = 0; i < 200; i++)
        assert_int_equal(write(fd, "this is no database\n", 20), 20);
    close(fd);
    assert_null(db_open_sqlite("data/text.db", true, &e));
    check(e.code == ERR_STORE, "%s", e.text);
}

static void test_open__sqlite_keeps_what_was_committed(struct unit_store *s) {
    make_table(s);
    change(s, "INSERT INTO t(id, n) VALUES(1, 42)");
    db_close(&s->db);
    struct err e = {0};
    FREE_AUTO char *path = config_path(&s->config, "data/store.db");
    s->db = IS(s, DB_SQLITE) ? db_open_sqlite(path, true, &e) : db_open_postgresql(s->config.store, true, &e);
    check(s->db != NULL, "%s", e.text);
    assert_number(s, 42, "SELECT n FROM t");
}

/* DESIGN 1.1: a server with fsync=off is refused. */
static void test_open__refuses_a_postgresql_without_fsync(struct unit_store *s) {
    if (IS(s, DB_SQLITE))
        return;
    struct err e = {0};
    struct db *db = NULL;
    db_script(s->db, "ALTER SYSTEM SET fsync = off");
    db_script(s->db, "SELECT pg_reload_conf()");
    for (int64_t end = clock_real_us() + 20000000; clock_real_us() < end; db_close(&db))
        if (!(db = db_open_postgresql(s->config.store, true, &e)))
            break; /* the server has read its settings */
    struct db *unsafe = db_open_postgresql(s->config.store, false, NULL);
    db_script(s->db, "ALTER SYSTEM RESET fsync");
    db_script(s->db, "SELECT pg_reload_conf()");
    check(!db_error(s->db), "%s", db_error(s->db)->text);
    check(!db && e.code == ERR_CONFIG && strstr(e.text, "fsync=off"), "%s", e.text);
    check(unsafe != NULL, "without sync it is taken: the test of power cuts needs that");
    db_close(&unsafe);
    for (int64_t end = clock_real_us() + 20000000; !db && clock_real_us() < end;)
        db = db_open_postgresql(s->config.store, true, &e);
    check(db != NULL, "%s", e.text);
    db_close(&db);
}

/* -- a connection that goes away */

/* End the store's connection from another one and wait until it is gone. */
static void cut(struct unit_store *s, int64_t pid) {
    struct db *other = unit_store_connect(s);
    assert_int_equal(db_number(other, 0, "SELECT count(pg_terminate_backend($1::int))", DB_I(pid)), 1);
    while (db_number(other, -1, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", DB_I(pid)) != 0)
        assert_null(db_error(other));
    db_close(&other);
}

static int64_t backend(struct unit_store *s) {
    return number(s, "SELECT pg_backend_pid()::bigint");
}

static void test_cut__in_a_transaction_means_run_it_again(struct unit_store *s) {
    if (IS(s, DB_SQLITE))
        return;
    make_table(s);
    int64_t pid = backend(s);
    begin(s, DURABLE_SOON);
    assert_int_equal(db_change(s->db, "INSERT INTO t(id, n) VALUES(1, 1)"), 1);
    cut(s, pid);
    assert_int_equal(db_change(s->db, "INSERT INTO t(id, n) VALUES(2, 2)"), -1);
    roll_back(s, ERR_STORE_BUSY);
    struct err e = {0};
    check(db_reset(s->db, &e), "%s", e.text);
    assert_null(db_error(s->db));
    begin(s, DURABLE_SOON);
    assert_int_equal(db_change(s->db, "INSERT INTO t(id, n) VALUES(2, 2)"), 1);
    commit(s);
    assert_number(s, 2, "SELECT CAST(sum(id) AS {int}) FROM t");
}

/* Statements are under way that nobody has waited for. */
static void test_cut__with_a_full_pipeline(struct unit_store *s) {
    if (IS(s, DB_SQLITE))
        return;
    make_table(s);
    for (int sent = 0; sent < 70; sent += 23) {
        int64_t pid = backend(s);
        begin(s, DURABLE_SOON);
        for (int i = 0; i < sent; i++)
            db_run(s->db, "INSERT INTO t(id, n) VALUES($1, 0)", DB_I(i));
        cut(s, pid);
        for (int i = sent; i < 200; i++)
            db_run(s->db, "INSERT INTO t(id, n) VALUES($1, 0)", DB_I(i));
        check(!db_commit(s->db), "%d sent", sent);
        roll_back(s, ERR_STORE_BUSY);
        struct err e = {0};
        check(db_reset(s->db, &e), "%s", e.text);
        assert_number(s, 0, "SELECT count(*) FROM t");
    }
}

static void test_cut__between_transactions_is_noticed_at_begin_or_later(struct unit_store *s) {
    if (IS(s, DB_SQLITE))
        return;
    make_table(s);
    cut(s, backend(s));
    bool ok = db_begin(s->db, DURABLE_SOON) && db_change(s->db, "INSERT INTO t(id, n) VALUES(1, 1)") == 1 &&
              db_commit(s->db);
    assert_false(ok);
    roll_back(s, ERR_STORE_BUSY);
    struct err e = {0};
    check(db_reset(s->db, &e), "%s", e.text);
    change(s, "INSERT INTO t(id, n) VALUES(1, 1)");
}

/* The role that was taken on stays taken on behind a new connection. */
static void test_take_role__survives_a_cut(struct unit_store *s) {
    struct err e = {0};
    assert_true(db_take_role(s->db, NULL, &e));
    if (IS(s, DB_SQLITE)) {
        assert_true(db_take_role(s->db, "unit", &e));
        return;
    }
    make_table(s);
    db_script(s->db, "DROP ROLE IF EXISTS postroad_unit; CREATE ROLE postroad_unit NOLOGIN;"
                     "GRANT USAGE ON SCHEMA postroad TO postroad_unit");
    check(!db_error(s->db) && db_take_role(s->db, "unit", &e), "%s", e.text);
    for (int i = 0; i < 2; i++) {
        assert_number(s, 1, "SELECT (current_user = 'postroad_unit')::int");
        begin(s, DURABLE_SOON);
        db_change(s->db, "INSERT INTO t(id, n) VALUES(1, 1)");
        roll_back(s, ERR_STORE_DENIED);
        int64_t pid = backend(s);
        cut(s, pid);
        assert_false(db_begin(s->db, DURABLE_READ) && db_number(s->db, 0, "SELECT 1") == 1);
        roll_back(s, ERR_STORE_BUSY);
        check(db_reset(s->db, &e), "%s", e.text);
        assert_true(backend(s) != pid);
    }
    assert_true(db_take_role(s->db, "no_such_role", &e)); /* an instance whose user may not make roles */
    assert_number(s, 0, "SELECT (current_user = 'postroad_unit')::int");
    db_script(s->db, "DROP OWNED BY postroad_unit; DROP ROLE postroad_unit");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        EMPTY_STORE_CASE(test_translate__tokens),
        EMPTY_STORE_CASE(test_values__come_back_as_they_were),
        EMPTY_STORE_CASE(test_values__null_is_not_empty),
        EMPTY_STORE_CASE(test_texts__what_is_no_utf8_becomes_a_question_mark),
        EMPTY_STORE_CASE(test_texts__one_too_large_to_be_cleaned_is_an_error),
        EMPTY_STORE_CASE(test_change__counts_rows),
        EMPTY_STORE_CASE(test_query__several_at_once_and_left_early),
        EMPTY_STORE_CASE(test_error__sticks_until_rolled_back),
        EMPTY_STORE_CASE(test_error__codes),
        EMPTY_STORE_CASE(test_error__of_a_statement_not_waited_for),
        EMPTY_STORE_CASE(test_rollback__with_a_failure_not_yet_seen),
        EMPTY_STORE_CASE(test_rollback__takes_everything_back),
        EMPTY_STORE_CASE(test_statements__are_prepared_once),
        EMPTY_STORE_CASE(test_statements__one_that_cannot_be_prepared_is_tried_again),
        EMPTY_STORE_CASE(test_statements__parameters_in_any_order_and_twice),
        EMPTY_STORE_CASE(test_pipeline__hundreds_of_statements_in_one_transaction),
        EMPTY_STORE_CASE(test_pipeline__large_bytes),
        EMPTY_STORE_CASE(test_begin__sets_durability),
        EMPTY_STORE_CASE(test_begin__without_sync_nothing_is_durable),
        EMPTY_STORE_CASE(test_begin__a_read_sees_one_moment),
        EMPTY_STORE_CASE(test_wal__grows_and_is_checkpointed),
        EMPTY_STORE_CASE(test_open__what_cannot_be_opened_says_why),
        EMPTY_STORE_CASE(test_open__sqlite_keeps_what_was_committed),
        EMPTY_STORE_CASE(test_open__refuses_a_postgresql_without_fsync),
        EMPTY_STORE_CASE(test_cut__in_a_transaction_means_run_it_again),
        EMPTY_STORE_CASE(test_cut__with_a_full_pipeline),
        EMPTY_STORE_CASE(test_cut__between_transactions_is_noticed_at_begin_or_later),
        EMPTY_STORE_CASE(test_take_role__survives_a_cut),
    };
    return RUN_STORE_CASES("store/db", cases);
}
