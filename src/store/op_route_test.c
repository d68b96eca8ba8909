/* op_route_test.c: what router does: messages taken under a lease, decisions committed once, lists expanded
 * in slices. */
#include "testing/store.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/accept.h"
#include "store/class.h"
#include "store/event.h"
#include "store/role.h"
#include "store/schema.h"

enum { LEASE = 60000 };

static int64_t take(struct unit_store *s, const char *node, int64_t batch, int64_t most) {
    must(s, OP_ROUTE_TAKE, S(node), N(batch), N(most), N(LEASE));
    int64_t n = 0;
    for (struct vals v = s->results; vals_more(&v); n++) {
        vals_get_int(&v);
        vals_get_view(&v), vals_get_view(&v);
        vals_get_int(&v);
        vals_get_view(&v);
        vals_get_int(&v);
        for (size_t k = vals_get_count(&v); k > 0; k--) {
            vals_get_view(&v);
            vals_get_int(&v);
            vals_get_view(&v);
        }
        assert_false(v.failed);
    }
    return n;
}

/* -- ROUTE_TAKE, ROUTE_RESET */

static void test_take__gives_message_and_recipients(struct unit_store *s) {
    int64_t message = accept_mail(s, "author@there.example", "body", "news@here.example");
    must(s, OP_ROUTE_TAKE, S("router"), N(7), N(10), N(LEASE));
    expect(s, N(message), S("author@there.example"), S("id@there.example"), N(4));
    assert_int_equal(next_view(s).len, 32);
    expect(s, N(0), N(1), S("news@here.example"), N(0), S(""));
    expect_end(s);
    assert_number(s, 1, "SELECT count(*) FROM inbox WHERE owner = 'router' AND batch = 7");
}

static void test_take__the_same_batch_gives_the_same(struct unit_store *s) {
    int64_t first = accept_mail(s, "a@there.example", "1", "x@here.example");
    accept_mail(s, "a@there.example", "2", "x@here.example");
    assert_int_equal(take(s, "router", 7, 1), 1);
    assert_int_equal(next_int(s), first); /* the oldest */
    accept_mail(s, "a@there.example", "3", "x@here.example");
    assert_int_equal(take(s, "router", 7, 10), 1);
    assert_int_equal(next_int(s), first);
    assert_int_equal(take(s, "router", 8, 10), 2); /* the others */
    assert_int_equal(take(s, "router", 9, 10), 0);
    assert_int_equal(take(s, "router", 0, 10), 0); /* no batch is not a batch */
    assert_int_equal(take(s, "router", -1, 10), 0);
}

static void test_take__a_lease_ends_by_time(struct unit_store *s) {
    accept_mail(s, "a@there.example", "1", "x@here.example");
    assert_int_equal(take(s, "one", 7, 10), 1);
    assert_int_equal(take(s, "two", 8, 10), 0);
    advance(LEASE - 20000);
    assert_int_equal(take(s, "two", 8, 10), 0);
    advance(20001);
    assert_int_equal(take(s, "two", 9, 10), 1);
    assert_int_equal(take(s, "one", 7, 10), 0); /* it has lost it */
}

static void test_inbox__age_is_that_of_its_oldest(struct unit_store *s) {
    must(s, OP_INBOX_AGE);
    expect(s, N(0));
    accept_mail(s, "a@there.example", "1", "x@here.example");
    advance(5000);
    accept_mail(s, "a@there.example", "2", "x@here.example");
    must(s, OP_INBOX_AGE);
    int64_t age = next_int(s);
    check(age >= 5000 && age < 5000 + LEASE, "%lld", (long long)age);
    expect_end(s);
}

static void test_reset__gives_back_ones_own_only(struct unit_store *s) {
    accept_mail(s, "a@there.example", "1", "x@here.example");
    accept_mail(s, "a@there.example", "2", "x@here.example");
    assert_int_equal(take(s, "one", 7, 1), 1);
    assert_int_equal(take(s, "two", 8, 1), 1);
    must(s, OP_ROUTE_RESET, S("one"));
    must(s, OP_ROUTE_RESET, S("one"));
    assert_int_equal(take(s, "three", 9, 10), 1);
    assert_int_equal(take(s, "two", 8, 10), 1);
}

static int64_t accept_to_many(struct unit_store *s, int recipients) {
    struct accept_recipient *to = mem_alloc((size_t)recipients * sizeof *to);
    for (int i = 0; i < recipients; i++)
        to[i] = (struct accept_recipient){
            .address = view_of(mem_printf("a-recipient-%d@with-a-domain-of-some-length.example", i))};
    struct accept a = {.id = id_new(),
                       .sender = VIEW("a@there.example"),
                       .recipients = to,
                       .recipient_count = (size_t)recipients};
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET - 64);
    accept_args(&a, &args);
    must_args(s, OP_ACCEPT, &args);
    for (int i = 0; i < recipients; i++)
        free((void *)(uintptr_t)to[i].address.ptr);
    free(to);
    return a.id;
}

/* Messages with very many recipients do not fit into one answer together: then fewer come, not an error that
 * stays until somebody deletes them. */
static void test_take__takes_no_more_than_an_answer_holds(struct unit_store *s) {
    enum { MANY = 12 };
    int64_t ids[MANY];
    for (int i = 0; i < MANY; i++)
        ids[i] = accept_to_many(s, 1000);
    int64_t seen = 0;
    for (int64_t batch = 1; seen < MANY; batch++) {
        int64_t n = take(s, "router", batch, LIMIT_ROUTE_BATCH);
        check(n > 0 && n < MANY, "%lld messages in batch %lld", (long long)n, (long long)batch);
        assert_int_equal(next_int(s), ids[seen]);
        check(take(s, "router", batch, LIMIT_ROUTE_BATCH) == n, "the same batch again gives the same");
        assert_int_equal(next_int(s), ids[seen]);
        assert_number(s, n, "SELECT count(*) FROM inbox WHERE batch = $1", N(batch));
        seen += n;
    }
    assert_int_equal(seen, MANY);
}

/* -- ROUTE_COMMIT */

struct decision {
    int64_t message, batch;
    const char *sha256;
    int64_t list;
    enum moderation action; /* 0: the list takes it */
    const char *direct[3];
    int64_t other_kind;
    const char *other, *why;
    const struct accept *notice;
};

static void commit(struct unit_store *s, const struct decision *d) {
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET - 64);
    size_t directs = 0;
    while (directs < COUNT(d->direct) && d->direct[directs])
        directs++;
    add_values(&args, N(d->message), N(d->batch), S(d->sha256 ? d->sha256 : "sha256"), S("id@there.example"),
               S("author@there.example"), S("subject"));
    add_values(&args, N(d->list ? 1 : 0));
    if (d->list)
        add_values(&args, N(d->list), N(d->action ? d->action : MODERATION_ACCEPT),
                   S(d->action ? "emergency" : ""), S(d->action ? "because" : ""));
    add_values(&args, N(CLASS_DIRECT), N(directs));
    for (size_t i = 0; i < directs; i++)
        add_values(&args, S(d->direct[i]), N(0), S(""));
    add_values(&args, N(d->other ? 1 : 0));
    if (d->other)
        add_values(&args, N(d->other_kind), S(d->other), S(d->why));
    add_values(&args, N(d->notice ? 1 : 0));
    if (d->notice)
        accept_args(d->notice, &args);
    must_args(s, OP_ROUTE_COMMIT, &args);
    expect_end(s);
}

static int64_t taken_mail(struct unit_store *s, int64_t batch) {
    int64_t message = accept_mail(s, "author@there.example", "body", "x@here.example");
    assert_int_equal(take(s, "router", batch, 10), 1);
    return message;
}

static void test_pass__makes_deliveries_but_nothing_for_a_list(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), message = taken_mail(s, 7);
    refused(s, ERR_SYNTAX, OP_ROUTE_PASS, N(message), N(7), S("sha"), S("id"), S(""), S(""), N(1),
            POST_TO(list), N(CLASS_DIRECT), N(0), N(0), N(0));
    assert_number(s, 1, "SELECT count(*) FROM inbox"); /* nothing half done */
    assert_number(s, 0, "SELECT count(*) FROM expansion");
    must(s, OP_ROUTE_PASS, N(message), N(7), S("sha"), S("id"), S(""), S(""), N(0), N(CLASS_BOUNCE), N(1),
         S("a@one.example"), N(NOTIFY_SUCCESS), S("rfc822;x@y.example"), N(0), N(0));
    assert_number(s, 0, "SELECT count(*) FROM inbox");
    assert_number(s, 1, "SELECT count(*) FROM delivery WHERE dest % 4 = $1 AND flags = $2", N(CLASS_BOUNCE),
                  N(NOTIFY_SUCCESS | DELIVERY_ORCPT));
    assert_number(s, 1, "SELECT count(*) FROM orcpt WHERE text = 'rfc822;x@y.example'");
    assert_int_equal(op_info(OP_ROUTE_PASS)->durability, DURABLE_SOON);
}

static void test_commit__makes_deliveries(struct unit_store *s) {
    int64_t message = taken_mail(s, 7);
    commit(s, &(struct decision){message, 7, .direct = {"a@one.example", "b@one.example", "c@two.example"}});
    assert_number(s, 3,
                  "SELECT count(*) FROM delivery d JOIN address a ON a.id = d.rcpt AND a.site = d.dest / 4"
                  " WHERE d.message = $1 AND d.list = 0 AND d.tries = 0",
                  N(message));
    assert_number(s, 2, "SELECT count(*) FROM destination WHERE due <= $1", N(clock_now_ms()));
    assert_number(s, 0, "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM recipient)");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1 AND detail = 'lists=0 direct=3 other=0'",
                  N(EVENT_ROUTED));
}

static void test_commit__twice_is_once(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), message = taken_mail(s, 7);
    struct decision d = {message, 7, .list = list, .direct = {"a@one.example"}};
    commit(s, &d);
    commit(s, &d);
    assert_number(s, 1, "SELECT count(*) FROM delivery");
    assert_number(s, 1, "SELECT count(*) FROM expansion");
    assert_number(s, 1, "SELECT count(*) FROM feed");
    assert_number(s, 1, "SELECT count(*) FROM post");
    assert_number(s, 1, "SELECT uid_last FROM list");
    assert_number(s, 2, "SELECT count(*) FROM event");
}

static void test_commit__of_a_batch_that_is_not_its_any_more(struct unit_store *s) {
    int64_t message = taken_mail(s, 7);
    commit(s, &(struct decision){message, 8, .direct = {"a@one.example"}});
    commit(s, &(struct decision){message + 1, 7, .direct = {"a@one.example"}});
    assert_number(s, 0, "SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM address)");
    must(s, OP_ROUTE_RESET, S("router"));
    commit(s, &(struct decision){message, 7, .direct = {"a@one.example"}});
    assert_number(s, 0, "SELECT count(*) FROM delivery");
    assert_number(s, 1, "SELECT count(*) FROM inbox");
    assert_number(s, 1, "SELECT count(*) FROM recipient");
    assert_number(s, 1, "SELECT count(*) FROM event");
}

static void test_commit__the_same_address_twice_is_one_delivery(struct unit_store *s) {
    int64_t message = taken_mail(s, 7);
    commit(s, &(struct decision){message, 7, .direct = {"a@one.example", "a@one.example"}});
    assert_number(s, 1, "SELECT count(*) FROM address");
    check(number(s, "SELECT count(*) FROM delivery") <= 2, "rows of one commit"); /* due times may differ */
}

static void test_commit__what_becomes_nothing_leaves_an_event(struct unit_store *s) {
    int64_t message = taken_mail(s, 7);
    struct accept_recipient sender = {.address = VIEW("author@there.example")};
    struct accept notice = {.id = id_new(),
                            .message_id = VIEW("dsn@here.example"),
                            .size = 3,
                            .sha256 = VIEW("x"),
                            .origin = VIEW("notice"),
                            .flags = MESSAGE_NOTICE,
                            .body = VIEW("dsn"),
                            .recipients = &sender,
                            .recipient_count = 1};
    struct decision d = {message,
                         7,
                         .other_kind = EVENT_BOUNCED,
                         .other = "nobody@here.example",
                         .why = "no such recipient",
                         .notice = &notice};
    commit(s, &d);
    commit(s, &d);
    assert_number(s, 1,
                  "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND rcpt = 0"
                  " AND detail = '<nobody@here.example> no such recipient'",
                  N(message), N(EVENT_BOUNCED));
    assert_number(s, 0, "SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM address)");
    assert_number(s, 1, "SELECT count(*) FROM inbox WHERE message = $1", N(notice.id));
    assert_number(s, 1, "SELECT count(*) FROM message WHERE id = $1 AND sender = ''", N(notice.id));
}

/* An address that is known already is named by its number, so that it is found. */
static void test_commit__an_event_about_a_known_address(struct unit_store *s) {
    route_mail(s, "1", 0, "known@there.example");
    int64_t message = taken_mail(s, 7);
    commit(s, &(struct decision){message, 7, .other_kind = EVENT_DROPPED, .other = "known@there.example",
                                 .why = "why not"});
    assert_number(
        s, 1,
        "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND rcpt = $3 AND detail = 'why not'",
        N(message), N(EVENT_DROPPED), N(address_of(s, "known@there.example")));
}

static void test_commit__a_post_is_numbered_and_fed(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), other = make_list(s, "other@here.example");
    for (int64_t n = 1; n <= 3; n++) {
        int64_t message = taken_mail(s, 100 + n);
        char sha256[16];
        snprintf(sha256, sizeof sha256, "sha%d", (int)n);
        commit(s, &(struct decision){message, 100 + n, sha256, list});
        assert_number(s, 1,
                      "SELECT count(*) FROM feed WHERE list = $1 AND n = $2 AND uid = $2 AND message = $3 "
                      "AND action = 1",
                      N(list), N(n), N(message));
        assert_number(s, 1,
                      "SELECT count(*) FROM post WHERE list = $1 AND uid = $2 AND msgid = 'id@there.example'",
                      N(list), N(n));
        assert_number(
            s, 1, "SELECT count(*) FROM expansion WHERE list = $1 AND message = $2 AND site = 0 AND addr = 0",
            N(list), N(message));
    }
    int64_t message = taken_mail(s, 200);
    commit(s, &(struct decision){message, 200, "sha1", other}); /* known to the one list, new to the other */
    assert_number(s, 1, "SELECT n FROM feed WHERE list = $1", N(other));
    assert_number(s, 3, "SELECT feed_last FROM list WHERE id = $1", N(list));
}

static void test_commit__the_same_bytes_again_are_a_duplicate(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), first = taken_mail(s, 7);
    commit(s, &(struct decision){first, 7, "the bytes", list});
    int64_t again = taken_mail(s, 8);
    commit(s, &(struct decision){again, 8, "the bytes", list, .direct = {"a@one.example"}});
    assert_number(s, 1, "SELECT count(*) FROM expansion");
    assert_number(s, 1, "SELECT count(*) FROM feed");
    assert_number(s, 1, "SELECT uid_last FROM list");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2 AND list = $3", N(again),
                  N(EVENT_DUPLICATE), N(list));
    assert_number(s, 1, "SELECT count(*) FROM delivery WHERE message = $1",
                  N(again)); /* the rest of it goes on */
}

static void test_commit__a_list_without_archive_has_no_feed(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"));
    must(s, OP_LIST_CREATE, S("quiet@here.example"), S(""), S(""), S("none"), N(1));
    int64_t list = number(s, "SELECT id FROM list"), message = taken_mail(s, 7);
    commit(s, &(struct decision){message, 7, .list = list});
    assert_number(s, 0, "SELECT count(*) FROM feed");
    assert_number(s, 0, "SELECT feed_last FROM list");
    assert_number(s, 1, "SELECT uid_last FROM list");
    assert_number(s, 1, "SELECT count(*) FROM expansion");
    assert_number(s, 1, "SELECT count(*) FROM post");
}

static void test_commit__to_a_list_that_was_deleted_meanwhile(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), message = taken_mail(s, 7);
    must(s, OP_LIST_DELETE, S("news@here.example"));
    expect(s, N(1), N(1)); /* its owner */
    commit(s, &(struct decision){message, 7, .list = list});
    assert_number(s, 0,
                  "SELECT (SELECT count(*) FROM expansion) + (SELECT count(*) FROM feed) + (SELECT count(*) "
                  "FROM post)");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2", N(message),
                  N(EVENT_DROPPED));
}

/* A site that waits after a failure is not hurried by new mail; one that has nothing to do is woken. */
static void test_commit__wakes_a_destination(struct unit_store *s) {
    int64_t message = taken_mail(s, 7);
    commit(s, &(struct decision){message, 7, .direct = {"a@one.example", "a@two.example"}});
    change(s, "UPDATE destination SET due = $1", N(STORE_NEVER));
    change(s,
           "UPDATE destination SET due = $1, tries = 3 WHERE id / 4 = (SELECT id FROM site WHERE name = "
           "'two.example')",
           N(clock_now_ms() + 100000));
    message = taken_mail(s, 8);
    commit(s, &(struct decision){message, 8, .direct = {"a@one.example", "a@two.example"}});
    assert_number(s, 1,
                  "SELECT count(*) FROM destination WHERE due <= $1 AND id / 4 = (SELECT id FROM site WHERE "
                  "name = 'one.example')",
                  N(clock_now_ms()));
    assert_number(s, 1,
                  "SELECT count(*) FROM destination WHERE due > $1 AND id / 4 = (SELECT id FROM site WHERE "
                  "name = 'two.example')",
                  N(clock_now_ms()));
}

/* -- EXPANSIONS, EXPAND */

static int64_t expand(struct unit_store *s, int64_t message, int64_t list, bool *ret_done) {
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    int64_t n = next_int(s);
    *ret_done = next_int(s) != 0;
    expect_end(s);
    return n;
}

static int64_t expand_all(struct unit_store *s, int64_t message, int64_t list) {
    int64_t sum = 0;
    bool is_done = false;
    for (int i = 0; !is_done; i++) {
        sum += expand(s, message, list, &is_done);
        check(i < 20, "an expansion does not end");
    }
    return sum;
}

static void test_expansions__lists_what_is_under_way(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    must(s, OP_EXPANSIONS);
    expect_end(s);
    int64_t first = route_mail(s, "1", list, NULL), second = route_mail(s, "2", list, NULL);
    must(s, OP_EXPANSIONS);
    expect(s, N(first), N(list), N(0), N(second), N(list), N(0));
    expect_end(s);
    expand_all(s, first, list);
    must(s, OP_EXPANSIONS);
    expect(s, N(second), N(list), N(0));
    expect_end(s);
}

static void test_expand__a_list_without_members(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example"), message = route_mail(s, "1", list, NULL);
    bool is_done;
    assert_int_equal(expand(s, message, list, &is_done), 0);
    assert_true(is_done);
    assert_number(s, 1,
                  "SELECT count(*) FROM event WHERE kind = $1 AND list = $2 AND detail = 'recipients=0'",
                  N(EVENT_EXPANDED), N(list));
}

static void test_expand__every_member_once_in_slices(struct unit_store *s) {
    enum { MEMBERS = 5000, SLICE = LIMIT_EXPAND_SLICE };
    int64_t list = make_list(s, "news@here.example");
    make_list(s, "other@here.example");
    add_members(s, "news@here.example", 0, MEMBERS, 7);
    add_members(s, "other@here.example", MEMBERS, 10, 3);
    int64_t message = route_mail(s, "1", list, NULL);
    bool is_done;
    assert_int_equal(expand(s, message, list, &is_done), SLICE);
    assert_false(is_done);
    assert_number(s, SLICE, "SELECT count(*) FROM delivery");
    assert_number(s, SLICE, "SELECT made FROM expansion");
    assert_int_equal(expand(s, message, list, &is_done), SLICE);
    assert_false(is_done);
    assert_int_equal(expand(s, message, list, &is_done), MEMBERS - 2 * SLICE);
    assert_true(is_done);
    assert_number(
        s, MEMBERS,
        "SELECT count(*) FROM delivery d JOIN member m ON m.list = d.list AND m.site = d.dest / 4 AND "
        "m.addr = d.rcpt"
        " WHERE d.message = $1 AND d.list = $2",
        N(message), N(list));
    assert_number(s, 7, "SELECT count(*) FROM destination WHERE due <= $1", N(clock_now_ms()));
    assert_int_equal(expand(s, message, list, &is_done), 0); /* again: nothing */
    assert_true(is_done);
    assert_number(s, MEMBERS, "SELECT count(*) FROM delivery");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1 AND detail = 'recipients=5000'",
                  N(EVENT_EXPANDED));
}

static void test_expand__exactly_one_slice(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, LIMIT_EXPAND_SLICE, 2);
    int64_t message = route_mail(s, "1", list, NULL);
    assert_int_equal(expand_all(s, message, list), LIMIT_EXPAND_SLICE);
    assert_number(s, 0, "SELECT count(*) FROM expansion");
}

/* Who is a member is decided slice by slice; the order is (destination, address). */
static void test_expand__members_come_and_go_between_slices(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, 5000, 1);
    add_member(s, "news@here.example", "last@z.example");
    must(s, OP_MEMBER_REMOVE, S("news@here.example"), S("me"), N(ROLE_MEMBER), N(1),
         S("m1000@d0.example")); /* comes back later */
    int64_t message = route_mail(s, "1", list, NULL);
    bool is_done;
    assert_int_equal(expand(s, message, list, &is_done), LIMIT_EXPAND_SLICE);
    add_member(s, "news@here.example", "m1000@d0.example"); /* behind the cursor: too late for this post */
    add_member(s, "news@here.example", "new@z.example");    /* ahead of it: gets it */
    must(s, OP_MEMBER_REMOVE, S("news@here.example"), S("me"), N(ROLE_MEMBER), N(3), S("m5@d0.example"),
         S("m3000@d0.example"), S("last@z.example"));
    expect(s, N(3));
    int64_t rest = expand_all(s, message, list);
    assert_int_equal(LIMIT_EXPAND_SLICE + rest, 4999 - 1 + 1);
    assert_number(s, 0, "SELECT count(*) FROM delivery WHERE rcpt = $1",
                  N(address_of(s, "m1000@d0.example")));
    assert_number(s, 1, "SELECT count(*) FROM delivery WHERE rcpt = $1", N(address_of(s, "new@z.example")));
    assert_number(s, 1, "SELECT count(*) FROM delivery WHERE rcpt = $1",
                  N(address_of(s, "m5@d0.example"))); /* had it already */
    assert_number(s, 0, "SELECT count(*) FROM delivery WHERE rcpt = $1",
                  N(address_of(s, "m3000@d0.example")));
    assert_number(s, 0, "SELECT count(*) FROM delivery WHERE rcpt = $1", N(address_of(s, "last@z.example")));
    assert_int_equal(expand_all(s, route_mail(s, "2", list, NULL), list),
                     5000 - 2 + 1); /* the next post goes to today's members */
}

/* -- two nodes at once, on PostgreSQL */

struct other_call {
    struct unit_store *s;
    enum op op;
    struct buf args;
    enum err_code code;
};

static void *run_call(void *arg) {
    struct other_call *c = arg;
    c->code = unit_call_args(c->s, c->op, &c->args);
    return NULL;
}

static void wait_until_blocked(struct db *other, int64_t pid) {
    while (db_number(other, 0, "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted", DB_I(pid)) ==
           0)
        check(!db_error(other), "%s", db_error(other)->text);
}

/* A member leaves between the moment a slice is chosen and the moment its deliveries are written: those
 * behind the slice must get the post all the same. */
static void test_expand__a_member_leaves_within_a_slice(struct unit_store *s) {
    if (s->engine == DB_SQLITE)
        return; /* one writer at a time */
    int64_t list = make_list(s, "news@here.example");
    add_members(s, "news@here.example", 0, 2500, 1);
    int64_t message = route_mail(s, "1", list, NULL), pid = number(s, "SELECT pg_backend_pid()::bigint");
    struct db *other = unit_store_connect(s);
    assert_true(db_begin(other, DURABLE_SOON));
    db_script(other, "LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE");
    struct other_call c = {.s = s, .op = OP_EXPAND, .args = BUF_INIT(100)};
    add_values(&c.args, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run_call, &c), 0);
    wait_until_blocked(other, pid);
    assert_int_equal(db_change(other, "DELETE FROM member WHERE role = 1 AND addr = (SELECT id FROM address "
                                      "WHERE text = 'm5@d0.example')"),
                     1);
    assert_true(db_commit(other));
    pthread_join(t, NULL);
    db_close(&other);
    assert_int_equal(c.code, ERR_OK);
    int64_t made = next_int(s);
    bool is_done = next_int(s) != 0;
    while (!is_done)
        made += expand(s, message, list, &is_done);
    check(made == 2499 || made == 2500, "%lld of 2499 members", (long long)made);
}

/* A delivery is added, not yet committed, while deliver gives its destination back and sees nothing more to
 * do: the destination must be due afterwards, or the delivery lies there for ever. */
static void test_wake__while_the_destination_is_released(struct unit_store *s) {
    if (s->engine == DB_SQLITE)
        return;
    int64_t message = route_mail(s, "1", 0, "a@one.example"), dest = destination_of(s, "one.example");
    must(s, OP_LEASE, S("node"), N(5), N(10), N(LEASE));
    change(s, "DELETE FROM delivery"); /* delivered */
    change(s, "UPDATE destination SET due = $1",
           N(clock_now_ms())); /* something was added meanwhile, and done too */
    message = taken_mail(s, 7);
    struct db *other = unit_store_connect(s);
    int64_t pid = number(s, "SELECT pg_backend_pid()::bigint");
    struct buf args = BUF_INIT(1000), out = BUF_INIT(1000);
    struct arena arena;
    arena_init(&arena, LIMIT_STEP_ARENA);
    add_values(&args, N(message), N(7), S("sha256"), S(""), S(""), S(""), N(0), N(CLASS_DIRECT), N(1),
               S("b@one.example"), N(0), S(""), N(0), N(0));
    struct op_run adding = {
        .db = other, .in = vals_of(buf_view(&args)), .out = &out, .now_ms = clock_now_ms(), .arena = &arena};
    assert_true(db_begin(other, DURABLE_FULL));
    op_info(OP_ROUTE_COMMIT)->run(&adding);
    assert_int_equal(db_number(other, 0, "SELECT count(*) FROM delivery"), 1);
    struct other_call c = {.s = s, .op = OP_RELEASE, .args = BUF_INIT(100), .code = ERR_CODES};
    add_values(&c.args, N(dest), N(5), N(0), N(0), S(""));
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run_call, &c), 0);
    struct db *watch = unit_store_connect(s);
    while (db_number(watch, 0, "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted", DB_I(pid)) ==
               0 &&
           db_number(watch, 0, "SELECT count(*) FROM destination WHERE batch = 5") == 1)
        assert_null(db_error(watch)); /* it waits for us, or is through */
    assert_true(db_commit(other));
    pthread_join(t, NULL);
    assert_int_equal(c.code, ERR_OK);
    assert_number(s, 1, "SELECT count(*) FROM destination WHERE id = $1 AND due <= $2", N(dest),
                  N(clock_now_ms()));
    db_close(&other);
    db_close(&watch);
    buf_done(&args);
    buf_done(&out);
    arena_done(&arena);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_take__gives_message_and_recipients),
        STORE_CASE(test_take__the_same_batch_gives_the_same),
        STORE_CASE(test_take__a_lease_ends_by_time),
        STORE_CASE(test_take__takes_no_more_than_an_answer_holds),
        STORE_CASE(test_inbox__age_is_that_of_its_oldest),
        STORE_CASE(test_reset__gives_back_ones_own_only),
        STORE_CASE(test_pass__makes_deliveries_but_nothing_for_a_list),
        STORE_CASE(test_commit__makes_deliveries),
        STORE_CASE(test_commit__twice_is_once),
        STORE_CASE(test_commit__of_a_batch_that_is_not_its_any_more),
        STORE_CASE(test_commit__the_same_address_twice_is_one_delivery),
        STORE_CASE(test_commit__what_becomes_nothing_leaves_an_event),
        STORE_CASE(test_commit__an_event_about_a_known_address),
        STORE_CASE(test_commit__a_post_is_numbered_and_fed),
        STORE_CASE(test_commit__the_same_bytes_again_are_a_duplicate),
        STORE_CASE(test_commit__a_list_without_archive_has_no_feed),
        STORE_CASE(test_commit__to_a_list_that_was_deleted_meanwhile),
        STORE_CASE(test_commit__wakes_a_destination),
        STORE_CASE(test_expansions__lists_what_is_under_way),
        STORE_CASE(test_expand__a_list_without_members),
        STORE_CASE(test_expand__every_member_once_in_slices),
        STORE_CASE(test_expand__exactly_one_slice),
        STORE_CASE(test_expand__members_come_and_go_between_slices),
        STORE_CASE(test_expand__a_member_leaves_within_a_slice),
        STORE_CASE(test_wake__while_the_destination_is_released),
    };
    return RUN_STORE_CASES("store/op_route", cases);
}
