/* clock_test.c: clocks go forward, and a moved clock moves for every process that has attached it. */
#include "testing/unit.h"

#include <time.h>

#include "base/clock.h"

static void test_clock__reads_the_time_of_the_machine(void **state) {
    (void)state;
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t now = clock_now_ms();
    int64_t after = ((int64_t)time(NULL) + 1) * 1000;
    check(now >= before - 1000 && now <= after, "%lld is not now", (long long)now);
}

static void test_clock__monotonic_clocks_never_go_back(void **state) {
    (void)state;
    int64_t mono = clock_mono_ms(), real = clock_real_us();
    for (int i = 0; i < 10000; i++) {
        int64_t next_mono = clock_mono_ms(), next_real = clock_real_us();
        assert_true(next_mono >= mono && next_real >= real);
        mono = next_mono;
        real = next_real;
    }
}

#ifdef POSTROAD_TEST_HOOKS

enum { DAY_MS = 86400000 };

static void test_clock__moves_for_this_process(void **state) {
    (void)state;
    struct err e = {0};
    assert_true(clock_attach("one", &e));
    int64_t now = clock_now_ms(), mono = clock_mono_ms(), real = clock_real_us();
    assert_true(clock_advance(3 * (int64_t)DAY_MS, &e));
    check(clock_now_ms() - now >= 3LL * DAY_MS && clock_now_ms() - now < 4LL * DAY_MS, "now");
    check(clock_mono_ms() - mono >= 3LL * DAY_MS && clock_mono_ms() - mono < 4LL * DAY_MS, "mono");
    check(clock_real_us() - real < 1000LL * DAY_MS, "the measuring clock was moved");
}

static void test_clock__moves_for_other_processes(void **state) {
    (void)state;
    struct err e = {0};
    assert_true(clock_attach("shared", &e));
    int64_t before = clock_now_ms();
    pid_t pid = fork();
    if (pid == 0)
        _exit(clock_attach("shared", &e) && clock_advance(DAY_MS, &e) && clock_advance(DAY_MS, &e) ? 0 : 1);
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    int64_t moved = clock_now_ms() - before;
    check(moved >= 2LL * DAY_MS && moved < 3LL * DAY_MS, "moved by %lld ms", (long long)moved);
    assert_true(clock_attach("other", &e));
    assert_true(clock_now_ms() - before < DAY_MS); /* that instance's clock was not moved */
    assert_true(clock_attach("shared", &e));
    assert_true(clock_now_ms() - before >= 2LL * DAY_MS); /* kept in the file */
}

static void test_clock__refuses_to_go_back_or_out_of_range(void **state) {
    (void)state;
    static const int64_t wrong[] = {-1, INT64_MIN, INT64_MAX};
    struct err e = {0};
    assert_true(clock_attach("one", &e));
    assert_true(clock_advance(0, &e));
    for (size_t i = 0; i < COUNT(wrong); i++) {
        int64_t before = clock_now_ms();
        e.code = ERR_OK;
        check(!clock_advance(wrong[i], &e), "row %zu", i);
        assert_int_equal(e.code, ERR_USAGE);
        check(clock_now_ms() - before < 60000 && clock_now_ms() >= before, "row %zu moved it", i);
    }
}

static void test_clock__needs_a_file(void **state) {
    (void)state;
    struct err e = {0};
    assert_false(clock_attach("no/such/folder/clock", &e));
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.text, "no/such/folder/clock"));
}

static void advance_unattached(void **state) {
    (void)state;
    struct err e = {0};
    assert_false(clock_advance(1, &e));
    assert_int_equal(e.code, ERR_USAGE);
}

#else

static void advance_unattached(void **state) {
    (void)state;
    struct err e = {0};
    int64_t before = clock_now_ms();
    assert_true(clock_attach("clock", &e)); /* looks at nothing */
    assert_int_equal(access("clock", F_OK), -1);
    assert_false(clock_advance(86400000, &e));
    assert_true(clock_now_ms() - before < 86400000);
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock__reads_the_time_of_the_machine),
        cmocka_unit_test(test_clock__monotonic_clocks_never_go_back),
        {"test_clock__cannot_be_moved_before_it_is_attached", advance_unattached, NULL, NULL, NULL},
#ifdef POSTROAD_TEST_HOOKS
        cmocka_unit_test(test_clock__moves_for_this_process),
        cmocka_unit_test(test_clock__moves_for_other_processes),
        cmocka_unit_test(test_clock__refuses_to_go_back_or_out_of_range),
        cmocka_unit_test(test_clock__needs_a_file),
#endif
    };
    return cmocka_run_group_tests(tests, unit_enter_folder, unit_leave_folder);
}
