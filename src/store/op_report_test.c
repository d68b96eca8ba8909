/* op_report_test.c: what is counted for reports is reported once; reports of others are taken once. */
#include "testing/store.h"

#include "base/clock.h"
#include "base/id.h"
#include "store/accept.h"
#include "store/report.h"

enum { DAY_S = 86400 };

static int64_t today(void) {
    return clock_now_ms() / 1000 / DAY_S;
}

static void test_tally__counts_each_call_once(struct unit_store *s) {
    int64_t first = id_new(), day = today();
    for (int i = 0; i < 2; i++) {
        must(s, OP_TALLY, N(first), N(0), N(2), N(REPORT_DMARC), N(day), S("a.example"), S("one"), N(3),
             N(REPORT_DMARC), N(day), S("a.example"), S("two"), N(1));
        expect(s, N(i == 0 ? 2 : 0));
    }
    must(s, OP_TALLY, N(id_new()), N(1), N(2), N(REPORT_DMARC), N(day), S("a.example"), S("one"), N(4),
         N(REPORT_DMARC), N(day), S("a.example"), S("three"), N(1));
    expect(s, N(0));
    assert_number(s, 7, "SELECT n FROM report_row WHERE what = $1", V(VIEW("one")));
    assert_number(s, 2, "SELECT count(*) FROM report_row");
    assert_number(s, 1, "SELECT count(*) FROM report_day");
    refused(s, ERR_SYNTAX, OP_TALLY, N(id_new()), N(0), N(1), N(REPORT_DMARC), N(day), S("a.example"),
            S("one"), N(-1));
}

static void tally(struct unit_store *s, int64_t day, const char *domain, const char *what) {
    must(s, OP_TALLY, N(id_new()), N(0), N(1), N(REPORT_DMARC), N(day), S(domain), S(what), N(1));
}

static void send_report(struct unit_store *s, int64_t day, int64_t owner, bool ours) {
    struct accept_recipient to = {.address = VIEW("rua@a.example")};
    struct accept report = {
        .id = id_new(), .size = 3, .body = VIEW("hi."), .recipients = &to, .recipient_count = 1};
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    add_values(&args, N(REPORT_DMARC), N(day), S("a.example"), N(owner), N(1));
    accept_args(&report, &args);
    must_args(s, OP_REPORT_SENT, &args);
    expect(s, N(ours));
}

static void test_report__is_leased_and_sent_once(struct unit_store *s) {
    int64_t day = today() - 2;
    tally(s, today(), "a.example", "one"); /* is not over yet */
    tally(s, day, "a.example", "one");
    tally(s, day, "a.example", "two");
    must(s, OP_REPORT_LEASE, N(60000));
    expect(s, N(REPORT_DMARC), N(day), S("a.example"));
    int64_t owner = next_int(s);
    must(s, OP_REPORT_LEASE, N(60000));
    expect_end(s);
    must(s, OP_REPORT_ROWS, N(REPORT_DMARC), N(day), S("a.example"), S(""), N(1));
    char last[32];
    view digest = next_view(s);
    assert_int_equal(digest.len, sizeof last);
    __builtin_memcpy(last, digest.ptr, sizeof last);
    must(s, OP_REPORT_ROWS, N(REPORT_DMARC), N(day), S("a.example"), V(view_from(last, sizeof last)), N(9));
    next_view(s);
    next_view(s);
    expect(s, N(1));
    expect_end(s);
    send_report(s, day, owner + 1, false);
    assert_number(s, 0, "SELECT count(*) FROM message");
    send_report(s, day, owner, true);
    send_report(s, day, owner, false);
    assert_number(s, 1, "SELECT count(*) FROM message");
    assert_number(s, 1, "SELECT count(*) FROM report_row");
    assert_number(s, 1, "SELECT count(*) FROM report_day");
}

static void test_report__goes_to_another_node_when_the_first_is_gone(struct unit_store *s) {
    int64_t day = today() - 2;
    tally(s, day, "a.example", "one");
    must(s, OP_REPORT_LEASE, N(-1));
    next_int(s), next_int(s), next_view(s);
    int64_t gone = next_int(s);
    must(s, OP_REPORT_LEASE, N(60000));
    expect(s, N(REPORT_DMARC), N(day), S("a.example"));
    int64_t owner = next_int(s);
    send_report(s, day, gone, false);
    send_report(s, day, owner, true);
}

#define HEAD(name, total)                                                                                    \
    N(REPORT_DMARC), S("org"), S(name), S("a.example"), S("x@org.example"), N(1000), N(2000), S("p=none"),   \
        N(total)
#define ROW(source, name, result, passed, messages)                                                          \
    S(source), S(name), S(result), N(passed), S(""), N(messages)

static void test_taken__once(struct unit_store *s) {
    for (int i = 0; i < 2; i++) {
        must(s, OP_REPORT_TAKE, HEAD("r1", 3), N(0), N(2), ROW("192.0.2.1", "a.example", "none", 1, 10),
             ROW("192.0.2.2", "b.example", "reject", 0, 2));
        expect(s, N(i == 0 ? 2 : 0));
    }
    must(s, OP_REPORT_TAKE, HEAD("r1", 3), N(2), N(1), ROW("192.0.2.3", "a.example", "quarantine", 0, 5));
    expect(s, N(1));
    must(s, OP_REPORT_TAKE, HEAD("r1", 4), N(3), N(1), ROW("192.0.2.4", "a.example", "none", 1, 99));
    expect(s, N(-1)); /* somebody else's */
    must(s, OP_REPORT_TAKE, HEAD("r2", 1), N(0), N(1),
         ROW("192.0.2.1", "a.example", "none", 1, (int64_t)1 << 60));
    must(s, OP_REPORT_SUMMARY, N(REPORT_DMARC), S("a.example"), N(0), N(REPORT_BY_SOURCE), N(10));
    expect(s, S("192.0.2.3"), N(5), N(0), N(5), N(0), S("192.0.2.2"), N(2), N(0), N(0), N(2));
    expect(s, S("192.0.2.1"), N(REPORT_MESSAGES_MOST + 10), N(REPORT_MESSAGES_MOST + 10), N(0), N(0));
    expect_end(s);
    must(s, OP_REPORT_SUMMARY, N(REPORT_DMARC), S(""), N(0), N(REPORT_BY_NAME), N(1));
    expect(s, S("a.example"), N(REPORT_MESSAGES_MOST + 15), N(REPORT_MESSAGES_MOST + 10), N(5), N(0));
    must(s, OP_REPORT_SUMMARY, N(REPORT_DMARC), S("a.example"), N(2001), N(REPORT_BY_SOURCE), N(10));
    expect_end(s);
    must(s, OP_REPORT_SUMMARY, N(REPORT_TLS), S(""), N(0), N(REPORT_BY_DETAIL), N(10));
    expect_end(s);
    refused(s, ERR_SYNTAX, OP_REPORT_TAKE, HEAD("r3", REPORT_TOTAL_MOST + 1), N(0), N(0));
}

static void test_end__of_what_is_old(struct unit_store *s) {
    tally(s, today() - REPORT_DAYS_MOST - 1, "a.example", "one");
    tally(s, today() - REPORT_DAYS_MOST, "b.example", "one");
    must(s, OP_REPORT_TAKE, HEAD("r1", 1), N(0), N(1), ROW("192.0.2.1", "a.example", "none", 1, 10));
    must(s, OP_REPORTS_END, N(10), N(60000));
    expect(s, N(1));
    assert_number(s, 1, "SELECT count(*) FROM report_row");
    assert_number(s, 1, "SELECT count(*) FROM report_day");
    assert_number(s, 1, "SELECT count(*) FROM report_source");
    must(s, OP_REPORTS_END, N(10), N(-1));
    expect(s, N(1));
    assert_number(s, 0, "SELECT count(*) FROM report_source");
    assert_number(s, 0, "SELECT count(*) FROM report");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_tally__counts_each_call_once),
        STORE_CASE(test_report__is_leased_and_sent_once),
        STORE_CASE(test_report__goes_to_another_node_when_the_first_is_gone),
        STORE_CASE(test_taken__once),
        STORE_CASE(test_end__of_what_is_old),
    };
    return RUN_STORE_CASES("store/op_report", cases);
}
