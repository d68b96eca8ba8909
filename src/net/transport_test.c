/* transport_test.c: what is a transport and what is not. */
#include "testing/unit.h"

#include "net/transport.h"

static void test_parse__what_it_takes(void **state) {
    static const struct {
        const char *text;
        enum transport_kind kind;
        const char *host;
        int port;
        const char *path;
    } rows[] = {
        {"", TRANSPORT_DEFAULT, "", 0, ""},
        {"mx", TRANSPORT_MX, "", 0, ""},
        {"smtp:mail.example:25", TRANSPORT_SMTP, "mail.example", 25, ""},
        {"smtp:192.0.2.1:65535", TRANSPORT_SMTP, "192.0.2.1", 65535, ""},
        {"smtp:[2001:db8::1]:25", TRANSPORT_SMTP, "2001:db8::1", 25, ""},
        {"lmtp:localhost:24", TRANSPORT_LMTP, "localhost", 24, ""},
        {"lmtp:unix:/run/x/lmtp", TRANSPORT_LMTP, "", 0, "/run/x/lmtp"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct transport t;
        struct err e;
        check(transport_parse(view_of(rows[i].text), &t, &e), "%s: %s", rows[i].text, e.text);
        check(t.kind == rows[i].kind && t.port == rows[i].port, "%s: kind %d, port %d", rows[i].text,
              (int)t.kind, t.port);
        assert_view(t.host, rows[i].host);
        assert_view(t.path, rows[i].path);
    }
}

static void test_parse__what_it_refuses(void **state) {
    static const char *const rows[] = {"MX",
                                       "smtp",
                                       "smtp:",
                                       "smtp:host",
                                       "smtp:host:",
                                       "smtp:host:0",
                                       "smtp:host:65536",
                                       "smtp::25",
                                       "smtp:a b:25",
                                       "smtp:[x]:25",
                                       "smtp:[1.2.3.4]:25",
                                       "smtp:::1:25",
                                       "smtp:unix:/x",
                                       "lmtp:unix:x",
                                       "lmtp:unix:/",
                                       "lmtp:unix:/a b",
                                       "http:x:1",
                                       "smtp:-x:25",
                                       "smtp:host:+25",
                                       "default"};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct transport t = {.port = 99};
        struct err e = {0};
        check(!transport_parse(view_of(rows[i]), &t, &e), "%s is taken", rows[i]);
        check(e.code == ERR_USAGE && t.port == 99, "%s", rows[i]);
    }
    char path[300] = "lmtp:unix:/";
    memset(path + 11, 'x', 200);
    assert_false(transport_parse(view_of(path), &(struct transport){0}, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse__what_it_takes),
        cmocka_unit_test(test_parse__what_it_refuses),
    };
    return cmocka_run_group_tests_name("net/transport", tests, NULL, NULL);
}
