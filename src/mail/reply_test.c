/* reply_test.c: replies of RFC 5321 4.2, of one line or many, and what is none. */
#include "testing/unit.h"

#include "base/limits.h"
#include "mail/reply.h"

static void test_reply__sequences(void **state) {
    (void)state;
    static const struct {
        const char *lines[5];
        int results[5];
        int code;
        const char *status, *text;
    } rows[] = {
        {{"250 ok"}, {1}, 250, "2.0.0", "ok"},
        {{"250"}, {1}, 250, "2.0.0", ""},
        {{"250 "}, {1}, 250, "2.0.0", ""},
        {{"250-"}, {0}, 250, "2.0.0", ""},
        {{"354 go on"}, {1}, 354, "2.0.0", "go on"},
        {{"250-mx.example", "250-PIPELINING", "250 SIZE 5"},
         {0, 0, 1},
         250,
         "2.0.0",
         "mx.example\nPIPELINING\nSIZE 5"},
        {{"250-a", "250"}, {0, 1}, 250, "2.0.0", "a\n"},
        {{"550-5.1.1 no", "550 5.1.1 such user"}, {0, 1}, 550, "5.1.1", "5.1.1 no\n5.1.1 such user"},
        {{"450 4.2.1 later"}, {1}, 450, "4.2.1", "4.2.1 later"},
        {{"550 4.2.1 odd"}, {1}, 550, "5.0.0", "4.2.1 odd"}, /* its class is not the code's */
        {{"250  two spaces"}, {1}, 250, "2.0.0", " two spaces"},
        {{"550 gr\xc3\xbc\xc3\x9f"
          "e"},
         {1},
         550,
         "5.0.0",
         "gr\xc3\xbc\xc3\x9f"
         "e"},
        {{"550 a\x1b[2J\rb\xff"}, {1}, 550, "5.0.0", "a?[2J?b?"},
        {{"250-a", "251 b"}, {0, -1}, 250, NULL, NULL},
        {{"250-a", "hello"}, {0, -1}, 250, NULL, NULL},
        {{"199 x"}, {-1}, 0, NULL, NULL},
        {{"600 x"}, {-1}, 0, NULL, NULL},
        {{"25"}, {-1}, 0, NULL, NULL},
        {{""}, {-1}, 0, NULL, NULL},
        {{"2500 x"}, {-1}, 0, NULL, NULL},
        {{"250x"}, {-1}, 0, NULL, NULL},
        {{" 250 x"}, {-1}, 0, NULL, NULL},
        {{"-25 x"}, {-1}, 0, NULL, NULL},
        {{"2a0 x"}, {-1}, 0, NULL, NULL},
    };
    struct reply r;
    reply_init(&r);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err e = {0};
        reply_reset(&r);
        assert_int_equal(r.code, 0);
        size_t n = 0;
        for (; n < 5 && rows[i].lines[n]; n++) {
            int got = reply_feed(&r, view_of(rows[i].lines[n]), &e);
            check(got == rows[i].results[n], "row %zu, line %zu gives %d", i, n, got);
            check(got >= 0 || e.code == ERR_SYNTAX, "row %zu: %s", i, e.text);
        }
        check(r.code == rows[i].code, "row %zu: code %d", i, r.code);
        if (!rows[i].text)
            continue;
        check(r.lines == n, "row %zu: %zu lines", i, r.lines);
        assert_string_equal(r.status, rows[i].status);
        assert_view(buf_view(&r.text), rows[i].text);
    }
    reply_done(&r);
    assert_int_equal(reply_feed(&r, VIEW("250 again"), NULL), 1); /* usable after all */
    assert_view(buf_view(&r.text), "again");
    reply_done(&r);
}

static void test_reply__classes(void **state) {
    (void)state;
    static const struct {
        int code;
        enum err_class class;
    } rows[] = {
        {200, ERR_CLASS_NONE},      {250, ERR_CLASS_NONE},      {354, ERR_CLASS_NONE},
        {421, ERR_CLASS_TEMPORARY}, {499, ERR_CLASS_TEMPORARY}, {500, ERR_CLASS_PERMANENT},
        {599, ERR_CLASS_PERMANENT}, {0, ERR_CLASS_TEMPORARY},   {600, ERR_CLASS_TEMPORARY},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct reply r = {.code = rows[i].code};
        check(reply_class(&r) == rows[i].class, "%d", rows[i].code);
    }
}

static void test_reply__limits_hold(void **state) {
    (void)state;
    struct reply r;
    struct err e = {0};
    char line[LIMIT_SMTP_REPLY_LINE + 2];
    memset(line, 'a', sizeof line);
    memcpy(line, "250-", 4);
    reply_init(&r);
    assert_int_equal(reply_feed(&r, view_from(line, LIMIT_SMTP_REPLY_LINE), &e), 0);
    assert_int_equal(reply_feed(&r, view_from(line, LIMIT_SMTP_REPLY_LINE + 1), &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    reply_reset(&r);
    int fed = 0;
    while (fed < 100 && reply_feed(&r, view_from(line, LIMIT_SMTP_REPLY_LINE), &e) == 0)
        fed++;
    check(fed == LIMIT_SMTP_REPLY / LIMIT_SMTP_REPLY_LINE, "%d long lines are taken", fed);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_true(r.text.len <= LIMIT_SMTP_REPLY);
    reply_reset(&r);
    for (int i = 0; i < LIMIT_SMTP_REPLY_LINES; i++)
        assert_int_equal(reply_feed(&r, VIEW("250-a"), &e), 0);
    e.code = ERR_OK;
    assert_int_equal(reply_feed(&r, VIEW("250 a"), &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    reply_reset(&r);
    assert_int_equal(reply_feed(&r, VIEW("250 a"), &e), 1); /* as new */
    reply_done(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply__sequences),
        cmocka_unit_test(test_reply__classes),
        cmocka_unit_test(test_reply__limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
