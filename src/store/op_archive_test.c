/* op_archive_test.c: the archive feed: every node reads every row in order, and a row stays until the last
 * one is past it. */
#include "testing/store.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "store/event.h"

/* A post that the list has taken, as it came. */
static int64_t take_post(struct unit_store *s, const char *body, int64_t list, const char *address) {
    int64_t message = route_mail(s, body, list, address);
    keep_edition(s, message, list);
    return message;
}

/* Reads up to `most` rows for a node; keeps the numbers of one list's rows. Returns how many rows there were.
 */
static size_t read_feed(struct unit_store *s, const char *node, int64_t list, int64_t most, int64_t *ret_n,
                        int64_t *ret_message) {
    must(s, OP_FEED_READ, S(node), N(most), N(0));
    size_t rows = 0, kept = 0;
    for (; vals_more(&s->results); rows++) {
        bool mine = next_int(s) == list;
        next_view(s), next_view(s);
        int64_t n = next_int(s);
        next_int(s), next_int(s);
        int64_t message = next_int(s);
        next_int(s);
        next_view(s), next_view(s);
        next_int(s);
        next_view(s), next_int(s);
        if (mine && ret_n) {
            ret_n[kept] = n;
            ret_message[kept++] = message;
        }
    }
    return rows;
}

static void test_join__twice_is_once(struct unit_store *s) {
    must(s, OP_ARCHIVE_JOIN, S("one"));
    int64_t since = number(s, "SELECT since FROM archive_node");
    must(s, OP_ARCHIVE_JOIN, S("one"));
    must(s, OP_ARCHIVE_JOIN, S("two"));
    assert_number(s, 2, "SELECT count(*) FROM archive_node");
    assert_number(s, since, "SELECT since FROM archive_node WHERE node = 'one'");
}

static void test_read__gives_all_about_a_post(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    must(s, OP_ARCHIVE_JOIN, S("one"));
    int64_t message = take_post(s, "body", list, NULL);
    must(s, OP_FEED_READ, S("one"), N(10), N(0));
    expect(s, N(list), S("news@here.example"), S("public"), N(1), N(1), N(0), N(message), N(1),
           S("author@there.example"), S("id@there.example"), N(4));
    assert_int_equal(next_view(s).len, 32);
    expect(s, N(0));
    expect_end(s);
    change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'deliver', 'crashed', 0)",
           N(message));
    must(s, OP_FEED_READ, S("one"), N(10), N(0));
    expect(s, N(list), S("news@here.example"), S("public"), N(1), N(1), N(0)); /* held from another role */
    change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'archived', 'crashed', 0)",
           N(message));
    must(s, OP_FEED_READ, S("one"), N(10), N(0));
    expect(s, N(list), S("news@here.example"), S("public"), N(1), N(1), N(1));
}

static void test_read__list_by_list_in_order(struct unit_store *s) {
    int64_t lists[2] = {make_list(s, "a@here.example"), make_list(s, "b@here.example")};
    for (int i = 0; i < 6; i++) {
        char body[8];
        snprintf(body, sizeof body, "%d", i);
        take_post(s, body, lists[1 - i % 2], NULL);
    }
    static const int want[] = {0, 0, 0, 1, 1, 1};
    must(s, OP_FEED_READ, S("one"), N(100), N(0));
    for (int i = 0; i < 6; i++) {
        expect(s, N(lists[want[i]]));
        next_view(s), next_view(s);
        expect(s, N(i % 3 + 1));
        for (int k = 0; k < 4; k++)
            next_int(s);
        next_view(s), next_view(s);
        next_int(s);
        next_view(s), next_int(s);
    }
    expect_end(s);
    assert_int_equal(read_feed(s, "one", 0, 4, NULL, NULL), 4);
    must(s, OP_FEED_READ, S("one"), N(100), N(lists[0])); /* go on behind the first list */
    expect(s, N(lists[1]));
}

static void test_done__moves_the_cursor_once(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), n[3], message[3];
    must(s, OP_ARCHIVE_JOIN, S("one"));
    for (int i = 0; i < 3; i++)
        take_post(s, i == 0 ? "1" : i == 1 ? "2" : "3", list, NULL);
    assert_int_equal(read_feed(s, "one", list, 10, n, message), 3);
    for (int again = 0; again < 3; again++) { /* a lost answer */
        must(s, OP_FEED_DONE, S("one"), N(list), N(2), N(n[0]), N(message[0]), S("2026-01:0"), N(n[1]),
             N(message[1]), S(""));
        expect_end(s);
    }
    assert_number(s, 1,
                  "SELECT count(*) FROM event WHERE kind = $1 AND list = $2 AND message = $3 AND host = 'one'"
                  " AND detail = '2026-01:0'",
                  N(EVENT_ARCHIVED), N(list), N(message[0]));
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1",
                  N(EVENT_ARCHIVED)); /* the second was passed over */
    assert_number(s, 1, "SELECT count(*) FROM feed");
    assert_int_equal(read_feed(s, "one", list, 10, n, message), 1);
    assert_int_equal(n[0], 3);
    must(s, OP_FEED_DONE, S("one"), N(list), N(1), N(1), N(message[0]), S("late")); /* never goes back */
    assert_number(s, 2, "SELECT cursor FROM follower");
    must(s, OP_FEED_DONE, S("one"), N(list), N(0)); /* nothing done */
    assert_number(s, 2, "SELECT cursor FROM follower");
}

static void test_done__a_row_waits_for_every_node(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), other = make_list(s, "other@here.example"), n[2],
            message[2];
    must(s, OP_ARCHIVE_JOIN, S("one"));
    must(s, OP_ARCHIVE_JOIN, S("two"));
    take_post(s, "1", list, NULL);
    take_post(s, "2", list, NULL);
    take_post(s, "3", other, NULL);
    assert_int_equal(read_feed(s, "one", list, 10, n, message), 3);
    must(s, OP_FEED_DONE, S("one"), N(list), N(2), N(n[0]), N(message[0]), S("x"), N(n[1]), N(message[1]),
         S("x"));
    assert_number(s, 3, "SELECT count(*) FROM feed");
    assert_int_equal(read_feed(s, "one", list, 10, NULL, NULL), 1);
    assert_int_equal(read_feed(s, "two", list, 10, n, message), 3);
    must(s, OP_FEED_DONE, S("two"), N(list), N(1), N(n[0]), N(message[0]), S("x"));
    assert_number(s, 1, "SELECT count(*) FROM feed WHERE list = $1", N(list));
    must(s, OP_FEED_DONE, S("two"), N(list), N(1), N(n[1]), N(message[1]), S("x"));
    assert_number(s, 0, "SELECT count(*) FROM feed WHERE list = $1", N(list));
    assert_number(s, 1, "SELECT count(*) FROM feed WHERE list = $1", N(other));
    assert_number(s, 4, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_ARCHIVED));
}

/* A node that joins later gets what is still there, and nothing is deleted in front of it. */
static void test_join__later(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), n[3], message[3];
    must(s, OP_ARCHIVE_JOIN, S("one"));
    take_post(s, "1", list, NULL);
    read_feed(s, "one", list, 10, n, message);
    must(s, OP_FEED_DONE, S("one"), N(list), N(1), N(n[0]), N(message[0]), S("x"));
    assert_number(s, 0, "SELECT count(*) FROM feed");
    must(s, OP_ARCHIVE_JOIN, S("two"));
    take_post(s, "2", list, NULL);
    read_feed(s, "one", list, 10, n, message);
    must(s, OP_FEED_DONE, S("one"), N(list), N(1), N(n[0]), N(message[0]), S("x"));
    assert_int_equal(read_feed(s, "two", list, 10, n, message), 1);
    assert_int_equal(n[0], 2);
}

/* Without any node the feed waits for the first. */
static void test_feed__without_nodes_stays(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), message = take_post(s, "1", list, NULL);
    must(s, OP_FEED_DONE, S("stranger"), N(list), N(1), N(1), N(message), S("x"));
    assert_number(s, 1, "SELECT count(*) FROM feed");
}

struct other_call {
    struct unit_store *s;
    struct buf args;
    enum err_code code;
};

static void *run_done(void *arg) {
    struct other_call *c = arg;
    c->code = unit_call_args(c->s, OP_FEED_DONE, &c->args);
    return NULL;
}

/* Both nodes are done at the same moment, and neither sees the other's cursor yet: the row goes all the same.
 */
static void test_done__by_two_nodes_at_once(struct unit_store *s) {
    if (s->engine == DB_SQLITE)
        return; /* one writer at a time */
    int64_t list = make_list(s, "news@here.example"), message = take_post(s, "1", list, NULL);
    must(s, OP_ARCHIVE_JOIN, S("one"));
    must(s, OP_ARCHIVE_JOIN, S("two"));
    int64_t pid = number(s, "SELECT pg_backend_pid()::bigint");
    struct db *other = unit_store_connect(s), *watch = unit_store_connect(s);
    struct buf args = BUF_INIT(1000), out = BUF_INIT(1000);
    struct arena arena;
    arena_init(&arena, LIMIT_STEP_ARENA);
    add_values(&args, S("one"), N(list), N(1), N(1), N(message), S("x"));
    struct op_run first = {
        .db = other, .in = vals_of(buf_view(&args)), .out = &out, .now_ms = clock_now_ms(), .arena = &arena};
    assert_true(db_begin(other, DURABLE_FULL));
    op_info(OP_FEED_DONE)->run(&first);
    assert_int_equal(db_number(other, 0, "SELECT cursor FROM follower"), 1);
    struct other_call second = {.s = s, .args = BUF_INIT(1000), .code = ERR_CODES};
    add_values(&second.args, S("two"), N(list), N(1), N(1), N(message), S("x"));
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run_done, &second), 0);
    while (db_number(watch, 0, "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted", DB_I(pid)) ==
               0 &&
           db_number(watch, 0, "SELECT count(*) FROM follower WHERE node = 'two'") == 0)
        assert_null(db_error(watch)); /* it waits, or is through */
    assert_true(db_commit(other));
    pthread_join(t, NULL);
    db_close(&other);
    db_close(&watch);
    buf_done(&args);
    buf_done(&out);
    arena_done(&arena);
    assert_int_equal(second.code, ERR_OK);
    assert_number(s, 0, "SELECT count(*) FROM feed");
}

/* A SHA-256 for tests: the digit over and over. */
static view sha(struct buf *room, char digit) {
    buf_reset(room);
    for (int i = 0; i < 32; i++)
        buf_add_char(room, digit);
    return buf_view(room);
}

static void test_posts__what_the_archive_must_have(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), n[2], message[2];
    must(s, OP_ARCHIVE_POSTS, S("nobody@here.example"), S("one"), N(0), N(10));
    expect(s, N(0), S(""), N(0), N(0));
    expect_end(s);
    must(s, OP_ARCHIVE_JOIN, S("one"));
    take_post(s, "1", list, NULL);
    take_post(s, "2", list, NULL);
    must(s, OP_ARCHIVE_POSTS, S("news@here.example"), S("one"), N(0), N(10));
    expect(s, N(list), S("public"), N(2), N(1), N(1));
    assert_int_equal(next_view(s).len, 32);
    expect(s, N(0), N(2));
    read_feed(s, "one", list, 10, n, message);
    must(s, OP_FEED_DONE, S("one"), N(list), N(1), N(n[0]), N(message[0]), S("x"));
    must(s, OP_ARCHIVE_POSTS, S("news@here.example"), S("one"), N(1), N(10));
    expect(s, N(list), S("public"), N(2), N(2), N(2)); /* the second is still to archive */
    next_view(s);
    expect(s, N(0));
    expect_end(s);
    change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'archived', 'crashed', 0)",
           N(message[1]));
    must(s, OP_FEED_DONE, S("one"), N(list), N(1), N(n[1]), N(message[1]), S(""));
    must(s, OP_ARCHIVE_POSTS, S("news@here.example"), S("one"), N(1), N(10));
    expect(s, N(list), S("public"), N(2), N(0), N(2));
    next_view(s);
    expect(s, N(1)); /* set aside */
}

static void test_record__again_is_nothing(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    struct buf a = BUF_INIT(32), b = BUF_INIT(32);
    for (int again = 0; again < 2; again++) {
        must(s, OP_ARCHIVE_RECORD, S("news@here.example"), N(9), N(2), N(1), V(sha(&a, '1')), S("one@x"),
             N(7), V(sha(&b, '2')), S("two@x"));
        expect(s, N(1), N(again ? 0 : 2));
        expect_end(s);
    }
    assert_number(s, 2, "SELECT count(*) FROM post WHERE list = $1", N(list));
    assert_number(s, 9, "SELECT uid_last FROM list");
    assert_number(s, 1, "SELECT count(*) FROM post WHERE uid = 7 AND msgid = 'two@x'");
    /* The same bytes under another UID are no second post. */
    must(s, OP_ARCHIVE_RECORD, S("news@here.example"), N(0), N(1), N(8), V(sha(&a, '1')), S("one@x"));
    expect(s, N(1), N(0));
    assert_number(s, 9, "SELECT uid_last FROM list"); /* never goes back */
    buf_done(&a);
    buf_done(&b);
}

static void test_record__other_bytes_stop_it(struct unit_store *s) {
    make_list(s, "news@here.example");
    struct buf a = BUF_INIT(32), b = BUF_INIT(32);
    must(s, OP_ARCHIVE_RECORD, S("news@here.example"), N(0), N(1), N(3), V(sha(&a, '1')), S("one@x"));
    refused(s, ERR_DAMAGED, OP_ARCHIVE_RECORD, S("news@here.example"), N(0), N(2), N(2), V(sha(&a, '4')),
            S("new@x"), N(3), V(sha(&b, '5')), S("one@x"));
    assert_number(s, 1, "SELECT count(*) FROM post"); /* nothing of the slice */
    assert_number(s, 3, "SELECT uid_last FROM list");
    buf_done(&a);
    buf_done(&b);
}

/* The files of a list that is not here: should it be made again, it goes on behind them. */
static void test_record__of_a_deleted_list(struct unit_store *s) {
    make_list(s, "news@here.example");
    struct buf a = BUF_INIT(32);
    must(s, OP_ARCHIVE_RECORD, S("old@here.example"), N(12), N(1), N(4), V(sha(&a, '1')), S("one@x"));
    expect(s, N(0), N(0));
    must(s, OP_ARCHIVE_RECORD, S("old@here.example"), N(11), N(0));
    assert_number(s, 12, "SELECT uid_last FROM list_past WHERE address = 'old@here.example'");
    assert_number(s, 0, "SELECT count(*) FROM post");
    int64_t list = make_list(s, "old@here.example");
    assert_number(s, 12, "SELECT uid_last FROM list WHERE id = $1", N(list));
    must(s, OP_ARCHIVE_POSTS, S("old@here.example"), S("one"), N(0), N(10));
    expect(s, N(list), S("public"), N(12), N(0));
    buf_done(&a);
}

static void test_record__the_feed_goes_on_behind_its_followers(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    change(s, "INSERT INTO follower(node, list, cursor) VALUES('one', $1, 17)", N(list));
    must(s, OP_ARCHIVE_RECORD, S("news@here.example"), N(5), N(0));
    assert_number(s, 17, "SELECT feed_last FROM list");
    change(s, "UPDATE list SET feed_last = 20");
    must(s, OP_ARCHIVE_RECORD, S("news@here.example"), N(5), N(0));
    assert_number(s, 20, "SELECT feed_last FROM list");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_join__twice_is_once),
        STORE_CASE(test_read__gives_all_about_a_post),
        STORE_CASE(test_read__list_by_list_in_order),
        STORE_CASE(test_done__moves_the_cursor_once),
        STORE_CASE(test_done__a_row_waits_for_every_node),
        STORE_CASE(test_join__later),
        STORE_CASE(test_feed__without_nodes_stays),
        STORE_CASE(test_done__by_two_nodes_at_once),
        STORE_CASE(test_posts__what_the_archive_must_have),
        STORE_CASE(test_record__again_is_nothing),
        STORE_CASE(test_record__other_bytes_stop_it),
        STORE_CASE(test_record__of_a_deleted_list),
        STORE_CASE(test_record__the_feed_goes_on_behind_its_followers),
    };
    return RUN_STORE_CASES("store/op_archive", cases);
}
