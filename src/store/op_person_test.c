/* op_person_test.c: what programs change about users, addresses, memberships, preferences and requests. */
#include "store/event.h"
#include "store/list_setting.h"
#include "store/people.h"
#include "store/preference.h"
#include "store/role.h"
#include "store/subscription.h"
#include "testing/store.h"

static const char news[] = "news@here.example", one[] = "ada@one.example", two[] = "ada@two.example";

static int64_t user_of(struct unit_store *s, const char *address) {
    return number(s, "SELECT b.userid FROM mailbox b JOIN address a ON a.id = b.addr WHERE a.text = $1",
                  S(address));
}

static int64_t make_user(struct unit_store *s, const char *address, const char *name) {
    must(s, OP_USER_MAKE, S("rest:x"), S(address), S(""), S(name), S(""), N(0));
    return next_int(s);
}

static void test_user__made_changed_forgotten(struct unit_store *s) {
    int64_t id = make_user(s, one, "Ada");
    assert_int_equal(user_of(s, one), id);
    refused(s, ERR_EXISTS, OP_USER_MAKE, S("me"), S(one), S(""), S(""), S(""), N(0));
    must(s, OP_USER_SET, S("me"), N(id), N(USER_NAME | USER_PASSWORD | USER_SERVER_OWNER), S("A"), S("kept"),
         N(1));
    must(s, OP_USER_SET, S("me"), N(id), N(USER_NAME), S("Ada L."), S("other"), N(0));
    assert_number(s, 1,
                  "SELECT count(*) FROM users WHERE name = 'Ada L.' AND password = 'kept' AND"
                  " server_owner = 1");
    refused(s, ERR_NOT_FOUND, OP_USER_SET, S("me"), N(4711), N(USER_NAME), S("A"), S(""), N(0));
    must(s, OP_ADDRESS_ADD, S("me"), N(id), S(two), S("Ada@two.example"), S("A."), N(0));
    assert_int_equal(user_of(s, two), id);
    must(s, OP_USER_VERIFY, S("me"), S(two), N(1));
    must(s, OP_USER_PREFER, S("me"), S(two));
    must(s, OP_USER_UNPREFER, S("me"), N(id));
    assert_number(s, 0, "SELECT preferred FROM users WHERE id = $1", N(id));
    refused(s, ERR_NOT_FOUND, OP_USER_UNPREFER, S("me"), N(4711));
    make_list(s, news);
    add_member(s, news, one);
    must(s, OP_USER_FORGET, S("me"), N(id));
    assert_number(s, 0, "SELECT count(*) FROM mailbox WHERE userid = $1", N(id));
    assert_number(s, 0, "SELECT count(*) FROM users WHERE id = $1", N(id));
    assert_number(s, 0, "SELECT count(*) FROM member WHERE role = 1");
    assert_number(s, 2, "SELECT count(*) FROM event WHERE kind = $1 AND detail LIKE 'by=me%'",
                  N(EVENT_FORGOTTEN));
    refused(s, ERR_NOT_FOUND, OP_USER_FORGET, S("me"), N(id));
}

static void test_address__goes_from_user_to_user(struct unit_store *s) {
    int64_t ada = make_user(s, one, "Ada"), bo = make_user(s, two, "Bo");
    refused(s, ERR_EXISTS, OP_ADDRESS_ADD, S("me"), N(ada), S(two), S(""), S(""), N(0));
    refused(s, ERR_EXISTS, OP_ADDRESS_ADD, S("me"), N(ada), S(one), S(""), S(""), N(0));
    must(s, OP_ADDRESS_ADD, S("me"), N(ada), S(one), S(""), S(""), N(1)); /* nothing to absorb */
    must(s, OP_PREFER_OF, S("me"), N(LEVEL_USER), N(bo), N(0), N(1), N(PREFERENCE_HIDE_ADDRESS), N(1));
    must(s, OP_USER_SET, S("me"), N(bo), N(USER_PASSWORD | USER_SERVER_OWNER), S(""), S("kept"), N(1));
    must(s, OP_ADDRESS_ADD, S("me"), N(ada), S(two), S(""), S(""), N(1));
    assert_int_equal(user_of(s, two), ada);
    assert_number(s, 1, "SELECT count(*) FROM users");
    assert_number(s, 1,
                  "SELECT count(*) FROM users WHERE name = 'Ada' AND password = 'kept' AND server_owner = 1");
    assert_number(s, ada, "SELECT owner FROM preference WHERE level = $1", N(LEVEL_USER));
    refused(s, ERR_EXISTS, OP_ADDRESS_LINK, S("me"), S(two), N(0), S(""), S(""), N(0), N(0));
    must(s, OP_ADDRESS_LINK, S("me"), S(two), N(0), S(""), S(""), N(0), N(1)); /* alone */
    int64_t alone = next_int(s);
    assert_true(alone != ada && user_of(s, two) == alone);
    must(s, OP_ADDRESS_LINK, S("me"), S(two), N(0), S("Cy"), S("pw"), N(1), N(0)); /* known by nothing else */
    expect(s, N(alone));
    assert_number(s, 1,
                  "SELECT count(*) FROM users WHERE name = 'Cy' AND password = 'pw' AND server_owner = 1");
    must(s, OP_ADDRESS_LINK, S("me"), S(two), N(ada), S(""), S(""), N(0), N(1));
    expect(s, N(ada));
    assert_number(s, 1, "SELECT count(*) FROM users");
    refused(s, ERR_NOT_FOUND, OP_ADDRESS_LINK, S("me"), S(two), N(4711), S(""), S(""), N(0), N(1));
    refused(s, ERR_NOT_FOUND, OP_ADDRESS_ADD, S("me"), N(4711), S(two), S(""), S(""), N(0));
    must(s, OP_ADDRESS_SET, S("me"), S(two), S("At work"));
    assert_number(s, 1, "SELECT count(*) FROM mailbox WHERE name = 'At work'");
    refused(s, ERR_NOT_FOUND, OP_ADDRESS_SET, S("me"), S("no@x.example"), S(""));
}

static void test_membership__made_and_moved(struct unit_store *s) {
    make_list(s, news);
    make_user(s, two, "Bo");
    must(s, OP_MEMBER_MAKE, S(news), S("rest:x"), N(ROLE_OWNER), S(one), S("Ada@one.example"), S("Ada"), N(1),
         N(2));
    int64_t id = next_int(s), ada = user_of(s, one);
    assert_number(s, 1, "SELECT count(*) FROM member WHERE id = $1 AND role = 2 AND status = 2", N(id));
    assert_number(s, 1, "SELECT count(*) FROM users WHERE name = 'Ada'");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1 AND detail = 'by=rest:x role=owner'",
                  N(EVENT_SUBSCRIBED));
    refused(s, ERR_EXISTS, OP_MEMBER_MAKE, S(news), S("me"), N(ROLE_OWNER), S(one), S(""), S(""), N(-1),
            N(-1));
    must(s, OP_BAN_ADD, S(news), S("me"), S("eve@x.example"));
    refused(s, ERR_REFUSED, OP_MEMBER_MAKE, S(news), S("me"), N(ROLE_OWNER), S("eve@x.example"), S(""), S(""),
            N(-1), N(-1));
    refused(s, ERR_REFUSED, OP_MEMBER_SET, S("me"), N(id), S("no@x.example"), N(-1), N(-1));
    refused(s, ERR_REFUSED, OP_MEMBER_SET, S("me"), N(id), S(two), N(-1), N(-1)); /* not verified */
    must(s, OP_USER_VERIFY, S("me"), S(two), N(1));
    refused(s, ERR_REFUSED, OP_MEMBER_SET, S("me"), N(id), S(two), N(-1), N(-1)); /* another user's */
    must(s, OP_ADDRESS_ADD, S("me"), N(ada), S(two), S(""), S(""), N(1));
    must(s, OP_MEMBER_SET, S("me"), N(id), S(two), N(0), N(MODERATION_ACCEPT));
    assert_number(s, address_of(s, two), "SELECT addr FROM member WHERE id = $1", N(id));
    assert_number(s, 1,
                  "SELECT count(*) FROM event WHERE kind = $1 AND detail ="
                  " 'by=me address=ada@two.example delivery_mode=regular moderation_action=accept'",
                  N(EVENT_PREFERRED));
    must(s, OP_MEMBER_MAKE, S(news), S("me"), N(ROLE_OWNER), S(one), S(""), S(""), N(-1), N(-1));
    must(s, OP_USER_VERIFY, S("me"), S(one), N(1));
    refused(s, ERR_EXISTS, OP_MEMBER_SET, S("me"), N(id), S(one), N(-1), N(-1));
    change(s, "UPDATE member SET follows = 1 WHERE id = $1", N(id));
    refused(s, ERR_REFUSED, OP_MEMBER_SET, S("me"), N(id), S(one), N(-1), N(-1));
    refused(s, ERR_NOT_FOUND, OP_MEMBER_SET, S("me"), N(4711), S(""), N(-1), N(-1));
    must(s, OP_MEMBER_REMOVE, S(news), S("me"), N(ROLE_OWNER), N(2), S(two), S("no@x.example"));
    expect(s, N(1), N(1), N(0));
    expect_end(s);
}

static void test_preferences__by_number(struct unit_store *s) {
    make_list(s, news);
    add_member(s, news, one);
    int64_t id = number(s, "SELECT id FROM member WHERE role = 1"), user = user_of(s, one);
    must(s, OP_PREFER_OF, S("me"), N(LEVEL_MEMBER), N(id), N(0), N(2), N(PREFERENCE_DELIVERY_STATUS), N(1),
         N(PREFERENCE_PREFERRED_LANGUAGE), N(7));
    assert_number(s, 1, "SELECT status FROM member WHERE id = $1", N(id));
    must(s, OP_PREFERENCES_OF, N(LEVEL_MEMBER), N(id));
    expect(s, N(PREFERENCE_DELIVERY_STATUS), N(1), N(PREFERENCE_PREFERRED_LANGUAGE), N(7));
    expect_end(s);
    must(s, OP_MEMBER_SET, S("me"), N(id), S(""), N(-1), N(MODERATION_HOLD));
    must(s, OP_PREFER_OF, S("me"), N(LEVEL_MEMBER), N(id), N(1), N(0));
    assert_number(s, 0, "SELECT status FROM member WHERE id = $1", N(id));
    must(s, OP_PREFERENCES_OF, N(LEVEL_MEMBER), N(id));
    expect(s, N(PREFERENCE_MODERATION_ACTION), N(MODERATION_HOLD));
    must(s, OP_PREFER_OF, S("me"), N(LEVEL_USER), N(user), N(0), N(1), N(PREFERENCE_DELIVERY_STATUS), N(3));
    assert_number(s, 3, "SELECT status FROM member WHERE id = $1", N(id));
    refused(s, ERR_NOT_FOUND, OP_PREFER_OF, S("me"), N(LEVEL_MEMBER), N(4711), N(0), N(0));
    refused(s, ERR_NOT_FOUND, OP_PREFER_OF, S("me"), N(LEVEL_ADDRESS), N(4711), N(0), N(0));
    refused(s, ERR_SYNTAX, OP_PREFER_OF, S("me"), N(LEVEL_USER), N(user), N(0), N(1),
            N(PREFERENCE_DELIVERY_MODE), N(9));
}

/* What is asked for waits with what the membership is to prefer. */
static void test_requests__found_and_kept(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_SETTING_SET, S(""), S("me"), N(1), S("subscription_policy"), N(SETTING_REPLACE), S("open"));
    must(s, OP_SUBSCRIBE, S(news), S("me"), S(one), S(""), S("Ada"), N(0), N(0), S("t1"), N(2), N(1));
    expect(s, N(WAITS_SUBSCRIBER), N(0));
    must(s, OP_SUBSCRIBE, S(news), S("me"), S(two), S(""), S(""), N(0), N(PROOF_VERIFIED), S("t2"), N(-1),
         N(-1));
    expect(s, N(WAITS_NOBODY), N(number(s, "SELECT id FROM member WHERE role = 1")));
    must(s, OP_REQUEST_FIND, S(news), N(REQUEST_SUBSCRIBE), N(-1), N(0), N(10));
    expect(s, N(1), S("t1"), S(news), S(one), S("Ada"), N(REQUEST_SUBSCRIBE), N(WAITS_SUBSCRIBER));
    next_int(s);
    expect_end(s);
    must(s, OP_REQUEST_FIND, S(news), N(REQUEST_SUBSCRIBE), N(WAITS_MODERATOR), N(0), N(10));
    expect(s, N(0));
    must(s, OP_REQUEST_SHOW, S("t1"));
    expect(s, S("t1"), S(news), S(one));
    must(s, OP_REQUEST_SHOW, S("t2"));
    expect_end(s);
    must(s, OP_REQUEST_CONFIRM, S("t1"), S(one), N(1), S(""));
    assert_number(s, 1, "SELECT status FROM member WHERE addr = $1", N(address_of(s, one)));
    assert_number(s, 2, "SELECT value FROM preference WHERE kind = $1", N(PREFERENCE_DELIVERY_MODE));
    assert_number(s, 1, "SELECT count(*) FROM users WHERE name = 'Ada'");
    refused(s, ERR_NOT_FOUND, OP_REQUEST_FIND, S("no@here.example"), N(1), N(-1), N(0), N(1));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_user__made_changed_forgotten), STORE_CASE(test_address__goes_from_user_to_user),
        STORE_CASE(test_membership__made_and_moved),   STORE_CASE(test_preferences__by_number),
        STORE_CASE(test_requests__found_and_kept),
    };
    return RUN_STORE_CASES("store/op_person", cases);
}
