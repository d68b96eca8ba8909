/* snapshot_test.c: a snapshot is the store at one instant, whatever is committed or rolled back while it is
 * made; and a copy across engines has every row. */
#include "testing/store.h"

#include <stdio.h>

#include "base/mem.h"
#include "store/copy.h"
#include "store/schema.h"
#include "store/snapshot.h"

/* Tables and an expression that tells their contents from others. */
static const char *const contents[] = {
    "SELECT count(*) * 1000000 + coalesce(sum(size), 0) FROM message",
    "SELECT count(*) * 1000000 + coalesce(sum(length(bytes)), 0) FROM body",
    "SELECT count(*) * 1000000 + coalesce(sum(site * 31 + addr), 0) FROM member",
    "SELECT count(*) * 1000000 + coalesce(sum(id * 31 + length(text)), 0) FROM address",
    "SELECT count(*) * 1000000 + coalesce(sum(uid_last * 31 + feed_last), 0) FROM list",
    "SELECT count(*) FROM event",
    "SELECT count(*) * 1000 + sum(value) FROM instance",
};

/* Casts, because PostgreSQL sums up to numeric. */
static int64_t content(struct db *db, size_t i) {
    static char sql[COUNT(contents)][200]; /* a statement is known by its address */
    snprintf(sql[i], sizeof sql[i], "SELECT CAST((%s) AS BIGINT)", contents[i]);
    return db_number(db, -1, sql[i]);
}

static void assert_same_content(struct db *a, struct db *b) {
    for (size_t i = 0; i < COUNT(contents); i++) {
        int64_t x = content(a, i), y = content(b, i);
        check(x == y && x >= 0, "%s: %lld and %lld", contents[i], (long long)x, (long long)y);
    }
}

static void fill(struct unit_store *s) {
    make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, 3000, 50);
    accept_mail(s, "author@there.example", "a body\r\n", "news@here.example");
}

static struct db *open_snapshot(const char *path) {
    struct err e = {0};
    struct db *db = db_open_sqlite(path, false, &e);
    check(db, "%s", e.text);
    return db;
}

static void test_step__commits_meanwhile_go_in(struct unit_store *s) {
    if (s->engine != DB_SQLITE)
        return;
    fill(s);
    FREE_AUTO char *path = config_path(&s->config, "data/store.db" DB_SNAPSHOT_SUFFIX);
    int64_t left = 1, most = 0;
    for (int step = 0; left > 0; step++) {
        must(s, OP_SNAPSHOT, N(7), N(5));
        left = next_int(s);
        most = next_int(s);
        if (step % 3 == 0 && left > 0) {
            char body[20];
            snprintf(body, sizeof body, "body %d\r\n", step);
            accept_mail(s, "author@there.example", body, "news@here.example");
            add_member(s, "news@here.example", step % 2 ? "late@one.example" : "late@two.example");
        }
        check(step < 1000, "it does not come to an end");
    }
    check(most > 20, "%lld pages are too few to mean anything", (long long)most);
    struct db *copy = open_snapshot(path);
    assert_same_content(s->db, copy);
    db_close(&copy);
}

/* A rollback sends it back to its beginning, and another token makes another one. */
static void test_step__begun_anew(struct unit_store *s) {
    if (s->engine != DB_SQLITE)
        return;
    fill(s);
    FREE_AUTO char *path = config_path(&s->config, "data/store.db" DB_SNAPSHOT_SUFFIX);
    must(s, OP_SNAPSHOT, N(7), N(10));
    int64_t left = next_int(s), total = next_int(s);
    assert_int_equal(left, total - 10);
    refused(s, ERR_EXISTS, OP_LIST_CREATE, S("news@here.example"), S(""), S(""), S("public"), N(1));
    must(s, OP_SNAPSHOT, N(8), N(12));
    assert_int_equal(next_int(s), total - 12);
    must(s, OP_SNAPSHOT, N(8), N(100000));
    assert_int_equal(next_int(s), 0);
    struct db *copy = open_snapshot(path);
    assert_same_content(s->db, copy);
    db_close(&copy);
}

static void test_step__not_on_postgresql(struct unit_store *s) {
    if (s->engine != DB_POSTGRESQL)
        return;
    must(s, OP_SNAPSHOT, N(7), N(10));
    expect(s, N(0), N(0));
}

static void test_copy__has_every_row(struct unit_store *s) {
    if (s->engine != DB_POSTGRESQL)
        return;
    struct err e = {0};
    fill(s);
    make_list(s, "gone@here.example");
    must(s, OP_LIST_DELETE, S("gone@here.example"));
    char path[] = "/tmp/postroad-copy-XXXXXX";
    close(mkstemp(path));
    struct db *copy = open_snapshot(path);
    check(schema_migrate(copy, &e), "%s", e.text);
    check(store_copy(s->db, copy, NULL, NULL, &e), "%s", e.text);
    assert_same_content(s->db, copy);
    assert_int_equal(db_number(copy, 0, "SELECT seq FROM sqlite_sequence WHERE name = 'list'"), 2);
    db_close(&copy);
    unlink(path);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_step__commits_meanwhile_go_in),
        STORE_CASE(test_step__begun_anew),
        STORE_CASE(test_step__not_on_postgresql),
        STORE_CASE(test_copy__has_every_row),
    };
    return RUN_STORE_CASES("store/snapshot", cases);
}
