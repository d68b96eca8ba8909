/* translation_test.c: sections, comments, what begins with a bracket, what is wrong. */
#include "lists/translation.h"

#include "testing/unit.h"

static struct arena arena;

static void expect(struct translation *t, const char *name, const char *text, size_t line) {
    struct translation_item item;
    assert_true(translation_next(t, &item));
    check(view_eq(item.name, view_of(name)), "name %.*s, expected %s", VIEW_ARG(item.name), name);
    check(view_eq(item.text, view_of(text)), "text %.*s, expected %s", VIEW_ARG(item.text), text);
    assert_int_equal(item.line, line);
}

static void expect_end(struct translation *t, const char *error) {
    struct translation_item item;
    assert_false(translation_next(t, &item));
    check(error ? view_search(view_of(t->err.text), view_of(error)) >= 0 : t->err.code == ERR_OK, "%s",
          t->err.text);
}

static void test_file__has_sections(void **state) {
    (void)state;
    struct translation t =
        translation_of(VIEW("\xef\xbb\xbf# for people\r\n\r\n[a]\r\nSubject: s\r\n\r\n\r\none\r\n"
                            "\n\n[b:c]\n\\[d]\n\\\\e\n# text\n[empty]\n[last]\nend"),
                       &arena);
    expect(&t, "a", "Subject: s\n\n\none\n", 3);
    expect(&t, "b:c", "[d]\n\\e\n# text\n", 10);
    expect(&t, "empty", "", 14);
    expect(&t, "last", "end\n", 15);
    expect_end(&t, NULL);
}

static void test_file__what_is_wrong_is_said_with_its_line(void **state) {
    static const struct {
        const char *file, *error;
    } cases[] = {
        {"# x\ntext\n", "line 2: a section"},
        {"[a]\n[\n", "line 2: a name in brackets"},
        {"[a]\n[b\n", "line 2: a name in brackets"},
        {"[a]\n[]\n", "line 2: a name in brackets"},
        {"\xff", "UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct translation t = translation_of(view_of(cases[i].file), &arena);
        struct translation_item item;
        while (translation_next(&t, &item))
            continue;
        expect_end(&t, cases[i].error);
    }
}

static void test_written__is_read_again(void **state) {
    struct buf out = BUF_INIT(1000);
    (void)state;
    translation_write(&out, VIEW("a"), VIEW("[x]\n\n\\y\n"));
    translation_write(&out, VIEW("b"), VIEW("z\n"));
    struct translation t = translation_of(buf_view(&out), &arena);
    expect(&t, "a", "[x]\n\n\\y\n", 1);
    expect(&t, "b", "z\n", 6);
    expect_end(&t, NULL);
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file__has_sections),
        cmocka_unit_test(test_file__what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(test_written__is_read_again),
    };
    arena_init(&arena, 1 << 20);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return status;
}
