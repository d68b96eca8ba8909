/* op_digest_test.c: posts collected for digests, when a digest is due, to whom it goes. */
#include "testing/store.h"

#include "base/clock.h"
#include "base/id.h"
#include "store/class.h"
#include "store/digest.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/preference.h"
#include "store/role.h"

static const char *const news = "news@here.example";
#define DAY (24 * 3600 * INT64_C(1000))

static void set(struct unit_store *s, const char *setting, const char *value) {
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S(setting), N(SETTING_REPLACE), S(value));
}

static void prefer(struct unit_store *s, const char *who, int64_t mode) {
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S(who), S(news), N(ROLE_MEMBER), N(0), N(1),
         N(PREFERENCE_DELIVERY_MODE), N(mode));
}

/* Regular, plain, MIME. */
static int64_t set_up(struct unit_store *s) {
    int64_t list = make_list(s, news);
    add_member(s, news, "r@one.example");
    add_member(s, news, "p@one.example");
    add_member(s, news, "m@two.example");
    prefer(s, "p@one.example", MODE_PLAIN);
    prefer(s, "m@two.example", MODE_MIME);
    return list;
}

static int64_t post(struct unit_store *s, int64_t list, const char *body) {
    int64_t message = route_mail(s, body, list, NULL);
    keep_edition(s, message, list);
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    return message;
}

static int64_t copies(struct unit_store *s, int64_t message) {
    return number(s, "SELECT count(*) FROM delivery WHERE message = $1", N(message));
}

static bool is_due(struct unit_store *s) {
    must(s, OP_DIGESTS_DUE, N(0));
    expect(s, N(0));
    return vals_more(&s->results);
}

static int64_t issue(struct unit_store *s) {
    return number(s, "SELECT issue FROM list WHERE address = $1", S(news));
}

/* A digest of each kind, of this post; that of that mode is not expanded yet; its message. */
static int64_t close_digest(struct unit_store *s, int64_t list, int64_t as_issue, int64_t mode,
                            int64_t included) {
    int64_t digest = id_new(), other = id_new();
    must(s, OP_BODY_STAGE, N(digest), N(0), S("digest"));
    must(s, OP_BODY_STAGE, N(other), N(0), S("digest"));
    must(s, OP_DIGEST_SENT, N(list), N(as_issue), N(CLASS_LIST), N(1), N(included), N(2), N(mode), N(digest),
         S("news-bounces@here.example"), S("id@here.example"), N(6), S("sha"), N(0), S("recipe"),
         N(MODE_PLAIN + MODE_MIME - mode), N(other), S("news-bounces@here.example"), S("id2@here.example"),
         N(6), S("sha2"), N(0), S("recipe"));
    return digest;
}

static int64_t send(struct unit_store *s, int64_t list, int64_t as_issue, int64_t mode, int64_t included) {
    int64_t digest = close_digest(s, list, as_issue, mode, included);
    if (number(s, "SELECT count(*) FROM expansion WHERE message = $1", N(digest)) == 1)
        must(s, OP_EXPAND, N(digest), N(list), N(LIMIT_EXPAND_SLICE));
    return digest;
}

/* What DIGEST_TAKE says behind what editions are made from. */
static void take(struct unit_store *s, int64_t list) {
    must(s, OP_DIGEST_TAKE, N(list));
    expect(s, S(news), S("public"), N(1));
    next_view(s); /* the list's secret */
    expect(s, N(0));
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        if (list_setting_part((enum list_setting)i) == SETTINGS_EDITION)
            next_view(s);
    expect(s, S("en"), S(""), S(""), S(""));
}

static void test_posts__go_to_those_without_digests_and_are_collected(struct unit_store *s) {
    int64_t list = set_up(s), message = post(s, list, "1");
    assert_int_equal(copies(s, message), 1);
    assert_number(s, 1, "SELECT count(*) FROM digest");
    take(s, list);
    expect(s, N(CLASS_LIST), N(1), N(1), N(1 << MODE_PLAIN | 1 << MODE_MIME), N(message), N(0));
    expect_end(s);
}

static void test_posts__of_a_list_without_digests_go_to_all(struct unit_store *s) {
    int64_t list = set_up(s);
    set(s, "digests_enabled", "false");
    assert_int_equal(copies(s, post(s, list, "1")), 3);
    assert_number(s, 0, "SELECT count(*) FROM digest");
}

static void test_posts__are_collected_only_for_somebody(struct unit_store *s) {
    int64_t list = make_list(s, news);
    add_member(s, news, "r@one.example");
    post(s, list, "1");
    assert_number(s, 0, "SELECT count(*) FROM digest");
}

static void test_due__by_size_by_day_or_when_asked(struct unit_store *s) {
    int64_t list = set_up(s);
    assert_false(is_due(s));
    post(s, list, "1");
    assert_false(is_due(s));
    advance(DAY);
    assert_true(is_due(s));
    set(s, "digest_send_periodic", "false");
    assert_false(is_due(s));
    must(s, OP_DIGEST_ASK, S(news), S("me"));
    expect(s, N(1));
    assert_true(is_due(s));
    change(s, "UPDATE list SET digest_asked = 0");
    change(s, "UPDATE digest SET size = 30 * 1024");
    assert_true(is_due(s));
    set(s, "digest_size_threshold", "0");
    assert_false(is_due(s));
}

static void test_sent__each_kind_to_its_members_once(struct unit_store *s) {
    int64_t list = set_up(s), message = post(s, list, "1");
    int64_t digest = send(s, list, 1, MODE_MIME, message);
    assert_int_equal(copies(s, digest), 1);
    assert_number(
        s, 1,
        "SELECT count(*) FROM delivery d JOIN address a ON a.id = d.rcpt WHERE d.message = $1 AND a.text"
        " = 'm@two.example'",
        N(digest));
    assert_int_equal(issue(s), 2);
    assert_number(s, 0, "SELECT count(*) FROM digest");
    int64_t again = send(s, list, 1, MODE_MIME, message); /* taken by two at once: the second is not sent */
    assert_int_equal(copies(s, again), 0);
    assert_int_equal(issue(s), 2);
    assert_false(is_due(s));
}

/* The kinds it was made in are not those its members want by now. */
static void test_sent__not_without_a_kind_that_is_wanted(struct unit_store *s) {
    int64_t list = set_up(s), message = post(s, list, "1"), digest = id_new();
    must(s, OP_BODY_STAGE, N(digest), N(0), S("digest"));
    refused(s, ERR_CONFLICT, OP_DIGEST_SENT, N(list), N(1), N(CLASS_LIST), N(1), N(message), N(1),
            N(MODE_MIME), N(digest), S("news-bounces@here.example"), S("id@here.example"), N(6), S("sha"),
            N(0), S("recipe"));
    assert_number(s, 1, "SELECT count(*) FROM digest");
    assert_int_equal(issue(s), 1);
}

static void test_sent__what_nobody_wants_is_closed_silently(struct unit_store *s) {
    int64_t list = set_up(s), message = post(s, list, "1");
    change(s, "UPDATE member SET mode = 0");
    must(s, OP_DIGEST_SENT, N(list), N(1), N(CLASS_LIST), N(1), N(message), N(0));
    assert_int_equal(issue(s), 1);
    assert_number(s, 0, "SELECT count(*) FROM digest");
}

static void test_body__stays_until_the_digest_is_sent(struct unit_store *s) {
    int64_t list = set_up(s), message = post(s, list, "1");
    change(s, "DELETE FROM delivery");
    change(s, "DELETE FROM feed");
    must(s, OP_REAP, N(0), N(64), N(DAY), N(0));
    assert_number(s, 1, "SELECT count(*) FROM body WHERE id = $1", N(message));
    change(s, "UPDATE member SET mode = 0");
    must(s, OP_DIGEST_SENT, N(list), N(1), N(CLASS_LIST), N(1), N(message), N(0));
    must(s, OP_REAP, N(0), N(64), N(DAY), N(0));
    assert_number(s, 0, "SELECT count(*) FROM body WHERE id = $1", N(message));
}

static int64_t last_digests(struct unit_store *s) {
    return number(s, "SELECT count(*) FROM last_digest WHERE last > $1", N(0));
}

/* Who turns to single posts has missed those that were collected: one last digest brings them. */
static void test_mode__the_last_digest(struct unit_store *s) {
    int64_t list = set_up(s), first = post(s, list, "1");
    prefer(s, "m@two.example", MODE_REGULAR);
    int64_t second = post(s, list, "2");
    assert_int_equal(copies(s, second), 2);
    assert_int_equal(copies(s, send(s, list, 1, MODE_MIME, first)), 1);
    assert_int_equal(last_digests(s), 0);
    assert_int_equal(copies(s, send(s, list, 2, MODE_MIME, second)), 0);
}

/* The posts that wait are more than one digest holds, or one closes with some of them. */
static void test_mode__as_many_last_digests_as_it_takes(struct unit_store *s) {
    int64_t list = set_up(s), first = post(s, list, "1"), second = post(s, list, "2");
    prefer(s, "m@two.example", MODE_REGULAR);
    int64_t third = post(s, list, "3");
    assert_int_equal(copies(s, send(s, list, 1, MODE_MIME, first)), 1);
    assert_int_equal(copies(s, send(s, list, 2, MODE_MIME, second)), 1);
    assert_int_equal(last_digests(s), 0);
    assert_int_equal(copies(s, send(s, list, 3, MODE_MIME, third)), 0);
}

static void test_mode__a_digest_that_is_being_sent_is_missed_by_nobody(struct unit_store *s) {
    int64_t list = set_up(s), first = post(s, list, "1");
    int64_t mime = close_digest(s, list, 1, MODE_MIME, first);
    prefer(s, "m@two.example", MODE_REGULAR);
    must(s, OP_EXPAND, N(mime), N(list), N(LIMIT_EXPAND_SLICE));
    assert_int_equal(copies(s, mime), 1);
    assert_int_equal(last_digests(s), 0);
    prefer(s, "m@two.example", MODE_REGULAR); /* nothing waits: nothing is to come */
    assert_int_equal(last_digests(s), 0);
}

static void test_mode__who_turns_back_gets_one_digest_of_one_kind(struct unit_store *s) {
    int64_t list = set_up(s);
    post(s, list, "1");
    prefer(s, "m@two.example", MODE_REGULAR);
    assert_int_equal(last_digests(s), 1);
    prefer(s, "m@two.example", MODE_PLAIN);
    assert_int_equal(last_digests(s), 0);
}

static void test_mode__the_last_digest_follows_its_member(struct unit_store *s) {
    int64_t list = set_up(s), first = post(s, list, "1");
    prefer(s, "m@two.example", MODE_REGULAR);
    must(s, OP_ADDRESS_CHANGE, S("me"), S("m@two.example"), S("new@two.example"), S("new@two.example"));
    assert_int_equal(copies(s, send(s, list, 1, MODE_MIME, first)), 1);
    post(s, list, "2");
    prefer(s, "p@one.example", MODE_REGULAR);
    assert_int_equal(last_digests(s), 1);
    must(s, OP_MEMBER_REMOVE, S(news), S("me"), N(ROLE_MEMBER), N(1), S("p@one.example"));
    assert_int_equal(last_digests(s), 0);
}

/* The posts that wait were sent to nobody else. */
static void test_switched_off__what_waits_is_sent(struct unit_store *s) {
    int64_t list = set_up(s), first = post(s, list, "1");
    set(s, "digests_enabled", "false");
    assert_int_equal(copies(s, post(s, list, "2")), 3);
    assert_number(s, 1, "SELECT count(*) FROM digest");
    take(s, list);
    expect(s, N(CLASS_LIST), N(1), N(1), N(1 << MODE_PLAIN | 1 << MODE_MIME), N(first), N(0));
}

/* Switched on between: who had the post by itself does not get it again. */
static void test_switched_on__posts_that_went_to_all_are_not_collected(struct unit_store *s) {
    int64_t list = set_up(s);
    set(s, "digests_enabled", "false");
    int64_t message = route_mail(s, "1", list, NULL);
    set(s, "digests_enabled", "true");
    keep_edition(s, message, list);
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    assert_int_equal(copies(s, message), 3);
    assert_number(s, 0, "SELECT count(*) FROM digest");
}

static void test_asked__nothing_waits(struct unit_store *s) {
    int64_t list = set_up(s);
    must(s, OP_DIGEST_ASK, S(news), S("me"));
    expect(s, N(0));
    post(s, list, "1");
    assert_false(is_due(s));
}

static void test_left_out__the_others_go(struct unit_store *s) {
    int64_t list = set_up(s), first = post(s, list, "1"), second = post(s, list, "2");
    must(s, OP_DIGEST_LEAVE_OUT, N(list), N(first), S("it is damaged"));
    must(s, OP_DIGEST_LEAVE_OUT, N(list), N(first), S("it is damaged"));
    assert_number(s, 1, "SELECT count(*) FROM event WHERE message = $1 AND kind = $2", N(first),
                  N(EVENT_DROPPED));
    assert_number(s, second, "SELECT message FROM digest");
}

/* Lists whose digest is not due do not hide those behind them. */
static void test_due__behind_many_others(struct unit_store *s) {
    char name[32];
    for (int i = 0; i < LIMIT_ROUTE_BATCH; i++) {
        snprintf(name, sizeof name, "l%d@here.example", i);
        int64_t other = make_list(s, name);
        change(s, "INSERT INTO digest(list, message, size) VALUES($1, $2, 1)", N(other), N(id_new()));
    }
    post(s, set_up(s), "1");
    must(s, OP_DIGEST_ASK, S(news), S("me"));
    must(s, OP_DIGESTS_DUE, N(0));
    int64_t behind = next_int(s);
    assert_true(behind > 0);
    expect_end(s);
    must(s, OP_DIGESTS_DUE, N(behind));
    expect(s, N(0), N(number(s, "SELECT id FROM list WHERE address = $1", S(news))));
}

static void test_list__takes_its_digest_with_it(struct unit_store *s) {
    int64_t list = set_up(s);
    post(s, list, "1");
    change(s, "DELETE FROM delivery");
    change(s, "DELETE FROM feed");
    must(s, OP_LIST_DELETE, S(news));
    assert_number(s, 0, "SELECT count(*) FROM digest");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_posts__go_to_those_without_digests_and_are_collected),
        STORE_CASE(test_posts__of_a_list_without_digests_go_to_all),
        STORE_CASE(test_posts__are_collected_only_for_somebody),
        STORE_CASE(test_due__by_size_by_day_or_when_asked),
        STORE_CASE(test_sent__each_kind_to_its_members_once),
        STORE_CASE(test_sent__not_without_a_kind_that_is_wanted),
        STORE_CASE(test_sent__what_nobody_wants_is_closed_silently),
        STORE_CASE(test_body__stays_until_the_digest_is_sent),
        STORE_CASE(test_mode__the_last_digest),
        STORE_CASE(test_mode__as_many_last_digests_as_it_takes),
        STORE_CASE(test_mode__a_digest_that_is_being_sent_is_missed_by_nobody),
        STORE_CASE(test_mode__who_turns_back_gets_one_digest_of_one_kind),
        STORE_CASE(test_mode__the_last_digest_follows_its_member),
        STORE_CASE(test_switched_off__what_waits_is_sent),
        STORE_CASE(test_switched_on__posts_that_went_to_all_are_not_collected),
        STORE_CASE(test_asked__nothing_waits),
        STORE_CASE(test_left_out__the_others_go),
        STORE_CASE(test_due__behind_many_others),
        STORE_CASE(test_list__takes_its_digest_with_it),
    };
    if (!is_clock_movable()) {
        printf("skipped: the clock cannot be moved in this build\n");
        return 77;
    }
    return RUN_STORE_CASES("store/op_digest", cases);
}
