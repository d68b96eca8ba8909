/* buf_test.c: a buffer keeps what it has at its limit, says so once, and always ends in a NUL. */
#include "testing/unit.h"

#include "base/buf.h"

static void assert_buf(const struct buf *b, const char *text) {
    assert_view(buf_view(b), text);
    assert_int_equal(b->data[b->len], '\0');
}

static void test_buf__appends(void **state) {
    (void)state;
    struct buf b = BUF_INIT(1000);
    assert_buf(&b, "");
    buf_add(&b, VIEW("ab"));
    buf_add(&b, VIEW_NULL);
    buf_add_str(&b, "cd");
    buf_add_str(&b, "");
    buf_add_char(&b, 'e');
    buf_printf(&b, "%s%d", "", 42);
    buf_printf(&b, "%s", "");
    assert_buf(&b, "abcde42");
    assert_false(b.failed);
    buf_add_char(&b, '\0');
    assert_int_equal(b.len, 8); /* NUL is an octet like any other */
    buf_done(&b);
    buf_done(NULL);
}

static void test_buf__grows_octet_by_octet_up_to_its_limit(void **state) {
    (void)state;
    static const size_t limits[] = {0, 1, 62, 63, 64, 65, 127, 128, 1000};
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct buf b;
        buf_init(&b, limits[i]);
        for (size_t n = 0; n < limits[i]; n++) {
            buf_add_char(&b, (char)('a' + n % 26));
            check(!b.failed && b.len == n + 1 && b.data[n + 1] == '\0', "limit %zu, octet %zu", limits[i], n);
        }
        buf_add_char(&b, '!');
        check(b.failed && b.len == limits[i] && b.cap <= limits[i], "limit %zu is passed", limits[i]);
        for (size_t n = 0; n < limits[i]; n++)
            check(b.data[n] == (char)('a' + n % 26), "limit %zu lost octet %zu", limits[i], n);
        buf_done(&b);
    }
}

static void test_buf__error_is_sticky_until_reset(void **state) {
    (void)state;
    struct buf b = BUF_INIT(5);
    buf_add_str(&b, "abc");
    buf_add_str(&b, "def"); /* all or nothing */
    assert_true(b.failed);
    assert_buf(&b, "abc");
    buf_add_char(&b, 'd'); /* would fit */
    buf_printf(&b, "%d", 1);
    assert_null(buf_reserve(&b, 1));
    assert_buf(&b, "abc");
    assert_true(b.failed);
    buf_reset(&b);
    assert_false(b.failed);
    assert_buf(&b, "");
    buf_printf(&b, "%s", "12345");
    assert_buf(&b, "12345");
    buf_printf(&b, "%d", 6);
    assert_true(b.failed);
    assert_buf(&b, "12345");
    buf_done(&b);
    assert_false(b.failed);
    assert_int_equal(b.limit, 5);
    buf_add_str(&b, "again");
    assert_buf(&b, "again");
    buf_done(&b);
}

static void test_buf__reserve_and_commit(void **state) {
    (void)state;
    struct buf b = BUF_INIT(300);
    memcpy(buf_reserve(&b, 200), "abc", 3);
    buf_commit(&b, 2); /* less than reserved is fine */
    assert_buf(&b, "ab");
    assert_null(buf_reserve(&b, 299));
    buf_reset(&b);
    assert_non_null(buf_reserve(&b, 300));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_done(&b);
}

static void test_buf__consume_and_truncate(void **state) {
    (void)state;
    struct buf b = BUF_INIT(300);
    buf_consume(&b, 0);
    buf_truncate(&b, 0); /* nothing is written to the shared empty string */
    buf_add_str(&b, "abcdef");
    buf_consume(&b, 2);
    assert_buf(&b, "cdef");
    buf_truncate(&b, 3);
    assert_buf(&b, "cde");
    buf_consume(&b, 3);
    assert_buf(&b, "");
    buf_done(&b);
}

static void test_buf__take_hands_over_the_storage(void **state) {
    (void)state;
    struct buf b = BUF_INIT(300);
    size_t len = 42;
    char *empty = buf_take(&b, &len);
    assert_int_equal(len, 0);
    assert_string_equal(empty, "");
    buf_add_str(&b, "abc");
    char *text = buf_take(&b, NULL);
    assert_string_equal(text, "abc");
    assert_buf(&b, "");
    buf_add_str(&b, "x");
    assert_string_equal(text, "abc");
    free(empty);
    free(text);
    buf_done(&b);
}

static void consume_too_much(void) {
    struct buf b = BUF_INIT(10);
    buf_consume(&b, 1);
}

static void truncate_too_far(void) {
    struct buf b = BUF_INIT(10);
    buf_truncate(&b, 1);
}

static void commit_too_much(void) {
    struct buf b = BUF_INIT(10);
    buf_commit(&b, 1);
}

static void test_buf__misuse_is_a_bug(void **state) {
    (void)state;
    assert_true(unit_aborts(consume_too_much));
    assert_true(unit_aborts(truncate_too_far));
    assert_true(unit_aborts(commit_too_much));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf__appends),
        cmocka_unit_test(test_buf__grows_octet_by_octet_up_to_its_limit),
        cmocka_unit_test(test_buf__error_is_sticky_until_reset),
        cmocka_unit_test(test_buf__reserve_and_commit),
        cmocka_unit_test(test_buf__consume_and_truncate),
        cmocka_unit_test(test_buf__take_hands_over_the_storage),
        cmocka_unit_test(test_buf__misuse_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
