/* xtext_test.c */
#include "mail/xtext.h"

#include "base/limits.h"

#include "testing/unit.h"

static void decodes(const char *text, const char *wanted) {
    struct buf out = BUF_INIT(200);
    bool ok = xtext_decode(view_of(text), &out);
    assert_int_equal(ok, wanted != NULL);
    if (wanted)
        assert_string_equal(out.data, wanted);
    assert_int_equal(xtext_decode(view_of(text), NULL), ok);
    buf_done(&out);
}

static void test_xtext__decodes(void **state) {
    (void)state;
    decodes("", "");
    decodes("bob", "bob");
    decodes("bob+2Bx+3Dy", "bob+x=y");
    decodes("a+20b", "a b");
    decodes("a=b", NULL);
    decodes("a b", NULL);
    decodes("a+", NULL);
    decodes("a+4", NULL);
    decodes("a+4g", NULL);
    decodes("a+2b", NULL); /* upper-case digits only */
    decodes("a+0D+0Ab", NULL);
    decodes("a+7F", NULL);
    decodes("a+E9", NULL);
    decodes("\xc3\xa9", NULL);
}

static void test_xtext__orcpt(void **state) {
    (void)state;
    assert_true(xtext_is_orcpt(VIEW("rfc822;Bob+2Bx@example.org"), false));
    assert_true(xtext_is_orcpt(VIEW("utf-8;j\\x{FC}rgen@example.org"), false));
    assert_true(xtext_is_orcpt(VIEW("utf-8;j\xc3\xbcrgen@example.org"), true));
    assert_true(xtext_is_orcpt(VIEW("x-local;a;b"), false));
    assert_true(xtext_is_orcpt(VIEW("rfc822;j+C3+BCrgen@example.org"), true)); /* as Postfix */
    assert_false(xtext_is_orcpt(VIEW("rfc822;j+C3rgen@example.org"), true));
    assert_false(xtext_is_orcpt(VIEW("rfc822;j+C2+85@example.org"), true));
    assert_false(xtext_is_orcpt(VIEW("utf-8;j\xc3\xbcrgen@example.org"), false));
    assert_false(xtext_is_orcpt(VIEW("utf-8;j\xc3@example.org"), true));
    assert_false(xtext_is_orcpt(VIEW("utf-8;j\xc2\x85@example.org"), true)); /* a control */
    assert_false(xtext_is_orcpt(VIEW(""), false));
    assert_false(xtext_is_orcpt(VIEW(";a@b"), false));
    assert_false(xtext_is_orcpt(VIEW("rfc822"), false));
    assert_false(xtext_is_orcpt(VIEW("rfc822;"), false));
    assert_false(xtext_is_orcpt(VIEW("rfc 822;a@b"), false));
    assert_false(xtext_is_orcpt(VIEW("rfc822;a+0Ab"), false));
    char long_one[600] = "rfc822;";
    memset(long_one + 7, 'a', sizeof long_one - 7);
    assert_true(xtext_is_orcpt(view_from(long_one, LIMIT_ORCPT), false));
    assert_false(xtext_is_orcpt(view_from(long_one, LIMIT_ORCPT + 1), false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xtext__decodes),
        cmocka_unit_test(test_xtext__orcpt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
