/* args_test.c: what a specification accepts, and what it says about the rest. */
#include "testing/unit.h"

#include <stdio.h>

#include "cli/args.h"

#define SPEC "LIST ADDRESS...|- --need N [--title TEXT] [--flag] [--set NAME=VALUE]... [--help]"
enum { WORDS_MAX = 12 };

static bool parse(const char *spec, const char *line, struct args *a, struct err *e, char *copy) {
    char *argv[WORDS_MAX];
    size_t argc = 0;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    *e = (struct err){.code = ERR_OK};
    return args_parse(spec, argv, argc, a, e);
}

/* words and options as they were taken: "w1 w2 | --name=value --flag" */
static void describe(const struct args *a, char *out, size_t room) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < a->count; i++)
        len += (size_t)snprintf(out + len, room - len, "%s ", a->words[i]);
    len += (size_t)snprintf(out + len, room - len, "|");
    for (size_t i = 0; i < a->given_count; i++)
        len += (size_t)snprintf(out + len, room - len, " %.*s%s%s", VIEW_ARG(a->given[i].name),
                                a->given[i].value ? "=" : "", a->given[i].value ? a->given[i].value : "");
}

static void rows_are_taken_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *spec, *line, *expected; /* of a refusal: "! " and its text */
    } rows[] = {
        {SPEC, "l a --need 1", "l a | --need=1"},
        {SPEC, "l a b c --need=1", "l a b c | --need=1"},
        {SPEC, "--need 1 l - --flag", "l - | --need=1 --flag"},
        {SPEC, "l a --need 1 --title --flag", "l a | --need=1 --title=--flag"},
        {SPEC, "l --need 1 -- --flag", "l --flag | --need=1"},
        {SPEC, "l a --need 1 --set a=b --set c=d=e", "l a | --need=1 --set=a=b --set=c=d=e"},
        {SPEC, "l a --need=", "l a | --need="},
        {SPEC, "--help", "| --help"},
        {SPEC, "l a", "! --need is missing"},
        {SPEC, "l --need 1", "! ADDRESS is missing"},
        {SPEC, "", "! LIST is missing"},
        {SPEC, "l a --need", "! --need needs a value"},
        {SPEC, "l a --need 1 --need 2", "! --need is given twice"},
        {SPEC, "l a --need 1 --flag=x", "! --flag takes no value"},
        {SPEC, "l a --need 1 --titel x", "! unknown option --titel (did you mean --title?)"},
        {SPEC, "l a --need 1 --zzzzzzzz", "! unknown option --zzzzzzzz"},
        {"", "", "|"},
        {"", "x", "! one word too many: x"},
        {"[ONE]", "", "|"},
        {"[ONE]", "x", "x |"},
        {"[ONE]", "x y", "! one word too many: y"},
        {"[MANY...]", "x y z", "x y z |"},
        {"[ONE [TWO]]", "x y", "x y |"},
        {"[ONE [TWO]]", "x y z", "! one word too many: z"},
        {"DIR --domain D", "--domain d x", "x | --domain=d"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct args a;
        struct err e;
        char copy[256], got[512];
        if (parse(rows[i].spec, rows[i].line, &a, &e, copy))
            describe(&a, got, sizeof got);
        else
            snprintf(got, sizeof got, "! %s", e.text);
        check(strcmp(got, rows[i].expected) == 0, "\"%s\": got \"%s\", expected \"%s\"", rows[i].line, got,
              rows[i].expected);
        check(e.code == (got[0] == '!' ? ERR_USAGE : ERR_OK), "\"%s\": code %d", rows[i].line, (int)e.code);
        args_done(&a);
    }
}

static void values_are_found(void **state) {
    (void)state;
    struct args a;
    struct err e;
    char copy[256];
    assert_true(parse(SPEC, "l a --need 1 --set x=1 --set x=2 --flag", &a, &e, copy));
    assert_string_equal(args_get(&a, "--set"), "x=2");
    assert_null(args_get(&a, "--title"));
    assert_null(args_get(&a, "--flag"));
    assert_true(args_has(&a, "--flag"));
    assert_false(args_has(&a, "--title"));
    args_done(&a);
}

static void nearest_is_found(void **state) {
    (void)state;
    static const char *const names[] = {"init", "list", "member", "metrics", "queue", NULL};
    static const struct {
        const char *word, *nearest;
    } rows[] = {{"liist", "list"}, {"lis", "list"},   {"members", "member"}, {"metric", "metrics"},
                {"que", "queue"},  {"mem", "member"}, {"xyzzy", NULL},       {"", NULL},
                {"q", NULL},       {"QUEUE", "queue"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *got = args_nearest(view_of(rows[i].word), names);
        check((!got && !rows[i].nearest) || (got && rows[i].nearest && strcmp(got, rows[i].nearest) == 0),
              "%s: got %s", rows[i].word, got ? got : "nothing");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_taken_or_refused),
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(nearest_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
