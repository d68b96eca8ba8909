/* op_people_test.c: many subscriptions at once, their end, and another address for somebody. */
#include "testing/store.h"

#include "store/event.h"
#include "store/list_setting.h"
#include "store/owed.h"
#include "store/preference.h"
#include "store/role.h"
#include "store/subscription.h"

enum { ALL = PROOF_VERIFIED | PROOF_CONFIRMED | PROOF_APPROVED };
static const char news[] = "news@here.example", one[] = "a@one.example", two[] = "b@two.example";

static int64_t members(struct unit_store *s) {
    return number(s, "SELECT count(*) FROM member WHERE role = 1");
}

static int64_t owed(struct unit_store *s, enum letter_kind kind) {
    return number(s, "SELECT count(*) FROM owed_letter WHERE kind = $1", N(kind));
}

static void test_subscribe_many__each_its_own_answer(struct unit_store *s) {
    make_list(s, news);
    add_member(s, news, one);
    must(s, OP_BAN_ADD, S(news), S("me"), S("^.*@banned.example$"));
    must(s, OP_SUBSCRIBE, S(news), S("me"), S("asks@one.example"), S(""), S(""), N(0), N(0), S("t1"));
    must(s, OP_SUBSCRIBE_MANY, S(news), S("me"), N(ALL), N(1), N(2), N(5), S(one), S(""), S(""), S("u1"),
         S(two), S("B@two.example"), S("Bo"), S("u2"), S("x@banned.example"), S(""), S(""), S("u3"), S(news),
         S(""), S(""), S("u4"), S("asks@one.example"), S(""), S(""), S("u5"));
    expect(s, N(SUBSCRIBED_ALREADY), N(SUBSCRIBED), N(SUBSCRIBED_BANNED), N(SUBSCRIBED_NOT),
           N(SUBSCRIBED_PENDING));
    expect_end(s);
    assert_int_equal(members(s), 2);
    assert_number(s, 1, "SELECT count(*) FROM mailbox WHERE original = 'B@two.example' AND name = 'Bo'");
    assert_number(s, 1, "SELECT count(*) FROM member WHERE status = 2");
    assert_number(s, 0, "SELECT count(*) FROM address WHERE text = 'x@banned.example'");
    refused(s, ERR_NOT_FOUND, OP_SUBSCRIBE_MANY, S("no@here.example"), S("me"), N(ALL), N(-1), N(-1), N(0));
}

static void test_subscribe_many__invited_wait(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_SUBSCRIBE_MANY, S(news), S("me"), N(PROOF_INVITED), N(-1), N(-1), N(1), S(two), S(""), S(""),
         S("t1"));
    expect(s, N(SUBSCRIBED_WAITS));
    assert_int_equal(members(s), 0);
    assert_int_equal(owed(s, LETTER_INVITE), 1);
    must(s, OP_REQUEST_CONFIRM, S("t1"), S(two), N(1), S(""));
    assert_int_equal(members(s), 1);
}

static void test_subscribe_many__of_a_list(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_SUBSCRIBE_MANY, S(news), S("me"), N(PROOF_INVITED), N(-1), N(-1), N(2),
         S("news-owner@here.example"), S(""), S(""), S("t1"), S(two), S(""), S(""), S("t2"));
    expect(s, N(SUBSCRIBED_NOT), N(SUBSCRIBED_WAITS));
    assert_number(s, 1, "SELECT count(*) FROM request");
}

static void test_many__whether_people_hear_of_it(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_SUBSCRIBE_MANY, S(news), S("me"), N(ALL | SUBSCRIBE_QUIETLY), N(-1), N(-1), N(1), S(one),
         S(""), S(""), S("t1"));
    must(s, OP_SUBSCRIBE_MANY, S(news), S("me"), N(ALL | SUBSCRIBE_WELCOME), N(-1), N(-1), N(1), S(two),
         S(""), S(""), S("t2"));
    assert_int_equal(owed(s, LETTER_WELCOME), 1);
    must(s, OP_UNSUBSCRIBE_MANY, S(news), S("me"), N(SUBSCRIBE_QUIETLY | OWNERS_TOLD), N(3), S(one),
         S("no@one.example"), S(two));
    expect(s, N(1), N(0), N(1));
    assert_int_equal(members(s), 0);
    assert_int_equal(owed(s, LETTER_GOODBYE), 0);
    assert_int_equal(owed(s, LETTER_LEFT), 2);
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S("admin_notify_mchanges"), N(SETTING_REPLACE),
         S("true"));
    add_member(s, news, one);
    must(s, OP_UNSUBSCRIBE_MANY, S(news), S("me"), N(OWNERS_QUIETLY), N(1), S(one));
    assert_int_equal(owed(s, LETTER_LEFT), 2);
    refused(s, ERR_NOT_FOUND, OP_UNSUBSCRIBE_MANY, S("no@here.example"), S("me"), N(0), N(0));
}

static void test_address_change__everything_follows(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_SUBSCRIBE_MANY, S(news), S("me"), N(ALL), N(-1), N(-1), N(1), S(one), S(""), S("Anne"),
         S("t1"));
    must(s, OP_USER_PREFER, S("me"), S(one));
    must(s, OP_PREFER, S("me"), N(LEVEL_ADDRESS), S(one), S(""), N(0), N(0), N(1), N(PREFERENCE_HIDE_ADDRESS),
         N(1));
    must(s, OP_ADDRESS_CHANGE, S("me"), S(one), S(two), S("B@Two.example"));
    assert_number(
        s, 1,
        "SELECT count(*) FROM member m JOIN address a ON a.id = m.addr JOIN mailbox b ON b.addr ="
        " a.id JOIN users u ON u.preferred = a.id WHERE a.text = 'b@two.example' AND m.site = a.site"
        " AND b.name = 'Anne' AND b.original = 'B@Two.example' AND b.verified > 0 AND m.hidden = 1");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1 AND detail = 'by=me was=a@one.example'",
                  N(EVENT_REGISTERED));
    refused(s, ERR_NOT_FOUND, OP_ADDRESS_CHANGE, S("me"), S(one), S(two), S(two));
    must(s, OP_ADDRESS_CHANGE, S("me"), S(two), S(two), S(two)); /* in small letters */
    assert_number(s, 1, "SELECT count(*) FROM mailbox WHERE original = '' AND name = 'Anne'");
    must(s, OP_USER_ADD, S("me"), S(one), S(""), S(""));
    refused(s, ERR_EXISTS, OP_ADDRESS_CHANGE, S("me"), S(two), S(one), S(one));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_subscribe_many__each_its_own_answer),
        STORE_CASE(test_subscribe_many__invited_wait),
        STORE_CASE(test_subscribe_many__of_a_list),
        STORE_CASE(test_many__whether_people_hear_of_it),
        STORE_CASE(test_address_change__everything_follows),
    };
    return RUN_STORE_CASES("store/op_people", cases);
}
