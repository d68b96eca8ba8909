/* pattern_test.c: regular expressions from settings. */
#include "base/pattern.h"

#include <string.h>

#include "testing/unit.h"

static enum pattern_answer match(const char *expression, const char *text) {
    struct err e;
    return pattern_match(view_of(expression), view_of(text), &e);
}

static void test_match__anywhere_and_in_any_case(void **state) {
    (void)state;
    assert_int_equal(match("spam", "no SPAM here"), PATTERN_YES);
    assert_int_equal(match("^spam", "no spam here"), PATTERN_NO);
    assert_int_equal(match("^.*@x\\.example$", "Anne@X.example"), PATTERN_YES);
    assert_int_equal(match("\xc3\x84rger", "\xc3\xa4rger"), PATTERN_YES);
    assert_int_equal(match("^$", ""), PATTERN_YES);
}

static void test_match__what_explodes_fails(void **state) {
    (void)state;
    struct err e;
    char text[5000];
    memset(text, 'a', sizeof text);
    assert_int_equal(pattern_match(VIEW("^(a+)+$"), view_from(text, 40), &e), PATTERN_YES);
    text[sizeof text - 1] = 'b';
    assert_int_equal(pattern_match(VIEW("(a+)+$"), view_from(text, sizeof text), &e), PATTERN_FAILED);
    assert_non_null(strstr(e.text, "costs too much"));
    assert_int_equal(pattern_match(VIEW("^(a|aa)+c$"), view_from(text, sizeof text), &e), PATTERN_FAILED);
}

/* On each place of a long text alone these are within every limit of PCRE2. */
static void test_match__a_long_text_takes_no_longer(void **state) {
    (void)state;
    static char text[1000000];
    struct err e;
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 2, "\nX", 2);
    assert_int_equal(pattern_match(VIEW("[a-z]+\\d"), view_from(text, sizeof text), &e), PATTERN_FAILED);
    assert_int_equal(
        pattern_match(VIEW(".{0,300}.{0,300}X"), view_from(text + sizeof text - 60000, 60000), &e),
        PATTERN_FAILED);
    assert_non_null(strstr(e.text, "costs too much"));
    assert_int_equal(pattern_match(VIEW("b"), view_from(text, sizeof text), &e), PATTERN_NO);
    assert_int_equal(pattern_match(VIEW("aa\nx$"), view_from(text, sizeof text), &e), PATTERN_YES);
    assert_int_equal(pattern_match(VIEW("^aab"), view_from(text, sizeof text), &e), PATTERN_NO);
}

static void test_match__at_every_place(void **state) {
    (void)state;
    char text[1000];
    struct err e;
    for (size_t len = 0; len + 6 <= sizeof text; len++) {
        for (size_t i = 0; i < len; i++)
            memcpy(text + i, i % 2 ? "\xa4" : "\xc3", 1); /* a with two dots */
        memcpy(text + len, "xyz", 4);
        assert_int_equal(pattern_match(VIEW("xyz"), view_from(text, len + 3), &e), PATTERN_YES);
        assert_int_equal(pattern_match(VIEW("(?<=\xc3\xa4)XYZ$"), view_from(text, len + 3), &e),
                         len > 0 && len % 2 == 0 ? PATTERN_YES : PATTERN_NO);
        assert_int_equal(pattern_match(VIEW("xyz."), view_from(text, len + 3), &e), PATTERN_NO);
        assert_int_equal(pattern_match(VIEW("$"), view_from(text, len + 3), &e), PATTERN_YES);
    }
}

static void test_match__many_share_what_they_may_cost(void **state) {
    (void)state;
    char text[4000];
    struct err e;
    int64_t left_us = PATTERN_BUDGET_US;
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 2, "\nX", 2);
    int count = 0;
    while (left_us > 0 && count++ < 1000)
        pattern_match_within(VIEW(".{0,200}.{0,200}X"), view_from(text, sizeof text), &left_us, &e);
    assert_true(count < 1000);
    assert_int_equal(pattern_match_within(VIEW("a"), VIEW("a"), &left_us, &e), PATTERN_FAILED);
}

static void test_match__broken_utf8_is_no_error(void **state) {
    (void)state;
    assert_int_equal(match("b", "a\xff"
                                "b"),
                     PATTERN_YES);
    assert_int_equal(match(".", "\xff\xfe"), PATTERN_NO);
}

static void test_check__names_what_is_wrong(void **state) {
    (void)state;
    struct err e;
    char text[LIMIT_PATTERN + 1];
    assert_true(pattern_check(VIEW("^.*@x$"), &e));
    assert_false(pattern_check(VIEW("^(a"), &e));
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.text, "^(a: no regular expression: missing closing parenthesis, at octet 3"));
    assert_false(pattern_check(VIEW(""), &e));
    memset(text, 'a', sizeof text);
    assert_false(pattern_check(view_from(text, sizeof text), &e));
    assert_true(pattern_check(view_from(text, LIMIT_PATTERN), &e));
    assert_false(pattern_check(VIEW("a\\Cb"), &e));
    assert_int_equal(match("(", "x"), PATTERN_FAILED);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_match__anywhere_and_in_any_case),
    cmocka_unit_test(test_match__what_explodes_fails),
    cmocka_unit_test(test_match__a_long_text_takes_no_longer),
    cmocka_unit_test(test_match__at_every_place),
    cmocka_unit_test(test_match__many_share_what_they_may_cost),
    cmocka_unit_test(test_match__broken_utf8_is_no_error),
    cmocka_unit_test(test_check__names_what_is_wrong),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
