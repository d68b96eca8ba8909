/* notice_test.c: the notification about a message that failed: an ordinary message for the queue, to its
 * sender. */
#include "testing/unit.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/limits.h"
#include "routing/notice.h"
#include "store/accept.h"

static void test_wanted__never_to_the_null_sender_and_not_for_list_copies(void **state) {
    (void)state;
    assert_true(notice_wanted(VIEW("author@there.example"), 0));
    assert_false(notice_wanted(VIEW(""), 0));
    assert_false(notice_wanted(VIEW_NULL, 0));
    assert_false(notice_wanted(VIEW("author@there.example"), 7));
    assert_false(notice_wanted(VIEW(""), 7));
}

static const struct dsn_recipient failed = {.address = {"nobody@here.example", 19},
                                            .action = DSN_FAILED,
                                            .status = {"5.1.1", 5},
                                            .remote_host = {"mx.here.example", 15},
                                            .diagnostic = {"550 5.1.1 no such user", 22},
                                            .diagnostic_smtp = true};

static struct notice a_notice(view body) {
    return (struct notice){.hostname = VIEW("mail.here.example"),
                           .message = id_new(),
                           .sender = VIEW("author@there.example"),
                           .fields = VIEW("Received: from there\r\n"),
                           .body = body,
                           .recipients = &failed,
                           .recipient_count = 1};
}

/* The notice as ACCEPT will read it. */
struct made {
    struct buf args;
    int64_t id;
    view sender, message_id, sha256, fields, origin, envid, body, recipient;
    int64_t size, flags;
};

static void make(const struct notice *n, struct made *m) {
    struct err e = {0};
    m->args = BUF_INIT(LIMIT_STORE_PACKET);
    check(notice_args(n, clock_now_ms(), &m->args, &e), "%s", e.text);
    struct vals v = vals_of(buf_view(&m->args));
    m->id = vals_get_int(&v);
    m->sender = vals_get_view(&v);
    m->message_id = vals_get_view(&v);
    m->size = vals_get_int(&v);
    m->sha256 = vals_get_view(&v);
    m->fields = vals_get_view(&v);
    m->origin = vals_get_view(&v);
    m->flags = vals_get_int(&v);
    m->envid = vals_get_view(&v);
    m->body = vals_get_view(&v);
    assert_int_equal(vals_get_count(&v), 1);
    m->recipient = vals_get_view(&v);
    assert_int_equal(vals_get_int(&v), NOTIFY_DEFAULT);
    vals_get_view(&v);
    assert_false(v.failed || vals_more(&v));
}

static bool has(const struct made *m, const char *text) {
    return view_search(m->body, view_of(text)) >= 0;
}

static void test_args__are_a_message_for_the_queue(void **state) {
    (void)state;
    struct notice n =
        a_notice(VIEW("Subject: hello\r\nMessage-ID: <1@there.example>\r\n\r\nthe secret body\r\n"));
    struct made m;
    make(&n, &m);
    char want[100];
    snprintf(want, sizeof want, "dsn.%s@mail.here.example", id_format(m.id).s);
    assert_view(m.message_id, want);
    snprintf(want, sizeof want, "notice-about=%s", id_format(n.message).s);
    assert_view(m.origin, want);
    assert_true(m.id > n.message);
    assert_view(m.sender, ""); /* RFC 5321 6.1: a notice is never answered by a notice */
    assert_view(m.recipient, "author@there.example");
    assert_view(m.fields, "");
    assert_int_equal(m.flags, MESSAGE_NOTICE);
    assert_int_equal(m.size, m.body.len);
    unsigned char sha256[32];
    EVP_Digest(m.body.ptr, m.body.len, sha256, NULL, EVP_sha256(), NULL);
    assert_true(view_eq(m.sha256, view_from(sha256, 32)));
    buf_done(&m.args);
}

static void test_args__tell_who_failed_and_why_and_show_the_header(void **state) {
    (void)state;
    struct notice n =
        a_notice(VIEW("Subject: hello\r\nMessage-ID: <1@there.example>\r\n\r\nthe secret body\r\n"));
    struct made m;
    make(&n, &m);
    static const char *const texts[] = {"Final-Recipient: rfc822; nobody@here.example",
                                        "Action: failed",
                                        "Status: 5.1.1",
                                        "550 5.1.1 no such user",
                                        "Subject: hello",
                                        "Received: from there",
                                        "Message-ID: <1@there.example>",
                                        "To: <author@there.example>",
                                        "Auto-Submitted: auto-replied"};
    for (size_t i = 0; i < COUNT(texts); i++)
        check(has(&m, texts[i]), "\"%s\" is missing in\n%.*s", texts[i], VIEW_ARG(m.body));
    check(has(&m, id_format(n.message).s), "the queue id");
    check(!has(&m, "the secret body"), "a stranger's body is not sent back");
    buf_done(&m.args);
}

/* SMTPUTF8 is asked for only where the notice itself needs it: for its recipient. */
static void test_args__flags(void **state) {
    (void)state;
    struct notice n = a_notice(VIEW("Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n"));
    struct made m;
    make(&n, &m);
    assert_int_equal(m.flags, MESSAGE_NOTICE);
    buf_done(&m.args);
    n.sender = VIEW("\xc3\xa9@there.example");
    make(&n, &m);
    assert_int_equal(m.flags, MESSAGE_NOTICE | MESSAGE_UTF8);
    assert_view(m.recipient, "\xc3\xa9@there.example");
    buf_done(&m.args);
}

static void test_args__two_notices_differ(void **state) {
    (void)state;
    struct notice n = a_notice(VIEW("Subject: x\r\n\r\n"));
    struct made one, two;
    make(&n, &one);
    make(&n, &two);
    assert_true(one.id != two.id);
    assert_false(view_eq(one.message_id, two.message_id));
    buf_done(&one.args);
    buf_done(&two.args);
}

/* A header without end, empty bodies, endless lines: always a notice, never a large one. */
static void test_args__odd_messages(void **state) {
    (void)state;
    struct buf large = BUF_INIT(4 << 20), endless = BUF_INIT(4 << 20), plain = BUF_INIT(4 << 20);
    for (int i = 0; i < 20000; i++) {
        buf_printf(&large, "X-Field-%d: some value that takes room\r\n", i);
        buf_add_str(&endless, "\x80\x81 no line end anywhere, and no ASCII \xff");
    }
    buf_add_str(&plain, "Subject: small\r\n\r\n");
    buf_add(&plain, buf_view(&endless));
    const view bodies[] = {VIEW(""),
                           VIEW("\r\n\r\n"),
                           VIEW("no header at all"),
                           VIEW("A: b\nC: d\n\nbare line feeds\n"),
                           VIEW("\0\r\n\r\n\0"),
                           buf_view(&large),
                           buf_view(&endless),
                           buf_view(&plain)};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct notice n = a_notice(bodies[i]);
        struct made m;
        make(&n, &m);
        check(m.body.len < LIMIT_BODY_CHUNK, "row %zu: %zu octets", i, m.body.len);
        check(has(&m, "nobody@here.example"), "row %zu", i);
        buf_done(&m.args);
    }
    struct notice n = a_notice(VIEW("Subject: x\r\n\r\n"));
    n.fields = buf_view(&large); /* our own fields alone are too many */
    struct made m;
    make(&n, &m);
    check(m.body.len < LIMIT_BODY_CHUNK, "%zu octets", m.body.len);
    buf_done(&m.args);
    buf_done(&large);
    buf_done(&endless);
    buf_done(&plain);
}

/* Every recipient of the largest transaction fails; `reply` octets are said about each. */
static int mentions; /* recipients that the last large notice names */

static bool make_large(int recipients, size_t reply, struct err *e) {
    struct dsn_recipient *all = calloc((size_t)recipients, sizeof *all);
    char(*names)[64] = calloc((size_t)recipients, sizeof *names);
    char text[LIMIT_EVENT_TEXT];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < recipients; i++) {
        snprintf(names[i], sizeof names[i], "a-recipient-%d@some-domain.example", i);
        all[i] = failed;
        all[i].address = view_of(names[i]);
        all[i].diagnostic = view_from(text, reply);
    }
    struct notice n = a_notice(VIEW("Subject: x\r\n\r\n"));
    n.recipients = all;
    n.recipient_count = (size_t)recipients;
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET - 64);
    bool ok = notice_args(&n, clock_now_ms(), &args, e);
    check(!args.failed, "what was written fits");
    check(ok == (args.len > 0), "nothing is written when it fails");
    mentions = 0;
    static const char field[] = "Final-Recipient:";
    for (view rest = buf_view(&args);; mentions++) {
        ptrdiff_t at = view_search(rest, view_of(field));
        if (at < 0)
            break;
        rest = view_skip(rest, (size_t)at + 1);
    }
    buf_done(&args);
    free(all);
    free(names);
    return ok;
}

static void test_args__very_many_recipients(void **state) {
    (void)state;
    struct err e = {0};
    check(make_large(LIMIT_JOB_ROWS, LIMIT_EVENT_TEXT, &e), "what deliver returns at once: %s", e.text);
    assert_int_equal(mentions, LIMIT_JOB_ROWS);
    for (int n = 200; n <= 1100; n += 300) {
        check(make_large(n, LIMIT_EVENT_TEXT, &e), "what the router returns at once: %s", e.text);
        check(mentions == n, "%d of %d recipients are named", mentions, n);
    }
    check(make_large(5000, LIMIT_EVENT_TEXT, &e), "more than there can be: %s", e.text);
    check(mentions > 500, "%d recipients are named", mentions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted__never_to_the_null_sender_and_not_for_list_copies),
        cmocka_unit_test(test_args__are_a_message_for_the_queue),
        cmocka_unit_test(test_args__tell_who_failed_and_why_and_show_the_header),
        cmocka_unit_test(test_args__flags),
        cmocka_unit_test(test_args__two_notices_differ),
        cmocka_unit_test(test_args__odd_messages),
        cmocka_unit_test(test_args__very_many_recipients),
    };
    return cmocka_run_group_tests_name("routing/notice", tests, NULL, NULL);
}
