/* dane_test.c: which TLSA records are of use for mail. What is found where is a matter for real name servers:
 * tests/system/test_tls_policy.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/dane.h"

static void test_records(void **state) {
    (void)state;
    static const struct {
        unsigned char head[3];
        size_t data_len;
        bool fine;
    } cases[] = {
        {{3, 1, 1}, 32, true},  {{2, 1, 1}, 32, true},  {{2, 0, 1}, 32, true},  {{3, 0, 2}, 64, true},
        {{3, 1, 0}, 91, true},  {{3, 1, 0}, 1, true},   {{3, 1, 0}, 0, false},  {{3, 1, 1}, 31, false},
        {{3, 1, 1}, 33, false}, {{3, 1, 2}, 32, false}, {{0, 1, 1}, 32, false}, {{1, 1, 1}, 32, false},
        {{4, 1, 1}, 32, false}, {{3, 2, 1}, 32, false}, {{3, 1, 3}, 32, false}, {{255, 255, 255}, 32, false},
    };
    char octets[3 + 100] = {0};
    struct tls_tlsa record;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int k = 0; k < 3; k++)
            octets[k] = (char)cases[i].head[k];
        assert_int_equal(dane_record(view_from(octets, 3 + cases[i].data_len), &record), cases[i].fine);
    }
    for (size_t len = 0; len < 3; len++)
        assert_false(dane_record(view_from(octets, len), &record));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
