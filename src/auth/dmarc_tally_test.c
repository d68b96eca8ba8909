/* dmarc_tally_test.c: equal messages are one record, and a difference anywhere makes two. */
#include "auth/dmarc_tally.h"

#include "testing/unit.h"

static struct arena arena;
static struct dmarc_tally tally;

static int begin(void **state) {
    (void)state;
    arena_init(&arena, 512 << 20);
    dmarc_tally_init(&tally, &arena);
    return 0;
}

static int end(void **state) {
    (void)state;
    dmarc_tally_done(&tally);
    arena_done(&arena);
    return 0;
}

static const struct dmarc_report published = {
    .domain = OCTETS("list.example"), .p = OCTETS("reject"), .discovery = OCTETS("treewalk")};

static struct dmarc_report_auth dkim = {
    .domain = OCTETS("list.example"), .selector = OCTETS("s"), .result = OCTETS("pass")};
static const struct dmarc_report_record message = {.source_ip = OCTETS("192.0.2.1"),
                                                   .count = 1,
                                                   .disposition = OCTETS("pass"),
                                                   .dkim = OCTETS("pass"),
                                                   .spf = OCTETS("fail"),
                                                   .header_from = OCTETS("list.example"),
                                                   .dkim_results = &dkim,
                                                   .dkim_count = 1,
                                                   .spf_results = &dkim,
                                                   .spf_count = 1};

static struct dmarc_report *reports(size_t wanted) {
    struct dmarc_report *list;
    size_t count;
    assert_true(dmarc_tally_reports(&tally, &list, &count));
    assert_int_equal(count, wanted);
    return list;
}

static void test_tally__counts_equal_ones(void **state) {
    (void)state;
    reports(0);
    for (int i = 0; i < 5; i++) {
        char ip[] = "192.0.2.1"; /* nothing that is added has to stay */
        struct dmarc_report_record m = message;
        m.source_ip = view_of(ip);
        assert_true(dmarc_tally_add(&tally, &published, &m));
        memset(ip, 'x', sizeof ip - 1);
    }
    const struct dmarc_report *r = reports(1);
    assert_view(r->domain, "list.example");
    assert_int_equal(r->count, 1);
    assert_int_equal(r->records[0].count, 5);
    assert_view(r->records[0].source_ip, "192.0.2.1");
    assert_view(r->records[0].dkim_results[0].selector, "s");
}

/* Also where the same octets stand, but in other fields. */
static void test_tally__tells_apart(void **state) {
    (void)state;
    struct dmarc_report_record m = message;
    struct dmarc_report_auth two[2] = {dkim, dkim};
    assert_true(dmarc_tally_add(&tally, &published, &m));
    m.reason = VIEW("other");
    assert_true(dmarc_tally_add(&tally, &published, &m));
    m.comment = m.reason;
    m.reason = VIEW("");
    assert_true(dmarc_tally_add(&tally, &published, &m));
    m = message;
    m.spf_count = 0;
    m.dkim_results = two;
    m.dkim_count = 2;
    assert_true(dmarc_tally_add(&tally, &published, &m));
    assert_true(dmarc_tally_add(&tally, &published, &m));
    two[1].human = VIEW("short key");
    assert_true(dmarc_tally_add(&tally, &published, &m));
    struct dmarc_report other = published;
    other.p = VIEW("none");
    assert_true(dmarc_tally_add(&tally, &other, &message));
    const struct dmarc_report *r = reports(2);
    assert_int_equal(r[0].count, 5);
    assert_int_equal(r[0].records[3].count, 2);
    assert_int_equal(r[0].records[4].count, 1);
    assert_int_equal(r[1].count, 1);
    assert_view(r[1].p, "none");
}

static void test_tally__limits(void **state) {
    (void)state;
    struct dmarc_report_record m = message;
    for (int i = 0; i <= DMARC_REPORT_RECORDS_MOST; i++) {
        char ip[40];
        snprintf(ip, sizeof ip, "2001:db8::%x", (unsigned)i);
        m.source_ip = view_of(ip);
        check(dmarc_tally_add(&tally, &published, &m) == (i < DMARC_REPORT_RECORDS_MOST), "%d", i);
    }
    m.source_ip = VIEW("2001:db8::1"); /* one it has can be counted on */
    assert_true(dmarc_tally_add(&tally, &published, &m));
    m.count = DMARC_REPORT_COUNT_MOST;
    assert_false(dmarc_tally_add(&tally, &published, &m));
    const struct dmarc_report *r = reports(1);
    assert_int_equal(r->count, DMARC_REPORT_RECORDS_MOST);
    assert_int_equal(r->records[1].count, 2);
}

static void test_tally__full_arena(void **state) {
    (void)state;
    struct arena small;
    struct dmarc_tally t;
    struct dmarc_report *list;
    size_t count;
    arena_init(&small, 200 << 10);
    dmarc_tally_init(&t, &small);
    int added = 0;
    for (; added < 10000; added++) {
        char ip[40];
        struct dmarc_report_record m = message;
        snprintf(ip, sizeof ip, "2001:db8::%x", (unsigned)added);
        m.source_ip = view_of(ip);
        if (!dmarc_tally_add(&t, &published, &m))
            break;
    }
    assert_true(added > 10 && added < 10000);
    assert_false(dmarc_tally_add(&t, &published, &message));
    assert_false(dmarc_tally_reports(&t, &list, &count));
    dmarc_tally_done(&t);
    arena_done(&small);
    arena_init(&small, 1000);
    dmarc_tally_init(&t, &small);
    assert_false(dmarc_tally_add(&t, &published, &message));
    dmarc_tally_done(&t);
    arena_done(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tally__counts_equal_ones, begin, end),
        cmocka_unit_test_setup_teardown(test_tally__tells_apart, begin, end),
        cmocka_unit_test_setup_teardown(test_tally__limits, begin, end),
        cmocka_unit_test_setup_teardown(test_tally__full_arena, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
