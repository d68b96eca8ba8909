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
    cmocka_unit_test(test_match__broken_utf8_is_no_error),
    cmocka_unit_test(test_check__names_what_is_wrong),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
