/* alias_set_test.c: differences between any two sets, and what an import may not bring. */
#include "testing/unit.h"

#include <stdio.h>

#include "base/limits.h"
#include "routing/alias_set.h"

/* ---- differences ---- */

enum { KEYS = 5 };

/* What applying a change does to the state of an entry. */
static unsigned apply(unsigned state, enum alias_action action) {
    switch (action) {
    case ALIAS_ADD:
        check(!(state & (HAS_STAGED | HAS_LIVE)), "added twice");
        return state | HAS_STAGED;
    case ALIAS_END:
        check((state & (HAS_LIVE | HAS_END)) == HAS_LIVE, "ended twice");
        return state | HAS_END;
    case ALIAS_GO_ON:
        check(state & HAS_END, "it has no end");
        return state & ~(unsigned)HAS_END;
    case ALIAS_FORGET:
        check(state & HAS_STAGED, "it was not staged");
        return state & ~(unsigned)HAS_STAGED;
    }
    fail_msg("no action %d", (int)action);
    return 0;
}

/* Every state of every entry and every wanted set: after the changes the next version is the wanted set. */
static void test_diff__from_anything_to_anything(void **state) {
    static const unsigned states[] = {0, HAS_LIVE, HAS_LIVE | HAS_END, HAS_STAGED};
    static const char *const names[KEYS] = {"a@h", "b@h", "c@h", "d@h", "e@h"};
    (void)state;
    for (unsigned had_bits = 0; had_bits < 1U << (2 * KEYS); had_bits++) {
        for (unsigned wanted_bits = 0; wanted_bits < 1U << KEYS; wanted_bits++) {
            struct alias_had had[KEYS];
            struct alias_entries wanted = {.list = NULL};
            unsigned now[KEYS], live = 0, added = 0, removed = 0, n = 0;
            for (unsigned k = 0; k < KEYS; k++) {
                struct alias_entry entry = {view_of(names[k]), VIEW("x@t"), k + 1};
                bool is_wanted = wanted_bits >> k & 1;
                now[k] = states[had_bits >> (2 * k) & 3];
                live += (now[k] & HAS_LIVE) != 0;
                added += is_wanted && !(now[k] & HAS_LIVE);
                removed += !is_wanted && (now[k] & HAS_LIVE);
                if (now[k])
                    had[n++] = (struct alias_had){entry, now[k]};
                if (is_wanted)
                    alias_entries_add(&wanted, &entry);
            }
            struct alias_diff d;
            alias_diff(had, n, &wanted, &d);
            assert_true(d.live == live && d.added == added && d.removed == removed);
            for (size_t i = 0; i < d.count; i++) {
                size_t k = (size_t)(d.changes[i].entry->address.ptr[0] - 'a');
                now[k] = apply(now[k], d.changes[i].action);
            }
            for (unsigned k = 0; k < KEYS; k++)
                check(((now[k] == HAS_LIVE || now[k] == HAS_STAGED) ? 1U : 0U) == (wanted_bits >> k & 1),
                      "%x -> %x: %s", had_bits, wanted_bits, names[k]);
            alias_diff_done(&d);
            alias_entries_done(&wanted);
        }
    }
}

/* ---- what may be ---- */

static void parse(const char *text, struct arena *a, struct alias_entries *out) {
    struct err e;
    check(alias_file_parse(view_of(text), a, out, &e), "%s: %s", text, e.text);
    alias_entries_sort(out);
}

static const struct {
    const char *what, *wanted, *others, *says[2]; /* says: NULL: it may be */
} rows[] = {
    {"nothing", "", "", {NULL}},
    {"plain", "a@h.example: x@t.example, b@h.example\nb@h.example: y@t.example", "", {NULL}},
    {"a stranger's domain",
     "a@h.example: x@t.example\na@t.example: x@h.example",
     "",
     {"line 2: a@t.example", "domain"}},
    {"a list", "news@h.example: x@t.example", "", {"line 1: news@h.example", "list"}},
    {"to itself", "a@h.example: x@t.example, a@h.example", "", {"line 1", "a@h.example -> a@h.example"}},
    {"three",
     "a@h.example: b@h.example\nb@h.example: c@h.example\nc@h.example: a@h.example",
     "",
     {"line 1", "a@h.example -> b@h.example -> c@h.example -> a@h.example"}},
    {"a tail into a loop",
     "a@h.example: b@h.example\nb@h.example: c@h.example\nc@h.example: b@h.example",
     "",
     {"line 2", ": b@h.example -> c@h.example -> b@h.example"}},
    {"by another source",
     "a@h.example: b@h.example",
     "b@h.example: a@h.example",
     {"line 1", "a@h.example -> b@h.example -> a@h.example"}},
    {"by a detail", "a@h.example: a+x@h.example", "", {"line 1", "a@h.example -> a@h.example"}},
    {"a detail with an alias of its own",
     "a@h.example: a+x@h.example\na+x@h.example: x@t.example",
     "",
     {NULL}},
    {"by the catch-all", "@h.example: x@h.example", "", {"line 1", "@h.example -> @h.example"}},
    {"the catch-all to a list", "@h.example: news@h.example, news+x@h.example", "", {NULL}},
    {"the catch-all to an alias", "@h.example: a@h.example\na@h.example: x@t.example", "", {NULL}},
    {"the catch-all to another source's alias",
     "@h.example: a@h.example",
     "a@h.example: x@t.example",
     {NULL}},
    {"two ways to one",
     "a@h.example: b@h.example, c@h.example\nb@h.example: d@h.example\nc@h.example: d@h.example",
     "",
     {NULL}},
};

static bool check_set(const char *wanted_text, const char *others_text, struct err *e) {
    static view domains[] = {VIEW("h.example"), VIEW("i.example")}, lists[] = {VIEW("news@h.example")};
    struct arena arena;
    struct alias_entries wanted = {.list = NULL}, others = {.list = NULL};
    arena_init(&arena, 1 << 20);
    parse(wanted_text, &arena, &wanted);
    parse(others_text, &arena, &others);
    for (size_t i = 0; i < others.count; i++)
        others.list[i].line = 0;
    bool ok = alias_set_check(&wanted, &others, &(struct alias_names){domains, COUNT(domains)},
                              &(struct alias_names){lists, COUNT(lists)}, e);
    alias_entries_done(&wanted);
    alias_entries_done(&others);
    arena_done(&arena);
    return ok;
}

static void test_check__table(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err e = {0};
        bool ok = check_set(rows[i].wanted, rows[i].others, &e);
        check(ok == (rows[i].says[0] == NULL), "%s: %s", rows[i].what, e.text);
        for (size_t k = 0; k < 2 && rows[i].says[k]; k++)
            check(strstr(e.text, rows[i].says[k]) != NULL, "%s: \"%s\" lacks \"%s\"", rows[i].what, e.text,
                  rows[i].says[k]);
    }
}

static void test_check__depth(void **state) {
    (void)state;
    for (int aliases = LIMIT_ALIAS_DEPTH - 1; aliases < LIMIT_ALIAS_DEPTH + 3; aliases++) {
        for (int backward = 0; backward < 2; backward++) {
            char text[2000] = "";
            for (int i = 0, n = 0; i < aliases; i++) {
                int name = backward ? 50 - i : 50 + i, next = backward ? name - 1 : name + 1;
                n += snprintf(text + n, sizeof text - (size_t)n, "a%d@h.example: ", name);
                n += i + 1 < aliases ? snprintf(text + n, sizeof text - (size_t)n, "a%d@h.example\n", next)
                                     : snprintf(text + n, sizeof text - (size_t)n, "x@t.example\n");
            }
            struct err e = {0};
            bool ok = check_set(text, "", &e);
            check(ok == (aliases <= LIMIT_ALIAS_DEPTH), "%d aliases: %s", aliases, e.text);
            check(ok || strstr(e.text, "deep"), "%s", e.text);
        }
    }
}

static void test_check__targets(void **state) {
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    for (int i = 0; i <= LIMIT_ALIAS_TARGETS; i++) {
        struct err e = {0};
        if (i == LIMIT_ALIAS_TARGETS)
            assert_true(check_set(text.data, "", &e));
        buf_printf(&text, "a@h.example: x%d@t.example\n", i);
    }
    struct err e = {0};
    assert_false(check_set(text.data, "", &e));
    check(strstr(e.text, "too many targets"), "%s", e.text);
    buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diff__from_anything_to_anything),
        cmocka_unit_test(test_check__table),
        cmocka_unit_test(test_check__depth),
        cmocka_unit_test(test_check__targets),
    };
    return cmocka_run_group_tests_name("routing/alias_set", tests, NULL, NULL);
}
