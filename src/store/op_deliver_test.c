/* op_deliver_test.c: what deliver does: destinations under lease, rows read by cursor, results that happen
 * once. */
#include "testing/store.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "store/accept.h"
#include "store/event.h"
#include "store/schema.h"

enum { LEASE = 60000 };

static int64_t lease(struct unit_store *s, const char *node, int64_t batch, int64_t most) {
    must(s, OP_LEASE, S(node), N(batch), N(most), N(LEASE));
    int64_t n = 0;
    struct vals v = s->results;
    assert_int_equal(vals_get_int(&v), 0); /* not frozen */
    for (; vals_more(&v); n++) {
        vals_get_int(&v);
        vals_get_view(&v);
        vals_get_int(&v);
        vals_get_view(&v);
        vals_get_int(&v);
        assert_false(v.failed);
    }
    return n;
}

/* The first row that FETCH gives for a destination. */
struct row {
    int64_t dest, due, message, list, rcpt, tries;
};

static bool fetch(struct unit_store *s, int64_t dest, struct row *row) {
    must(s, OP_FETCH, N(dest), N(0), N(0), N(0), N(0), N(10));
    if (!vals_more(&s->results))
        return false;
    *row = (struct row){.dest = dest};
    row->due = next_int(s);
    row->message = next_int(s);
    row->list = next_int(s);
    row->rcpt = next_int(s);
    row->tries = next_int(s);
    return true;
}

static void result(struct unit_store *s, const struct row *r, enum event_kind kind, int64_t next) {
    must(s, OP_RESULTS, N(1), N(r->dest), N(r->due), N(r->message), N(r->list), N(r->rcpt), N(r->tries), N(0),
         N(kind), N(next), N(0), S("mx.one.example"), S("250 2.0.0 ok"), N(0));
    expect_end(s);
}

/* -- LEASE and its ends */

static void test_lease__gives_what_is_due(struct unit_store *s) {
    assert_int_equal(lease(s, "node", 1, 10), 0);
    route_mail(s, "1", 0, "a@one.example");
    route_mail(s, "2", 0, "a@two.example");
    change(s,
           "UPDATE destination SET due = $1 WHERE id / 4 = (SELECT id FROM site WHERE name = 'two.example')",
           N(clock_now_ms() + LEASE));
    must(s, OP_LEASE, S("node"), N(5), N(10), N(LEASE));
    expect(s, N(0), N(destination_of(s, "one.example")), S("one.example"), N(0), S(""), N(0));
    expect_end(s);
    assert_number(
        s, 1,
        "SELECT count(*) FROM destination WHERE owner = 'node' AND batch = 5 AND due = until AND until > $1",
        N(clock_now_ms() + LEASE - 20000));
}

static void test_lease__the_same_batch_gives_the_same(struct unit_store *s) {
    route_mail(s, "1", 0, "a@one.example");
    assert_int_equal(lease(s, "node", 5, 10), 1);
    route_mail(s, "2", 0, "a@two.example");
    assert_int_equal(lease(s, "node", 5, 10), 1);
    assert_int_equal(lease(s, "node", 6, 10), 1);
    assert_int_equal(lease(s, "node", 7, 10), 0);
    assert_int_equal(lease(s, "node", 0, 10), 0);
}

static void test_lease__no_more_than_asked_for_and_the_longest_due_first(struct unit_store *s) {
    static const char *const names[] = {"c", "a", "d", "b"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char address[32];
        snprintf(address, sizeof address, "x@%s.example", names[i]);
        route_mail(s, address, 0, address);
        change(s, "UPDATE destination SET due = $1 WHERE id = (SELECT max(id) FROM destination)",
               N(1000 + i));
    }
    assert_int_equal(lease(s, "node", 1, 3), 3);
    assert_number(s, 1,
                  "SELECT count(*) FROM destination WHERE batch = 0 AND id / 4 = (SELECT id FROM site WHERE "
                  "name = 'b.example')");
    assert_int_equal(lease(s, "node", 2, 3), 1);
}

static void test_lease__ends_by_time(struct unit_store *s) {
    route_mail(s, "1", 0, "a@one.example");
    assert_int_equal(lease(s, "one", 5, 10), 1);
    assert_int_equal(lease(s, "two", 6, 10), 0);
    advance(LEASE - 20000);
    assert_int_equal(lease(s, "two", 6, 10), 0);
    advance(20001);
    assert_int_equal(lease(s, "two", 6, 10), 1);
    assert_int_equal(lease(s, "one", 5, 10), 0);
    must(s, OP_RELEASE, N(destination_of(s, "one.example")), N(5), N(STORE_NEVER), N(9),
         S("late")); /* has no say any more */
    assert_number(s, 1, "SELECT count(*) FROM destination WHERE owner = 'two' AND batch = 6 AND tries = 0");
}

static void test_lease__renewed_it_goes_on(struct unit_store *s) {
    route_mail(s, "1", 0, "a@one.example");
    assert_int_equal(lease(s, "one", 5, 10), 1);
    for (int i = 0; i < 3; i++) {
        advance(LEASE - 20000);
        must(s, OP_LEASE_RENEW, S("one"), N(LEASE));
        must(s, OP_LEASE_RENEW, S("nobody"), N(LEASE));
        assert_int_equal(lease(s, "two", 10 + i, 10), 0);
    }
    assert_int_equal(lease(s, "one", 5, 10), 1);
}

/* What is added to a leased destination is not forgotten: its owner gets it once more, and only its owner. */
static void test_lease__what_is_added_meanwhile_comes_to_its_owner(struct unit_store *s) {
    route_mail(s, "1", 0, "a@one.example");
    assert_int_equal(lease(s, "one", 5, 10), 1);
    assert_int_equal(lease(s, "one", 6, 10), 0);
    route_mail(s, "2", 0, "b@one.example");
    must(s, OP_LEASE_RENEW, S("one"), N(LEASE)); /* does not hide it */
    assert_int_equal(lease(s, "two", 7, 10), 0);
    assert_int_equal(lease(s, "one", 8, 10), 1);
    assert_int_equal(lease(s, "one", 9, 10), 0);
    assert_number(s, 1, "SELECT count(*) FROM destination WHERE owner = 'one' AND batch = 8");
}

static void test_lease_reset__gives_back_ones_own_only(struct unit_store *s) {
    route_mail(s, "1", 0, "a@one.example");
    assert_int_equal(lease(s, "one", 5, 1), 1);
    route_mail(s, "2", 0, "a@two.example");
    assert_int_equal(lease(s, "two", 6, 1), 1);
    must(s, OP_LEASE_RESET, S("one"));
    must(s, OP_LEASE_RESET, S("one"));
    must(s, OP_LEASE, S("three"), N(7), N(10), N(LEASE));
    expect(s, N(0), N(destination_of(s, "one.example")), S("one.example"), N(0), S(""), N(0));
    expect_end(s);
}

/* -- RELEASE */

static void test_release__due_as_its_rows_say(struct unit_store *s) {
    route_mail(s, "1", 0, "a@one.example");
    int64_t dest = destination_of(s, "one.example"), later = clock_now_ms() + 300000;
    struct row row;
    assert_int_equal(lease(s, "node", 5, 10), 1);
    assert_true(fetch(s, dest, &row));
    result(s, &row, EVENT_DEFERRED, later);
    must(s, OP_RELEASE, N(dest), N(5), N(0), N(0), S(""));
    assert_number(s, later, "SELECT due FROM destination");
    assert_number(s, 1, "SELECT count(*) FROM destination WHERE owner = '' AND batch = 0 AND until = 0");
    must(s, OP_RELEASE, N(dest), N(5), N(1), N(0), S("")); /* again: not its any more */
    assert_number(s, later, "SELECT due FROM destination");
    change(s, "DELETE FROM delivery");
    change(s, "UPDATE destination SET due = 0");
    assert_int_equal(lease(s, "node", 6, 10), 1);
    must(s, OP_RELEASE, N(dest), N(6), N(0), N(0), S(""));
    assert_number(s, STORE_NEVER, "SELECT due FROM destination");
}

static void test_release__what_was_added_meanwhile_is_due(struct unit_store *s) {
    route_mail(s, "1", 0, "a@one.example");
    int64_t dest = destination_of(s, "one.example");
    struct row row;
    assert_int_equal(lease(s, "node", 5, 10), 1);
    assert_true(fetch(s, dest, &row));
    result(s, &row, EVENT_DELIVERED, 0);
    route_mail(s, "2", 0, "b@one.example");
    must(s, OP_RELEASE, N(dest), N(5), N(0), N(0), S(""));
    assert_int_equal(lease(s, "other", 6, 10), 1);
    assert_true(fetch(s, dest, &row));
    assert_int_equal(row.rcpt, address_of(s, "b@one.example"));
}

/* A failure of the whole site is one row: its mail waits with it, and new mail does not hurry it. */
static void test_release__a_site_that_failed_waits(struct unit_store *s) {
    route_mail(s, "1", 0, "a@one.example");
    int64_t dest = destination_of(s, "one.example"), later = clock_now_ms() + 300000;
    assert_int_equal(lease(s, "node", 5, 10), 1);
    must(s, OP_RELEASE, N(dest), N(5), N(later), N(2), S("connection refused"));
    assert_number(
        s, 1,
        "SELECT count(*) FROM destination WHERE due = $1 AND tries = 2 AND error = 'connection refused'",
        N(later));
    route_mail(s, "2", 0, "b@one.example");
    assert_int_equal(lease(s, "node", 6, 10), 0);
    advance(300001);
    must(s, OP_LEASE, S("node"), N(7), N(10), N(LEASE));
    expect(s, N(0), N(dest), S("one.example"), N(2), S(""), N(0));
    route_mail(s, "3", 0, "c@one.example"); /* while it is tried */
    must(s, OP_RELEASE, N(dest), N(7), N(0), N(0), S(""));
    assert_number(s, 1, "SELECT count(*) FROM destination WHERE due <= $1 AND tries = 0 AND error = ''",
                  N(clock_now_ms()));
    assert_number(s, 3, "SELECT count(*) FROM delivery");
}

static void test_release__what_is_held_wakes_nobody(struct unit_store *s) {
    int64_t message = route_mail(s, "1", 0, "a@one.example"), dest = destination_of(s, "one.example");
    assert_int_equal(lease(s, "node", 5, 10), 1);
    change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'deliver', 'crashed', 0)",
           N(message));
    must(s, OP_RELEASE, N(dest), N(5), N(0), N(0), S(""));
    assert_number(s, STORE_NEVER, "SELECT due FROM destination");
}

/* -- FETCH */

static void test_fetch__pages_by_cursor(struct unit_store *s) {
    enum { MEMBERS = 25 };
    int64_t list = make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, MEMBERS, 1);
    int64_t message = route_mail(s, "1", list, "direct@d1.example");
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    int64_t dest = destination_of(s, "d0.example");
    int64_t due = 0, at = 0, of = 0, rcpt = 0, seen = 0;
    for (;;) {
        must(s, OP_FETCH, N(dest), N(due), N(at), N(of), N(rcpt), N(10));
        if (!vals_more(&s->results))
            break;
        while (vals_more(&s->results)) {
            int64_t previous_due = due, previous_rcpt = rcpt;
            due = next_int(s), at = next_int(s), of = next_int(s), rcpt = next_int(s);
            check(due > previous_due || rcpt > previous_rcpt, "in order");
            expect(s, N(0), N(0));
            view address = next_view(s);
            check(view_ends_with(address, VIEW("@d0.example")), "%.*s", VIEW_ARG(address));
            expect(s, S("news@here.example"), S("author@there.example"), S(""));
            assert_int_equal(at, message);
            seen++;
        }
    }
    assert_int_equal(seen, MEMBERS);
}

static void test_fetch__only_what_is_due_and_not_held(struct unit_store *s) {
    struct row row;
    int64_t message = route_mail(s, "1", 0, "a@one.example"), dest = destination_of(s, "one.example");
    assert_false(fetch(s, dest + 1, &row));
    assert_true(fetch(s, dest, &row));
    assert_int_equal(row.message, message);
    result(s, &row, EVENT_DEFERRED, clock_now_ms() + 300000);
    assert_false(fetch(s, dest, &row));
    advance(300001);
    assert_true(fetch(s, dest, &row));
    assert_int_equal(row.tries, 1);
    change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'archived', 'crashed', 0)",
           N(message));
    assert_true(fetch(s, dest, &row)); /* held from another role */
    change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'deliver', 'crashed', 0)",
           N(message));
    assert_false(fetch(s, dest, &row));
}

/* -- RESULTS */

static void test_results__a_final_one_deletes_the_row_and_leaves_an_event(struct unit_store *s) {
    static const enum event_kind kinds[] = {EVENT_DELIVERED, EVENT_BOUNCED};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct row row;
        int64_t message = route_mail(s, i ? "1" : "2", 0, "a@one.example");
        assert_true(fetch(s, destination_of(s, "one.example"), &row));
        result(s, &row, kinds[i], 0);
        assert_number(s, 0, "SELECT count(*) FROM delivery");
        assert_number(s, 1,
                      "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND rcpt = $3 AND list = 0"
                      " AND host = 'mx.one.example' AND detail = '250 2.0.0 ok'",
                      N(message), N(kinds[i]), N(row.rcpt));
        result(s, &row, kinds[i], 0); /* again: nothing */
        assert_number(s, 1, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2", N(message),
                      N(kinds[i]));
    }
}

static void test_results__deferred_is_a_row_due_later(struct unit_store *s) {
    struct row row;
    int64_t message = route_mail(s, "1", 0, "a@one.example"), later = clock_now_ms() + 300000;
    assert_true(fetch(s, destination_of(s, "one.example"), &row));
    result(s, &row, EVENT_DEFERRED, later);
    result(s, &row, EVENT_DEFERRED, later + 1); /* again, as a rerun: nothing */
    assert_number(s, 1,
                  "SELECT count(*) FROM delivery WHERE message = $1 AND due = $2 AND tries = 1 AND rcpt = $3",
                  N(message), N(later), N(row.rcpt));
    assert_number(s, 1, "SELECT count(*) FROM delivery");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_DEFERRED));
    result(s, &row, EVENT_DELIVERED, 0); /* of the old row: too late */
    assert_number(s, 1, "SELECT count(*) FROM delivery");
}

static void test_results__many_and_a_notification_in_one_commit(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, 3, 1);
    int64_t message = route_mail(s, "1", list, NULL);
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    int64_t dest = destination_of(s, "d0.example");
    must(s, OP_FETCH, N(dest), N(0), N(0), N(0), N(0), N(10));
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    add_values(&args, N(3));
    for (int i = 0; i < 3; i++) {
        int64_t due = next_int(s);
        expect(s, N(message), N(list));
        add_values(&args, N(dest), N(due), N(message), N(list), N(next_int(s)), N(next_int(s)),
                   N(next_int(s)), N(i == 0 ? EVENT_BOUNCED : EVENT_DELIVERED), N(0), N(0), S("mx"),
                   S("caf\xe9 says no\xff"));
        for (int k = 0; k < 4; k++)
            next_view(s);
    }
    struct accept_recipient sender = {.address = VIEW("author@there.example")};
    struct accept notice = {
        .id = id_new(), .size = 3, .body = VIEW("dsn"), .recipients = &sender, .recipient_count = 1};
    add_values(&args, N(1));
    accept_args(&notice, &args);
    struct buf again = BUF_INIT(LIMIT_STORE_PACKET);
    buf_add(&again, buf_view(&args));
    must_args(s, OP_RESULTS, &args);
    must_args(s, OP_RESULTS, &again);
    assert_number(s, 0, "SELECT count(*) FROM delivery");
    assert_number(s, 3, "SELECT count(*) FROM event WHERE list = $1 AND detail = 'caf? says no?'", N(list));
    assert_number(s, 1, "SELECT count(*) FROM inbox WHERE message = $1", N(notice.id));
    assert_number(s, 1, "SELECT count(*) FROM recipient WHERE message = $1", N(notice.id));
}

/* One bad entry: the call is refused as a whole, nothing of it happened. */
static void test_results__malformed_in_the_middle(struct unit_store *s) {
    struct row row;
    route_mail(s, "1", 0, "a@one.example");
    assert_true(fetch(s, destination_of(s, "one.example"), &row));
    refused(s, ERR_SYNTAX, OP_RESULTS, N(2), N(row.dest), N(row.due), N(row.message), N(row.list),
            N(row.rcpt), N(row.tries), N(0), N(EVENT_DELIVERED), N(0), N(0), S("mx"), S("250"), N(row.dest),
            S("x"));
    assert_number(s, 1, "SELECT count(*) FROM delivery");
    assert_number(s, 0, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_DELIVERED));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_lease__gives_what_is_due),
        STORE_CASE(test_lease__the_same_batch_gives_the_same),
        STORE_CASE(test_lease__no_more_than_asked_for_and_the_longest_due_first),
        STORE_CASE(test_lease__ends_by_time),
        STORE_CASE(test_lease__renewed_it_goes_on),
        STORE_CASE(test_lease__what_is_added_meanwhile_comes_to_its_owner),
        STORE_CASE(test_lease_reset__gives_back_ones_own_only),
        STORE_CASE(test_release__due_as_its_rows_say),
        STORE_CASE(test_release__what_was_added_meanwhile_is_due),
        STORE_CASE(test_release__a_site_that_failed_waits),
        STORE_CASE(test_release__what_is_held_wakes_nobody),
        STORE_CASE(test_fetch__pages_by_cursor),
        STORE_CASE(test_fetch__only_what_is_due_and_not_held),
        STORE_CASE(test_results__a_final_one_deletes_the_row_and_leaves_an_event),
        STORE_CASE(test_results__deferred_is_a_row_due_later),
        STORE_CASE(test_results__many_and_a_notification_in_one_commit),
        STORE_CASE(test_results__malformed_in_the_middle),
    };
    return RUN_STORE_CASES("store/op_deliver", cases);
}
