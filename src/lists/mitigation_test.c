/* mitigation_test.c: From fields that are written in odd ways, and what takes their place. */
#include "lists/mitigation.h"

#include <string.h>

#include "base/limits.h"
#include "testing/unit.h"

static struct arena arena;

static const char *rewritten(const char *value, struct buf *out) {
    struct header h;
    view message = arena_printf(&arena, "From: %s\r\n\r\n", value);
    buf_reset(out);
    header_parse(message, &arena, &h);
    if (!mitigation_wrap_from(&h, VIEW("d.example"), VIEW(""), &arena, out))
        return NULL;
    char *end = strstr(out->data, "\r\nX-Original-From: ");
    assert_non_null(end);
    *end = '\0';
    return out->data + strlen("From: ");
}

static void test_from(void **state) {
    (void)state;
    static const struct {
        const char *from, *want; /* NULL: it stays */
    } cases[] = {
        {"a@x.example", "a=40x.example@d.example"},
        {"\"A, <b>\" <a@x.example> (c)", "\"A, <b>\" <a=40x.example@d.example> (c)"},
        {"A <a@x.example>, b@y.example", "A <a=40x.example@d.example>, b=40y.example@d.example"},
        {"g: a@x.example, ;", "g: a=40x.example@d.example, ;"},
        /* addresses with blanks in them: no comma is lost, no group left open */
        {"A < a @ x.example>, b@y.example", "a=40x.example@d.example, b=40y.example@d.example"},
        {"b@y.example, A <a @x.example>", "b=40y.example@d.example, a=40x.example@d.example"},
        {"g: A <a @x.example>, b@y.example;, c@z.example",
         "a=40x.example@d.example, b=40y.example@d.example,\r\n c=40z.example@d.example"},
        /* what only looks like the address is not what is wrapped */
        {"<a@x.example> (<a@x.example>)", "a=40x.example@d.example"},
        {"a@x.example (<a@x.example)", "a=40x.example@d.example"},
        {"(a@x.example) a@x.example", "a=40x.example@d.example"},
        {"(\") <a@x.example> (\"<a@x.example>)", "a=40x.example@d.example"},
        {"a@x.example (<a@x.example>), b@y.example", "a=40x.example@d.example, b=40y.example@d.example"},
        {"A <@r.example:a@x.example>", "A <@r.example:a=40x.example@d.example>"},
        /* not in part */
        {"b@y.example, \"x <a@x.example>", NULL},
        {"b@y.example, a@x.example>", NULL},
        {"nobody", NULL},
        {"a@x.example, <b@y.example", NULL},
        {"a @x.example, (b@y.example", NULL},
        {"a@x.example, nobody", NULL},
        {"", NULL},
    };
    struct buf out = BUF_INIT(4 * LIMIT_HEADER_BYTES);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got = rewritten(cases[i].from, &out);
        check(got ? cases[i].want && strcmp(got, cases[i].want) == 0 : !cases[i].want, "row %zu: %s", i,
              got ? got : "stays");
    }
    buf_done(&out);
}

static void test_unwrap(void **state) {
    (void)state;
    static const view domain = {"d.example", 9};
    const struct wrap_domains w = {.list = &domain, .count = 1};
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"A <a=40x.example@d.example>, Bo <b@y.example>", "A <a@x.example>, Bo <b@y.example>"},
        {"A < a=40x.example @ d.example >, Bo <b@y.example>", "a@x.example, b@y.example"},
        {"a=40x.example@d.example, <b@y.example", "a@x.example, <b@y.example"},
        {"< a=40x.example @ d.example >, <b@y.example", NULL},
        {"Bo <b@y.example>", NULL},
        {"\"a=40x.example@d.example\" <b@y.example>", NULL},
    };
    struct buf out = BUF_INIT(LIMIT_HEADER_BYTES);
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_reset(&out);
        bool made = mitigation_unwrap(view_of(cases[i].value), &w, &arena, &out);
        check(made ? cases[i].want && view_eq(buf_view(&out), view_of(cases[i].want)) : !cases[i].want,
              "row %zu: %s", i, made ? out.data : "stays");
    }
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from),
        cmocka_unit_test(test_unwrap),
    };
    arena_init(&arena, 16 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
