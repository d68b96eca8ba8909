/* op_subscribe_test.c: subscriptions and their end under every policy. */
#include "testing/store.h"

#include "store/list_setting.h"

#include "store/event.h"
#include "store/role.h"
#include "store/subscription.h"

static const char *const news = "news@here.example", *const one = "a@one.example";

/* -- the rule */

static void test_waits__every_policy_and_proof(struct unit_store *s) {
    enum { V = PROOF_VERIFIED, C = PROOF_CONFIRMED, A = PROOF_APPROVED, I = PROOF_INVITED };
    static const struct {
        enum request_kind kind;
        enum policy policy;
        unsigned proofs;
        enum waits want;
    } rows[] = {
        {REQUEST_SUBSCRIBE, POLICY_OPEN, 0, WAITS_SUBSCRIBER},
        {REQUEST_SUBSCRIBE, POLICY_OPEN, C | A, WAITS_SUBSCRIBER}, /* nobody proved the address */
        {REQUEST_SUBSCRIBE, POLICY_OPEN, V, WAITS_NOBODY},
        {REQUEST_SUBSCRIBE, POLICY_CONFIRM, V, WAITS_SUBSCRIBER},
        {REQUEST_SUBSCRIBE, POLICY_CONFIRM, V | A, WAITS_SUBSCRIBER},
        {REQUEST_SUBSCRIBE, POLICY_CONFIRM, V | C, WAITS_NOBODY},
        {REQUEST_SUBSCRIBE, POLICY_MODERATE, 0, WAITS_SUBSCRIBER},
        {REQUEST_SUBSCRIBE, POLICY_MODERATE, V, WAITS_MODERATOR},
        {REQUEST_SUBSCRIBE, POLICY_MODERATE, V | A, WAITS_NOBODY},
        {REQUEST_SUBSCRIBE, POLICY_CONFIRM_THEN_MODERATE, V | A, WAITS_SUBSCRIBER},
        {REQUEST_SUBSCRIBE, POLICY_CONFIRM_THEN_MODERATE, V | C, WAITS_MODERATOR},
        {REQUEST_SUBSCRIBE, POLICY_CONFIRM_THEN_MODERATE, V | C | A, WAITS_NOBODY},
        {REQUEST_SUBSCRIBE, POLICY_CONFIRM_THEN_MODERATE, I, WAITS_SUBSCRIBER},
        {REQUEST_SUBSCRIBE, POLICY_CONFIRM_THEN_MODERATE, I | C | V, WAITS_NOBODY},
        {REQUEST_UNSUBSCRIBE, POLICY_OPEN, 0, WAITS_NOBODY},
        {REQUEST_UNSUBSCRIBE, POLICY_CONFIRM, 0, WAITS_SUBSCRIBER},
        {REQUEST_UNSUBSCRIBE, POLICY_CONFIRM, C, WAITS_NOBODY},
        {REQUEST_UNSUBSCRIBE, POLICY_MODERATE, C, WAITS_MODERATOR},
        {REQUEST_UNSUBSCRIBE, POLICY_MODERATE, A, WAITS_NOBODY},
        {REQUEST_UNSUBSCRIBE, POLICY_CONFIRM_THEN_MODERATE, C, WAITS_MODERATOR},
        {REQUEST_UNSUBSCRIBE, POLICY_CONFIRM_THEN_MODERATE, C | A, WAITS_NOBODY},
    };
    (void)s;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum waits got = subscription_waits(rows[i].kind, rows[i].policy, rows[i].proofs);
        check(got == rows[i].want, "row %zu: %d", i, got);
    }
}

/* -- the operations */

static void set_policy(struct unit_store *s, const char *setting, const char *policy) {
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S(setting), N(SETTING_REPLACE), S(policy));
}

static enum waits subscribe(struct unit_store *s, unsigned proofs, const char *token) {
    must(s, OP_SUBSCRIBE, S(news), S("me"), S(one), S("A@One.example"), S("Anne"), N(0), N(proofs), S(token));
    return (enum waits)next_int(s);
}

static int64_t members(struct unit_store *s) {
    return number(s, "SELECT count(*) FROM member WHERE role = 1");
}

static void answered(struct unit_store *s, enum op op, const char *token, bool yes, enum waits want) {
    must(s, op, S(token), S("you"), N(yes), S(""));
    expect(s, N(want), N(REQUEST_SUBSCRIBE), S(news), S(one));
}

static void test_subscribe__open(struct unit_store *s) {
    make_list(s, news);
    set_policy(s, "subscription_policy", "open");
    assert_int_equal(subscribe(s, PROOF_VERIFIED, "t1"), WAITS_NOBODY);
    assert_int_equal(members(s), 1);
    assert_number(s, 1,
                  "SELECT count(*) FROM mailbox WHERE original = 'A@One.example' AND name = 'Anne' AND "
                  "verified > 0");
    refused(s, ERR_EXISTS, OP_SUBSCRIBE, S(news), S("me"), S(one), S(""), S(""), N(0), N(0), S("t2"));
    refused(s, ERR_REFUSED, OP_SUBSCRIBE, S(news), S("me"), S(news), S(""), S(""), N(0), N(0), S("t2"));
    refused(s, ERR_NOT_FOUND, OP_SUBSCRIBE, S("no@here.example"), S("me"), S(one), S(""), S(""), N(0), N(0),
            S("t2"));
    assert_number(s, 0, "SELECT count(*) FROM request");
}

/* Nothing of what is refused stays, also where others are subscribed in the same step. */
static void test_subscribe__refused_proves_nothing(struct unit_store *s) {
    make_list(s, news);
    assert_int_equal(subscribe(s, 0, "t1"), WAITS_SUBSCRIBER);
    must(s, OP_SUBSCRIBE_MANY, S(news), S("me"), N(PROOF_VERIFIED | PROOF_CONFIRMED), N(-1), N(-1), N(1),
         S(one), S(""), S(""), S("t2"));
    assert_number(s, 0, "SELECT count(*) FROM mailbox WHERE verified > 0");
}

/* The default. Its answer proves the address, here and for other lists. */
static void test_subscribe__confirm(struct unit_store *s) {
    make_list(s, news);
    make_list(s, "other@here.example");
    assert_int_equal(subscribe(s, 0, "t1"), WAITS_SUBSCRIBER);
    assert_int_equal(subscribe(s, 0, "t1"), WAITS_SUBSCRIBER); /* the same call, its answer lost */
    assert_number(s, 1, "SELECT count(*) FROM request");
    assert_int_equal(members(s), 0);
    refused(s, ERR_EXISTS, OP_SUBSCRIBE, S(news), S("me"), S(one), S(""), S(""), N(0), N(0), S("t2"));
    refused(s, ERR_CONFLICT, OP_REQUEST_MODERATE, S("t1"), S("you"), N(1), S(""));
    answered(s, OP_REQUEST_CONFIRM, "t1", true, WAITS_NOBODY);
    assert_int_equal(members(s), 1);
    refused(s, ERR_NOT_FOUND, OP_REQUEST_CONFIRM, S("t1"), S("you"), N(1), S(""));
    must(s, OP_SETTING_SET, S("other@here.example"), S("me"), N(1), S("subscription_policy"),
         N(SETTING_REPLACE), S("open"));
    must(s, OP_SUBSCRIBE, S("other@here.example"), S("me"), S(one), S(""), S(""), N(0), N(0), S("t3"));
    expect(s, N(WAITS_NOBODY));
}

static void test_subscribe__confirm_then_moderate(struct unit_store *s) {
    make_list(s, news);
    set_policy(s, "subscription_policy", "confirm_then_moderate");
    assert_int_equal(subscribe(s, 0, "t1"), WAITS_SUBSCRIBER);
    answered(s, OP_REQUEST_CONFIRM, "t1", true, WAITS_MODERATOR);
    must(s, OP_REQUEST_LS, S(news), S(""), N(10));
    expect(s, S("t1"), S(news), S(one), S("Anne"), N(REQUEST_SUBSCRIBE), N(WAITS_MODERATOR));
    must(s, OP_REQUEST_CONFIRM, S("t1"), S("you"), N(1), S("")); /* the same answer once more */
    expect(s, N(WAITS_MODERATOR));
    answered(s, OP_REQUEST_MODERATE, "t1", true, WAITS_NOBODY);
    assert_int_equal(members(s), 1);
    assert_number(s, 2, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_REQUESTED));
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1 AND detail = 'by=you'",
                  N(EVENT_SUBSCRIBED));
}

static void test_subscribe__no(struct unit_store *s) {
    make_list(s, news);
    set_policy(s, "subscription_policy", "moderate");
    assert_int_equal(subscribe(s, PROOF_VERIFIED, "t1"), WAITS_MODERATOR);
    must(s, OP_REQUEST_MODERATE, S("t1"), S("you"), N(0), S("not now"));
    expect(s, N(WAITS_NOBODY));
    assert_int_equal(members(s), 0);
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1 AND detail = 'by=you not now'",
                  N(EVENT_REFUSED));
    assert_int_equal(subscribe(s, 0, "t2"), WAITS_MODERATOR); /* may ask again */
}

static void test_subscribe__invited(struct unit_store *s) {
    make_list(s, news);
    set_policy(s, "subscription_policy", "confirm_then_moderate");
    assert_int_equal(subscribe(s, PROOF_INVITED, "t1"), WAITS_SUBSCRIBER);
    answered(s, OP_REQUEST_CONFIRM, "t1", true, WAITS_NOBODY);
    assert_int_equal(members(s), 1);
}

static void test_unsubscribe(struct unit_store *s) {
    make_list(s, news);
    refused(s, ERR_NOT_FOUND, OP_UNSUBSCRIBE, S(news), S("me"), S(one), N(0), S("t1"));
    add_member(s, news, one);
    must(s, OP_UNSUBSCRIBE, S(news), S("me"), S(one), N(0), S("t1"));
    expect(s, N(WAITS_SUBSCRIBER));
    refused(s, ERR_EXISTS, OP_UNSUBSCRIBE, S(news), S("me"), S(one), N(0), S("t2"));
    must(s, OP_REQUEST_CONFIRM, S("t1"), S("you"), N(1), S(""));
    expect(s, N(WAITS_NOBODY), N(REQUEST_UNSUBSCRIBE));
    assert_int_equal(members(s), 0);
    add_member(s, news, one);
    set_policy(s, "unsubscription_policy", "open");
    must(s, OP_UNSUBSCRIBE, S(news), S("me"), S(one), N(0), S("t3"));
    expect(s, N(WAITS_NOBODY));
    assert_int_equal(members(s), 0);
}

/* Nobody answers: it is forgotten, and may be asked for again even before that. */
static void test_request__its_time_is_up(struct unit_store *s) {
    make_list(s, news);
    subscribe(s, 0, "t1");
    advance(INT64_C(1000) * 3600 * 24 * 3);
    refused(s, ERR_NOT_FOUND, OP_REQUEST_CONFIRM, S("t1"), S("you"), N(1), S(""));
    must(s, OP_REQUEST_LS, S(""), S(""), N(10));
    expect_end(s);
    assert_int_equal(subscribe(s, 0, "t2"), WAITS_SUBSCRIBER);
    must(s, OP_REQUESTS_END, N(10));
    expect(s, N(0));
    advance(INT64_C(1000) * 3600 * 24 * 3);
    must(s, OP_REQUESTS_END, N(10));
    expect(s, N(1));
    assert_number(s, 0, "SELECT count(*) FROM request");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_REFUSED));
}

/* By day and address; yesterday is forgotten. */
static void test_letters__are_counted(struct unit_store *s) {
    for (int64_t i = 1; i <= 3; i++) {
        must(s, OP_LETTER_COUNT, S("a@one.example"));
        expect(s, N(i));
    }
    must(s, OP_LETTER_COUNT, S("b@one.example"));
    expect(s, N(1));
    change(s, "UPDATE autoresponse SET day = day - 1");
    must(s, OP_LETTER_COUNT, S("a@one.example"));
    expect(s, N(1));
    assert_number(s, 1, "SELECT count(*) FROM autoresponse");
}

/* Neither a list nor its other addresses can ask for anything. */
static void test_subscribe__not_what_belongs_to_a_list(struct unit_store *s) {
    make_list(s, "news@here.example");
    make_list(s, "talk@here.example");
    static const char *const addresses[] = {"talk@here.example", "talk-owner@here.example",
                                            "talk-bounces+a=b@here.example"};
    for (size_t i = 0; i < COUNT(addresses); i++)
        refused(s, ERR_REFUSED, OP_SUBSCRIBE, S("news@here.example"), S("mail"), S(addresses[i]), S(""),
                S(""), N(0), N(0), S("t"));
    must(s, OP_SUBSCRIBE, S("news@here.example"), S("mail"), S("no-owner@here.example"), S(""), S(""), N(0),
         N(0), S("t"));
}

/* Who proves enough need not wait for an earlier request. */
static void test_unsubscribe__with_proof_passes_a_pending_one(struct unit_store *s) {
    make_list(s, "news@here.example");
    must(s, OP_MEMBER_ADD, S("news@here.example"), S("me"), N(ROLE_MEMBER), N(1), S("a@one.example"));
    must(s, OP_UNSUBSCRIBE, S("news@here.example"), S("forger"), S("a@one.example"), N(0), S("t1"));
    refused(s, ERR_EXISTS, OP_UNSUBSCRIBE, S("news@here.example"), S("mail"), S("a@one.example"), N(0),
            S("t2"));
    must(s, OP_UNSUBSCRIBE, S("news@here.example"), S("mail"), S("a@one.example"),
         N(PROOF_VERIFIED | PROOF_CONFIRMED | PROOF_APPROVED), S("t3"));
    expect(s, N(WAITS_NOBODY));
    assert_number(s, 0, "SELECT count(*) FROM member WHERE role = 1");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_waits__every_policy_and_proof),
        STORE_CASE(test_subscribe__open),
        STORE_CASE(test_subscribe__refused_proves_nothing),
        STORE_CASE(test_subscribe__confirm),
        STORE_CASE(test_subscribe__confirm_then_moderate),
        STORE_CASE(test_subscribe__no),
        STORE_CASE(test_subscribe__invited),
        STORE_CASE(test_unsubscribe),
        STORE_CASE(test_request__its_time_is_up),
        STORE_CASE(test_subscribe__not_what_belongs_to_a_list),
        STORE_CASE(test_unsubscribe__with_proof_passes_a_pending_one),
        STORE_CASE(test_letters__are_counted),
    };
    return RUN_STORE_CASES("store/op_subscribe", cases);
}
