/* tls_report_test.c: what is written is read the same, what others write is read as far as it makes sense,
 * and what would cost too much is refused. */
#include "auth/tls_report.h"

#include "testing/unit.h"

static struct arena arena;

static int begin(void **state) {
    (void)state;
    arena_init(&arena, 64 << 20);
    return 0;
}

static int end(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct tls_report read_one(view json) {
    struct tls_report r = {0};
    struct err e = {0};
    check(tls_report_read(json, &arena, &r, &e), "%.*s: %s", (int)(json.len < 300 ? json.len : 300), json.ptr,
          e.text);
    return r;
}

static void expect_refused(view json, enum err_code code) {
    struct tls_report r;
    struct err e = {0};
    check(!tls_report_read(json, &arena, &r, &e), "read: %.*s", (int)(json.len < 300 ? json.len : 300),
          json.ptr);
    check(e.code == code, "%.*s: %s", (int)(json.len < 300 ? json.len : 300), json.ptr, e.text);
}

static const view lines[] = {OCTETS("version: STSv1"), OCTETS("mode: enforce"), OCTETS("mx: *.b.example")};
static const view hosts[] = {OCTETS("*.b.example")};
static const struct tls_failure failures[] = {
    {.type = OCTETS("certificate-expired"),
     .sending_ip = OCTETS("2001:db8::1"),
     .receiving_mx = OCTETS("mx1.b.example"),
     .receiving_helo = OCTETS("mx1"),
     .receiving_ip = OCTETS("192.0.2.1"),
     .info = OCTETS("https://post.example/1"),
     .reason = OCTETS("a \"b\" \\ \xc3\xa4 </script> \x1f\r\n"),
     .sessions = 7},
    {.type = OCTETS("starttls-not-supported"), .sessions = TLS_REPORT_SESSIONS_MOST}};
static const struct tls_policy_report policies[] = {{.kind = TLS_POLICY_STS,
                                                     .domain = OCTETS("b.example"),
                                                     .policy = lines,
                                                     .policy_count = COUNT(lines),
                                                     .mx_hosts = hosts,
                                                     .mx_host_count = COUNT(hosts),
                                                     .success = 5,
                                                     .failure = 8,
                                                     .failures = failures,
                                                     .failure_count = COUNT(failures)},
                                                    {.kind = TLS_POLICY_NONE, .domain = OCTETS("c.example")},
                                                    {.kind = TLS_POLICY_TLSA, .domain = OCTETS("d.example")}};
static const struct tls_report whole = {.organization = OCTETS("Post"),
                                        .contact = OCTETS("tls@post.example"),
                                        .id = OCTETS("1@post.example"),
                                        .begin_s = 1795392000,
                                        .end_s = 1795478399,
                                        .policies = policies,
                                        .policy_count = COUNT(policies)};

static void assert_same(view got, view want) {
    check(view_eq(got, want), "\"%.*s\" instead of \"%.*s\"", VIEW_ARG(got), VIEW_ARG(want));
}

static void assert_same_failure(const struct tls_failure *got, const struct tls_failure *want) {
    assert_same(got->type, want->type);
    assert_same(got->sending_ip, want->sending_ip);
    assert_same(got->receiving_mx, want->receiving_mx);
    assert_same(got->receiving_helo, want->receiving_helo);
    assert_same(got->receiving_ip, want->receiving_ip);
    assert_same(got->info, want->info);
    assert_same(got->reason, want->reason);
    assert_int_equal(got->sessions, want->sessions);
}

static void assert_same_policy(const struct tls_policy_report *got, const struct tls_policy_report *want) {
    assert_int_equal(got->kind, want->kind);
    assert_same(got->domain, want->domain);
    assert_int_equal(got->policy_count, want->policy_count);
    assert_int_equal(got->mx_host_count, want->mx_host_count);
    for (size_t i = 0; i < want->policy_count; i++)
        assert_same(got->policy[i], want->policy[i]);
    for (size_t i = 0; i < want->mx_host_count; i++)
        assert_same(got->mx_hosts[i], want->mx_hosts[i]);
    assert_int_equal(got->success, want->success);
    assert_int_equal(got->failure, want->failure);
    assert_int_equal(got->failure_count, want->failure_count);
    for (size_t i = 0; i < want->failure_count; i++)
        assert_same_failure(&got->failures[i], &want->failures[i]);
}

static void test_write__is_read_the_same(void **state) {
    (void)state;
    struct buf out = BUF_INIT(TLS_REPORT_BYTES_MOST);
    tls_report_write(&whole, &out);
    struct tls_report got = read_one(buf_view(&out));
    assert_same(got.organization, whole.organization);
    assert_same(got.contact, whole.contact);
    assert_same(got.id, whole.id);
    assert_int_equal(got.begin_s, whole.begin_s);
    assert_int_equal(got.end_s, whole.end_s);
    assert_int_equal(got.policy_count, whole.policy_count);
    for (size_t i = 0; i < whole.policy_count; i++)
        assert_same_policy(&got.policies[i], &whole.policies[i]);
    buf_done(&out);
}

/* As RFC 8460 has it, to the octet. */
static void test_write__form(void **state) {
    (void)state;
    struct buf out = BUF_INIT(4096);
    struct tls_report r = whole;
    r.policies = &policies[1];
    r.policy_count = 1;
    tls_report_write(&r, &out);
    assert_view(buf_view(&out),
                "{\"organization-name\":\"Post\",\"date-range\":{\"start-datetime\":\"2026-11-23T00:00:00Z\","
                "\"end-datetime\":\"2026-11-23T23:59:59Z\"},\"contact-info\":\"tls@post.example\","
                "\"report-id\":\"1@post.example\",\"policies\":[{\"policy\":{\"policy-type\":"
                "\"no-policy-found\",\"policy-domain\":\"c.example\"},\"summary\":{"
                "\"total-successful-session-count\":0,\"total-failure-session-count\":0}}]}");
    buf_done(&out);
}

static void test_write__octets_that_are_no_text(void **state) {
    (void)state;
    struct buf out = BUF_INIT(4096);
    struct tls_report r = {.organization = VIEW("a\0\xff\nb"), .id = VIEW("\xc3\xa4\xc3")};
    tls_report_write(&r, &out);
    struct tls_report got = read_one(buf_view(&out));
    assert_view(got.organization, "a???b");
    assert_view(got.id, "\xc3\xa4?");
    buf_done(&out);
}

static void test_read__leniently(void **state) {
    (void)state;
    struct tls_report r = read_one(VIEW(
        "\xef\xbb\xbf{\"contact-info\": null, \"report-id\": 5, \"x\": [{}], \"date-range\": "
        "{\"start-datetime\":"
        "1795392000, \"end-datetime\": \"2026-11-24 00:00:00.5+00:00\"}, \"policies\": [null, 1, {}, "
        "{\"policy\":"
        "{\"policy-type\": \"dane\", \"policy-string\": \"one\", \"mx-host\": [1, \"mx\", null]}, "
        "\"summary\":"
        "{\"total-successful-session-count\": \"12\", \"total-failure-session-count\": -1},"
        "\"failure-details\": [null, {\"failed-session-count\": 2.0}, {\"failed-session-count\": 1e300}]},"
        "{\"policy\": [], \"summary\": 1, \"failure-details\": {}}]}"));
    assert_view(r.contact, "");
    assert_view(r.id, "");
    assert_int_equal(r.begin_s, 1795392000);
    assert_int_equal(r.end_s, 1795478400);
    assert_int_equal(r.policy_count, 3);
    assert_int_equal(r.policies[1].kind, TLS_POLICY_NONE);
    assert_view(r.policies[1].policy[0], "one");
    assert_int_equal(r.policies[1].mx_host_count, 1);
    assert_int_equal(r.policies[1].success, 12);
    assert_int_equal(r.policies[1].failure, 0);
    assert_int_equal(r.policies[1].failure_count, 2);
    assert_int_equal(r.policies[1].failures[0].sessions, 2);
    assert_int_equal(r.policies[1].failures[1].sessions, 0);
    assert_int_equal(r.policies[2].failure_count, 0);
}

static void test_read__refuses(void **state) {
    (void)state;
    static const view rows[] = {OCTETS(""),
                                OCTETS("{"),
                                OCTETS("[]"),
                                OCTETS("{}"),
                                OCTETS("{\"policies\": {}}"),
                                OCTETS("{\"policies\": []} x"),
                                OCTETS("{\"policies\": [], \"report-id\": \"\\u0000\"}"),
                                OCTETS("{\"policies\": [], \"report-id\": \"\xff\"}"),
                                OCTETS("{\"policies\": [], \"x\": 1e999}")};
    for (size_t i = 0; i < COUNT(rows); i++)
        expect_refused(rows[i], ERR_USAGE);
}

static void expect_repeated(const char *head, const char *piece, size_t times, const char *tail, bool fits) {
    struct buf out = BUF_INIT(2 * TLS_REPORT_BYTES_MOST);
    buf_add_str(&out, head);
    for (size_t i = 0; i < times; i++) {
        buf_add_str(&out, piece);
        if (i + 1 < times)
            buf_add_char(&out, ',');
    }
    buf_add_str(&out, tail);
    assert_false(out.failed);
    if (fits)
        read_one(buf_view(&out));
    else
        expect_refused(buf_view(&out), ERR_LIMIT);
    buf_done(&out);
}

static void test_limits(void **state) {
    (void)state;
    expect_repeated("{\"policies\":[", "{}", TLS_REPORT_POLICIES_MOST, "]}", true);
    expect_repeated("{\"policies\":[", "{}", TLS_REPORT_POLICIES_MOST + 1, "]}", false);
    expect_repeated("{\"policies\":[{\"failure-details\":[", "{}", TLS_REPORT_FAILURES_MOST, "]}]}", true);
    expect_repeated("{\"policies\":[{\"failure-details\":[", "{}", TLS_REPORT_FAILURES_MOST + 1, "]}]}",
                    false);
    expect_repeated("{\"policies\":[],\"x\":[", "{\"a\":[]}", 20000, "]}", true);
    expect_repeated("{\"policies\":[],\"x\":[", "{\"a\":[]}", 30000, "]}", false);
    expect_repeated("{\"policies\":[],\"x\":[", "0", 400000, "]}", true);
    expect_repeated("{\"policies\":[],\"x\":[", "0", 600000, "]}", false);
    expect_repeated("{\"policies\":[],\"x\":[", "\"[[[[[[[[[[[[[[[[[[[[[\\\"\"", 10, "]}", true);
    expect_repeated("{\"policies\":", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 100000, "", false);
    expect_repeated("{\"policies\":[],\"x\":\"", "aaaaaaaa", TLS_REPORT_BYTES_MOST / 8, "\"}", false);
}

/* More lines than are read are passed over. */
static void test_limits__of_lines(void **state) {
    (void)state;
    struct buf out = BUF_INIT(TLS_REPORT_BYTES_MOST);
    buf_add_str(&out, "{\"policies\":[{\"policy\":{\"mx-host\":[\"a\"");
    for (int i = 0; i < TLS_REPORT_LINES_MOST; i++)
        buf_add_str(&out, ",\"b\"");
    buf_add_str(&out, "]}}]}");
    assert_int_equal(read_one(buf_view(&out)).policies[0].mx_host_count, TLS_REPORT_LINES_MOST);
    buf_done(&out);
}

static void test_limits__of_the_arena(void **state) {
    (void)state;
    struct arena small;
    struct tls_report r;
    struct err e;
    arena_init(&small, 1000);
    assert_false(
        tls_report_read(VIEW("{\"policies\":[{},{},{},{},{},{},{},{},{},{},{},{}]}"), &small, &r, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    arena_done(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write__is_read_the_same, begin, end),
        cmocka_unit_test_setup_teardown(test_write__form, begin, end),
        cmocka_unit_test_setup_teardown(test_write__octets_that_are_no_text, begin, end),
        cmocka_unit_test_setup_teardown(test_read__leniently, begin, end),
        cmocka_unit_test_setup_teardown(test_read__refuses, begin, end),
        cmocka_unit_test_setup_teardown(test_limits, begin, end),
        cmocka_unit_test_setup_teardown(test_limits__of_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_limits__of_the_arena, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
