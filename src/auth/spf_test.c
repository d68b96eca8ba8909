/* spf_test.c: SPF by the examples of RFC 7208, and what the suites do not ask: limits, waiting, odd records.
 */
#include "auth/spf.h"

#include <string.h>

#include "base/buf.h"
#include "base/words.h"
#include "testing/unit.h"
#include "testing/zone.h"

static struct arena arena;

static json_t *zone_of(const char *text) {
    json_error_t e;
    json_t *zone = json_loads(text, 0, &e);
    if (!zone)
        fail_msg("%s", e.text);
    return zone;
}

static struct spf_verdict check_in(const json_t *zone, const char *client, const char *sender,
                                   size_t *ret_rounds) {
    struct spf_query q = {.client = zone_address(&arena, client),
                          .helo = VIEW("mail.example.com"),
                          .sender = view_of(sender),
                          .receiver = VIEW("mx.here.example")};
    struct answers answers;
    struct spf_verdict v;
    answers_init(&answers, &arena);
    for (*ret_rounds = 0;; ++*ret_rounds) {
        spf_check(&q, &answers, &v);
        if (v.result != SPF_WAITS)
            return v;
        zone_answer(zone, &answers);
    }
}

static void expect_result(const char *zone_text_, const char *client, const char *result) {
    json_t *zone = zone_of(zone_text_);
    size_t rounds;
    struct spf_verdict v = check_in(zone, client, "strong-bad@email.example.com", &rounds);
    if (!view_eq(words_at(SPF_WORDS, v.result), view_of(result)))
        fail_msg("%s: %.*s (%s)", zone_text_, VIEW_ARG(words_at(SPF_WORDS, v.result)), v.why);
    json_decref(zone);
    arena_reset(&arena);
}

/* RFC 7208 A: example.com, as seen from its hosts. */
#define EXAMPLE_COM(record)                                                                                  \
    "{\"email.example.com\": [{\"TXT\": \"" record "\"}, {\"A\": \"192.0.2.10\"}, {\"MX\": [10, "            \
    "\"mail-a.example.com\"]}], \"mail-a.example.com\": [{\"A\": \"192.0.2.129\"}], \"10.2.0.192.in-addr"    \
    ".arpa\": [{\"PTR\": \"email.example.com\"}]}"

static void test_mechanisms(void **state) {
    (void)state;
    static const struct {
        const char *zone, *client, *result;
    } cases[] = {
        {EXAMPLE_COM("v=spf1 +all"), "192.0.2.200", "pass"},
        {EXAMPLE_COM("v=spf1 a -all"), "192.0.2.10", "pass"},
        {EXAMPLE_COM("v=spf1 a -all"), "192.0.2.11", "fail"},
        {EXAMPLE_COM("v=spf1 a/24 -all"), "192.0.2.11", "pass"},
        {EXAMPLE_COM("v=spf1 mx -all"), "192.0.2.129", "pass"},
        {EXAMPLE_COM("v=spf1 mx/30 ~all"), "192.0.2.132", "softfail"},
        {EXAMPLE_COM("v=spf1 ptr -all"), "192.0.2.10", "pass"},
        {EXAMPLE_COM("v=spf1 ptr:example.com. -all"), "192.0.2.10", "pass"},
        {EXAMPLE_COM("v=spf1 ip4:192.0.2.128/28 ?all"), "192.0.2.65", "neutral"},
        {EXAMPLE_COM("v=spf1 ip6:2001:db8::/32 -all"), "2001:db8::1", "pass"},
        {EXAMPLE_COM("v=spf1 ip4:192.0.2.128 -all"), "::ffff:192.0.2.128", "pass"},
        {EXAMPLE_COM("v=spf1"), "192.0.2.1", "neutral"},
        {EXAMPLE_COM("v=spf10 -all"), "192.0.2.1", "none"},
        {EXAMPLE_COM("V=SPF1 -ALL"), "192.0.2.1", "fail"},
        {EXAMPLE_COM("v=spf1 -all all:x"), "192.0.2.1", "permerror"},
        {EXAMPLE_COM("v=spf1 redirect=gone.example.com"), "192.0.2.1", "permerror"},
        {EXAMPLE_COM("v=spf1 include:gone.example.com -all"), "192.0.2.1", "permerror"},
        {EXAMPLE_COM("v=spf1 include:email.example.com -all"), "192.0.2.1", "permerror"},
        {EXAMPLE_COM("v=spf1 unknown=%{d} -all"), "192.0.2.1", "fail"},
        {EXAMPLE_COM("v=spf1 ip4:192.0.2.1/33 -all"), "192.0.2.1", "permerror"},
        {EXAMPLE_COM("v=spf1 ip4:192.0.2.1/01 -all"), "192.0.2.1", "permerror"},
        {"{\"email.example.com\": [\"TIMEOUT\"]}", "192.0.2.1", "temperror"},
        {"{\"email.example.com\": [{\"TXT\": \"v=spf1 -all\"}, {\"TXT\": \"v=spf1 +all\"}]}", "192.0.2.1",
         "permerror"},
        {"{}", "192.0.2.1", "none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_result(cases[i].zone, cases[i].client, cases[i].result);
}

/* RFC 7208 7.4. */
static void test_macros(void **state) {
    (void)state;
    static const struct {
        const char *client, *macros, *want;
    } cases[] = {
        {"192.0.2.3", "%{s}", "strong-bad@email.example.com"},
        {"192.0.2.3", "%{o}", "email.example.com"},
        {"192.0.2.3", "%{d4}", "email.example.com"},
        {"192.0.2.3", "%{d2}", "example.com"},
        {"192.0.2.3", "%{d1}", "com"},
        {"192.0.2.3", "%{dr}", "com.example.email"},
        {"192.0.2.3", "%{d2r}", "example.email"},
        {"192.0.2.3", "%{l}", "strong-bad"},
        {"192.0.2.3", "%{l-}", "strong.bad"},
        {"192.0.2.3", "%{lr}", "strong-bad"},
        {"192.0.2.3", "%{lr-}", "bad.strong"},
        {"192.0.2.3", "%{l1r-}", "strong"},
        {"192.0.2.3", "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
        {"192.0.2.3", "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
        {"192.0.2.3", "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
        {"2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}",
         "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"},
        {"192.0.2.3", "%%%_%-%{S}", "% %20strong-bad%40email.example.com"},
        {"2001:db8::cb01", "%{c}", "2001:db8::cb01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *zone =
            json_pack("{s[{ss}]s[{ss}]}", "email.example.com", "TXT", "v=spf1 -all exp=exp.example.com",
                      "exp.example.com", "TXT", cases[i].macros);
        size_t rounds;
        struct spf_verdict v = check_in(zone, cases[i].client, "strong-bad@email.example.com", &rounds);
        assert_int_equal(v.result, SPF_FAIL);
        assert_view(v.explanation, cases[i].want);
        json_decref(zone);
        arena_reset(&arena);
    }
}

/* Hosts of MX are asked for all at once, and a check ends in as many rounds as names lead to others. */
static void test_waiting__few_rounds(void **state) {
    (void)state;
    json_t *zone = zone_of(
        "{\"email.example.com\": [{\"TXT\": \"v=spf1 mx -all\"}, {\"MX\": [1, \"a.example.com\"]}, {\"MX\": "
        "[2, \"b.example.com\"]}, {\"MX\": [3, \"c.example.com\"]}]}");
    size_t rounds;
    struct spf_verdict v = check_in(zone, "192.0.2.1", "x@email.example.com", &rounds);
    assert_int_equal(v.result, SPF_FAIL);
    assert_int_equal(rounds, 3);
    json_decref(zone);
    arena_reset(&arena);
}

/* Each includes the next twice: ten look-ups are the end of it. */
static void test_limits__of_lookups(void **state) {
    (void)state;
    json_t *zone = json_object();
    char name[40], record[120];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, i ? "n%d.example.com" : "email.example.com", i);
        snprintf(record, sizeof record, "v=spf1 include:n%d.example.com include:n%d.example.com -all", i + 1,
                 i + 1);
        json_object_set_new(zone, name, json_pack("[{ss}]", "TXT", record));
    }
    size_t rounds;
    struct spf_verdict v = check_in(zone, "192.0.2.1", "x@email.example.com", &rounds);
    assert_int_equal(v.result, SPF_PERMERROR);
    assert_true(rounds <= 12);
    json_decref(zone);
    arena_reset(&arena);
}

/* RFC 8616 4. */
static void test_internationalised__sender(void **state) {
    (void)state;
    static const struct {
        const char *record, *sender, *result;
    } rows[] = {
        {"v=spf1 ip4:192.0.2.1 -all", "ada@ex\xc3\xa4mple.org", "pass"},
        {"v=spf1 ip4:192.0.2.1 -all", "ada@EX\xc3\x84MPLE.org", "pass"},
        {"v=spf1 exists:%{d}.x.example -all", "ada@ex\xc3\xa4mple.org", "pass"},
        {"v=spf1 exists:%{o}.x.example -all", "ada@ex\xc3\xa4mple.org", "pass"},
        {"v=spf1 exists:%{l}.x.example -all", "jos\xc3\xa9@ex\xc3\xa4mple.org", "fail"},
        {"v=spf1 exists:%{S}.x.example ?all", "jos\xc3\xa9@ex\xc3\xa4mple.org", "neutral"},
        {"v=spf1 include:%{L}.x.example ?all", "jos\xc3\xa9@ex\xc3\xa4mple.org", "neutral"},
        {"v=spf1 redirect=%{l}.x.example", "jos\xc3\xa9@ex\xc3\xa4mple.org", "neutral"},
        {"v=spf1 -all exp=%{l}.x.example", "jos\xc3\xa9@ex\xc3\xa4mple.org", "fail"},
        {"v=spf1 +all", "ada@ex\xe4mple.org", "none"},
        {"v=spf1 +all", "ada@a..ex\xc3\xa4mple.org", "none"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *zone = json_pack("{s[{ss}]s[{ss}]}", "xn--exmple-cua.org", "TXT", rows[i].record,
                                 "xn--exmple-cua.org.x.example", "A", "127.0.0.2");
        size_t rounds;
        struct spf_verdict v = check_in(zone, "192.0.2.1", rows[i].sender, &rounds);
        check(view_eq(words_at(SPF_WORDS, v.result), view_of(rows[i].result)), "row %zu: %.*s (%s)", i,
              VIEW_ARG(words_at(SPF_WORDS, v.result)), v.why);
        json_decref(zone);
        arena_reset(&arena);
    }
}

static void test_internationalised__helo(void **state) {
    (void)state;
    json_t *zone = zone_of("{\"xn--exmple-cua.org\": [{\"TXT\": \"v=spf1 exists:%{h}.x.example -all\"}], "
                           "\"xn--exmple-cua.org.x.example\": [{\"A\": \"127.0.0.2\"}]}");
    struct spf_query q = {.client = zone_address(&arena, "192.0.2.1"), .helo = VIEW("ex\xc3\xa4mple.org")};
    struct answers answers;
    struct spf_verdict v;
    answers_init(&answers, &arena);
    for (spf_check(&q, &answers, &v); v.result == SPF_WAITS; spf_check(&q, &answers, &v))
        zone_answer(zone, &answers);
    assert_int_equal(v.result, SPF_PASS);
    assert_view(v.domain, "xn--exmple-cua.org");
    json_decref(zone);
    arena_reset(&arena);
}

/* What is taken from the right stays right, however many parts stand before it; what grows too long loses its
 * left side. */
static void test_macros__many_parts(void **state) {
    (void)state;
    static const struct {
        const char *macros, *name;
    } rows[] = {
        {"%{l1-}.x.example", "z.x.example"},
        {"%{l2-}.x.example", "b.z.x.example"},
        {"%{l1r-}.x.example", "a.x.example"},
        {"%{l2r-}.x.example", "b.a.x.example"},
        {"%{l2-}.%{l1-}.x.example", "b.z.z.x.example"},
        {"%{l-}%{l-}%{l-}%{l-}%{l-}%{l-}%{l-}%{l-}%{l-}%{l-}.%{l1-}.x.example", NULL},
    };
    struct buf sender = BUF_INIT(1000), tail = BUF_INIT(1000);
    buf_add_str(&sender, "a-");
    for (int i = 0; i < 150; i++)
        buf_add_str(&sender, "b-");
    buf_add_str(&sender, "z@email.example.com");
    while (tail.len + sizeof "b.z.z.x.example" - 1 <= 253)
        buf_add_str(&tail, "b.");
    buf_add_str(&tail, "z.z.x.example");
    for (size_t i = 0; i < COUNT(rows); i++) {
        char record[200];
        const char *name = rows[i].name ? rows[i].name : tail.data;
        snprintf(record, sizeof record, "v=spf1 exists:%s -all", rows[i].macros);
        json_t *zone =
            json_pack("{s[{ss}]s[{ss}]}", "email.example.com", "TXT", record, name, "A", "127.0.0.2");
        size_t rounds;
        struct spf_verdict v = check_in(zone, "192.0.2.1", sender.data, &rounds);
        check(v.result == SPF_PASS, "row %zu", i);
        json_decref(zone);
        arena_reset(&arena);
    }
    buf_done(&sender);
    buf_done(&tail);
}

/* RFC 7208 4.8 leaves it open: it matches nothing, and was no look-up that found nothing. */
static void test_names__that_are_none(void **state) {
    (void)state;
    expect_result(
        EXAMPLE_COM("v=spf1 a:a..example a:b..example mx:c..example exists:d..example ip4:192.0.2.1 -all"),
        "192.0.2.1", "pass");
    expect_result(EXAMPLE_COM("v=spf1 a:a.example a:b.example mx:c.example ip4:192.0.2.1 -all"), "192.0.2.1",
                  "permerror");
    expect_result(EXAMPLE_COM("v=spf1 ptr:a..example ip4:192.0.2.10 -all"), "192.0.2.10", "pass");
    expect_result(EXAMPLE_COM("v=spf1 include:a..example -all"), "192.0.2.1", "permerror");
}

/* Ten records of 60 kB, each read again in every round. */
static void test_limits__of_memory(void **state) {
    (void)state;
    json_t *zone = json_object();
    char name[40];
    for (int i = 0; i < 10; i++) {
        struct buf record = BUF_INIT(64 * 1024);
        buf_add_str(&record, "v=spf1");
        while (record.len < 60000)
            buf_add_str(&record, i % 2 ? " ip6:2001:db8::1" : " x=y");
        buf_printf(&record, " include:n%d.example.com -all", i + 1);
        snprintf(name, sizeof name, i ? "n%d.example.com" : "email.example.com", i);
        json_object_set_new(zone, name, json_pack("[{ss}]", "TXT", record.data));
        buf_done(&record);
    }
    json_object_set_new(zone, "n10.example.com", json_pack("[{ss}]", "TXT", "v=spf1 +all"));
    size_t rounds;
    struct spf_verdict v = check_in(zone, "192.0.2.1", "x@email.example.com", &rounds);
    assert_int_equal(v.result, SPF_PASS);
    assert_true(arena.used < 2 << 20);
    json_decref(zone);
    arena_reset(&arena);
}

/* Macros can make names that cannot be, and are not asked for: no void look-ups (4.6.4). Those that can
 * be are. */
static void test_limits__of_void_lookups(void **state) {
    (void)state;
    expect_result(
        "{\"email.example.com\": [{\"TXT\": \"v=spf1 exists:%{l}..example.com exists:%{d}..a.example.com "
        "exists:..%{d} exists:%{l}..b.example.com -all\"}]}",
        "192.0.2.1", "fail");
    expect_result(
        "{\"email.example.com\": [{\"TXT\": \"v=spf1 exists:a.example.com exists:b.example.com -all\"}]}",
        "192.0.2.1", "fail");
    expect_result("{\"email.example.com\": [{\"TXT\": \"v=spf1 exists:a.example.com exists:b.example.com "
                  "exists:c.example.com -all\"}]}",
                  "192.0.2.1", "permerror");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mechanisms),
        cmocka_unit_test(test_macros),
        cmocka_unit_test(test_waiting__few_rounds),
        cmocka_unit_test(test_limits__of_lookups),
        cmocka_unit_test(test_internationalised__sender),
        cmocka_unit_test(test_internationalised__helo),
        cmocka_unit_test(test_macros__many_parts),
        cmocka_unit_test(test_names__that_are_none),
        cmocka_unit_test(test_limits__of_memory),
        cmocka_unit_test(test_limits__of_void_lookups),
    };
    arena_init(&arena, 4 << 20);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return status;
}
