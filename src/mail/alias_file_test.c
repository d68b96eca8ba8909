/* alias_file_test.c: tables of aliases, well-formed and not. */
#include "testing/unit.h"

#include "base/buf.h"
#include "mail/address.h"
#include "mail/alias_file.h"

static void parse(const char *text, struct arena *a, struct alias_entries *out) {
    struct err e;
    arena_init(a, 1 << 20);
    *out = (struct alias_entries){.list = NULL};
    check(alias_file_parse(view_of(text), a, out, &e), "%s: %s", text, e.text);
}

static void test_parse__what_it_takes(void **state) {
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"# nothing\n\n   \n\t# nothing\n", ""},
        {"a@h.example: x@t.example", "1 a@h.example x@t.example\n"},
        {"a@h.example:x@t.example,y@t.example\n", "1 a@h.example x@t.example\n1 a@h.example y@t.example\n"},
        {"a@h.example x@t.example,y@t.example\r\n", "1 a@h.example x@t.example\n1 a@h.example y@t.example\n"},
        {"a@h.example\tx@t.example y@t.example ,, z@t.example,\n",
         "1 a@h.example x@t.example\n1 a@h.example y@t.example\n1 a@h.example z@t.example\n"},
        {"a@h.example : x@t.example\n", "1 a@h.example x@t.example\n"},
        {"#\na@h.example:\n x@t.example,\n# between\n\ty@t.example\nb@h.example z@t.example",
         "3 a@h.example x@t.example\n5 a@h.example y@t.example\n6 b@h.example z@t.example\n"},
        {"@H.example: All@T.example", "1 @h.example all@t.example\n"},
        {"A.B+c@H.Example: \"a b\"@t.example, \"a,b:c\"@t.example",
         "1 a.b+c@h.example \"a b\"@t.example\n1 a.b+c@h.example \"a,b:c\"@t.example\n"},
        {"\"a b\"@h.example: x@t.example", "1 \"a b\"@h.example x@t.example\n"},
        {"draft-x.authors@ietf.example: a@t.example", "1 draft-x.authors@ietf.example a@t.example\n"},
        {"\xc3\xbc@b\xc3\xbc.example: x@b\xc3\xbc.example",
         "1 \xc3\xbc@xn--b-eha.example x@xn--b-eha.example\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena arena;
        struct alias_entries got;
        struct buf text = BUF_INIT(10000);
        parse(rows[i].text, &arena, &got);
        for (size_t k = 0; k < got.count; k++)
            buf_printf(&text, "%zu %.*s %.*s\n", got.list[k].line, VIEW_ARG(got.list[k].address),
                       VIEW_ARG(got.list[k].target));
        assert_view(buf_view(&text), rows[i].want);
        buf_done(&text);
        alias_entries_done(&got);
        arena_done(&arena);
    }
}

static void test_parse__what_it_refuses(void **state) {
    static const struct {
        const char *text, *want[2];
    } rows[] = {
        {"a@h.example: x@t.example\nb@h.example: broken\n", {"line 2:", "broken"}},
        {"root: x@t.example", {"line 1: root", "@domain"}},
        {"h.example anything", {"line 1: h.example", "@domain"}},
        {"a@h.example:\nb@h.example: x@t.example", {"line 1: a@h.example", "no target"}},
        {"a@h.example: ,", {"line 1: a@h.example", "no target"}},
        {"\n  x@t.example", {"line 2: x@t.example", "space"}},
        {"a@h.example: |/bin/x", {"line 1: |/bin/x", "commands"}},
        {"a@h.example: \"|/bin/x y\"", {"line 1:", "commands"}},
        {"a@h.example: :include:/etc/x", {"line 1: :include:/etc/x", "list"}},
        {"a@h.example: /var/mail/x", {"line 1: /var/mail/x", "files"}},
        {"a@h.example: x@t.example\n\n c@", {"line 3: c@", "domain"}},
        {"a@h.example: @t.example", {"line 1: @t.example", "address"}},
        {"a@127.0.0.1: x@t.example", {"line 1: a@127.0.0.1", "brackets"}},
        {"a@: x@t.example", {"line 1: a@", "domain"}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena arena;
        struct alias_entries got = {.list = NULL};
        struct err e = {0};
        arena_init(&arena, 1 << 20);
        check(!alias_file_parse(view_of(rows[i].text), &arena, &got, &e), "%s is taken", rows[i].text);
        for (size_t k = 0; k < 2; k++)
            check(strstr(e.text, rows[i].want[k]) != NULL, "%s: \"%s\" lacks \"%s\"", rows[i].text, e.text,
                  rows[i].want[k]);
        alias_entries_done(&got);
        arena_done(&arena);
    }
}

static void test_sort__by_octets_and_each_once(void **state) {
    struct arena arena;
    struct alias_entries got;
    (void)state;
    parse("b@h.example: y@t.example, x@t.example\na@h.example: z@t.example\nb@h.example: x@t.example\n",
          &arena, &got);
    alias_entries_sort(&got);
    assert_int_equal(got.count, 3);
    assert_view(got.list[0].target, "z@t.example");
    assert_view(got.list[1].target, "x@t.example");
    assert_int_equal(got.list[1].line, 1);
    assert_view(got.list[2].target, "y@t.example");
    alias_entries_done(&got);
    arena_done(&arena);
}

/* The short way to the normal form comes to what the long one does. */
static void test_normalise__short_way_and_long_way(void **state) {
    static const char letters[] = "ab0.-_+@A1\"x.@ex";
    unsigned random = 1, taken = 0;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[12] = "";
        for (size_t k = 0; k < sizeof text - 1; k++) {
            random = random * 1103515245U + 12345U;
            text[k] = letters[(random >> 16) % (sizeof letters - 1)];
        }
        struct arena arena;
        view one = VIEW(""), other = VIEW("");
        struct err e;
        arena_init(&arena, 1 << 16);
        if (text[0] != '@') {
            bool ok = alias_address_normalise(view_of(text), &arena, &one, &e);
            check(ok == address_normalise_text(view_of(text), &arena, &other, &e), "%s", text);
            check(!ok || view_eq(one, other), "%s", text);
            taken += ok;
        }
        arena_done(&arena);
    }
    assert_true(taken > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse__what_it_takes),
        cmocka_unit_test(test_parse__what_it_refuses),
        cmocka_unit_test(test_sort__by_octets_and_each_once),
        cmocka_unit_test(test_normalise__short_way_and_long_way),
    };
    return cmocka_run_group_tests_name("mail/alias_file", tests, NULL, NULL);
}
