/* op_admin_test.c: lists and their settings: what the command line changes. */
#include "testing/store.h"

#include "store/list_setting.h"

#include "store/class.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "store/event.h"

/* -- lists */

static void test_list_create__what_it_refuses(struct unit_store *s) {
    refused(s, ERR_NOT_FOUND, OP_LIST_CREATE, S("news@here.example"), S(""), S(""), S("public"), N(1));
    make_list(s, "news@here.example");
    refused(s, ERR_EXISTS, OP_LIST_CREATE, S("news@here.example"), S("other"), S(""), S("none"), N(1));
    must(s, OP_ALIAS_SET, S("info@here.example"), S("me"), N(1), S("x@there.example"));
    refused(s, ERR_EXISTS, OP_LIST_CREATE, S("info@here.example"), S(""), S(""), S("public"), N(1));
    assert_number(s, 0, "SELECT count(*) FROM setting");
}

static void test_list_ls__all_one_and_pages(struct unit_store *s) {
    int64_t list = make_list(s, "b@here.example");
    make_list(s, "a@here.example");
    make_list(s, "c@here.example");
    add_members(s, "b@here.example", 0, 3, 1);
    route_mail(s, "post", list, NULL);
    must(s, OP_SETTING_SET, S("b@here.example"), S("me"), N(1), S("description"), N(SETTING_REPLACE),
         S("A list"));
    must(s, OP_LIST_LS, S("b@here.example"), S(""), N(10));
    expect(s, S("b@here.example"), S("A list"), S("owner@there.example"), S("public"));
    assert_true(next_int(s) > 0);
    expect(s, N(3), N(1), N(CLASS_LIST));
    expect_end(s);
    must(s, OP_LIST_LS, S("nothing@here.example"), S(""), N(10));
    expect_end(s);
    must(s, OP_LIST_LS, S(""), S("a@here.example"), N(1));
    expect(s, S("b@here.example"));
    must(s, OP_LIST_LS, S(""), S("b@here.example"), N(10));
    expect(s, S("c@here.example"));
}

static void delete_list(struct unit_store *s, const char *address, int64_t want_members) {
    int64_t members = 0, slices = 0;
    for (bool is_done = false; !is_done; slices++) {
        must(s, OP_LIST_DELETE, S(address));
        members += next_int(s);
        is_done = next_int(s) != 0;
        expect_end(s);
        check(slices < 20, "a deletion does not end");
        int64_t left = number(s, "SELECT count(*) FROM list WHERE address = $1", S(address));
        check((left == 0) == is_done, "the list's row goes last");
    }
    check(members == want_members, "%lld members", (long long)members);
}

static void test_list_delete__in_slices(struct unit_store *s) {
    make_list(s, "news@here.example");
    make_list(s, "other@here.example");
    add_members(s, "news@here.example", 0, 4500, 3);
    add_members(s, "other@here.example", 4000, 4, 3);
    delete_list(s, "news@here.example", 4501); /* and its owner */
    refused(s, ERR_NOT_FOUND, OP_LIST_DELETE, S("news@here.example"));
    assert_number(s, 4, "SELECT count(*) FROM member WHERE role = 1");
    assert_number(s, 1, "SELECT count(*) FROM list");
}

static void test_list_delete__waits_for_posts_under_way(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), message = route_mail(s, "1", list, NULL);
    add_member(s, "news@here.example", "m@one.example");
    must(s, OP_ARCHIVE_JOIN, S("node"));
    refused(s, ERR_CONFLICT, OP_LIST_DELETE, S("news@here.example")); /* expanding */
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    change(s, "DELETE FROM delivery");
    refused(s, ERR_CONFLICT, OP_LIST_DELETE, S("news@here.example")); /* not in the archive yet */
    must(s, OP_FEED_DONE, S("node"), N(list), N(1), N(1), N(message), S("x"));
    message = route_mail(s, "2", list, NULL);
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    must(s, OP_FEED_DONE, S("node"), N(list), N(1), N(2), N(message), S("x"));
    refused(s, ERR_CONFLICT, OP_LIST_DELETE,
            S("news@here.example")); /* its envelope sender is still needed */
    change(s, "DELETE FROM delivery");
    delete_list(s, "news@here.example", 2);
    assert_number(s, 0, "SELECT (SELECT count(*) FROM post) + (SELECT count(*) FROM follower)");
}

/* Its archive folder is still there: a list of the same name numbers on, follows from the start, and knows
 * nothing of the former's posts. */
static void test_list_create__again_after_it_was_deleted(struct unit_store *s) {
    must(s, OP_ARCHIVE_JOIN, S("node"));
    int64_t list = make_list(s, "news@here.example");
    for (int i = 0; i < 3; i++) {
        int64_t message = route_mail(s, i == 0 ? "1" : i == 1 ? "2" : "3", list, NULL);
        must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
        must(s, OP_FEED_DONE, S("node"), N(list), N(1), N(i + 1), N(message), S("x"));
    }
    delete_list(s, "news@here.example", 1);
    int64_t again = make_list(s, "news@here.example");
    assert_true(again > list);
    int64_t message = route_mail(s, "1", again, NULL); /* the same bytes: new to this list */
    keep_edition(s, message, again);
    must(s, OP_FEED_READ, S("node"), N(10), N(0));
    expect(s, N(again), S("news@here.example"), S("public"), N(1), N(1), N(0), N(message), N(4));
    must(s, OP_EXPAND, N(message), N(again), N(LIMIT_EXPAND_SLICE));
    must(s, OP_FEED_DONE, S("node"), N(again), N(1), N(1), N(message), S("x"));
    delete_list(s, "news@here.example", 1);
    make_list(s, "news@here.example");
    assert_number(s, 4, "SELECT uid_last FROM list");
}

/* -- settings */

static void expect_policy(struct unit_store *s, const char *scope, const char *from, const char *value) {
    must(s, OP_SETTINGS, S(scope));
    expect(s, S(from), S("subscription_policy"), S(value));
}

static void test_setting__the_nearest_scope_comes_first(struct unit_store *s) {
    make_list(s, "news@here.example");
    must(s, OP_SETTING_SET, S(""), S("me"), N(1), S("subscription_policy"), N(SETTING_REPLACE), S("open"));
    expect_policy(s, "news@here.example", "", "open");
    must(s, OP_SETTING_SET, S("@here.example"), S("me"), N(1), S("subscription_policy"), N(SETTING_REPLACE),
         S("moderate"));
    expect_policy(s, "news@here.example", "@here.example", "moderate");
    must(s, OP_SETTING_SET, S("news@here.example"), S("me"), N(1), S("subscription_policy"),
         N(SETTING_REPLACE), S("confirm"));
    expect_policy(s, "news@here.example", "news@here.example", "confirm");
    expect_policy(s, "@here.example", "@here.example", "moderate");
    expect_policy(s, "", "", "open");
    must(s, OP_SETTING_SET, S("news@here.example"), S("me"), N(1), S("subscription_policy"), N(SETTING_UNSET),
         S(""));
    expect_policy(s, "news@here.example", "@here.example", "moderate");
    refused(s, ERR_NOT_FOUND, OP_SETTING_SET, S("no@here.example"), S("me"), N(0));
    refused(s, ERR_NOT_FOUND, OP_SETTING_SET, S("@there.example"), S("me"), N(0));
    refused(s, ERR_NOT_FOUND, OP_SETTINGS, S("no@here.example"));
    assert_number(s, 4, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_CONFIGURED));
    delete_list(s, "news@here.example", 1);
    assert_number(s, 2, "SELECT count(*) FROM setting");
    must(s, OP_DOMAIN_REMOVE, S("here.example"));
    assert_number(s, 1, "SELECT count(*) FROM setting");
}

#define SET(how, name, value) S("news@here.example"), S("me"), N(1), S(name), N(SETTING_##how), S(value)

static void assert_setting(struct unit_store *s, const char *name, const char *value) {
    assert_number(s, 1, "SELECT count(*) FROM setting WHERE name = $1 AND value = $2", S(name), S(value));
}

static void test_setting__values_are_checked(struct unit_store *s) {
    make_list(s, "news@here.example");
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "no_such", "1"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "emergency", "perhaps"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "max_message_size", "-1"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "max_message_size", "10000001"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "max_days_to_hold", "soon"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "hold_these_nonmembers", "a@x.example\n^(b"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "hold_these_nonmembers", "nobody"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "acceptable_aliases", "@news@here.example"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(ADD, "emergency", "true"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "bounce_info_stale_after", "soon"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "bounce_info_stale_after", "36501d"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "digest_size_threshold", "-0.5"));
    refused(s, ERR_USAGE, OP_SETTING_SET, SET(REPLACE, "digest_size_threshold", "1.-5"));
    assert_number(s, 0, "SELECT count(*) FROM setting");
    assert_number(s, 0, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_CONFIGURED));
    must(s, OP_SETTING_SET, SET(REPLACE, "bounce_info_stale_after", "1d12h"));
    must(s, OP_SETTING_SET, SET(REPLACE, "digest_size_threshold", "30.5"));
    must(s, OP_SETTING_SET, SET(REPLACE, "max_message_size", "0"));
    assert_setting(s, "max_message_size", "0");
    must(s, OP_SETTING_SET, SET(REPLACE, "member_moderation_notice", "Not now.\nLater."));
    assert_setting(s, "member_moderation_notice", "Not now.\nLater.");
}

static void test_setting__of_a_password_a_hash_is_kept(struct unit_store *s) {
    make_list(s, "news@here.example");
    must(s, OP_SETTING_SET, SET(REPLACE, "moderator_password", "open sesame"));
    assert_number(
        s, 1, "SELECT count(*) FROM setting WHERE name = 'moderator_password' AND value LIKE '$argon2id$%'");
    assert_number(s, 0, "SELECT count(*) FROM event WHERE detail LIKE '%sesame%'");
}

static void test_setting__lines(struct unit_store *s) {
    make_list(s, "news@here.example");
    must(s, OP_SETTING_SET,
         SET(REPLACE, "accept_these_nonmembers", " Anne@X.example \n\n^.*@Y\n@News@Here.example\n"));
    assert_setting(s, "accept_these_nonmembers", "anne@x.example\n^.*@Y\n@news@here.example");
    must(s, OP_SETTING_SET, SET(ADD, "accept_these_nonmembers", "Bob@X.example"));
    refused(s, ERR_EXISTS, OP_SETTING_SET, SET(ADD, "accept_these_nonmembers", "bob@x.example"));
    must(s, OP_SETTING_SET, SET(REMOVE, "accept_these_nonmembers", "^.*@Y"));
    refused(s, ERR_NOT_FOUND, OP_SETTING_SET, SET(REMOVE, "accept_these_nonmembers", "^.*@Y"));
    assert_setting(s, "accept_these_nonmembers", "anne@x.example\n@news@here.example\nbob@x.example");
    must(s, OP_SETTING_SET, SET(REPLACE, "accept_these_nonmembers", ""));
    assert_setting(s, "accept_these_nonmembers", "");
    /* a line is added to what counts, wherever that stands */
    must(s, OP_SETTING_SET, S("@here.example"), S("me"), N(1), S("locked_subjects"), N(SETTING_ADD),
         S("flames"));
    must(s, OP_SETTING_SET, SET(ADD, "locked_subjects", "more flames"));
    assert_setting(s, "locked_subjects", "flames\nmore flames");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_list_create__what_it_refuses),
        STORE_CASE(test_list_ls__all_one_and_pages),
        STORE_CASE(test_list_delete__in_slices),
        STORE_CASE(test_list_delete__waits_for_posts_under_way),
        STORE_CASE(test_list_create__again_after_it_was_deleted),
        STORE_CASE(test_setting__the_nearest_scope_comes_first),
        STORE_CASE(test_setting__values_are_checked),
        STORE_CASE(test_setting__of_a_password_a_hash_is_kept),
        STORE_CASE(test_setting__lines),
    };
    return RUN_STORE_CASES("store/op_admin", cases);
}
