/* charset_test.c: texts in the charsets of real mail, and in those that are none. */
#include "mail/charset.h"

#include "testing/unit.h"

#define BAD "\xef\xbf\xbd"

static void test_to_utf8__charsets_of_mail(void **state) {
    (void)state;
    static const struct {
        const char *name;
        view text;
        const char *want;
    } rows[] = {
        {"utf-8", OCTETS("Gr\xc3\xbc\xc3\x9f"), "Grüß"},
        {"UTF8", OCTETS("a"), "a"},
        {"us-ascii", OCTETS("a\xe4"), "a" BAD},
        {"ANSI_X3.4-1968", OCTETS("a"), "a"},
        {"iso-8859-1", OCTETS("\xe4\x80"), "ä€"},
        {"latin1", OCTETS("\xe4"), "ä"},
        {"windows-1252", OCTETS("\x93\x81\x94"), "“\xc2\x81”"},
        {"iso-8859-2", OCTETS("\xb3"), "ł"},
        {"ISO_8859-5:1988", OCTETS("\xb0"), "А"},
        {"iso-8859-7", OCTETS("\xe1"), "α"},
        {"iso-8859-8-i", OCTETS("\xe0"), "א"},
        {"iso-8859-9", OCTETS("\xfe\x80"), "ş€"},
        {"latin-9", OCTETS("\xa4"), "€"},
        {"iso-8859-11", OCTETS("\xa1"), "ก"},
        {"tis-620", OCTETS("\xa1"), "ก"},
        {"windows-1250", OCTETS("\x9c"), "ś"},
        {"cp1251", OCTETS("\xcf"), "П"},
        {"windows-1256", OCTETS("\xc7"), "ا"},
        {"koi8-r", OCTETS("\xf0\xd2\xc9"), "При"},
        {"koi8-u", OCTETS("\xa4"), "є"},
        {"gb2312",
         OCTETS("\xd6\xd0 \xe9"
                "F"),
         "中 镕"},
        {"gbk", OCTETS("\xd6\xd0"), "中"},
        {"x-gbk", OCTETS("\xd6\xd0"), "中"},
        {"gb18030", OCTETS("\x90\x30\x81\x30"), "\xf0\x90\x80\x80"},
        {"hz-gb-2312", OCTETS("a~{VPND~}b"), "a中文b"},
        {"big5", OCTETS("\xa4\xa4\xa4\xe5"), "中文"},
        {"big5-hkscs", OCTETS("\xa4\xa4"), "中"},
        {"euc-jp", OCTETS("\xc6\xfc\xcb\xdc"), "日本"},
        {"shift_jis", OCTETS("\x93\xfa\x96{ \x87\x40 \\"), "日本 ① \\"},
        {"x-sjis", OCTETS("\xb1"), "ｱ"},
        {"iso-2022-jp", OCTETS("a\x1b$BF|K\\\x1b(B\\"), "a日本\\"},
        {"csISO2022JP", OCTETS("\x1b(I1\x1b(B"), "ｱ"},
        {"iso-2022-jp-2", OCTETS("\x1b$BF|\x1b(B"), "日"},
        {"cp50220", OCTETS("\x1b$BF|\x1b(B"), "日"},
        {"euc-kr", OCTETS("\xc7\xd1 \x8c\x63"), "한 똠"},
        {"ks_c_5601-1987", OCTETS("\x8c\x63"), "똠"},
        {"iso-2022-kr", OCTETS("\x1b$)C\x0eGQ1[\x0f."), "한글."},
        {"macintosh", OCTETS("\x8a"), "ä"},
        {"cp437", OCTETS("\x84"), "ä"},
        {"ibm852", OCTETS("\xa5"), "ą"},
        {"IBM866", OCTETS("\x8f"), "П"},
        {"utf-16", OCTETS("\xff\xfe\xe4\0"), "ä"},
        {"utf-16", OCTETS("\0\xe4"), "ä"},
        {"utf-16le", OCTETS("\x3d\xd8\x00\xde"), "😀"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(100);
        check(charset_to_utf8(view_of(rows[i].name), rows[i].text, &out), "%s is unknown", rows[i].name);
        check(view_eq(buf_view(&out), view_of(rows[i].want)), "%s: got \"%.*s\"", rows[i].name,
              VIEW_ARG(buf_view(&out)));
        buf_done(&out);
    }
}

static void test_to_utf8__what_cannot_be_decoded(void **state) {
    (void)state;
    static const struct {
        const char *name;
        view text;
        const char *want;
    } rows[] = {
        {"utf-8", OCTETS("\xc3"), BAD},
        {"utf-8", OCTETS("\xe2\x82 \xe2\x28"), BAD " " BAD "("},
        {"utf-8", OCTETS("\xc0\xaf\xed\xa0\x80"), BAD BAD BAD BAD BAD},
        {"utf-8", OCTETS("\xf0\x9f\x98"), BAD},
        {"iso-8859-3", OCTETS("a\xa5z"), "a" BAD "z"},
        {"windows-1253", OCTETS("\xd2"), BAD},
        {"koi8-r", OCTETS("\x1a"), "\x1a"},
        {"euc-jp", OCTETS("\xc6"), BAD},
        {"euc-jp",
         OCTETS("\xff"
                "a"),
         BAD "a"},
        {"big5",
         OCTETS("\xa4"
                "\x0a"),
         BAD "\n"},
        {"utf-16le", OCTETS("\x3d\xd8z\0\xe4"), BAD "z" BAD},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(100);
        assert_true(charset_to_utf8(view_of(rows[i].name), rows[i].text, &out));
        check(view_eq(buf_view(&out), view_of(rows[i].want)), "row %zu, %s: got \"%.*s\"", i, rows[i].name,
              VIEW_ARG(buf_view(&out)));
        buf_done(&out);
    }
}

static void test_to_utf8__nul_is_a_character(void **state) {
    (void)state;
    struct buf out = BUF_INIT(100);
    assert_true(charset_to_utf8(VIEW("utf-8"), VIEW("a\0\xff"), &out));
    assert_true(view_eq(buf_view(&out), VIEW("a\0" BAD)));
    buf_done(&out);
}

static void test_to_utf8__charsets_that_mail_does_not_use(void **state) {
    (void)state;
    static const char *const names[] = {
        "",
        "x-",
        "x-unknown",
        "8bit",
        "unicode-1-1-utf-7",
        "utf-7",
        "UTF7",
        "IMAP-mailbox-name",
        "scsu",
        "bocu-1",
        "cesu-8",
        "utf-32",
        "ibm-37",
        "cp500",
        "ebcdic-cp-us",
        "utf 8",
        "utf-8\n",
        "x-x-utf-8",
        "ISO_2022,locale=ja,version=0",
        "UTF-8,version=1",
        "../utf-8",
        "a-name-that-is-longer-than-any-that-a-charset-has",
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        struct buf out = BUF_INIT(100);
        check(!charset_to_utf8(view_of(names[i]), VIEW("a"), &out), "%s is known", names[i]);
        assert_int_equal(out.len, 0);
        assert_false(charset_is_ascii_compatible(view_of(names[i])));
    }
}

static void test_to_utf8__long_text_and_its_limit(void **state) {
    (void)state;
    enum { COUNT_OF = 50000 };
    struct buf text = BUF_INIT(COUNT_OF), out = BUF_INIT(2 * COUNT_OF), small = BUF_INIT(2 * COUNT_OF - 1);
    for (size_t i = 0; i < COUNT_OF; i++)
        buf_add_char(&text, '\xcf');
    assert_true(charset_to_utf8(VIEW("windows-1251"), buf_view(&text), &out));
    assert_int_equal(out.len, 2 * COUNT_OF);
    assert_true(view_ends_with(buf_view(&out), VIEW("ПП")));
    assert_true(charset_to_utf8(VIEW("windows-1251"), buf_view(&text), &small));
    assert_true(small.failed);
    buf_done(&text);
    buf_done(&out);
    buf_done(&small);
}

static void test_is_ascii_compatible(void **state) {
    (void)state;
    static const char *const yes[] = {"us-ascii", "utf-8",       "latin1", "koi8-r",      "shift_jis",
                                      "big5",     "iso-2022-jp", "gbk",    "iso-2022-kr", "cp866"};
    static const char *const no[] = {"utf-16", "UTF-16LE", "utf-16be", "utf-7", "ibm-37", "hz-gb-2312", "x"};
    for (size_t i = 0; i < COUNT(yes); i++)
        check(charset_is_ascii_compatible(view_of(yes[i])), "%s", yes[i]);
    for (size_t i = 0; i < COUNT(no); i++)
        check(!charset_is_ascii_compatible(view_of(no[i])), "%s", no[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_to_utf8__charsets_of_mail),
    cmocka_unit_test(test_to_utf8__what_cannot_be_decoded),
    cmocka_unit_test(test_to_utf8__nul_is_a_character),
    cmocka_unit_test(test_to_utf8__charsets_that_mail_does_not_use),
    cmocka_unit_test(test_to_utf8__long_text_and_its_limit),
    cmocka_unit_test(test_is_ascii_compatible),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
