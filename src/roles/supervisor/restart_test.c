/* restart_test.c: the waits between restarts, and what clears the record. */
#include "testing/unit.h"

#include "roles/supervisor/restart.h"

static void waits_grow(void **state) {
    (void)state;
    static const int64_t waits[] = {0, 0, 0, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
    struct restart r = {0};
    for (size_t i = 0; i < COUNT(waits); i++) {
        int64_t got = restart_delay_ms(&r, 500);
        check(got == waits[i], "death %zu: wait %lld, expected %lld", i + 1, (long long)got,
              (long long)waits[i]);
    }
}

static void long_life_clears(void **state) {
    (void)state;
    struct restart r = {0};
    for (int i = 0; i < 8; i++)
        restart_delay_ms(&r, 0);
    assert_int_equal(restart_delay_ms(&r, RESTART_CALM_MS), 0);
    assert_int_equal(restart_delay_ms(&r, 0), 0);
    assert_int_equal(restart_delay_ms(&r, RESTART_CALM_MS - 1), 0);
    assert_int_equal(restart_delay_ms(&r, 0), 1000);
}

static void never_overflows(void **state) {
    (void)state;
    struct restart r = {.count = 4000000000U};
    assert_int_equal(restart_delay_ms(&r, 0), RESTART_MOST_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_grow),
        cmocka_unit_test(long_life_clears),
        cmocka_unit_test(never_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
