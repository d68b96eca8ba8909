/* op_queue_test.c: what is in the queue, and what happened: answers for people. */
#include "testing/store.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "store/event.h"

#define NO_FILTER S(""), S(""), N(-1), S(""), N(0), N(0)

/* One message of queue-ls, by its id. */
static void expect_state(struct unit_store *s, int64_t message, const char *state, const char *waits_for,
                         int64_t left) {
    must(s, OP_QUEUE_LS, N(message - 1), N(1), NO_FILTER);
    expect(s, N(message), N(message));
    next_view(s), next_view(s);
    next_int(s);
    expect(s, S(state), S(waits_for), N(left));
    expect_end(s);
}

static void expect_pending(struct unit_store *s, int inbox, int expansion, int delivery, int feed) {
    must(s, OP_QUEUE_PENDING);
    expect(s, N(inbox), N(expansion), N(delivery), N(feed));
    expect_end(s);
}

static void test_queue__states_of_a_post(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, 2, 2);
    expect_pending(s, 0, 0, 0, 0);
    int64_t message = accept_mail(s, "author@there.example", "body", "news@here.example");
    must(s, OP_QUEUE_LS, N(0), N(10), NO_FILTER);
    expect(s, N(0), N(message), S("author@there.example"), S("id@there.example"), N(4), S("accepted"), S(""),
           N(0));
    expect_end(s);
    expect_pending(s, 1, 0, 0, 0);
    must(s, OP_ROUTE_TAKE, S("router"), N(7), N(10), N(60000));
    must(s, OP_ROUTE_COMMIT, N(message), N(7), S("sha"), S(""), S(""), S(""), N(1), POST_TO(list), N(0), N(0),
         N(0), N(0));
    expect_state(s, message, "expanding", "", 0);
    expect_pending(s, 0, 1, 0, 1);
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    expect_state(s, message, "delivering", "", 2);
    expect_pending(s, 0, 0, 1, 1);
    change(s, "UPDATE destination SET error = 'connection refused' WHERE id / 4 = (SELECT id FROM site WHERE "
              "name = 'd1.example')");
    expect_state(s, message, "delivering", "connection refused", 2);
    change(s, "INSERT INTO hold(message, role, reason, since) VALUES($1, 'deliver', 'crashed', 0)",
           N(message));
    expect_state(s, message, "held", "deliver: crashed", 2);
    expect_pending(s, 0, 0, 0, 1); /* held waits for people */
    change(s, "DELETE FROM hold");
    change(s, "DELETE FROM delivery");
    expect_state(s, message, "archiving", "", 0);
    change(s, "DELETE FROM feed");
    expect_state(s, message, "done", "", 0);
    expect_pending(s, 0, 0, 0, 0);
    must(s, OP_REAP, N(0), N(10), N(1000000), N(1));
    must(s, OP_QUEUE_LS, N(0), N(10), NO_FILTER);
    expect(s, N(0));
    expect_end(s);
}

static void test_queue_ls__pages(struct unit_store *s) {
    enum { MANY = 23 };
    int64_t ids[MANY], cursor = 0, seen = 0;
    for (int i = 0; i < MANY; i++)
        ids[i] = accept_mail(s, "a@there.example", "body", "x@here.example");
    for (;;) {
        must(s, OP_QUEUE_LS, N(cursor), N(10), NO_FILTER);
        cursor = next_int(s);
        for (; vals_more(&s->results); seen++) {
            assert_int_equal(next_int(s), ids[seen]);
            next_view(s), next_view(s);
            next_int(s);
            next_view(s), next_view(s);
            next_int(s);
        }
        if (cursor == 0)
            break;
    }
    assert_int_equal(seen, MANY);
}

static void expect_files(struct unit_store *s, int where, int most, size_t count) {
    must(s, OP_QUEUE_FILES, N(where), N(most));
    for (size_t i = 0; i < count; i++)
        assert_true(next_int(s) > 0);
    expect_end(s);
}

static void test_queue_files__of_each_place(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, 3, 1);
    int64_t waiting = accept_mail(s, "a@one.example", "1", "news@here.example");
    must(s, OP_QUEUE_FILES, N(0), N(10));
    expect(s, N(waiting));
    expect_end(s);
    route_mail(s, "2", list, "x@two.example");
    static const size_t counts[] = {0, 1, 1, 1, 0};
    for (int i = 1; i < (int)COUNT(counts); i++)
        expect_files(s, i, 10, counts[i]);
    must(s, OP_QUEUE_HOLD, N(waiting), S("me"));
    expect_files(s, 4, 10, 1);
}

static void test_trace_find__by_message_id_sender_and_recipient(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_member(s, "news@here.example", "member@one.example");
    int64_t post = route_mail(s, "1", list, NULL), direct = route_mail(s, "2", 0, "direct@one.example");
    accept_mail(s, "else@there.example", "3", "x@here.example");
    must(s, OP_EXPAND, N(post), N(list), N(LIMIT_EXPAND_SLICE));
    must(s, OP_TRACE_FIND, S("author@there.example"), N(0), N(0), N(10));
    expect(s, N(direct), N(post)); /* the newest first */
    expect_end(s);
    must(s, OP_TRACE_FIND, S("author@there.example"), N(direct), N(0), N(10));
    expect(s, N(post));
    expect_end(s);
    must(s, OP_TRACE_FIND, S("author@there.example"), N(0), N(0), N(1));
    expect(s, N(direct));
    expect_end(s);
    must(s, OP_TRACE_FIND, S("member@one.example"), N(0), N(0), N(10)); /* still to be delivered */
    expect(s, N(post));
    expect_end(s);
    change(s, "DELETE FROM delivery");
    must(s, OP_TRACE_FIND, S("member@one.example"), N(0), N(0), N(10));
    expect_end(s);
    change(s,
           "INSERT INTO event(message, id, kind, rcpt, list, host, detail) VALUES($1, 1, $2, $3, 0, '', '')",
           N(post), N(EVENT_DELIVERED), N(address_of(s, "member@one.example")));
    must(s, OP_TRACE_FIND, S("member@one.example"), N(0), N(0), N(10)); /* delivered */
    expect(s, N(post));
    expect_end(s);
    must(s, OP_TRACE_FIND, S("id@there.example"), N(0), N(0), N(10));
    next_int(s);
    expect(s, N(direct), N(post));
    expect_end(s);
    must(s, OP_TRACE_FIND, S("Member@ONE.example"), N(0), N(0), N(10)); /* as people write it */
    expect(s, N(post));
    expect_end(s);
    must(s, OP_TRACE_FIND, S("nobody@there.example"), N(0), N(0), N(10));
    expect_end(s);
}

static void test_trace__events_in_order_by_pages(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_member(s, "news@here.example", "m@one.example");
    int64_t message = route_mail(s, "1", list, NULL);
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    int64_t dest = destination_of(s, "one.example"), rcpt = address_of(s, "m@one.example");
    must(s, OP_FETCH, N(dest), N(0), N(0), N(0), N(0), N(1));
    int64_t due = next_int(s);
    must(s, OP_RESULTS, N(1), N(dest), N(due), N(message), N(list), N(rcpt), N(0), N(0), N(EVENT_DELIVERED),
         N(0), N(0), S("mx.one.example"), S("250 ok"), N(0));
    static const struct {
        const char *kind, *rcpt, *list, *host, *detail;
    } want[] = {{"accepted", "", "", "", "peer=test"},
                {"routed", "", "", "", "lists=1 direct=0 other=0"},
                {"expanded", "", "news@here.example", "", "recipients=1"},
                {"delivered", "m@one.example", "news@here.example", "mx.one.example", "250 ok"}};
    int64_t cursor = 0;
    for (size_t i = 0; i < COUNT(want); i++) {
        must(s, OP_TRACE, N(message), N(cursor), N(1));
        int64_t id = next_int(s);
        check(id > cursor, "event %zu", i);
        cursor = id;
        expect(s, S(want[i].kind), S(want[i].rcpt), S(want[i].list), S(want[i].host), S(want[i].detail));
        expect_end(s);
    }
    must(s, OP_TRACE, N(message), N(cursor), N(10));
    expect_end(s);
    must(s, OP_TRACE, N(message + 1), N(0), N(10));
    expect_end(s);
    must(s, OP_TRACE, N(message), N(0), N(10));
    for (size_t i = 0; i < COUNT(want); i++) {
        next_int(s);
        expect(s, S(want[i].kind), S(want[i].rcpt), S(want[i].list), S(want[i].host), S(want[i].detail));
    }
    expect_end(s);
}

static void test_event_name__of_every_kind(struct unit_store *s) {
    (void)s;
    static const char *const names[] = {"unknown",   "accepted", "expanded", "routed",  "delivered",
                                        "deferred",  "bounced",  "archived", "dropped", "held",
                                        "duplicate", "returned", "crashed"};
    static const char *const later[] = {"released", "retried",  "deleted", "frozen",
                                        "thawed",   "reported", "unknown"};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_string_equal(event_name((int64_t)i), names[i]); /* numbers are in stores: never changed */
    for (size_t i = 0; i < COUNT(later); i++)
        assert_string_equal(event_name((int64_t)(20 + i)), later[i]);
    assert_string_equal(event_name(-1), "unknown");
}

static void test_trace_pending__what_is_still_to_do(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, 3, 2);
    int64_t message = route_mail(s, "1", list, "direct@one.example"), later = clock_now_ms() + 300000,
            seen = 0;
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    change(s,
           "UPDATE destination SET due = $1, tries = 2, error = 'connection refused' WHERE id / 4 = (SELECT "
           "id FROM site WHERE name = 'one.example')",
           N(later));
    int64_t at[4] = {0};
    for (;;) {
        must(s, OP_TRACE_PENDING, N(message), S(""), N(-1), S(""), N(at[0]), N(at[1]), N(at[2]), N(at[3]),
             N(1));
        if (!vals_more(&s->results))
            break;
        for (int i = 0; i < 4; i++)
            at[i] = next_int(s);
        bool direct = view_eq(next_view(s), VIEW("direct@one.example"));
        expect(s, S(direct ? "" : "news@here.example"), N(0), N(0));
        int64_t due = next_int(s);
        check(direct ? due == later : due <= clock_now_ms(), "due when its site is, if that is later");
        expect(s, S(direct ? "connection refused" : ""), N(0), N(0), S(""));
        expect_end(s);
        seen++;
    }
    assert_int_equal(seen, 4);
}

/* Every copy is shown once, whatever the size of a page: somebody on two lists of a message who was written
 * to as well has three to come. */
static void test_trace_pending__several_copies_for_one_address(struct unit_store *s) {
    int64_t first = make_list(s, "news@here.example"), second = make_list(s, "more@here.example");
    add_member(s, "news@here.example", "m@one.example");
    add_member(s, "more@here.example", "m@one.example");
    int64_t message = route_mail(s, "1", first, "m@one.example");
    change(s, "INSERT INTO expansion(message, list, class, site, addr, made) VALUES($1, $2, 1, 0, 0, 0)",
           N(message), N(second));
    must(s, OP_EXPAND, N(message), N(first), N(LIMIT_EXPAND_SLICE));
    must(s, OP_EXPAND, N(message), N(second), N(LIMIT_EXPAND_SLICE));
    int copies = 0;
    int64_t at[4] = {0}, lists = 0;
    for (bool more = true; more; copies += more) {
        must(s, OP_TRACE_PENDING, N(message), S(""), N(-1), S(""), N(at[0]), N(at[1]), N(at[2]), N(at[3]),
             N(1));
        more = vals_more(&s->results);
        for (int i = 0; more && i < 4; i++)
            at[i] = next_int(s);
        lists += more ? at[2] : 0;
    }
    assert_int_equal(copies, 3);
    assert_int_equal(lists, first + second);
}

static void test_trace_notices__of_a_message(struct unit_store *s) {
    int64_t message = accept_mail(s, "a@there.example", "body", "x@here.example");
    int64_t notice = accept_mail(s, "", "dsn", "a@there.example");
    char origin[64];
    snprintf(origin, sizeof origin, "notice-about=%s", id_format(message).s);
    must(s, OP_TRACE_NOTICES, N(message));
    expect_end(s);
    change(s, "UPDATE message SET origin = $1 WHERE id = $2", S(origin), N(notice));
    must(s, OP_TRACE_NOTICES, N(message));
    expect(s, N(notice));
    expect_end(s);
}

static void expect_found(struct unit_store *s, int64_t message) {
    expect(s, N(0));
    if (message) {
        expect(s, N(message));
        next_view(s), next_view(s), next_int(s), next_view(s), next_view(s), next_int(s);
    }
    expect_end(s);
}

static void test_queue_ls__filters(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_member(s, "news@here.example", "m@one.example");
    int64_t post = route_mail(s, "1", list, NULL), direct = route_mail(s, "2", 0, "x@two.example");
    int64_t fresh = accept_mail(s, "else@there.example", "3", "News@here.example");
    must(s, OP_EXPAND, N(post), N(list), N(LIMIT_EXPAND_SLICE));
    must(s, OP_QUEUE_LS, N(0), N(10), S(""), S("two.example"), N(-1), S(""), N(0), N(0));
    expect_found(s, direct);
    must(s, OP_QUEUE_LS, N(0), N(10), S(""), S("none.example"), N(-1), S(""), N(0), N(0));
    expect_found(s, 0);
    must(s, OP_QUEUE_LS, N(0), N(10), S(""), S(""), N(1), S(""), N(0), N(0));
    expect_found(s, post);
    must(s, OP_QUEUE_LS, N(0), N(2), S(""), S(""), N(-1), S("news@here.example"), N(0), N(0));
    expect(s, N(direct)); /* two looked at, and there are more */
    expect(s, N(post));
    must(s, OP_QUEUE_LS, N(direct), N(2), S(""), S(""), N(-1), S("news@here.example"), N(0), N(0));
    expect_found(s, fresh); /* not routed yet, but meant for the list */
    must(s, OP_QUEUE_LS, N(0), N(10), S("Else@There.example"), S(""), N(-1), S(""), N(0), N(0));
    expect_found(s, fresh);
    must(s, OP_QUEUE_LS, N(0), N(10), S(""), S(""), N(-1), S(""), N(1), N(0));
    expect_found(s, 0);
    must(s, OP_QUEUE_HOLD, N(direct), S("by ada"));
    must(s, OP_QUEUE_LS, N(0), N(10), S(""), S(""), N(-1), S(""), N(1), N(0));
    expect_found(s, direct);
    must(s, OP_QUEUE_LS, N(0), N(10), S(""), S(""), N(-1), S(""), N(0), N(clock_now_ms() - 60000));
    expect_found(s, 0);
}

static void test_queue_sites__one_row_a_site_and_class(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, 3, 1);
    int64_t post = route_mail(s, "1", list, "x@d0.example"), later = clock_now_ms() + 300000;
    must(s, OP_EXPAND, N(post), N(list), N(LIMIT_EXPAND_SLICE));
    change(s, "UPDATE destination SET due = $1, tries = 2, error = 'refused' WHERE id % 4 = 0", N(later));
    must(s, OP_QUEUE_SITES, N(0), S(""), N(-1));
    expect(s, N(0), S("d0.example"), N(0), N(1), N(post), N(later), N(2), S("refused"), N(0), N(0));
    expect(s, S("d0.example"), N(1), N(3), N(post));
    next_int(s);
    expect(s, N(0), S(""), N(0), N(0));
    expect_end(s);
    must(s, OP_QUEUE_SITES, N(0), S("d0.example"), N(0));
    expect(s, N(0), S("d0.example"), N(0), N(1));
    must(s, OP_QUEUE_SITES, N(0), S("d1.example"), N(-1));
    expect(s, N(0));
    expect_end(s);
    change(s, "DELETE FROM delivery");
    must(s, OP_QUEUE_SITES, N(0), S(""), N(-1));
    expect(s, N(0));
    expect_end(s);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_queue__states_of_a_post),
        STORE_CASE(test_queue_ls__pages),
        STORE_CASE(test_queue_files__of_each_place),
        STORE_CASE(test_trace_find__by_message_id_sender_and_recipient),
        STORE_CASE(test_trace__events_in_order_by_pages),
        STORE_CASE(test_event_name__of_every_kind),
        STORE_CASE(test_trace_pending__what_is_still_to_do),
        STORE_CASE(test_trace_pending__several_copies_for_one_address),
        STORE_CASE(test_trace_notices__of_a_message),
        STORE_CASE(test_queue_ls__filters),
        STORE_CASE(test_queue_sites__one_row_a_site_and_class),
    };
    return RUN_STORE_CASES("store/op_queue", cases);
}
