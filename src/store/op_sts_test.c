/* op_sts_test.c: policies of MTA-STS that are kept. */
#include "testing/store.h"

#include "base/clock.h"

static void test_policy__is_kept_replaced_and_forgotten(struct unit_store *s) {
    int64_t now = clock_now_ms(), later = now + 1000000;
    must(s, OP_STS_POLICY, S("one.example"));
    expect_end(s);
    must(s, OP_STS_KEEP, S("one.example"), S("1"), S("old"), N(now), N(later), N(now));
    must(s, OP_STS_KEEP, S("one.example"), S("2"), S("new"), N(now), N(later), N(now));
    must(s, OP_STS_KEEP, S("two.example"), S("1"), S("gone"), N(now - 20), N(now - 10), N(now));
    must(s, OP_STS_POLICY, S("one.example"));
    expect(s, S("2"), S("new"), N(now), N(later), N(now));
    must(s, OP_STS_KEEP, S("three.example"), S("1"), S("x"), N(now), N(later), N(now));
    must(s, OP_STS_POLICY, S("two.example"));
    expect_end(s);
    assert_number(s, 2, "SELECT count(*) FROM sts_policy");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_policy__is_kept_replaced_and_forgotten),
    };
    return RUN_STORE_CASES("store/op_sts", cases);
}
