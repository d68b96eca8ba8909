/* op_user_test.c: users, their addresses, and which level of preferences holds. */
#include "testing/store.h"

#include "store/list_setting.h"

#include "base/clock.h"
#include "store/event.h"
#include "store/preference.h"
#include "store/role.h"
#include "store/subscription.h"

static const char *const news = "news@here.example", *const one = "a@one.example",
                         *const two = "a@two.example";

static int64_t user_of(struct unit_store *s, const char *address) {
    return number(s, "SELECT b.userid FROM mailbox b JOIN address a ON a.id = b.addr WHERE a.text = $1",
                  S(address));
}

static void test_user__add_name_forget(struct unit_store *s) {
    must(s, OP_USER_ADD, S("me"), S(one), S("A@One.example"), S(""));
    expect(s, N(1));
    must(s, OP_USER_ADD, S("me"), S(one), S("other"), S("Anne"));
    expect(s, N(0));
    must(s, OP_USER_SHOW, S(one));
    expect(s, S("Anne"));
    assert_true(next_int(s) > 0);
    expect(s, S(one), S("A@One.example"));
    must(s, OP_USER_LS, S(""), N(10));
    expect(s, S(one), S("Anne"));
    make_list(s, news);
    add_member(s, news, one);
    must(s, OP_USER_REMOVE, S("me"), S(one));
    expect(s, N(1));
    assert_number(s, 0, "SELECT count(*) FROM member WHERE role = 1");
    assert_number(s, 1, "SELECT count(*) FROM users"); /* the list's owner */
    refused(s, ERR_NOT_FOUND, OP_USER_SHOW, S(one));
    refused(s, ERR_NOT_FOUND, OP_USER_REMOVE, S("me"), S(one));
}

static void test_user__several_addresses(struct unit_store *s) {
    must(s, OP_USER_ADD, S("me"), S(one), S(""), S("Anne"));
    must(s, OP_USER_LINK, S("me"), S(one), S(two));
    assert_int_equal(user_of(s, one), user_of(s, two));
    refused(s, ERR_EXISTS, OP_USER_LINK, S("me"), S(two), S(one));
    assert_number(s, 1, "SELECT count(*) FROM users");
    must(s, OP_USER_UNLINK, S("me"), S(two));
    assert_true(user_of(s, one) != user_of(s, two));
    refused(s, ERR_REFUSED, OP_USER_UNLINK, S("me"), S(two));
    assert_number(s, 2, "SELECT count(*) FROM users");
    must(s, OP_USER_LINK, S("me"), S(one), S(two)); /* one that has a user: that one goes */
    assert_number(s, 1, "SELECT count(*) FROM users WHERE name = 'Anne'");
    assert_number(s, 1, "SELECT count(*) FROM users");
}

/* What a user subscribed as a user follows the preferred address; what an address subscribed stays. */
static void test_user__memberships_follow_the_preferred_address(struct unit_store *s) {
    make_list(s, news);
    make_list(s, "other@here.example");
    must(s, OP_SETTING_SET, S(""), S("me"), N(1), S("subscription_policy"), N(SETTING_REPLACE), S("open"));
    must(s, OP_USER_ADD, S("me"), S(one), S(""), S(""));
    must(s, OP_USER_LINK, S("me"), S(one), S(two));
    refused(s, ERR_REFUSED, OP_USER_PREFER, S("me"), S(one)); /* not verified */
    refused(s, ERR_REFUSED, OP_SUBSCRIBE, S(news), S("me"), S(one), S(""), S(""), N(1), N(PROOF_VERIFIED),
            S("t"));
    must(s, OP_USER_VERIFY, S("me"), S(one), N(1));
    must(s, OP_USER_VERIFY, S("me"), S(two), N(1));
    must(s, OP_USER_PREFER, S("me"), S(one));
    must(s, OP_SUBSCRIBE, S(news), S("me"), S(two), S(""), S(""), N(1), N(0), S("t"));
    expect(s, N(WAITS_NOBODY));
    must(s, OP_SUBSCRIBE, S("other@here.example"), S("me"), S(one), S(""), S(""), N(0), N(0), S("t"));
    assert_number(s, 2, "SELECT count(*) FROM member WHERE role = 1 AND addr = $1", N(address_of(s, one)));
    must(s, OP_USER_PREFER, S("me"), S(two));
    assert_number(s, 1,
                  "SELECT count(*) FROM member m JOIN list l ON l.id = m.list WHERE l.address = $1"
                  " AND addr = $2 AND site = $3 AND follows = 1",
                  S(news), N(address_of(s, two)), N(site_of(s, "two.example")));
    assert_number(s, 1, "SELECT count(*) FROM member WHERE role = 1 AND addr = $1 AND follows = 0",
                  N(address_of(s, one)));
    add_member(s, news, one); /* the other address too, by itself: moving there ends the one that follows */
    must(s, OP_USER_PREFER, S("me"), S(one));
    assert_number(s, 1,
                  "SELECT count(*) FROM member m JOIN list l ON l.id = m.list WHERE l.address = $1"
                  " AND m.role = 1",
                  S(news));
}

static int64_t status(struct unit_store *s) {
    return number(s, "SELECT status FROM member WHERE role = 1 AND addr = $1", N(address_of(s, one)));
}

static void prefer(struct unit_store *s, enum preference_level level, int64_t value, int64_t until) {
    must(s, OP_PREFER, S("me"), N(level), S(one), level == LEVEL_MEMBER ? S(news) : S(""),
         N(level == LEVEL_MEMBER ? ROLE_MEMBER : ROLE_ANY), N(until), N(1), N(PREFERENCE_DELIVERY_STATUS),
         N(value));
}

/* Membership, address, user, default: the nearest that says something. Both ways, and for who joins later. */
static void test_prefer__the_nearest_level_holds(struct unit_store *s) {
    make_list(s, news);
    add_member(s, news, one);
    assert_int_equal(status(s), STATUS_ENABLED);
    prefer(s, LEVEL_USER, 1, 0);
    assert_int_equal(status(s), 1);
    prefer(s, LEVEL_ADDRESS, 2, 0);
    assert_int_equal(status(s), 2);
    prefer(s, LEVEL_MEMBER, STATUS_ENABLED, 0);
    assert_int_equal(status(s), STATUS_ENABLED);
    prefer(s, LEVEL_USER, 3, 0);
    assert_int_equal(status(s), STATUS_ENABLED);
    prefer(s, LEVEL_MEMBER, PREFERENCE_UNSET, 0);
    assert_int_equal(status(s), 2);
    prefer(s, LEVEL_ADDRESS, PREFERENCE_UNSET, 0);
    assert_int_equal(status(s), 3);
    must(s, OP_MEMBER_REMOVE, S(news), S("me"), N(ROLE_MEMBER), N(1), S(one));
    add_member(s, news, one);
    assert_int_equal(status(s), 3);
    must(s, OP_PREFERENCES, N(LEVEL_USER), S(one), S(""), N(0));
    expect(s, N(PREFERENCE_DELIVERY_STATUS), N(3), N(0));
    expect_end(s);
}

static void test_prefer__what_is_refused(struct unit_store *s) {
    make_list(s, news);
    add_member(s, news, one);
    refused(s, ERR_SYNTAX, OP_PREFER, S("me"), N(LEVEL_USER), S(one), S(""), N(0), N(0), N(1), N(99), N(0));
    refused(s, ERR_SYNTAX, OP_PREFER, S("me"), N(LEVEL_USER), S(one), S(""), N(0), N(0), N(2),
            N(PREFERENCE_HIDE_ADDRESS), N(1), N(PREFERENCE_DELIVERY_STATUS), N(5)); /* all or nothing */
    refused(s, ERR_NOT_FOUND, OP_PREFER, S("me"), N(LEVEL_MEMBER), S(one), S(news), N(ROLE_OWNER), N(0), N(1),
            N(PREFERENCE_DELIVERY_STATUS), N(1));
    refused(s, ERR_NOT_FOUND, OP_PREFER, S("me"), N(LEVEL_USER), S("no@one.example"), S(""), N(0), N(0), N(1),
            N(PREFERENCE_DELIVERY_STATUS), N(1));
    assert_number(s, 0, "SELECT count(*) FROM preference");
}

/* Preferences of a membership go with it; those of an address stay until it is forgotten. */
static void test_prefer__goes_with_what_it_is_about(struct unit_store *s) {
    make_list(s, news);
    add_member(s, news, one);
    prefer(s, LEVEL_MEMBER, 1, 0);
    prefer(s, LEVEL_ADDRESS, 1, 0);
    prefer(s, LEVEL_USER, 1, 0);
    must(s, OP_MEMBER_REMOVE, S(news), S("me"), N(ROLE_MEMBER), N(1), S(one));
    assert_number(s, 2, "SELECT count(*) FROM preference");
    must(s, OP_USER_REMOVE, S("me"), S(one));
    assert_number(s, 0, "SELECT count(*) FROM preference");
}

static void test_prefer__until(struct unit_store *s) {
    make_list(s, news);
    add_member(s, news, one);
    prefer(s, LEVEL_ADDRESS, 1, clock_now_ms() + 60000);
    assert_int_equal(status(s), 1);
    must(s, OP_PREFERENCES_END, N(10));
    expect(s, N(0));
    advance(60001);
    must(s, OP_PREFERENCES_END, N(10));
    expect(s, N(1));
    assert_int_equal(status(s), STATUS_ENABLED);
    assert_number(s, 0, "SELECT count(*) FROM preference");
}

/* Who takes no mail gets no copy. */
static void test_expand__passes_over_who_takes_no_mail(struct unit_store *s) {
    int64_t list = make_list(s, news);
    add_member(s, news, one);
    add_member(s, news, two);
    prefer(s, LEVEL_USER, 1, 0);
    int64_t message = route_mail(s, "1", list, NULL);
    must(s, OP_EXPAND, N(message), N(list), N(100));
    expect(s, N(1), N(1));
    assert_number(s, address_of(s, two), "SELECT rcpt FROM delivery WHERE message = $1", N(message));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_user__add_name_forget),
        STORE_CASE(test_user__several_addresses),
        STORE_CASE(test_user__memberships_follow_the_preferred_address),
        STORE_CASE(test_prefer__the_nearest_level_holds),
        STORE_CASE(test_prefer__what_is_refused),
        STORE_CASE(test_prefer__goes_with_what_it_is_about),
        STORE_CASE(test_prefer__until),
        STORE_CASE(test_expand__passes_over_who_takes_no_mail),
    };
    return RUN_STORE_CASES("store/op_user", cases);
}
