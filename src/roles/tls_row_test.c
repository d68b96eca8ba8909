/* tls_row_test.c: what is written is read. */
#include "roles/tls_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_row__is_read_as_written(void **state) {
    (void)state;
    const view policy[] = {VIEW("version: STSv1"), VIEW("mode: enforce")}, hosts[] = {VIEW("*.example.org")};
    const struct tls_row written = {.kind = TLS_POLICY_STS,
                                    .policy = policy,
                                    .policy_count = 2,
                                    .mx_hosts = hosts,
                                    .mx_host_count = 1,
                                    .failure = VIEW("certificate-expired"),
                                    .receiving_mx = VIEW("mx.example.org"),
                                    .info = VIEW("why")};
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
    assert_true(view_eq(read.failure, written.failure));
    assert_true(view_eq(read.receiving_mx, written.receiving_mx));
    assert_int_equal(read.sending_ip.len, 0);
    assert_true(view_eq(read.info, written.info));
    for (size_t len = 0; len < row.len; len++)
        assert_false(tls_row_read(view_slice(buf_view(&row), 0, len), &a, &read));
    buf_done(&row);
    arena_done(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_row__is_read_as_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
