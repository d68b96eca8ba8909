/* op_bounce_test.c: mail that comes back from members, from the first count to the end of the membership, by
 * the instance's clock. */
#include "testing/store.h"

#include "base/clock.h"
#include "base/id.h"
#include "store/bounced.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/owed.h"
#include "store/preference.h"
#include "store/role.h"

static const char *const news = "news@here.example", *const one = "a@one.example";
#define DAY (24 * 3600 * INT64_C(1000))

static void set(struct unit_store *s, const char *setting, const char *value) {
    must(s, OP_SETTING_SET, S(news), S("me"), N(1), S(setting), N(SETTING_REPLACE), S(value));
}

static void set_up(struct unit_store *s) {
    make_list(s, news);
    add_member(s, news, one);
    set(s, "bounce_probes", "false");
}

static enum bounced bounce(struct unit_store *s) {
    must(s, OP_BOUNCE, S(news), S(one), N(0), S("5.1.1 no such user"));
    return (enum bounced)next_int(s);
}

static int64_t owed(struct unit_store *s, enum letter_kind kind) {
    return number(s, "SELECT count(*) FROM owed_letter WHERE kind = $1", N(kind));
}

static int64_t status(struct unit_store *s) {
    return number(s, "SELECT m.status FROM member m JOIN address a ON a.id = m.addr WHERE a.text = $1",
                  S(one));
}

static void next_day(void) {
    advance(DAY);
}

static void disable(struct unit_store *s) {
    set(s, "bounce_score_threshold", "1");
    assert_int_equal(bounce(s), BOUNCED_DISABLED);
}

static int64_t step(struct unit_store *s) {
    must(s, OP_BOUNCES_STEP, N(10));
    return next_int(s);
}

static void test_bounce__one_a_day_counts_up_to_the_threshold(struct unit_store *s) {
    set_up(s);
    for (int day = 1; day <= 4; day++) {
        assert_int_equal(bounce(s), BOUNCED_COUNTED);
        expect(s, N(day));
        next_day();
    }
    assert_int_equal(owed(s, LETTER_DISABLED), 0);
    assert_int_equal(bounce(s), BOUNCED_DISABLED);
    assert_int_equal(status(s), STATUS_BY_BOUNCES);
    assert_int_equal(owed(s, LETTER_DISABLED), 1);
    assert_number(s, 5, "SELECT count(*) FROM event WHERE kind = $1 AND message = -1", N(EVENT_COUNTED));
    next_day();
    assert_int_equal(bounce(s), BOUNCED_IGNORED);
}

static void test_bounce__two_on_a_day_are_one(struct unit_store *s) {
    set_up(s);
    advance(DAY - clock_now_ms() % DAY); /* midnight is far */
    assert_int_equal(bounce(s), BOUNCED_COUNTED);
    enum bounced again = bounce(s);
    check(again == BOUNCED_TODAY, "%d", again);
}

static void test_bounce__an_old_count_is_forgotten(struct unit_store *s) {
    set_up(s);
    bounce(s);
    next_day();
    bounce(s);
    expect(s, N(2));
    advance(8 * DAY);
    bounce(s);
    expect(s, N(1));
}

static void test_bounce__who_is_no_member_or_wants_no_mail(struct unit_store *s) {
    set_up(s);
    must(s, OP_BOUNCE, S(news), S("x@one.example"), N(0), S(""));
    expect(s, N(BOUNCED_NO_MEMBER));
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S(one), S(news), N(ROLE_MEMBER), N(0), N(1),
         N(PREFERENCE_DELIVERY_STATUS), N(1));
    assert_int_equal(bounce(s), BOUNCED_IGNORED);
    refused(s, ERR_NOT_FOUND, OP_BOUNCE, S("gone@here.example"), S(one), N(0), S(""));
}

static void test_bounce__a_list_that_does_not_count(struct unit_store *s) {
    set_up(s);
    set(s, "process_bounces", "false");
    assert_int_equal(bounce(s), BOUNCED_IGNORED);
    assert_number(s, 0, "SELECT count(*) FROM bounce");
}

static void test_disabled__warned_and_at_last_removed(struct unit_store *s) {
    set_up(s);
    disable(s);
    for (int warning = 1; warning <= 3; warning++) {
        assert_int_equal(step(s), 1);
        assert_int_equal(owed(s, LETTER_WARNING), warning);
        assert_int_equal(step(s), 0);
        advance(7 * DAY);
    }
    assert_int_equal(owed(s, LETTER_REMOVED), 0);
    assert_int_equal(step(s), 1);
    assert_int_equal(status(s), -1);
    assert_int_equal(owed(s, LETTER_REMOVED), 1);
    assert_number(s, 0, "SELECT count(*) FROM bounce");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1 AND detail = 'by=bounces'",
                  N(EVENT_UNSUBSCRIBED));
    assert_int_equal(step(s), 0);
}

static void test_disabled__without_warnings_it_ends_at_once(struct unit_store *s) {
    set_up(s);
    set(s, "bounce_you_are_disabled_warnings", "0");
    set(s, "bounce_score_threshold", "1");
    assert_int_equal(bounce(s), BOUNCED_REMOVED);
    assert_int_equal(status(s), -1);
}

static void test_disabled__switched_on_again(struct unit_store *s) {
    set_up(s);
    disable(s);
    must(s, OP_MEMBER_ENABLE, S(news), S("mail"), S(one));
    assert_int_equal(status(s), STATUS_ENABLED);
    assert_int_equal(step(s), 0);
    must(s, OP_MEMBER_ENABLE, S(news), S("mail"), S(one)); /* once more is no mistake */
    refused(s, ERR_NOT_FOUND, OP_MEMBER_ENABLE, S(news), S("mail"), S("x@one.example"));
}

/* Somebody else said something else about delivery: nobody is warned or removed for bounces of before. */
static void test_disabled__and_then_by_the_user(struct unit_store *s) {
    set_up(s);
    disable(s);
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S(one), S(news), N(ROLE_MEMBER), N(0), N(1),
         N(PREFERENCE_DELIVERY_STATUS), N(1));
    assert_int_equal(step(s), 1);
    assert_number(s, 0, "SELECT count(*) FROM bounce");
    assert_int_equal(owed(s, LETTER_WARNING), 0);
}

/* On again by the member's own word is as good as by an answer: a new count, and no warning. */
static void test_disabled__and_then_enabled_by_the_user(struct unit_store *s) {
    set_up(s);
    disable(s);
    must(s, OP_PREFER, S("me"), N(LEVEL_MEMBER), S(one), S(news), N(ROLE_MEMBER), N(0), N(1),
         N(PREFERENCE_DELIVERY_STATUS), N(STATUS_ENABLED));
    assert_number(s, 0, "SELECT count(*) FROM bounce");
    set(s, "bounce_score_threshold", "2");
    next_day();
    assert_int_equal(bounce(s), BOUNCED_COUNTED);
    expect(s, N(1));
}

/* As lists come. */
static void test_probe__tries_first(struct unit_store *s) {
    make_list(s, news);
    add_member(s, news, one);
    set(s, "bounce_score_threshold", "1");
    assert_int_equal(bounce(s), BOUNCED_PROBED);
    assert_int_equal(status(s), STATUS_ENABLED);
    assert_int_equal(owed(s, LETTER_PROBE), 1);
    must(s, OP_BOUNCE, S(news), S(one), N(1), S("5.1.1")); /* the probe came back */
    expect(s, N(BOUNCED_DISABLED));
    assert_int_equal(status(s), STATUS_BY_BOUNCES);
    must(s, OP_BOUNCE, S(news), S(one), N(1), S("5.1.1"));
    expect(s, N(BOUNCED_IGNORED));
}

static void test_owners__hear_of_each_if_they_want(struct unit_store *s) {
    set_up(s);
    set(s, "bounce_notify_owner_on_bounce_increment", "true");
    bounce(s);
    assert_int_equal(owed(s, LETTER_BOUNCED), 1);
}

static void test_results__a_refusal_counts_at_once(struct unit_store *s) {
    set_up(s);
    int64_t list = number(s, "SELECT id FROM list"), message = route_mail(s, "hello", list, NULL);
    keep_edition(s, message, list);
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    int64_t dest = destination_of(s, "one.example"), addr = address_of(s, one);
    int64_t due = number(s, "SELECT due FROM delivery WHERE rcpt = $1", N(addr));
    must(s, OP_RESULTS, N(1), N(dest), N(due), N(message), N(list), N(addr), N(0), N(0), N(EVENT_BOUNCED),
         N(0), N(1), S("mx.one.example"), S("550 5.1.1 no such user"), N(0));
    assert_number(s, 1, "SELECT score FROM bounce");
    must(s, OP_RESULTS, N(1), N(dest), N(due), N(message), N(list), N(addr), N(0), N(0), N(EVENT_BOUNCED),
         N(0), N(1), S("mx.one.example"), S("550 5.1.1 no such user"),
         N(0)); /* the row is gone: nothing happens twice */
    assert_number(s, 1, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_COUNTED));
}

/* What a server told us is nothing that somebody may have forged. */
static void test_results__need_no_probe(struct unit_store *s) {
    int64_t list = make_list(s, news);
    add_member(s, news, one);
    set(s, "bounce_score_threshold", "1");
    int64_t message = route_mail(s, "hello", list, NULL), addr = address_of(s, one);
    keep_edition(s, message, list);
    must(s, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    must(s, OP_RESULTS, N(1), N(destination_of(s, "one.example")),
         N(number(s, "SELECT due FROM delivery WHERE rcpt = $1", N(addr))), N(message), N(list), N(addr),
         N(0), N(0), N(EVENT_BOUNCED), N(0), N(1), S("mx.one.example"), S("550 5.1.1 no such user"), N(0));
    assert_int_equal(status(s), STATUS_BY_BOUNCES);
    assert_int_equal(owed(s, LETTER_PROBE), 0);
}

/* -- letters that are owed */

static void test_owed__is_read_and_written_once(struct unit_store *s) {
    set_up(s);
    set(s, "display_name", "The News");
    disable(s);
    must(s, OP_OWED_LETTERS, N(10));
    int64_t id = next_int(s);
    assert_int_equal(next_int(s), LETTER_DISABLED);
    expect(s, S("5.1.1 no such user"));
    next_int(s);
    expect(s, S(news), S(one), S(""), S("The News"), S(""), S(""), S("en"), S(""));
    expect_end(s);
    must(s, OP_OWED_WRITTEN, N(id), N(0));
    must(s, OP_OWED_WRITTEN, N(id), N(0));
    must(s, OP_OWED_LETTERS, N(10));
    expect_end(s);
}

static void test_owed__goes_with_its_list(struct unit_store *s) {
    set_up(s);
    disable(s);
    must(s, OP_LIST_DELETE, S(news));
    assert_number(s, 0, "SELECT count(*) FROM owed_letter");
    assert_number(s, 0, "SELECT count(*) FROM bounce");
}

/* -- answers to whoever writes */

static int64_t may_answer(struct unit_store *s, const char *to, int64_t grace) {
    must(s, OP_AUTOREPLY, S(news), N(AUTOREPLY_OWNER), S(to), N(grace), N(id_new()));
    return next_int(s);
}

/* The answer was not written when router stopped: it is due again. */
static void test_autoreply__of_one_message_is_due_until_it_is_written(struct unit_store *s) {
    set_up(s);
    int64_t message = id_new();
    for (int i = 0; i < 2; i++) {
        must(s, OP_AUTOREPLY, S(news), N(AUTOREPLY_OWNER), S(one), N(DAY), N(message));
        expect(s, N(1));
    }
    assert_int_equal(may_answer(s, one, DAY), 0);
}

static void test_autoreply__once_in_a_grace_period(struct unit_store *s) {
    set_up(s);
    assert_int_equal(may_answer(s, one, DAY), 1);
    assert_int_equal(may_answer(s, one, DAY), 0);
    assert_int_equal(may_answer(s, "b@one.example", DAY), 1);
    next_day();
    assert_int_equal(may_answer(s, one, DAY), 1);
    assert_int_equal(may_answer(s, one, 0), 1);
    assert_int_equal(may_answer(s, one, 0), 1);
    must(s, OP_AUTOREPLY, S("gone@here.example"), N(AUTOREPLY_OWNER), S(one), N(0), N(1));
    expect(s, N(0));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_bounce__one_a_day_counts_up_to_the_threshold),
        STORE_CASE(test_bounce__two_on_a_day_are_one),
        STORE_CASE(test_bounce__an_old_count_is_forgotten),
        STORE_CASE(test_bounce__who_is_no_member_or_wants_no_mail),
        STORE_CASE(test_bounce__a_list_that_does_not_count),
        STORE_CASE(test_disabled__warned_and_at_last_removed),
        STORE_CASE(test_disabled__without_warnings_it_ends_at_once),
        STORE_CASE(test_disabled__switched_on_again),
        STORE_CASE(test_disabled__and_then_by_the_user),
        STORE_CASE(test_disabled__and_then_enabled_by_the_user),
        STORE_CASE(test_probe__tries_first),
        STORE_CASE(test_owners__hear_of_each_if_they_want),
        STORE_CASE(test_results__a_refusal_counts_at_once),
        STORE_CASE(test_results__need_no_probe),
        STORE_CASE(test_owed__is_read_and_written_once),
        STORE_CASE(test_owed__goes_with_its_list),
        STORE_CASE(test_autoreply__once_in_a_grace_period),
        STORE_CASE(test_autoreply__of_one_message_is_due_until_it_is_written),
    };
    if (!is_clock_movable()) {
        printf("skipped: the clock cannot be moved in this build\n");
        return 77;
    }
    return RUN_STORE_CASES("store/op_bounce", cases);
}
