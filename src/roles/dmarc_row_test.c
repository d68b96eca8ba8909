/* dmarc_row_test.c: rows of what is counted for reports, written and read again. */
#include "roles/dmarc_row.h"

#include "roles/tls_row.h"
#include "store/report.h"
#include "store/vals.h"
#include "testing/unit.h"

static struct auth_query query = {.spf = {.sender = VIEW("x@Bounces.Example"), .helo = VIEW("mx.example")}};

static struct auth_verdict verdict(struct dkim_signature *signatures, size_t count) {
    struct auth_verdict v = {.author = VIEW("sub.a.example"),
                             .spf = {.result = SPF_PASS, .domain = VIEW("bounces.example")},
                             .dkim = {.list = signatures, .count = count}};
    v.dmarc = (struct dmarc_verdict){
        .result = DMARC_PASS,
        .policy_domain = VIEW("a.example"),
        .rua = VIEW("mailto:r@a.example"),
        .tags = {.p = DMARC_P_REJECT, .sp = -1, .np = DMARC_P_NONE, .strict_spf = true}};
    return v;
}

static bool is_text(view got, const char *want) {
    return view_eq(got, view_of(want));
}

static void test_dmarc__as_written(void **state) {
    (void)state;
    struct dkim_signature signature = {
        .result = DKIM_FAIL, .domain = VIEW("a.example"), .selector = VIEW("s\r\n1")};
    struct auth_verdict v = verdict(&signature, 1);
    struct buf out = BUF_INIT(REPORT_ROW_MOST);
    struct dmarc_row row;
    struct arena a;
    arena_init(&a, LIMIT_STEP_ARENA);
    v.dmarc.dkim_aligned[0] = true;
    assert_true(dmarc_row_write(&query, &v, VIEW("192.0.2.1"), false, &a, &out));
    assert_true(dmarc_row_read(buf_view(&out), &a, &row));
    assert_true(is_text(row.rua, "mailto:r@a.example") && is_text(row.policy.p, "reject") &&
                is_text(row.policy.sp, "") && is_text(row.policy.np, "none") &&
                is_text(row.policy.adkim, "r") && is_text(row.policy.aspf, "s") &&
                is_text(row.policy.testing, "n"));
    const struct dmarc_report_record *r = &row.record;
    assert_true(is_text(r->source_ip, "192.0.2.1") && is_text(r->disposition, "pass") &&
                is_text(r->dkim, "pass") && is_text(r->spf, "fail") &&
                is_text(r->header_from, "sub.a.example") && is_text(r->envelope_from, "bounces.example"));
    assert_int_equal(r->dkim_count, 1);
    assert_true(is_text(r->dkim_results[0].selector, "s\r\n1") && is_text(r->dkim_results[0].result, "fail"));
    assert_true(is_text(r->spf_results[0].domain, "bounces.example") &&
                is_text(r->spf_results[0].scope, "mfrom") && is_text(r->spf_results[0].result, "pass"));
    for (size_t len = 0; len < out.len; len++)
        dmarc_row_read(view_slice(buf_view(&out), 0, len), &a, &row);
    buf_done(&out);
    arena_done(&a);
}

static void test_dmarc__large_and_unwanted(void **state) {
    (void)state;
    static char name[1000];
    static struct dkim_signature signatures[DKIM_SIGNATURES_MOST];
    __builtin_memset(name, 'a', sizeof name);
    for (size_t i = 0; i < COUNT(signatures); i++)
        signatures[i] = (struct dkim_signature){.domain = view_from(name, sizeof name),
                                                .selector = view_from(name, sizeof name)};
    struct auth_verdict v = verdict(signatures, COUNT(signatures));
    struct buf out = BUF_INIT(REPORT_ROW_MOST);
    struct dmarc_row row;
    struct arena a;
    arena_init(&a, LIMIT_STEP_ARENA);
    assert_true(dmarc_row_write(&query, &v, VIEW("192.0.2.1"), true, &a, &out));
    assert_true(dmarc_row_read(buf_view(&out), &a, &row) && row.record.dkim_count > 5);
    assert_true(is_text(row.record.disposition, "reject"));
    buf_reset(&out);
    v.dmarc.policy_domain = VIEW("a.example\r\nBcc: x");
    assert_false(dmarc_row_write(&query, &v, VIEW("192.0.2.1"), true, &a, &out));
    v = verdict(NULL, 0);
    v.dmarc.rua = VIEW("");
    assert_false(dmarc_row_write(&query, &v, VIEW("192.0.2.1"), true, &a, &out));
    v = verdict(NULL, 0);
    v.dmarc.result = DMARC_TEMPERROR;
    assert_false(dmarc_row_write(&query, &v, VIEW("192.0.2.1"), true, &a, &out));
    buf_done(&out);
    arena_done(&a);
}

static void test_tls__as_written(void **state) {
    (void)state;
    static const view policy[] = {VIEW("version: STSv1"), VIEW("mode: enforce")},
                      hosts[] = {VIEW("mx.a.example")};
    struct tls_row row, wanted = {.kind = TLS_POLICY_STS,
                                  .policy = policy,
                                  .mx_hosts = hosts,
                                  .policy_count = 2,
                                  .mx_host_count = 1,
                                  .failure = VIEW("certificate-expired"),
                                  .sending_ip = VIEW("192.0.2.1"),
                                  .receiving_mx = VIEW("mx.a.example"),
                                  .receiving_ip = VIEW("192.0.2.2"),
                                  .reason = VIEW("")};
    struct buf out = BUF_INIT(REPORT_ROW_MOST);
    struct arena a;
    arena_init(&a, LIMIT_STEP_ARENA);
    tls_row_write(&wanted, &out);
    assert_true(tls_row_read(buf_view(&out), &a, &row));
    assert_true(row.kind == TLS_POLICY_STS && row.policy_count == 2 && row.mx_host_count == 1 &&
                view_eq(row.policy[1], policy[1]) && view_eq(row.mx_hosts[0], hosts[0]) &&
                view_eq(row.failure, wanted.failure) && view_eq(row.receiving_ip, wanted.receiving_ip));
    for (size_t len = 0; len < out.len; len++)
        tls_row_read(view_slice(buf_view(&out), 0, len), &a, &row);
    buf_done(&out);
    arena_done(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dmarc__as_written),
                                       cmocka_unit_test(test_dmarc__large_and_unwanted),
                                       cmocka_unit_test(test_tls__as_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
