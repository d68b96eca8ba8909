/* config.c: reads postroad.conf by the table in config.def, and writes a new one from the same table.
 *
 * A setting's type is a row of `types`: how to read a value into the struct and how to free it. Defaults are
 * values like any other and go through the same readers, so a wrong default cannot hide. Mistakes stop the
 * start: a mail server that guesses what was meant does the wrong thing with somebody's mail. */
#include "base/config.h"

#include "base/file.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE "postroad.conf"
enum { NAME_MAX_BYTES = 63, SHOWN_BYTES = 60, COMMENT_COLUMNS = 100 };

enum setting_type { TYPE_text, TYPE_texts, TYPE_number, TYPE_size, TYPE_duration, TYPE_switch };

static const struct setting {
    const char *name;
    enum setting_type type;
    size_t offset; /* in struct config */
    int64_t min, max;
    const char *value; /* default */
    const char *help;
} settings[] = {
#define CONFIG(name, type, min, max, value, help)                                                            \
    {#name, TYPE_##type, offsetof(struct config, name), min, max, value, help},
#include "base/config.def"
#undef CONFIG
};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* Where a value stands, for errors. */
struct place {
    const char *source;
    size_t line;
    const char *setting;
};

struct unit {
    const char *name;
    int64_t factor;
};

/* Greatest first: "1h30m" is in this order. */
static const struct unit duration_units[] = {
    {"w", 7 * 86400000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
static const struct unit size_units[] = {{"", 1}, {"k", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Take leading bytes that are digits (or are not) off the front. */
static view take_digits(view *v, bool digits) {
    size_t len = 0;
    while (len < v->len && ascii_is_digit(v->ptr[len]) == digits)
        len++;
    view taken = view_slice(*v, 0, len);
    *v = view_skip(*v, len);
    return taken;
}

bool duration_parse(view v, int64_t *ret_ms) {
    int64_t sum = 0, n;
    size_t next = 0; /* units may only get smaller, so "5m5m" is seen to be a slip */
    v = view_skip(v, view_starts_with(v, VIEW("+")));
    if (view_to_i64(v, &n) && n >= 0) {
        bool fits = !__builtin_mul_overflow(n, 1000, &sum);
        if (fits)
            *ret_ms = sum;
        return fits;
    }
    do {
        view digits = take_digits(&v, true), word = take_digits(&v, false);
        while (next < COUNT(duration_units) && !view_eq(word, view_of(duration_units[next].name)))
            next++;
        if (next == COUNT(duration_units) || !view_to_i64(digits, &n) ||
            __builtin_mul_overflow(n, duration_units[next].factor, &n) ||
            __builtin_add_overflow(sum, n, &sum))
            return false;
        next++;
    } while (v.len > 0);
    *ret_ms = sum;
    return true;
}

static bool size_parse(view v, int64_t *ret_bytes) {
    int64_t n;
    view digits = take_digits(&v, true);
    for (size_t i = 0; i < COUNT(size_units); i++)
        if (view_eq_nocase(v, view_of(size_units[i].name))) {
            bool fits = view_to_i64(digits, &n) && !__builtin_mul_overflow(n, size_units[i].factor, &n);
            if (fits)
                *ret_bytes = n;
            return fits;
        }
    return false;
}

/* "4h", "1G", "25": the shortest exact way to write a value of that type. */
static void format_number(enum setting_type type, int64_t n, char out[32]) {
    const struct unit *unit = &(struct unit){"", 1};
    if (type == TYPE_duration) {
        unit = &duration_units[COUNT(duration_units) - 1];
        for (size_t i = COUNT(duration_units); i-- > 0 && n != 0;)
            if (n % duration_units[i].factor == 0)
                unit = &duration_units[i];
    } else if (type == TYPE_size) {
        for (size_t i = 0; i < COUNT(size_units) && n != 0; i++)
            if (n % size_units[i].factor == 0)
                unit = &size_units[i];
    }
    snprintf(out, 32, "%" PRId64 "%s", n / unit->factor, unit->name);
}

static bool wrong(const struct place *at, view value, struct err *e, const char *what) {
    value = view_slice(value, 0, SHOWN_BYTES);
    if (!view_is_utf8(value))
        value = VIEW("…"); /* cut inside a character, or never text at all */
    return err_set(e, ERR_CONFIG, "%s:%zu: %s = %.*s: %s", at->source, at->line, at->setting, VIEW_ARG(value),
                   what);
}

static bool read_text(const struct setting *s, const struct place *at, view v, void *field, struct err *e) {
    (void)s, (void)at, (void)e;
    config_text *text = field;
    free(*text);
    *text = mem_view(v);
    return true;
}

static void list_clear(struct config_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    *list = (struct config_list){.count = 0};
}

static view next_entry(view *v) {
    static const char separators[] = ", \t";
    while (v->len > 0 && strchr(separators, v->ptr[0]))
        *v = view_skip(*v, 1);
    size_t len = 0;
    while (len < v->len && !strchr(separators, v->ptr[len]))
        len++;
    view entry = view_slice(*v, 0, len);
    *v = view_skip(*v, len);
    return entry;
}

static bool read_texts(const struct setting *s, const struct place *at, view v, void *field, struct err *e) {
    (void)s;
    config_texts *list = field;
    list_clear(list);
    view rest = v;
    for (view entry; (entry = next_entry(&rest)).len > 0;) {
        if (list->count == LIMIT_LIST_SETTING) {
            char what[64];
            snprintf(what, sizeof what, "at most %d entries are possible", LIMIT_LIST_SETTING);
            return wrong(at, v, e, what);
        }
        list->items[list->count++] = mem_view(entry);
    }
    return true;
}

/* What a number of that type looks like, and how it is read. */
static const struct {
    bool (*parse)(view v, int64_t *ret_n);
    const char *form;
} number_types[] = {
    [TYPE_number] = {view_to_i64, "a number"},
    [TYPE_size] = {size_parse, "a size such as 1024, 64k, 50M or 1G"},
    [TYPE_duration] = {duration_parse, "a duration such as 30s, 5m, 1h30m or 2d"},
};

static bool read_number(const struct setting *s, const struct place *at, view v, void *field, struct err *e) {
    int64_t n, *number = field;
    char what[160], least[32], most[32];
    if (!number_types[s->type].parse(v, &n)) {
        snprintf(what, sizeof what, "must be %s", number_types[s->type].form);
        return wrong(at, v, e, what);
    }
    if (n < s->min || n > s->max) {
        format_number(s->type, s->min, least);
        format_number(s->type, s->max, most);
        snprintf(what, sizeof what, "must be between %s and %s", least, most);
        return wrong(at, v, e, what);
    }
    *number = n;
    return true;
}

static bool read_switch(const struct setting *s, const struct place *at, view v, void *field, struct err *e) {
    (void)s;
    config_switch *on = field;
    if (!view_eq(v, VIEW("on")) && !view_eq(v, VIEW("off")))
        return wrong(at, v, e, "must be on or off");
    *on = view_eq(v, VIEW("on"));
    return true;
}

static void free_text(void *field) {
    mem_free_ptr(field);
}

static void free_texts(void *field) {
    list_clear(field);
}

static void free_nothing(void *field) {
    (void)field;
}

static const struct {
    bool (*read)(const struct setting *s, const struct place *at, view v, void *field, struct err *e);
    void (*free)(void *field);
} types[] = {
    [TYPE_text] = {read_text, free_text},          [TYPE_texts] = {read_texts, free_texts},
    [TYPE_number] = {read_number, free_nothing},   [TYPE_size] = {read_number, free_nothing},
    [TYPE_duration] = {read_number, free_nothing}, [TYPE_switch] = {read_switch, free_nothing},
};

static void *field_of(struct config *c, const struct setting *s) {
    return (char *)c + s->offset;
}

static const struct setting *setting_find(view name) {
    for (size_t i = 0; i < SETTINGS; i++)
        if (view_eq(name, view_of(settings[i].name)))
            return &settings[i];
    return NULL;
}

/* Letters to add, drop or change until one is the other (Levenshtein), row by row. */
static size_t edit_distance(view a, view b) {
    size_t row[NAME_MAX_BYTES + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (ascii_lower(a.ptr[i - 1]) != b.ptr[j - 1]);
            size_t add_or_drop = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < add_or_drop ? change : add_or_drop;
        }
    }
    return row[b.len];
}

/* The known name somebody probably meant, or NULL. */
static const char *nearest_name(view name) {
    const char *nearest = NULL;
    if (name.len > NAME_MAX_BYTES)
        return NULL;
    size_t least = name.len / 3 + 1; /* more differences than that are another word */
    for (size_t i = 0; i < SETTINGS; i++) {
        size_t distance = edit_distance(name, view_of(settings[i].name));
        if (distance <= least) {
            least = distance > 0 ? distance - 1 : 0; /* only a nearer one replaces it */
            nearest = settings[i].name;
        }
    }
    return nearest;
}

static bool unknown(const struct place *at, view name, struct err *e) {
    view shown = view_slice(name, 0, SHOWN_BYTES);
    const char *nearest = nearest_name(name);
    if (!view_is_utf8(shown))
        shown = VIEW("…");
    if (!nearest)
        return err_set(e, ERR_CONFIG, "%s:%zu: there is no setting \"%.*s\"", at->source, at->line,
                       VIEW_ARG(shown));
    return err_set(e, ERR_CONFIG, "%s:%zu: there is no setting \"%.*s\"; did you mean %s?", at->source,
                   at->line, VIEW_ARG(shown), nearest);
}

/* A comment starts with # at the start of the line or after white space; "a#b" is a value. */
static view without_comment(view line) {
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] == '#' && (i == 0 || ascii_is_space(line.ptr[i - 1])))
            return view_slice(line, 0, i);
    return line;
}

static bool is_text(view v) {
    for (size_t i = 0; i < v.len; i++)
        if ((v.ptr[i] >= 0 && v.ptr[i] < ' ' && v.ptr[i] != '\t') || v.ptr[i] == 0x7f)
            return false;
    return view_is_utf8(v);
}

/* `given_on[i]` is the line that gave setting i, 0 for none yet. */
static bool parse_line(view line, struct place at, struct config *c, size_t given_on[SETTINGS],
                       struct err *e) {
    if (line.len > LIMIT_CONFIG_LINE)
        return err_set(e, ERR_CONFIG, "%s:%zu: the line is longer than %d bytes", at.source, at.line,
                       LIMIT_CONFIG_LINE);
    view text = view_trim(without_comment(line));
    if (text.len == 0)
        return true;
    if (!is_text(text))
        return err_set(e, ERR_CONFIG, "%s:%zu: the line is not UTF-8 text", at.source, at.line);
    ptrdiff_t equals = view_find(text, '=');
    if (equals < 0)
        return err_set(e, ERR_CONFIG, "%s:%zu: the line is not \"name = value\"", at.source, at.line);
    view name = view_trim(view_slice(text, 0, (size_t)equals));
    view value = view_trim(view_skip(text, (size_t)equals + 1));
    const struct setting *s = setting_find(name);
    if (!s)
        return unknown(&at, name, e);
    size_t *given = &given_on[s - settings];
    if (*given > 0)
        return err_set(e, ERR_CONFIG, "%s:%zu: %s is given twice, first on line %zu", at.source, at.line,
                       s->name, *given);
    *given = at.line;
    at.setting = s->name;
    return types[s->type].read(s, &at, value, field_of(c, s), e);
}

bool config_parse(view text, const char *source, struct config *c, struct err *e) {
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        struct place at = {.source = "config.def", .line = i + 1, .setting = s->name};
        if (!types[s->type].read(s, &at, view_of(s->value), field_of(c, s), e))
            return false;
    }
    size_t given_on[SETTINGS] = {0};
    struct place at = {.source = source};
    for (view line; view_split(&text, '\n', &line);) {
        at.line++;
        if (!parse_line(line, at, c, given_on, e))
            return false;
    }
    return true;
}

void config_free(struct config *c) {
    if (!c)
        return;
    for (size_t i = 0; i < SETTINGS; i++)
        types[settings[i].type].free(field_of(c, &settings[i]));
    free(c->dir);
    free(c);
}

static bool list_equal(const struct config_list *a, const struct config_list *b) {
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++)
        equal = strcmp(a->items[i], b->items[i]) == 0;
    return equal;
}

bool config_equal(const struct config *a, const struct config *b) {
    bool equal = true;
    for (size_t i = 0; i < SETTINGS && equal; i++) {
        const char *x = (const char *)a + settings[i].offset, *y = (const char *)b + settings[i].offset;
        switch (settings[i].type) {
        case TYPE_text:
            equal = strcmp(*(const config_text *)x, *(const config_text *)y) == 0;
            break;
        case TYPE_texts:
            equal = list_equal((const config_texts *)x, (const config_texts *)y);
            break;
        case TYPE_number:
        case TYPE_size:
        case TYPE_duration:
            equal = *(const int64_t *)x == *(const int64_t *)y;
            break;
        case TYPE_switch:
            equal = *(const config_switch *)x == *(const config_switch *)y;
            break;
        }
    }
    return equal;
}

bool config_load(const char *dir, struct config **ret_config, struct err *e) {
    FREE_AUTO char *absolute = realpath(dir, NULL);
    FREE_AUTO char *path = mem_printf("%s/" CONFIG_FILE, absolute ? absolute : dir);
    if (!absolute || !file_exists(path))
        return err_set(e, ERR_CONFIG, "%s is not a Postroad instance; make one with `postroad init`", dir);
    struct buf text = BUF_INIT(LIMIT_CONFIG_FILE);
    struct config *c = mem_alloc(sizeof *c);
    if (!file_read(path, &text, e) || !config_parse(buf_view(&text), path, c, e)) {
        if (e && e->code != ERR_CONFIG) /* an unreadable configuration is one too: nothing to retry */
            e->code = ERR_CONFIG;
        config_free(c);
        buf_done(&text);
        return false;
    }
    buf_done(&text);
    c->dir = absolute;
    absolute = NULL;
    *ret_config = c;
    return true;
}

/* Help text as comment lines, broken between words. */
static void format_help(const char *help, struct buf *out) {
    size_t column = 0;
    view rest = view_of(help);
    for (view word; view_split(&rest, ' ', &word);) {
        if (column == 0 || column + 1 + word.len > COMMENT_COLUMNS) {
            buf_add_str(out, column == 0 ? "#" : "\n#");
            column = 1;
        }
        buf_add_char(out, ' ');
        buf_add(out, word);
        column += 1 + word.len;
    }
    buf_add_char(out, '\n');
}

/* The last one given counts, as with options of a command. */
static const char *given_value(const char *const *given, const char *name) {
    const char *value = NULL;
    for (; given && *given; given += 2)
        if (strcmp(given[0], name) == 0)
            value = given[1];
    return value;
}

static void format_setting(const char *mark, const char *name, const char *value, struct buf *out) {
    /* Behind a space a # would start a comment. */
    buf_printf(out, "%s%s =%s", mark, name, *value && *value != '#' ? " " : "");
    for (; *value; value++) /* a setting is one line, whatever was given */
        buf_add_char(out, *value == '\n' || *value == '\r' ? ' ' : *value);
    buf_add_char(out, '\n');
}

void config_format(const char *const *given, struct buf *out) {
    buf_add_str(out, "# Settings of this Postroad instance. A line behind # shows a default.\n"
                     "# From a # at the start of a line or behind a space on, the rest is a comment.\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        const char *value = given_value(given, s->name);
        buf_add_char(out, '\n');
        format_help(s->help, out);
        format_setting(value ? "" : "# ", s->name, value ? value : s->value, out);
    }
    /* Names nobody knows are written too: config_load says what is wrong with them. */
    for (; given && *given; given += 2)
        if (!setting_find(view_of(given[0])))
            format_setting("", given[0], given[1], out);
}

char *config_path(const struct config *c, const char *path) {
    return *path == '/' ? mem_str(path) : mem_printf("%s/%s", c->dir, path);
}
