/* op_edition_test.c: the list's edition of a post: made once, kept with it, and who gets no copy. */
#include "testing/store.h"

#include "store/accept.h"
#include "store/edition.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/moderation.h"
#include "store/preference.h"
#include "store/role.h"
#include "store/template.h"

#include "base/id.h"

#define KEPT_NOT N(KEPT_POST), N(0), S("")

static const char *const news = "news@here.example";

/* A post that the list has taken. Returns its message. */
static int64_t take(struct unit_store *s, int64_t list, const char *sha256) {
    int64_t message = accept_mail(s, "a@one.example", "body", news), batch = id_new();
    must(s, OP_ROUTE_TAKE, S("router"), N(batch), N(10), N(60000));
    must(s, OP_ROUTE_COMMIT, N(message), N(batch), S(sha256), S("id@x"), S("a@one.example"), S("hello"), N(1),
         N(list), N(MODERATION_ACCEPT), S(""), S(""), N(0), N(0), N(0), N(0));
    return message;
}

static void keep(struct unit_store *s, int64_t message, int64_t list, enum moderation end) {
    must(s, OP_EDITION_KEEP, N(message), N(list), N(end), S("what"), KEPT_NOT, N(0), S("recipe"), S(""),
         S("hello"), N(0), N(0), N(0));
}

static int64_t events(struct unit_store *s, int64_t message, enum event_kind kind) {
    return number(s, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2", N(message), N(kind));
}

static void test_edition__is_made_from_the_list_as_it_is_set(struct unit_store *s) {
    int64_t list = make_list(s, news), one = take(s, list, "one"), two = take(s, list, "two");
    must(s, OP_SETTING_SET, S("@here.example"), S("me"), N(1), S("subject_prefix"), N(SETTING_REPLACE),
         S("[n %d] "));
    must(s, OP_LIST_EDITION, N(two), N(list));
    expect(s, S(news), S("public"), N(2));
    view secret = next_view(s);
    assert_int_equal(secret.len, 32);
    expect(s, N(0), S(""), S(""), S(""), S("[n %d] "), S("no_munging"));
    must(s, OP_LIST_EDITION, N(one), N(list));
    expect(s, S(news), S("public"), N(1));
}

static void expect_footer(struct unit_store *s, int64_t message, int64_t list, const char *footer) {
    must(s, OP_LIST_EDITION, N(message), N(list));
    next_view(s), next_view(s), next_int(s), next_view(s), next_int(s);
    for (enum list_setting i = 0; i < LIST_SETTING_MSG_FOOTER; i++)
        if (list_setting_part(i) == SETTINGS_EDITION)
            next_view(s);
    expect(s, S(footer));
}

static void test_edition__its_footer_may_be_a_template(struct unit_store *s) {
    int64_t list = make_list(s, news), one = take(s, list, "one");
    must(s, OP_TEMPLATE_SET, S(""), S("me"), N(1), S("list:member:regular:footer"), S(""),
         N(TEMPLATE_BY_TEXT), S("-- of the site"), S(""), S(""));
    expect_footer(s, one, list, "-- of the site");
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S("msg_footer"), N(SETTING_REPLACE), S(""));
    expect_footer(s, one, list, "");
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S("msg_footer"), N(SETTING_REPLACE), S("-- set"));
    expect_footer(s, one, list, "-- set");
}

static void test_edition__each_list_has_a_secret_of_its_own(struct unit_store *s) {
    int64_t list = make_list(s, news), other = make_list(s, "other@here.example");
    int64_t one = take(s, list, "one"), two = take(s, other, "one");
    struct buf secret = BUF_INIT(100);
    must(s, OP_LIST_EDITION, N(one), N(list));
    next_view(s), next_view(s), next_int(s);
    buf_add(&secret, next_view(s));
    must(s, OP_LIST_EDITION, N(two), N(other));
    next_view(s), next_view(s), next_int(s);
    assert_false(view_eq(buf_view(&secret), next_view(s)));
    buf_done(&secret);
}

static void test_secret__is_the_one_of_editions(struct unit_store *s) {
    int64_t list = make_list(s, news), message = take(s, list, "one");
    struct buf secret = BUF_INIT(100);
    must(s, OP_LIST_SECRET, S(news));
    buf_add(&secret, next_view(s));
    must(s, OP_LIST_EDITION, N(message), N(list));
    next_view(s), next_view(s), next_int(s);
    assert_true(secret.len == 32 && view_eq(next_view(s), buf_view(&secret)));
    buf_done(&secret);
}

static void test_keep__once_and_until_the_post_goes(struct unit_store *s) {
    int64_t list = make_list(s, news), message = take(s, list, "one");
    must(s, OP_EXPANSIONS);
    expect(s, N(message), N(list), N(0));
    must(s, OP_EDITION, N(message), N(list));
    expect_end(s);
    keep(s, message, list, MODERATION_ACCEPT);
    must(s, OP_EXPANSIONS);
    expect(s, N(message), N(list), N(1));
    must(s, OP_EDITION_KEEP, N(message), N(list), N(MODERATION_DISCARD), S("other"), KEPT_NOT, N(0),
         S("other"), S(""), S(""), N(0), N(0), N(0));
    must(s, OP_EDITION, N(message), N(list));
    expect(s, S("recipe"), S(""));
    assert_int_equal(events(s, message, EVENT_EDITED), 1);
    assert_int_equal(events(s, message, EVENT_DISCARDED), 0);
    must(s, OP_LIST_EDITION, N(message), N(list)); /* nothing to be made */
    expect(s, S(""));
    expect_end(s);
    must(s, OP_EXPAND, N(message), N(list), N(10));
    change(s, "DELETE FROM feed");
    must(s, OP_REAP, N(0), N(100), N(1000000), N(0));
    assert_number(s, 0, "SELECT count(*) FROM edition");
}

static void test_keep__refuses_what_is_no_end(struct unit_store *s) {
    int64_t list = make_list(s, news), message = take(s, list, "one");
    refused(s, ERR_SYNTAX, OP_EDITION_KEEP, N(message), N(list), N(MODERATION_DEFER), S(""), KEPT_NOT, N(0),
            S(""), S(""), S(""), N(0), N(0), N(0));
    assert_number(s, 0, "SELECT count(*) FROM edition");
}

static void test_keep__nothing_left_ends_the_post(struct unit_store *s) {
    static const struct {
        enum moderation end;
        enum event_kind kind;
        int64_t holds;
    } cases[] = {{MODERATION_DISCARD, EVENT_DISCARDED, 0},
                 {MODERATION_REJECT, EVENT_REJECTED, 0},
                 {MODERATION_HOLD, EVENT_HELD, 1}};
    int64_t list = make_list(s, news);
    add_members(s, news, 0, 3, 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char sha[] = {(char)('a' + i), '\0'};
        int64_t message = take(s, list, sha);
        keep(s, message, list, cases[i].end);
        assert_int_equal(events(s, message, cases[i].kind), 1);
        assert_number(s, 0, "SELECT count(*) FROM expansion WHERE message = $1", N(message));
        assert_number(s, cases[i].holds, "SELECT count(*) FROM hold WHERE message = $1 AND role = 'list'",
                      N(message));
        must(s, OP_EXPAND, N(message), N(list), N(10));
        assert_number(s, 0, "SELECT count(*) FROM delivery WHERE message = $1", N(message));
        must(s, OP_QUEUE_RELEASE, N(message), S("me")); /* there is nothing to go on with */
        expect(s, N(0));
        must(s, OP_QUEUE_STOP, N(message), N(EVENT_DELETED), S("me"), S(""), N(0));
        expect(s, N(cases[i].holds), N(0));
        assert_number(s, 0, "SELECT count(*) FROM hold");
    }
}

/* The archive waits for the edition, and may get it in place of the post. */
static void test_archive__gets_what_the_list_keeps(struct unit_store *s) {
    int64_t list = make_list(s, news), one = take(s, list, "one"), two = take(s, list, "two");
    must(s, OP_ARCHIVE_JOIN, S("node"));
    must(s, OP_FEED_READ, S("node"), N(10), N(0));
    expect_end(s);
    keep(s, two, list, MODERATION_ACCEPT); /* behind one that is still to be made */
    must(s, OP_FEED_READ, S("node"), N(10), N(0));
    expect_end(s);
    change(s, "UPDATE post SET sha256 = (SELECT sha256 FROM message WHERE id = $1) WHERE uid = 1", N(one));
    must(s, OP_EDITION_KEEP, N(one), N(list), N(MODERATION_ACCEPT), S(""), N(KEPT_ANONYMOUS), N(99),
         S("digest"), N(0), S("recipe"), S(""), S(""), N(0), N(0), N(0));
    must(s, OP_FEED_READ, S("node"), N(1), N(0));
    expect(s, N(list), S(news), S("public"), N(1), N(1), N(0), N(one), N(1), S(news));
    next_view(s);
    expect(s, N(99), S("digest"), N(1));
    expect_end(s);
    int64_t three = take(s, list, "three");
    change(s, "UPDATE post SET sha256 = (SELECT sha256 || sha256 FROM message WHERE id = $1) WHERE uid = 1",
           N(one));
    change(s, "UPDATE post SET sha256 = (SELECT sha256 FROM message WHERE id = $1) WHERE uid = 3", N(three));
    must(s, OP_EDITION_KEEP, N(three), N(list), N(MODERATION_DISCARD), S(""), N(KEPT_EDITION), N(0), S(""),
         N(0), S(""), S(""), S(""), N(0), N(0), N(0));
    must(s, OP_FEED_DONE, S("node"), N(list), N(2), N(1), N(one), S("x"), N(2), N(two), S("x"));
    must(s, OP_FEED_READ, S("node"), N(10), N(0));
    expect(s, N(list), S(news), S("public"), N(3), N(1), N(1), N(three), N(3));
    assert_number(s, 1, "SELECT count(*) FROM post_kept WHERE size = 0 AND uid = 3");
}

static int64_t copies(struct unit_store *s, int64_t message, const char *address) {
    return number(s,
                  "SELECT count(*) FROM delivery d JOIN address a ON a.id = d.rcpt WHERE d.message = $1 AND "
                  "a.text = $2",
                  N(message), S(address));
}

/* Its copies are not wanted any more before it is made: the archive still gets what the list keeps. */
static void test_stop__lets_the_edition_be_made(struct unit_store *s) {
    int64_t list = make_list(s, news), message;
    add_members(s, news, 0, 3, 1);
    message = take(s, list, "one");
    must(s, OP_QUEUE_STOP, N(message), N(EVENT_DELETED), S("me"), S(""), N(0));
    expect(s, N(0), N(1));
    must(s, OP_EXPANSIONS);
    expect(s, N(message), N(list), N(0));
    keep(s, message, list, MODERATION_ACCEPT);
    must(s, OP_EXPAND, N(message), N(list), N(10));
    expect(s, N(0), N(1));
    assert_number(s, 0, "SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM expansion)");
    must(s, OP_ARCHIVE_JOIN, S("node"));
    must(s, OP_FEED_READ, S("node"), N(10), N(0));
    expect(s, N(list), S(news));
}

/* A post that its router dies of waits for people, and comes back where it was. */
static void test_expansions__leave_out_what_is_held(struct unit_store *s) {
    int64_t list = make_list(s, news), message = take(s, list, "one");
    for (int64_t times = 1; times <= LIMIT_CRASHES; times++)
        must(s, OP_CRASHED, S("router"), N(message), N(times));
    must(s, OP_EXPANSIONS);
    expect_end(s);
    must(s, OP_QUEUE_RELEASE, N(message), S("me"));
    must(s, OP_EXPANSIONS);
    expect(s, N(message), N(list), N(0));
    assert_number(s, 0, "SELECT count(*) FROM inbox");
}

/* Rows of a list that waits do not fill the answer. */
static void test_archive__of_other_lists_goes_on(struct unit_store *s) {
    int64_t list = make_list(s, news), other = make_list(s, "other@here.example");
    char sha[] = "a";
    must(s, OP_ARCHIVE_JOIN, S("node"));
    for (int i = 0; i < 5; i++, sha[0]++)
        take(s, list, sha);
    int64_t message = take(s, other, sha);
    keep(s, message, other, MODERATION_ACCEPT);
    must(s, OP_FEED_READ, S("node"), N(2), N(0));
    expect(s, N(other));
}

/* Members whom the post names, or who wrote it, and what they prefer. */
static void test_keep__leaves_out_who_wants_no_copy(struct unit_store *s) {
    static const char *const members[] = {"a@one.example", "b@one.example", "c@one.example"};
    int64_t list = make_list(s, news);
    for (size_t i = 0; i < COUNT(members); i++)
        must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(1), S(members[i]));
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S("b@one.example"), S(news), N(ROLE_MEMBER), N(0), N(1),
         N(PREFERENCE_RECEIVE_LIST_COPY), N(1));
    must(s, OP_PREFER, S("me"), N(LEVEL_USER), S("a@one.example"), S(""), N(0), N(0), N(1),
         N(PREFERENCE_RECEIVE_OWN_POSTINGS), N(1));
    int64_t message = take(s, list, "one");
    must(s, OP_EDITION_KEEP, N(message), N(list), N(MODERATION_ACCEPT), S(""), KEPT_NOT, N(0), S("recipe"),
         S(""), S("hello"), N(3), S("b@one.example"), S("c@one.example"), S("stranger@x.example"), N(1),
         S("a@one.example"), N(0));
    assert_number(s, 2, "SELECT count(*) FROM expansion_skip");
    assert_int_equal(events(s, message, EVENT_SKIPPED), 2);
    must(s, OP_EXPAND, N(message), N(list), N(10));
    assert_int_equal(copies(s, message, "a@one.example"), 0);
    assert_int_equal(copies(s, message, "b@one.example"), 0);
    assert_int_equal(copies(s, message, "c@one.example"), 1);
    assert_number(s, 0, "SELECT count(*) FROM expansion_skip");
    assert_int_equal(events(s, message, EVENT_EDITED), 0);
    int64_t other = take(s, list, "two"); /* which names nobody, by somebody else */
    keep(s, other, list, MODERATION_ACCEPT);
    must(s, OP_EXPAND, N(other), N(list), N(10));
    assert_int_equal(copies(s, other, "a@one.example"), 1);
    assert_int_equal(copies(s, other, "b@one.example"), 1);
}

/* Of a copy that names the member, the name comes with the row. */
static void test_fetch__gives_the_name_where_it_is_needed(struct unit_store *s) {
    int64_t list = make_list(s, news);
    must(s, OP_MEMBER_ADD, S(news), S("me"), N(ROLE_MEMBER), N(1), S("b@one.example"));
    change(s, "UPDATE mailbox SET name = 'Bea'");
    for (int64_t names = 0; names < 2; names++) {
        int64_t message = take(s, list, names ? "one" : "two");
        must(s, OP_EDITION_KEEP, N(message), N(list), N(MODERATION_ACCEPT), S(""), KEPT_NOT, N(names),
             S("recipe"), S(""), S(""), N(0), N(0), N(0));
        must(s, OP_EXPAND, N(message), N(list), N(10));
        int64_t dest = number(s, "SELECT dest FROM delivery WHERE message = $1", N(message));
        must(s, OP_FETCH, N(dest), N(0), N(0), N(0), N(0), N(10));
        for (int64_t found = 0; found != message;) {
            next_int(s);
            found = next_int(s);
            for (int i = 0; found != message && i < 8; i++)
                if (i < 4)
                    next_int(s);
                else
                    next_view(s);
        }
        expect(s, N(list));
        next_int(s);
        expect(s, N(0), N(names ? DELIVERY_NAME : 0), S("b@one.example"), S(news), S("a@one.example"),
               S(names ? "Bea" : ""));
    }
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_edition__is_made_from_the_list_as_it_is_set),
        STORE_CASE(test_edition__its_footer_may_be_a_template),
        STORE_CASE(test_edition__each_list_has_a_secret_of_its_own),
        STORE_CASE(test_secret__is_the_one_of_editions),
        STORE_CASE(test_keep__once_and_until_the_post_goes),
        STORE_CASE(test_keep__refuses_what_is_no_end),
        STORE_CASE(test_keep__nothing_left_ends_the_post),
        STORE_CASE(test_archive__gets_what_the_list_keeps),
        STORE_CASE(test_stop__lets_the_edition_be_made),
        STORE_CASE(test_expansions__leave_out_what_is_held),
        STORE_CASE(test_archive__of_other_lists_goes_on),
        STORE_CASE(test_keep__leaves_out_who_wants_no_copy),
        STORE_CASE(test_fetch__gives_the_name_where_it_is_needed),
    };
    return RUN_STORE_CASES("store/op_edition", cases);
}
