/* letter_words_test.c: given and shipped texts, languages, variables. */
#include "lists/letter_words.h"

#include "lists/shipped.h"
#include "lists/template.h"
#include "store/owed.h"
#include "store/template.h"
#include "testing/unit.h"

static struct arena arena;

static struct letter_words words_of(const char *languages, const char *text) {
    return (struct letter_words){.list = VIEW("news@here.example"),
                                 .person = VIEW("anne@one.example"),
                                 .languages = view_of(languages),
                                 .text = view_of(text)};
}

static void expect(const struct letter_words *w, const char *subject, const char *text) {
    struct letter_made made = letter_words_make(w, "list:user:notice:welcome", &arena);
    check(view_starts_with(made.subject, view_of(subject)), "subject %.*s", VIEW_ARG(made.subject));
    check(view_starts_with(made.text, view_of(text)), "text %.*s", VIEW_ARG(made.text));
}

static void test_text__shipped_in_the_best_language(void **state) {
    static const struct {
        const char *languages, *subject;
    } cases[] = {{"", "Welcome to the \"News\""},      {"en", "Welcome to the \"News\""},
                 {"de", "Willkommen bei der Mailing"}, {"fr de", "Willkommen bei der Mailing"},
                 {"en de", "Welcome to the \"News\""}, {"fr it", "Welcome to the \"News\""}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct letter_words w = words_of(cases[i].languages, "");
        expect(&w, cases[i].subject, "W");
    }
}

static void test_text__given_may_have_a_subject(void **state) {
    static const struct {
        const char *given, *subject, *text;
    } cases[] = {
        {"Subject: To $user_email\n\nHello $short_listname\n", "To anne@one.example", "Hello news\n"},
        {"subject: x\r\n\r\nHello\r\n", "x", "Hello\r\n"},
        {"Subject: no empty line\nHello\n", "Willkommen", "Subject: no empty line\n"},
        {"Hello\n", "Willkommen", "Hello\n"},
        {"$info $unknown ${x $$ $language", "Willkommen", " $unknown ${x $ de"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct letter_words w = words_of("de en", cases[i].given);
        expect(&w, cases[i].subject, cases[i].text);
    }
}

static void test_subject__is_one_line_whatever_is_filled_in(void **state) {
    struct letter_words w = words_of("en", "Subject: <$info>\n\nx");
    (void)state;
    w.info = VIEW("one\r\nBcc: two\x01");
    expect(&w, "<one  Bcc: two?>", "x");
}

static void test_variables__more_of_a_letter_come_first(void **state) {
    struct letter_words w = words_of("en", "$token $user_email $none");
    const struct letter_variable more[] = {
        {"token", VIEW("T")}, {"user_email", VIEW("U")}, {"none", VIEW_NULL}};
    (void)state;
    w.more = more;
    w.more_count = COUNT(more);
    expect(&w, "Welcome", "T U $none");
}

static view variables_of(const char *text) {
    struct buf out = BUF_INIT(4096);
    struct template_piece p;
    for (view rest = view_of(text); template_next(&rest, &p);)
        if (p.name.len > 0 && view_search(buf_view(&out), p.text) < 0)
            buf_printf(&out, "%.*s ", VIEW_ARG(p.text));
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&out);
    return made;
}

/* A translation says as much as the original, and no text has a variable that nothing fills in. */
static void test_shipped__each_text_in_each_language(void **state) {
    static const char *const names[] = {
#define TEXT(name, subject, text) name,
#include "lists/letters_en.def"
#undef TEXT
    };
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct shipped en, other;
        view name = view_of(names[i]), languages = VIEW(SHIPPED_LANGUAGES), language;
        assert_true(shipped_find(name, VIEW("en"), &en));
        while (view_split(&languages, ' ', &language)) {
            check(shipped_find(name, language, &other), "%s in %.*s", names[i], VIEW_ARG(language));
            for (view rest = variables_of(en.text), v; view_split(&rest, ' ', &v);)
                check(view_search(view_of(other.text), v) >= 0, "%s (%.*s): no %.*s", names[i],
                      VIEW_ARG(language), VIEW_ARG(v));
            view text = view_of(other.text);
            check(!template_name_is_valid(name) || letter_words_unknown(name, &text).len == 0,
                  "%s (%.*s): a variable", names[i], VIEW_ARG(language));
        }
    }
}

static void test_shipped__every_letter_is(void **state) {
    struct shipped s;
    (void)state;
    for (int64_t kind = 1; letter_kind_is_valid(kind); kind++) {
        view name = view_of(letter_kind_template((enum letter_kind)kind));
        assert_true(template_name_is_valid(name) && shipped_find(name, VIEW("de"), &s) && s.subject[0]);
    }
    assert_false(shipped_find(VIEW("list:member:regular:footer"), VIEW("en"), &s));
}

static void test_unknown__is_found(void **state) {
    view text = VIEW("$listname $token ${held_message_url} $x $$y"), name = VIEW("list:user:action:invite");
    (void)state;
    assert_true(view_eq(letter_words_unknown(name, &text), VIEW("held_message_url")));
    assert_true(view_eq(letter_words_unknown(name, &text), VIEW("x")));
    assert_int_equal(letter_words_unknown(name, &text).len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__shipped_in_the_best_language),
        cmocka_unit_test(test_text__given_may_have_a_subject),
        cmocka_unit_test(test_subject__is_one_line_whatever_is_filled_in),
        cmocka_unit_test(test_variables__more_of_a_letter_come_first),
        cmocka_unit_test(test_shipped__each_text_in_each_language),
        cmocka_unit_test(test_shipped__every_letter_is),
        cmocka_unit_test(test_unknown__is_found),
    };
    arena_init(&arena, 1 << 20);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return status;
}
