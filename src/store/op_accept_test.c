/* op_accept_test.c: mail comes in: staged bodies, and the one commit that makes a message ours. */
#include "testing/store.h"

#include <stdio.h>

#include "base/id.h"
#include "base/mem.h"
#include "store/accept.h"
#include "store/event.h"

/* -- BODY_STAGE, MESSAGE_READ */

static void test_stage__pieces_are_read_in_their_order(struct unit_store *s) {
    int64_t message = id_new(), other = id_new();
    FREE_AUTO char *piece = mem_alloc(LIMIT_BODY_CHUNK);
    for (int i = 0; i < 3; i++) {
        memset(piece, 'a' + i, LIMIT_BODY_CHUNK);
        must(s, OP_BODY_STAGE, N(message), N(i), V(view_from(piece, LIMIT_BODY_CHUNK)));
        must(s, OP_BODY_STAGE, N(other), N(i), S("other"));
    }
    for (int i = 0; i < 3; i++) {
        must(s, OP_MESSAGE_READ, N(message), N(i));
        memset(piece, 'a' + i, LIMIT_BODY_CHUNK);
        expect(s, V(view_from(piece, LIMIT_BODY_CHUNK)));
        expect_end(s);
    }
    must(s, OP_MESSAGE_READ, N(message), N(3));
    expect_end(s);
    must(s, OP_MESSAGE_READ, N(id_new()), N(0));
    expect_end(s);
}

static void test_stage__twice_is_once(struct unit_store *s) {
    int64_t message = id_new();
    for (int i = 0; i < 3; i++) {
        must(s, OP_BODY_STAGE, N(message), N(0), S("first"));
        must(s, OP_BODY_STAGE, N(message), N(1), S("second"));
    }
    must(s, OP_BODY_STAGE, N(message), N(1), S("other bytes"));
    assert_number(s, 2, "SELECT count(*) FROM body");
    must(s, OP_MESSAGE_READ, N(message), N(1));
    expect(s, S("second"));
    expect_end(s);
}

static void test_drop__only_what_was_not_accepted(struct unit_store *s) {
    int64_t message = id_new(), other = id_new();
    for (int i = 0; i < 3; i++) {
        must(s, OP_BODY_STAGE, N(message), N(i), S("piece"));
        must(s, OP_BODY_STAGE, N(other), N(i), S("piece"));
    }
    must(s, OP_BODY_DROP, N(message));
    must(s, OP_BODY_DROP, N(message));
    assert_number(s, 0, "SELECT count(*) FROM body WHERE message = $1", N(message));
    assert_number(s, 3, "SELECT count(*) FROM body WHERE message = $1", N(other));
    int64_t accepted = accept_mail(s, "a@there.example", "body", "x@here.example");
    must(s, OP_BODY_STAGE, N(accepted), N(1), S("piece"));
    must(s, OP_BODY_DROP, N(accepted));
    assert_number(s, 2, "SELECT count(*) FROM body WHERE message = $1", N(accepted));
}

/* -- ACCEPT, MESSAGE_INFO */

static const struct accept_recipient two[] = {
    {OCTETS("a@here.example"), NOTIFY_SUCCESS | NOTIFY_DELAY, OCTETS("rfc822;A+2Bx@here.example")},
    {OCTETS("B@Here.example"), 0, OCTETS("")}};

static struct accept an_accept(void) {
    return (struct accept){.id = id_new(),
                           .sender = VIEW("author@there.example"),
                           .message_id = VIEW("1@there.example"),
                           .size = 7,
                           .sha256 = VIEW("\0\1\2\377 32 octets, NUL among them"),
                           .fields = VIEW("Received: x\r\n"),
                           .origin = VIEW("peer=192.0.2.1 helo=there.example"),
                           .flags = MESSAGE_8BIT,
                           .envid = VIEW("QQ+2B314159"),
                           .body = VIEW("\0body\r\n"),
                           .recipients = two,
                           .recipient_count = 2};
}

static void accept_it(struct unit_store *s, const struct accept *a) {
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    accept_args(a, &args);
    must_args(s, OP_ACCEPT, &args);
    expect_end(s);
}

static void test_accept__keeps_everything(struct unit_store *s) {
    struct accept a = an_accept();
    accept_it(s, &a);
    must(s, OP_MESSAGE_INFO, N(a.id));
    expect(s, V(a.sender), V(a.message_id), N(7), V(a.sha256), V(a.fields), V(a.origin), N(MESSAGE_8BIT),
           N(0), V(a.body), S("QQ+2B314159"));
    expect_end(s);
    must(s, OP_MESSAGE_READ, N(a.id), N(0));
    expect(s, V(a.body));
    expect_end(s);
    assert_number(s, 1,
                  "SELECT count(*) FROM recipient WHERE message = $1 AND n = 0 AND address = 'a@here.example'"
                  " AND notify = 10 AND orcpt = 'rfc822;A+2Bx@here.example'",
                  N(a.id));
    assert_number(
        s, 1, "SELECT count(*) FROM recipient WHERE message = $1 AND n = 1 AND address = 'B@Here.example'",
        N(a.id));
    assert_number(s, 1,
                  "SELECT count(*) FROM inbox WHERE message = $1 AND owner = '' AND batch = 0 AND until = 0",
                  N(a.id));
    assert_number(s, 1, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND detail = $3",
                  N(a.id), N(EVENT_ACCEPTED), DB_T(a.origin));
    assert_number(s, 1, "SELECT count(*) FROM event");
}

static void test_accept__twice_is_once(struct unit_store *s) {
    struct accept a = an_accept();
    accept_it(s, &a);
    accept_it(s, &a);
    struct accept other = a; /* the id decides, not what is said about it */
    other.sender = VIEW("else@there.example");
    other.body = VIEW("");
    other.recipient_count = 1;
    accept_it(s, &other);
    assert_number(s, 1, "SELECT count(*) FROM message WHERE sender = 'author@there.example'");
    assert_number(s, 2, "SELECT count(*) FROM recipient");
    assert_number(s, 1, "SELECT count(*) FROM inbox");
    assert_number(s, 1, "SELECT count(*) FROM body");
    assert_number(s, 1, "SELECT count(*) FROM event");
}

/* Two processes made the same id: the second message is not taken for the first. */
static void test_accept__another_message_under_a_taken_id(struct unit_store *s) {
    struct accept a = an_accept();
    accept_it(s, &a);
    struct accept bytes = a, origin = a;
    bytes.sha256 = VIEW("other octets, of another message");
    origin.origin = VIEW("peer=192.0.2.99");
    const struct accept *others[] = {&bytes, &origin};
    for (size_t i = 0; i < COUNT(others); i++) {
        struct buf args = BUF_INIT(10000);
        accept_args(others[i], &args);
        assert_int_equal(unit_call_args(s, OP_ACCEPT, &args), ERR_CONFLICT);
    }
    assert_number(s, 1, "SELECT count(*) FROM message");
    assert_number(s, 1, "SELECT count(*) FROM event");
}

/* An answer that was lost, and meanwhile the message was routed and its body has gone. */
static void test_accept__again_after_it_was_routed(struct unit_store *s) {
    struct accept a = an_accept();
    accept_it(s, &a);
    change(s, "DELETE FROM inbox");
    change(s, "DELETE FROM recipient");
    change(s, "DELETE FROM body");
    accept_it(s, &a);
    assert_number(s, 0,
                  "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM recipient) + (SELECT count(*) "
                  "FROM body)");
}

static void test_accept__names_a_staged_body(struct unit_store *s) {
    struct accept a = an_accept();
    must(s, OP_BODY_STAGE, N(a.id), N(0), S("piece one, "));
    must(s, OP_BODY_STAGE, N(a.id), N(1), S("piece two"));
    a.body = VIEW_NULL;
    a.size = 20;
    accept_it(s, &a);
    accept_it(s, &a);
    assert_number(s, 2, "SELECT count(*) FROM body");
    must(s, OP_MESSAGE_INFO, N(a.id));
    expect(s, V(a.sender), V(a.message_id), N(20), V(a.sha256), V(a.fields), V(a.origin), N(MESSAGE_8BIT),
           N(0), S("piece one, "));
}

/* Pieces can be reaped while a very slow client is still sending. */
static void test_accept__refuses_when_pieces_were_lost(struct unit_store *s) {
    struct accept a = an_accept();
    must(s, OP_BODY_STAGE, N(a.id), N(1), S("piece two"));
    a.body = VIEW_NULL;
    a.size = 20;
    struct buf args = BUF_INIT(10000);
    accept_args(&a, &args);
    assert_int_equal(unit_call_args(s, OP_ACCEPT, &args), ERR_CONFLICT);
    assert_number(s, 0,
                  "SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM inbox) + (SELECT count(*) "
                  "FROM event)");
    must(s, OP_BODY_STAGE, N(a.id), N(0), S("piece one, "));
    accept_it(s, &a);
    change(s, "DELETE FROM body"); /* routed, delivered and reaped; only the answer was lost */
    accept_it(s, &a);
}

static void test_accept__an_empty_message_has_a_body(struct unit_store *s) {
    struct accept a = an_accept();
    a.body = a.sender = a.message_id = a.fields = VIEW_NULL;
    a.size = 0;
    accept_it(s, &a);
    must(s, OP_MESSAGE_READ, N(a.id), N(0));
    expect(s, S(""));
    expect_end(s);
    assert_number(s, 1, "SELECT count(*) FROM message WHERE sender = '' AND msgid = ''");
}

static void test_accept__octets_of_strangers(struct unit_store *s) {
    struct accept a = an_accept();
    struct accept_recipient bad = {.address = VIEW("caf\xe9\0@here.example")};
    a.sender = VIEW("\xff@there.example");
    a.message_id = VIEW("\xc3(@there.example");
    a.recipients = &bad;
    a.recipient_count = 1;
    accept_it(s, &a);
    assert_number(
        s, 1, "SELECT count(*) FROM message WHERE sender = '?@there.example' AND msgid = '?(@there.example'");
    assert_number(s, 1, "SELECT count(*) FROM recipient WHERE address = 'caf??@here.example'");
}

static void test_accept__a_thousand_recipients(struct unit_store *s) {
    enum { MANY = 1100 };
    struct accept_recipient *recipients = mem_alloc(MANY * sizeof *recipients);
    for (int i = 0; i < MANY; i++)
        recipients[i] = (struct accept_recipient){
            .address = view_of(mem_printf("recipient-%d@a-domain-with-some-length.example", i))};
    struct accept a = an_accept();
    a.recipients = recipients;
    a.recipient_count = MANY;
    accept_it(s, &a);
    assert_number(s, MANY, "SELECT count(*) FROM recipient");
    must(s, OP_ROUTE_TAKE, S("router"), N(1), N(10), N(60000));
    expect(s, N(a.id), V(a.sender), V(a.message_id), N(7), V(a.sha256), N(MESSAGE_8BIT), N(MANY));
    for (int i = 0; i < MANY; i++) {
        expect(s, V(recipients[i].address), N(0), S(""));
        free((void *)(uintptr_t)recipients[i].address.ptr);
    }
    expect_end(s);
    free(recipients);
}

static void test_accept__incomplete_arguments_leave_nothing(struct unit_store *s) {
    struct accept a = an_accept();
    struct buf args = BUF_INIT(10000);
    accept_args(&a, &args);
    for (size_t len = 0; len < args.len; len++) {
        struct buf cut = BUF_INIT(10000);
        buf_add(&cut, view_slice(buf_view(&args), 0, len));
        check(unit_call_args(s, OP_ACCEPT, &cut) == ERR_SYNTAX, "%zu of %zu bytes: %s", len, args.len,
              s->err.text);
    }
    buf_done(&args);
    a.recipient_count = 0;
    accept_args(&a, &args);
    assert_int_equal(unit_call_args(s, OP_ACCEPT, &args), ERR_SYNTAX);
    assert_number(s, 0,
                  "SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM inbox) + (SELECT count(*) "
                  "FROM recipient)"
                  " + (SELECT count(*) FROM body) + (SELECT count(*) FROM event)");
}

static void test_message_info__of_what_is_not_there_and_what_has_gone(struct unit_store *s) {
    refused(s, ERR_NOT_FOUND, OP_MESSAGE_INFO, N(12345));
    struct accept a = an_accept();
    accept_it(s, &a);
    change(s, "UPDATE message SET gone = 1");
    change(s, "DELETE FROM body");
    must(s, OP_MESSAGE_INFO, N(a.id));
    expect(s, V(a.sender), V(a.message_id), N(7), V(a.sha256), V(a.fields), V(a.origin), N(MESSAGE_8BIT),
           N(1), S(""), V(a.envid));
    expect_end(s);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_stage__pieces_are_read_in_their_order),
        STORE_CASE(test_stage__twice_is_once),
        STORE_CASE(test_drop__only_what_was_not_accepted),
        STORE_CASE(test_accept__keeps_everything),
        STORE_CASE(test_accept__twice_is_once),
        STORE_CASE(test_accept__another_message_under_a_taken_id),
        STORE_CASE(test_accept__again_after_it_was_routed),
        STORE_CASE(test_accept__names_a_staged_body),
        STORE_CASE(test_accept__refuses_when_pieces_were_lost),
        STORE_CASE(test_accept__an_empty_message_has_a_body),
        STORE_CASE(test_accept__octets_of_strangers),
        STORE_CASE(test_accept__a_thousand_recipients),
        STORE_CASE(test_accept__incomplete_arguments_leave_nothing),
        STORE_CASE(test_message_info__of_what_is_not_there_and_what_has_gone),
    };
    return RUN_STORE_CASES("store/op_accept", cases);
}
