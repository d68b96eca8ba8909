/* tls_memory_test.c: through OpenSSL's own functions, as OpenSSL uses it. */
#include "testing/unit.h"

#include <openssl/crypto.h>

#include "net/tls_memory.h"

enum { MANY = 9000 }; /* more than there are blocks */

static char *filled(size_t size, int seed) {
    char *p = OPENSSL_malloc(size);
    check(p != NULL, "no memory");
    for (size_t i = 0; i < size; i++)
        p[i] = (char)(i + (size_t)seed);
    return p;
}

static void assert_filled(const char *p, size_t size, int seed) {
    for (size_t i = 0; i < size; i++)
        check(p[i] == (char)(i + (size_t)seed), "octet %zu of %zu", i, size);
}

static void test_resize__keeps_what_was_there(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 100, 8191, 8192, 16384, 24576, 24577, 100000};
    char *free_block = filled(24576, 0), *behind_it = filled(24576, 5);
    OPENSSL_free(free_block);
    for (size_t from = 0; from < COUNT(sizes); from++)
        for (size_t to = 0; to < COUNT(sizes); to++) {
            char *p = filled(sizes[from], 3);
            p = OPENSSL_realloc(p, sizes[to]);
            assert_filled(p, sizes[from] < sizes[to] ? sizes[from] : sizes[to], 3);
            memset(p, 1, sizes[to]);
            OPENSSL_free(p);
            assert_filled(behind_it, 24576, 5);
        }
    OPENSSL_free(behind_it);
}

static void test_free__is_used_again(void **state) {
    (void)state;
    char *first = filled(17000, 0), *second = filled(17000, 0);
    OPENSSL_free(first);
    char *third = filled(16000, 0);
    assert_ptr_equal(third, first);
    OPENSSL_free(second);
    OPENSSL_free(third);
}

static void test_trim__takes_only_what_is_free(void **state) {
    (void)state;
    char *kept = filled(16500, 7), *freed = filled(16500, 8);
    OPENSSL_free(freed);
    tls_memory_trim();
    assert_filled(kept, 16500, 7);
    char *again = OPENSSL_malloc(16500);
    assert_ptr_equal(again, freed);
    check(again[0] == 0 && again[16499] == 0, "the block was not given back");
    OPENSSL_free(again);
    OPENSSL_free(kept);
}

static void test_more_than_there_are__come_from_the_heap(void **state) {
    (void)state;
    static char *all[MANY];
    for (int i = 0; i < MANY; i++) {
        all[i] = OPENSSL_malloc(8192);
        check(all[i] != NULL, "no memory");
        all[i][0] = all[i][8191] = (char)i;
    }
    for (int i = 0; i < MANY; i++) {
        check(all[i][0] == (char)i && all[i][8191] == (char)i, "block %d is shared", i);
        OPENSSL_free(all[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize__keeps_what_was_there),
        cmocka_unit_test(test_free__is_used_again),
        cmocka_unit_test(test_trim__takes_only_what_is_free),
        cmocka_unit_test(test_more_than_there_are__come_from_the_heap),
    };
    tls_memory_install();
    return cmocka_run_group_tests_name("net/tls_memory", tests, NULL, NULL);
}
