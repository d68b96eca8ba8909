/* mta_sts_test.c: what the suites of MTA-STS and of records about reports do not ask: several records, hosts
 * that a policy allows, limits, odd text. */
#include "auth/mta_sts.h"

#include "auth/tls_report.h"
#include "base/buf.h"
#include "testing/unit.h"

static struct arena arena;

static void test_record__exactly_one(void **state) {
    (void)state;
    static const struct {
        const char *records[3], *id;
    } rows[] = {
        {{"v=STSv1; id=1;"}, "1"},
        {{"v=STSv1\t;\tid=1"}, "1"},
        {{"v=STSv1; id=1;", "v=spf1 -all"}, "1"},
        {{"v=STSv2; id=2;", "v=STSv1; id=1;"}, "1"},
        {{"v=STSv1; id=1; id=2;"}, "1"},
        {{"v=STSv1; x=y; id=1; id=!"}, "1"},
        {{"v=STSv1; id=1;", "v=STSv1; id=1;"}, NULL},
        {{"v=STSv1; id=1;", "v=STSv1;"}, NULL},
        {{"v=STSv1; id=!; id=1"}, NULL},
        {{"v=STSv1; id=1;;"}, NULL},
        {{"v=STSv1; id = 1"}, NULL},
        {{"v=STSv1; ID=1"}, NULL},
        {{" v=STSv1; id=1"}, NULL},
        {{"V=STSv1; id=1"}, NULL},
        {{"v=STSv1; id=1; x=\xc3\xa9"}, NULL},
        {{"v=STSv1; id=1; =x"}, NULL},
        {{"v=STSv1; id=1; x"}, NULL},
        {{""}, NULL},
        {{NULL}, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        view records[3], id = VIEW("");
        size_t count = 0;
        while (count < 3 && rows[i].records[count]) {
            records[count] = view_of(rows[i].records[count]);
            count++;
        }
        bool ok = mta_sts_record(records, count, &id);
        check(ok == (rows[i].id != NULL), "row %zu", i);
        if (ok)
            assert_view(id, rows[i].id);
    }
}

static void test_allows__one_label(void **state) {
    (void)state;
    static const struct {
        const char *host;
        bool allowed;
    } rows[] = {
        {"mx.example.org", true},
        {"MX.Example.ORG.", true},
        {"mx2.example.org", false},
        {"a.example.net", true},
        {"A.EXAMPLE.NET", true},
        {"example.net", false},
        {"a.b.example.net", false},
        {".example.net", false},
        {"*.example.net", true},
        {"aexample.net", false},
        {"a.example.net.x", false},
        {"", false},
        {".", false},
        {"example.org", false},
        {"mx.example.org..", false},
    };
    struct mta_sts_policy p;
    const char *why;
    assert_true(mta_sts_policy_read(
        VIEW("version: STSv1\nmode: enforce\nmx: MX.example.org\nmx: *.Example.net\nmax_age: 1\n"), &arena,
        &p, &why));
    for (size_t i = 0; i < COUNT(rows); i++)
        check(mta_sts_allows(&p, view_of(rows[i].host)) == rows[i].allowed, "%s", rows[i].host);
}

static void test_policy__odd(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"version: STSv1\r\nmode: none\r\nmax_age: 31557600\r\n\r\n", true},
        {"max_age: 1\nmode: none\nversion: STSv1", true},
        {"version: STSv1\nversion: STSv2\nmode: none\nmode: enforce\nmax_age: 1\nmax_age: x\n", true},
        {"version: STSv1\nmode: none\nmax_age: 1\nx: caf\xc3\xa9\n", true},
        {"version: STSv1\nmode: none\nmax_age: 1\nx: caf\xe9\n", false},
        {"version: STSv1\nmode: none\nmax_age: 1\nx: a\x01\n", false},
        {"version: STSv1\nmode: none\nmax_age: 1\nx: a\rb: c\n", false},
        {"version: STSv1\nmode: none\nmax_age: 1\nx\n", false},
        {"version: STSv1\nmode : none\nmax_age: 1\n", false},
        {"version: STSv1\n mode: none\nmax_age: 1\n", false},
        {"version: STSv1\nmode: None\nmax_age: 1\n", false},
        {"version: STSv1\nmode: none\nmax_age: -1\n", false},
        {"version: STSv1\nmode: none\nmax_age: +1\n", false},
        {"version: STSv1\nmode: none\nmax_age: 00000000001\n", false},
        {"version: STSv1\nmode: none\nmax_age: 9999999999\n", false},
        {"version: STSv1\nmode: none\nmax_age: 31557601\n", false},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: *\n", false},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: *.\n", false},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: a*.example\n", false},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: a..example\n", false},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.-b.example\n", false},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: a b.example\n", false},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: [192.0.2.1]\n", false},
        {"\xef\xbb\xbfversion: STSv1\nmode: none\nmax_age: 1\n", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mta_sts_policy p;
        const char *why;
        bool ok = mta_sts_policy_read(view_of(rows[i].text), &arena, &p, &why);
        check(ok == rows[i].ok, "row %zu: %s", i, why ? why : "");
        check(ok == (why == NULL), "row %zu", i);
    }
}

static bool reads(view text, struct arena *a) {
    struct mta_sts_policy p;
    const char *why;
    return mta_sts_policy_read(text, a, &p, &why);
}

static void test_policy__limits(void **state) {
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    struct arena small;
    buf_add_str(&text, "version: STSv1\nmode: enforce\nmax_age: 1\n");
    for (int i = 0; i < MTA_STS_HOSTS_MOST; i++)
        buf_printf(&text, "mx: mx%d.example.org\n", i);
    assert_true(reads(buf_view(&text), &arena));
    arena_init(&small, 100);
    assert_false(reads(buf_view(&text), &small));
    arena_done(&small);
    size_t len = text.len;
    buf_add_str(&text, "mx: one-more.example.org\n");
    assert_false(reads(buf_view(&text), &arena));
    buf_truncate(&text, len);
    while (text.len < MTA_STS_BYTES_MOST)
        buf_add_char(&text, '\n');
    assert_true(reads(buf_view(&text), &arena));
    buf_add_char(&text, '\n');
    assert_false(reads(buf_view(&text), &arena));
    buf_done(&text);
}

static void test_report_record__places(void **state) {
    (void)state;
    static const struct {
        const char *record;
        size_t count;
        const char *first;
    } rows[] = {
        {"v=TLSRPTv1; rua=mailto:a@example.org", 1, "mailto:a@example.org"},
        {"v=TLSRPTv1;rua=HTTPS://example.org/x?y=z;", 1, "HTTPS://example.org/x?y=z"},
        {"v=TLSRPTv1; rua=ftp://example.org,mailto:a@example.org", 1, "mailto:a@example.org"},
        {"v=TLSRPTv1; rua=mailto:a@example.org,https://example.org/; rua=mailto:b@example.org", 3,
         "mailto:a@example.org"},
        {"v=TLSRPTv1; rua=mailto:1@x,mailto:2@x,mailto:3@x,mailto:4@x,mailto:5@x,mailto:6@x,mailto:7@x,"
         "mailto:8@x,mailto:9@x,mailto:10@x,mailto:11@x",
         TLS_REPORT_PLACES_MOST, "mailto:1@x"},
        {"v=TLSRPTv1; rua=ftp://example.org/", 0, ""},
        {"v=TLSRPTv1; rua=mailto:", 0, ""},
        {"v=TLSRPTv1; rua=mailto:a@example.org,", 0, ""},
        {"v=TLSRPTv1; rua=,mailto:a@example.org", 0, ""},
        {"v=TLSRPTv1; rua=mailto:a@example.org!10m", 0, ""},
        {"v=TLSRPTv1; rua=mailto:a@example.org\r\nX: y", 0, ""},
        {"v=TLSRPTv1; rua=mailto:a@example.org https://example.org", 0, ""},
        {"v=TLSRPTv1; rua=https://example.org/%2", 0, ""},
        {"v=TLSRPTv1; RUA=mailto:a@example.org", 0, ""},
        {"v=TLSRPTv1", 0, ""},
        {"v=TLSRPTv1;", 0, ""},
        {"", 0, ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        view places[TLS_REPORT_PLACES_MOST], record = view_of(rows[i].record);
        size_t count = tls_report_record(&record, 1, &arena, places);
        check(count == rows[i].count, "%s: %zu", rows[i].record, count);
        if (count > 0)
            assert_view(places[0], rows[i].first);
    }
    const view two[] = {VIEW("v=TLSRPTv1; rua=mailto:a@x"), VIEW("v=TLSRPTv1; rua=mailto:b@x")};
    view places[TLS_REPORT_PLACES_MOST];
    assert_int_equal(tls_report_record(two, 2, &arena, places), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record__exactly_one),   cmocka_unit_test(test_allows__one_label),
        cmocka_unit_test(test_policy__odd),           cmocka_unit_test(test_policy__limits),
        cmocka_unit_test(test_report_record__places),
    };
    arena_init(&arena, 1 << 20);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return status;
}
