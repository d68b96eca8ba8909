/* config_test.c: every setting can be given, wrong ones are named with their place, and what is written reads
 * back. */
#include "testing/unit.h"

#include <stdio.h>

#include "base/config.h"
#include "base/file.h"
#include "base/mem.h"

static struct config *parse(const char *text, struct err *e) {
    struct config *c = mem_alloc(sizeof *c);
    *e = (struct err){0};
    if (config_parse(view_of(text), "test.conf", c, e))
        return c;
    config_free(c);
    return NULL;
}

static void test_config__empty_file_gives_the_defaults(void **state) {
    (void)state;
    struct err e;
    struct config *c = parse("", &e);
    assert_non_null(c);
    assert_string_equal(c->hostname, "");
    assert_string_equal(c->store, "sqlite");
    assert_true(c->store_sync);
    assert_int_equal(c->smtp_listen.count, 1);
    assert_string_equal(c->smtp_listen.items[0], "127.0.0.1:2525");
    assert_int_equal(c->relay_networks.count, 0);
    assert_int_equal(c->message_size_max, 50 * 1024 * 1024);
    assert_int_equal(c->smtp_idle_timeout, 5 * 60 * 1000);
    assert_int_equal(c->keep_events, INT64_C(90) * 86400 * 1000);
    config_free(c);
    config_free(NULL);
}

static void test_config__equal(void **state) {
    (void)state;
    static const char *const changes[] = {"hostname = x",          "relay_networks = 10.0.0.0/8",
                                          "tls_out = off",         "smtp_listen = 127.0.0.1:1, 127.0.0.1:2",
                                          "message_size_max = 1M", "drain_timeout = 1s"};
    struct err e;
    struct config *a = parse("", &e), *b = parse("# said\nmessage_size_max = 51200k\n", &e);
    assert_true(config_equal(a, b)); /* the default, written in another way */
    config_free(b);
    for (size_t i = 0; i < COUNT(changes); i++) {
        b = parse(changes[i], &e);
        assert_false(config_equal(a, b));
        assert_true(config_equal(b, b));
        config_free(b);
    }
    config_free(a);
}

static void test_config__reads_lines_as_people_write_them(void **state) {
    (void)state;
    struct err e;
    struct config *c = parse("# a comment\n"
                             "\r\n"
                             "  hostname=mx.example.org  # ours\r\n"
                             "\tnode\t=\ta#b\n"
                             "store = postgresql://u@h/d?x=y\n"
                             "store_sync = off\n"
                             "relay_networks = 192.0.2.0/24,2001:db8::/32 , 10.0.0.0/8\t127.0.0.1\n"
                             "dns_servers =\n"
                             "message_size_max = 1G\n"
                             "smtp_port_out = 2626", /* no line end */
                             &e);
    check(c != NULL, "%s", e.text);
    assert_string_equal(c->hostname, "mx.example.org");
    assert_string_equal(c->node, "a#b");
    assert_string_equal(c->store, "postgresql://u@h/d?x=y");
    assert_false(c->store_sync);
    assert_int_equal(c->relay_networks.count, 4);
    assert_string_equal(c->relay_networks.items[0], "192.0.2.0/24");
    assert_string_equal(c->relay_networks.items[3], "127.0.0.1");
    assert_int_equal(c->dns_servers.count, 0);
    assert_int_equal(c->message_size_max, INT64_C(1) << 30);
    assert_int_equal(c->smtp_port_out, 2626);
    config_free(c);
}

static void test_config__errors_name_place_setting_and_way_out(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *said[3]; /* all of these are in the error's text */
    } rows[] = {
        {"hostname", {"test.conf:1:", "name = value"}},
        {"\n\nfoo = 1", {"test.conf:3:", "\"foo\""}},
        {"host_name = x", {"test.conf:1:", "host_name", "did you mean hostname?"}},
        {"Relay = x", {"test.conf:1:", "did you mean relay?"}},
        {"node = a\n\nnode = b", {"test.conf:3:", "node", "line 1"}},
        {"store_sync = yes", {"test.conf:1:", "store_sync = yes", "on or off"}},
        {"store_sync = ON", {"test.conf:1:", "store_sync", "on or off"}},
        {"recipients_max = 99", {"test.conf:1:", "recipients_max = 99", "between 100 and "}},
        {"smtp_port_out = 65536", {"test.conf:1:", "smtp_port_out = 65536", "between 1 and 65535"}},
        {"recipients_max = many", {"test.conf:1:", "recipients_max = many", "a number"}},
        {"recipients_max =", {"test.conf:1:", "recipients_max", "a number"}},
        {"message_size_max = 1023", {"test.conf:1:", "message_size_max = 1023", "between 1k and 1G"}},
        {"message_size_max = -5M", {"test.conf:1:", "message_size_max = -5M", "a size"}},
        {"message_size_max = 5T", {"test.conf:1:", "message_size_max = 5T", "a size"}},
        {"message_size_max = 9999999999G", {"test.conf:1:", "message_size_max", "a size"}},
        {"retry_first = 5 minutes", {"test.conf:1:", "retry_first", "a duration"}},
        {"retry_first = 999ms", {"test.conf:1:", "retry_first = 999ms", "between 1s and 1d"}},
        {"retry_first = 2d", {"test.conf:1:", "retry_first = 2d", "between 1s and 1d"}},
        {"= x", {"test.conf:1:", "no setting"}},
        {"node = a\x01"
         "b",
         {"test.conf:1:", "not UTF-8 text"}},
        {"node = a\xff", {"test.conf:1:", "not UTF-8 text"}},
        {"node = a\rb", {"test.conf:1:", "not UTF-8 text"}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err e;
        struct config *c = parse(rows[i].text, &e);
        check(!c, "\"%s\" is taken", rows[i].text);
        check(e.code == ERR_CONFIG, "\"%s\"", rows[i].text);
        for (size_t k = 0; k < COUNT(rows[i].said) && rows[i].said[k]; k++)
            check(strstr(e.text, rows[i].said[k]), "\"%s\" gives \"%s\", without \"%s\"", rows[i].text,
                  e.text, rows[i].said[k]);
    }
    struct config *c = mem_alloc(sizeof *c);
    assert_false(config_parse((view){"node = a\0b", 10}, "x", c, NULL));
    config_free(c);
}

static void test_config__limits_hold(void **state) {
    (void)state;
    struct err e;
    struct buf text = BUF_INIT(100000);
    for (size_t extra = 0; extra < 2; extra++) { /* entries of a list */
        buf_reset(&text);
        buf_add_str(&text, "dns_servers =");
        for (size_t i = 0; i < LIMIT_LIST_SETTING + extra; i++)
            buf_printf(&text, " s%zu", i);
        struct config *c = parse(text.data, &e);
        check((c != NULL) == (extra == 0), "%zu more than the limit: %s", extra, e.text);
        config_free(c);
    }
    for (size_t extra = 0; extra < 2; extra++) { /* octets of a line */
        buf_reset(&text);
        buf_add_str(&text, "node = ");
        while (text.len < LIMIT_CONFIG_LINE + extra)
            buf_add_char(&text, 'a');
        struct config *c = parse(text.data, &e);
        check((c != NULL) == (extra == 0), "%zu more than the limit: %s", extra, e.text);
        check(!c || strlen(c->node) == LIMIT_CONFIG_LINE - 7, "node is cut");
        config_free(c);
    }
    buf_done(&text);
}

static void test_config__durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"90", 90000},
        {"0", 0},
        {"10s", 10000},
        {"5m", 300000},
        {"2h", 7200000},
        {"3d", 3 * INT64_C(86400000)},
        {"1w", 7 * INT64_C(86400000)},
        {"250ms", 250},
        {"+1h30m", 5400000},
        {"+90", 90000},
        {"1w2d3h4m5s6ms", ((((7 + 2) * 24 + 3) * 60 + 4) * INT64_C(60) + 5) * 1000 + 6},
        {"0ms", 0},
        {"", -1},
        {"+", -1},
        {"-5", -1},
        {"+-5", -1},
        {"++5", -1},
        {"h", -1},
        {"5x", -1},
        {"5 m", -1},
        {"5M", -1},
        {"1.5h", -1},
        {"1h30", -1}, /* thirty what? */
        {"5m5m", -1},
        {"30m1h", -1},
        {"9223372036854775807", -1},
        {"99999999999999999w", -1},
        {"9223372036854775807ms1ms", -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -1;
        bool ok = duration_parse(view_of(rows[i].text), &ms);
        check(ok == (rows[i].ms >= 0) && ms == rows[i].ms, "\"%s\" gives %lld", rows[i].text, (long long)ms);
    }
}

static void assert_same(const struct config *a, const struct config *b, const char *what) {
#define same_text(x, y)     (strcmp(x, y) == 0)
#define same_number(x, y)   ((x) == (y))
#define same_size(x, y)     ((x) == (y))
#define same_duration(x, y) ((x) == (y))
#define same_switch(x, y)   ((x) == (y))
#define same_texts(x, y)                                                                                     \
    ((x).count == (y).count && ((x).count == 0 || strcmp((x).items[0], (y).items[0]) == 0))
#define CONFIG(name, type, min, max, value, help) check(same_##type(a->name, b->name), "%s: " #name, what);
#include "base/config.def"
#undef CONFIG
}

static void test_config__a_new_file_reads_as_the_defaults(void **state) {
    (void)state;
    struct err e;
    struct buf text = BUF_INIT(100000);
    config_format(NULL, &text);
    view rest = buf_view(&text), line;
    while (view_split(&rest, '\n', &line)) {
        check(line.len == 0 || line.ptr[0] == '#', "not commented out: %.*s", VIEW_ARG(line));
        check(line.len <= 120, "too long to read: %.*s", VIEW_ARG(line));
    }
#define CONFIG(name, type, min, max, value, help)                                                            \
    check(strstr(text.data, "\n# " #name " ="), "%s is not in the file", #name);
#include "base/config.def"
#undef CONFIG
    struct config *defaults = parse("", &e), *c = parse(text.data, &e);
    check(c != NULL, "%s", e.text);
    assert_same(c, defaults, "commented");
    config_free(c);
    /* With the marks taken away, every default is a value of its own setting. */
    for (char *p = text.data; (p = strstr(p, "\n# "));) {
        p[1] = ' ';
        size_t name = strspn(p + 3, "abcdefghijklmnopqrstuvwxyz_");
        if (strncmp(p + 3 + name, " =", 2) != 0)
            p[1] = '#';
        else
            p[2] = ' ';
        p += 3;
    }
    c = parse(text.data, &e);
    check(c != NULL, "%s", e.text);
    assert_same(c, defaults, "uncommented");
    config_free(c);
    config_free(defaults);
    buf_done(&text);
}

static void test_config__given_settings_are_written(void **state) {
    (void)state;
    static const char *const given[] = {
        "hostname", "mx.example.org", "node",   "first",       "message_size_max",
        "10M",      "node",           "second", "dns_servers", "192.0.2.1\nnode = injected",
        NULL};
    struct err e;
    struct buf text = BUF_INIT(100000);
    config_format(given, &text);
    struct config *c = parse(text.data, &e);
    check(c != NULL, "%s", e.text);
    assert_string_equal(c->hostname, "mx.example.org");
    assert_string_equal(c->node, "second");
    assert_int_equal(c->message_size_max, 10 << 20);
    assert_int_equal(c->smtp_port_out, 25);
    config_free(c);
    static const char *const hashes[] = {"node", "#one", "hostname", "a#b", NULL};
    buf_reset(&text);
    config_format(hashes, &text);
    c = parse(text.data, &e);
    check(c != NULL, "%s", e.text);
    assert_string_equal(c->node, "#one"); /* and no comment */
    assert_string_equal(c->hostname, "a#b");
    config_free(c);
    static const char *const unknown[] = {"host", "x", NULL};
    buf_reset(&text);
    config_format(unknown, &text);
    assert_null(parse(text.data, &e)); /* config_parse says what is wrong with it */
    assert_non_null(strstr(e.text, "\"host\""));
    buf_done(&text);
}

static void test_config__load(void **state) {
    (void)state;
    struct err e = {0};
    struct config *c = NULL;
    assert_false(config_load("none", &c, &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.text, "postroad init"));
    assert_true(file_mkdirs("inst", 0755, &e));
    assert_false(config_load("inst", &c, &e));
    assert_true(file_replace("inst/postroad.conf", VIEW("node = n7\n"), 0644, &e));
    assert_true(config_load("inst", &c, &e));
    assert_string_equal(c->node, "n7");
    assert_int_equal(c->dir[0], '/');
    char *path = config_path(c, "data/run");
    assert_true(view_starts_with(view_of(path), view_of(c->dir)));
    assert_true(view_ends_with(view_of(path), VIEW("/inst/data/run")));
    free(path);
    config_free(c);
    c = NULL;
    assert_true(file_replace("inst/postroad.conf", VIEW("\nnodes = n7\n"), 0644, &e));
    assert_false(config_load("inst", &c, &e));
    assert_null(c);
    assert_non_null(strstr(e.text, "inst/postroad.conf:2:"));
    assert_false(config_load("inst", &c, NULL));
}

static void test_config__a_file_too_large_is_refused(void **state) {
    (void)state;
    struct err e = {0};
    struct config *c = NULL;
    size_t size = LIMIT_CONFIG_FILE + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '\n', size);
    assert_true(file_mkdirs("big", 0755, &e));
    assert_true(file_replace("big/postroad.conf", view_from(text, size), 0644, &e));
    assert_false(config_load("big", &c, &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_true(file_replace("big/postroad.conf", view_from(text, size - 1), 0644, &e));
    assert_true(config_load("big", &c, &e));
    config_free(c);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__empty_file_gives_the_defaults),
        cmocka_unit_test(test_config__equal),
        cmocka_unit_test(test_config__reads_lines_as_people_write_them),
        cmocka_unit_test(test_config__errors_name_place_setting_and_way_out),
        cmocka_unit_test(test_config__limits_hold),
        cmocka_unit_test(test_config__durations),
        cmocka_unit_test(test_config__a_new_file_reads_as_the_defaults),
        cmocka_unit_test(test_config__given_settings_are_written),
        cmocka_unit_test(test_config__load),
        cmocka_unit_test(test_config__a_file_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, unit_enter_folder, unit_leave_folder);
}
