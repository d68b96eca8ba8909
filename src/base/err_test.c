/* err_test.c: the table of errors keeps to RFC 5321 4.2 and RFC 3463, and texts are cut at whole characters.
 */
#include "testing/unit.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"

static void test_err__rows_agree_with_themselves(void **state) {
    (void)state;
    for (int code = 0; code < ERR_CODES; code++) {
        const struct err_info *info = err_info((enum err_code)code);
        static const int first_digits[] = {
            [ERR_CLASS_NONE] = 2, [ERR_CLASS_TEMPORARY] = 4, [ERR_CLASS_PERMANENT] = 5};
        int digit = first_digits[info->class];
        int class_digit, subject, detail, end = 0;
        check(info->smtp / 100 == digit, "%s: reply %d", info->name, info->smtp);
        check(info->smtp / 10 % 10 <= 5 && info->smtp < 560, "%s: reply %d", info->name, info->smtp);
        int fields = sscanf(info->enhanced, "%1d.%3d.%3d%n", &class_digit, &subject, &detail, &end);
        check(fields == 3 && info->enhanced[end] == '\0', "%s: %s", info->name, info->enhanced);
        check(class_digit == digit, "%s: %d with %s", info->name, info->smtp, info->enhanced);
        check(info->exit >= 0 && info->exit < 126, "%s: exit %d", info->name, info->exit);
        check((info->exit == 0) == (code == ERR_OK), "%s: exit %d", info->name, info->exit);
        size_t len = strlen(info->text);
        check(len > 0 && len < LIMIT_ERR_TEXT, "%s has a text", info->name);
        check(info->text[len - 1] != '.' && !strchr(info->text, '\n'), "%s: %s", info->name, info->text);
        struct err e = {.code = (enum err_code)code};
        check(err_is_temporary(&e) == (digit == 4), "%s", info->name);
    }
    assert_string_equal(err_info(ERR_NULL_MX)->enhanced, "5.1.10"); /* RFC 7505 */
}

static void test_err__set(void **state) {
    (void)state;
    struct err e = {0};
    assert_false(err_set(&e, ERR_NOT_FOUND, "list %s", "dev"));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.text, "list dev");
    assert_false(err_set(&e, ERR_TIMEOUT, NULL));
    assert_string_equal(e.text, err_info(ERR_TIMEOUT)->text);
    assert_false(err_set(NULL, ERR_TIMEOUT, "nobody wants %s", "this"));
    err_set(&e, ERR_IO, "old");
    err_set(&e, ERR_IO, "new with %s", e.text); /* its own text may be an argument */
    assert_string_equal(e.text, "new with old");
}

static void test_err__errno(void **state) {
    (void)state;
    struct err e = {0};
    errno = ENOENT;
    assert_false(err_errno(&e, ERR_IO, "opening %s", "x"));
    assert_string_equal(e.text, "opening x: No such file or directory");
    errno = EACCES;
    assert_false(err_errno(&e, ERR_IO, NULL));
    assert_string_equal(e.text, "input/output error: Permission denied");
    assert_false(err_errno(NULL, ERR_IO, NULL));
}

static void test_err__prefix(void **state) {
    (void)state;
    struct err e = {0};
    err_set(&e, ERR_CONFIG, "line %d", 3);
    assert_false(err_prefix(&e, "reading %s", "x.conf"));
    assert_string_equal(e.text, "reading x.conf: line 3");
    assert_int_equal(e.code, ERR_CONFIG);
    err_prefix(&e, "%s", e.text);
    assert_string_equal(e.text, "reading x.conf: line 3: reading x.conf: line 3");
    assert_false(err_prefix(NULL, "x"));
}

/* Characters of one to four octets, each at every place relative to the cut. */
static void test_err__long_texts_are_cut_at_characters(void **state) {
    (void)state;
    static const char *const characters[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x93\xac"};
    for (size_t c = 0; c < COUNT(characters); c++)
        for (size_t shift = 0; shift < 8; shift++) {
            char text[3 * LIMIT_ERR_TEXT] = "";
            memset(text, '-', shift);
            while (strlen(text) < 2 * LIMIT_ERR_TEXT)
                strcat(text, characters[c]);
            struct err e = {0};
            size_t size = strlen(characters[c]);
            err_set(&e, ERR_IO, "%s", text);
            check(view_is_utf8(view_of(e.text)), "set, %zu octets, shift %zu", size, shift);
            check(strlen(e.text) + size >= LIMIT_ERR_TEXT, "set cuts too much");
            err_prefix(&e, "%.*s", (int)shift, "12345678");
            check(view_is_utf8(view_of(e.text)), "prefix, %zu octets, shift %zu", size, shift);
            errno = EIO;
            err_errno(&e, ERR_IO, "%.*s", (int)(LIMIT_ERR_TEXT - 30 - LIMIT_ERR_TEXT % size), text);
            check(strlen(e.text) < LIMIT_ERR_TEXT, "errno");
        }
}

static void report_bug(void) {
    BUG("planted");
}

static void bug_on_true(void) {
    BUG_ON(1 + 1 == 2);
}

static void bug_on_false(void) {
    BUG_ON(1 + 1 == 3);
}

static void unknown_code(void) {
    err_info(ERR_CODES);
}

static void test_err__bugs_abort(void **state) {
    (void)state;
    assert_true(unit_aborts(report_bug));
    assert_true(unit_aborts(bug_on_true));
    assert_false(unit_aborts(bug_on_false));
    assert_true(unit_aborts(unknown_code));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err__rows_agree_with_themselves),
        cmocka_unit_test(test_err__set),
        cmocka_unit_test(test_err__errno),
        cmocka_unit_test(test_err__prefix),
        cmocka_unit_test(test_err__long_texts_are_cut_at_characters),
        cmocka_unit_test(test_err__bugs_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
