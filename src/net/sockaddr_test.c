/* sockaddr_test.c: addresses from text and back, and which peers a network takes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "net/sockaddr.h"

static void parse_and_format(void **state) {
    (void)state;
    static const struct {
        const char *text, *ip, *formatted;
        int family, port;
    } rows[] = {
        {"127.0.0.1:25", "127.0.0.1", "127.0.0.1:25", AF_INET, 25},
        {"0.0.0.0:0", "0.0.0.0", "0.0.0.0:0", AF_INET, 0},
        {"localhost:2525", "127.0.0.1", "127.0.0.1:2525", AF_INET, 2525},
        {"LocalHost:1", "127.0.0.1", "127.0.0.1:1", AF_INET, 1},
        {"[::1]:65535", "::1", "[::1]:65535", AF_INET6, 65535},
        {"*:25", "::", "[::]:25", AF_INET6, 25},
        {"[::]:25", "::", "[::]:25", AF_INET6, 25},
        {"[2001:DB8:0:0:0:0:0:1]:587", "2001:db8::1", "[2001:db8::1]:587", AF_INET6, 587},
        {"[::ffff:192.0.2.1]:25", "192.0.2.1", "192.0.2.1:25", AF_INET6, 25},
        {"[1111:2222:3333:4444:5555:6666:7777:8888]:65535", "1111:2222:3333:4444:5555:6666:7777:8888",
         "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", AF_INET6, 65535},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sockaddr_any a;
        struct err e = {0};
        assert_true(sockaddr_parse(view_of(rows[i].text), &a, &e));
        assert_int_equal(a.storage.ss_family, rows[i].family);
        assert_int_equal(sockaddr_port(&a), rows[i].port);
        assert_string_equal(sockaddr_ip(&a).s, rows[i].ip);
        assert_string_equal(sockaddr_format(&a).s, rows[i].formatted);
    }
}

static void refuse(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        ":",
        ":25",
        "25",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 25",
        "127.0.0.1:25 ",
        " 127.0.0.1:25",
        "127.0.0.1:99999999999999999999",
        "127.0.0.256:25",
        "127.1:25",
        "::1:25",
        "[::1]",
        "[::1]25",
        "[::1:25",
        "::1]:25",
        "[:25",
        "]:25",
        "[]:25",
        "[127.0.0.1]:25",
        "[*]:25",
        "[localhost]:25",
        "mail.example.org:25",
        "[fe80::1%lo]:25",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:25",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct sockaddr_any a = {.len = 77};
        struct err e = {0};
        assert_false(sockaddr_parse(view_of(wrong[i]), &a, &e));
        assert_int_equal(e.code, ERR_SYNTAX);
        assert_int_equal(a.len, 77); /* untouched */
    }
    struct sockaddr_any a;
    assert_false(sockaddr_parse(VIEW("127.0.0.1\0:25"), &a, NULL));
    assert_false(sockaddr_parse(VIEW_NULL, &a, NULL));
}

static void from_ip(void **state) {
    (void)state;
    struct sockaddr_any a;
    struct err e = {0};
    assert_true(sockaddr_from_ip(VIEW("192.0.2.7"), 25, &a, &e));
    assert_string_equal(sockaddr_format(&a).s, "192.0.2.7:25");
    assert_int_equal(a.len, sizeof(struct sockaddr_in));
    assert_true(sockaddr_from_ip(VIEW("2001:db8::7"), 24, &a, &e));
    assert_string_equal(sockaddr_format(&a).s, "[2001:db8::7]:24");
    assert_int_equal(a.len, sizeof(struct sockaddr_in6));
    assert_false(sockaddr_from_ip(VIEW("[::1]"), 25, &a, &e));
    assert_false(sockaddr_from_ip(VIEW("localhost"), 25, &a, &e));
    assert_false(sockaddr_from_ip(VIEW_NULL, 25, &a, &e));
}

static void other_families(void **state) {
    (void)state;
    struct sockaddr_any a = {.len = sizeof(struct sockaddr_un)};
    struct cidr all;
    a.storage.ss_family = AF_UNIX;
    assert_string_equal(sockaddr_ip(&a).s, "unknown");
    assert_string_equal(sockaddr_format(&a).s, "unknown");
    assert_int_equal(sockaddr_port(&a), 0);
    assert_true(cidr_parse(VIEW("::/0"), &all, NULL));
    assert_false(cidr_match(&all, &a));
}

static void cidr(void **state) {
    (void)state;
    static const struct {
        const char *network, *ip;
        bool match;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.0", true},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.77/24", "192.0.2.1", true}, /* what stands behind the prefix does not count */
        {"192.0.2.0/24", "::ffff:192.0.2.9", true},
        {"::ffff:192.0.2.0/120", "192.0.2.9", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"10.0.0.0/9", "10.127.255.255", true},
        {"10.0.0.0/9", "10.128.0.0", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1/32", "192.0.2.0", false},
        {"0.0.0.0/0", "203.0.113.5", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"::1", "::1", true},
        {"::1/128", "::2", false},
        {"::1", "127.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cidr c;
        struct sockaddr_any a;
        assert_true(cidr_parse(view_of(rows[i].network), &c, NULL));
        assert_true(sockaddr_from_ip(view_of(rows[i].ip), 25, &a, NULL));
        if (cidr_match(&c, &a) != rows[i].match)
            fail_msg("%s and %s", rows[i].network, rows[i].ip);
    }
}

static void cidr_refuse(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "/",
                                        "/24",
                                        "192.0.2.0/",
                                        "192.0.2.0/33",
                                        "::/129",
                                        "192.0.2.0/-1",
                                        "192.0.2/24",
                                        "[::1]/128",
                                        "192.0.2.0/24/1",
                                        "localhost",
                                        "192.0.2.0/ 24",
                                        "192.0.2.0/2x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct cidr c = {.bits = 5};
        struct err e = {0};
        assert_false(cidr_parse(view_of(wrong[i]), &c, &e));
        assert_int_equal(e.code, ERR_SYNTAX);
        assert_int_equal(c.bits, 5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_and_format), cmocka_unit_test(refuse), cmocka_unit_test(from_ip),
        cmocka_unit_test(other_families),   cmocka_unit_test(cidr),   cmocka_unit_test(cidr_refuse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
