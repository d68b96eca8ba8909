/* op_rules_test.c: bans, header matches, and what a post's rules are told. */
#include "testing/store.h"

#include "store/event.h"
#include "store/list_setting.h"
#include "store/preference.h"
#include "store/role.h"

static const char *const news = "news@here.example";

static void set(struct unit_store *s, const char *scope, const char *name, const char *value) {
    must(s, OP_SETTING_SET, S(scope), S("me"), N(1), S(name), N(SETTING_REPLACE), S(value));
}

/* Read over the settings of an answer; gives the one that is asked for. */
static view read_settings(struct unit_store *s, enum list_setting wanted, int64_t *ret_senders) {
    view value = VIEW("");
    for (int i = 0; i < LIST_SETTING_COUNT; i++) {
        if (list_setting_part((enum list_setting)i) != SETTINGS_RULES)
            continue;
        view one = next_view(s);
        int64_t senders = next_int(s);
        if (i == (int)wanted) {
            value = one;
            *ret_senders = senders;
        }
    }
    return value;
}

static void ask(struct unit_store *s, int64_t list) {
    must(s, OP_LIST_RULES, N(list), N(2), S("a@one.example"), S("b@two.example"));
}

static void expect_setting(struct unit_store *s, int64_t list, enum list_setting which, const char *value,
                           int64_t senders) {
    int64_t found = -1;
    ask(s, list);
    expect(s, S(news));
    assert_view(read_settings(s, which, &found), value);
    assert_int_equal(found, senders);
}

static void test_rules__settings_of_the_nearest_scope(struct unit_store *s) {
    int64_t list = make_list(s, news);
    expect_setting(s, list, LIST_SETTING_EMERGENCY, "false", 0);
    expect_setting(s, list, LIST_SETTING_MAX_MESSAGE_SIZE, "40", 0);
    set(s, "", "max_message_size", "1");
    set(s, "@here.example", "max_message_size", "2");
    expect_setting(s, list, LIST_SETTING_MAX_MESSAGE_SIZE, "2", 0);
    set(s, news, "max_message_size", "3");
    expect_setting(s, list, LIST_SETTING_MAX_MESSAGE_SIZE, "3", 0);
    must(s, OP_LIST_RULES, N(list + 1), N(0));
    expect(s, S(""));
    expect_end(s);
}

static void test_rules__who_stands_on_lines_of_senders(struct unit_store *s) {
    int64_t list = make_list(s, news);
    make_list(s, "staff@here.example");
    must(s, OP_MEMBER_ADD, S("staff@here.example"), S("me"), N(ROLE_MEMBER), N(1), S("b@two.example"));
    set(s, news, "accept_these_nonmembers", "x@x.example\n^.*@x\na@one.example\n^y");
    expect_setting(s, list, LIST_SETTING_ACCEPT_THESE_NONMEMBERS, "^.*@x\n^y", 1);
    set(s, news, "hold_these_nonmembers", "@staff@here.example");
    expect_setting(s, list, LIST_SETTING_HOLD_THESE_NONMEMBERS, "", 2);
}

/* What is said of the two senders. */
static void expect_senders(struct unit_store *s, int64_t list, const char *patterns, const int64_t want[6]) {
    int64_t ignored;
    ask(s, list);
    expect(s, S(news));
    read_settings(s, LIST_SETTING_EMERGENCY, &ignored);
    expect(s, S(patterns), N(1), S("")); /* it has an owner, its domain no other name */
    for (int i = 0; i < 6; i++)
        expect(s, N(want[i]));
}

static void test_rules__bans_of_every_scope_count(struct unit_store *s) {
    int64_t list = make_list(s, news);
    expect_senders(s, list, "", (int64_t[]){0, -1, -1, 0, -1, -1});
    must(s, OP_BAN_ADD, S("@here.example"), S("me"), S("b@two.example"));
    must(s, OP_BAN_ADD, S(news), S("me"), S("^x"));
    must(s, OP_BAN_ADD, S(""), S("me"), S("^a"));
    expect_senders(s, list, "^a\n^x", (int64_t[]){0, -1, -1, 1, -1, -1});
    refused(s, ERR_EXISTS, OP_BAN_ADD, S(""), S("me"), S("^a"));
    refused(s, ERR_USAGE, OP_BAN_ADD, S(""), S("me"), S("^(a"));
    refused(s, ERR_NOT_FOUND, OP_BAN_ADD, S("no@here.example"), S("me"), S("^a"));
    must(s, OP_BAN_LS, S(news), S(""), N(10));
    expect(s, S("^x"));
    expect_end(s);
    refused(s, ERR_REFUSED, OP_SUBSCRIBE, S(news), S("me"), S("b@two.example"), S(""), S(""), N(0), N(0),
            S("t"));
    refused(s, ERR_REFUSED, OP_SUBSCRIBE, S(news), S("me"), S("a@one.example"), S(""), S(""), N(0), N(0),
            S("t"));
    must(s, OP_BAN_REMOVE, S(""), S("me"), S("^a"));
    refused(s, ERR_NOT_FOUND, OP_BAN_REMOVE, S(""), S("me"), S("^a"));
    must(s, OP_SUBSCRIBE, S(news), S("me"), S("a@one.example"), S(""), S(""), N(0), N(0), S("t"));
    assert_number(s, 4, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_CONFIGURED));
    must(s, OP_LIST_DELETE, S(news));
    must(s, OP_DOMAIN_REMOVE, S("here.example"));
    assert_number(s, 0, "SELECT count(*) FROM ban");
}

static void expect_found(struct unit_store *s, const char *scope, const char *pattern, int banned) {
    must(s, OP_BAN_FIND, S(scope), S(pattern));
    expect(s, N(banned));
    expect_end(s);
}

static void test_ban__is_found_in_its_scope_and_those_around(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_BAN_ADD, S(""), S("me"), S("^.*@site"));
    must(s, OP_BAN_ADD, S("@here.example"), S("me"), S("a@one.example"));
    must(s, OP_BAN_ADD, S(news), S("me"), S("b@two.example"));
    static const struct {
        const char *pattern;
        int site, domain, list;
    } cases[] = {{"x@site.example", 1, 1, 1}, {"^.*@site", 1, 1, 1},        {"a@one.example", 0, 1, 1},
                 {"b@two.example", 0, 0, 1},  {"c@three.example", 0, 0, 0}, {"^.*@sit", 0, 0, 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        expect_found(s, "", cases[i].pattern, cases[i].site);
        expect_found(s, "@here.example", cases[i].pattern, cases[i].domain);
        expect_found(s, news, cases[i].pattern, cases[i].list);
    }
    refused(s, ERR_NOT_FOUND, OP_BAN_FIND, S("no@here.example"), S("a@one.example"));
}

static void test_ban__expressions_have_a_limit(struct unit_store *s) {
    char text[LIMIT_SETTING_TEXT / 32];
    __builtin_memset(text, 'x', sizeof text);
    text[0] = '^';
    text[900] = '\0';
    for (int i = 0; i < 18; i++) {
        text[1] = (char)('a' + i);
        must(s, OP_BAN_ADD, S(""), S("me"), S(text));
    }
    text[1] = 'z';
    refused(s, ERR_LIMIT, OP_BAN_ADD, S(""), S("me"), S(text));
    must(s, OP_BAN_ADD, S(""), S("me"), S("any@number.example"));
}

static void test_rules__what_senders_are(struct unit_store *s) {
    int64_t list = make_list(s, news);
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(1), S("other@one.example"));
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_NONMEMBER), N(1), S("b@two.example"));
    expect_senders(s, list, "", (int64_t[]){0, -1, -1, 0, -1, 0});
    must(s, OP_USER_LINK, S("me"), S("other@one.example"),
         S("a@one.example")); /* another address of a member */
    expect_senders(s, list, "", (int64_t[]){0, 0, -1, 0, -1, 0});
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S("b@two.example"), S(news), N(ROLE_NONMEMBER), N(0), N(1),
         N(PREFERENCE_MODERATION_ACTION), N(MODERATION_DISCARD));
    must(s, OP_PREFER, S("me"), N(LEVEL_USER), S("a@one.example"), S(""), N(0), N(0), N(1),
         N(PREFERENCE_MODERATION_ACTION), N(MODERATION_HOLD));
    expect_senders(s, list, "", (int64_t[]){0, MODERATION_HOLD, -1, 0, -1, MODERATION_DISCARD});
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(1),
         S("a@one.example")); /* its own counts first */
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S("a@one.example"), S(news), N(ROLE_MEMBER), N(0), N(1),
         N(PREFERENCE_MODERATION_ACTION), N(MODERATION_ACCEPT));
    expect_senders(s, list, "", (int64_t[]){0, MODERATION_ACCEPT, -1, 0, -1, MODERATION_DISCARD});
}

/* A nonmember is there while something is preferred for it. */
static void test_nonmember__ends_with_its_preference(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_NONMEMBER), N(2), S("a@one.example"), S("b@two.example"));
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S("a@one.example"), S(news), N(ROLE_NONMEMBER), N(1000),
         N(1), N(PREFERENCE_MODERATION_ACTION), N(MODERATION_ACCEPT));
    must(s, OP_PREFERENCES_END, N(10));
    expect(s, N(1));
    assert_number(s, 1, "SELECT count(*) FROM member WHERE role = $1", N(ROLE_NONMEMBER));
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(1), S("a@one.example"));
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S("a@one.example"), S(news), N(ROLE_MEMBER), N(1000), N(1),
         N(PREFERENCE_MODERATION_ACTION), N(MODERATION_HOLD));
    must(s, OP_PREFERENCES_END, N(10));
    expect(s, N(1));
    assert_number(s, 1, "SELECT count(*) FROM member WHERE role = $1 AND action = 0", N(ROLE_MEMBER));
}

static void test_header_match__in_order(struct unit_store *s) {
    int64_t list = make_list(s, news), ignored;
    static const char *const patterns[] = {"one", "two", "three"};
    for (size_t i = 0; i < COUNT(patterns); i++) {
        must(s, OP_HEADER_MATCH_ADD, S(news), S("me"), S("X-Spam"), S(patterns[i]), N(i), S("tag"));
        expect(s, N(i));
    }
    must(s, OP_HEADER_MATCH_ADD, S(""), S("me"), S("Subject"), S("site"), N(0), S(""));
    refused(s, ERR_EXISTS, OP_HEADER_MATCH_ADD, S(news), S("me"), S("X-Spam"), S("one"), N(0), S(""));
    refused(s, ERR_USAGE, OP_HEADER_MATCH_ADD, S(news), S("me"), S("X-Spam"), S("(one"), N(0), S(""));
    refused(s, ERR_NOT_FOUND, OP_HEADER_MATCH_REMOVE, S(news), S("me"), N(3));
    must(s, OP_HEADER_MATCH_REMOVE, S(news), S("me"), N(0));
    must(s, OP_HEADER_MATCH_LS, S(news));
    expect(s, N(0), S("X-Spam"), S("two"), N(1), S("tag"), N(1), S("X-Spam"), S("three"), N(2), S("tag"));
    expect_end(s);
    must(s, OP_LIST_RULES, N(list), N(0));
    expect(s, S(news));
    read_settings(s, LIST_SETTING_EMERGENCY, &ignored);
    expect(s, S(""), N(1), S(""), N(0), S("Subject"), S("site"), N(0), S(""), N(0), S("X-Spam"), S("two"));
}

/* The patterns of the list in order, one letter each. */
static void expect_order(struct unit_store *s, const char *want) {
    must(s, OP_HEADER_MATCH_LS, S(news));
    for (int i = 0; want[i]; i++) {
        const char pattern[2] = {want[i], '\0'};
        expect(s, N(i), S("x-a"), S(pattern), N(0), S(""));
    }
    expect_end(s);
}

static void test_header_match__moves(struct unit_store *s) {
    make_list(s, news);
    for (const char *p = "abcd"; *p; p++) {
        const char pattern[2] = {*p, '\0'};
        must(s, OP_HEADER_MATCH_ADD, S(news), S("me"), S("x-a"), S(pattern), N(0), S(""));
    }
    static const struct {
        int from, to;
        const char *after;
    } moves[] = {{0, 2, "bcad"}, {3, 0, "dbca"}, {1, 2, "dcba"}, {2, 2, "dcba"}, {0, 3, "cbad"}};
    for (size_t i = 0; i < COUNT(moves); i++) {
        must(s, OP_HEADER_MATCH_SET, S(news), S("me"), N(moves[i].from), S(""), S(""), N(-1), N(0), S(""),
             N(moves[i].to));
        expect_order(s, moves[i].after);
    }
    refused(s, ERR_USAGE, OP_HEADER_MATCH_SET, S(news), S("me"), N(0), S(""), S(""), N(-1), N(0), S(""),
            N(4));
    refused(s, ERR_NOT_FOUND, OP_HEADER_MATCH_SET, S(news), S("me"), N(4), S(""), S(""), N(-1), N(0), S(""),
            N(-1));
    must(s, OP_HEADER_MATCH_REMOVE, S(news), S("me"), N(-1));
    expect_order(s, "");
    must(s, OP_HEADER_MATCH_REMOVE, S(news), S("me"), N(-1));
}

static void test_header_match__changes_what_is_given(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_HEADER_MATCH_ADD, S(news), S("me"), S("x-a"), S("one"), N(1), S("tag"));
    must(s, OP_HEADER_MATCH_SET, S(news), S("me"), N(0), S(""), S("two"), N(-1), N(0), S(""), N(-1));
    must(s, OP_HEADER_MATCH_LS, S(news));
    expect(s, N(0), S("x-a"), S("two"), N(1), S("tag"));
    must(s, OP_HEADER_MATCH_SET, S(news), S("me"), N(0), S("x-b"), S(""), N(0), N(1), S(""), N(0));
    must(s, OP_HEADER_MATCH_LS, S(news));
    expect(s, N(0), S("x-b"), S("two"), N(0), S(""));
    refused(s, ERR_USAGE, OP_HEADER_MATCH_SET, S(news), S("me"), N(0), S(""), S("(two"), N(-1), N(0), S(""),
            N(-1));
}

static void test_header_match__has_a_limit(struct unit_store *s) {
    char text[901];
    __builtin_memset(text, 'x', sizeof text);
    text[900] = '\0';
    for (int i = 0; i < 34; i++) {
        text[0] = (char)('0' + i / 10);
        text[1] = (char)('0' + i % 10);
        must(s, OP_HEADER_MATCH_ADD, S(""), S("me"), S("X-A"), S(text), N(0), S(""));
    }
    text[0] = '9';
    refused(s, ERR_LIMIT, OP_HEADER_MATCH_ADD, S(""), S("me"), S("X-A"), S(text), N(0), S(text));
    refused(s, ERR_USAGE, OP_BAN_ADD, S(""), S("me"), S("^a\n^b"));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_rules__settings_of_the_nearest_scope),
        STORE_CASE(test_rules__who_stands_on_lines_of_senders),
        STORE_CASE(test_rules__bans_of_every_scope_count),
        STORE_CASE(test_ban__is_found_in_its_scope_and_those_around),
        STORE_CASE(test_ban__expressions_have_a_limit),
        STORE_CASE(test_rules__what_senders_are),
        STORE_CASE(test_nonmember__ends_with_its_preference),
        STORE_CASE(test_header_match__in_order),
        STORE_CASE(test_header_match__moves),
        STORE_CASE(test_header_match__changes_what_is_given),
        STORE_CASE(test_header_match__has_a_limit),
    };
    return RUN_STORE_CASES("store/op_rules", cases);
}
