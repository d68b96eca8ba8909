/* dsn_test.c: notifications are what RFC 3464, 6522 and 6533 say, give the message back octet for octet, and
 * stay 7-bit whatever is put in. */
#include "testing/unit.h"

#include "mail/dsn_text.h"
#include "testing/corpus.h"
#include "testing/dsn_check.h"

static const struct dsn_recipient failed = {
    .address = {"user@example.org", 16},
    .action = DSN_FAILED,
    .status = {"5.1.1", 5},
    .remote_host = {"mx.example.org", 14},
    .diagnostic = {"550 5.1.1 no such user", 22},
    .diagnostic_smtp = true,
};

static struct dsn with(const struct dsn_recipient *recipients, size_t count) {
    return (struct dsn){
        .reporting_host = VIEW("mx.example.com"),
        .queue_id = VIEW("0C5W000000001"),
        .message_id = VIEW("dsn-1@mx.example.com"),
        .to = VIEW("sender@example.net"),
        .arrival_ms = 1795496767000,
        .now_ms = 1795500000000,
        .recipients = recipients,
        .recipient_count = count,
        .original =
            VIEW("From: sender@example.net\r\nMessage-ID: <orig@example.net>\r\nSubject: x\r\n\r\nbody\r\n"),
        .whole = true,
    };
}

static void test_dsn__plain_failure(void **state) {
    (void)state;
    struct dsn d = with(&failed, 1);
    struct buf out = BUF_INIT(DSN_CHECK_BYTES);
    struct dsn_parts p;
    dsn_check(&d, &out, &p);
    assert_view(dsn_check_value(&p, &p.top, "From"), "Mail Delivery System <MAILER-DAEMON@mx.example.com>");
    assert_view(dsn_check_value(&p, &p.top, "To"), "<sender@example.net>");
    assert_view(dsn_check_value(&p, &p.top, "Date"), "Tue, 24 Nov 2026 06:00:00 +0000");
    assert_view(dsn_check_value(&p, &p.top, "Message-ID"), "<dsn-1@mx.example.com>");
    assert_view(dsn_check_value(&p, &p.top, "In-Reply-To"), "<orig@example.net>");
    assert_view(dsn_check_value(&p, &p.top, "References"), "<orig@example.net>");
    assert_view(dsn_check_value(&p, &p.fields[1], "Content-Type"), "message/delivery-status");
    assert_view(dsn_check_value(&p, &p.fields[2], "Content-Type"), "message/rfc822");
    assert_view(buf_view(&p.contents[1]), "Reporting-MTA: dns; mx.example.com\r\n"
                                          "X-Postroad-Queue-ID: 0C5W000000001\r\n"
                                          "Arrival-Date: Tue, 24 Nov 2026 05:06:07 +0000\r\n"
                                          "\r\n"
                                          "Final-Recipient: rfc822; user@example.org\r\n"
                                          "Action: failed\r\n"
                                          "Status: 5.1.1\r\n"
                                          "Remote-MTA: dns; mx.example.org\r\n"
                                          "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n");
    static const char *const told[] = {
        "user@example.org",       "there is no such address",  "(5.1.1)",
        "550 5.1.1 no such user", "postmaster@mx.example.com", "0C5W000000001"};
    for (size_t i = 0; i < COUNT(told); i++)
        check(view_search(buf_view(&p.contents[0]), view_of(told[i])) >= 0, "people are not told \"%s\"",
              told[i]);
    dsn_check_done(&p);
    buf_done(&out);
}

static void test_dsn__recipients_of_every_kind(void **state) {
    (void)state;
    static const struct dsn_recipient rows[] = {
        {.address = {"a@example.org", 13}, .action = DSN_EXPANDED},
        {.address = {"b@example.org", 13}, .action = DSN_RELAYED, .status = {"2.1.9", 5}},
        {.address = {"c@example.org", 13}, .action = DSN_DELIVERED},
        {.address = {"d@example.org", 13},
         .action = DSN_DELAYED,
         .status = {"4.4.1", 5},
         .will_retry_until_ms = 1795600000000,
         .diagnostic = {"no answer from host", 19}},
        {.address = {"e@example.org", 13},
         .action = DSN_FAILED,
         .original = {"rfc822;Bob+2Bx@example.org", 26}},
    };
    static const char *const subjects[] = {"Your message was passed on to a list",
                                           "Your message was passed on", "Your message was delivered",
                                           "Your message is delayed", "Your message could not be delivered"};
    for (size_t n = 1; n <= COUNT(rows); n++) { /* worst last: each changes the subject */
        struct dsn d = with(rows, n);
        struct buf out = BUF_INIT(DSN_CHECK_BYTES);
        struct dsn_parts p;
        dsn_check(&d, &out, &p);
        assert_view(dsn_check_value(&p, &p.top, "Subject"), subjects[n - 1]);
        view status = buf_view(&p.contents[1]);
        check((view_search(status, VIEW("Original-Recipient: rfc822; Bob+x@example.org\r\n")) > 0) ==
                  (n == 5),
              "ORCPT is xtext");
        check((view_search(status, VIEW("Will-Retry-Until: Wed, 25 Nov 2026 ")) > 0) == (n >= 4), "retry");
        check((view_search(status, VIEW("Diagnostic-Code: x-postroad; no answer")) > 0) == (n >= 4),
              "reason");
        dsn_check_done(&p);
        buf_done(&out);
    }
}

/* What comes back is what was sent, by the way that fits. */
static void test_dsn__returns_the_message_exactly(void **state) {
    (void)state;
    char long_line[3000];
    memset(long_line, 'a', sizeof long_line);
    memcpy(long_line, "A: 1\r\n\r\n", 8);
    const struct {
        view original;
        const char *whole, *header; /* types of the returned part */
    } rows[] = {
        {OCTETS("A: 1\r\n\r\nbody\r\n"), "message/rfc822", "text/rfc822-headers"},
        {OCTETS("A: 1\r\n\r\nno end"), "message/rfc822", "text/rfc822-headers"},
        {OCTETS("A: 1\r\n"), "message/rfc822", "text/rfc822-headers"},
        {OCTETS(""), "message/rfc822", "text/rfc822-headers"},
        {OCTETS("A: 1\n\nbody\n"), "message/global", "text/rfc822-headers"},
        {OCTETS("A: 1\r\n\r\nbare\rCR\r\n"), "message/global", "text/rfc822-headers"},
        {OCTETS("A: 1\r\n\r\nNUL \0 \r\n"), "message/global", "text/rfc822-headers"},
        {OCTETS("A: 1\r\n\r\n\xc3\xa4 \r\n"), "message/global", "text/rfc822-headers"},
        {OCTETS("A: \xc3\xa4\r\n\r\nx"), "message/global", "message/global-headers"},
        {OCTETS("A: \xff\r\n\r\nx"), "message/global", "text/rfc822-headers"},
        {OCTETS("no header"), "message/rfc822", "text/rfc822-headers"},
        {{long_line, sizeof long_line}, "message/global", "text/rfc822-headers"},
    };
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        struct dsn d = with(&failed, 1);
        struct buf out = BUF_INIT(DSN_CHECK_BYTES);
        struct dsn_parts p;
        d.original = rows[i / 2].original;
        d.whole = i % 2 == 0;
        dsn_check(&d, &out, &p);
        assert_view(dsn_check_value(&p, &p.fields[2], "Content-Type"),
                    d.whole ? rows[i / 2].whole : rows[i / 2].header);
        dsn_check_done(&p);
        buf_done(&out);
    }
}

static void test_dsn__utf8_addresses(void **state) {
    (void)state;
    struct dsn_recipient r = failed;
    r.address = VIEW("\xc3\xa4@example.org");
    r.diagnostic = VIEW("550 gr\xc3\xbc\xc3\x9f"
                        "e");
    struct dsn d = with(&r, 1);
    struct buf out = BUF_INIT(DSN_CHECK_BYTES);
    struct dsn_parts p;
    dsn_check(&d, &out, &p);
    assert_view(dsn_check_value(&p, &p.fields[1], "Content-Type"), "message/global-delivery-status");
    assert_true(
        view_search(buf_view(&p.contents[1]), VIEW("Final-Recipient: utf-8; \xc3\xa4@example.org\r\n")) > 0);
    assert_true(view_search(buf_view(&p.contents[1]), VIEW("smtp; 550 gr\xc3\xbc\xc3\x9f"
                                                           "e\r\n")) > 0);
    dsn_check_done(&p);
    buf_reset(&out);
    r.address = VIEW("user@example.org"); /* an ASCII recipient's group stays what every program reads */
    dsn_check(&d, &out, &p);
    assert_view(dsn_check_value(&p, &p.fields[1], "Content-Type"), "message/delivery-status");
    dsn_check_done(&p);
    buf_reset(&out);
    d.to = VIEW("\xc3\xb6@example.net");
    dsn_check(&d, &out, &p);
    assert_view(dsn_check_value(&p, &p.top, "To"), "<\xc3\xb6@example.net>");
    dsn_check_done(&p);
    buf_done(&out);
}

/* Every text that comes from outside, one after the other, is made of what could break the notification. */
static void test_dsn__odd_texts_break_nothing(void **state) {
    (void)state;
    static char large[100000];
    memset(large, 'x', sizeof large);
    const view odd[] = {OCTETS(""),
                        OCTETS("a\r\nInjected: 1\r\n\r\nbody"),
                        OCTETS("a\nb\rc"),
                        OCTETS("a\0b"),
                        OCTETS("\xff\xfe\x80"),
                        OCTETS("\xc3\xa4\xe2\x82\xac"),
                        OCTETS("\xc2\x85"),
                        OCTETS(";;;"),
                        OCTETS(" ; x"),
                        OCTETS("a b;c"),
                        OCTETS("\xc3\xa4;x"),
                        OCTETS("<>"),
                        OCTETS("--=_postroad_"),
                        OCTETS("rfc822;a+0D+0Ab"),
                        OCTETS("rfc822;+"),
                        OCTETS("   "),
                        {large, sizeof large}};
    for (size_t i = 0; i < COUNT(odd) * 10; i++) {
        view v = odd[i / 10];
        struct dsn_recipient r = failed;
        struct dsn d = with(&r, 1);
        view *places[] = {&r.address,        &r.original, &r.status,     &r.remote_host, &r.diagnostic,
                          &d.reporting_host, &d.queue_id, &d.message_id, &d.to,          &d.original};
        *places[i % 10] = v;
        struct buf out = BUF_INIT(DSN_CHECK_BYTES);
        struct dsn_parts p;
        dsn_check(&d, &out, &p);
        check(view_search(p.top.section, VIEW("\nInjected:")) < 0, "text %zu at place %zu", i / 10, i % 10);
        check(view_search(buf_view(&p.contents[1]), VIEW("\nInjected:")) < 0, "text %zu at place %zu", i / 10,
              i % 10);
        dsn_check_done(&p);
        buf_done(&out);
    }
}

static void test_dsn__null_sender(void **state) {
    (void)state;
    struct dsn d = with(&failed, 1);
    struct buf out = BUF_INIT(DSN_CHECK_BYTES);
    struct dsn_parts p;
    d.to = VIEW_NULL;
    d.arrival_ms = 0;
    d.queue_id = VIEW_NULL;
    dsn_check(&d, &out, &p);
    assert_view(dsn_check_value(&p, &p.top, "To"), "undisclosed-recipients:;");
    dsn_check_done(&p);
    buf_done(&out);
}

/* A message that holds the boundary its notification would get. */
static void test_dsn__boundary_is_in_no_part(void **state) {
    (void)state;
    struct dsn d = with(&failed, 1);
    struct buf original = BUF_INIT(10000);
    buf_add_str(&original, "A: 1\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        struct buf out = BUF_INIT(DSN_CHECK_BYTES);
        struct dsn_parts p;
        d.original = buf_view(&original);
        dsn_check(&d, &out, &p);
        view boundary = dsn_check_boundary(&p);
        assert_true(view_search(d.original, boundary) < 0);
        buf_printf(&original, "--%.*s\r\n", VIEW_ARG(boundary));
        dsn_check_done(&p);
        buf_done(&out);
    }
    buf_done(&original);
}

static void test_dsn__limit_of_the_result(void **state) {
    (void)state;
    struct dsn d = with(&failed, 1);
    struct buf out = BUF_INIT(500);
    dsn_format(&d, &out);
    assert_true(out.failed);
    buf_done(&out);
}

static void test_dsn__status_of_reply(void **state) {
    (void)state;
    static const struct {
        int code;
        const char *text, *status;
    } rows[] = {
        {550, "5.1.1 no", "5.1.1"},
        {550, "5.1.1", "5.1.1"},
        {550, "5.123.456 x", "5.123.456"},
        {450, "4.7.1\nmore", "4.7.1"},
        {250, "2.1.5 ok", "2.1.5"},
        {550, "4.1.1 not its class", "5.0.0"},
        {550, "5.1 x", "5.0.0"},
        {550, "5.1.1.1 x", "5.0.0"},
        {550, "5.1234.1 x", "5.0.0"},
        {550, "5.1.1234 x", "5.0.0"},
        {550, "5..1 x", "5.0.0"},
        {550, "5.1.1x", "5.0.0"},
        {550, " 5.1.1 x", "5.0.0"},
        {550, "55.1.1 x", "5.0.0"},
        {550, "", "5.0.0"},
        {250, "", "2.0.0"},
        {354, "", "2.0.0"},
        {400, "", "4.0.0"},
        {421, "", "4.3.2"},
        {450, "", "4.2.0"},
        {452, "", "4.3.1"},
        {552, "too large", "5.2.2"},
        {553, "", "5.1.3"},
        {556, "", "5.1.10"},
        {354, "3.1.1 x", "2.0.0"},
        {0, "", "4.0.0"},
        {999, "9.1.1 x", "4.0.0"},
        {-1, "", "4.0.0"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct dsn_status got = dsn_status_of_reply(rows[i].code, view_of(rows[i].text));
        check(strcmp(got.s, rows[i].status) == 0, "%d \"%s\" gives %s", rows[i].code, rows[i].text, got.s);
    }
    for (int code = 0; code < 1000; code++)
        check(dsn_check_is_status(view_of(dsn_status_of_reply(code, VIEW_NULL).s)), "%d", code);
}

static void test_dsn__reasons_are_in_words(void **state) {
    (void)state;
    assert_string_equal(dsn_text_reason(VIEW("5.1.1")), "there is no such address at that mail server");
    assert_string_equal(dsn_text_reason(VIEW("4.2.2")), "the mailbox is full");
    assert_string_equal(dsn_text_reason(VIEW("4.9.9")),
                        "the mail server cannot accept the message at the moment");
    assert_string_equal(dsn_text_reason(VIEW("5.9.9")), "the mail server refused the message");
    assert_non_null(dsn_text_reason(VIEW_NULL));
}

static void return_message(const char *name, view message, void *context) {
    (void)name;
    size_t *count = context;
    if (++*count % 5 != 0) /* a fifth is enough */
        return;
    struct dsn d = with(&failed, 1);
    struct buf out = BUF_INIT(DSN_CHECK_BYTES);
    struct dsn_parts p;
    d.original = message;
    d.whole = *count % 2 == 0;
    dsn_check(&d, &out, &p);
    dsn_check_done(&p);
    buf_done(&out);
}

static void test_dsn__public_mail_is_returned_exactly(void **state) {
    (void)state;
    size_t count = 0;
    if (corpus_each("", return_message, &count) == 0)
        skip();
    assert_true(count > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dsn__plain_failure),
        cmocka_unit_test(test_dsn__recipients_of_every_kind),
        cmocka_unit_test(test_dsn__returns_the_message_exactly),
        cmocka_unit_test(test_dsn__utf8_addresses),
        cmocka_unit_test(test_dsn__odd_texts_break_nothing),
        cmocka_unit_test(test_dsn__null_sender),
        cmocka_unit_test(test_dsn__boundary_is_in_no_part),
        cmocka_unit_test(test_dsn__limit_of_the_result),
        cmocka_unit_test(test_dsn__status_of_reply),
        cmocka_unit_test(test_dsn__reasons_are_in_words),
        cmocka_unit_test(test_dsn__public_mail_is_returned_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
