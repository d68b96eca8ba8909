/* list_read.c: from what is given for an attribute of a list to what is stored, with what Mailman says when
 * it does not fit. What fits for Mailman and not for the setting is refused in the setting's own words. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/words.h"
#include "roles/httpd/list_attribute.h"

#define PIPELINES "default-owner-pipeline default-posting-pipeline virgin"
#define LANGUAGES                                                                                            \
    "ar ast bg ca cs da de el en es et eu fi fr gl he hr hu ia it ja ko lt nl no pl pt pt_BR ro ru sk sl "   \
    "sr "                                                                                                    \
    "sv tr uk vi zh_CN zh_TW"
#define FILTER_ACTIONS "hold reject discard accept defer forward preserve"

/* Why a value cannot be read; empty: it can, and *ret is how it is stored. */
typedef view (*reader)(struct call *c, const struct attribute *a, view value, view *ret);

static view read_bool(struct call *c, const struct attribute *a, view value, view *ret) {
    bool flag = false;
    (void)a;
    if (!param_bool(value, &flag))
        return arena_printf(c->arena, "Invalid boolean value: %.*s", VIEW_ARG(value));
    *ret = flag ? VIEW("true") : VIEW("false");
    return VIEW("");
}

static view read_count(struct call *c, const struct attribute *a, view value, view *ret) {
    int64_t number;
    (void)a;
    if (!view_to_i64(view_trim(value), &number))
        return arena_printf(c->arena, "invalid literal for int() with base 10: '%.*s'", VIEW_ARG(value));
    if (number < 0)
        return arena_printf(c->arena, "Expected a non-negative integer: %lld", (long long)number);
    *ret = arena_printf(c->arena, "%lld", (long long)number);
    return VIEW("");
}

static view read_float(struct call *c, const struct attribute *a, view value, view *ret) {
    char *text = arena_str(c->arena, view_trim(value)), *end = text;
    double number = strtod(text, &end);
    (void)a;
    if (end == text || *end || strpbrk(text, "xX"))
        return arena_printf(c->arena, "could not convert string to float: '%.*s'", VIEW_ARG(value));
    if (!isfinite(number) || fabs(number) > 1e9)
        return VIEW("a number is wanted that can be kept");
    view out = arena_printf(c->arena, "%.5f", number);
    while (out.ptr[out.len - 1] == '0')
        out.len--;
    if (out.ptr[out.len - 1] == '.')
        out.len--;
    *ret = out;
    return VIEW("");
}

/* "4w2d3h5m9s", units from large to small, each once, with fractions; nothing else, and Mailman says no more
 * about it than that. */
static bool parse_delta(struct call *c, view value, int64_t *ret_ms) {
    static const char units[] = "wdhms";
    static const double factors[] = {7 * 86400e3, 86400e3, 3600e3, 60e3, 1e3};
    const char *next = units;
    double sum = 0;
    while (value.len > 0) {
        size_t n = 0;
        while (n < value.len && (ascii_is_digit(value.ptr[n]) || value.ptr[n] == '.'))
            n++;
        char *digits = arena_str(c->arena, view_slice(value, 0, n)), *end = digits;
        double number = strtod(digits, &end);
        const char *unit = n > 0 && n < value.len ? strchr(next, value.ptr[n]) : NULL;
        if (!unit || !*unit || *end || end == digits)
            return false;
        sum += number * factors[unit - units];
        next = unit + 1;
        value = view_skip(value, n + 1);
    }
    *ret_ms = sum < 9e15 ? (int64_t)(sum + 0.5) : INT64_MAX / 4;
    return next != units;
}

static view read_delta(struct call *c, const struct attribute *a, view value, view *ret) {
    const int64_t day = INT64_C(24) * 3600 * 1000;
    int64_t ms;
    (void)a;
    if (!parse_delta(c, value, &ms))
        return VIEW(" "); /* no words */
    *ret = ms % day == 0    ? arena_printf(c->arena, "%lldd", (long long)(ms / day))
           : ms % 1000 == 0 ? arena_printf(c->arena, "%llds", (long long)(ms / 1000))
                            : arena_printf(c->arena, "%lldms", (long long)ms);
    return VIEW("");
}

static view one_of(struct call *c, const char *words, view value) {
    view joined = VIEW("Accepted Values are:"), rest = view_of(words), word;
    int64_t at;
    if (words_find(words, value, &at))
        return VIEW("");
    for (bool first = true; view_split(&rest, ' ', &word); first = false)
        joined = arena_printf(c->arena, "%.*s%s %.*s", VIEW_ARG(joined), first ? "" : ",", VIEW_ARG(word));
    return joined;
}

static view read_enum(struct call *c, const struct attribute *a, view value, view *ret) {
    *ret = value;
    return one_of(c, list_setting_values(attribute_setting(a)), value);
}

static view read_filter(struct call *c, const struct attribute *a, view value, view *ret) {
    (void)a;
    *ret = value;
    return one_of(c, FILTER_ACTIONS, value);
}

static view read_archive(struct call *c, const struct attribute *a, view value, view *ret) {
    (void)a;
    *ret = view_eq(value, VIEW("never")) ? VIEW("none") : value;
    return one_of(c, "never private public", value);
}

static view read_text(struct call *c, const struct attribute *a, view value, view *ret) {
    (void)c;
    (void)a;
    *ret = value;
    return VIEW("");
}

static view read_line(struct call *c, const struct attribute *a, view value, view *ret) {
    (void)a;
    *ret = value;
    return view_find(value, '\n') < 0
               ? VIEW("")
               : arena_printf(c->arena, "This value must be a single line: %.*s", VIEW_ARG(value));
}

static view read_pipeline(struct call *c, const struct attribute *a, view value, view *ret) {
    int64_t at;
    (void)a;
    *ret = value;
    return words_find(PIPELINES, value, &at)
               ? VIEW("")
               : arena_printf(c->arena, "Unknown pipeline: %.*s", VIEW_ARG(value));
}

static const reader readers[] = {
    [ATTRIBUTE_BOOL] = read_bool,         [ATTRIBUTE_COUNT] = read_count,   [ATTRIBUTE_FLOAT] = read_float,
    [ATTRIBUTE_DELTA] = read_delta,       [ATTRIBUTE_ENUM] = read_enum,     [ATTRIBUTE_FILTER] = read_filter,
    [ATTRIBUTE_ARCHIVE] = read_archive,   [ATTRIBUTE_TEXT] = read_text,     [ATTRIBUTE_LINE] = read_line,
    [ATTRIBUTE_PIPELINE] = read_pipeline, [ATTRIBUTE_PASSWORD] = read_text, [ATTRIBUTE_LANGUAGE] = read_text};

/* ---- several values ---- */

static view why_no_sender(struct call *c, view value) {
    view address;
    if (value.len == 0)
        return VIEW("Expected a valid email address or regular expression, got empty");
    view bare = view_skip(value, view_starts_with(value, VIEW("@"))); /* @LIST */
    if (view_starts_with(value, VIEW("^")) ? pattern_check(value, NULL) : param_address(c, bare, &address))
        return VIEW("");
    return arena_printf(c->arena, "Expected a valid email address or regular expression, got %.*s",
                        VIEW_ARG(value));
}

static view why_no_line(struct call *c, const struct attribute *a, view value) {
    view why = a->kind == ATTRIBUTE_SENDERS ? why_no_sender(c, value) : VIEW("");
    if (why.len > 0)
        return why;
    if (view_find(value, '\n') >= 0)
        return VIEW("each value is one line");
    return value.len == 0 || view_is_utf8(value) ? VIEW("") : VIEW("UTF-8 is wanted");
}

static bool is_no_alias(const struct attribute *a, view value) {
    return a->kind == ATTRIBUTE_ALIASES && !view_starts_with(value, VIEW("^")) && view_find(value, '@') < 0;
}

/* One empty value is an empty list: a form has no other way to say it. */
static enum attribute_answer read_lines(struct call *c, const struct attribute *a, view *ret) {
    view *values, lines = VIEW("");
    size_t n = param_texts(c, a->name, &values);
    if (n == 1 && values[0].len == 0)
        n = 0;
    for (size_t i = 0; i < n && lines.len <= LIMIT_SETTING_TEXT; i++) { /* the setting refuses more */
        *ret = why_no_line(c, a, values[i]);
        if (ret->len > 0)
            return ATTRIBUTE_WRONG;
        *ret = values[i];
        if (is_no_alias(a, values[i]))
            return ATTRIBUTE_LATE;
        lines = arena_printf(c->arena, "%.*s%s%.*s", VIEW_ARG(lines), i ? "\n" : "", VIEW_ARG(values[i]));
    }
    *ret = lines;
    return ATTRIBUTE_TAKEN;
}

/* ---- one attribute ---- */

/* As the setting keeps it, or what it has against it. */
static enum attribute_answer keep(struct call *c, const struct attribute *a, view *value) {
    struct err e;
    if (a->kind == ATTRIBUTE_ARCHIVE || list_setting_check(attribute_setting(a), *value, c->arena, value, &e))
        return ATTRIBUTE_TAKEN;
    view why = view_of(e.text), name;
    if (view_starts_with(why, view_of(a->name)))
        view_split(&why, ':', &name);
    *value = arena_view(c->arena, view_trim(why));
    return ATTRIBUTE_WRONG;
}

enum attribute_answer attribute_read(struct call *c, const struct attribute *a, view *ret) {
    view value = param_text(c, a->name);
    int64_t at;
    *ret = value;
    if (a->kind == ATTRIBUTE_LANGUAGE && !words_find(LANGUAGES, value, &at))
        return ATTRIBUTE_UNKNOWN;
    if (a->kind >= ATTRIBUTE_STRINGS) {
        enum attribute_answer answer = read_lines(c, a, ret);
        return answer == ATTRIBUTE_TAKEN ? keep(c, a, ret) : answer;
    }
    if (!view_is_utf8(value) && value.len > 0) {
        *ret = VIEW("UTF-8 is wanted");
        return ATTRIBUTE_WRONG;
    }
    view why = readers[a->kind](c, a, value, ret);
    if (why.len == 0)
        return keep(c, a, ret);
    *ret = view_trim(why).len > 0 ? why : VIEW(""); /* of some, Mailman says nothing */
    return ATTRIBUTE_WRONG;
}
