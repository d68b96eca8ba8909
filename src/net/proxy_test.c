/* proxy_test.c: headers as front ends send them, and what a stranger would send instead; each also cut short.
 */
#include "net/proxy.h"

#include "testing/unit.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const struct {
    view in;
    enum proxy_state state;
    bool own;
    const char *source;
} rows[] = {
    {OCTETS("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\nEHLO x\r\n"), PROXY_WHOLE, false,
     "192.0.2.7:56324"},
    {OCTETS("PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n"), PROXY_WHOLE, false, "[2001:db8::7]:1"},
    {OCTETS("PROXY UNKNOWN\r\n"), PROXY_WHOLE, true, NULL},
    {OCTETS("PROXY UNKNOWN what ever\r\n"), PROXY_WHOLE, true, NULL},
    {OCTETS("PROXY UNKNOWNX\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY \r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25 \r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25 x\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP4  192.0.2.7 198.51.100.1 56324 25\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP4 2001:db8::7 198.51.100.1 56324 25\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP6 192.0.2.7 198.51.100.1 56324 25\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP4 192.0.2.7 2001:db8::1 56324 25\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY TCP4 192.0.2.777 198.51.100.1 1 25\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("PROXY UDP4 192.0.2.7 198.51.100.1 1 25\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("proxy TCP4 192.0.2.7 198.51.100.1 1 25\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("EHLO x\r\n"), PROXY_WRONG, false, NULL},
    {OCTETS("\r\n\r\nEHLO"), PROXY_WRONG, false, NULL},
    {OCTETS(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\7\xc6\x33\x64\1\xdc\4\0\x19"), PROXY_WHOLE, false,
     "192.0.2.7:56324"},
    {OCTETS(SIGNATURE "\x21\x11\0\x11\xc0\0\2\7\xc6\x33\x64\1\xdc\4\0\x19\4\0\2ab!"), PROXY_WHOLE, false,
     "192.0.2.7:56324"}, /* TLVs, then a client's octet */
    {OCTETS(SIGNATURE "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
                      "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\x19"),
     PROXY_WHOLE, false, "[2001:db8::7]:1"},
    {OCTETS(SIGNATURE "\x20\0\0\0"), PROXY_WHOLE, true, NULL},
    {OCTETS(SIGNATURE "\x20\x11\0\x0c\xc0\0\2\7\xc6\x33\x64\1\xdc\4\0\x19"), PROXY_WHOLE, true, NULL},
    {OCTETS(SIGNATURE "\x21\0\0\0"), PROXY_WHOLE, true, NULL},   /* UNSPEC */
    {OCTETS(SIGNATURE "\x21\x31\0\0"), PROXY_WHOLE, true, NULL}, /* a UNIX socket */
    {OCTETS(SIGNATURE "\x21\x12\0\x0c\xc0\0\2\7\xc6\x33\x64\1\xdc\4\0\x19"), PROXY_WRONG, false,
     NULL}, /* UDP */
    {OCTETS(SIGNATURE "\x21\x11\0\x0b\xc0\0\2\7\xc6\x33\x64\1\xdc\4\0"), PROXY_WRONG, false, NULL},
    {OCTETS(SIGNATURE "\x21\x21\0\x0c\xc0\0\2\7\xc6\x33\x64\1\xdc\4\0\x19"), PROXY_WRONG, false, NULL},
    {OCTETS(SIGNATURE "\x11\x11\0\x0c\xc0\0\2\7\xc6\x33\x64\1\xdc\4\0\x19"), PROXY_WRONG, false,
     NULL}, /* version */
    {OCTETS(SIGNATURE "\x22\x11\0\x0c\xc0\0\2\7\xc6\x33\x64\1\xdc\4\0\x19"), PROXY_WRONG, false,
     NULL},                                                           /* command */
    {OCTETS(SIGNATURE "\x21\x11\xff\xff"), PROXY_WRONG, false, NULL}, /* longer than any header needs to be */
};

static void test_proxy__rows(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct proxy p = {.own = false};
        size_t len = 0;
        check(proxy_parse(rows[i].in, &p, &len) == rows[i].state, "row %zu", i);
        if (rows[i].state != PROXY_WHOLE)
            continue;
        check(p.own == rows[i].own, "row %zu: own", i);
        if (rows[i].source)
            check(strcmp(sockaddr_format(&p.source).s, rows[i].source) == 0, "row %zu: %s", i,
                  sockaddr_format(&p.source).s);
        for (size_t cut = 0; cut < len; cut++)
            check(proxy_parse(view_slice(rows[i].in, 0, cut), &p, &len) == PROXY_MORE, "row %zu cut at %zu",
                  i, cut);
    }
}

static void test_proxy__a_line_without_end(void **state) {
    (void)state;
    char text[200] = "PROXY UNKNOWN ";
    struct proxy p;
    size_t len;
    memset(text + 14, 'x', sizeof text - 14);
    assert_int_equal(proxy_parse(view_from(text, 106), &p, &len), PROXY_MORE);
    assert_int_equal(proxy_parse(view_from(text, 107), &p, &len), PROXY_WRONG);
    memcpy(text + 105, "\r\n", 2);
    assert_int_equal(proxy_parse(view_from(text, sizeof text), &p, &len), PROXY_WHOLE);
    assert_int_equal(len, 107);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy__rows),
        cmocka_unit_test(test_proxy__a_line_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
