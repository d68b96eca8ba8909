/* transfer_test.c: both transfer encodings give their octets back, and every encoded line is one that RFC
 * 2045 allows. */
#include "testing/unit.h"

#include "mail/transfer.h"
#include "testing/decode.h"

static void test_transfer__quoted_printable(void **state) {
    (void)state;
    static const struct {
        view plain;
        const char *encoded;
    } rows[] = {
        {{NULL, 0}, ""},
        {{"plain", 5}, "plain"},
        {{"a\r\nb\r\n", 6}, "a\r\nb\r\n"},
        {{"a=b", 3}, "a=3Db"},
        {{"\xc3\xa4", 2}, "=C3=A4"},
        {{"a\nb", 3}, "a=0Ab"},
        {{"a\rb", 3}, "a=0Db"},
        {{"a\r\r\nb", 5}, "a=0D\r\nb"},
        {{"a\r", 2}, "a=0D"},
        {{"\0", 1}, "=00"},
        {{"a ", 2}, "a=20"},
        {{"a \r\nb", 5}, "a=20\r\nb"},
        {{"a\t\r\n", 4}, "a=09\r\n"},
        {{"a b\tc", 5}, "a b\tc"},
        {{" \n", 2}, " =0A"},
        {{"\x7f", 1}, "=7F"},
        {{"~!", 2}, "~!"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(100), back = BUF_INIT(100);
        transfer_add_qp(&out, rows[i].plain);
        assert_view(buf_view(&out), rows[i].encoded);
        decode_qp(buf_view(&out), &back);
        check(view_eq(buf_view(&back), rows[i].plain), "row %zu", i);
        buf_done(&out);
        buf_done(&back);
    }
}

static void test_transfer__base64(void **state) {
    (void)state;
    static const struct {
        view plain;
        const char *encoded;
    } rows[] = {
        {{NULL, 0}, ""},
        {{"f", 1}, "Zg=="},
        {{"fo", 2}, "Zm8="},
        {{"foo", 3}, "Zm9v"},
        {{"foob", 4}, "Zm9vYg=="},
        {{"fooba", 5}, "Zm9vYmE="},
        {{"foobar", 6}, "Zm9vYmFy"},
        {{"\0\0\0", 3}, "AAAA"},
        {{"\xff\xff\xff", 3}, "////"},
        {{"\xfb\xef\xbe", 3}, "++++"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(100), back = BUF_INIT(100);
        transfer_add_base64(&out, rows[i].plain);
        assert_view(buf_view(&out), rows[i].encoded);
        decode_base64(buf_view(&out), &back);
        check(view_eq(buf_view(&back), rows[i].plain), "row %zu", i);
        buf_done(&out);
        buf_done(&back);
    }
}

/* Texts over a small alphabet of what is special, long enough for soft line breaks at every place. */
static void test_transfer__any_octets_come_back(void **state) {
    (void)state;
    static const char *const words[] = {"a",    "b", " ",    "\t", "\r",   "\n",
                                        "\r\n", "=", "\xff", ".",  "\x01", "word"};
    uint32_t random = 1;
    for (int round = 0; round < 3000; round++) {
        struct buf plain = BUF_INIT(10000), out = BUF_INIT(100000), back = BUF_INIT(100000);
        size_t len = (size_t)round % 300;
        while (plain.len < len) {
            random = random * 1103515245u + 12345u;
            /* Most rounds use few of the words, which makes runs. */
            buf_add_str(&plain, words[(random >> 16) % (COUNT(words) - (size_t)round % COUNT(words))]);
        }
        transfer_add_qp(&out, buf_view(&plain));
        decode_qp(buf_view(&out), &back);
        check(view_eq(buf_view(&back), buf_view(&plain)), "quoted-printable, round %d", round);
        buf_reset(&out);
        buf_reset(&back);
        transfer_add_base64(&out, buf_view(&plain));
        decode_base64(buf_view(&out), &back);
        check(view_eq(buf_view(&back), buf_view(&plain)), "base64, round %d", round);
        buf_done(&plain);
        buf_done(&out);
        buf_done(&back);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfer__quoted_printable),
        cmocka_unit_test(test_transfer__base64),
        cmocka_unit_test(test_transfer__any_octets_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
