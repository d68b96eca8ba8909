/* op_held_test.c: posts that wait for a moderator. */
#include "testing/store.h"

#include "store/accept.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/role.h"

#include "base/id.h"

static const char *const news = "news@here.example";

/* A post that is held on the list. Returns its message. */
static int64_t hold(struct unit_store *s, int64_t list, const char *sha256) {
    int64_t message = accept_mail(s, "a@one.example", "body", news), batch = id_new();
    must(s, OP_ROUTE_TAKE, S("router"), N(batch), N(10), N(60000));
    must(s, OP_ROUTE_COMMIT, N(message), N(batch), S(sha256), S("id@x"), S("a@one.example"), S("hello"), N(1),
         N(list), N(MODERATION_HOLD), S("emergency"), S("because"), N(0), N(0), N(0), N(0));
    return message;
}

static int64_t held_id(struct unit_store *s, int64_t message) {
    return number(s, "SELECT id FROM held_post WHERE message = $1", N(message));
}

static int64_t events(struct unit_store *s, int64_t message, enum event_kind kind) {
    return number(s, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2", N(message), N(kind));
}

static void reap(struct unit_store *s) {
    must(s, OP_REAP, N(0), N(100), N(1000000), N(0));
}

static void test_hold__is_shown_and_keeps_its_body(struct unit_store *s) {
    int64_t list = make_list(s, news), message = hold(s, list, "one");
    assert_int_equal(events(s, message, EVENT_HELD), 1);
    assert_number(s, 0, "SELECT count(*) FROM expansion");
    assert_number(s, 0, "SELECT count(*) FROM feed");
    reap(s);
    assert_number(s, 1, "SELECT count(*) FROM body");
    int64_t id = held_id(s, message);
    must(s, OP_HELD_LS, S(news), N(0), N(10));
    expect(s, N(id), S(news), S("a@one.example"), S("hello"), S("emergency"), S("because"));
    assert_true(next_int(s) > 0);
    expect(s, N(message), N(4), S("id@x"));
    expect_end(s);
    must(s, OP_HELD_LS, S(""), N(id), N(10));
    expect_end(s);
    must(s, OP_HELD_IDS, S(news));
    expect(s, N(id));
    expect_end(s);
    refused(s, ERR_NOT_FOUND, OP_HELD_IDS, S("no@here.example"));
    must(s, OP_HELD_SHOW, N(id));
    expect(s, N(id), S(news));
    refused(s, ERR_NOT_FOUND, OP_HELD_SHOW, N(id + 1));
    refused(s, ERR_NOT_FOUND, OP_HELD_LS, S("no@here.example"), N(0), N(10));
}

static void test_hold__the_same_bytes_wait_once(struct unit_store *s) {
    int64_t list = make_list(s, news), first = hold(s, list, "one"), second = hold(s, list, "one");
    assert_number(s, 1, "SELECT count(*) FROM held_post");
    assert_int_equal(events(s, first, EVENT_HELD), 1);
    assert_int_equal(events(s, second, EVENT_DUPLICATE), 1);
}

static void test_decide__accept_makes_the_post(struct unit_store *s) {
    int64_t list = make_list(s, news), message = hold(s, list, "one"), id = held_id(s, message);
    must(s, OP_HELD_DECIDE, S("me"), N(MODERATION_ACCEPT), S(""), N(0), N(1), N(id), N(0));
    assert_number(s, 0, "SELECT count(*) FROM held_post");
    assert_number(s, 1, "SELECT count(*) FROM expansion WHERE message = $1", N(message));
    assert_number(s, 1, "SELECT count(*) FROM post");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND detail = 'by=me'",
                  N(message), N(EVENT_APPROVED));
    refused(s, ERR_NOT_FOUND, OP_HELD_DECIDE, S("other"), N(MODERATION_DISCARD), S(""), N(0), N(1), N(id),
            N(0));
    assert_int_equal(events(s, message, EVENT_DISCARDED), 0);
}

static void test_decide__all_or_none(struct unit_store *s) {
    int64_t list = make_list(s, news), one = held_id(s, hold(s, list, "one"));
    int64_t two = held_id(s, hold(s, list, "two"));
    refused(s, ERR_NOT_FOUND, OP_HELD_DECIDE, S("me"), N(MODERATION_DISCARD), S(""), N(0), N(3), N(one),
            N(two), N(two + 7), N(0));
    refused(s, ERR_SYNTAX, OP_HELD_DECIDE, S("me"), N(MODERATION_DEFER), S(""), N(0), N(1), N(one), N(0));
    assert_number(s, 2, "SELECT count(*) FROM held_post");
    assert_number(s, 0, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_DISCARDED));
    must(s, OP_HELD_DECIDE, S("me"), N(MODERATION_DISCARD), S("spam"), N(0), N(2), N(one), N(two), N(0));
    assert_number(s, 0, "SELECT count(*) FROM held_post");
    assert_number(s, 2, "SELECT count(*) FROM event WHERE kind = $1 AND detail = 'by=me spam'",
                  N(EVENT_DISCARDED));
    reap(s);
    assert_number(s, 0, "SELECT count(*) FROM body");
}

static void test_decide__a_stranger_becomes_a_nonmember(struct unit_store *s) {
    int64_t list = make_list(s, news);
    static const char *const sums[] = {"one", "two"};
    for (size_t i = 0; i < COUNT(sums); i++) {
        int64_t id = held_id(s, hold(s, list, sums[i]));
        must(s, OP_HELD_DECIDE, S("me"), N(MODERATION_DISCARD), S(""), N(1), N(1), N(id), N(0));
        assert_number(s, 1,
                      "SELECT count(*) FROM member m JOIN address a ON a.id = m.addr WHERE m.role = $1 AND"
                      " a.text = 'a@one.example'",
                      N(ROLE_NONMEMBER));
    }
    must(s, OP_MEMBER_REMOVE, S(news), S("me"), N(ROLE_NONMEMBER), N(1), S("a@one.example"));
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(1), S("a@one.example"));
    int64_t id = held_id(s, hold(s, list, "three"));
    must(s, OP_HELD_DECIDE, S("me"), N(MODERATION_ACCEPT), S(""), N(1), N(1), N(id), N(0));
    assert_number(s, 0, "SELECT count(*) FROM member WHERE role = $1", N(ROLE_NONMEMBER));
}

static void test_decide__letters_go_out_with_the_decision(struct unit_store *s) {
    int64_t list = make_list(s, news), message = hold(s, list, "one"), id = held_id(s, message);
    struct accept_recipient to = {.address = VIEW("a@one.example")};
    struct accept letter = {.size = 3, .body = VIEW("no."), .recipients = &to, .recipient_count = 1};
    static const enum moderation actions[] = {MODERATION_HOLD, MODERATION_REJECT};
    for (size_t i = 0; i < COUNT(actions); i++) {
        struct buf args = BUF_INIT(LIMIT_STORE_PACKET - 64);
        letter.id = id_new();
        add_values(&args, S("me"), N(actions[i]), S("x"), N(0), N(1), N(id), N(1));
        accept_args(&letter, &args);
        must_args(s, OP_HELD_DECIDE, &args);
        assert_number(s, (int64_t)(1 - i), "SELECT count(*) FROM held_post");
        assert_number(s, (int64_t)(1 + i), "SELECT count(*) FROM inbox");
    }
    assert_int_equal(events(s, message, EVENT_REJECTED), 1);
}

static void test_end__after_the_lists_days(struct unit_store *s) {
    enum { DAY = 24 * 60 * 60 * 1000 };
    int64_t list = make_list(s, news), other = make_list(s, "other@here.example");
    int64_t old = hold(s, list, "old"), fresh = hold(s, list, "fresh"), endless = hold(s, other, "endless");
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S("max_days_to_hold"), N(SETTING_REPLACE), S("3"));
    change(s, "UPDATE held_post SET since = since - $1", N(3 * INT64_C(1) * DAY - 60000));
    must(s, OP_HELD_END, N(10));
    expect(s, N(0));
    change(s, "UPDATE held_post SET since = since - 120000 WHERE message <> $1", N(fresh));
    must(s, OP_HELD_END, N(10));
    expect(s, N(1));
    assert_int_equal(events(s, old, EVENT_DISCARDED), 1);
    assert_number(s, 1, "SELECT count(*) FROM held_post WHERE message = $1", N(fresh));
    assert_number(s, 1, "SELECT count(*) FROM held_post WHERE message = $1", N(endless));
}

static void test_commit__refused_and_dropped(struct unit_store *s) {
    int64_t list = make_list(s, news);
    static const enum moderation actions[] = {MODERATION_REJECT, MODERATION_DISCARD};
    static const enum event_kind kinds[] = {EVENT_REJECTED, EVENT_DISCARDED};
    for (size_t i = 0; i < COUNT(actions); i++) {
        int64_t message = accept_mail(s, "a@one.example", "body", news), batch = id_new();
        must(s, OP_ROUTE_TAKE, S("router"), N(batch), N(10), N(60000));
        must(s, OP_ROUTE_COMMIT, N(message), N(batch), S("sha"), S("id@x"), S("a@one.example"), S("hello"),
             N(1), N(list), N(actions[i]), S("loop"), S("because"), N(0), N(0), N(0), N(0));
        assert_number(
            s, 1, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND detail = 'loop: because'",
            N(message), N(kinds[i]));
    }
    assert_number(s, 0, "SELECT count(*) FROM expansion");
    assert_number(s, 0, "SELECT count(*) FROM held_post");
}

static void test_list_delete__takes_what_is_held(struct unit_store *s) {
    int64_t list = make_list(s, news), message = hold(s, list, "one");
    must(s, OP_LIST_DELETE, S(news));
    assert_number(s, 0, "SELECT count(*) FROM held_post");
    assert_int_equal(events(s, message, EVENT_DISCARDED), 1);
    message = hold(s, list, "two"); /* decided while the list was there still */
    assert_number(s, 0, "SELECT count(*) FROM held_post");
    assert_int_equal(events(s, message, EVENT_DROPPED), 1);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_hold__is_shown_and_keeps_its_body),
        STORE_CASE(test_hold__the_same_bytes_wait_once),
        STORE_CASE(test_decide__accept_makes_the_post),
        STORE_CASE(test_decide__all_or_none),
        STORE_CASE(test_decide__a_stranger_becomes_a_nonmember),
        STORE_CASE(test_decide__letters_go_out_with_the_decision),
        STORE_CASE(test_end__after_the_lists_days),
        STORE_CASE(test_commit__refused_and_dropped),
        STORE_CASE(test_list_delete__takes_what_is_held),
    };
    return RUN_STORE_CASES("store/op_held", cases);
}
