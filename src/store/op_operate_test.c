/* op_operate_test.c: what people do to the queue. */
#include "testing/store.h"

#include "base/clock.h"
#include "store/class.h"
#include "store/event.h"

#define COUNT_EVENTS "SELECT count(*) FROM event WHERE message = $1 AND kind = $2"

/* What deliver would be given of the destination. */
static void expect_rows(struct unit_store *s, int64_t dest, int rows) {
    must(s, OP_FETCH, N(dest), N(0), N(0), N(0), N(0), N(100));
    int n = 0;
    for (; vals_more(&s->results); n++) {
        for (int i = 0; i < 6; i++)
            next_int(s);
        for (int i = 0; i < 4; i++)
            next_view(s);
    }
    assert_int_equal(n, rows);
}

static void test_hold__of_a_message_that_is_not_routed(struct unit_store *s) {
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    must(s, OP_QUEUE_HOLD, N(message), S("by ada: spam?"));
    expect(s, N(1));
    assert_number(s, 0, "SELECT count(*) FROM inbox");
    assert_number(s, 1, "SELECT count(*) FROM hold WHERE role = 'router' AND reason = 'by ada: spam?'");
    assert_number(s, 1, COUNT_EVENTS, N(message), N(EVENT_HELD));
    must(s, OP_REAP, N(0), N(10), N(1000000), N(0));
    assert_number(s, 1, "SELECT count(*) FROM body"); /* waits for people */
    must(s, OP_QUEUE_RELEASE, N(message), S("by ada"));
    expect(s, N(1));
    assert_number(s, 1, "SELECT count(*) FROM inbox");
    assert_number(s, 0, "SELECT count(*) FROM hold");
    assert_number(s, 1, COUNT_EVENTS, N(message), N(EVENT_RELEASED));
    must(s, OP_QUEUE_RELEASE, N(message), S("by ada"));
    expect(s, N(0));
    assert_number(s, 1, COUNT_EVENTS, N(message), N(EVENT_RELEASED));
}

static void test_hold__keeps_rows_from_deliver_and_release_wakes_it(struct unit_store *s) {
    int64_t message = route_mail(s, "1", 0, "x@one.example"), dest = destination_of(s, "one.example");
    must(s, OP_QUEUE_HOLD, N(message), S("by ada"));
    expect(s, N(1));
    must(s, OP_QUEUE_HOLD, N(message), S("by bo")); /* again: the first reason stays */
    expect_rows(s, dest, 0);
    must(s, OP_LEASE, S("n"), N(5), N(10), N(60000));
    must(s, OP_RELEASE, N(dest), N(5), N(0), N(0), S(""));
    assert_number(s, 1, "SELECT count(*) FROM destination WHERE due > $1", N(clock_now_ms() + 1000));
    must(s, OP_QUEUE_RELEASE, N(message), S("by ada"));
    expect_rows(s, dest, 1);
    assert_number(s, 0, "SELECT count(*) FROM destination WHERE due > $1", N(clock_now_ms()));
}

static void test_hold__nothing_left(struct unit_store *s) {
    int64_t message = route_mail(s, "1", 0, "x@one.example");
    change(s, "DELETE FROM delivery");
    must(s, OP_QUEUE_HOLD, N(message), S("by ada"));
    expect(s, N(0));
    must(s, OP_QUEUE_HOLD, N(message + 1), S("by ada"));
    expect(s, N(0));
    assert_number(s, 0, "SELECT count(*) FROM hold");
}

/* What two deaths set aside is taken up again, with two more tries. */
static void test_release__of_what_crashed(struct unit_store *s) {
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    must(s, OP_CRASHED, S("router"), N(message), N(1));
    must(s, OP_CRASHED, S("router"), N(message), N(2));
    expect(s, N(2), N(1));
    must(s, OP_QUEUE_RELEASE, N(message), S("by ada"));
    expect(s, N(1));
    assert_number(s, 1, "SELECT count(*) FROM inbox");
    must(s, OP_CRASHED, S("router"), N(message), N(3));
    expect(s, N(1), N(0));
}

/* An archive node has passed it over: it is in the feed once more, with the UID it had. */
static void test_release__of_a_post_the_archive_passed_over(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), message = route_mail(s, "1", list, NULL);
    change(s, "UPDATE message SET sha256 = (SELECT sha256 FROM post)");
    change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'archived', 'crashed', 0)",
           N(message));
    must(s, OP_QUEUE_RELEASE, N(message), S("by ada")); /* not passed over yet: its row is still there */
    assert_number(s, 1, "SELECT count(*) FROM feed");
    change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'archived', 'crashed', 0)",
           N(message));
    must(s, OP_ARCHIVE_JOIN, S("node1"));
    must(s, OP_FEED_DONE, S("node1"), N(list), N(1), N(1), N(message), S(""));
    assert_number(s, 0, "SELECT count(*) FROM feed");
    must(s, OP_QUEUE_RELEASE, N(message), S("by ada"));
    assert_number(
        s, 1, "SELECT count(*) FROM feed f JOIN post p ON p.list = f.list AND p.uid = f.uid WHERE f.n = 2");
}

static void test_retry__rows_and_destination_are_due_now(struct unit_store *s) {
    int64_t message = route_mail(s, "1", 0, "x@one.example"), other = route_mail(s, "2", 0, "x@two.example");
    int64_t later = clock_now_ms() + 300000, one = destination_of(s, "one.example");
    change(s, "UPDATE delivery SET due = $1", N(later));
    change(s, "UPDATE destination SET due = $1, tries = 5, error = 'refused'", N(later));
    must(s, OP_QUEUE_RETRY, N(message), S("by ada"), S("two.example"), N(-1), S(""));
    expect(s, N(0), N(1), N(0)); /* nothing of it goes there */
    must(s, OP_QUEUE_RETRY, N(message), S("by ada"), S(""), N(-1), S(""));
    expect(s, N(1), N(1), N(1));
    expect_rows(s, one, 1);
    assert_number(s, 1, "SELECT count(*) FROM destination WHERE id = $1 AND due < $2 AND tries = 0", N(one),
                  N(later));
    assert_number(s, 1, "SELECT count(*) FROM destination WHERE id <> $1 AND due = $2 AND tries = 5", N(one),
                  N(later));
    assert_number(s, 1, "SELECT count(*) FROM delivery WHERE message = $1 AND due = $2", N(other), N(later));
    assert_number(s, 1, COUNT_EVENTS, N(message), N(EVENT_RETRIED));
    must(s, OP_QUEUE_RETRY, N(message), S("by ada"), S(""), N(-1), S(""));
    expect(s, N(0), N(1), N(1)); /* again: it is due already */
}

static void test_retry__in_slices(struct unit_store *s) {
    enum { MANY = 1200 };
    int64_t list = make_list(s, "news@here.example"), rows = 0;
    add_members(s, "news@here.example", 0, MANY, 3);
    int64_t message = route_mail(s, "1", list, NULL);
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    change(s, "UPDATE delivery SET due = $1", N(clock_now_ms() + 300000));
    int slices = 0;
    for (bool done = false; !done; slices++) {
        must(s, OP_QUEUE_RETRY, N(message), S("by ada"), S(""), N(-1), S("news@here.example"));
        rows += next_int(s);
        done = next_int(s) != 0;
    }
    assert_int_equal(slices, 3);
    assert_int_equal(rows, MANY);
    assert_number(s, 1, COUNT_EVENTS, N(message), N(EVENT_RETRIED));
}

static void test_stop__what_is_not_routed(struct unit_store *s) {
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    must(s, OP_TRACE_ACCEPTED, N(message));
    expect(s, S("x@here.example"), N(0), S(""));
    expect_end(s);
    must(s, OP_QUEUE_STOP, N(message), N(EVENT_DELETED), S("by ada"), S("news@here.example"), N(0));
    expect(s, N(0), N(0)); /* one list only: it is not known yet what goes there */
    must(s, OP_QUEUE_STOP, N(message), N(EVENT_DELETED), S("by ada"), S(""), N(0));
    expect(s, N(1), N(0));
    assert_number(s, 0, "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM recipient)");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND detail = $3",
                  N(message), N(EVENT_DELETED), S("<x@here.example> by ada"));
    must(s, OP_REAP, N(0), N(10), N(1000000), N(0));
    assert_number(s, 0, "SELECT count(*) FROM body");
}

static void test_stop__what_is_held_and_an_expansion(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), message = route_mail(s, "1", list, NULL);
    int64_t held = accept_mail(s, "a@there.example", "body", "x@here.example");
    must(s, OP_QUEUE_HOLD, N(held), S("by ada"));
    must(s, OP_QUEUE_STOP, N(held), N(EVENT_DELETED), S("by ada"), S(""), N(0));
    expect(s, N(1), N(0));
    keep_edition(s, message, list);
    must(s, OP_QUEUE_HOLD, N(message), S("by ada"));
    must(s, OP_QUEUE_STOP, N(message), N(EVENT_DELETED), S("by ada"), S(""), N(0));
    expect(s, N(0), N(1));
    assert_number(s, 0, "SELECT (SELECT count(*) FROM hold) + (SELECT count(*) FROM expansion)");
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE)); /* router comes too late */
    expect(s, N(0), N(1));
}

/* Arguments of ACCEPT of a notification. */
#define NOTICE                                                                                               \
    S(""), S("dsn"), N(1), S("sha"), S(""), S("notice-about=1"), N(4), S(""), S("x"), N(1),                  \
        S("a@there.example"), N(0), S("")

static void test_drop__rows_that_are_there(struct unit_store *s) {
    int64_t message = route_mail(s, "1", 0, "x@one.example"), dest = destination_of(s, "one.example");
    int64_t rcpt = address_of(s, "x@one.example");
    int64_t due = number(s, "SELECT due FROM delivery");
    must(s, OP_QUEUE_HOLD, N(message), S("by ada"));
    must(s, OP_QUEUE_DROP, N(message), N(EVENT_DELETED), S("by ada"), N(1), N(dest), N(due + 1), N(0),
         N(rcpt), N(0));
    expect(s, N(0));
    refused(s, ERR_CONFLICT, OP_QUEUE_DROP, N(message), N(EVENT_BOUNCED), S("by ada"), N(2), N(dest), N(due),
            N(0), N(rcpt), N(dest), N(due + 1), N(0), N(rcpt), N(1), N(message + 1000), NOTICE);
    assert_number(s, 1, "SELECT count(*) FROM delivery");
    assert_number(s, 1, "SELECT count(*) FROM hold");
    must(s, OP_QUEUE_DROP, N(message), N(EVENT_BOUNCED), S("by ada"), N(1), N(dest), N(due), N(0), N(rcpt),
         N(1), N(message + 1000), NOTICE);
    expect(s, N(1));
    assert_number(s, 0, "SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM hold)");
    assert_number(s, 1, COUNT_EVENTS, N(message), N(EVENT_BOUNCED));
    assert_number(s, 1, "SELECT count(*) FROM inbox WHERE message = $1", N(message + 1000));
    /* What deliver had on the wire: its result changes nothing more. */
    must(s, OP_RESULTS, N(1), N(dest), N(due), N(message), N(0), N(rcpt), N(0), N(0), N(EVENT_DELIVERED),
         N(0), N(0), S("mx"), S("250 ok"), N(0));
    assert_number(s, 0, COUNT_EVENTS, N(message), N(EVENT_DELIVERED));
}

static void test_freeze__everything_and_a_site(struct unit_store *s) {
    must(s, OP_QUEUE_FROZEN);
    expect_end(s);
    must(s, OP_QUEUE_FREEZE, S(""), N(1), S("by ada"));
    expect(s, N(1));
    must(s, OP_QUEUE_FREEZE, S(""), N(1), S("by bo"));
    expect(s, N(0));
    must(s, OP_LEASE, S("n"), N(5), N(10), N(60000));
    expect(s, N(1));
    must(s, OP_QUEUE_FREEZE, S("one.example"), N(1), S("by cy")); /* before its first mail */
    must(s, OP_QUEUE_FROZEN);
    expect(s, S(""), S("by ada"));
    next_int(s);
    expect(s, S("one.example"), S("by cy"));
    next_int(s);
    expect_end(s);
    must(s, OP_QUEUE_FREEZE, S(""), N(0), S("by ada"));
    expect(s, N(1));
    must(s, OP_LEASE, S("n"), N(6), N(10), N(60000));
    expect(s, N(0));
    route_mail(s, "1", 0, "x@one.example");
    change(s, "UPDATE destination SET due = $1, tries = 3", N(clock_now_ms() + 300000));
    must(s, OP_QUEUE_FREEZE, S("one.example"), N(0), S("by ada"));
    expect(s, N(1));
    assert_number(s, 1, "SELECT count(*) FROM destination WHERE due <= $1 AND tries = 0", N(clock_now_ms()));
    must(s, OP_QUEUE_FROZEN);
    expect_end(s);
    assert_number(s, 4, "SELECT count(*) FROM event WHERE message = 0");
}

/* Who holds the site hears of it. */
static void test_freeze__a_leased_destination_is_due(struct unit_store *s) {
    route_mail(s, "1", 0, "x@one.example");
    must(s, OP_LEASE, S("n"), N(5), N(10), N(60000));
    assert_number(s, 0, "SELECT count(*) FROM destination WHERE due <= $1", N(clock_now_ms()));
    must(s, OP_QUEUE_FREEZE, S("one.example"), N(1), S("by ada"));
    must(s, OP_LEASE, S("n"), N(6), N(10), N(60000));
    expect(s, N(0), N(destination_of(s, "one.example")), S("one.example"), N(0), S(""), N(1));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_hold__of_a_message_that_is_not_routed),
        STORE_CASE(test_hold__keeps_rows_from_deliver_and_release_wakes_it),
        STORE_CASE(test_hold__nothing_left),
        STORE_CASE(test_release__of_what_crashed),
        STORE_CASE(test_release__of_a_post_the_archive_passed_over),
        STORE_CASE(test_retry__rows_and_destination_are_due_now),
        STORE_CASE(test_retry__in_slices),
        STORE_CASE(test_stop__what_is_not_routed),
        STORE_CASE(test_stop__what_is_held_and_an_expansion),
        STORE_CASE(test_drop__rows_that_are_there),
        STORE_CASE(test_freeze__everything_and_a_site),
        STORE_CASE(test_freeze__a_leased_destination_is_due),
    };
    return RUN_STORE_CASES("store/op_operate", cases);
}
