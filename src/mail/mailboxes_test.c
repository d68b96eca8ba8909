/* mailboxes_test.c: addresses out of header fields. */
#include "mail/mailboxes.h"
#include "testing/unit.h"

static void test_mailboxes__of_lists(void **state) {
    static const struct {
        const char *text, *want; /* joined by a space */
    } rows[] = {
        {"", ""},
        {"ada@hill.example", "ada@hill.example"},
        {" ada@hill.example , bo@shore.example ", "ada@hill.example bo@shore.example"},
        {"Ada <ada@hill.example>, \"Bo, jr.\" <bo@shore.example>", "ada@hill.example bo@shore.example"},
        {"ada@hill.example (Ada (the one), yes)", "ada@hill.example"},
        {"Friends: ada@hill.example, Bo <bo@shore.example>;, cy@x.example",
         "ada@hill.example bo@shore.example cy@x.example"},
        {"undisclosed-recipients:;", ""},
        {"<@relay.example,@b.example:ada@hill.example>", "ada@hill.example"},
        {"root", "root"},
        {"\"a b\"@hill.example", "\"a b\"@hill.example"},
        {"\"x <y>\" <\"a,b\"@hill.example>", "\"a,b\"@hill.example"},
        {"ada@[IPv6:2001:db8::1], bo@[192.0.2.1]", "ada@[IPv6:2001:db8::1] bo@[192.0.2.1]"},
        {",,ada@hill.example,,", "ada@hill.example"},
        {"ada @ hill . example", "ada@hill.example"},
        {"M\xc3\xbcller <m\xc3\xbc@hill.example>", "m\xc3\xbc@hill.example"},
        {"<>", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct err e = {0};
        struct buf got = BUF_INIT(1000);
        view rest = view_of(rows[i].text), address;
        arena_init(&a, 1 << 16);
        while (mailboxes_next(&rest, &a, &address, &e))
            buf_printf(&got, "%s%.*s", got.len > 0 ? " " : "", VIEW_ARG(address));
        check(rest.len == 0 && view_eq(buf_view(&got), view_of(rows[i].want)), "%s: \"%.*s\" %s",
              rows[i].text, VIEW_ARG(buf_view(&got)), e.text);
        buf_done(&got);
        arena_done(&a);
    }
}

static void test_mailboxes__what_is_none(void **state) {
    static const char *const rows[] = {"\"open <ada@hill.example>", "(open ada@hill.example",
                                       "<ada@hill.example", "a <b <c@hill.example>>", "ada@hill.example>"};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct err e = {0};
        view rest = view_of(rows[i]), address;
        arena_init(&a, 1 << 16);
        check(!mailboxes_next(&rest, &a, &address, &e) && rest.len > 0 && e.code == ERR_SYNTAX_ADDRESS, "%s",
              rows[i]);
        arena_done(&a);
    }
}

static void test_format__is_one_mailbox_whatever_the_name(void **state) {
    static const struct {
        const char *name, *want;
    } rows[] = {
        {"", "ada@hill.example"},
        {"Ada", "\"Ada\" <ada@hill.example>"},
        {"Ada \"the\\one\"", "\"Ada \\\"the\\\\one\\\"\" <ada@hill.example>"},
        {"x\r\nBcc: eve@x", "\"x??Bcc: eve@x\" <ada@hill.example>"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = BUF_INIT(1000);
        mailbox_format(view_of(rows[i].name), VIEW("ada@hill.example"), &out);
        assert_view(buf_view(&out), rows[i].want);
        buf_done(&out);
    }
    struct buf out = BUF_INIT(1000);
    mailbox_format(VIEW("B\xC3\xA9"
                        "a"),
                   VIEW("ada@hill.example"), &out);
    assert_true(view_starts_with(buf_view(&out), VIEW("=?utf-8?")));
    assert_true(view_ends_with(buf_view(&out), VIEW("?= <ada@hill.example>")));
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format__is_one_mailbox_whatever_the_name),
        cmocka_unit_test(test_mailboxes__of_lists),
        cmocka_unit_test(test_mailboxes__what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
