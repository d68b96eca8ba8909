/* op_alias_test.c: aliases and their sources: versions, imports, and what was before. */
#include "testing/store.h"

#include <stdio.h>

#include "base/clock.h"
#include "store/alias.h"
#include "store/lookup.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))

static void set_one(struct unit_store *s, const char *address, const char *target) {
    must(s, OP_ALIAS_SET, S(address), S("me"), N(1), S(target));
}

/* Every target a look-up of the address names in its first step, with spaces between. */
static void assert_leads(struct unit_store *s, const char *address, const char *want) {
    struct buf got = BUF_INIT(10000);
    must(s, OP_LOOKUP, S(address));
    next_view(s), next_int(s), next_int(s), next_view(s);
    for (int64_t n = next_int(s); n > 0; n--) {
        view target = next_view(s);
        buf_printf(&got, "%s%.*s", got.len ? " " : "", VIEW_ARG(target));
    }
    check(view_eq(buf_view(&got), view_of(want)), "%s leads to \"%s\", expected \"%s\"", address, got.data,
          want);
    buf_done(&got);
}

/* -- by hand */

static void test_set__replaces_and_twice_is_once(struct unit_store *s) {
    refused(s, ERR_NOT_FOUND, OP_ALIAS_SET, S("info@here.example"), S("me"), N(1), S("x@there.example"));
    make_list(s, "news@here.example");
    refused(s, ERR_EXISTS, OP_ALIAS_SET, S("news@here.example"), S("me"), N(1), S("x@there.example"));
    for (int i = 0; i < 2; i++)
        must(s, OP_ALIAS_SET, S("info@here.example"), S("me"), N(3), S("y@there.example"),
             S("x@there.example"), S("y@there.example"));
    assert_leads(s, "info@here.example", "x@there.example y@there.example");
    assert_number(s, 1, "SELECT live FROM alias_source"); /* the second changed nothing */
    must(s, OP_ALIAS_SET, S("info@here.example"), S("me"), N(2), S("z@there.example"), S("y@there.example"));
    assert_leads(s, "info@here.example", "y@there.example z@there.example");
    refused(s, ERR_SYNTAX, OP_ALIAS_SET, S("info@here.example"), S("me"), N(2), S("a@there.example"), N(1));
    assert_leads(s, "info@here.example", "y@there.example z@there.example"); /* still */
    must(s, OP_ALIAS_REMOVE, S("info@here.example"), S("me"));
    assert_leads(s, "info@here.example", "");
    refused(s, ERR_NOT_FOUND, OP_ALIAS_REMOVE, S("info@here.example"), S("me"));
    must(s, OP_LIST_CREATE, S("info@here.example"), S(""), S(""), S("none"),
         N(1)); /* what was is no hindrance */
}

static void test_set__refuses_a_loop_and_shows_it(struct unit_store *s) {
    make_list(s, "news@here.example");
    set_one(s, "a@here.example", "b@here.example");
    set_one(s, "b@here.example", "c@here.example");
    refused(s, ERR_LOOP, OP_ALIAS_SET, S("c@here.example"), S("me"), N(2), S("x@there.example"),
            S("a@here.example"));
    check(strstr(s->err.text, "c@here.example -> a@here.example -> b@here.example -> c@here.example"), "%s",
          s->err.text);
    assert_leads(s, "c@here.example", "");
    refused(s, ERR_LOOP, OP_ALIAS_SET, S("d@here.example"), S("me"), N(1), S("d@here.example"));
    refused(s, ERR_LOOP, OP_ALIAS_SET, S("d@here.example"), S("me"), N(1), S("d+x@here.example"));
    refused(s, ERR_LOOP, OP_ALIAS_SET, S("@here.example"), S("me"), N(1), S("nobody@here.example"));
    must(s, OP_ALIAS_SET, S("@here.example"), S("me"), N(2), S("news@here.example"), S("c@there.example"));
    must(s, OP_ALIAS_SET, S("news+x@here.example"), S("me"), N(1), S("news@here.example"));
}

static void list_all(struct unit_store *s, const char *source, int most, struct buf *got) {
    char cursor[3][64] = {"", "", ""};
    int64_t first = 0, end = 0;
    for (int pages = 0; !end; pages++) {
        check(pages < 100, "a listing does not end");
        must(s, OP_ALIAS_LS, S(source), N(ALIAS_SEEN), S(cursor[0]), S(cursor[1]), S(cursor[2]), N(first),
             N(most));
        while (next_int(s) == 1) {
            view address = next_view(s), from = next_view(s), target = next_view(s);
            buf_printf(got, "%.*s %.*s %.*s\n", VIEW_ARG(address), VIEW_ARG(from), VIEW_ARG(target));
            next_int(s), next_int(s);
        }
        for (int i = 0; i < 3; i++) {
            view v = next_view(s);
            snprintf(cursor[i], sizeof cursor[i], "%.*s", VIEW_ARG(v));
        }
        first = next_int(s);
        end = next_int(s);
        expect_end(s);
    }
}

static void test_ls__pages_and_sources(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"));
    struct buf want = BUF_INIT(10000);
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "a%d@here.example", i);
        must(s, OP_ALIAS_SET, S(name), S("me"), N(3), S("x@t.example"), S("y@t.example"), S("z@t.example"));
        must(s, OP_ALIAS_SET, S(name), S("me"), N(2), S("y@t.example"), S("z@t.example"));
        buf_printf(&want, "%s manual y@t.example\n%s manual z@t.example\n", name, name);
    }
    for (int most = 1; most < 20; most += 3) {
        struct buf got = BUF_INIT(10000);
        list_all(s, most % 2 ? "" : "manual", most, &got);
        assert_view(buf_view(&got), want.data);
        buf_reset(&got);
        list_all(s, "other", most, &got);
        assert_view(buf_view(&got), "");
        buf_done(&got);
    }
    buf_done(&want);
}

/* -- imports */

static int64_t begin(struct unit_store *s, const char *source, int64_t staging) {
    must(s, OP_ALIAS_BEGIN, S(source), N(staging));
    return next_int(s);
}

static void test_import__is_seen_when_it_is_published(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"));
    set_one(s, "a@here.example", "hand@there.example");
    refused(s, ERR_USAGE, OP_ALIAS_BEGIN, S("manual"), N(1));
    int64_t live = begin(s, "tracker", 7);
    assert_int_equal(live, 0);
    must(s, OP_ALIAS_STAGE, S("tracker"), N(7), N(live), N(2), N(ALIAS_ADD), S("a@here.example"),
         S("import@there.example"), N(ALIAS_ADD), S("b@here.example"), S("import@there.example"));
    assert_leads(s, "a@here.example", "hand@there.example");
    assert_leads(s, "b@here.example", "");
    for (int i = 0; i < 2; i++) /* again, after a lost answer */
        must(s, OP_ALIAS_PUBLISH, S("tracker"), N(7), N(live), S("cron"), S("file"), N(2), N(0));
    assert_leads(s, "a@here.example", "hand@there.example import@there.example");
    assert_leads(s, "b@here.example", "import@there.example");
    refused(s, ERR_NOT_FOUND, OP_ALIAS_REMOVE, S("b@here.example"), S("me"));
    check(strstr(s->err.text, "import"), "%s", s->err.text);
    must(s, OP_ALIAS_REMOVE, S("a@here.example"), S("me")); /* only what was set by hand */
    assert_leads(s, "a@here.example", "import@there.example");
    refused(s, ERR_EXISTS, OP_LIST_CREATE, S("b@here.example"), S(""), S(""), S("none"), N(1));
    must(s, OP_ALIAS_SOURCES);
    expect(s, S("manual"), N(2));
    next_int(s);
    expect(s, S("me"), S("alias remove"), N(0), N(1), S("tracker"), N(1));
    next_int(s);
    expect(s, S("cron"), S("file"), N(2), N(0));
    expect_end(s);
}

static void test_import__the_later_one_has_the_source(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"));
    begin(s, "tracker", 7);
    begin(s, "tracker", 8);
    refused(s, ERR_CONFLICT, OP_ALIAS_STAGE, S("tracker"), N(7), N(0), N(1), N(ALIAS_ADD),
            S("a@here.example"), S("x@there.example"));
    refused(s, ERR_CONFLICT, OP_ALIAS_PUBLISH, S("tracker"), N(7), N(0), S("me"), S(""), N(0), N(0));
    must(s, OP_ALIAS_STAGE, S("tracker"), N(8), N(0), N(1), N(ALIAS_ADD), S("a@here.example"),
         S("y@there.example"));
    must(s, OP_ALIAS_PUBLISH, S("tracker"), N(8), N(0), S("me"), S(""), N(1), N(0));
    refused(s, ERR_CONFLICT, OP_ALIAS_STAGE, S("tracker"), N(8), N(0), N(1), N(ALIAS_ADD),
            S("b@here.example"), S("y@there.example"));
    begin(s, "tracker", 9);
    refused(s, ERR_SYNTAX, OP_ALIAS_STAGE, S("tracker"), N(9), N(1), N(1), N(9), S("a"), S("b"));
    assert_leads(s, "a@here.example", "y@there.example");
}

/* A set as bits: entry i is there. Begins an import of it, as a command does: reads what is there, stages the
 * differences, at most `most` of them. True when that was all. */
static bool stage_set(struct unit_store *s, int64_t staging, unsigned wanted, int entries, int most) {
    int64_t live = begin(s, "tracker", staging);
    unsigned is_live = 0, is_ended = 0, is_staged = 0;
    must(s, OP_ALIAS_LS, S("tracker"), N(ALIAS_IMPORT), S(""), S(""), S(""), N(0), N(1000));
    while (next_int(s) == 1) {
        view address = next_view(s), source = next_view(s);
        int i = view_eq(source, VIEW("tracker")) ? address.ptr[0] - 'a' : 31;
        next_view(s);
        int64_t first = next_int(s), ended = next_int(s);
        is_staged |= (first > live ? 1U : 0U) << i;
        is_live |= (first <= live ? 1U : 0U) << i;
        is_ended |= (first <= live && ended == live + 1 ? 1U : 0U) << i;
    }
    for (int i = 0; i < entries; i++) {
        bool is_wanted = wanted >> i & 1, lives = is_live >> i & 1, ended = is_ended >> i & 1;
        bool staged = is_staged >> i & 1;
        int action = is_wanted && lives && ended      ? ALIAS_GO_ON
                     : is_wanted && !lives && !staged ? ALIAS_ADD
                     : !is_wanted && lives && !ended  ? ALIAS_END
                     : !is_wanted && !lives && staged ? ALIAS_FORGET
                                                      : 0;
        char address[] = "a@here.example";
        address[0] = (char)('a' + i);
        if (action && most-- == 0)
            return false;
        if (action)
            must(s, OP_ALIAS_STAGE, S("tracker"), N(staging), N(live), N(1), N(action), S(address),
                 S("x@t.example"));
    }
    must(s, OP_ALIAS_PUBLISH, S("tracker"), N(staging), N(live), S("me"), S(""), N(0), N(0));
    return true;
}

static unsigned seen_set(struct unit_store *s, int entries) {
    unsigned seen = 0;
    for (int i = 0; i < entries; i++) {
        char address[] = "a@here.example";
        address[0] = (char)('a' + i);
        must(s, OP_LOOKUP, S(address));
        next_view(s), next_int(s), next_int(s), next_view(s);
        seen |= (next_int(s) == 1 ? 1U : 0U) << i;
    }
    return seen;
}

/* Whatever sets follow one another, and wherever imports stop: what is seen is the set published last, and an
 * import that stopped changes nothing. */
static void test_import__stopped_anywhere(struct unit_store *s) {
    enum { ENTRIES = 6, ROUNDS = 60 };
    must(s, OP_DOMAIN_ADD, S("here.example"));
    unsigned random = 12345, published = 0;
    for (int round = 1; round <= ROUNDS; round++) {
        random = random * 1103515245U + 12345U;
        unsigned wanted = random >> 8 & ((1U << ENTRIES) - 1);
        if (stage_set(s, round, wanted, ENTRIES, (int)(random >> 20) % (ENTRIES + 2)))
            published = wanted;
        unsigned seen = seen_set(s, ENTRIES);
        check(seen == published, "round %d: %x is seen, %x was published", round, seen, published);
    }
}

/* -- what was */

static void expect_step(struct unit_store *s, const char *from, const char *target, const char *source,
                        const char *who) {
    expect(s, N(LEAD_ALIAS), S(from), S(target), S(source));
    next_int(s);
    expect(s, S(who));
    next_view(s);
}

static void test_show__at_a_time(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"));
    int64_t start = clock_now_ms();
    advance(DAY_MS);
    must(s, OP_ALIAS_SET, S("all@here.example"), S("ada"), N(1), S("ada@t.example"));
    advance(DAY_MS);
    must(s, OP_ALIAS_SET, S("all@here.example"), S("bo"), N(2), S("ada@t.example"), S("bo@here.example"));
    must(s, OP_ALIAS_SET, S("bo@here.example"), S("bo"), N(1), S("bo@t.example"));
    assert_true(stage_set(s, 1, 1, 1, 9)); /* a@here.example -> x@t.example */
    advance(DAY_MS);
    must(s, OP_ALIAS_REMOVE, S("all@here.example"), S("cy"));
    assert_true(stage_set(s, 2, 0, 1, 9));
    must(s, OP_ALIAS_SHOW, S("all@here.example"), N(0));
    expect_end(s);
    must(s, OP_ALIAS_SHOW, S("all@here.example"), N(start + DAY_MS / 2));
    expect_end(s);
    must(s, OP_ALIAS_SHOW, S("all@here.example"), N(start + 3 * DAY_MS / 2));
    expect_step(s, "all@here.example", "ada@t.example", "manual", "ada");
    expect_end(s);
    must(s, OP_ALIAS_SHOW, S("all+x@here.example"), N(start + 5 * DAY_MS / 2));
    expect(s, N(LEAD_DETAIL), S("all+x@here.example"), S("all@here.example"), S(""), N(0), S(""), S(""));
    expect_step(s, "all@here.example", "ada@t.example", "manual", "ada");
    expect_step(s, "all@here.example", "bo@here.example", "manual", "bo");
    expect_step(s, "bo@here.example", "bo@t.example", "manual", "bo");
    expect_end(s);
    must(s, OP_ALIAS_SHOW, S("a@here.example"), N(start + 5 * DAY_MS / 2));
    expect_step(s, "a@here.example", "x@t.example", "tracker", "me");
    must(s, OP_ALIAS_SHOW, S("a@here.example"), N(0));
    expect_end(s);
}

static void test_history__every_change(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"));
    must(s, OP_ALIAS_SET, S("all@here.example"), S("ada"), N(1), S("x@t.example"));
    must(s, OP_ALIAS_SET, S("all@here.example"), S("bo"), N(1), S("y@t.example"));
    must(s, OP_ALIAS_SET, S("all@here.example"), S("cy"), N(1), S("x@t.example"));
    must(s, OP_ALIAS_HISTORY, S("all@here.example"), S(""), S(""), N(0), N(2));
    expect(s, S("manual"), S("x@t.example"), N(1));
    int64_t at = next_int(s);
    assert_true(at > 0);
    expect(s, S("ada"), S("alias set"));
    assert_true(next_int(s) >= at);
    expect(s, S("bo"), S("alias set"), S("manual"), S("x@t.example"), N(3));
    next_int(s);
    expect(s, S("cy"), S("alias set"), N(0), S(""), S(""));
    expect_end(s);
    must(s, OP_ALIAS_HISTORY, S("all@here.example"), S("manual"), S("x@t.example"), N(3), N(2));
    expect(s, S("manual"), S("y@t.example"), N(2));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_set__replaces_and_twice_is_once),
        STORE_CASE(test_set__refuses_a_loop_and_shows_it),
        STORE_CASE(test_ls__pages_and_sources),
        STORE_CASE(test_import__is_seen_when_it_is_published),
        STORE_CASE(test_import__the_later_one_has_the_source),
        STORE_CASE(test_import__stopped_anywhere),
        STORE_CASE(test_show__at_a_time),
        STORE_CASE(test_history__every_change),
    };
    return RUN_STORE_CASES("store/op_alias", cases);
}
