/* arf_test.c: what the suite does not ask: reports that are odd, cut, too large or in others, and values as
 * strangers write them. */
#include "auth/arf.h"

#include "base/buf.h"
#include "testing/unit.h"

static struct arena arena;

#define HEAD     "Subject: x\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
#define REPORT   "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
#define ORIGINAL "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@example.org\r\n\r\ntext\r\n--b--\r\n"

static bool read_fields(const char *fields, struct arf_report *ret) {
    return arf_read(arena_printf(&arena, HEAD REPORT "%s" ORIGINAL, fields), &arena, ret);
}

static void test_read__values(void **state) {
    (void)state;
    struct arf_report r;
    assert_true(read_fields(
        "version: 1.0\r\nFEEDBACK-TYPE: (a (nested \\) comment)) Auth-Failure (one)\r\n"
        "Feedback-Type: abuse\r\nOriginal-Mail-From: <>\r\n"
        "Original-Rcpt-To: <b@example.org>\r\nOriginal-Rcpt-To: c@example.org\r\n"
        "Source-IP: [IPv6:2001:DB8::1] (a host)\r\nSource-Port: 25\r\n"
        "Reporting-MTA: dns; mx.example.org\r\nIncidents: 4294967295\r\n"
        "Identity-Alignment: dkim, SPF (both)\r\nDelivery-Result: reject; policy\r\n"
        "Reported-Domain: Example.ORG\r\nReported-Domain:\r\n"
        "SPF-DNS: txt : example.org :\r\n \"v=spf1 -all\"\r\nDKIM-Canonicalized-Body: YWJj\r\n ZGVm\r\n"
        "Received-Date: Thu, 1 Jan 1970 00:00:01 +0000\r\n",
        &r));
    assert_view(r.type, "auth-failure");
    assert_view(r.version, "1.0");
    assert_view(r.mail_from, "");
    assert_int_equal(r.rcpt_to.count, 2);
    assert_view(r.rcpt_to.items[0], "b@example.org");
    assert_view(r.rcpt_to.items[1], "c@example.org");
    assert_view(r.source_ip, "2001:db8::1");
    assert_int_equal(r.source_port, 25);
    assert_view(r.reporting_mta, "mx.example.org");
    assert_int_equal(r.incidents, 4294967295);
    assert_view(r.identity_alignment, "dkim, spf");
    assert_view(r.delivery_result, "reject");
    assert_int_equal(r.domains.count, 1);
    assert_view(r.domains.items[0], "example.org");
    assert_view(r.spf_dns.items[0], "txt : example.org : \"v=spf1 -all\"");
    assert_view(r.dkim_canonical_body, "YWJjZGVm");
    assert_int_equal(r.arrival_ms, 1000);
    assert_view(r.original, "From: a@example.org\r\n\r\ntext");
    assert_false(r.is_header_only);
}

static void test_read__numbers_that_are_none(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "-1", "4294967296", "99999999999999999999", "x", "1x"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct arf_report r;
        view fields =
            arena_printf(&arena, "Feedback-Type: abuse\nIncidents: %s\nSource-Port: %s\nArrival-Date: %s\n",
                         wrong[i], wrong[i], wrong[i]);
        check(read_fields(arena_str(&arena, fields), &r), "row %zu", i);
        check(r.incidents == 1 && r.source_port == 0 && r.arrival_ms == 0, "row %zu", i);
    }
}

static void test_read__what_is_none(void **state) {
    (void)state;
    static const char *const none[] = {
        "",
        "\r\n",
        "From ",
        "From: a@example.org\r\n\r\ntext",
        HEAD,
        HEAD REPORT,
        HEAD REPORT "Feedback-Type:\r\n" ORIGINAL,
        HEAD REPORT "Feedback-Type: (abuse\r\n" ORIGINAL,
        HEAD REPORT "no field\r\nFeedback-Type: abuse\r\n" ORIGINAL,
        HEAD "--b\r\n\r\nFeedback-Type: abuse\r\n--b--\r\n",
        HEAD "--b\r\nContent-Type: message/feedback-report\r\nContent-Transfer-Encoding: odd\r\n\r\n"
             "Feedback-Type: abuse\r\n" ORIGINAL,
        "Content-Type: message/rfc822\r\n\r\n" HEAD REPORT "Feedback-Type: abuse\r\n" ORIGINAL,
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n" HEAD
            REPORT "Feedback-Type: abuse\r\n" ORIGINAL "--o--\r\n",
    };
    for (size_t i = 0; i < COUNT(none); i++) {
        struct arf_report r;
        check(!arf_read(view_of(none[i]), &arena, &r), "row %zu", i);
    }
}

static void test_read__what_is_odd(void **state) {
    (void)state;
    static const struct {
        const char *message, *original;
        bool is_header;
    } rows[] = {
        {HEAD REPORT "Feedback-Type: abuse", "", false},
        {"From x\n" HEAD REPORT
         "\r\nFeedback-Type: abuse\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: x\r\n",
         "From: x\r\n", true},
        {"Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n", "", false},
        {HEAD "--b\r\nContent-Type: message/feedback-report\r\nContent-Transfer-Encoding: base64\r\n\r\n"
              "RmVlZGJhY2stVHlwZTogYWJ1c2UK\r\n"
              "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: "
              "base64\r\n\r\nRnJvbTogeAo=\r\n--b--",
         "From: x\n", false},
        /* behind it, and beside it */
        {HEAD "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: y\r\n" REPORT
              "Feedback-Type: abuse\r\n" ORIGINAL,
         "From: a@example.org\r\n\r\ntext", false},
        {HEAD REPORT "Feedback-Type: abuse\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n"
                     "Content-Type: message/rfc822\r\n\r\nFrom: y\r\n--c--\r\n--b--\r\n",
         "", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arf_report r;
        check(arf_read(view_of(rows[i].message), &arena, &r), "row %zu", i);
        assert_view(r.type, "abuse");
        assert_view(r.original, rows[i].original);
        check(r.is_header_only == rows[i].is_header, "row %zu", i);
    }
}

static void test_read__limits(void **state) {
    (void)state;
    struct buf fields = BUF_INIT(4 << 20);
    struct arf_report r;
    buf_add_str(&fields, "Feedback-Type: abuse\r\nUser-Agent: ");
    for (int i = 0; i < 2 * ARF_TEXT_MOST; i++)
        buf_add_char(&fields, 'x');
    buf_add_str(&fields, "\r\nAuth-Failure: ");
    for (int i = 0; i < 2 * ARF_TEXT_MOST; i++)
        buf_add_char(&fields, '(');
    for (int i = 0; i < 2 * ARF_LIST_MOST; i++)
        buf_printf(&fields, "\r\nReported-URI: http://%d.example/\r\nReported-Domain: %d.example", i, i);
    buf_add_str(&fields, "\r\n");
    assert_true(read_fields(arena_str(&arena, buf_view(&fields)), &r));
    assert_int_equal(r.user_agent.len, ARF_TEXT_MOST);
    assert_view(r.auth_failure, "");
    assert_int_equal(r.uris.count, ARF_LIST_MOST);
    assert_view(r.domains.items[ARF_LIST_MOST - 1], "99.example");
    buf_done(&fields);
}

/* Whatever is missing at its end, and however small the arena is. */
static void test_read__cut(void **state) {
    (void)state;
    view whole =
        VIEW(HEAD REPORT "Feedback-Type: auth-failure (x)\r\nSource-IP: [192.0.2.1]\r\n"
                         "Original-Rcpt-To: <a@example.org>\r\nArrival-Date: Thu, 1 Jan 1970" ORIGINAL);
    for (size_t i = 0; i <= whole.len; i++) {
        struct arena small;
        struct arf_report r;
        char *copy = malloc(i + 1); /* so that a look behind its end is seen */
        memcpy(copy, whole.ptr, i);
        arena_init(&small, 1 << 20);
        arf_read(view_from(copy, i), &small, &r);
        arena_done(&small);
        arena_init(&small, 16 * i);
        arf_read(whole, &small, &r);
        arena_done(&small);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read__values),       cmocka_unit_test(test_read__numbers_that_are_none),
        cmocka_unit_test(test_read__what_is_none), cmocka_unit_test(test_read__what_is_odd),
        cmocka_unit_test(test_read__limits),       cmocka_unit_test(test_read__cut),
    };
    arena_init(&arena, 64 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
