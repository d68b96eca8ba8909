/* text_fill_test.c: words become lines. */
#include "mail/text_fill.h"

#include "testing/unit.h"

#define TEN "0123456789"

static struct text_fill fill;
static struct buf out;

static int begin(void **state) {
    (void)state;
    buf_init(&out, 10000);
    text_fill_init(&fill, &out);
    return 0;
}

static void end_as(const char *want) {
    text_fill_done(&fill);
    assert_view(buf_view(&out), want);
    buf_done(&out);
}

static void words(const char *text) {
    text_fill_words(&fill, view_of(text));
}

static void test_words__white_space_is_one_blank(void **state) {
    (void)state;
    words("  a \t\r\n\f b\xc2\xa0");
    words("\xe2\x80\xa8 c");
    words("d\x01\xc2\x85\xff\xc2\xad\xe2\x80\x8b"
          "e ");
    end_as("a b cde\r\n");
}

static void test_words__lines_are_full_at_72_columns(void **state) {
    (void)state;
    words(TEN TEN TEN TEN TEN TEN TEN " x yy"); /* 72, and then yy */
    words(" \xc3\xa4" TEN TEN TEN TEN TEN TEN TEN " " TEN TEN TEN TEN TEN TEN TEN TEN " z"); /* 71; 80; 1 */
    end_as(TEN TEN TEN TEN TEN TEN TEN " x\r\nyy\r\n\xc3\xa4" TEN TEN TEN TEN TEN TEN TEN
                                       "\r\n" TEN TEN TEN TEN TEN TEN TEN TEN "\r\nz\r\n");
}

static void test_block__empty_lines_between_and_never_two(void **state) {
    (void)state;
    text_fill_block(&fill, true);
    text_fill_break(&fill);
    words("a ");
    text_fill_break(&fill);
    words(" b");
    text_fill_block(&fill, true);
    text_fill_block(&fill, true);
    text_fill_break(&fill);
    words(" c");
    text_fill_block(&fill, false);
    words("x");
    text_fill_break(&fill);
    text_fill_break(&fill);
    text_fill_break(&fill);
    words("e");
    text_fill_block(&fill, true);
    end_as("a\r\nb\r\n\r\nc\r\nx\r\n\r\ne\r\n");
}

static void test_verbatim__keeps_what_it_can(void **state) {
    (void)state;
    words("a");
    text_fill_block(&fill, true);
    text_fill_verbatim(&fill, VIEW("  b \tc\r\n\n\x1b[0m\xc2\xa0\n"));
    text_fill_verbatim(&fill, VIEW(TEN TEN TEN TEN TEN TEN TEN TEN " x"));
    text_fill_block(&fill, true);
    words("x");
    end_as("a\r\n\r\n  b \tc\r\n\r\n[0m \r\n" TEN TEN TEN TEN TEN TEN TEN TEN " x\r\n\r\nx\r\n");
}

static void test_indent__prefixes_and_what_they_share(void **state) {
    (void)state;
    words("a");
    text_fill_block(&fill, true);
    size_t quote = text_fill_indent(&fill, VIEW("> "), VIEW("> "));
    words("b");
    text_fill_block(&fill, true);
    size_t item = text_fill_indent(&fill, VIEW("  "), VIEW("* "));
    words("c");
    text_fill_break(&fill);
    words("x");
    text_fill_block(&fill, true);
    text_fill_outdent(&fill, item);
    words("e");
    text_fill_outdent(&fill, quote);
    text_fill_block(&fill, true);
    assert_int_equal(text_fill_indent(&fill, VIEW("> "), VIEW("> ")), 0);
    words("f");
    end_as("a\r\n\r\n> b\r\n>\r\n> * c\r\n>   x\r\n>\r\n> e\r\n\r\n> f\r\n");
}

static void test_indent__two_marks_on_a_line_and_none_without_words(void **state) {
    (void)state;
    size_t a = text_fill_indent(&fill, VIEW("  "), VIEW("* "));
    text_fill_indent(&fill, VIEW("   "), VIEW("1. "));
    words("x");
    text_fill_outdent(&fill, a);
    text_fill_indent(&fill, VIEW("  "), VIEW("* "));
    text_fill_outdent(&fill, a);
    words("y");
    end_as("* 1. x\r\ny\r\n");
}

static void test_indent__ends_somewhere(void **state) {
    (void)state;
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(text_fill_indent(&fill, VIEW("> "), VIEW("> ")), i < 20 ? 2 * i : 40);
    words("x");
    text_fill_outdent(&fill, 2);
    words("y");
    end_as("> > > > > > > > > > > > > > > > > > > > x\r\n> y\r\n");
}

static void cell(size_t row, const char *text) {
    text_fill_cell(&fill, row);
    text_fill_block(&fill, true);
    words(text);
    text_fill_block(&fill, true);
}

static void test_cell__continues_a_row_of_one_line(void **state) {
    (void)state;
    words("x");
    size_t row = text_fill_row(&fill);
    cell(row, " a");
    cell(row, "");
    cell(row, "b ");
    text_fill_line(&fill);
    row = text_fill_row(&fill);
    cell(row, "c");
    text_fill_break(&fill);
    words("x");
    cell(row, "e");
    end_as("x\r\n\r\na  b\r\n\r\nc\r\n\r\nx\r\n\r\ne\r\n");
}

static void test_done__says_what_did_not_fit(void **state) {
    (void)state;
    out.limit = 3;
    words("ab cd");
    text_fill_done(&fill);
    assert_true(out.failed);
    buf_done(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_words__white_space_is_one_blank, begin),
    cmocka_unit_test_setup(test_words__lines_are_full_at_72_columns, begin),
    cmocka_unit_test_setup(test_block__empty_lines_between_and_never_two, begin),
    cmocka_unit_test_setup(test_verbatim__keeps_what_it_can, begin),
    cmocka_unit_test_setup(test_indent__prefixes_and_what_they_share, begin),
    cmocka_unit_test_setup(test_indent__two_marks_on_a_line_and_none_without_words, begin),
    cmocka_unit_test_setup(test_indent__ends_somewhere, begin),
    cmocka_unit_test_setup(test_cell__continues_a_row_of_one_line, begin),
    cmocka_unit_test_setup(test_done__says_what_did_not_fit, begin),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
