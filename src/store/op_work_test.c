/* op_work_test.c: poison: a message that has killed its worker twice is set aside from that role, and the
 * rest goes on. */
#include "testing/store.h"

#include "store/event.h"

static void crash(struct unit_store *s, const char *role, int64_t message, int64_t times, int held) {
    static int64_t process;
    must(s, OP_CRASHED, S(role), N(message), N(++process));
    expect(s, N(times), N(held));
    expect_end(s);
}

static void test_crashed__once_is_tried_again(struct unit_store *s) {
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    crash(s, "router", message, 1, 0);
    assert_number(s, 0, "SELECT count(*) FROM hold");
    assert_number(s, 1, "SELECT count(*) FROM inbox");
    assert_number(
        s, 1,
        "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND detail = 'role=router times=1'",
        N(message), N(EVENT_CRASHED));
    must(s, OP_ROUTE_TAKE, S("router"), N(7), N(10), N(60000));
    expect(s, N(message));
}

static void test_crashed__twice_is_set_aside_from_the_router(struct unit_store *s) {
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    int64_t other = accept_mail(s, "a@there.example", "body", "x@here.example");
    crash(s, "router", message, 1, 0);
    crash(s, "router", message, 2, 1);
    assert_number(s, 1,
                  "SELECT count(*) FROM hold WHERE message = $1 AND role = 'router' AND reason = 'crashed' "
                  "AND since > 0",
                  N(message));
    assert_number(s, 1,
                  "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND detail = 'reason=crashed "
                  "role=router'",
                  N(message), N(EVENT_HELD));
    must(s, OP_ROUTE_TAKE, S("router"), N(7), N(10), N(60000));
    expect(s, N(other)); /* the rest goes on */
    assert_number(s, 1, "SELECT count(*) FROM inbox");
    must(s, OP_REAP, N(0), N(10), N(1000000), N(1));
    must(s, OP_MESSAGE_READ, N(message), N(0)); /* nothing is lost */
    expect(s, S("body"));
}

static void test_crashed__deliver_passes_over_its_rows(struct unit_store *s) {
    int64_t bad = route_mail(s, "1", 0, "a@one.example"), good = route_mail(s, "2", 0, "a@one.example");
    int64_t dest = destination_of(s, "one.example");
    crash(s, "deliver", bad, 1, 0);
    must(s, OP_FETCH, N(dest), N(0), N(0), N(0), N(0), N(10));
    next_int(s);
    expect(s, N(bad));
    crash(s, "deliver", bad, 2, 1);
    must(s, OP_FETCH, N(dest), N(0), N(0), N(0), N(0), N(10));
    next_int(s);
    expect(s, N(good));
    assert_number(s, 2, "SELECT count(*) FROM delivery");
    must(s, OP_REAP, N(0), N(10), N(1000000), N(1));
    assert_number(s, 2, "SELECT count(*) FROM body");
}

static void test_crashed__archived_sees_it_as_held(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), message = route_mail(s, "1", list, NULL);
    keep_edition(s, message, list);
    must(s, OP_ARCHIVE_JOIN, S("node"));
    crash(s, "archived", message, 1, 0);
    crash(s, "archived", message, 2, 1);
    must(s, OP_FEED_READ, S("node"), N(10), N(0));
    expect(s, N(list), S("news@here.example"), S("public"), N(1), N(1), N(1), N(message));
}

static void test_crashed__each_role_counts_for_itself(struct unit_store *s) {
    int64_t message = route_mail(s, "1", 0, "a@one.example");
    crash(s, "router", message, 1, 0);
    crash(s, "deliver", message, 1, 0);
    crash(s, "archived", message, 1, 0);
    crash(s, "deliver", message + 1, 1, 0);
    crash(s, "deliver", message, 2, 1);
    assert_number(s, 1, "SELECT count(*) FROM hold");
}

/* The answer was lost, or the new process died before it had emptied the file. */
static void test_crashed__told_again(struct unit_store *s) {
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    for (int i = 0; i < 3; i++) {
        must(s, OP_CRASHED, S("deliver"), N(message), N(77));
        expect(s, N(1), N(0));
        expect_end(s);
    }
    for (int i = 0; i < 3; i++) {
        must(s, OP_CRASHED, S("deliver"), N(message), N(78));
        expect(s, N(2), N(1));
        expect_end(s);
    }
    assert_number(s, 2, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_CRASHED));
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_HELD));
}

/* Once more after it was set aside: it stays so. */
static void test_crashed__again(struct unit_store *s) {
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    crash(s, "deliver", message, 1, 0);
    crash(s, "deliver", message, 2, 1);
    int64_t since = number(s, "SELECT since FROM hold");
    crash(s, "deliver", message, 3, 1);
    assert_number(s, since, "SELECT since FROM hold");
    assert_number(s, 1, "SELECT count(*) FROM inbox"); /* not the router's business */
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_crashed__once_is_tried_again),
        STORE_CASE(test_crashed__twice_is_set_aside_from_the_router),
        STORE_CASE(test_crashed__deliver_passes_over_its_rows),
        STORE_CASE(test_crashed__archived_sees_it_as_held),
        STORE_CASE(test_crashed__each_role_counts_for_itself),
        STORE_CASE(test_crashed__told_again),
        STORE_CASE(test_crashed__again),
    };
    return RUN_STORE_CASES("store/op_work", cases);
}
