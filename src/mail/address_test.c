/* address_test.c: the address grammar of RFC 5321 and RFC 6531, and the one form addresses are compared in.
 */
#include "testing/unit.h"

#include "mail/address.h"

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_address__paths(void **state) {
    (void)state;
    enum { N = PATH_ALLOW_NULL, P = PATH_ALLOW_POSTMASTER, U = PATH_ALLOW_UTF8 };
    static const struct {
        const char *line;
        unsigned flags;
        enum err_code code;
        const char *local, *domain, *rest;
    } rows[] = {
        {"<user@example.org>", 0, ERR_OK, "user", "example.org", ""},
        {"<user@example.org> SIZE=5", 0, ERR_OK, "user", "example.org", " SIZE=5"},
        {"<@one.example,@two.example:user@example.org>x", 0, ERR_OK, "user", "example.org", "x"},
        {"<@[192.0.2.1]:user@example.org>", 0, ERR_OK, "user", "example.org", ""},
        {"<\"a b>c\"@example.org>", 0, ERR_OK, "\"a b>c\"", "example.org", ""},
        {"<>", N, ERR_OK, "", "", ""},
        {"<> BODY=8BITMIME", N, ERR_OK, "", "", " BODY=8BITMIME"},
        {"<>", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<postmaster>", P, ERR_OK, "postmaster", "", ""},
        {"<PostMaster> x", P, ERR_OK, "PostMaster", "", " x"},
        {"<postmaster@example.org>", P, ERR_OK, "postmaster", "example.org", ""},
        {"<postmaster>", N, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<user>", P, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<\xc3\xa4@example.org>", U, ERR_OK, "\xc3\xa4", "example.org", ""},
        {"<a@b\xc3\xbc.example>", U, ERR_OK, "a", "b\xc3\xbc.example", ""},
        {"<\xc3\xa4@example.org>", 0, ERR_NO_UTF8, NULL, NULL, NULL},
        {"<a@b\xc3\xbc.example>", 0, ERR_NO_UTF8, NULL, NULL, NULL},
        {"<\xff@example.org>", U, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"user@example.org", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<user@example.org", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<user@example.org >", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"< user@example.org>", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<<user@example.org>>", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<@one.example user@example.org>", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<@one.example,:user@example.org>", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<@one.example,two.example:user@example.org>", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<@:user@example.org>", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<@one.example", 0, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"", N | P | U, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
        {"<", N | P | U, ERR_SYNTAX_ADDRESS, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err e = {0};
        struct address a = {.local = VIEW("untouched")};
        view line = view_of(rows[i].line);
        bool ok = address_parse_path(&line, rows[i].flags, &a, &e);
        check(ok == (rows[i].code == ERR_OK) && e.code == rows[i].code, "%s: %d", rows[i].line, e.code);
        assert_view(a.local, ok ? rows[i].local : "untouched");
        assert_view(line, ok ? rows[i].rest : rows[i].line);
        if (ok)
            assert_view(a.domain, rows[i].domain);
    }
}

static void test_address__local_parts(void **state) {
    (void)state;
    static const struct {
        view local;
        bool ok;
    } rows[] = {
        {{"a", 1}, true},
        {{"a.b.c", 5}, true},
        {{"!#$%&'*+-/=?^_`{|}~09azAZ", 25}, true},
        {{"\"\"", 2}, true}, /* Quoted-string = DQUOTE *QcontentSMTP DQUOTE */
        {{"\"a b\"", 5}, true},
        {{"\"a\\\"b\\\\c\\ d\"", 12}, true},
        {{"\"@.,:;<>()[]\"", 13}, true},
        {{".a", 2}, false},
        {{"a.", 2}, false},
        {{"a..b", 4}, false},
        {{".", 1}, false},
        {{"", 0}, false},
        {{"a b", 3}, false},
        {{"a,b", 3}, false},
        {{"a\\b", 3}, false},
        {{"a(b)", 4}, false},
        {{"a\"b\"", 4}, false},
        {{"\"a\"b", 4}, false},
        {{"\"a\".\"b\"", 7}, false},
        {{"\"a", 2}, false},
        {{"\"a\\\"", 4}, false},
        {{"\"a\tb\"", 5}, false}, /* qtextSMTP has no controls */
        {{"\"a\\\tb\"", 6}, false},
        {{"\"a\rb\"", 5}, false},
        {{"\"a\0b\"", 5}, false},
        {{"\"a\x7f\"", 4}, false},
        {{"a\0b", 3}, false},
        {{"a\r\nb", 4}, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf text = BUF_INIT(100);
        struct address a;
        struct err e = {0};
        buf_add(&text, rows[i].local);
        buf_add(&text, VIEW("@example.org"));
        bool ok = address_parse(buf_view(&text), 0, &a, &e);
        check(ok == rows[i].ok, "%s: %s", text.data, e.text);
        check(!ok || view_eq(a.local, rows[i].local), "%s", text.data);
        buf_done(&text);
    }
}

static void test_address__domains(void **state) {
    (void)state;
    static const struct {
        const char *domain;
        bool ok;
    } rows[] = {
        {"example.org", true},
        {"localhost", true},
        {"3com.example", true},
        {"a-b.xn--mnchen-3ya.example", true},
        {A63 ".example", true},
        {A63 "." A63 "." A63 "." A63, true}, /* 255 octets */
        {"[192.0.2.1]", true},
        {"[IPv6:2001:db8::1]", true},
        {"[ipv6:::ffff:192.0.2.1]", true},
        {"a" A63 ".example", false},
        {A63 "." A63 "." A63 "." A63 ".a", false},
        {"", false},
        {".", false},
        {"example.", false},
        {".example", false},
        {"a..example", false},
        {"-a.example", false},
        {"a-.example", false},
        {"a.example-", false},
        {"a b.example", false},
        {"a@b.example", false},
        {"a/b.example", false},
        {"[192.0.2.256]", false},
        {"[192.0.2]", false},
        {"[2001:db8::1]", false}, /* without its tag */
        {"[IPv6:192.0.2.1]", false},
        {"[IPv6:2001:db8::1::2]", false},
        {"[192.0.2.1", false},
        {"[]", false},
        {"[IPv6:]", false},
        {"[ 192.0.2.1]", false},
        {"[192.0.2.1]a", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf text = BUF_INIT(1000);
        struct address a;
        struct err e = {0};
        buf_printf(&text, "user@%s", rows[i].domain);
        bool ok = address_parse(buf_view(&text), 0, &a, &e);
        check(ok == rows[i].ok, "%s: %s", text.data, e.text);
        check(ok || e.code == ERR_SYNTAX_ADDRESS, "%s: %d", text.data, e.code);
        buf_done(&text);
    }
}

static void test_address__lengths(void **state) {
    (void)state;
    struct address a;
    struct buf text = BUF_INIT(1000);
    for (size_t extra = 0; extra < 2; extra++) { /* local parts over 64 octets pass: VERP makes them */
        buf_reset(&text);
        while (text.len + strlen("@example.org") < LIMIT_ADDRESS + extra)
            buf_add_char(&text, 'a');
        buf_add_str(&text, "@example.org");
        check(address_parse(buf_view(&text), 0, &a, NULL) == (extra == 0), "%zu octets", text.len);
    }
    buf_done(&text);
}

static void test_address__normal_form(void **state) {
    (void)state;
    static const struct {
        const char *text, *normal; /* NULL: refused */
    } rows[] = {
        {"user@example.org", "user@example.org"},
        {"User.Name+Tag@EXAMPLE.Org", "user.name+tag@example.org"},
        {"\"user\"@example.org", "user@example.org"},
        {"\"\\user\"@example.org", "user@example.org"},
        {"\"A B\"@example.org", "\"a b\"@example.org"},
        {"\"a\\ b\"@example.org", "\"a b\"@example.org"},
        {"\"a\\\"b\\\\\"@example.org", "\"a\\\"b\\\\\"@example.org"},
        {"\"\"@example.org", "\"\"@example.org"},
        {"\"a..b\"@example.org", "\"a..b\"@example.org"},
        {"\"a@b\"@example.org", "\"a@b\"@example.org"},
        {"user@M\xc3\xbcnchen.example", "user@xn--mnchen-3ya.example"},
        {"user@m\xc3\x9cnchen.EXAMPLE", "user@xn--mnchen-3ya.example"},
        {"user@mu\xcc\x88nchen.example", "user@xn--mnchen-3ya.example"}, /* decomposed */
        {"user@XN--MNCHEN-3YA.example", "user@xn--mnchen-3ya.example"},
        {"user@fa\xc3\x9f.example", "user@xn--fa-hia.example"}, /* RFC 5891: not "fass" */
        {"\xc3\xa4@example.org", "\xc3\xa4@example.org"},
        {"user@[192.0.2.1]", "user@[192.0.2.1]"},
        {"user@[IPv6:2001:DB8::1]", "user@[ipv6:2001:db8::1]"},
        {"user@a\xef\xbc\xa0.example", NULL}, /* full-width @ maps to @ */
        {"user@\xe2\x98\x83\xef\xb8\x8f\xf0\x9f\x92\xa9\xc2\xad.\xe2\x80\x8d", NULL},
        {"user@192.0.2.1", NULL},
        {"user@example.123", NULL},
        {"user", NULL},
        {"@example.org", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct err e = {0};
        view normal = VIEW("untouched"), again = VIEW_NULL;
        arena_init(&a, 10000);
        bool ok = address_normalise_text(view_of(rows[i].text), &a, &normal, &e);
        check(ok == (rows[i].normal != NULL), "%s: %s", rows[i].text, e.text);
        assert_view(normal, ok ? rows[i].normal : "untouched");
        check(ok || e.code == ERR_SYNTAX_ADDRESS, "%s: %d", rows[i].text, e.code);
        check(!ok || (address_normalise_text(normal, &a, &again, &e) && view_eq(normal, again)),
              "%s: normal form of the normal form", rows[i].text);
        arena_done(&a);
    }
}

static void test_address__normal_form_of_special_recipients(void **state) {
    (void)state;
    struct arena a;
    view normal = VIEW("untouched");
    struct address postmaster = {.local = VIEW("PostMaster")}, null = {0};
    arena_init(&a, 1000);
    assert_true(address_normalise(&postmaster, &a, &normal, NULL));
    assert_view(normal, "postmaster");
    assert_true(address_normalise(&null, &a, &normal, NULL));
    assert_view(normal, "");
    arena_done(&a);
    struct err e = {0};
    arena_init(&a, 8); /* too small */
    normal = VIEW("untouched");
    assert_false(address_normalise_text(VIEW("user@example.org"), &a, &normal, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_view(normal, "untouched");
    arena_done(&a);
}

static void test_address__domain_normal_form(void **state) {
    (void)state;
    static const struct {
        const char *text, *normal;
    } rows[] = {
        {"Example.ORG", "example.org"},
        {"localhost", "localhost"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "xn--r8jz45g.xn--zckzah"},
        {"", NULL},
        {".", NULL},
        {"example.org.", NULL},
        {"a..b", NULL},
        {"a" A63 ".example", NULL},
        {"\xc3\xa4" A63 ".example", NULL}, /* too long as an A-label */
        {"user@example.org", NULL},
        {"192.0.2.1", NULL},
        {"1", NULL},
        {"[192.0.2.1]", NULL},
        {"2001:db8::1", NULL},
        {"[IPv6:2001:db8::1]", NULL},
        {"a b", NULL},
        {"\xff", NULL},
        {"a\nb.example", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct err e = {0};
        view normal = VIEW("untouched");
        arena_init(&a, 10000);
        bool ok = domain_normalise(view_of(rows[i].text), &a, &normal, &e);
        check(ok == (rows[i].normal != NULL), "%s: %s", rows[i].text, e.text);
        assert_view(normal, ok ? rows[i].normal : "untouched");
        arena_done(&a);
    }
}

static void test_address__split_and_detail(void **state) {
    (void)state;
    static const struct {
        const char *text, *local, *domain, *user, *detail;
    } rows[] = {
        {"user@example.org", "user", "example.org", "user", ""},
        {"user+tag@example.org", "user+tag", "example.org", "user", "tag"},
        {"user+a+b@example.org", "user+a+b", "example.org", "user", "a+b"},
        {"user+@example.org", "user+", "example.org", "user", ""},
        {"+tag@example.org", "+tag", "example.org", "+tag", ""},
        {"postmaster", "postmaster", "", "postmaster", ""},
        {"", "", "", "", ""},
        {"\"a@b\"@example.org", "\"a@b\"", "example.org", "\"a@b\"", ""},
        {"\"user+a b\"@example.org", "\"user+a b\"", "example.org", "user", "a b"},
        {"\"user+a\\\"b\"@example.org", "\"user+a\\\"b\"", "example.org", "user", "a\\\"b"},
        {"\"a b+tag\"@example.org", "\"a b+tag\"", "example.org", "\"a b+tag\"", ""},
        {"user@[ipv6:2001:db8::1]", "user", "[ipv6:2001:db8::1]", "user", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address a = address_split(view_of(rows[i].text));
        view user, detail;
        assert_view(a.local, rows[i].local);
        assert_view(a.domain, rows[i].domain);
        address_detail(a.local, &user, &detail);
        assert_view(user, rows[i].user);
        assert_view(detail, rows[i].detail);
    }
}

static void test_address__local_part_encoding(void **state) {
    (void)state;
    static const struct {
        const char *plain, *encoded;
    } rows[] = {
        {"user", "user"},       {"a.b", "a.b"},           {"", "\"\""},
        {"a b", "\"a b\""},     {".a", "\".a\""},         {"a..b", "\"a..b\""},
        {"a\"b", "\"a\\\"b\""}, {"a\\", "\"a\\\\\""},     {"\"", "\"\\\"\""},
        {"a@b", "\"a@b\""},     {"\xc3\xa4", "\xc3\xa4"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(100);
        address_local_encode(view_of(rows[i].plain), &out);
        assert_view(buf_view(&out), rows[i].encoded);
        buf_reset(&out);
        address_local_decode(view_of(rows[i].encoded), &out);
        assert_view(buf_view(&out), rows[i].plain);
        buf_done(&out);
    }
}

static void test_address__is_utf8(void **state) {
    (void)state;
    struct address a = {.local = VIEW("a"), .domain = VIEW("b.example")};
    assert_false(address_is_utf8(&a));
    a.local = VIEW("\xc3\xa4");
    assert_true(address_is_utf8(&a));
    a = (struct address){.local = VIEW("a"), .domain = VIEW("\xc3\xa4.example")};
    assert_true(address_is_utf8(&a));
    a = (struct address){0};
    assert_false(address_is_utf8(&a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address__paths),
        cmocka_unit_test(test_address__local_parts),
        cmocka_unit_test(test_address__domains),
        cmocka_unit_test(test_address__lengths),
        cmocka_unit_test(test_address__normal_form),
        cmocka_unit_test(test_address__normal_form_of_special_recipients),
        cmocka_unit_test(test_address__domain_normal_form),
        cmocka_unit_test(test_address__split_and_detail),
        cmocka_unit_test(test_address__local_part_encoding),
        cmocka_unit_test(test_address__is_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
