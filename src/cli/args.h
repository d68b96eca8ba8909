/* args.h: the words behind a command, taken apart by the command's own help text, so that what help says and
 * what is accepted cannot differ.
 *
 * A specification is what commands.def shows: `LIST ADDRESS... [--title TEXT] [--fields] [--set
 * NAME=VALUE]...`. Brackets: may be left out. Three dots: may be repeated. An option with a word behind it
 * takes a value. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "base/err.h"

enum { ARGS_RULES_MAX = 24, ARGS_GIVEN_MAX = 128 };

struct args {
    const char **words; /* what is no option, in order */
    size_t count;
    struct {
        view name;         /* with its dashes */
        const char *value; /* NULL: takes none */
    } given[ARGS_GIVEN_MAX];
    size_t given_count;
};

/* Options may stand anywhere; `--name=value` is `--name value`; behind `--` everything is a word. *ret
 * borrows from spec and argv; free it with args_done, after a failure too. USAGE says what is wrong. */
bool args_parse(const char *spec, char *const *argv, size_t argc, struct args *ret, struct err *e);
void args_done(struct args *a);

bool args_has(const struct args *a, const char *name);
/* The value given last; NULL when the option was not given. */
const char *args_get(const struct args *a, const char *name);

/* The one of `names` (NULL-terminated) that somebody who wrote `word` probably meant, or NULL. */
const char *args_nearest(view word, const char *const *names);

#endif
