/* bounce_test.c: whom a message that came back did not reach, and whether that is the address's fault. */
#include "mail/bounce.h"

#include "base/buf.h"
#include "testing/corpus.h"
#include "testing/unit.h"

enum { ARENA_OCTETS = 4 << 20, GIVEN_OCTETS = 256 * 1024 };

static struct arena arena;
static struct bounce_report report;

static const struct bounce_report *read_view(view message) {
    arena_done(&arena);
    arena_init(&arena, ARENA_OCTETS);
    bounce_read(message, &arena, &report);
    return &report;
}

static const struct bounce_report *read_text(const char *message) {
    return read_view(view_of(message));
}

/* "kind address" for each, in the order of the report, with commas: "P a@example.org, T b@example.org". */
static view summary(const struct bounce_report *r) {
    struct buf out = BUF_INIT(16 * 1024);
    for (size_t i = 0; i < r->count; i++)
        buf_printf(&out, "%s%c %.*s", i ? ", " : "", "PTM"[r->bounces[i].kind],
                   VIEW_ARG(r->bounces[i].address));
    view text = arena_view(&arena, buf_view(&out));
    buf_done(&out);
    return text;
}

static void test_reply__speaks_of_address_hour_or_message(void **unused) {
    (void)unused;
    static const struct {
        int code;
        const char *enhanced, *text;
        enum bounce_kind want;
    } cases[] = {
        /* of the address */
        {550, "5.1.1", "no such user", BOUNCE_PERMANENT},
        {550, "5.1.1", "rejected by policy, see our spam page", BOUNCE_PERMANENT},
        {550, "5.1.2", "host not found", BOUNCE_PERMANENT},
        {550, "5.1.10", "null MX", BOUNCE_PERMANENT},
        {550, "5.2.1", "blocked for policy reasons", BOUNCE_PERMANENT},
        {550, "5.4.1", "Recipient address rejected: Access denied", BOUNCE_PERMANENT},
        {550, "5.4.4", "unable to route", BOUNCE_PERMANENT},
        {550, "5.7.17", "mailbox owner has changed", BOUNCE_PERMANENT},
        {550, "5.7.1", "Relaying denied", BOUNCE_PERMANENT},
        {550, "5.7.1", "<a@example.org>: Recipient address rejected: User unknown", BOUNCE_PERMANENT},
        {550, "", "Requested action not taken: mailbox unavailable", BOUNCE_PERMANENT},
        {550, "", "user unknown; policy of spam.example.org", BOUNCE_PERMANENT},
        {550, "", "host spam.example.org said: nobody here", BOUNCE_PERMANENT},
        {550, "", "nobody of that name, ask policy@example.org", BOUNCE_PERMANENT},
        {550, "5.5.0", "mailbox unavailable", BOUNCE_PERMANENT},
        {0, "", "", BOUNCE_PERMANENT},
        /* of the hour */
        {450, "", "greylisted", BOUNCE_TEMPORARY},
        {421, "4.7.26", "DMARC", BOUNCE_TEMPORARY},
        {450, "5.1.1", "no such user", BOUNCE_TEMPORARY},
        {554, "4.4.7", "message expired", BOUNCE_TEMPORARY},
        {552, "", "no", BOUNCE_TEMPORARY},
        {552, "5.2.2", "over quota", BOUNCE_TEMPORARY},
        {550, "5.2.2", "mailbox full", BOUNCE_TEMPORARY},
        {550, "", "Quota exceeded (mailbox for user is full)", BOUNCE_TEMPORARY},
        {0, "", "connection timed out", BOUNCE_TEMPORARY},
        {550, "5.4.5", "Daily sending quota exceeded", BOUNCE_TEMPORARY},
        /* of the message */
        {550, "5.7.26", "Unauthenticated email is not accepted due to the domain's DMARC policy",
         BOUNCE_OF_MESSAGE},
        {550, "5.7.509", "Access denied, sending domain does not pass DMARC verification", BOUNCE_OF_MESSAGE},
        {554, "5.7.9", "Message not accepted for policy reasons", BOUNCE_OF_MESSAGE},
        {550, "5.7.1", "anything", BOUNCE_OF_MESSAGE},
        {552, "5.7.0", "blocked because its content presents a potential security issue", BOUNCE_OF_MESSAGE},
        {550, "5.6.0", "no", BOUNCE_OF_MESSAGE},
        {552, "5.3.4", "message size exceeds the limit", BOUNCE_OF_MESSAGE},
        {550, "5.2.3", "message too long", BOUNCE_OF_MESSAGE},
        {550, "5.1.8", "sender's domain not found", BOUNCE_OF_MESSAGE},
        {550, "5.1.0", "<l@example.org>\r\n sender\r\n rejected", BOUNCE_OF_MESSAGE},
        {552, "", "Message size exceeds fixed limit", BOUNCE_OF_MESSAGE},
        {554, "", "SPF check failed", BOUNCE_OF_MESSAGE},
        {550, "", "This message looks like SPAM.", BOUNCE_OF_MESSAGE},
        {554, "5.0.0", "listed at zen.spamhaus.org", BOUNCE_OF_MESSAGE},
        {550, "", "Administrative prohibition", BOUNCE_OF_MESSAGE},
        {554, "", "virus found", BOUNCE_OF_MESSAGE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum bounce_kind kind =
            bounce_of_reply(cases[i].code, view_of(cases[i].enhanced), view_of(cases[i].text));
        check(kind == cases[i].want, "row %zu: %d %s %s: kind %d", i, cases[i].code, cases[i].enhanced,
              cases[i].text, kind);
    }
}

#define REPORT_HEAD                                                                                          \
    "From: MAILER-DAEMON@example.net\r\nContent-Type: multipart/report; report-type=delivery-status; "       \
    "boundary=b\r\n\r\n--b\r\n\r\nIt did not go.\r\n\r\n--b\r\nContent-Type: "                               \
    "message/delivery-status\r\n\r\n"
#define RETURNED                                                                                             \
    "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@example.org\r\n"                                 \
    "Message-ID: <post@example.org>\r\n\r\nHello\r\n--b--\r\n"
#define GROUP(address, action, status)                                                                       \
    "\r\nFinal-Recipient: rfc822; " address "\r\nAction: " action "\r\nStatus: " status "\r\n"

static void test_status__fields(void **unused) {
    (void)unused;
    static const struct {
        const char *fields, *want, *status, *reason;
    } cases[] = {
        {"Reporting-MTA: dns; mx\r\n" GROUP("a@example.org", "failed", "5.1.1"), "P a@example.org", "5.1.1",
         ""},
        {GROUP("a@example.org", "failed (5 days)", "4.4.7"), "T a@example.org", "4.4.7", ""},
        {GROUP("a@example.org", "delayed", "4.4.1"), "T a@example.org", "4.4.1", ""},
        {GROUP("a@example.org", "delayed", "5.1.1"), "T a@example.org", "5.1.1", ""},
        {GROUP("a@example.org", "delivered", "2.0.0"), "", "", ""},
        {GROUP("a@example.org", "relayed", "2.1.9") GROUP("b@example.org", "expanded", "2.0.0"), "", "", ""},
        {GROUP("a@example.org", "Failure", "5.0.0"), "P a@example.org", "5.0.0", ""},
        {GROUP("a@example.org", "error", ""), "P a@example.org", "", ""},
        {GROUP("a@example.org", "", "5.1.1 (no such user)"), "P a@example.org", "5.1.1", ""},
        {GROUP("a@example.org", "failed", "553 too big"), "P a@example.org", "", ""},
        /* which address */
        {"Original-Recipient: rfc822;sent@example.org\r\nFinal-Recipient: rfc822;became@example.net\r\n"
         "Action: failed\r\nStatus: 5.1.1\r\n",
         "P sent@example.org", "5.1.1", ""},
        {"Final-Recipient: rfc822;a@example.org\r\nOriginal-Recipient: rfc822;A@Example.org\r\n"
         "Action: failed\r\nStatus: 5.1.1\r\n",
         "P A@Example.org", "5.1.1", ""},
        {"Original-Recipient: rfc822;unknown\r\nFinal-Recipient: <a@example.org>\r\nAction: failed\r\n",
         "P a@example.org", "", ""},
        {"Final-Recipient: RFC822;\r\n a@example.org (A. Nobody)\r\nAction: failed\r\n", "P a@example.org",
         "", ""},
        {"Final-Recipient: utf-8; r\xC3\xA9mi@example.org\r\nAction: failed\r\n", "P r\xC3\xA9mi@example.org",
         "", ""},
        {"Original-Recipient: utf-8; r\\x{E9}mi\\x{2B}x@example.org\r\nAction: failed\r\n",
         "P r\xC3\xA9mi+x@example.org", "", ""},
        {"Original-Recipient: utf-8; r+C3+A9mi@example.org\r\nAction: failed\r\n",
         "P r\xC3\xA9mi@example.org", "", ""},
        {"Original-Recipient: rfc822; r+C3x@example.org\r\nAction: failed\r\n", "P r+C3x@example.org", "",
         ""},
        {"Original-Recipient: utf-8; r+C3x@example.org\r\nAction: failed\r\n", "P r+C3x@example.org", "", ""},
        {"Final-Recipient: rfc822; a@b@c\r\nAction: failed\r\n", "", "", ""},
        {"Final-Recipient: rfc822; @\r\nAction: failed\r\n", "", "", ""},
        {"Final-Recipient: x400; /C=org/S=a/\r\nAction: failed\r\n", "", "", ""},
        /* why */
        {GROUP("a@example.org", "failed",
               "5.0.0") "Diagnostic-Code: smtp; 550-5.7.26 see\r\n\t550 5.7.26 DMARC\r\n",
         "M a@example.org", "5.7.26", "550-5.7.26 see 550 5.7.26 DMARC"},
        {GROUP("a@example.org", "failed",
               "5.1.1") "Diagnostic-Code: smtp; 550 5.7.1 address on our blacklist\r\n",
         "M a@example.org", "5.7.1", "550 5.7.1 address on our blacklist"},
        {GROUP("a@example.org", "failed", "5.1.0") "Diagnostic-Code: smtp; 5.1.0 - 550-'5.2.2 full'\r\n",
         "T a@example.org", "5.2.2", "550-'5.2.2 full'"},
        {GROUP("a@example.org", "failed", "5.0.0") "Diagnostic-Code: smtp; 451 later\r\n", "T a@example.org",
         "5.0.0", "451 later"},
        {GROUP("a@example.org", "failed", "5.4.7") "Diagnostic-Code: smtp; 451 4.7.1 later\r\n",
         "P a@example.org", "5.4.7", "451 4.7.1 later"},
        {GROUP("a@example.org", "failed", "5.1.1") "Diagnostic-Code: x-unix; no\x01such\xFFuser\r\n",
         "P a@example.org", "5.1.1", "no?such?user"},
        /* lines that are missing, or too many */
        {"Original-Recipient: rfc822;a@example.org\r\nFinal-Recipient: rfc822;a@example.org\r\nAction: "
         "failed\r\n"
         "Original-Recipient: rfc822;b@example.org\r\nFinal-Recipient: rfc822;b@example.org\r\nAction: "
         "delayed\r\n",
         "P a@example.org, T b@example.org", "", ""},
        {"Action: failed\r\nFinal-Recipient: rfc822;a@example.org\r\nStatus: 5.1.1\r\n"
         "Action: failed\r\nFinal-Recipient: rfc822;b@example.org\r\nStatus: 5.2.2\r\n",
         "P a@example.org, T b@example.org", "5.1.1", ""},
        {"Final-Recipient: rfc822;a@example.org\r\n\r\nAction: failed\r\n\r\n\r\n", "P a@example.org", "",
         ""},
        /* each once, with the worst */
        {GROUP("a@example.org", "delayed", "4.0.0") GROUP("A@example.org", "failed", "5.1.1")
             GROUP("a@example.org", "failed", "5.7.1"),
         "P A@example.org", "5.1.1", ""},
        {GROUP("a@example.org", "failed", "5.7.1") GROUP("a@example.org", "failed", "4.4.7"),
         "M a@example.org", "5.7.1", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf message = BUF_INIT(8192);
        buf_printf(&message, "%s%s%s", REPORT_HEAD, cases[i].fields, RETURNED);
        const struct bounce_report *r = read_view(buf_view(&message));
        view got = summary(r);
        check(view_eq(got, view_of(cases[i].want)), "row %zu: %.*s", i, VIEW_ARG(got));
        if (r->count > 0) {
            check(view_eq(r->bounces[0].status, view_of(cases[i].status)), "row %zu: status %.*s", i,
                  VIEW_ARG(r->bounces[0].status));
            check(view_eq(r->bounces[0].reason, view_of(cases[i].reason)), "row %zu: reason %.*s", i,
                  VIEW_ARG(r->bounces[0].reason));
            assert_view(r->message_id, "post@example.org");
        }
        buf_done(&message);
    }
}

#define FIELDS                                                                                               \
    "Reporting-MTA: dns; mx\r\nOriginal-Envelope-Id: env-7\r\n" GROUP("a@example.org", "failed", "5.1.1")

static void test_status__wherever_it_stands(void **unused) {
    (void)unused;
    static const char *const messages[] = {
        REPORT_HEAD FIELDS RETURNED,
        "Content-Type: message/delivery-status\r\n\r\n" FIELDS,
        /* the type of a report is wrong or none */
        "Content-Type: multipart/report; report-type=x; boundary=b\r\n\r\n--b\r\nContent-Type: "
        "message/delivery-status\r\n\r\n" FIELDS "--b--\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
        "Message/Global-Delivery-Status\r\n\r\n" FIELDS "--b--\r\n",
        /* deeper, and cut */
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n" REPORT_HEAD FIELDS,
        /* encoded */
        "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "Original-Envelope-Id: env=2D7\r\n\r\nFinal-Recipient: utf-8; a=40example.org\r\nAction: failed\r\n"
        "Status: 5.1.=\r\n1\r\n",
        /* no empty line before the fields, no boundary, and wrapped by a gateway */
        "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: "
        "message/delivery-status\r\n" FIELDS "--b--\r\n",
        "Content-Type: multipart/report; boundary=lost\r\n\r\n--b\r\nContent-Type: "
        "message/delivery-status\r\n\r\n" FIELDS "--b--\r\n",
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: "
        "message/rfc822\r\n\r\n" REPORT_HEAD FIELDS RETURNED "--o--\r\n",
    };
    for (size_t i = 0; i < COUNT(messages); i++) {
        const struct bounce_report *r = read_text(messages[i]);
        check(view_eq(summary(r), VIEW("P a@example.org")), "row %zu: %.*s", i, VIEW_ARG(summary(r)));
        check(view_eq(r->envelope_id, VIEW("env-7")), "row %zu: %.*s", i, VIEW_ARG(r->envelope_id));
        assert_view(r->bounces[0].status, "5.1.1");
    }
}

/* A status that says nothing is explained by the text for people. */
static void test_status__reasons_stand_in_the_text(void **unused) {
    (void)unused;
    const struct bounce_report *r =
        read_text("Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nSorry:\r\n\r\n"
                  "a@example.org: 550 5.7.25 your host has no name\r\n\r\n"
                  "b@example.org: 552 full\r\nc@example.org: 550 5.7.1 no\r\n\r\n--b\r\nContent-Type: "
                  "message/delivery-status\r\n" GROUP("a@example.org", "failed", "5.0.0")
                      GROUP("b@example.org", "failed", "5.0.0") GROUP("c@example.org", "delayed", "4.0.0"));
    assert_view(summary(r), "M a@example.org, T b@example.org, T c@example.org");
    assert_view(r->bounces[0].status, "5.7.25");
    assert_view(r->bounces[0].reason, "550 5.7.25 your host has no name");
    assert_view(r->bounces[2].status, "4.0.0");
}

/* What programs write that know no notifications. */
static void test_text__of_many_programs(void **unused) {
    (void)unused;
    static const struct {
        const char *message, *want, *reason;
    } cases[] = {
        /* qmail and its kin */
        {"\nHi. This is the qmail-send program at mx.example.net.\nNothing could be done; see "
         "<postmaster@example.net>.\n\n<a@example.org>:\nRemote host said: 550 5.1.1 nobody\nGiving up.\n\n"
         "<b@example.org>:\nmailfolder is full\n\n--- Below this line is a copy of the message.\n\n"
         "Return-Path: <l@example.org>\nMessage-ID:\n <one@example.org>\n\n<c@example.org>:\n",
         "P a@example.org, T b@example.org", "550 5.1.1 nobody Giving up."},
        {"\nMessage from example.net.\nUnable to deliver message to the following "
         "address(es).\n\n<a@example.org>:\n"
         "This account is over quota.\n\n--- Original message follows.\n\nMessage-ID: <one@example.org>\n",
         "T a@example.org", "This account is over quota."},
        /* Postfix, old */
        {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Description: Notification\n\n"
         "This is the Postfix program at host mx.\nIt could not be delivered to one or more destinations.\n"
         "Ask <postmaster@example.net>\n\n<a@example.org>: host mx said: 554 5.7.1\n    Service unavailable; "
         "blocked\n\n"
         "--b\nContent-Type: message/rfc822\n\nMessage-ID: <one@example.org>\n\nHi\n--b--\n",
         "M a@example.org", "554 5.7.1 Service unavailable; blocked"},
        /* Exim: the field, and the text alone */
        {"X-Failed-Recipients: a@example.org, b@example.org\n\nA message that you sent could not be "
         "delivered.\n\n"
         "  a@example.org\n    host mx: 550 unknown user\n  b@example.org\n    (generated from "
         "c@example.org)\n"
         "    552 full\n\n------ This is a copy of the message. ------\n\nMessage-ID: <one@example.org>\n",
         "P a@example.org, T b@example.org, T c@example.org", "550 unknown user"},
        {"\nA message that you sent could not be delivered to one of\nits recipients. The following address "
         "failed:\n\n"
         "\"a@example.org\":\nquota exceeded\n\n--- The header follows. ---\n\nMessage-ID: "
         "<one@example.org>\n",
         "T a@example.org", "quota exceeded"},
        /* Sendmail, old */
        {"\n   ----- The following addresses had permanent fatal errors "
         "-----\n<a@example.org>\nx@example.net\n"
         "    (expanded from: b@example.org)\n\n   ----- Transcript of session follows -----\n"
         "... while talking to mx.example.org.:\n>>> RCPT To:<a@example.org>\n<<< 550 nobody\n"
         "552 b@example.org... full\n   ----- Original message follows -----\nMessage-ID: "
         "<one@example.org>\n",
         "P a@example.org, T x@example.net, T b@example.org", "550 nobody"},
        {"\n   ----- Transcript of session follows -----\n>>> MAIL From:<l@example.net>\n<<< 501 "
         "l@example.net no\n"
         "550 5.1.1 <a@example.org>... User unknown\n   ----- Unsent message follows -----\nMessage-ID: "
         "<one@example.org>\n",
         "P a@example.org", "550 5.1.1 <a@example.org>... User unknown"},
        {"\n   ----- The following addresses had transient non-fatal errors -----\na@example.org\n\n"
         "This is a warning message only.\n   ----- Original message follows -----\nMessage-ID: "
         "<one@example.org>\n",
         "T a@example.org", NULL},
        /* Exchange, as text and as HTML */
        {"\nYour message\n\n  To: l@example.net\n\ndid not reach the following recipient(s):\n\n"
         "c=us;a= ;p=x;dda:SMTP=a@example.org; on Fri, 4 Oct 2002\n    The recipient name is not "
         "recognized\n",
         "P a@example.org", NULL},
        {"Content-Type: text/html\n\n<p>Your message<BR>\ndid not reach the following recipient(s):<BR>\n<br>"
         "a&#64;example.org on Thu<BR>&nbsp;unknown<BR>",
         "P a@example.org", "on Thu unknown"},
        /* lists of addresses */
        {"\nDelivery to the following recipients failed permanently:\n\n   * a@example.org\n   * "
         "b@example.org\n\n"
         "Technical details: see b@example.org, 550 5.7.1 spam\n",
         "P a@example.org, M b@example.org", NULL},
        {"\nDelivery to the following recipient has been delayed:\n\n  a@example.org\n\nMessage will be "
         "retried.\n",
         "T a@example.org", NULL},
        {"\nYour message\n\n  Subject: x\n\nwas not delivered to:\n\n  a@example.org\n\nbecause:\n\n  not "
         "listed\n",
         "P a@example.org", "because: not listed"},
        {"\nUnknown user: a@example.org\n\nRCPT TO generated:\n553 5.3.0 nobody\n\nUnknown user: "
         "b@example.org\n\n"
         "Original message follows.\n\nMessage-ID: <one@example.org>\n",
         "P a@example.org, P b@example.org", "553 5.3.0 nobody"},
        {"Content-Type: text/html\n\nI wasn't able to deliver the following message.\n\nSubject: x\nTo: "
         "<a@example.org>\n\n---Below this line is a copy of the message.\n",
         "P a@example.org", NULL},
        {"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nYour "
         "message to "
         "<a@example.org> was automatically rejected:\nQuota exceeded\n--b\nContent-Type: "
         "message/disposition-notification\n\nFinal-Recipient: rfc822; a@example.org\n--b--\n",
         "T a@example.org", NULL},
        /* names without a domain, of the one who has it */
        {"From: MAILER-DAEMON@AOL.com\n\nYour mail to the following recipients could not be "
         "delivered:\n\tname\n",
         "P name@aol.com", NULL},
        {"From: MAILER-DAEMON@example.com\n\nYour mail to the following recipients could not be "
         "delivered:\n\tname\n",
         "", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct bounce_report *r = read_text(cases[i].message);
        view got = summary(r);
        check(view_eq(got, view_of(cases[i].want)), "row %zu: %.*s", i, VIEW_ARG(got));
        if (cases[i].reason)
            check(view_eq(r->bounces[0].reason, view_of(cases[i].reason)), "row %zu: %.*s", i,
                  VIEW_ARG(r->bounces[0].reason));
        bool has_id = strstr(cases[i].message, "one@example.org");
        check(view_eq(r->message_id, view_of(has_id ? "one@example.org" : "")), "row %zu: id %.*s", i,
              VIEW_ARG(r->message_id));
    }
}

static void test_message__that_is_no_bounce(void **unused) {
    (void)unused;
    static const char *const messages[] = {
        "",
        "Subject: none",
        /* a vacation, a post, a challenge */
        "From: a@example.org\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nI am away until "
        "Monday. Your "
        "message has been received.\nAsk b@example.org in urgent cases.\n\n-- \na@example.org\n",
        "From: a@example.org\nSubject: Re: failure\n\nMy mail to b@example.org is not delivered. What is "
        "wrong?\n",
        "From: a@example.org\nSubject: Please confirm\n\nYour message to a@example.org waits.\nReply to "
        "confirm+12@example.org to have it delivered.\n",
        /* somebody tells of a bounce */
        "From: a@example.org\n\nI got this:\n> Hi. This is the qmail-send program at mx.\n>\n> "
        "<b@example.org>:\n> no\n",
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nSee what I got:\r\n--o\r\nContent-Type: "
        "message/rfc822\r\n\r\n" REPORT_HEAD FIELDS RETURNED "--o--\r\n",
        /* it was read; it is called spam */
        "Content-Type: multipart/report; report-type=disposition-notification; "
        "boundary=b\n\n--b\n\nSeen.\n--b\n"
        "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; a@example.org\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n--b--\n",
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nAbuse.\n--b\n"
        "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Rcpt-To: "
        "a@example.org\n--b--\n",
        /* it arrived, though the text has words of failures */
        "Content-Type: multipart/report; boundary=b\n\n--b\n\nwas not delivered to:\n\na@example.org\n--b\n"
        "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822;a@example.org\nAction: "
        "delivered\n--b--\n",
    };
    for (size_t i = 0; i < COUNT(messages); i++) {
        const struct bounce_report *r = read_text(messages[i]);
        check(r->count == 0, "row %zu: %.*s", i, VIEW_ARG(summary(r)));
        check(r->message_id.len == 0, "row %zu", i);
    }
}

static void test_message__is_not_believed_inside_of_what_came_back(void **unused) {
    (void)unused;
    const struct bounce_report *r = read_text(REPORT_HEAD GROUP(
        "a@example.org", "failed", "5.1.1") "\r\n--b\r\nContent-Type: message/rfc822\r\n"
                                            "\r\nMessage-ID: <post@example.org>\r\nContent-Type: "
                                            "multipart/report; boundary=i\r\n\r\n--i\r\n"
                                            "Content-Type: message/delivery-status\r\n" GROUP(
                                                "b@example.org", "failed", "5.1.1") "--i--\r\n"
                                                                                    "--b--\r\n");
    assert_view(summary(r), "P a@example.org");
    assert_view(r->message_id, "post@example.org");
    r = read_text(REPORT_HEAD GROUP(
        "a@example.org", "failed", "5.1.1") "\r\n--b\r\nContent-Type: "
                                            "text/rfc822-headers\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                                            "TWVzc2FnZS1JRDogPGhAZXhhbXBsZS5vcmc+DQo=\r\n--b--\r\n");
    assert_view(r->message_id, "h@example.org");
}

/* Cut wherever it may be, with octets that no mail has, and of which there are too many. */
static void test_message__of_strangers(void **unused) {
    (void)unused;
    static const char whole[] = REPORT_HEAD FIELDS RETURNED;
    for (size_t len = 0; len < sizeof whole; len++) {
        char *cut = malloc(len + 1); /* its end is watched */
        memcpy(cut, whole, len);
        const struct bounce_report *r = read_view(view_from(cut, len));
        assert_true(r->count <= 1);
        free(cut);
    }
    static const char nul[] =
        "\nHi. This is the qmail\n\n<a\0@example.org>:\n<b@exam\0ple.org>:\n\0<c@example.org>:\n"
        "<d@example.org>:\n550 \0\n";
    assert_view(summary(read_view(view_from(nul, sizeof nul))), "P b@exam, P d@example.org");

    struct buf many = BUF_INIT(4 << 20);
    buf_add_str(&many, REPORT_HEAD);
    for (int i = 0; i < 20000; i++)
        buf_printf(&many, GROUP("a%d@example.org", "failed", "5.1.1"), i % 200);
    assert_int_equal(read_view(buf_view(&many))->count, BOUNCES_MOST);
    assert_false(arena.failed);
    buf_reset(&many);
    buf_add_str(&many, "\nHi. This is the qmail\n\n");
    for (int i = 0; i < 20000; i++)
        buf_printf(&many, "<a%d@example.org>:\n", i);
    assert_int_equal(read_view(buf_view(&many))->count, BOUNCES_MOST);
    assert_false(arena.failed);
    buf_done(&many);
}

static void count_bounce(const char *name, view message, void *context) {
    size_t *bounces = context;
    view line;
    if (view_starts_with(message, VIEW("From ")))
        view_split(&message, '\n', &line);
    if (read_view(view_slice(message, 0, GIVEN_OCTETS))->count > 0)
        ++*bounces;
    check(!arena.failed, "%s", name);
}

/* The public mail has half a dozen bounces among its lists and spam, and nothing else may be taken for one.
 */
static void test_message__of_the_corpus(void **unused) {
    (void)unused;
    size_t bounces = 0, messages = corpus_each("", count_bounce, &bounces);
    check(bounces <= messages / 1000, "%zu bounces in %zu messages", bounces, messages);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply__speaks_of_address_hour_or_message),
        cmocka_unit_test(test_status__fields),
        cmocka_unit_test(test_status__wherever_it_stands),
        cmocka_unit_test(test_status__reasons_stand_in_the_text),
        cmocka_unit_test(test_text__of_many_programs),
        cmocka_unit_test(test_message__that_is_no_bounce),
        cmocka_unit_test(test_message__is_not_believed_inside_of_what_came_back),
        cmocka_unit_test(test_message__of_strangers),
        cmocka_unit_test(test_message__of_the_corpus),
    };
    arena_init(&arena, ARENA_OCTETS);
    int failed = cmocka_run_group_tests_name("mail/bounce", tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
