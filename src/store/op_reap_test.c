/* op_reap_test.c: the reaper walks the truth table of docs/states.md: a body goes when nothing refers to it
 * any more, and not before; events and orphans go by age. */
#include "testing/store.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "store/event.h"
#include "store/schema.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))

/* One pass from the beginning; returns how many bodies went. */
static int64_t reap(struct unit_store *s, int64_t keep_events) {
    int64_t cursor = 0, deleted = 0;
    do {
        must(s, OP_REAP, N(cursor), N(10), N(keep_events), N(1));
        int64_t next = next_int(s);
        check(next == 0 || next > cursor, "the cursor does not go on");
        cursor = next;
        deleted += next_int(s);
        expect_end(s);
    } while (cursor != 0);
    return deleted;
}

static bool has_body(struct unit_store *s, int64_t message) {
    int64_t pieces = number(s, "SELECT count(*) FROM body WHERE message = $1", N(message));
    int64_t live = number(s, "SELECT count(*) FROM message WHERE id = $1 AND gone = 0", N(message));
    check((pieces > 0) == (live > 0), "message.gone says what is true: %lld pieces, %lld", (long long)pieces,
          (long long)live);
    return pieces > 0;
}

/* Every kind of row that keeps a body, one by one. */
static void test_reap__a_body_stays_while_one_row_refers_to_it(struct unit_store *s) {
    static const struct {
        const char *what, *add, *remove;
    } rows[] = {
        {"inbox", "INSERT INTO inbox(message, owner, batch, until) VALUES($1, '', 0, 0)",
         "DELETE FROM inbox WHERE message = $1"},
        {"expansion",
         "INSERT INTO expansion(message, list, class, site, addr, made) VALUES($1, 1, 1, 0, 0, 0)",
         "DELETE FROM expansion WHERE message = $1"},
        {"delivery",
         "INSERT INTO delivery(dest, due, message, list, rcpt, tries, flags) VALUES(1, 1, $1, 0, 1, 0, 0)",
         "DELETE FROM delivery WHERE message = $1"},
        {"hold", "INSERT INTO hold(message, role, reason, since) VALUES($1, 'deliver', 'crashed', 0)",
         "DELETE FROM hold WHERE message = $1"},
        {"feed", "INSERT INTO feed(list, n, action, message, uid) VALUES(1, 1, 1, $1, 1)",
         "DELETE FROM feed WHERE message = $1"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
        change(s, "DELETE FROM inbox");
        change(s, rows[i].add, N(message));
        check(reap(s, DAY_MS) == 0 && has_body(s, message), "%s does not keep the body", rows[i].what);
        change(s, rows[i].remove, N(message));
        check(reap(s, DAY_MS) == 1 && !has_body(s, message), "%s is gone and the body is not", rows[i].what);
        check(reap(s, DAY_MS) == 0, "it goes once");
    }
}

/* Every combination of the five. */
static void test_reap__truth_table(struct unit_store *s) {
    int64_t ids[32];
    for (unsigned set = 0; set < COUNT(ids); set++) {
        int64_t m = ids[set] = accept_mail(s, "a@there.example", "body", "x@here.example");
        if (!(set & 1))
            change(s, "DELETE FROM inbox WHERE message = $1", N(m));
        if (set & 2)
            change(s,
                   "INSERT INTO expansion(message, list, class, site, addr, made) VALUES($1, 1, 1, 0, 0, 0)",
                   N(m));
        for (int rcpt = 1; set & 4 && rcpt < 4; rcpt++)
            change(s,
                   "INSERT INTO delivery(dest, due, message, list, rcpt, tries, flags) VALUES(1, 1, $1, 0, "
                   "$2, 0, 0)",
                   N(m), N(rcpt));
        if (set & 8)
            change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'router', 'crashed', 0)",
                   N(m));
        if (set & 16)
            change(s, "INSERT INTO feed(list, n, action, message, uid) VALUES(1, $2, 1, $1, 1)", N(m),
                   N(set));
    }
    assert_int_equal(reap(s, DAY_MS), 1);
    for (unsigned set = 0; set < COUNT(ids); set++)
        check(has_body(s, ids[set]) == (set != 0), "set %u", set);
}

/* The whole life of a post, looked at by the reaper at every step. */
static void test_reap__walks_with_a_post(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_member(s, "news@here.example", "m@one.example");
    must(s, OP_ARCHIVE_JOIN, S("archive"));
    int64_t message = route_mail(s, "post", list, NULL);
    assert_int_equal(reap(s, DAY_MS), 0); /* expanding */
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    int64_t dest = destination_of(s, "one.example");
    assert_int_equal(reap(s, DAY_MS), 0); /* delivering */
    must(s, OP_FETCH, N(dest), N(0), N(0), N(0), N(0), N(10));
    int64_t due = next_int(s);
    must(s, OP_RESULTS, N(1), N(dest), N(due), N(message), N(list), N(address_of(s, "m@one.example")), N(0),
         N(0), N(EVENT_DEFERRED), N(due + 100000), N(0), S(""), S("451"), N(0));
    assert_int_equal(reap(s, DAY_MS), 0); /* deferred */
    must(s, OP_RESULTS, N(1), N(dest), N(due + 100000), N(message), N(list),
         N(address_of(s, "m@one.example")), N(1), N(0), N(EVENT_DELIVERED), N(0), N(0), S(""), S("250"),
         N(0));
    assert_int_equal(reap(s, DAY_MS), 0); /* archiving */
    assert_true(has_body(s, message));
    must(s, OP_FEED_DONE, S("archive"), N(list), N(1), N(1), N(message), S("2026/01.mbox:0"));
    assert_int_equal(reap(s, DAY_MS), 1);
    assert_false(has_body(s, message));
    must(s, OP_TRACE, N(message), N(0), N(100)); /* what happened is still known */
    assert_true(vals_more(&s->results));
}

static void test_reap__all_pieces_go_and_only_this_messages(struct unit_store *s) {
    int64_t ids[2];
    for (int i = 0; i < 2; i++) {
        ids[i] = accept_mail(s, "a@there.example", "body", "x@here.example");
        for (int seq = 1; seq < 4; seq++)
            must(s, OP_BODY_STAGE, N(ids[i]), N(seq), S("piece"));
    }
    change(s, "INSERT INTO work(role, message, crashes, process) VALUES('router', $1, 1, 1)", N(ids[0]));
    change(s, "DELETE FROM inbox WHERE message = $1", N(ids[0]));
    assert_int_equal(reap(s, DAY_MS), 1);
    assert_number(s, 0, "SELECT count(*) FROM body WHERE message = $1", N(ids[0]));
    assert_number(s, 4, "SELECT count(*) FROM body WHERE message = $1", N(ids[1]));
    assert_number(s, 0, "SELECT count(*) FROM work");
}

static void test_reap__events_go_by_age(struct unit_store *s) {
    int64_t old = accept_mail(s, "a@there.example", "old", "x@here.example");
    change(s, "DELETE FROM inbox");
    int64_t waiting = accept_mail(s, "a@there.example", "still to do", "x@here.example");
    advance(2 * DAY_MS);
    int64_t young = accept_mail(s, "a@there.example", "young", "x@here.example");
    change(s, "DELETE FROM inbox WHERE message = $1", N(young));
    reap(s, 3 * DAY_MS);
    assert_number(s, 3, "SELECT count(*) FROM message");
    reap(s, DAY_MS);
    assert_number(s, 0,
                  "SELECT (SELECT count(*) FROM message WHERE id = $1) + (SELECT count(*) FROM event WHERE "
                  "message = $1)",
                  N(old));
    assert_number(s, 1, "SELECT count(*) FROM event WHERE message = $1", N(young));
    assert_number(s, 1, "SELECT count(*) FROM event WHERE message = $1",
                  N(waiting)); /* what is not done is not forgotten */
    assert_true(has_body(s, waiting));
}

static void test_reap__orphans_go_by_age(struct unit_store *s) {
    int64_t orphan = id_new();
    must(s, OP_BODY_STAGE, N(orphan), N(0), S("piece"));
    must(s, OP_BODY_STAGE, N(orphan), N(1), S("piece"));
    reap(s, DAY_MS);
    assert_number(s, 2, "SELECT count(*) FROM body");
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    advance(STORE_ORPHAN_MS + 60000);
    int64_t fresh = id_new(); /* its client is still sending */
    must(s, OP_BODY_STAGE, N(fresh), N(0), S("piece"));
    must(s, OP_REAP, N(0), N(10), N(DAY_MS), N(0)); /* not asked for */
    assert_number(s, 2, "SELECT count(*) FROM body WHERE message = $1", N(orphan));
    reap(s, DAY_MS);
    assert_number(s, 0, "SELECT count(*) FROM body WHERE message = $1", N(orphan));
    assert_number(s, 1, "SELECT count(*) FROM body WHERE message = $1", N(fresh));
    assert_true(has_body(s, message));
}

static void test_reap__pages_over_many(struct unit_store *s) {
    enum { MANY = 35 };
    for (int i = 0; i < MANY; i++)
        accept_mail(s, "a@there.example", "body", "x@here.example");
    assert_int_equal(reap(s, DAY_MS), 0);
    change(s,
           "DELETE FROM inbox WHERE message IN (SELECT message FROM inbox ORDER BY message DESC LIMIT 20)");
    assert_int_equal(reap(s, DAY_MS), 20);
    change(s, "DELETE FROM inbox");
    assert_int_equal(reap(s, DAY_MS), MANY - 20);
    assert_number(s, 0, "SELECT count(*) FROM body");
}

/* A caller's strange numbers do no harm. */
static void test_reap__odd_arguments(struct unit_store *s) {
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    static const int64_t odd[] = {0, -1, INT64_MIN, INT64_MAX, 1000000};
    for (size_t i = 0; i < COUNT(odd); i++) {
        must(s, OP_REAP, N(0), N(odd[i]), N(DAY_MS), N(1));
        expect(s, N(0), N(0));
    }
    assert_true(has_body(s, message));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_reap__a_body_stays_while_one_row_refers_to_it),
        STORE_CASE(test_reap__truth_table),
        STORE_CASE(test_reap__walks_with_a_post),
        STORE_CASE(test_reap__all_pieces_go_and_only_this_messages),
        STORE_CASE(test_reap__events_go_by_age),
        STORE_CASE(test_reap__orphans_go_by_age),
        STORE_CASE(test_reap__pages_over_many),
        STORE_CASE(test_reap__odd_arguments),
    };
    return RUN_STORE_CASES("store/op_reap", cases);
}
