/* op_sender_test.c: sets of senders, and the rules of lists that name them. */
#include "testing/store.h"

#include "store/event.h"
#include "store/list_setting.h"
#include "store/sender_set.h"

static const char *const news = "news@here.example";

static void set_up(struct unit_store *s) {
    must(s, OP_SENDER_SET_ADD, S("me"), S("trusted"), S("who may post everywhere"));
}

static int64_t add(struct unit_store *s, const char *sender) {
    must(s, OP_SENDERS_ADD, S("trusted"), S("me"), N(1), S(sender));
    return next_int(s);
}

static void accept_set(struct unit_store *s) {
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S("accept_these_nonmembers"), N(SETTING_REPLACE),
         S("@trusted"));
}

static void test_sets__are_made_once_and_listed(struct unit_store *s) {
    set_up(s);
    must(s, OP_SENDER_SET_ADD, S("me"), S("trusted"), S("other words"));
    must(s, OP_SENDER_SET_LS, S(""), N(10));
    expect(s, S("trusted"), S("other words"));
    next_int(s);
    expect(s, N(0));
    expect_end(s);
    static const char *const wrong[] = {"", "Trusted", "a@b", "-a", "1a", "a b", "a\nb"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        refused(s, ERR_USAGE, OP_SENDER_SET_ADD, S("me"), S(wrong[i]), S(""));
}

static void test_senders__come_and_go(struct unit_store *s) {
    set_up(s);
    assert_int_equal(add(s, "Ada@One.EXAMPLE"), 1);
    assert_int_equal(add(s, "ada@one.example"), 0);
    assert_int_equal(add(s, "@Two.example"), 1);
    must(s, OP_SENDERS_LS, S("trusted"), S(""), N(10));
    expect(s, S("@two.example"));
    next_int(s);
    expect(s, S("me"));
    assert_view(next_view(s), "ada@one.example");
    must(s, OP_SENDERS_REMOVE, S("trusted"), S("me"), N(2), S("ADA@one.example"), S("x@one.example"));
    expect(s, N(1));
    assert_number(s, 1, "SELECT count(*) FROM sender");
    refused(s, ERR_NOT_FOUND, OP_SENDERS_ADD, S("other"), S("me"), N(1), S("a@one.example"));
}

/* One that is wrong, and none is added. */
static void test_senders__all_or_none(struct unit_store *s) {
    set_up(s);
    refused(s, ERR_USAGE, OP_SENDERS_ADD, S("trusted"), S("me"), N(2), S("a@one.example"), S("no address"));
    refused(s, ERR_USAGE, OP_SENDERS_ADD, S("trusted"), S("me"), N(2), S("a@one.example"), S("^("));
    assert_number(s, 0, "SELECT count(*) FROM sender");
    char large[1000];
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = 0;
    large[0] = '^';
    for (int i = 0; i < SENDER_SET_PATTERNS_MOST / (int)sizeof large; i++) {
        large[1] = (char)('a' + i);
        assert_int_equal(add(s, large), 1);
    }
    large[1] = 'z';
    refused(s, ERR_LIMIT, OP_SENDERS_ADD, S("trusted"), S("me"), N(1), S(large));
}

static void test_set__is_named_by_settings(struct unit_store *s) {
    make_list(s, news);
    refused(s, ERR_NOT_FOUND, OP_SETTING_SET, S(news), S("me"), N(1), S("accept_these_nonmembers"),
            N(SETTING_REPLACE), S("@trusted"));
    set_up(s);
    accept_set(s);
    refused(s, ERR_REFUSED, OP_SENDER_SET_REMOVE, S("me"), S("trusted"));
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S("accept_these_nonmembers"), N(SETTING_REMOVE),
         S("@trusted"));
    add(s, "a@one.example");
    must(s, OP_SENDER_SET_REMOVE, S("me"), S("trusted"));
    assert_number(s, 0, "SELECT count(*) FROM sender");
    refused(s, ERR_NOT_FOUND, OP_SENDER_SET_REMOVE, S("me"), S("trusted"));
}

/* Which of the two senders stand in the setting; its expressions. */
static int64_t standing(struct unit_store *s, int64_t list, const char *patterns) {
    int64_t bits = -1;
    must(s, OP_LIST_RULES, N(list), N(2), S("a@one.example"), S("b@two.example"));
    expect(s, S(news));
    for (int i = 0; i < LIST_SETTING_COUNT; i++) {
        if (list_setting_part((enum list_setting)i) != SETTINGS_RULES)
            continue;
        view value = next_view(s);
        int64_t senders = next_int(s);
        if (i == LIST_SETTING_ACCEPT_THESE_NONMEMBERS) {
            assert_view(value, patterns);
            bits = senders;
        }
    }
    return bits;
}

static void test_rules__are_told_who_stands_in_the_set(struct unit_store *s) {
    int64_t list = make_list(s, news);
    set_up(s);
    accept_set(s);
    assert_int_equal(standing(s, list, ""), 0);
    add(s, "a@one.example");
    assert_int_equal(standing(s, list, ""), 1);
    add(s, "@two.example");
    assert_int_equal(standing(s, list, ""), 3);
    add(s, "^.*@three");
    assert_int_equal(standing(s, list, "^.*@three"), 3);
}

static void test_find__names_the_sets(struct unit_store *s) {
    set_up(s);
    must(s, OP_SENDER_SET_ADD, S("me"), S("staff"), S(""));
    must(s, OP_SENDERS_ADD, S("staff"), S("me"), N(1), S("@one.example"));
    add(s, "^a@");
    must(s, OP_SENDERS_FIND, S("a@one.example"));
    expect(s, S("staff"), S("trusted"));
    expect_end(s);
    must(s, OP_SENDERS_FIND, S("b@two.example"));
    expect_end(s);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_sets__are_made_once_and_listed),
        STORE_CASE(test_senders__come_and_go),
        STORE_CASE(test_senders__all_or_none),
        STORE_CASE(test_set__is_named_by_settings),
        STORE_CASE(test_rules__are_told_who_stands_in_the_set),
        STORE_CASE(test_find__names_the_sets),
    };
    return RUN_STORE_CASES("store/op_sender", cases);
}
