/* log_test.c: whatever is logged is one line, reads back as what was logged, and is never longer than the
 * limit. The tests read what really arrives at standard error. */
#include "testing/unit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

static int saved_stderr = -1, captured = -1;

static void capture(void) {
    captured = memfd_create("stderr", MFD_CLOEXEC);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(captured >= 0 && saved_stderr >= 0);
    assert_true(dup2(captured, STDERR_FILENO) >= 0);
}

/* What was written since capture(); NUL-terminated. */
static view captured_text(void) {
    static char text[64 * 1024];
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    ssize_t n = pread(captured, text, sizeof text - 1, 0);
    close(captured);
    assert_true(n >= 0);
    text[n] = '\0';
    return view_from(text, (size_t)n);
}

/* The line's part behind time, level, role and event, which are checked. */
static view fields_of(view line, const char *level_role_event) {
    assert_true(view_ends_with(line, VIEW("\n")));
    line.len--;
    check(view_find(line, '\n') < 0, "more than one line: %.*s", VIEW_ARG(line));
    view head = view_of(level_role_event);
    check(view_eq(view_slice(line, 25, head.len), head), "%.*s", VIEW_ARG(line));
    return view_skip(line, 25 + head.len);
}

static void test_log__writes_one_line_in_its_form(void **state) {
    (void)state;
    log_init("smtpd", LOG_DEBUG);
    capture();
    log_line(LOG_INFO, "accepted", LOG_S("queue", "0C5W"), LOG_S("from", "a@example.org"),
             LOG_I("size", 5120), LOG_I("least", INT64_MIN), LOG_V("view", VIEW("xyz")));
    view line = captured_text();
    assert_view(fields_of(line, "info smtpd accepted"),
                " queue=0C5W from=a@example.org size=5120 least=-9223372036854775808 view=xyz");
    assert_int_equal(line.ptr[24], ' ');
    capture();
    log_line(LOG_ERROR, "failed");
    assert_view(fields_of(captured_text(), "error smtpd failed"), "");
}

static void test_log__empty_text_is_left_out_but_for_the_null_sender(void **state) {
    (void)state;
    log_init("deliver", LOG_DEBUG);
    capture();
    log_line(LOG_WARN, "x", LOG_S("a", ""), LOG_V("b", VIEW_NULL), LOG_S("c", NULL), LOG_V("from", VIEW_NULL),
             LOG_I("n", 0));
    assert_view(fields_of(captured_text(), "warn deliver x"), " from=<> n=0");
}

static void test_log__drops_lines_below_the_least_level(void **state) {
    (void)state;
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int min = LOG_DEBUG; min <= LOG_ERROR; min++)
        for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
            log_init("r", (enum log_level)min);
            capture();
            log_line((enum log_level)level, "e");
            view text = captured_text();
            check((text.len > 0) == (level >= min), "level %d, least %d", level, min);
            check(text.len == 0 || view_search(text, view_of(names[level])) == 25, "%.*s", VIEW_ARG(text));
        }
    for (size_t i = 0; i < COUNT(names); i++) {
        enum log_level level = LOG_DEBUG;
        assert_true(log_level_parse(view_of(names[i]), &level));
        assert_int_equal(level, i);
    }
    enum log_level level;
    assert_false(log_level_parse(VIEW("INFO"), &level));
    assert_false(log_level_parse(VIEW("warning"), &level));
    assert_false(log_level_parse(VIEW_NULL, &level));
}

/* Takes apart "key=value" as a program that reads the log would. */
static void unescape(view v, struct buf *out) {
    static const char letters[] = "nrt\"\\", octets[] = "\n\r\t\"\\";
    if (!view_starts_with(v, VIEW("\""))) {
        buf_add(out, v);
        return;
    }
    assert_true(v.len >= 2 && v.ptr[v.len - 1] == '"');
    v = view_slice(v, 1, v.len - 2);
    while (v.len > 0) {
        check(v.ptr[0] != '"', "a quote inside is not escaped");
        if (v.ptr[0] != '\\') {
            buf_add_char(out, v.ptr[0]);
            v = view_skip(v, 1);
            continue;
        }
        assert_true(v.len >= 2);
        if (v.ptr[1] == 'x') {
            char hex[3] = {v.ptr[2], v.ptr[3], '\0'};
            buf_add_char(out, (char)strtol(hex, NULL, 16));
            v = view_skip(v, 4);
        } else {
            const char *p = strchr(letters, v.ptr[1]);
            assert_non_null(p);
            buf_add_char(out, octets[p - letters]);
            v = view_skip(v, 2);
        }
    }
}

static bool is_safe(view v) {
    for (size_t i = 0; i < v.len; i++)
        if ((unsigned char)v.ptr[i] < ' ' || v.ptr[i] == 0x7f)
            return false;
    return view_is_utf8(v);
}

static void test_log__values_read_back(void **state) {
    (void)state;
    static const struct {
        view value;
        bool plain; /* written without quotes */
    } rows[] = {
        {{"plain", 5}, true},
        {{"<a@b.example>", 13}, true},
        {{"two words", 9}, false},
        {{"a=b", 3}, false},
        {{"say \"x\"", 7}, false},
        {{"back\\slash", 10}, false},
        {{"a\nlevel=error", 13}, false},
        {{"a\r\tb", 4}, false},
        {{"a\0b", 3}, false},
        {{"\x1b[31m", 5}, false},
        {{"\x7f", 1}, false},
        {{"\xc3\xa4\xe2\x82\xac", 5}, true},
        {{"\xc2\x9b"
          "31m",
          5},
         false}, /* C1: some terminals obey it */
        {{"\xff\xfe", 2}, false},
        {{"half \xc3", 6}, false},
    };
    log_init("r", LOG_DEBUG);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf back = BUF_INIT(1000);
        capture();
        log_line(LOG_INFO, "e", LOG_V("k", rows[i].value));
        view line = captured_text();
        view field = fields_of(line, "info r e");
        check(is_safe(field), "row %zu: %.*s", i, VIEW_ARG(field));
        assert_true(view_starts_with(field, VIEW(" k=")));
        check((field.ptr[3] != '"') == rows[i].plain, "row %zu: %.*s", i, VIEW_ARG(field));
        unescape(view_skip(field, 3), &back);
        check(view_eq(buf_view(&back), rows[i].value), "row %zu: %.*s", i, VIEW_ARG(field));
        buf_done(&back);
    }
}

/* Long values of every kind, with lengths all around the limit. */
static void test_log__long_lines_are_cut_and_marked(void **state) {
    (void)state;
    static const char *const units[] = {"a", " ", "\n", "\x01", "\xc3\xa4", "\xf0\x9f\x93\xac", "\xff"};
    log_init("r", LOG_DEBUG);
    for (size_t u = 0; u < COUNT(units); u++)
        for (size_t shift = 0; shift < 12; shift++) {
            struct buf value = BUF_INIT(3 * LIMIT_LOG_LINE);
            for (size_t i = 0; i < shift; i++)
                buf_add_char(&value, '-');
            while (value.len < 2 * LIMIT_LOG_LINE)
                buf_add_str(&value, units[u]);
            capture();
            log_line(LOG_INFO, "e", LOG_V("k", buf_view(&value)), LOG_S("after", "x"));
            view line = captured_text();
            check(line.len <= LIMIT_LOG_LINE && line.len > LIMIT_LOG_LINE - 30, "%zu octets", line.len);
            assert_true(view_ends_with(line, VIEW(" truncated=yes\n")));
            view field = fields_of(line, "info r e");
            check(is_safe(field), "unit %zu, shift %zu", u, shift);
            field.len -= strlen(" truncated=yes");
            struct buf back = BUF_INIT(3 * LIMIT_LOG_LINE);
            unescape(view_skip(field, strlen(" k=")), &back);
            check(view_starts_with(buf_view(&value), buf_view(&back)), "unit %zu, shift %zu", u, shift);
            buf_done(&back);
            buf_done(&value);
        }
}

static void test_log__a_line_that_just_fits_is_whole(void **state) {
    (void)state;
    log_init("r", LOG_DEBUG);
    bool whole_seen = false, cut_seen = false;
    for (size_t len = LIMIT_LOG_LINE - 80; len < LIMIT_LOG_LINE; len++) {
        struct buf value = BUF_INIT(LIMIT_LOG_LINE);
        while (value.len < len)
            buf_add_char(&value, 'a');
        capture();
        log_line(LOG_INFO, "e", LOG_V("k", buf_view(&value)));
        view line = captured_text();
        bool cut = view_search(line, VIEW("truncated=yes")) >= 0;
        check(cut || fields_of(line, "info r e").len == len + 3, "%zu octets", len);
        check(line.len <= LIMIT_LOG_LINE, "%zu octets", line.len);
        check(cut || !cut_seen, "a longer value fits where a shorter one did not");
        cut_seen = cut_seen || cut;
        whole_seen = whole_seen || !cut;
        buf_done(&value);
    }
    assert_true(whole_seen && cut_seen);
}

static void assert_line_time(void) {
    capture();
    time_t before = (time_t)(clock_now_ms() / 1000);
    log_line(LOG_INFO, "e");
    time_t after = (time_t)(clock_now_ms() / 1000);
    view line = captured_text();
    char first[40], second[40];
    struct tm tm;
    strftime(first, sizeof first, "%Y-%m-%dT%H:%M:%S.", gmtime_r(&before, &tm));
    strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S.", gmtime_r(&after, &tm));
    check(view_starts_with(line, view_of(first)) || view_starts_with(line, view_of(second)), "%.*s is not %s",
          VIEW_ARG(line), first);
    assert_true(ascii_is_digit(line.ptr[20]) && ascii_is_digit(line.ptr[22]) && line.ptr[23] == 'Z');
}

static void test_log__time_is_utc(void **state) {
    (void)state;
    log_init("r", LOG_INFO);
    assert_line_time();
#ifdef POSTROAD_TEST_HOOKS /* the days of 80 years, leap days and the year 2100 among them, by the C library \
                            */
    struct err e = {0};
    assert_true(clock_attach("clock", &e));
    for (int i = 0; i < 80 * 12; i++) {
        assert_true(clock_advance(INT64_C(86400000) * 365 / 12 + 3600000, &e));
        assert_line_time();
    }
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__writes_one_line_in_its_form),
        cmocka_unit_test(test_log__empty_text_is_left_out_but_for_the_null_sender),
        cmocka_unit_test(test_log__drops_lines_below_the_least_level),
        cmocka_unit_test(test_log__values_read_back),
        cmocka_unit_test(test_log__long_lines_are_cut_and_marked),
        cmocka_unit_test(test_log__a_line_that_just_fits_is_whole),
        cmocka_unit_test(test_log__time_is_utc),
    };
    return cmocka_run_group_tests(tests, unit_enter_folder, unit_leave_folder);
}
