/* tls_row_test.c: what is written is read. */
#include "roles/tls_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_row__is_read_as_written(void **state) {
    (void)state;
    const view policy[] = {VIEW("version: STSv1"), VIEW("mode: enforce")}, hosts[] = {VIEW("*.example.org")};
    const struct tls_row written = {.kind = TLS_POLICY_STS,
                                    .policy = policy,
                                    .policy_count = 2,
                                    .mx_hosts = hosts,
                                    .mx_host_count = 1,
                                    .domain = VIEW("mx.example.org"),
                                    .failure = VIEW("certificate-expired"),
                                    .receiving_mx = VIEW("mx.example.org"),
                                    .reason = VIEW("why")};
    struct buf row = BUF_INIT(1000);
    struct arena a;
    struct tls_row read;
    arena_init(&a, 10000);
    tls_row_write(&written, &row);
    assert_true(tls_row_read(buf_view(&row), &a, &read));
    assert_int_equal(read.kind, TLS_POLICY_STS);
    assert_int_equal(read.policy_count, 2);
    assert_true(view_eq(read.policy[1], policy[1]));
    assert_true(view_eq(read.mx_hosts[0], hosts[0]));
    assert_true(view_eq(read.domain, written.domain));
    assert_true(view_eq(read.failure, written.failure));
    assert_true(view_eq(read.receiving_mx, written.receiving_mx));
    assert_int_equal(read.sending_ip.len, 0);
    assert_true(view_eq(read.reason, written.reason));
    for (size_t len = 0; len < row.len; len++)
        assert_false(tls_row_read(view_slice(buf_view(&row), 0, len), &a, &read));
    buf_done(&row);
    arena_done(&a);
}

static char long_text[3000];

/* "PREFIX000.aaa…", `len` octets. */
static view numbered(const char *prefix, size_t n, size_t len, struct arena *a) {
    view text = arena_printf(a, "%s%03zu.%s", prefix, n, long_text);
    return view_slice(text, 0, len);
}

static void test_row_of_a_long_policy__has_lines_of_each_kind(void **state) {
    (void)state;
    enum { HOSTS = 64, LEN = 200 };
    view policy[HOSTS + 3], hosts[HOSTS];
    struct buf row = BUF_INIT(TLS_ROW_MOST), other = BUF_INIT(TLS_ROW_MOST);
    struct arena a;
    struct tls_row read;
    arena_init(&a, 1 << 20);
    memset(long_text, 'a', sizeof long_text - 1);
    policy[0] = VIEW("version: STSv1");
    for (size_t i = 0; i < HOSTS; i++) {
        hosts[i] = numbered("h", i, LEN, &a);
        policy[i + 1] = numbered("mx: h", i, LEN + 4, &a);
    }
    policy[HOSTS + 1] = VIEW("mode: enforce");
    policy[HOSTS + 2] = VIEW("max_age: 86400");
    const view name = view_slice(view_of(long_text), 0, 255), longer = view_of(long_text);
    struct tls_row written = {.kind = TLS_POLICY_STS,
                              .policy = policy,
                              .policy_count = HOSTS + 3,
                              .mx_hosts = hosts,
                              .mx_host_count = HOSTS};
    tls_row_write(&written, &other);
    written.domain = written.receiving_mx = written.failure = written.sending_ip = written.receiving_ip =
        written.reason = longer;
    tls_row_write(&written, &row);
    assert_false(row.failed);
    assert_true(row.len > TLS_ROW_MOST / 2);
    assert_true(tls_row_read(buf_view(&row), &a, &read));
    assert_true(view_eq(read.policy[0], policy[0]));
    assert_true(view_eq(read.policy[1], policy[1]));
    assert_true(view_eq(read.policy[read.policy_count - 2], policy[HOSTS + 1]));
    assert_true(view_eq(read.policy[read.policy_count - 1], policy[HOSTS + 2]));
    assert_true(read.policy_count > 8 && read.policy_count == read.mx_host_count + 3);
    assert_true(view_eq(read.mx_hosts[5], hosts[5]));
    assert_true(view_eq(read.receiving_mx, name));
    const size_t policy_count = read.policy_count, host_count = read.mx_host_count;
    assert_true(tls_row_read(buf_view(&other), &a, &read)); /* whatever else the row says */
    assert_int_equal(read.policy_count, policy_count);
    assert_int_equal(read.mx_host_count, host_count);
    buf_done(&row);
    buf_done(&other);
    arena_done(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row__is_read_as_written),
        cmocka_unit_test(test_row_of_a_long_policy__has_lines_of_each_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
