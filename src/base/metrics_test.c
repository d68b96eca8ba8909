/* metrics_test.c: counters survive in their file, and the text is OpenMetrics. */
#include "testing/unit.h"

#include <pthread.h>
#include <stdio.h>

#include "base/file.h"
#include "base/metrics.h"

static const char *const names[] = {
#define METRIC(id, type, name, help) name,
#include "base/metrics.def"
#undef METRIC
};
static const char *const types[] = {
#define METRIC(id, type, name, help) #type,
#include "base/metrics.def"
#undef METRIC
};

static void test_metrics__count_before_a_file_is_open(void **state) {
    (void)state;
    metric_add(METRIC_STORE_COMMITS, 5);
    metric_add(METRIC_STORE_COMMITS, 2);
    assert_int_equal(metric_get(METRIC_STORE_COMMITS), 7);
}

static void test_metrics__counters_go_on_after_a_restart(void **state) {
    (void)state;
    struct err e = {0};
    assert_true(metrics_open("run/zero", "router", &e));
    for (int m = 0; m < METRIC_COUNT; m++)
        assert_int_equal(metric_get((enum metric)m), 0);
    metric_add(METRIC_ROUTER_MESSAGES, 3);
    metric_set(METRIC_SMTPD_SESSIONS_OPEN, 9);
    assert_true(metrics_open("run/zero", "router", &e)); /* the process was restarted */
    assert_int_equal(metric_get(METRIC_ROUTER_MESSAGES), 3);
    assert_int_equal(metric_get(METRIC_SMTPD_SESSIONS_OPEN), 0); /* no session outlives its process */
    assert_true(metrics_open("run/zero", "smtpd", &e));          /* another role begins at 0 */
    assert_int_equal(metric_get(METRIC_ROUTER_MESSAGES), 0);
    metric_set(METRIC_SMTPD_SESSIONS_OPEN, 9);
    metric_add(METRIC_SMTPD_SESSIONS_OPEN, -4);
    assert_int_equal(metric_get(METRIC_SMTPD_SESSIONS_OPEN), 5);
}

static void test_metrics__role_names_cannot_leave_the_folder(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",         ".",
        "..",       "../x",
        "a/b",      "a\"b",
        "a b",      "a\nb",
        "\xc3\xa4", "a123456789a123456789a123456789a123456789a123456789a123456789abcd"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct err e = {0};
        check(!metrics_open("run/wrong", wrong[i], &e), "\"%s\"", wrong[i]);
        check(e.code == ERR_USAGE, "\"%s\": %s", wrong[i], e.text);
    }
    assert_false(file_exists("run/wrong"));
}

enum { THREADS = 4, EACH = 20000 };

static void *count_up(void *unused) {
    (void)unused;
    for (int i = 0; i < EACH; i++)
        metric_add(METRIC_DELIVER_SENT, 1);
    return NULL;
}

static void test_metrics__threads_lose_nothing(void **state) {
    (void)state;
    struct err e = {0};
    pthread_t threads[THREADS];
    assert_true(metrics_open("run/threads", "deliver", &e));
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(metric_get(METRIC_DELIVER_SENT), THREADS * EACH);
}

static bool has_line(const struct buf *text, const char *line) {
    view rest = buf_view(text), one;
    while (view_split(&rest, '\n', &one))
        if (view_eq(one, view_of(line)))
            return true;
    return false;
}

/* The grammar of OpenMetrics as far as it is used: families one after the other, each with its type before
 * its samples, counters with _total, "# EOF" last and only there. */
static void assert_open_metrics(const struct buf *text) {
    view rest = buf_view(text), line;
    assert_true(view_ends_with(rest, VIEW("\n# EOF\n")));
    size_t family = 0;
    char prefix[200], sample[200];
    while (view_split(&rest, '\n', &line)) {
        if (view_eq(line, VIEW("# EOF"))) {
            assert_int_equal(rest.len, 0);
            break;
        }
        check(line.len > 0, "an empty line is no OpenMetrics");
        if (view_starts_with(line, VIEW("# HELP "))) {
            check(family < METRIC_COUNT, "too many families");
            snprintf(prefix, sizeof prefix, "# HELP %s ", names[family]);
            check(view_starts_with(line, view_of(prefix)), "%.*s", VIEW_ARG(line));
            continue;
        }
        if (view_starts_with(line, VIEW("# TYPE "))) {
            bool counter = strcmp(types[family], "COUNTER") == 0;
            snprintf(prefix, sizeof prefix, "# TYPE %s %s", names[family], counter ? "counter" : "gauge");
            check(view_eq(line, view_of(prefix)), "%.*s", VIEW_ARG(line));
            snprintf(sample, sizeof sample, "%s%s{role=\"", names[family], counter ? "_total" : "");
            family++;
            continue;
        }
        check(family > 0 && view_starts_with(line, view_of(sample)), "%.*s", VIEW_ARG(line));
        int64_t n;
        view number = view_skip(line, (size_t)(view_rfind(line, ' ') + 1));
        check(view_to_i64(number, &n), "%.*s", VIEW_ARG(line));
    }
    assert_int_equal(family, METRIC_COUNT);
}

static void test_metrics__text_is_open_metrics(void **state) {
    (void)state;
    struct err e = {0};
    struct buf text = BUF_INIT(100000);
    assert_true(metrics_open("run/text", "smtpd", &e));
    metric_add(METRIC_SMTPD_MESSAGES, 12);
    metric_set(METRIC_SMTPD_SESSIONS_OPEN, 3);
    assert_true(metrics_open("run/text", "deliver-2", &e));
    metric_add(METRIC_DELIVER_SENT, 7);
    assert_true(metrics_format("run/text", &text, &e));
    assert_open_metrics(&text);
    assert_true(has_line(&text, "smtpd_messages_total{role=\"smtpd\"} 12"));
    assert_true(has_line(&text, "smtpd_messages_total{role=\"deliver-2\"} 0"));
    assert_true(has_line(&text, "smtpd_sessions_open{role=\"smtpd\"} 3"));
    assert_true(has_line(&text, "deliver_sent_total{role=\"deliver-2\"} 7"));
    buf_done(&text);
}

static void test_metrics__files_of_others_are_left_out(void **state) {
    (void)state;
    struct err e = {0};
    struct buf text = BUF_INIT(100000), file = BUF_INIT(100000);
    assert_true(metrics_open("run/others", "router", &e));
    assert_true(file_read("run/others/router", &file, &e));
    assert_true(file_replace("run/others/short", VIEW("PRmetric"), 0644, &e));
    assert_true(file_replace("run/others/empty", VIEW(""), 0644, &e));
    assert_true(file_replace("run/others/.hidden", buf_view(&file), 0644, &e));
    file.data[16] ^= 1; /* the fingerprint: another release's table */
    assert_true(file_replace("run/others/newer", buf_view(&file), 0644, &e));
    assert_true(file_mkdirs("run/others/folder", 0755, &e));
    assert_true(metrics_format("run/others", &text, &e));
    assert_open_metrics(&text);
    assert_true(view_search(buf_view(&text), VIEW("role=\"router\"")) >= 0);
    static const char *const others[] = {"short", "empty", "hidden", "newer", "folder"};
    for (size_t i = 0; i < COUNT(others); i++)
        check(view_search(buf_view(&text), view_of(others[i])) < 0, "%s is shown", others[i]);
    buf_done(&text);
    buf_done(&file);
}

static void test_metrics__folder_missing_or_text_too_long(void **state) {
    (void)state;
    struct err e = {0};
    struct buf text = BUF_INIT(100);
    assert_false(metrics_format("run/none", &text, &e));
    assert_int_equal(e.code, ERR_IO);
    assert_true(metrics_open("run/long", "smtpd", &e));
    assert_false(metrics_format("run/long", &text, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics__count_before_a_file_is_open),
        cmocka_unit_test(test_metrics__counters_go_on_after_a_restart),
        cmocka_unit_test(test_metrics__role_names_cannot_leave_the_folder),
        cmocka_unit_test(test_metrics__threads_lose_nothing),
        cmocka_unit_test(test_metrics__text_is_open_metrics),
        cmocka_unit_test(test_metrics__files_of_others_are_left_out),
        cmocka_unit_test(test_metrics__folder_missing_or_text_too_long),
    };
    return cmocka_run_group_tests(tests, unit_enter_folder, unit_leave_folder);
}
