/* date_test.c: dates as RFC 5322 3.3 and 4.3 have them and as mail of thirty years has them, against the C
 * library's calendar and the dates another parser found in public mail. */
#include "testing/unit.h"

#include <stdio.h>
#include <time.h>

#include "mail/date.h"
#include "mail/header.h"
#include "testing/corpus.h"

#define T INT64_C(1795496767) /* 2026-11-24 05:06:07 UTC, a Tuesday */

static void test_date__reads_what_mail_has(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        {"Tue, 24 Nov 2026 05:06:07 +0000", T},
        {"Tue, 24 Nov 2026 05:06:07 -0000", T},
        {"24 Nov 2026 05:06:07 +0000", T},
        {"Tue, 24 Nov 2026 05:06 +0000", T - 7},
        {"Tue, 24 Nov 2026 06:36:07 +0130", T},
        {"Mon, 23 Nov 2026 21:06:07 -0800", T},
        {"Tue, 24 Nov 2026 05:06:07", T},
        {"Tue, 24 Nov 2026 05:06:07 UT", T},
        {"Tue, 24 Nov 2026 05:06:07 GMT", T},
        {"Tue, 24 Nov 2026 05:06:07 Z", T},
        {"Tue, 24 Nov 2026 00:06:07 EST", T},
        {"Tue, 24 Nov 2026 01:06:07 EDT", T},
        {"Mon, 23 Nov 2026 23:06:07 CST", T},
        {"Tue, 24 Nov 2026 00:06:07 CDT", T},
        {"Mon, 23 Nov 2026 22:06:07 MST", T},
        {"Mon, 23 Nov 2026 23:06:07 MDT", T},
        {"Mon, 23 Nov 2026 21:06:07 PST", T},
        {"Mon, 23 Nov 2026 22:06:07 PDT", T},
        {"Tue, 24 Nov 2026 05:06:07 A", T}, /* RFC 5322 4.3: as -0000 */
        {"Tue, 24 Nov 2026 05:06:07 CEST", T},
        {"Tue, 24 Nov 2026 05:06:07 +0000 (UTC)", T},
        {"Tue, 24 Nov 2026 05:06:07 +0000 whatever follows", T},
        {"Tue, 24 Nov 26 05:06:07 +0000", T},
        {"Tue, 24 Nov 126 05:06:07 +0000", T},
        {"Fri, 24 Nov 50 00:00:00 +0000", -602899200},
        {"Wed, 24 Nov 49 00:00:00 +0000", 2521324800},
        {"Tue (day), (a (nested \\) one)) 24 (x) Nov (y) 2026 (z) 05:06:07 (w) +0000", T},
        {"Tue,\r\n 24 Nov 2026\r\n\t05:06:07 +0000\r\n", T},
        {"Tue , 24 Nov 2026 05 : 06 : 07 +0000", T},
        {"  Tuesday, 24-Nov-26 05:06:07 GMT", T},
        {"Tuesday, 24 November 2026 05:06:07 +0000", T},
        {"tue, 24 nov 2026 05:06:07 gmt", T},
        {"Tue, 24 Nov 2026 5:6:7 +0000", T},
        {"Tue, 24 Nov 2026 06:06:07 +01:00", T},
        {"Fri, 24 Nov 2026 05:06:07 +0000", T}, /* the wrong day */
        {"Tue Nov 24 05:06:07 2026", T},
        {"Tue Nov 24 05:06:07 GMT 2026", T},
        {"Tue Nov 24 00:06:07 EST 2026", T},
        {"Tue Nov 24 05:06:07 2026 +0000", T},
        {"Tue Nov  4 05:06:07 2026", T - 20 * 86400},
        {"Sat, 31 Dec 2016 23:59:60 +0000", 1483228800}, /* a leap second */
        {"Tue, 29 Feb 2000 00:00:00 +0000", 951782400},
        {"Thu, 29 Feb 2024 12:00:00 +0000", 1709208000},
        {"Mon, 01 Jan 1900 00:00:00 +0000", -2208988800},
        {"Fri, 31 Dec 9999 23:59:59 +0000", 253402300799},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = 42;
        check(date_parse(view_of(rows[i].text), &ms), "\"%s\" is refused", rows[i].text);
        check(ms == rows[i].seconds * 1000, "\"%s\" gives %lld", rows[i].text, (long long)ms);
    }
}

static void test_date__refuses_what_is_none(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "yesterday",
        "Tue",
        "Tue, 24 Nov 2026",
        "Tue, 24 Nov 2026 +0000",
        "Tue, 24 Nov 05:06:07 +0000",
        "Tue, 24 2026 05:06:07 +0000",
        "Tue, 24 Nox 2026 05:06:07 +0000",
        "Tue, 24 No 2026 05:06:07 +0000",
        "Tue, 0 Nov 2026 05:06:07 +0000",
        "Tue, 31 Nov 2026 05:06:07 +0000",
        "Tue, 32 Dec 2026 05:06:07 +0000",
        "Sun, 29 Feb 1900 05:06:07 +0000",
        "Wed, 29 Feb 2023 05:06:07 +0000",
        "Tue, 24 Nov 2026 24:06:07 +0000",
        "Tue, 24 Nov 2026 05:60:07 +0000",
        "Tue, 24 Nov 2026 05:06:61 +0000",
        "Tue, 24 Nov 2026 05:06: +0000",
        "Tue, 24 Nov 2026 05.06.07 +0000",
        "Tue, 24 Nov 2026 05:06:07 +0060",
        "Tue, 24 Nov 2 05:06:07 +0000",
        "Tue, 24 Nov 1899 05:06:07 +0000",
        "Tue, 24 Nov 10000 05:06:07 +0000",
        "Tue, 24 Nov 999999999999999999999 05:06:07 +0000",
        "Tue, 99999999999999999999 Nov 2026 05:06:07 +0000",
        "Mon, 01 Jan 1900 00:00:00 +0100", /* still 1899 in UTC */
        "Fri, 31 Dec 9999 23:59:59 -0001",
        "Fri, 31 Dec 9999 23:59:60 +0000",
        "(Tue, 24 Nov 2026 05:06:07 +0000",
        "Tue Nov 24 05:06:07",
        "Tue Nov 31 05:06:07 2026",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = 42;
        check(!date_parse(view_of(rows[i]), &ms), "\"%s\" gives %lld", rows[i], (long long)ms);
        check(ms == 42, "\"%s\" touches the result", rows[i]);
    }
}

/* Every form of a time is what the C library makes of it, and the two forms that mail uses read back. */
static void assert_formats(int64_t ms) {
    static void (*const formats[])(int64_t, struct buf *) = {date_format, date_format_asctime,
                                                             date_format_iso};
    char expected[3][100];
    int fraction = (int)((ms % 1000 + 1000) % 1000);
    time_t seconds = (time_t)((ms - fraction) / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(expected[0], sizeof expected[0], "%a, %d %b %Y %H:%M:%S +0000", &tm);
    strftime(expected[1], sizeof expected[1], "%a %b %e %H:%M:%S %Y", &tm);
    size_t len = strftime(expected[2], sizeof expected[2], "%Y-%m-%dT%H:%M:%S.", &tm);
    snprintf(expected[2] + len, sizeof expected[2] - len, "%03dZ", fraction);
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct buf out = BUF_INIT(100);
        int64_t back;
        formats[i](ms, &out);
        assert_view(buf_view(&out), expected[i]);
        check(i == 2 || (date_parse(buf_view(&out), &back) && back == seconds * 1000), "%s", out.data);
        buf_done(&out);
    }
    int year, month;
    date_month(ms, &year, &month);
    check(year == tm.tm_year + 1900 && month == tm.tm_mon + 1, "%s: %d-%d", expected[2], year, month);
}

static void test_date__formats_agree_with_the_c_library(void **state) {
    (void)state;
    static const int64_t edges[] = {0,
                                    -1,
                                    1,
                                    999,
                                    -999,
                                    -1000,
                                    -1001,
                                    T * 1000,
                                    -2208988800000,
                                    253402300799999,
                                    951782399999,
                                    951782400000,
                                    951868799999,
                                    951868800000};
    for (size_t i = 0; i < COUNT(edges); i++)
        assert_formats(edges[i]);
    /* Every fifth day from 1900 to 2400, at changing times of day. */
    for (int64_t day = -25567; day < 157054; day += 5)
        assert_formats(day * 86400000 + day * day * 1000003 % 86400000);
}

static void test_date__formats_take_any_number(void **state) {
    (void)state;
    static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, -62167219200000, -62167219200001};
    for (size_t i = 0; i < COUNT(extremes); i++) {
        struct buf out = BUF_INIT(100);
        date_format(extremes[i], &out);
        date_format_asctime(extremes[i], &out);
        date_format_iso(extremes[i], &out);
        assert_true(out.len > 60 && !out.failed);
        int year, month;
        date_month(extremes[i], &year, &month);
        check(month >= 1 && month <= 12, "month %d", month);
        buf_done(&out);
    }
    int year, month;
    date_month(-62167219200000, &year, &month); /* 0000-01-01 */
    assert_int_equal(year, 0);
    assert_int_equal(month, 1);
}

/* The number behind "key": in a JSON text; `at` moves on. */
static bool json_number(view *at, const char *key, int64_t *ret_n) {
    char name[40];
    snprintf(name, sizeof name, "\"%s\": ", key);
    ptrdiff_t found = view_search(*at, view_of(name));
    if (found < 0)
        return false;
    *at = view_skip(*at, (size_t)found + strlen(name));
    size_t len = 0;
    while (len < at->len && ascii_is_digit(at->ptr[len]))
        len++;
    return view_to_i64(view_slice(*at, 0, len), ret_n);
}

struct oracle {
    size_t compared, differing;
};

/* Each file tells the fields of a message with their offsets, and of Date what it says: compare ours. */
static void compare_dates(const char *name, view json, void *context) {
    struct oracle *o = context;
    struct buf message = BUF_INIT(8 << 20);
    if (view_search(view_of(name), VIEW("malformed/019")) >= 0)
        return; /* its Date is cut off in the seconds: no date for us */
    if (!corpus_message_of(name, &message))
        return;
    ptrdiff_t end = view_search(json, VIEW("\n      ],")); /* fields of the message itself */
    json = view_slice(json, 0, end < 0 ? json.len : (size_t)end);
    static const char *const keys[] = {"year", "month", "day", "hour", "minute", "second"};
    for (ptrdiff_t at; (at = view_search(json, VIEW("\"DateTime\": {"))) >= 0;) {
        int64_t n[COUNT(keys)], hours, minutes, start, stop, ours = 0;
        json = view_skip(json, (size_t)at + 1);
        bool ok = true;
        for (size_t k = 0; k < COUNT(keys); k++)
            ok = ok && json_number(&json, keys[k], &n[k]);
        ptrdiff_t west = view_search(json, VIEW("\"tz_before_gmt\": true"));
        bool before = west >= 0 && west < 40;
        ok = ok && json_number(&json, "tz_hour", &hours) && json_number(&json, "tz_minute", &minutes) &&
             json_number(&json, "offset_start", &start) && json_number(&json, "offset_end", &stop);
        if (!ok || n[0] < 1900 || stop > (int64_t)message.len || start > stop)
            continue;
        struct tm tm = {.tm_year = (int)n[0] - 1900,
                        .tm_mon = (int)n[1] - 1,
                        .tm_mday = (int)n[2],
                        .tm_hour = (int)n[3],
                        .tm_min = (int)n[4],
                        .tm_sec = (int)n[5]};
        int64_t theirs = timegm(&tm) + (hours * 3600 + minutes * 60) * (before ? 1 : -1);
        view field = view_from(message.data + start, (size_t)(stop - start));
        o->compared++;
        if (!date_parse(field, &ours) || ours != theirs * 1000) {
            o->differing++;
            print_message("differs: %s: \"%.*s\" is %lld, theirs %lld\n", name, VIEW_ARG(view_trim(field)),
                          (long long)ours / 1000, (long long)theirs);
        }
    }
    buf_done(&message);
}

static void test_date__agrees_with_another_parser_on_public_mail(void **state) {
    (void)state;
    struct oracle o = {0};
    if (corpus_each_file("03-mailparser-eml", ".json", compare_dates, &o) == 0)
        skip();
    print_message("%zu dates compared\n", o.compared);
    assert_true(o.compared > 50);
    assert_int_equal(o.differing, 0);
}

struct wild {
    size_t dates, read;
};

static void read_date(const char *name, view message, void *context) {
    (void)name;
    struct wild *w = context;
    struct arena a;
    struct header h;
    arena_init(&a, 4 << 20);
    header_parse(view_starts_with(message, VIEW("From "))
                     ? view_skip(message, (size_t)view_find(message, '\n') + 1)
                     : message,
                 &a, &h);
    const struct header_field *f = header_find(&h, "Date");
    int64_t ms;
    if (f) {
        w->dates++;
        w->read += date_parse(f->value, &ms);
    }
    arena_done(&a);
}

static void test_date__reads_nearly_all_dates_of_public_mail(void **state) {
    (void)state;
    struct wild w = {0};
    if (corpus_each("", read_date, &w) == 0)
        skip();
    print_message("%zu of %zu dates read\n", w.read, w.dates);
    assert_true(w.dates > 500);
    check(w.read * 1000 >= w.dates * 985, "%zu of %zu", w.read, w.dates);
}

static void test_date__reads_rfc_3339(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"2026-11-24T05:06:07Z", T * 1000},
        {"2026-11-24T05:06:07.123Z", T * 1000 + 123},
        {"2026-11-24t05:06:07.1239z", T * 1000 + 123},
        {"2026-11-24 06:06:07+01:00", T * 1000},
        {"2026-11-23T21:06:07-0800", T * 1000},
        {" 2026-11-24T05:06:07 ", T * 1000},
        {"2026-11-24T05:06Z", (T - 7) * 1000},
        {"2026-11-24", (T - 5 * 3600 - 6 * 60 - 7) * 1000},
        {"2026-11-24T05:06:07 UTC", T * 1000},
    };
    static const char *const none[] = {"",
                                       "2026-11-31",
                                       "2026-13-01",
                                       "26-11-24",
                                       "2026-11-24T",
                                       "2026-11-24T25:00:00Z",
                                       "1899-01-01",
                                       "2026-11-24T05:06:07Z x",
                                       "2026-11-24T05:06:07+1",
                                       "9999-12-31T23:59:59-01:00"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -1;
        check(date_parse_iso(view_of(rows[i].text), &ms), "%s: not read", rows[i].text);
        check(ms == rows[i].ms, "%s: %lld", rows[i].text, (long long)ms);
    }
    for (size_t i = 0; i < COUNT(none); i++) {
        int64_t ms;
        check(!date_parse_iso(view_of(none[i]), &ms), "%s: read", none[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_date__reads_what_mail_has),
        cmocka_unit_test(test_date__refuses_what_is_none),
        cmocka_unit_test(test_date__reads_rfc_3339),
        cmocka_unit_test(test_date__formats_agree_with_the_c_library),
        cmocka_unit_test(test_date__formats_take_any_number),
        cmocka_unit_test(test_date__agrees_with_another_parser_on_public_mail),
        cmocka_unit_test(test_date__reads_nearly_all_dates_of_public_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
