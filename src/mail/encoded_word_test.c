/* encoded_word_test.c: examples of RFC 2047 8, and what is in real mail. */
#include "mail/encoded_word.h"

#include "testing/unit.h"

static void expect(const char *value, const char *want) {
    struct buf out = BUF_INIT(10000);
    encoded_words_decode(view_of(value), &out);
    assert_view(buf_view(&out), want);
    buf_done(&out);
}

static void test_decode__examples_of_the_rfc(void **state) {
    (void)state;
    expect("(=?ISO-8859-1?Q?a?=)", "(a)");
    expect("(=?ISO-8859-1?Q?a?= b)", "(a b)");
    expect("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)");
    expect("(=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=)", "(ab)");
    expect("(=?ISO-8859-1?Q?a_b?=)", "(a b)");
    expect("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)");
    expect("=?US-ASCII?Q?Keith_Moore?=", "Keith Moore");
    expect("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld J\xc3\xb8rn Simonsen");
    expect("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= "
           "=?ISO-8859-1?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
           "If you can read this you understand the example.");
}

static void test_decode__charsets(void **state) {
    (void)state;
    expect("=?utf-8*de?q?Gr=C3=BC=C3=9Fe?= an alle", "Gr\xc3\xbc\xc3\x9f"
                                                     "e an alle");
    expect("=?UTF-8?B?R3LDvMOfZQ?=", "Gr\xc3\xbc\xc3\x9f"
                                     "e");
    expect("=?utf-8?b?w?= =?utf-8?b?7w=?=", "\xef\xbf\xbd"); /* broken: two lone sextets give nothing whole */
    expect("=?windows-1252?q?=80_=9f=E4?=", "\xe2\x82\xac \xc5\xb8\xc3\xa4");
    expect("=?koi8-r?B?8NLJ18XULCDNydI=?=", "Привет, мир");
    expect("=?ISO-2022-JP?B?GyRCRnxLXDhsJE4lYSE8JWsbKEI=?= (1)", "日本語のメール (1)");
    expect("=?gb2312?q?=D6=D0=CE=C4?= =?GB2312?q?=D3=CA=BC=FE?=", "中文邮件");
    expect("=?gb2312?b?1uzpRrv5?=", "朱镕基"); /* not in GB2312, but so labelled by many */
    expect("=?us-ascii?q?a=e4?=", "a\xef\xbf\xbd");
}

static void test_decode__a_character_cut_in_two(void **state) {
    (void)state;
    expect("=?utf-8?q?Gr=C3?= =?UTF-8?q?=BC=C3?= =?utf-8*de?b?nw==?=e", "Grüße");
    expect("=?utf-8?q?=C3?= =?iso-8859-1?q?=BC?=", "\xef\xbf\xbd\xc2\xbc");
    expect("=?utf-8?q?=C3?= x =?utf-8?q?=BC?=", "\xef\xbf\xbd x \xef\xbf\xbd");
    expect("=?gb18030?b?1g==?= =?gb18030?b?0A==?=", "中");
}

static void test_decode__what_is_none_stays(void **state) {
    (void)state;
    static const char *const values[] = {"",
                                         "plain  text",
                                         "=?",
                                         "=?utf-8?",
                                         "=?utf-8?q?",
                                         "=?utf-8?q?a",
                                         "=?utf-8?x?a?=",
                                         "=?utf-7?q?a?=",
                                         "=?x-unknown?q?a?= =?x-unknown?q?b?=",
                                         "=?utf-8?q?a b?=",
                                         "a =?utf-8?qq?a?="};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        expect(values[i], values[i]);
    expect("=?utf-8?q?=4?=", "=4");
    expect("=?utf-8?q?=zz=41?=", "=zzA");
    expect("=?utf-8?q?"
           "?= x",
           " x");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_decode__examples_of_the_rfc),
    cmocka_unit_test(test_decode__charsets),
    cmocka_unit_test(test_decode__a_character_cut_in_two),
    cmocka_unit_test(test_decode__what_is_none_stays),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}
