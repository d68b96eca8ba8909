/* mailman_args_test.c: how words are taken apart by a table, and what is said about those that cannot be. */
#include "testing/unit.h"

#include <stdio.h>

#include "cli/mailman.h"

enum { WORDS_MAX = 12 };

/* What the table in mailman.c would say of a row. */
bool mailman_is_command(const struct mailman_row *row) {
    return row->kind == MAILMAN_COMMAND || row->kind == MAILMAN_ELSEWHERE;
}

static const struct mailman_row options[] = {
    {MAILMAN_FLAG, "--quiet", "-q", "", "", NULL},
    {MAILMAN_PAIR, "--names/--no-names", "-n/-N", "", "", NULL},
    {MAILMAN_CHOICE, "--role", "-R", "owner|member", "", NULL},
    {MAILMAN_MANY, "--member", "-m", "ADDRESS", "", NULL},
    {MAILMAN_INPUT, "--file", "-f", "FILENAME", "", NULL},
    {MAILMAN_FOLDER, "--directory", "", "DIRECTORY", "", NULL},
    {MAILMAN_FLAG, "--help", "-h", "", "", NULL},
    {.name = NULL},
};

/* "word word | --name=value --name", or "! " and what was said. */
static void describe(const char *arguments, const char *line, char *out, size_t room) {
    char copy[200], *argv[WORDS_MAX];
    struct args a;
    struct err e = {.code = ERR_OK};
    size_t argc = 0, used, len = 0;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    if (!mailman_parse(options, arguments, argv, argc, &a, &used, &e)) {
        snprintf(out, room, "! %s", e.text);
    } else {
        out[0] = '\0';
        for (size_t i = 0; i < a.count; i++)
            len += (size_t)snprintf(out + len, room - len, "%s ", a.words[i]);
        len += (size_t)snprintf(out + len, room - len, "|");
        for (size_t i = 0; i < a.given_count; i++)
            len += (size_t)snprintf(out + len, room - len, " %.*s%s%s", VIEW_ARG(a.given[i].name),
                                    a.given[i].value ? "=" : "", a.given[i].value ? a.given[i].value : "");
        for (size_t i = used; i < argc; i++)
            len += (size_t)snprintf(out + len, room - len, " / %s", argv[i]);
    }
    args_done(&a);
}

static void test_rows__are_taken_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *arguments, *line, *expected;
    } rows[] = {
        {"LISTSPEC", "a", "a |"},
        {"LISTSPEC", "-q a -n", "a | --quiet --names"},
        {"LISTSPEC", "-qN a --names", "a | --quiet --no-names --names"},
        {"LISTSPEC", "-Rowner a", "a | --role=owner"},
        {"LISTSPEC", "-qR member a --role=owner", "a | --quiet --role=member --role=owner"},
        {"LISTSPEC", "-m x --member=y -m=z a", "a | --member=x --member=y --member==z"},
        {"LISTSPEC", "-q -- -n", "-n | --quiet"},
        {"LISTSPEC", "-", "- |"},
        {"FILENAME LISTSPEC", "- a", "- a |"},
        {"", "", "|"},
        {NULL, "-q sub -n more", "| --quiet / sub / -n / more"},
        {"LISTSPEC", "-h -q", "| --help --quiet"},
        {"LISTSPEC", "", "! Missing argument 'LISTSPEC'."},
        {"FILENAME LISTSPEC", "-", "! Missing argument 'LISTSPEC'."},
        {"FILENAME LISTSPEC", "/no/file a",
         "! Invalid value for 'FILENAME': '/no/file': No such file or directory"},
        {"LISTSPEC", "a b", "! Got unexpected extra argument (b)"},
        {"", "a b", "! Got unexpected extra arguments (a b)"},
        {"LISTSPEC", "-z a", "! No such option: -z"},
        {"LISTSPEC", "-qz a", "! No such option: -z"},
        {"LISTSPEC", "--qiet a", "! No such option: --qiet Did you mean --quiet?"},
        {"LISTSPEC", "--quiet=1 a", "! Option '--quiet' does not take a value."},
        {"LISTSPEC", "a -R", "! Option '-R' requires an argument."},
        {"LISTSPEC", "-R boss",
         "! Invalid value for '--role' / '-R': 'boss' is not one of 'owner', 'member'."},
        {"LISTSPEC", "-f /no/file a",
         "! Invalid value for '--file' / '-f': '/no/file': No such file or directory"},
        {"LISTSPEC", "--directory /no/place a",
         "! Invalid value for '--directory': Directory '/no/place' does not exist."},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char got[400];
        describe(rows[i].arguments, rows[i].line, got, sizeof got);
        check(strcmp(got, rows[i].expected) == 0, "%s: got %s, want %s", rows[i].line, got, rows[i].expected);
    }
}

static void test_pair__the_last_counts(void **state) {
    (void)state;
    static const struct {
        char *words[2];
        size_t count;
        int want;
    } rows[] = {
        {{NULL}, 0, -1}, {{"-n"}, 1, 1}, {{"-N"}, 1, 0}, {{"-n", "-N"}, 2, 0}, {{"-N", "--names"}, 2, 1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct args a;
        struct err e;
        size_t used;
        assert_true(mailman_parse(options, "", rows[i].words, rows[i].count, &a, &used, &e));
        assert_int_equal(mailman_pair(&a, "--names", "--no-names"), rows[i].want);
        args_done(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows__are_taken_or_refused),
        cmocka_unit_test(test_pair__the_last_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
