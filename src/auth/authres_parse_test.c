/* authres_parse_test.c: what the suites do not ask of Authentication-Results: limits, hostile text, and who
 * claims to be us. */
#include "auth/authres.h"

#include "base/buf.h"
#include "testing/unit.h"

static struct arena arena;

static bool parses(const char *value, bool relaxed, struct authres *ret) {
    const struct authres_reading how = {.relaxed = relaxed, .utf8 = true};
    return authres_parse(view_of(value), &how, &arena, ret);
}

static void test_values(void **state) {
    (void)state;
    static const struct {
        const char *text, *want; /* NULL: refused */
        bool relaxed;
    } cases[] = {
        {"a@example.org", "a@example.org", false},
        {"a/b=c@example.org", "a/b=c@example.org", false},
        {"\"a b\"@example.org", "\"a b\"@example.org", false},
        {"\"a b\"@", NULL, true},
        {"\"a \\\"b\\\\\"", "a \"b\\", false},
        {"\"a\r\n b\"", "a b", false},
        {"\"\"", "", false},
        {"\"a", NULL, true},
        {"\"a\\", NULL, true},
        {"(c) x (d)", "x", false},
        {"(c", NULL, true},
        {"", NULL, false},
        {"", "", true},
        {"YWJj=", NULL, false},
        {"YWJj=", "YWJj=", true},
        {"2001:db8::1", NULL, false},
        {"2001:db8::1", "2001:db8::1", true},
        {"a@b@c", NULL, false},
        {"a\x01", NULL, true},
        {"a\xff", NULL, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct authres a;
        char text[200];
        snprintf(text, sizeof text, "example.com; spf=pass smtp.mailfrom=%s", cases[i].text);
        bool ok = parses(text, cases[i].relaxed, &a);
        check(ok == (cases[i].want != NULL), "row %zu: %s", i, text);
        if (ok)
            check(view_eq(a.results[0].properties[0].value, view_of(cases[i].want)), "row %zu: %s", i, text);
        arena_reset(&arena);
    }
}

static void test_fields(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool strict, relaxed;
    } cases[] = {
        {"example.com; none", true, true},
        {"example.com; none;", false, true},
        {"example.com; none; spf=pass", false, false},
        {"example.com; none=pass", true, true},
        {"example.com", false, true},
        {"example.com;", false, true},
        {"example.com 1 2; none", false, false},
        {"example.com 99999999999999999999; none", false, false},
        {"example.com; spf/2=pass", true, true},
        {"example.com; spf/=pass", false, false},
        {"example.com; spf", false, false},
        {"example.com; spf=", false, false},
        {"example.com; spf=pass spf=fail", false, true},
        {"example.com; spf=pass reason=x reason=y", false, true},
        {"example.com; spf=pass smtp.helo=x reason=y", false, true},
        {"example.com; spf=pass smtp.=x", false, false},
        {"example.com; spf=pass .helo=x", false, false},
        {"example.com; own=done at=noon smtp.helo=x/y", true, true},
        {"example.com;; spf=pass", false, false},
        {"(; example.com; none", false, false},
        {"", false, false},
        {";", false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct authres a;
        check(parses(cases[i].text, false, &a) == cases[i].strict, "row %zu: %s", i, cases[i].text);
        check(parses(cases[i].text, true, &a) == cases[i].relaxed, "row %zu, relaxed: %s", i, cases[i].text);
        arena_reset(&arena);
    }
}

/* Names are in lower case, values as they are. */
static void test_names__in_lower_case(void **state) {
    (void)state;
    struct authres a;
    assert_true(parses("Example.COM; SPF=Pass reason=\"It Is\" SMTP.MailFrom=A@Example.ORG", false, &a));
    const struct authres_result *r = &a.results[0];
    assert_view(a.id, "Example.COM");
    assert_view(r->method, "spf");
    assert_view(r->result, "pass");
    assert_view(r->reason, "It Is");
    assert_view(r->properties[0].type, "smtp");
    assert_view(r->properties[0].name, "mailfrom");
    assert_view(r->properties[0].value, "A@Example.ORG");
    arena_reset(&arena);
}

static bool parses_times(const char *start, const char *piece, size_t times, struct authres *ret) {
    const struct authres_reading how = {.relaxed = true};
    struct buf text = BUF_INIT(4 << 20);
    buf_add_str(&text, start);
    for (size_t i = 0; i < times; i++)
        buf_add_str(&text, piece);
    bool ok = authres_parse(arena_view(&arena, buf_view(&text)), &how, &arena, ret);
    buf_done(&text);
    return ok;
}

static void test_limits(void **state) {
    (void)state;
    struct authres a;
    assert_true(parses_times("example.com", "; spf=pass", AUTHRES_RESULTS_MOST, &a));
    assert_int_equal(a.count, AUTHRES_RESULTS_MOST);
    assert_false(parses_times("example.com", "; spf=pass", AUTHRES_RESULTS_MOST + 1, &a));
    assert_true(parses_times("example.com; spf=pass", " smtp.helo=a", AUTHRES_PROPERTIES_MOST, &a));
    assert_int_equal(a.results[0].property_count, AUTHRES_PROPERTIES_MOST);
    assert_false(parses_times("example.com; spf=pass", " smtp.helo=a", AUTHRES_PROPERTIES_MOST + 1, &a));
    assert_false(parses_times("example.com; spf=pass", " (a)", 1 << 20, &a));
    assert_false(parses_times("", "(", 60000, &a));
    arena_reset(&arena);
}

static void test_claims(void **state) {
    (void)state;
    static const struct {
        const char *value;
        bool claims;
    } cases[] = {
        {"mx.example.org; spf=pass", true},
        {" MX.Example.Org;", true},
        {"mx.example.org", true},
        {"mx.example.org.; none", true},
        {"mx.example.org 1; none", true},
        {"mx.example.org/1; none", true},
        {"\"mx.example.org\"; none", true},
        {"\"mx.ex\\ample.org\"; none", true},
        {"(c) mx.example.org(d); none", true},
        {"(c\r\n (d)) mx.example.org; none", true},
        {"(mx.example.org; none", true}, /* who does not know comments */
        {"mx.(c)example . org; none", true},
        {"mx.example.org=pass", true},
        {"mx.example.org.example.com; none", false},
        {"mx.example.orga; none", false},
        {"amx.example.org; none", false},
        {"mx.example.com; spf=pass smtp.helo=mx.example.org", false},
        {"(mx.example.org); none", false},
        {"spf=pass", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check(authres_claims(view_of(cases[i].value), VIEW("mx.example.org")) == cases[i].claims,
              "row %zu: %s", i, cases[i].value);
    assert_false(authres_claims(VIEW("mx.example.org"), VIEW("")));
}

static void test_forged__encoded_words(void **state) {
    (void)state;
    static const view trace = {"Authentication-Results: mx.example.org; none\r\n", 46};
    static const struct {
        const char *value;
        bool forged;
    } cases[] = {
        {"mx.example.org; spf=pass", true},
        {"=?utf-8?q?mx.example.org?=; spf=pass", true},
        {"\r\n =?us-ascii?B?bXguZXhhbXBs?=\r\n =?us-ascii?B?ZS5vcmc=?= 1; none", true},
        {"=?utf-8?q?mx.example.org.example.com?=; none", false},
        {"other.example; none x=\"=?utf-8?q?mx.example.org?=\"", false},
        {"=?", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct header_field f = {.name = VIEW("authentication-results"), .value = view_of(cases[i].value)};
        check(results_are_forged(trace, &f) == cases[i].forged, "row %zu: %s", i, cases[i].value);
    }
}

/* Comments that do not end cost no more than those that do. */
static void test_claims__quick(void **state) {
    (void)state;
    struct buf text = BUF_INIT(2 << 20);
    for (size_t i = 0; i < 1 << 20; i++)
        buf_add_char(&text, '(');
    assert_false(authres_claims(buf_view(&text), VIEW("mx.example.org")));
    buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),        cmocka_unit_test(test_forged__encoded_words),
        cmocka_unit_test(test_fields),        cmocka_unit_test(test_names__in_lower_case),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_claims__quick),
    };
    arena_init(&arena, 16 << 20);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return status;
}
