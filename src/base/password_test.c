/* password_test.c: what is kept of a password knows it again. */
#include "base/password.h"

#include <string.h>

#include "testing/unit.h"

static void test_a_password_is_known_by_what_is_kept(void **state) {
    (void)state;
    char kept[PASSWORD_KEPT], again[PASSWORD_KEPT];
    struct err e;
    assert_true(password_keep(VIEW("open sesame"), kept, &e));
    assert_true(password_keep(VIEW("open sesame"), again, &e));
    assert_string_not_equal(kept, again);
    assert_true(password_is(VIEW("open sesame"), view_of(kept)));
    assert_false(password_is(VIEW("open sesam"), view_of(kept)));
    assert_false(password_is(VIEW(""), view_of(kept)));
}

static void test_what_nobody_kept_is_no_password(void **state) {
    (void)state;
    assert_false(password_is(VIEW(""), VIEW("")));
    assert_false(password_is(VIEW("x"), VIEW("x")));
    assert_false(password_is(VIEW("x"), VIEW("$argon2id$v=19$m=16384,t=3,p=1$")));
}

static void test_a_password_has_an_end(void **state) {
    (void)state;
    char kept[PASSWORD_KEPT], text[PASSWORD_MOST + 1];
    struct err e;
    memset(text, 'x', sizeof text);
    assert_false(password_keep(view_from(text, sizeof text), kept, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_true(password_keep(view_from(text, sizeof text - 1), kept, &e));
    assert_false(password_is(view_from(text, sizeof text), view_of(kept)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_password_is_known_by_what_is_kept),
        cmocka_unit_test(test_what_nobody_kept_is_no_password),
        cmocka_unit_test(test_a_password_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
