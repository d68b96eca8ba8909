/* arena_test.c: memory comes zeroed and aligned, never beyond the limit, and is poisoned when it is not the
 * caller's. */
#include "testing/unit.h"

#include "base/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

static void test_arena__allocations_are_zeroed_aligned_and_apart(void **state) {
    (void)state;
    struct arena a;
    unsigned char *pieces[200];
    arena_init(&a, 10 * 1024 * 1024);
    for (int round = 0; round < 3; round++) { /* the kept block of a round before is not zero any more */
        for (size_t i = 0; i < COUNT(pieces); i++) {
            size_t size = i * i % 5000 + 1;
            pieces[i] = arena_alloc(&a, size);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
            for (size_t k = 0; k < size; k++)
                check(pieces[i][k] == 0, "octet %zu of piece %zu in round %d", k, i, round);
            memset(pieces[i], (int)i + 1, size);
        }
        for (size_t i = 0; i < COUNT(pieces); i++)
            for (size_t k = 0; k < i * i % 5000 + 1; k++)
                check(pieces[i][k] == (unsigned char)(i + 1), "piece %zu was overwritten", i);
        arena_reset(&a);
        assert_int_equal(a.used, 0);
    }
    arena_done(&a);
}

static void test_arena__limit_is_exact_and_sticky(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, 100);
    assert_non_null(arena_alloc(&a, 100));
    assert_false(a.failed);
    assert_null(arena_alloc(&a, 1));
    assert_true(a.failed);
    arena_reset(&a);
    assert_false(a.failed);
    assert_null(arena_alloc(&a, 101));
    assert_null(arena_alloc(&a, 1)); /* sticky, though it would fit */
    arena_done(&a);
    assert_non_null(arena_alloc(&a, 1)); /* usable again */
    arena_done(&a);
}

static void test_arena__small_and_empty_allocations_count(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct arena a;
        size_t n = 0;
        arena_init(&a, 1000);
        while (n <= 1000 && arena_alloc(&a, sizes[i]))
            n++;
        check(n > 0 && n <= 1000, "%zu allocations of %zu octets within 1000", n, sizes[i]);
        assert_true(a.failed);
        arena_done(&a);
    }
}

static void test_arena__products_that_overflow_are_over_the_limit(void **state) {
    (void)state;
    static const struct {
        size_t limit, n, size;
        bool ok;
    } rows[] = {
        {1000, 10, 100, true},
        {1000, 10, 101, false},
        {1000, SIZE_MAX, 2, false},
        {1000, SIZE_MAX / 8 + 1, 8, false}, /* wraps to 0 */
        {SIZE_MAX, SIZE_MAX / 8 + 1, 8, false},
        {SIZE_MAX, SIZE_MAX, 1, false}, /* rounding it up wraps */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        arena_init(&a, rows[i].limit);
        void *p = arena_alloc_n(&a, rows[i].n, rows[i].size);
        check((p != NULL) == rows[i].ok && a.failed == !rows[i].ok, "row %zu", i);
        arena_done(&a);
    }
}

static void test_arena__copies_text(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    assert_string_equal(arena_str(&a, (view){"abcdef", 3}), "abc");
    assert_string_equal(arena_str(&a, VIEW_NULL), "");
    view copy = arena_view(&a, (view){"a\0b", 3});
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.ptr, "a\0b", 3);
    assert_view(arena_lower(&a, VIEW("aBC-\xc3\x84")), "abc-\xc3\x84");
    assert_view(arena_lower(&a, VIEW_NULL), "");
    assert_view(arena_printf(&a, "%s-%d", "x", 7), "x-7");
    assert_view(arena_printf(&a, "%s", ""), "");
    int *n = arena_array(&a, int, 3);
    assert_int_equal(n[0] + n[1] + n[2], 0);
    assert_int_equal(*arena_new(&a, int64_t), 0);
    arena_done(&a);
}

static void test_arena__text_at_the_limit_is_empty(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, 4);
    assert_string_equal(arena_str(&a, VIEW("abcd")), ""); /* the NUL does not fit */
    assert_true(a.failed);
    assert_view(arena_view(&a, VIEW("a")), "");
    assert_view(arena_lower(&a, VIEW("ABCDE")), "");
    assert_view(arena_printf(&a, "%d", 1), "");
    assert_non_null(arena_view(&a, VIEW("a")).ptr);
    arena_done(&a);
}

static void test_arena__memory_not_handed_out_is_poisoned(void **state) {
    (void)state;
#ifdef WITH_ASAN
    struct arena a;
    arena_init(&a, 100000);
    char *p = arena_alloc(&a, 10), *q = arena_alloc(&a, 1);
    assert_false(__asan_address_is_poisoned(p + 9));
    assert_true(__asan_address_is_poisoned(p + 10)); /* overrun */
    assert_false(__asan_address_is_poisoned(q));
    assert_true(__asan_address_is_poisoned(q - 1));    /* underrun */
    assert_true(__asan_address_is_poisoned(q + 1000)); /* not used yet */
    arena_reset(&a);
    assert_true(__asan_address_is_poisoned(p)); /* outlived its arena */
    assert_ptr_equal(arena_alloc(&a, 10), p);   /* the kept block is used again */
    arena_done(&a);
#else
    print_message("skipped: not built with AddressSanitizer\n");
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena__allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(test_arena__limit_is_exact_and_sticky),
        cmocka_unit_test(test_arena__small_and_empty_allocations_count),
        cmocka_unit_test(test_arena__products_that_overflow_are_over_the_limit),
        cmocka_unit_test(test_arena__copies_text),
        cmocka_unit_test(test_arena__text_at_the_limit_is_empty),
        cmocka_unit_test(test_arena__memory_not_handed_out_is_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
