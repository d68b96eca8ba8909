/* mailman_args.c: words taken apart as programs made with click, Mailman's library for it, do; and what is
 * said when they cannot be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/mailman.h"

struct reader {
    const struct mailman_row *options;
    const char *arguments; /* NULL: in front of a command */
    char *const *argv;
    size_t argc, at;
    struct args *args;
};

static bool is_option(const struct mailman_row *row) {
    return row->name && !mailman_is_command(row);
}

static bool takes_value(const struct mailman_row *row) {
    return row->kind != MAILMAN_FLAG && row->kind != MAILMAN_PAIR;
}

/* The long name that belongs to a word, or an empty view. */
static view name_in(const struct mailman_row *row, view word) {
    view names = view_of(row->name), briefs = view_of(row->brief), name, brief;
    while (view_split(&names, '/', &name)) {
        if (!view_split(&briefs, '/', &brief))
            brief = VIEW("");
        if (view_eq(word, name) || (brief.len > 0 && view_eq(word, brief)))
            return name;
    }
    return VIEW("");
}

static const struct mailman_row *find(const struct reader *r, view word, view *ret_name) {
    for (const struct mailman_row *row = r->options; is_option(row); row++)
        if ((*ret_name = name_in(row, word)).len > 0)
            return row;
    return NULL;
}

static bool unknown(const struct reader *r, view word, struct err *e) {
    const char *names[ARGS_RULES_MAX + 1] = {NULL};
    size_t n = 0;
    for (const struct mailman_row *row = r->options; is_option(row) && n < ARGS_RULES_MAX; row++)
        if (!strchr(row->name, '/'))
            names[n++] = row->name;
    const char *near = view_starts_with(word, VIEW("--")) ? args_nearest(word, names) : NULL;
    return err_set(e, ERR_USAGE, "No such option: %.*s%s%s%s", VIEW_ARG(view_slice(word, 0, 100)),
                   near ? " Did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool give(struct reader *r, view name, const char *value, struct err *e) {
    struct args *a = r->args;
    if (a->given_count == ARGS_GIVEN_MAX)
        return err_set(e, ERR_USAGE, "More than %d options: name addresses in a file.", ARGS_GIVEN_MAX);
    a->given[a->given_count].name = name;
    a->given[a->given_count++].value = value;
    return true;
}

/* The word behind the option, which it uses up. */
static bool next_value(struct reader *r, view option, const char **ret, struct err *e) {
    if (r->at == r->argc)
        return err_set(e, ERR_PARAMETER, "Option '%.*s' requires an argument.", VIEW_ARG(option));
    *ret = r->argv[r->at++];
    return true;
}

static bool take_long(struct reader *r, const char *word, struct err *e) {
    const char *equals = strchr(word, '='), *value = equals ? equals + 1 : NULL;
    view option = equals ? view_from(word, (size_t)(equals - word)) : view_of(word), name;
    const struct mailman_row *row = find(r, option, &name);
    if (!row)
        return unknown(r, option, e);
    if (!takes_value(row) && value)
        return err_set(e, ERR_PARAMETER, "Option '%.*s' does not take a value.", VIEW_ARG(option));
    if (takes_value(row) && !value && !next_value(r, option, &value, e))
        return false;
    return give(r, name, value, e);
}

/* -nd, -Rowner, -R owner */
static bool take_brief(struct reader *r, const char *word, struct err *e) {
    for (const char *p = word + 1; *p; p++) {
        char letters[] = {'-', *p, '\0'};
        const char *value = NULL;
        view name;
        const struct mailman_row *row = find(r, view_of(letters), &name);
        if (!row)
            return unknown(r, view_of(letters), e);
        if (!takes_value(row)) {
            if (!give(r, name, NULL, e))
                return false;
            continue;
        }
        if (p[1])
            value = p + 1;
        else if (!next_value(r, view_of(letters), &value, e))
            return false;
        return give(r, name, value, e);
    }
    return true;
}

/* ---- are they right ---- */

/* "'--role' / '-R'" */
static void hint(const struct mailman_row *row, struct buf *out) {
    buf_printf(out, "'%s'", row->name);
    if (*row->brief)
        buf_printf(out, " / '%s'", row->brief);
}

static bool check_choice(const struct mailman_row *row, const char *value, struct err *e) {
    view words = view_of(row->value), word;
    struct buf all = BUF_INIT(512), name = BUF_INIT(128);
    bool ok = false;
    while (view_split(&words, '|', &word)) {
        ok |= view_eq(word, view_of(value));
        buf_printf(&all, "%s'%.*s'", all.len > 0 ? ", " : "", VIEW_ARG(word));
    }
    hint(row, &name);
    if (!ok)
        err_set(e, ERR_USAGE, "Invalid value for %s: '%.100s' is not one of %s.", name.data, value, all.data);
    buf_done(&all);
    buf_done(&name);
    return ok;
}

static bool check_readable(view what, const char *file, struct err *e) {
    return strcmp(file, "-") == 0 || access(file, R_OK) == 0 ||
           err_set(e, ERR_USAGE, "Invalid value for %.*s: '%.150s': %s", VIEW_ARG(what), file,
                   strerror(errno));
}

static bool check_folder(view what, const char *folder, struct err *e) {
    struct stat st;
    if (stat(folder, &st) < 0)
        return err_set(e, ERR_USAGE, "Invalid value for %.*s: Directory '%.150s' does not exist.",
                       VIEW_ARG(what), folder);
    return S_ISDIR(st.st_mode) ||
           err_set(e, ERR_USAGE, "Invalid value for %.*s: Directory '%.150s' is a file.", VIEW_ARG(what),
                   folder);
}

static bool check_options(const struct reader *r, struct err *e) {
    bool ok = true;
    for (size_t i = 0; ok && i < r->args->given_count; i++) {
        view name;
        const struct mailman_row *row = find(r, r->args->given[i].name, &name);
        const char *value = r->args->given[i].value;
        struct buf what = BUF_INIT(128);
        hint(row, &what);
        if (row->kind == MAILMAN_CHOICE)
            ok = check_choice(row, value, e);
        else if (row->kind == MAILMAN_INPUT)
            ok = check_readable(buf_view(&what), value, e);
        else if (row->kind == MAILMAN_FOLDER)
            ok = check_folder(buf_view(&what), value, e);
        buf_done(&what);
    }
    return ok;
}

static bool too_many(const struct args *a, size_t from, struct err *e) {
    struct buf all = BUF_INIT(LIMIT_ERR_TEXT / 2);
    for (size_t i = from; i < a->count; i++)
        buf_printf(&all, "%s%s", all.len > 0 ? " " : "", a->words[i]);
    err_set(e, ERR_USAGE, "Got unexpected extra argument%s (%.*s)", a->count - from > 1 ? "s" : "",
            VIEW_ARG(buf_view(&all)));
    buf_done(&all);
    return false;
}

static bool check_arguments(const struct reader *r, struct err *e) {
    view rest = view_of(r->arguments), name;
    size_t n = 0;
    for (; view_split(&rest, ' ', &name) && name.len > 0; n++) {
        if (n >= r->args->count)
            return err_set(e, ERR_USAGE, "Missing argument '%.*s'.", VIEW_ARG(name));
        if (view_eq(name, VIEW("FILENAME")) && !check_readable(VIEW("'FILENAME'"), r->args->words[n], e))
            return false;
    }
    return r->args->count <= n || too_many(r->args, n, e);
}

bool mailman_parse(const struct mailman_row *options, const char *arguments, char *const *argv, size_t argc,
                   struct args *ret, size_t *ret_used, struct err *e) {
    struct reader r = {options, arguments, argv, argc, 0, ret};
    bool words_only = false, ok = true;
    ret->words = mem_resize(NULL, argc + 1, sizeof *ret->words);
    ret->count = ret->given_count = 0;
    while (ok && r.at < argc) {
        const char *word = argv[r.at];
        bool plain = words_only || word[0] != '-' || !word[1];
        if (plain && !arguments)
            break;
        r.at++;
        if (plain)
            ret->words[ret->count++] = word;
        else if (strcmp(word, "--") == 0)
            words_only = true;
        else
            ok = word[1] == '-' ? take_long(&r, word, e) : take_brief(&r, word, e);
    }
    *ret_used = r.at;
    if (!ok || args_has(ret, "--help") ||
        args_has(ret, "--show")) /* whoever asks is not told what is wrong */
        return ok;
    return check_options(&r, e) && (!arguments || check_arguments(&r, e));
}

int mailman_pair(const struct args *a, const char *yes, const char *no) {
    for (size_t i = a->given_count; i-- > 0;) {
        if (view_eq(a->given[i].name, view_of(yes)))
            return 1;
        if (view_eq(a->given[i].name, view_of(no)))
            return 0;
    }
    return -1;
}
