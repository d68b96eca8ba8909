/* op_sibling_test.c: lists whose members get another list's posts, too, or get no second copy of them. */
#include "testing/store.h"

#include "store/list_setting.h"
#include "store/moderation.h"
#include "store/preference.h"
#include "store/role.h"

static const char *const all = "all@here.example", *const one = "one@here.example",
                         *const two = "two@here.example";

static void set(struct unit_store *s, const char *list, const char *name, const char *value) {
    must(s, OP_SETTING_SET, S(list), S("me"), N(1), S(name), N(SETTING_REPLACE), S(value));
}

/* a on all lists, b on one, c on two, d on all of them but the first. */
static int64_t set_up(struct unit_store *s) {
    int64_t list = make_list(s, all);
    make_list(s, one);
    make_list(s, two);
    add_member(s, all, "a@x.example");
    add_member(s, one, "a@x.example");
    add_member(s, one, "b@x.example");
    add_member(s, two, "c@y.example");
    add_member(s, one, "d@y.example");
    add_member(s, two, "d@y.example");
    return list;
}

/* A post that names `other`, too, in slices of that many. Returns its message. */
static int64_t post(struct unit_store *s, int64_t list, const char *body, const char *other, int64_t slice) {
    int64_t message = route_mail(s, body, list, NULL);
    must(s, OP_EDITION_KEEP, N(message), N(list), N(MODERATION_ACCEPT), S(""), N(0), N(0), S(""), N(0),
         S("recipe"), S(""), S("hello"), N(2), S(all), S(other), N(0), N(0));
    do {
        must(s, OP_EXPAND, N(message), N(list), N(slice));
        next_int(s);
    } while (next_int(s) == 0);
    return message;
}

static int64_t copies(struct unit_store *s, int64_t message, const char *who) {
    return number(s,
                  "SELECT count(*) FROM delivery d JOIN address a ON a.id = d.rcpt WHERE d.message = $1 AND"
                  " a.text = $2",
                  N(message), S(who));
}

static void expect_copies(struct unit_store *s, int64_t message, const int64_t want[4]) {
    static const char *const who[] = {"a@x.example", "b@x.example", "c@y.example", "d@y.example"};
    for (size_t i = 0; i < COUNT(who); i++)
        if (copies(s, message, who[i]) != want[i])
            check(false, "%s has %lld copies", who[i], (long long)copies(s, message, who[i]));
    assert_number(s, 0, "SELECT count(*) FROM expansion_list");
}

/* Each person once, also where the same one is on several of the lists, in whatever slices. */
static void test_included__get_one_copy_each(struct unit_store *s) {
    int64_t list = set_up(s);
    expect_copies(s, post(s, list, "1", "", 10), (int64_t[]){1, 0, 0, 0});
    set(s, all, "regular_include_lists", "one@here.example\ntwo@here.example");
    expect_copies(s, post(s, list, "2", "", 10), (int64_t[]){1, 1, 1, 1});
    expect_copies(s, post(s, list, "3", "", 1), (int64_t[]){1, 1, 1, 1});
}

/* A list that includes a list that includes the first: no end of it. */
static void test_included__by_those_that_are_included(struct unit_store *s) {
    int64_t list = set_up(s);
    set(s, all, "regular_include_lists", one);
    set(s, one, "regular_include_lists", two);
    set(s, two, "regular_include_lists", all);
    expect_copies(s, post(s, list, "1", "", 10), (int64_t[]){1, 1, 1, 1});
}

static void prefer(struct unit_store *s, const char *list, const char *who, enum preference what,
                   int64_t value) {
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S(who), S(list), N(ROLE_MEMBER), N(0), N(1), N(what),
         N(value));
}

/* Who is on the list itself gets its posts as that membership says. */
static void test_included__the_own_membership_counts_first(struct unit_store *s) {
    int64_t list = set_up(s);
    set(s, all, "regular_include_lists", one);
    prefer(s, all, "a@x.example", PREFERENCE_DELIVERY_STATUS, STATUS_BY_BOUNCES);
    prefer(s, one, "b@x.example", PREFERENCE_DELIVERY_STATUS, STATUS_BY_BOUNCES);
    expect_copies(s, post(s, list, "1", "", 10), (int64_t[]){0, 0, 0, 1});
}

static void test_excluded__where_the_post_names_their_list(struct unit_store *s) {
    int64_t list = set_up(s);
    add_member(s, all, "c@y.example");
    set(s, all, "regular_exclude_lists", two);
    expect_copies(s, post(s, list, "1", one, 10), (int64_t[]){1, 0, 1, 0});
    expect_copies(s, post(s, list, "2", two, 10), (int64_t[]){1, 0, 0, 0});
    set(s, all, "regular_include_lists", one);
    expect_copies(s, post(s, list, "3", two, 10), (int64_t[]){1, 1, 0, 0});
}

/* Their domain's other name is theirs as well; said twice is as good as once. */
static void test_excluded__by_the_domains_other_name(struct unit_store *s) {
    int64_t list = set_up(s);
    add_member(s, all, "c@y.example");
    set(s, all, "regular_exclude_lists", "two@here.example\nTwo@here.example");
    change(s, "UPDATE domain SET alias_domain = 'old.example' WHERE name = 'here.example'");
    expect_copies(s, post(s, list, "1", "two@old.example", 10), (int64_t[]){1, 0, 0, 0});
}

/* Who gets the list's posts by another list prefers what he prefers there. */
static void test_included__prefer_what_they_prefer_on_their_list(struct unit_store *s) {
    int64_t list = set_up(s);
    set(s, all, "regular_include_lists", one);
    prefer(s, one, "a@x.example", PREFERENCE_RECEIVE_LIST_COPY, 1);
    prefer(s, one, "b@x.example", PREFERENCE_RECEIVE_LIST_COPY, 1);
    expect_copies(s, post(s, list, "1", "b@x.example", 10), (int64_t[]){1, 0, 0, 1});
    expect_copies(s, post(s, list, "2", "a@x.example", 10), (int64_t[]){1, 1, 0, 1});
}

/* A list that went away stands in no way of the others. */
static void test_setting__goes_on_without_a_list_that_is_gone(struct unit_store *s) {
    set_up(s);
    set(s, all, "regular_include_lists", two);
    must(s, OP_LIST_DELETE, S(two));
    must(s, OP_SETTING_SET, S(all), S("me"), N(1), S("regular_include_lists"), N(SETTING_ADD), S(one));
    refused(s, ERR_NOT_FOUND, OP_SETTING_SET, S(all), S("me"), N(1), S("regular_include_lists"),
            N(SETTING_ADD), S("other@here.example"));
    must(s, OP_SETTING_SET, S(all), S("me"), N(1), S("regular_include_lists"), N(SETTING_REMOVE), S(two));
    assert_number(s, 1, "SELECT count(*) FROM setting WHERE name = 'regular_include_lists' AND value = $1",
                  S(one));
}

static void test_setting__names_lists_that_are_here(struct unit_store *s) {
    int64_t list = set_up(s);
    refused(s, ERR_NOT_FOUND, OP_SETTING_SET, S(all), S("me"), N(1), S("regular_include_lists"),
            N(SETTING_REPLACE), S("other@here.example"));
    refused(s, ERR_SYNTAX_ADDRESS, OP_SETTING_SET, S(all), S("me"), N(1), S("regular_include_lists"),
            N(SETTING_REPLACE), S("^x"));
    set(s, all, "regular_include_lists", two);
    must(s, OP_LIST_DELETE, S(two));
    expect_copies(s, post(s, list, "1", "", 10), (int64_t[]){1, 0, 0, 0});
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_included__get_one_copy_each),
        STORE_CASE(test_included__by_those_that_are_included),
        STORE_CASE(test_included__the_own_membership_counts_first),
        STORE_CASE(test_excluded__where_the_post_names_their_list),
        STORE_CASE(test_excluded__by_the_domains_other_name),
        STORE_CASE(test_included__prefer_what_they_prefer_on_their_list),
        STORE_CASE(test_setting__names_lists_that_are_here),
        STORE_CASE(test_setting__goes_on_without_a_list_that_is_gone),
    };
    return RUN_STORE_CASES("store/op_sibling", cases);
}
