/* html_tags_test.c: what libxml2 is not to see, and tags that would cost it too much. */
#include "mail/html_tags.h"

#include "testing/unit.h"

static void test_clean__controls_and_conditions(void **state) {
    (void)state;
    static const struct {
        view html;
        const char *want;
    } rows[] = {
        {OCTETS("a\0b\x1b\tc\r\n"), "a b \tc\r\n"},
        {OCTETS("<![if !vml]>x<![endif]>"), "            x          "},
        {OCTETS("<!--[if mso]>x<![endif]-->"), "<!--[if mso]>x<![endif]-->"},
        {OCTETS("<![x y>]>"), "<![x y>]>"},
        {OCTETS("<!["), "<!["},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf html = BUF_INIT(100);
        buf_add(&html, rows[i].html);
        html_tags_clean(&html);
        assert_view(buf_view(&html), rows[i].want);
        buf_done(&html);
    }
}

/* Three attributes are allowed here; names count as many as they have hundreds of octets. */
static void test_bounded(void **state) {
    (void)state;
    static const struct {
        const char *html;
        bool want;
    } rows[] = {
        {"", true},
        {"<", true},
        {"<a b=1 c='2' d=\"3\">", true},
        {"<a b=1 c='2' d=\"3\" e>", false},
        {"<a b=\"1\"c=\"2\"d=\"3\"e=\"4\">", false},
        {"<a b c d><a b c d><a b c d>", true},
        {"<a b=\"x y z x y z\" c='x y z > x y z' d = x=y=z>", true},
        {"a < b c d e f g h", true},
        {"<!-- <a b c d e --> <p>", false}, /* who knows where comments are? */
        {"<!-- <a b c --> d e f <p>", true},
        {"<a \"=\"b c d e f>", false}, /* that is no quotation */
        {"<a=\"b c d e f\">", false},
        {"<a b=\">\" c d e>", false},
        {"<a b=\"<a c d e f>\">", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(html_tags_bounded(view_of(rows[i].html), 3) == rows[i].want, "%s", rows[i].html);
}

static void test_bounded__long_names_count_more(void **state) {
    (void)state;
    struct buf html = BUF_INIT(1000);
    buf_add(&html, VIEW("<a "));
    for (int i = 0; i < 190; i++)
        buf_add_char(&html, 'x');
    assert_true(html_tags_bounded(buf_view(&html), 3));
    for (int i = 0; i < 100; i++)
        buf_add_char(&html, 'x');
    assert_false(html_tags_bounded(buf_view(&html), 3));
    buf_done(&html);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_clean__controls_and_conditions),
    cmocka_unit_test(test_bounded),
    cmocka_unit_test(test_bounded__long_names_count_more),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
