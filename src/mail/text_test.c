/* text_test.c: outside text that was made printable can neither end a line nor reach a terminal as a command.
 */
#include "testing/unit.h"

#include "mail/text.h"

static void test_text__length_of_the_character_at_the_front(void **state) {
    (void)state;
    static const struct {
        view text;
        size_t len;
    } rows[] = {
        {{NULL, 0}, 0},
        {{"ab", 2}, 1},
        {{" ", 1}, 1},
        {{"~", 1}, 1},
        {{"\t", 1}, 0},
        {{"\n", 1}, 0},
        {{"\0", 1}, 0},
        {{"\x1f", 1}, 0},
        {{"\x7f", 1}, 0},
        {{"\xc2\x80", 2}, 0}, /* the first and last C1 control */
        {{"\xc2\x9f", 2}, 0},
        {{"\xc2\xa0", 2}, 2},
        {{"\xc3\xa4x", 3}, 2},
        {{"\xe2\x82\xac!", 4}, 3},
        {{"\xf0\x9f\x93\xac", 4}, 4},
        {{"\xf0\x9f\x93", 3}, 0}, /* cut */
        {{"\xc3", 1}, 0},
        {{"\xc0\xaf", 2}, 0},     /* overlong */
        {{"\xed\xa0\x80", 3}, 0}, /* surrogate */
        {{"\x80", 1}, 0},
        {{"\xff", 1}, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = text_char_len(rows[i].text);
        check(len == rows[i].len, "row %zu gives %zu", i, len);
        bool whole = len == rows[i].text.len || (len > 0 && text_is_printable(view_skip(rows[i].text, len)));
        check(text_is_printable(rows[i].text) == whole, "row %zu", i);
    }
}

static void test_text__7bit(void **state) {
    (void)state;
    for (int i = 0; i < 256; i++) {
        char text[3] = {'a', (char)i, 'b'};
        check(text_is_7bit(view_from(text, 3)) == (i < 128), "octet %d", i);
    }
    assert_true(text_is_7bit(VIEW_NULL));
}

static void test_text__add_printable(void **state) {
    (void)state;
    static const struct {
        view text;
        const char *utf8, *ascii;
    } rows[] = {
        {{"plain text", 10}, "plain text", "plain text"},
        {{"a\r\nb\tc\0d", 8}, "a??b?c?d", "a??b?c?d"},
        {{"\x1b[2J\x7f", 5}, "?[2J?", "?[2J?"},
        {{"\xc3\xa4\xe2\x82\xac", 5}, "\xc3\xa4\xe2\x82\xac", "?????"},
        {{"\xc2\x9bm", 3}, "??m", "??m"},
        {{"\xe2\x82", 2}, "??", "??"},
        {{"\xe2\x82z\xc3\xa4", 5}, "??z\xc3\xa4", "??z??"},
        {{NULL, 0}, "", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(100);
        text_add_printable(&out, rows[i].text, true);
        assert_view(buf_view(&out), rows[i].utf8);
        buf_reset(&out);
        text_add_printable(&out, rows[i].text, false);
        assert_view(buf_view(&out), rows[i].ascii);
        buf_done(&out);
    }
}

static void test_text__every_pair_of_octets_becomes_printable(void **state) {
    (void)state;
    for (int n = 0; n < 65536; n++) {
        char text[2] = {(char)(n >> 8), (char)n};
        struct buf out = BUF_INIT(10);
        text_add_printable(&out, view_from(text, 2), true);
        check(text_is_printable(buf_view(&out)) && out.len == 2, "octets %04x", n);
        buf_reset(&out);
        text_add_printable(&out, view_from(text, 2), false);
        check(text_is_printable(buf_view(&out)) && text_is_7bit(buf_view(&out)), "octets %04x", n);
        buf_done(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__length_of_the_character_at_the_front),
        cmocka_unit_test(test_text__7bit),
        cmocka_unit_test(test_text__add_printable),
        cmocka_unit_test(test_text__every_pair_of_octets_becomes_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
