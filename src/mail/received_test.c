/* received_test.c: the trace field follows RFC 5321 4.4, and nothing a client says can forge its rest. */
#include "testing/unit.h"

#include "base/limits.h"
#include "mail/received.h"

static const struct received plain = {
    .helo = {"client.example", 14},
    .peer = {"192.0.2.1", 9},
    .by = {"mx.example.org", 14},
    .esmtp = true,
    .id = {"0C5W000000001", 13},
    .rcpt = {"user@example.org", 16},
    .at_ms = 1795496767123,
};

static void test_received__whole_fields(void **state) {
    (void)state;
    struct received tls = plain, local = plain, submission = plain;
    tls.tls = true;
    tls.tls_version = VIEW("TLS1.3");
    tls.tls_cipher = VIEW("TLS_AES_256_GCM_SHA384");
    tls.rcpt = VIEW_NULL;
    local.helo = local.peer = local.rcpt = VIEW_NULL;
    submission = tls;
    submission.auth = true;
    submission.helo = VIEW_NULL;
    submission.peer = VIEW("IPv6:2001:db8::1");
    const struct {
        struct received r;
        const char *field;
    } rows[] = {
        {plain,
         "Received: from client.example ([192.0.2.1])\r\n\tby mx.example.org with ESMTP id 0C5W000000001"
         "\r\n\tfor <user@example.org>;\r\n\tTue, 24 Nov 2026 05:06:07 +0000\r\n"},
        {tls, "Received: from client.example ([192.0.2.1])\r\n\tby mx.example.org with ESMTPS (TLS1.3 "
              "TLS_AES_256_GCM_SHA384) id 0C5W000000001;\r\n\tTue, 24 Nov 2026 05:06:07 +0000\r\n"},
        {local,
         "Received: by mx.example.org with ESMTP id 0C5W000000001;\r\n\tTue, 24 Nov 2026 05:06:07 +0000\r\n"},
        {submission,
         "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby mx.example.org with ESMTPSA "
         "(TLS1.3 TLS_AES_256_GCM_SHA384) id 0C5W000000001\r\n\ttls TLS_AES_256_GCM_SHA384;\r\n\t"
         "Tue, 24 Nov 2026 05:06:07 +0000\r\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(10000);
        received_format(&rows[i].r, &out);
        assert_view(buf_view(&out), rows[i].field);
        buf_done(&out);
    }
}

/* The registry of "Mail Transmission Types" (RFC 3848, RFC 6531 4.3), row by row. */
static void test_received__protocol_names(void **state) {
    (void)state;
    static const struct {
        bool esmtp, tls, auth, utf8, lmtp;
        const char *name;
    } rows[] = {
        {0, 0, 0, 0, 0, "SMTP"},       {1, 0, 0, 0, 0, "ESMTP"},
        {1, 0, 1, 0, 0, "ESMTPA"},     {1, 1, 0, 0, 0, "ESMTPS"},
        {1, 1, 1, 0, 0, "ESMTPSA"},    {1, 0, 0, 0, 1, "LMTP"},
        {1, 0, 1, 0, 1, "LMTPA"},      {1, 1, 0, 0, 1, "LMTPS"},
        {1, 1, 1, 0, 1, "LMTPSA"},     {1, 0, 0, 1, 0, "UTF8SMTP"},
        {1, 0, 1, 1, 0, "UTF8SMTPA"},  {1, 1, 0, 1, 0, "UTF8SMTPS"},
        {1, 1, 1, 1, 0, "UTF8SMTPSA"}, {1, 0, 0, 1, 1, "UTF8LMTP"},
        {1, 0, 1, 1, 1, "UTF8LMTPA"},  {1, 1, 0, 1, 1, "UTF8LMTPS"},
        {1, 1, 1, 1, 1, "UTF8LMTPSA"}, {0, 1, 0, 0, 0, "ESMTPS"}, /* TLS needs EHLO */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct received r = plain;
        struct buf out = BUF_INIT(10000), with = BUF_INIT(100);
        r.esmtp = rows[i].esmtp;
        r.tls = rows[i].tls;
        r.auth = rows[i].auth;
        r.utf8 = rows[i].utf8;
        r.lmtp = rows[i].lmtp;
        received_format(&r, &out);
        buf_printf(&with, " with %s id ", rows[i].name);
        check(view_search(buf_view(&out), buf_view(&with)) > 0, "%s: %s", rows[i].name, out.data);
        buf_done(&out);
        buf_done(&with);
    }
}

/* Exactly one field, with one ';' before the date, lines that RFC 5322 allows, 7-bit unless it may be more.
 */
static void assert_one_safe_field(const struct received *r, const char *what) {
    struct buf out = BUF_INIT(10000), message = BUF_INIT(10000);
    struct arena a;
    struct header h;
    received_format(r, &out);
    buf_add(&message, buf_view(&out));
    buf_add_str(&message, "X-Next: 1\r\n\r\nbody");
    arena_init(&a, 10000);
    header_parse(buf_view(&message), &a, &h);
    check(h.count == 2 && view_eq(h.fields[0].raw, buf_view(&out)), "%s: %s", what, out.data);
    assert_int_equal(received_hops(&h), 1);
    view rest = buf_view(&out), line;
    while (view_split(&rest, '\n', &line)) {
        check(view_ends_with(line, VIEW("\r")) && line.len <= 999, "%s: %.*s", what, VIEW_ARG(line));
        line.len--;
        check(view_find(line, '\r') < 0 && view_find(line, '\0') < 0, "%s", what);
        for (size_t i = 0; i < line.len; i++)
            check(line.ptr[i] == '\t' || (unsigned char)line.ptr[i] >= ' ', "%s: octet %d", what,
                  line.ptr[i]);
        check(r->utf8 || view_is_ascii(line), "%s: 8-bit", what);
    }
    check(view_find(buf_view(&out), ';') == view_rfind(buf_view(&out), ';'), "%s: %s", what, out.data);
    check(view_is_utf8(buf_view(&out)), "%s", what);
    arena_done(&a);
    buf_done(&out);
    buf_done(&message);
}

static void test_received__strangers_cannot_forge_it(void **state) {
    (void)state;
    static const view nasty[] = {
        {"a\r\nX-Forged: 1", 14},
        {"a; Tue, 1 Jan 2030 00:00:00 +0000 (", 35},
        {"a ([10.0.0.1]) by mx.example.org", 32},
        {"a\"b\\c<d>e,f", 11},
        {"a\0b", 3},
        {"\xff\xfe", 2},
        {"m\xc3\xbcnchen.example", 16},
        {"\xc2\x85\xc2\x9b", 4},
        {"", 0},
    };
    char large[3000];
    memset(large, 'a', sizeof large);
    large[LIMIT_DOMAIN - 1] = '\xc3'; /* a character that the length limit cuts */
    large[LIMIT_DOMAIN] = '\xa4';
    for (size_t i = 0; i <= COUNT(nasty); i++)
        for (int utf8 = 0; utf8 < 2; utf8++) {
            view v = i < COUNT(nasty) ? nasty[i] : view_from(large, sizeof large);
            struct received r = {.helo = v,
                                 .peer = v,
                                 .by = v,
                                 .esmtp = true,
                                 .tls = true,
                                 .auth = true,
                                 .utf8 = utf8,
                                 .tls_version = v,
                                 .tls_cipher = v,
                                 .id = v,
                                 .at_ms = plain.at_ms};
            assert_one_safe_field(&r, "all odd");
            r = plain;
            r.utf8 = utf8;
            r.helo = v;
            assert_one_safe_field(&r, "odd helo");
            r = plain;
            r.utf8 = utf8;
            r.rcpt = view_find(v, ';') < 0 ? v : plain.rcpt;
            assert_one_safe_field(&r, "odd recipient");
        }
}

static void test_received__hops(void **state) {
    (void)state;
    struct arena a;
    struct header h;
    arena_init(&a, 10000);
    header_parse(VIEW("received: a\r\nX-Received: b\r\nRECEIVED : c\r\n\r\nReceived: d\r\n"), &a, &h);
    assert_int_equal(received_hops(&h), 2);
    arena_done(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_received__whole_fields),
        cmocka_unit_test(test_received__protocol_names),
        cmocka_unit_test(test_received__strangers_cannot_forge_it),
        cmocka_unit_test(test_received__hops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
