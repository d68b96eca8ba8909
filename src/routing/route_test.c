/* route_test.c: what becomes of a recipient, decided from facts as LOOKUP writes them. */
#include "testing/unit.h"

#include <stdio.h>

#include "base/limits.h"
#include "routing/route.h"
#include "store/domain.h"

/* One address of the facts; targets separated by spaces. */
struct fact_row {
    const char *address;
    int local;
    int64_t list;
    const char *list_address;
    const char *targets;
};

struct target_row {
    enum route_kind kind;
    const char *address;
    int64_t list;
    const char *member;
    enum err_code why;
};

static void write_fact(struct buf *b, const struct fact_row *f) {
    view rest = view_of(f->targets), target;
    int64_t n = 0;
    struct buf targets = BUF_INIT(1 << 20);
    for (; view_split(&rest, ' ', &target); n++)
        vals_view(&targets, target);
    vals_view(b, view_of(f->address));
    vals_int(b, f->local);
    vals_int(b, f->list);
    vals_view(b, view_of(f->list_address));
    vals_int(b, n);
    buf_add(b, buf_view(&targets));
    buf_done(&targets);
}

static const struct {
    const char *what;
    struct fact_row facts[6];
    bool local;
    enum err_code refusal; /* of the recipient as a whole */
    struct target_row targets[5];
} rows[] = {
    {"a list", {{"news@h", 1, 7, "news@h", NULL}}, true, ERR_OK, {{ROUTE_LIST, "news@h", 7, NULL, 0}}},
    {"an address elsewhere",
     {{"a@t", 0, 0, NULL, NULL}},
     false,
     ERR_OK,
     {{ROUTE_ADDRESS, "a@t", 0, NULL, 0}}},
    {"nobody here",
     {{"nobody@h", 1, 0, NULL, NULL}},
     true,
     ERR_NO_SUCH_USER,
     {{ROUTE_REFUSED, "nobody@h", 0, NULL, ERR_NO_SUCH_USER}}},
    {"an address of a domain that is passed on",
     {{"a@r", DOMAIN_RELAY, 0, NULL, NULL}},
     true,
     ERR_OK,
     {{ROUTE_ADDRESS, "a@r", 0, NULL, 0}}},
    {"an address that a domain that is passed on does not know",
     {{"a@r", DOMAIN_RELAY_UNKNOWN, 0, NULL, NULL}},
     true,
     ERR_NO_SUCH_USER,
     {{ROUTE_REFUSED, "a@r", 0, NULL, ERR_NO_SUCH_USER}}},
    {"an alias in a domain that is passed on",
     {{"a@r", DOMAIN_RELAY_UNKNOWN, 0, NULL, "a@t"}, {"a@t", 0, 0, NULL, NULL}},
     true,
     ERR_OK,
     {{ROUTE_ADDRESS, "a@t", 0, NULL, 0}}},
    {"a list's address with a detail",
     {{"news+x@h", 1, 0, NULL, "news@h"}, {"news@h", 1, 7, "news@h", NULL}},
     true,
     ERR_OK,
     {{ROUTE_LIST, "news@h", 7, NULL, 0}}},
    {"a bounce",
     {{"news-bounces+m=t@h", 1, 7, "news@h", NULL}},
     true,
     ERR_OK,
     {{ROUTE_BOUNCE, "news@h", 7, "m@t", 0}}},
    {"a bounce of a detail address",
     {{"news-bounces+m+x=t@h", 1, 7, "news@h", NULL}},
     true,
     ERR_OK,
     {{ROUTE_BOUNCE, "news@h", 7, "m+x@t", 0}}},
    {"a bounce that names nobody",
     {{"news-bounces@h", 1, 7, "news@h", NULL}},
     true,
     ERR_OK,
     {{ROUTE_BOUNCE, "news@h", 7, "", 0}}},
    {"a bounce without =",
     {{"news-bounces+x@h", 1, 7, "news@h", NULL}},
     true,
     ERR_OK,
     {{ROUTE_BOUNCE, "news@h", 7, "", 0}}},
    {"a list's owner",
     {{"news-owner@h", 1, 7, "news@h", "o@t"}, {"o@t", 0, 0, NULL, NULL}},
     true,
     ERR_OK,
     {{ROUTE_ADDRESS, "o@t", 0, NULL, 0}}},
    {"a list without owner",
     {{"news-owner@h", 1, 7, "news@h", NULL}},
     true,
     ERR_NO_SUCH_USER,
     {{ROUTE_REFUSED, "news-owner@h", 0, NULL, ERR_NO_SUCH_USER}}},
    {"an owner address that mentions -bounces behind its plus",
     {{"news-owner+x-bounces@h", 1, 7, "news@h", NULL}},
     true,
     ERR_NO_SUCH_USER,
     {{ROUTE_REFUSED, "news-owner+x-bounces@h", 0, NULL, ERR_NO_SUCH_USER}}},
    {"a list's address for a command",
     {{"news-join@h", 1, 7, "news@h", NULL}},
     true,
     ERR_OK,
     {{ROUTE_COMMAND, "news-join@h", 7, NULL, 0}}},
    {"a list's address for an answer",
     {{"news-confirm+12@h", 1, 7, "news@h", NULL}},
     true,
     ERR_OK,
     {{ROUTE_COMMAND, "news-confirm+12@h", 7, NULL, 0}}},
    {"a list that is called -bounces",
     {{"x-bounces@h", 1, 8, "x-bounces@h", NULL}},
     true,
     ERR_OK,
     {{ROUTE_LIST, "x-bounces@h", 8, NULL, 0}}},
    {"an alias to a list and an address",
     {{"info@h", 1, 0, NULL, "news@h a@t"}, {"news@h", 1, 7, "news@h", NULL}, {"a@t", 0, 0, NULL, NULL}},
     true,
     ERR_OK,
     {{ROUTE_LIST, "news@h", 7, NULL, 0}, {ROUTE_ADDRESS, "a@t", 0, NULL, 0}}},
    {"an alias of which one target fails serves the other",
     {{"info@h", 1, 0, NULL, "gone@h a@t"}, {"gone@h", 1, 0, NULL, NULL}, {"a@t", 0, 0, NULL, NULL}},
     true,
     ERR_OK,
     {{ROUTE_REFUSED, "gone@h", 0, NULL, ERR_NO_SUCH_USER}, {ROUTE_ADDRESS, "a@t", 0, NULL, 0}}},
    {"an alias of which all targets fail",
     {{"info@h", 1, 0, NULL, "gone@h"}, {"gone@h", 1, 0, NULL, NULL}},
     true,
     ERR_NO_SUCH_USER,
     {{ROUTE_REFUSED, "gone@h", 0, NULL, ERR_NO_SUCH_USER}}},
    {"an alias that leads to itself",
     {{"me@h", 1, 0, NULL, "me@h"}},
     true,
     ERR_LOOP,
     {{ROUTE_REFUSED, "me@h", 0, NULL, ERR_LOOP}}},
    {"an alias that leads to itself and out",
     {{"me@h", 1, 0, NULL, "me@h a@t"}, {"a@t", 0, 0, NULL, NULL}},
     true,
     ERR_OK,
     {{ROUTE_REFUSED, "me@h", 0, NULL, ERR_LOOP}, {ROUTE_ADDRESS, "a@t", 0, NULL, 0}}},
    {"two aliases in a circle",
     {{"a@h", 1, 0, NULL, "b@h"}, {"b@h", 1, 0, NULL, "a@h"}},
     true,
     ERR_LOOP,
     {{ROUTE_REFUSED, "a@h", 0, NULL, ERR_LOOP}}},
    {"two ways to one address are one copy",
     {{"all@h", 1, 0, NULL, "x@h y@h"},
      {"x@h", 1, 0, NULL, "a@t news@h"},
      {"y@h", 1, 0, NULL, "news@h a@t b@t"},
      {"a@t", 0, 0, NULL, NULL},
      {"b@t", 0, 0, NULL, NULL},
      {"news@h", 1, 7, "news@h", NULL}},
     true,
     ERR_OK,
     {{ROUTE_ADDRESS, "a@t", 0, NULL, 0},
      {ROUTE_LIST, "news@h", 7, NULL, 0},
      {ROUTE_ADDRESS, "b@t", 0, NULL, 0}}},
    {"a list wins over an alias of its name",
     {{"news@h", 1, 7, "news@h", "a@t"}, {"a@t", 0, 0, NULL, NULL}},
     true,
     ERR_OK,
     {{ROUTE_LIST, "news@h", 7, NULL, 0}}},
    {"an alias wins over -owner",
     {{"news-owner@h", 1, 7, "news@h", "b@t"}, {"b@t", 0, 0, NULL, NULL}},
     true,
     ERR_OK,
     {{ROUTE_ADDRESS, "b@t", 0, NULL, 0}}},
    {"a target the store said nothing about",
     {{"info@h", 1, 0, NULL, "a@t"}},
     true,
     ERR_LIMIT,
     {{ROUTE_REFUSED, "info@h", 0, NULL, ERR_LIMIT}}},
};

static void check_target(const char *what, size_t k, const struct route_target *got,
                         const struct target_row *want) {
    check(got->kind == want->kind && view_eq(got->address, view_of(want->address)),
          "%s: target %zu is %d <%.*s>", what, k, (int)got->kind, VIEW_ARG(got->address));
    check(got->list == want->list, "%s: target %zu: list %lld", what, k, (long long)got->list);
    check(view_eq(got->member, view_of(want->member)), "%s: target %zu: member \"%.*s\"", what, k,
          VIEW_ARG(got->member));
    check((got->kind == ROUTE_REFUSED) == (got->why != NULL), "%s: target %zu: a reason", what, k);
    check(!got->why || got->why->code == want->why, "%s: target %zu: %s", what, k,
          got->why ? got->why->text : "");
    check(!got->why || strstr(got->why->text, want->address), "%s: target %zu: \"%s\" names no address", what,
          k, got->why ? got->why->text : "");
}

static void test_decide__table(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf facts = BUF_INIT(10000);
        for (size_t k = 0; k < COUNT(rows[i].facts) && rows[i].facts[k].address; k++)
            write_fact(&facts, &rows[i].facts[k]);
        struct arena arena;
        arena_init(&arena, LIMIT_STEP_ARENA);
        struct route r;
        struct err e = {0};
        check(route_decide(view_of(rows[i].facts[0].address), buf_view(&facts), &arena, &r, &e), "%s: %s",
              rows[i].what, e.text);
        check(r.local == rows[i].local, "%s: local", rows[i].what);
        size_t want = 0;
        while (want < COUNT(rows[i].targets) && rows[i].targets[want].address)
            want++;
        check(r.count == want, "%s: %zu targets", rows[i].what, r.count);
        for (size_t k = 0; k < want; k++)
            check_target(rows[i].what, k, &r.targets[k], &rows[i].targets[k]);
        const struct err *no = route_refusal(&r);
        check(rows[i].refusal == (no ? no->code : ERR_OK), "%s: %s", rows[i].what,
              no ? no->text : "is not refused");
        arena_done(&arena);
        buf_done(&facts);
    }
}

/* a0 -> a1 -> … -> an -> x@t */
static void decide_chain(int aliases, struct arena *arena, struct route *ret) {
    struct buf facts = BUF_INIT(100000);
    for (int i = 0; i < aliases; i++) {
        char address[20], target[20];
        snprintf(address, sizeof address, "a%d@h", i);
        snprintf(target, sizeof target, i + 1 < aliases ? "a%d@h" : "x@t", i + 1);
        write_fact(&facts, &(struct fact_row){address, 1, 0, NULL, target});
    }
    write_fact(&facts, &(struct fact_row){"x@t", 0, 0, NULL, NULL});
    struct err e = {0};
    view kept = arena_view(arena, buf_view(&facts)); /* the route's addresses are in there */
    buf_done(&facts);
    check(route_decide(VIEW("a0@h"), kept, arena, ret, &e), "%s", e.text);
}

static void test_decide__depth(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, LIMIT_STEP_ARENA);
    struct route r;
    decide_chain(LIMIT_ALIAS_DEPTH, &arena, &r);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.targets[0].kind, ROUTE_ADDRESS);
    decide_chain(LIMIT_ALIAS_DEPTH + 1, &arena, &r);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.targets[0].kind, ROUTE_REFUSED);
    assert_int_equal(route_refusal(&r)->code, ERR_LOOP);
    decide_chain(500, &arena, &r);
    assert_int_equal(route_refusal(&r)->code, ERR_LOOP);
    arena_done(&arena);
}

static void test_decide__as_many_targets_as_the_store_tells(void **state) {
    (void)state;
    struct buf facts = BUF_INIT(1 << 20), targets = BUF_INIT(1 << 20);
    for (int i = 0; i < LIMIT_ALIAS_TARGETS; i++)
        buf_printf(&targets, "%st%d@there", i ? " " : "", i);
    write_fact(&facts, &(struct fact_row){"all@h", 1, 0, NULL, targets.data});
    for (int i = 0; i < LIMIT_ALIAS_TARGETS - 1; i++) { /* one too many: the store stopped */
        char address[20];
        snprintf(address, sizeof address, "t%d@there", i);
        write_fact(&facts, &(struct fact_row){address, 0, 0, NULL, NULL});
    }
    struct arena arena;
    arena_init(&arena, LIMIT_DECISION_ARENA);
    struct route r;
    struct err e = {0};
    check(route_decide(VIEW("all@h"), buf_view(&facts), &arena, &r, &e), "%s", e.text);
    assert_int_equal(r.count, LIMIT_ALIAS_TARGETS);
    assert_null(route_refusal(&r));
    assert_int_equal(r.targets[r.count - 1].kind, ROUTE_REFUSED);
    assert_int_equal(r.targets[r.count - 1].why->code, ERR_LIMIT);
    arena_done(&arena);
    buf_done(&facts);
    buf_done(&targets);
}

static void test_decide__malformed_facts(void **state) {
    (void)state;
    struct buf facts = BUF_INIT(10000);
    write_fact(&facts, &rows[0].facts[0]);
    write_fact(&facts, &(struct fact_row){"info@h", 1, 0, NULL, "a@t b@t"});
    size_t first = 9 * 3 + 5 + 6 + 5 + 6; /* where the second fact begins */
    for (size_t len = 0; len < facts.len; len++) {
        struct arena arena;
        arena_init(&arena, LIMIT_STEP_ARENA);
        struct route r = {.count = 99};
        struct err e = {0};
        bool ok = route_decide(VIEW("news@h"), view_slice(buf_view(&facts), 0, len), &arena, &r, &e);
        check(ok == (len == first), "%zu bytes", len);
        check(ok || (e.code == ERR_SYNTAX && r.count == 99), "%zu bytes: %s", len, e.text);
        arena_done(&arena);
    }
    buf_done(&facts);
}

static void test_decide__facts_about_somebody_else(void **state) {
    (void)state;
    struct buf facts = BUF_INIT(10000);
    write_fact(&facts, &rows[0].facts[0]);
    struct arena arena;
    arena_init(&arena, LIMIT_STEP_ARENA);
    struct route r;
    struct err e = {0};
    assert_false(route_decide(VIEW("else@h"), buf_view(&facts), &arena, &r, &e));
    check(e.code == ERR_SYNTAX && strstr(e.text, "else@h"), "%s", e.text);
    arena_done(&arena);
    buf_done(&facts);
}

static void test_decide__a_small_arena_is_a_temporary_failure(void **state) {
    (void)state;
    struct buf facts = BUF_INIT(10000);
    write_fact(&facts, &rows[2].facts[0]);
    int failed = 0;
    for (size_t limit = 1; limit < 4000; limit += 50) {
        struct arena arena;
        arena_init(&arena, limit);
        struct route r;
        struct err e = {0};
        if (!route_decide(view_of(rows[2].facts[0].address), buf_view(&facts), &arena, &r, &e)) {
            check(e.code == ERR_LIMIT && err_is_temporary(&e), "%zu bytes: %s", limit, e.text);
            failed++;
        } else {
            check(route_refusal(&r) != NULL, "%zu bytes: accepted", limit);
        }
        arena_done(&arena);
    }
    assert_true(failed > 0 && failed < 80);
    buf_done(&facts);
}

static void test_refusal__of_nothing(void **state) {
    (void)state;
    struct route none = {.count = 0};
    assert_null(route_refusal(&none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decide__table),
        cmocka_unit_test(test_decide__depth),
        cmocka_unit_test(test_decide__as_many_targets_as_the_store_tells),
        cmocka_unit_test(test_decide__malformed_facts),
        cmocka_unit_test(test_decide__facts_about_somebody_else),
        cmocka_unit_test(test_decide__a_small_arena_is_a_temporary_failure),
        cmocka_unit_test(test_refusal__of_nothing),
    };
    return cmocka_run_group_tests_name("routing/route", tests, NULL, NULL);
}
