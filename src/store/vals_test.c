/* vals_test.c: values come back in order, and bytes that are not what was asked for fail once and for all. */
#include "testing/unit.h"

#include "store/vals.h"

static void test_vals__round_trip(void **state) {
    (void)state;
    static const int64_t numbers[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    static const view views[] = {OCTETS(""), OCTETS("a"), OCTETS("\0\0"), OCTETS("i12345678"),
                                 OCTETS("v\xff\xff\xff\xff")};
    struct buf b = BUF_INIT(10000);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        vals_int(&b, numbers[i]);
        vals_view(&b, views[i]);
    }
    vals_view(&b, VIEW_NULL);
    assert_false(b.failed);
    struct vals v = vals_of(buf_view(&b));
    for (size_t i = 0; i < COUNT(numbers); i++) {
        assert_true(vals_more(&v));
        check(vals_get_int(&v) == numbers[i], "number %zu", i);
        check(view_eq(vals_get_view(&v), views[i]), "view %zu", i);
    }
    assert_int_equal(vals_get_view(&v).len, 0);
    assert_false(vals_more(&v) || v.failed);
    buf_done(&b);
}

static void test_vals__empty_has_nothing(void **state) {
    (void)state;
    struct vals v = vals_of(VIEW_NULL);
    assert_false(vals_more(&v));
    assert_false(v.failed);
    assert_int_equal(vals_get_int(&v), 0);
    assert_true(v.failed);
}

static void test_vals__failure_sticks(void **state) {
    (void)state;
    struct buf b = BUF_INIT(1000);
    vals_int(&b, 5);
    vals_view(&b, VIEW("text"));
    struct vals v = vals_of(buf_view(&b));
    assert_null(vals_get_view(&v).ptr); /* a number is there */
    assert_true(v.failed);
    assert_int_equal(vals_get_int(&v), 0); /* though one is there */
    assert_int_equal(vals_get_count(&v), 0);
    assert_false(vals_more(&v));
    v = vals_of(buf_view(&b));
    assert_int_equal(vals_get_int(&v), 5);
    assert_int_equal(vals_get_int(&v), 0); /* a text is there */
    assert_true(v.failed);
    buf_done(&b);
}

static void test_vals__cut_anywhere_fails(void **state) {
    (void)state;
    struct buf b = BUF_INIT(1000);
    vals_int(&b, 77);
    vals_view(&b, VIEW("some text"));
    for (size_t len = 0; len < b.len; len++) {
        char *copy = malloc(len + 1); /* of its own, so that reading behind it is found */
        memcpy(copy, b.data, len);
        struct vals v = vals_of(view_from(copy, len));
        vals_get_int(&v);
        vals_get_view(&v);
        check(v.failed, "%zu of %zu bytes", len, b.len);
        free(copy);
    }
    buf_done(&b);
}

static void test_vals__unknown_tags_fail(void **state) {
    (void)state;
    static const view rows[] = {OCTETS("x12345678"), OCTETS("\0"), OCTETS("I12345678"), OCTETS("V\0\0\0\0")};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct vals v = vals_of(rows[i]);
        vals_get_int(&v);
        check(v.failed, "row %zu as a number", i);
        v = vals_of(rows[i]);
        vals_get_view(&v);
        check(v.failed, "row %zu as a view", i);
    }
}

/* A count is believed only as far as the rest could hold that many values. */
static void test_vals__counts(void **state) {
    (void)state;
    static const struct {
        int64_t count;
        int texts;
        bool ok;
    } rows[] = {{0, 0, true},   {0, 3, true},     {3, 3, true},          {1, 0, true},         {2, 0, false},
                {-1, 3, false}, {1000, 3, false}, {INT64_MAX, 3, false}, {INT64_MIN, 0, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf b = BUF_INIT(1000);
        vals_int(&b, rows[i].count);
        for (int n = 0; n < rows[i].texts; n++)
            vals_view(&b, VIEW(""));
        struct vals v = vals_of(buf_view(&b));
        size_t count = vals_get_count(&v);
        check(v.failed != rows[i].ok, "row %zu", i);
        check(count == (rows[i].ok ? (size_t)rows[i].count : 0), "row %zu: %zu", i, count);
        buf_done(&b);
    }
}

static void test_vals__the_limit_of_the_buffer_is_noticed(void **state) {
    (void)state;
    struct buf b = BUF_INIT(20);
    vals_int(&b, 1);
    vals_view(&b, VIEW("123456"));
    assert_false(b.failed);
    assert_int_equal(b.len, 20);
    vals_int(&b, 2);
    assert_true(b.failed);
    assert_int_equal(b.len, 20);
    buf_reset(&b);
    vals_view(&b, VIEW("1234567890123456"));
    assert_true(b.failed);
    buf_done(&b);
    vals_view(&b, view_from("", (size_t)UINT32_MAX + 1)); /* is not even looked at */
    assert_true(b.failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vals__round_trip),
        cmocka_unit_test(test_vals__empty_has_nothing),
        cmocka_unit_test(test_vals__failure_sticks),
        cmocka_unit_test(test_vals__cut_anywhere_fails),
        cmocka_unit_test(test_vals__unknown_tags_fail),
        cmocka_unit_test(test_vals__counts),
        cmocka_unit_test(test_vals__the_limit_of_the_buffer_is_noticed),
    };
    return cmocka_run_group_tests_name("store/vals", tests, NULL, NULL);
}
