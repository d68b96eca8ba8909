/* args.c: reads a command's specification into rules, then the given words by the rules. */
#include "cli/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { NAME_MAX_BYTES = 63 };

struct rules {
    struct rule {
        view name;
        bool has_value, required, many;
    } options[ARGS_RULES_MAX];
    size_t count;
    size_t least, most;           /* words that are no options */
    view missing[ARGS_RULES_MAX]; /* their names, for errors */
};

/* One word of a specification without its brackets and dots. */
struct piece {
    view name;
    bool opens, closes, many;
};

static bool take_piece(view *spec, struct piece *ret) {
    view word;
    do {
        if (!view_split(spec, ' ', &word))
            return false;
    } while (word.len == 0);
    *ret = (struct piece){.many = view_search(word, VIEW("...")) >= 0};
    ret->opens = word.ptr[0] == '[';
    ptrdiff_t close = view_rfind(word, ']');
    ret->closes = close >= 0;
    size_t from = ret->opens ? 1 : 0, end = close >= 0 ? (size_t)close : word.len;
    ret->name = view_slice(word, from, end - from);
    ptrdiff_t dots = view_search(ret->name, VIEW("..."));
    if (dots >= 0)
        ret->name = view_slice(ret->name, 0, (size_t)dots);
    return true;
}

static void add_option(struct rules *r, view *spec, struct piece p) {
    BUG_ON(r->count == ARGS_RULES_MAX);
    struct rule *rule = &r->options[r->count++];
    *rule = (struct rule){.name = p.name, .required = !p.opens, .many = p.many};
    if (p.closes)
        return;
    struct piece value;
    BUG_ON(!take_piece(spec, &value)); /* an option without brackets always has a value */
    rule->has_value = true;
    rule->many = value.many;
}

static void read_spec(const char *text, struct rules *r) {
    *r = (struct rules){.count = 0};
    view spec = view_of(text);
    for (struct piece p; take_piece(&spec, &p);) {
        if (view_starts_with(p.name, VIEW("-"))) {
            add_option(r, &spec, p);
            continue;
        }
        if (!p.opens) {
            BUG_ON(r->least == ARGS_RULES_MAX);
            r->missing[r->least++] = p.name;
        }
        r->most = p.many || r->most == SIZE_MAX ? SIZE_MAX : r->most + 1;
    }
}

/* Letters to add, drop or change until one is the other (Levenshtein), row by row. */
static size_t distance(view a, view b) {
    size_t row[NAME_MAX_BYTES + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 0; i < a.len; i++) {
        size_t left_above = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = left_above + (ascii_lower(a.ptr[i]) != b.ptr[j - 1]);
            size_t one_more = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            left_above = row[j];
            row[j] = change < one_more ? change : one_more;
        }
    }
    return row[b.len];
}

const char *args_nearest(view word, const char *const *names) {
    const char *nearest = NULL;
    size_t least = word.len / 3 + 2; /* as many differences make it another word */
    for (; *names; names++) {
        view name = view_of(*names);
        if (name.len > NAME_MAX_BYTES || word.len > NAME_MAX_BYTES)
            continue;
        size_t d = word.len >= 2 && view_starts_with(name, word) ? 1 : distance(word, name);
        if (d < least && d < name.len) {
            least = d;
            nearest = *names;
        }
    }
    return nearest;
}

static bool unknown_option(const struct rules *r, view name, struct err *e) {
    char known[ARGS_RULES_MAX][NAME_MAX_BYTES + 1];
    const char *names[ARGS_RULES_MAX + 1] = {NULL};
    for (size_t i = 0; i < r->count; i++) {
        view n = view_slice(r->options[i].name, 0, NAME_MAX_BYTES);
        memcpy(known[i], n.ptr, n.len);
        known[i][n.len] = '\0';
        names[i] = known[i];
    }
    const char *near = args_nearest(name, names);
    return err_set(e, ERR_USAGE, "unknown option %.*s%s%s%s", VIEW_ARG(name), near ? " (did you mean " : "",
                   near ? near : "", near ? "?)" : "");
}

static const struct rule *find_rule(const struct rules *r, view name) {
    for (size_t i = 0; i < r->count; i++)
        if (view_eq(r->options[i].name, name))
            return &r->options[i];
    return NULL;
}

/* The option at argv[*i], and its value. */
static bool take_option(const struct rules *r, char *const *argv, size_t argc, size_t *i, struct args *a,
                        struct err *e) {
    view name = view_of(argv[*i]);
    ptrdiff_t equals = view_find(name, '=');
    const char *value = equals >= 0 ? argv[*i] + equals + 1 : NULL;
    if (equals >= 0)
        name = view_slice(name, 0, (size_t)equals);
    const struct rule *rule = find_rule(r, name);
    if (!rule)
        return unknown_option(r, name, e);
    if (!rule->has_value && value)
        return err_set(e, ERR_USAGE, "%.*s takes no value", VIEW_ARG(name));
    if (rule->has_value && !value) {
        if (*i + 1 == argc)
            return err_set(e, ERR_USAGE, "%.*s needs a value", VIEW_ARG(name));
        value = argv[++*i];
    }
    for (size_t k = 0; k < a->given_count; k++)
        if (view_eq(a->given[k].name, name) && !rule->many && rule->has_value)
            return err_set(e, ERR_USAGE, "%.*s is given twice", VIEW_ARG(name));
    if (a->given_count == ARGS_GIVEN_MAX)
        return err_set(e, ERR_USAGE, "more than %d options", ARGS_GIVEN_MAX);
    a->given[a->given_count].name = name;
    a->given[a->given_count++].value = value;
    return true;
}

static bool check_complete(const struct rules *r, const struct args *a, struct err *e) {
    if (a->count < r->least)
        return err_set(e, ERR_USAGE, "%.*s is missing", VIEW_ARG(r->missing[a->count]));
    if (a->count > r->most)
        return err_set(e, ERR_USAGE, "one word too many: %s", a->words[r->most]);
    for (size_t i = 0; i < r->count; i++) {
        const struct rule *rule = &r->options[i];
        bool given = !rule->required;
        for (size_t k = 0; k < a->given_count && !given; k++)
            given = view_eq(a->given[k].name, rule->name);
        if (!given)
            return err_set(e, ERR_USAGE, "%.*s is missing", VIEW_ARG(rule->name));
    }
    return true;
}

bool args_parse(const char *spec, char *const *argv, size_t argc, struct args *ret, struct err *e) {
    struct rules r;
    read_spec(spec, &r);
    ret->words = mem_resize(NULL, argc + 1, sizeof *ret->words);
    ret->count = ret->given_count = 0;
    bool words_only = false;
    for (size_t i = 0; i < argc; i++) {
        if (words_only || argv[i][0] != '-' || argv[i][1] == '\0')
            ret->words[ret->count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            words_only = true;
        else if (!take_option(&r, argv, argc, &i, ret, e))
            return false;
    }
    bool help = args_has(ret, "--help") || args_has(ret, "-h"); /* whoever asks is not told what is missing */
    return help || check_complete(&r, ret, e);
}

void args_done(struct args *a) {
    free(a->words);
    a->words = NULL;
    a->count = a->given_count = 0;
}

bool args_has(const struct args *a, const char *name) {
    for (size_t i = 0; i < a->given_count; i++)
        if (view_eq(a->given[i].name, view_of(name)))
            return true;
    return false;
}

const char *args_get(const struct args *a, const char *name) {
    for (size_t i = a->given_count; i-- > 0;)
        if (view_eq(a->given[i].name, view_of(name)))
            return a->given[i].value;
    return NULL;
}
