/* srs_test.c: what the suite of SRS does not ask: every day, separators, hostile and odd addresses, keys. */
#include "auth/srs.h"

#include "testing/unit.h"

enum { DAY = 24 * 60 * 60 };

static struct arena arena;
static const struct srs_keys keys = {.list = {{"one secret", 10}, {"and another", 11}}, .count = 2};

static view forward(const char *sender, const char *forwarder, int64_t now_s) {
    view made;
    return srs_forward(view_of(sender), view_of(forwarder), &keys, now_s, &arena, &made) ? made
                                                                                         : VIEW("none");
}

static view reverse(view address, int64_t now_s) {
    view made;
    return srs_reverse(address, &keys, now_s, SRS_AGE_DAYS, &arena, &made) ? made : VIEW("none");
}

static void test_there_and_back__odd_addresses(void **state) {
    (void)state;
    static const struct {
        const char *sender, *back;
    } rows[] = {
        {"ada@example.org", "ada@example.org"},
        {"Ada@EXAMPLE.org", "Ada@example.org"},
        {"\"john smith\"@example.org", "\"john smith\"@example.org"},
        {"\"a@b\"@example.org", "\"a@b\"@example.org"},
        {"\"a\\\"b\"@example.org", "\"a\\\"b\"@example.org"},
        {"\"\"@example.org", "\"\"@example.org"},
        {"ada@[192.0.2.1]", "ada@[192.0.2.1]"},
        {"ada@[IPv6:2001:db8::1]", "ada@[IPv6:2001:db8::1]"},
        {"jos\xc3\xa9@ex\xc3\xa4mple.org", "jos\xc3\xa9@xn--exmple-cua.org"},
        {"SRS1=x@example.org", "SRS1=x@example.org"},
        {"SRS1=x==foo@example.org", "SRS1=x==foo@example.org"},
        {"SRS1=x=&first.example==x@example.org", "SRS1=x=&first.example==x@example.org"},
        {"\"SRS1=x=[first.example==x\"@example.org", "\"SRS1=x=[first.example==x\"@example.org"},
        {"SRS0@example.org", "SRS0@example.org"},
        {"=@example.org", "=@example.org"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        view made = forward(rows[i].sender, "fwd.example", 1700000000);
        check(srs_is_one(made) &&
                  view_starts_with_nocase(made, made.ptr[0] == '"' ? VIEW("\"SRS0") : VIEW("SRS0")),
              "row %zu: %.*s", i, VIEW_ARG(made));
        assert_view(reverse(made, 1700000000), rows[i].back);
        arena_reset(&arena);
    }
}

/* Each day of one round of the time stamp. */
static void test_age__every_day(void **state) {
    (void)state;
    for (int64_t day = 19000; day < 19000 + 1024; day++) {
        view made = forward("ada@example.org", "fwd.example", day * DAY);
        assert_view(reverse(made, day * DAY), "ada@example.org");
        assert_view(reverse(made, (day + SRS_AGE_DAYS) * DAY + DAY - 1), "ada@example.org");
        assert_view(reverse(made, (day + SRS_AGE_DAYS + 1) * DAY), "none");
        assert_view(reverse(made, (day - 1) * DAY), "ada@example.org"); /* another clock */
        assert_view(reverse(made, (day - 2) * DAY), "none");
        arena_reset(&arena);
    }
}

static void test_second__keeps_separator_and_first_host(void **state) {
    (void)state;
    static const char *const senders[] = {"SRS0=hash=AA=example.org=ada@first.example",
                                          "SRS0+hash=AA=example.org=ada@first.example",
                                          "SRS0-hash=AA=example.org=ada@first.example",
                                          "srs0=of+another+form@first.example", "SRS0+@first.example"};
    for (size_t i = 0; i < COUNT(senders); i++) {
        view two = forward(senders[i], "second.example", 1700000000);
        check(view_starts_with(two, VIEW("SRS1=")), "row %zu", i);
        char first[100];
        snprintf(first, sizeof first, "SRS0%s", senders[i] + 4);
        assert_view(reverse(two, 1700000000 + 1000 * (int64_t)DAY),
                    first); /* its first host looks at the age */
        char text[200];
        snprintf(text, sizeof text, "%.*s", VIEW_ARG(two));
        view three = forward(text, "third.example", 1700000000);
        check(view_ends_with(three, VIEW("@third.example")), "row %zu", i);
        assert_view(reverse(three, 1700000000), first);
        arena_reset(&arena);
    }
    assert_view(forward("SRS0=a=b=c=d@FWD.example", "fwd.example", 0), "SRS0=a=b=c=d@FWD.example");
}

static void test_reverse__nothing_of_ours(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",
        "@",
        "ada",
        "ada@fwd.example",
        "SRS0@fwd.example",
        "SRS0=@fwd.example",
        "SRS0====@fwd.example",
        "SRS0=abcd=AA=example.org=ada@fwd.example",
        "SRS1=abcd=first.example==x@fwd.example",
        "SRS1=abcd==x@fwd.example",
        "SRS1=abcd=first.example=x@fwd.example",
        "SRS1@fwd.example",
        "SRS0=a=AA=example.org=ada@fwd.example",
        "SRS0==AA=example.org=ada@fwd.example",
        "SRS2=abcd=AA=example.org=ada@fwd.example",
        "SRS0=abcd=AA=example.org=ada",
        "SRS0=abcdabcdabcdabcdabcdabcdabcdabcdabcd=AA=example.org=ada@fwd.example"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        view made = reverse(view_of(rows[i]), 1700000000);
        check(view_eq(made, VIEW("none")), "%s: %.*s", rows[i], VIEW_ARG(made));
    }
}

static void test_forward__what_cannot_be(void **state) {
    (void)state;
    char longest[400];
    assert_view(forward("", "fwd.example", 0), "none");
    assert_view(forward("postmaster", "fwd.example", 0), "none");
    assert_view(forward("ada@example.org\r\nRCPT TO:<x@example.org>", "fwd.example", 0), "none");
    snprintf(longest, sizeof longest, "%0300d@example.org", 1);
    assert_view(forward(longest, "fwd.example", 0), "none");
    view made;
    const struct srs_keys none = {.count = 0}, empty = {.count = 1};
    assert_false(srs_forward(VIEW("ada@example.org"), VIEW("fwd.example"), &none, 0, &arena, &made));
    assert_false(srs_forward(VIEW("ada@example.org"), VIEW("fwd.example"), &empty, 0, &arena, &made));
}

static void test_keys__rotate(void **state) {
    (void)state;
    const struct srs_keys old = {.list = {keys.list[1]}, .count = 1},
                          only = {.list = {keys.list[0]}, .count = 1}, empty = {.count = 1};
    view made, back;
    assert_true(srs_forward(VIEW("ada@example.org"), VIEW("fwd.example"), &old, 1700000000, &arena, &made));
    assert_view(reverse(made, 1700000000), "ada@example.org");
    assert_false(srs_reverse(made, &only, 1700000000, SRS_AGE_DAYS, &arena, &back));
    assert_false(srs_reverse(made, &empty, 1700000000, SRS_AGE_DAYS, &arena, &back));
}

/* Of all hashes, those with "-" and "_" are right in every way they may be written. */
static void test_hash__every_alphabet(void **state) {
    (void)state;
    int found = 0;
    for (int i = 0; i < 300; i++) {
        char sender[40];
        snprintf(sender, sizeof sender, "a%d@example.org", i);
        view made = forward(sender, "fwd.example", 1700000000);
        char text[200];
        snprintf(text, sizeof text, "%.*s", VIEW_ARG(made));
        for (size_t k = 5; k < 9; k++) {
            check(text[k] != '+' && text[k] != '/' && text[k] != '=', "%s", text);
            found += text[k] == '-' || text[k] == '_';
            text[k] = text[k] == '-' ? '+' : text[k] == '_' ? '/' : ascii_lower(text[k]);
        }
        assert_view(reverse(view_of(text), 1700000000), sender);
        arena_reset(&arena);
    }
    assert_true(found > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back__odd_addresses),
        cmocka_unit_test(test_age__every_day),
        cmocka_unit_test(test_second__keeps_separator_and_first_host),
        cmocka_unit_test(test_reverse__nothing_of_ours),
        cmocka_unit_test(test_forward__what_cannot_be),
        cmocka_unit_test(test_keys__rotate),
        cmocka_unit_test(test_hash__every_alphabet),
    };
    arena_init(&arena, 1 << 20);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return status;
}
