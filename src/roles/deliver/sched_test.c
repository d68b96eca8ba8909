/* sched_test.c: shares between classes, and the number of connections to a site. */
#include "testing/unit.h"

#include "roles/deliver/sched.h"

/* n turns, each given to the first busy class; how many each had. */
static void run(struct fair *f, int n, int ret_turns[CLASS_COUNT]) {
    for (int i = 0; i < CLASS_COUNT; i++)
        ret_turns[i] = 0;
    for (int i = 0; i < n; i++) {
        enum mail_class order[CLASS_COUNT];
        fair_order(f, order);
        int at = 0;
        while (!f->busy[order[at]])
            at++;
        fair_charge(f, order[at]);
        ret_turns[order[at]]++;
    }
}

static void test_fair__shares_by_weight(void **state) {
    (void)state;
    struct fair f = {0};
    int turns[CLASS_COUNT];
    fair_wake(&f, CLASS_LIST);
    fair_wake(&f, CLASS_ANNOUNCEMENT);
    run(&f, 1000, turns);
    assert_in_range(turns[CLASS_LIST], 798, 802); /* 8 to 2 */
    assert_in_range(turns[CLASS_ANNOUNCEMENT], 198, 202);
    assert_int_equal(turns[CLASS_DIRECT], 0);
}

static void test_fair__what_one_does_not_use_the_others_have(void **state) {
    (void)state;
    struct fair f = {0};
    int turns[CLASS_COUNT];
    fair_wake(&f, CLASS_BOUNCE);
    run(&f, 100, turns);
    assert_int_equal(turns[CLASS_BOUNCE], 100);
}

static void test_fair__idle_time_is_no_credit(void **state) {
    (void)state;
    struct fair f = {0};
    int turns[CLASS_COUNT];
    fair_wake(&f, CLASS_ANNOUNCEMENT);
    run(&f, 10000, turns);
    fair_wake(&f, CLASS_LIST);
    run(&f, 100, turns);
    assert_in_range(turns[CLASS_LIST], 78, 82);
    assert_true(turns[CLASS_ANNOUNCEMENT] >= 18); /* not shut out while the other catches up */
}

static void test_fair__the_newcomer_is_next(void **state) {
    (void)state;
    struct fair f = {0};
    int turns[CLASS_COUNT];
    enum mail_class order[CLASS_COUNT];
    fair_wake(&f, CLASS_ANNOUNCEMENT);
    run(&f, 1000, turns);
    fair_charge(&f, CLASS_ANNOUNCEMENT);
    fair_wake(&f, CLASS_DIRECT);
    fair_charge(&f, CLASS_ANNOUNCEMENT);
    fair_order(&f, order);
    size_t direct = 0, announcement = 0;
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        direct = order[i] == CLASS_DIRECT ? i : direct;
        announcement = order[i] == CLASS_ANNOUNCEMENT ? i : announcement;
    }
    assert_true(direct < announcement);
}

static void test_fair__runs_are_short_while_others_wait(void **state) {
    (void)state;
    struct fair f = {0};
    fair_wake(&f, CLASS_ANNOUNCEMENT);
    size_t alone = fair_run(&f, CLASS_ANNOUNCEMENT);
    fair_wake(&f, CLASS_LIST);
    assert_true(fair_run(&f, CLASS_ANNOUNCEMENT) < alone);
    fair_idle(&f, CLASS_LIST);
    assert_int_equal(fair_run(&f, CLASS_ANNOUNCEMENT), alone);
}

static size_t allowed(const struct window *w, size_t most, int64_t now) {
    size_t n = 0;
    while (window_allows(w, n, most, now))
        n++;
    return n;
}

static void test_window__grows_with_success(void **state) {
    (void)state;
    struct window w;
    window_init(&w);
    assert_int_equal(allowed(&w, 20, 0), 2);
    for (int i = 0; i < 100; i++)
        window_success(&w, 20, 0);
    assert_int_equal(allowed(&w, 20, 0), 20);
    assert_int_equal(allowed(&w, 5, 0), 5); /* the setting is the most */
}

static void test_window__keeps_to_a_limit_and_probes_it(void **state) {
    (void)state;
    struct window w;
    window_init(&w);
    for (int i = 0; i < 100; i++)
        window_success(&w, 20, 0);
    window_limit(&w, 10, 1000);
    assert_int_equal(allowed(&w, 20, 1000), 10);
    for (int64_t t = 1000; t < 60000; t += 100)
        window_success(&w, 20, t);
    assert_int_equal(allowed(&w, 20, 60000), 10);
    for (int64_t t = 61000; t < 62000; t += 100)
        window_success(&w, 20, t);
    assert_int_equal(allowed(&w, 20, 62000), 11); /* one more a minute */
}

static void test_window__one_connection_is_always_left(void **state) {
    (void)state;
    struct window w;
    window_init(&w);
    window_limit(&w, 0, 0);
    assert_int_equal(allowed(&w, 20, 0), 1);
}

static void test_window__pauses_longer_each_time(void **state) {
    (void)state;
    struct window w;
    window_init(&w);
    int64_t now = 0, previous = 0;
    for (unsigned i = 1; i < WINDOW_REFUSALS; i++) {
        assert_true(window_refusal(&w, now));
        assert_int_equal(allowed(&w, 20, now), 0);
        int64_t until = now;
        while (allowed(&w, 20, until) == 0)
            until += 500;
        assert_true(until - now > previous);
        previous = until - now;
        assert_true(window_refusal(&w, now)); /* several at once count once */
        now = until;
    }
    assert_false(window_refusal(&w, now)); /* it has failed */
}

static void test_window__success_ends_the_row(void **state) {
    (void)state;
    struct window w;
    window_init(&w);
    int64_t now = 0;
    for (unsigned i = 0; i < 3 * WINDOW_REFUSALS; i++) {
        assert_true(window_refusal(&w, now));
        now += 100000;
        window_success(&w, 20, now);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fair__shares_by_weight),
        cmocka_unit_test(test_fair__what_one_does_not_use_the_others_have),
        cmocka_unit_test(test_fair__idle_time_is_no_credit),
        cmocka_unit_test(test_fair__the_newcomer_is_next),
        cmocka_unit_test(test_fair__runs_are_short_while_others_wait),
        cmocka_unit_test(test_window__grows_with_success),
        cmocka_unit_test(test_window__keeps_to_a_limit_and_probes_it),
        cmocka_unit_test(test_window__one_connection_is_always_left),
        cmocka_unit_test(test_window__pauses_longer_each_time),
        cmocka_unit_test(test_window__success_ends_the_row),
    };
    return cmocka_run_group_tests_name("roles/deliver/sched", tests, NULL, NULL);
}
