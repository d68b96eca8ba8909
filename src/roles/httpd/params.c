/* params.c: what a request gives, and what is wrong with it in Mailman's words (mailman/rest/validator.py
 * says them in this order: what is not wanted, what cannot be read, what is missing). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pattern.h"
#include "base/words.h"
#include "mail/address.h"
#include "roles/httpd/httpd.h"

enum {
    GIVEN_MOST = 1 << 20,
    WHY_MOST = 1000,
    JOINED_MOST = 3500 /* the names of all settings have 1600 octets */
};

/* ---- reading ---- */

static bool add(struct call *c, view name, view value) {
    if (c->given_count == c->given_room) {
        size_t room = 2 * c->given_room + 32;
        struct given *more = room < GIVEN_MOST ? arena_array(c->arena, struct given, room) : NULL;
        if (!more) {
            reply_error(c, 413, "Too much is given");
            return false;
        }
        if (c->given_count > 0)
            memcpy(more, c->given, c->given_count * sizeof *more);
        c->given = more;
        c->given_room = room;
    }
    c->given[c->given_count++] = (struct given){name, value};
    return true;
}

static int hex(char ch) {
    if (ascii_is_digit(ch))
        return ch - '0';
    ch = ascii_lower(ch);
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

view percent_decode(struct arena *a, view text, bool form) {
    char *out = arena_alloc(a, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < text.len; i++) {
        bool escape =
            text.ptr[i] == '%' && i + 2 < text.len && hex(text.ptr[i + 1]) >= 0 && hex(text.ptr[i + 2]) >= 0;
        if (escape) {
            out[n++] = (char)(hex(text.ptr[i + 1]) * 16 + hex(text.ptr[i + 2]));
            i += 2;
        } else {
            out[n++] = form && text.ptr[i] == '+' ? ' ' : text.ptr[i];
        }
    }
    return view_from(out, out ? n : 0);
}

static view decode(struct call *c, view text) {
    return percent_decode(c->arena, text, true);
}

bool params_add_form(struct call *c, view form) {
    view pair;
    while (view_split(&form, '&', &pair)) {
        ptrdiff_t equals = view_find(pair, '=');
        view name = equals < 0 ? pair : view_slice(pair, 0, (size_t)equals);
        view value = equals < 0 ? VIEW_NULL : view_skip(pair, (size_t)equals + 1);
        if (pair.len > 0 && !add(c, decode(c, name), decode(c, value)))
            return false;
    }
    return true;
}

static bool add_json_value(struct call *c, view name, const json_t *value) {
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            if (json_is_array(json_array_get(value, i)) || !add_json_value(c, name, json_array_get(value, i)))
                return false;
        return json_array_size(value) > 0 || add(c, name, VIEW_NULL);
    }
    view text = VIEW_NULL;
    if (json_is_object(value))
        return false;
    if (json_is_string(value))
        text = arena_view(c->arena, view_from(json_string_value(value), json_string_length(value)));
    else if (json_is_boolean(value))
        text = json_is_true(value) ? VIEW("True") : VIEW("False");
    else if (json_is_integer(value))
        text = arena_printf(c->arena, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        text = arena_printf(c->arena, "%g", json_real_value(value));
    return add(c, name, text);
}

static bool bad_json(struct call *c, const char *why) {
    reply_object(c, 400,
                 json_pack("{ssso}", "title", "Invalid JSON", "description",
                           json_sprintf("Could not parse JSON body - %s", why)));
    return false;
}

bool params_add_json(struct call *c, view body) {
    json_error_t error;
    json_t *object = json_loadb(body.ptr ? body.ptr : "", body.len, JSON_REJECT_DUPLICATES, &error);
    bool ok = json_is_object(object);
    if (!ok) {
        json_decref(object);
        return bad_json(c, *error.text ? error.text : "an object is wanted");
    }
    for (void *i = json_object_iter(object); ok && i; i = json_object_iter_next(object, i))
        ok = add_json_value(c, arena_view(c->arena, view_of(json_object_iter_key(i))),
                            json_object_iter_value(i));
    json_decref(object);
    return ok || c->status != 0 || bad_json(c, "values are texts, numbers, truth values, or lists of them");
}

/* ---- checking ---- */

bool param_bool(view value, bool *ret) {
    static const char words[] = "false true no yes 0 1 off on disabled enabled disable enable";
    char text[16];
    int64_t at;
    for (size_t i = 0; i < value.len && i < sizeof text; i++)
        text[i] = ascii_lower(value.ptr[i]);
    if (value.len > sizeof text || !words_find(words, view_from(text, value.len), &at))
        return false;
    *ret = at % 2 != 0;
    return true;
}

/* Mailman's idea of an address: ASCII only, with a domain of two labels. Addresses of RFC 6531 are taken
 * here, too. */
bool param_address(struct call *c, view text, view *ret) {
    view normal;
    text = view_trim(text);
    if (!address_normalise_text(text, c->arena, &normal, NULL))
        return false;
    struct address parts = address_split(normal);
    if (view_find(parts.domain, '.') < 0)
        return false;
    for (size_t i = 0; i < parts.local.len; i++)
        if (strchr(" \"()<>,:;[]\\|^", parts.local.ptr[i]))
            return false;
    *ret = normal;
    return true;
}

static int compare_views(const void *a, const void *b) {
    return view_cmp(*(const view *)a, *(const view *)b);
}

static view join(struct call *c, const view *names, size_t count) {
    view joined = VIEW("");
    for (size_t i = 0; i < count && joined.len < JOINED_MOST; i++) /* no more of it is said */
        joined = arena_printf(c->arena, "%.*s%s%.*s", VIEW_ARG(joined), i ? ", " : "", VIEW_ARG(names[i]));
    return joined;
}

/* "a, b, c" of "c b a". */
static view join_sorted(struct call *c, view *names, size_t count) {
    qsort(names, count, sizeof *names, compare_views);
    return join(c, names, count);
}

/* In the words' own order, as Mailman says it. */
static view accepted(struct call *c, const char *words) {
    view joined = VIEW("Accepted Values are:"), rest = view_of(words), word;
    for (bool first = true; view_split(&rest, ' ', &word); first = false)
        joined = arena_printf(c->arena, "%.*s%s %.*s", VIEW_ARG(joined), first ? "" : ",", VIEW_ARG(word));
    return joined;
}

static view why_not(struct call *c, const struct param_spec *s, view value) {
    bool flag;
    int64_t number;
    struct err e;
    if (s->blank && value.len == 0)
        return VIEW_NULL;
    switch (s->type) {
    case PARAM_TEXT:
    case PARAM_TEXTS:
        return VIEW_NULL;
    case PARAM_BOOL:
        return param_bool(value, &flag)
                   ? VIEW_NULL
                   : arena_printf(c->arena, "Invalid boolean value: %.*s", VIEW_ARG(value));
    case PARAM_NUMBER:
        if (!view_to_i64(view_trim(value), &number))
            return arena_printf(c->arena, "invalid literal for int() with base 10: '%.*s'", VIEW_ARG(value));
        return number >= 0 ? VIEW_NULL
                           : arena_printf(c->arena, "Must be a positive integer: %.*s", VIEW_ARG(value));
    case PARAM_WORD:
        return words_find(s->words, value, &number) ? VIEW_NULL : accepted(c, s->words);
    case PARAM_REGEX:
        return pattern_check(value, &e)
                   ? VIEW_NULL
                   : arena_printf(c->arena, "Expected a valid regexp, got %.*s", VIEW_ARG(value));
    }
    return VIEW_NULL;
}

static const struct param_spec *spec_of(const struct param_spec *specs, size_t count, view name) {
    for (size_t i = 0; i < count; i++)
        if (view_eq(name, view_of(specs[i].name)))
            return &specs[i];
    return NULL;
}

static bool is_new(view *names, size_t count, view name) {
    for (size_t i = 0; i < count; i++)
        if (view_eq(names[i], name))
            return false;
    return true;
}

enum { NAMES_MOST = 128 };

static bool find_unexpected(struct call *c, const struct param_spec *specs, size_t count) {
    view names[NAMES_MOST];
    size_t n = 0;
    for (size_t i = 0; i < c->given_count; i++)
        if (!spec_of(specs, count, c->given[i].name) && n < NAMES_MOST && is_new(names, n, c->given[i].name))
            names[n++] = c->given[i].name;
    if (n > 0)
        reply_error(c, 400, "Unexpected parameters: %.*s", VIEW_ARG(join_sorted(c, names, n)));
    return n > 0;
}

static bool find_invalid(struct call *c, const struct param_spec *specs, size_t count) {
    view wrong = VIEW("");
    for (size_t i = 0; i < c->given_count && wrong.len < LIMIT_ERR_TEXT; i++) {
        view why = why_not(c, spec_of(specs, count, c->given[i].name), c->given[i].value);
        why = view_slice(why, 0, WHY_MOST); /* it quotes the value */
        if (why.len > 0)
            wrong = arena_printf(c->arena, "%.*s%sInvalid Parameter \"%.*s\": %.*s.", VIEW_ARG(wrong),
                                 wrong.len ? " " : "", VIEW_ARG(c->given[i].name), VIEW_ARG(why));
    }
    if (wrong.len > 0)
        reply_error(c, 400, "%.*s", VIEW_ARG(wrong));
    return wrong.len > 0;
}

bool params_check_specs(struct call *c, const struct param_spec *specs, size_t count) {
    view missing[NAMES_MOST];
    size_t n = 0;
    if (find_unexpected(c, specs, count) || find_invalid(c, specs, count))
        return false;
    for (size_t i = 0; i < count && n < NAMES_MOST; i++)
        if (specs[i].required && !param_given(c, specs[i].name))
            missing[n++] = view_of(specs[i].name);
    if (n > 0)
        reply_error(c, 400, "Missing Parameter: %.*s", VIEW_ARG(join_sorted(c, missing, n)));
    return n == 0;
}

bool params_check(struct call *c) {
    return params_check_specs(c, c->route->params, c->route->param_count);
}

/* ---- asking ---- */

/* The last value of that name. */
static const struct given *find(const struct call *c, const char *name) {
    for (size_t i = c->given_count; i > 0; i--)
        if (view_eq(c->given[i - 1].name, view_of(name)))
            return &c->given[i - 1];
    return NULL;
}

bool param_given(const struct call *c, const char *name) {
    return find(c, name) != NULL;
}

view param_text(const struct call *c, const char *name) {
    const struct given *g = find(c, name);
    return g ? g->value : VIEW("");
}

int64_t param_number(const struct call *c, const char *name, int64_t otherwise) {
    const struct given *g = find(c, name);
    const struct param_spec *s = spec_of(c->route->params, c->route->param_count, view_of(name));
    bool flag = false;
    int64_t number = -1;
    if (!g || !s)
        return otherwise;
    if (s->type == PARAM_BOOL && param_bool(g->value, &flag))
        return flag;
    if (s->type == PARAM_WORD && words_find(s->words, g->value, &number))
        return number;
    return view_to_i64(view_trim(g->value), &number) ? number : -1;
}

size_t param_texts(struct call *c, const char *name, view **ret) {
    size_t n = 0;
    for (size_t i = 0; i < c->given_count; i++)
        n += view_eq(c->given[i].name, view_of(name));
    *ret = arena_array(c->arena, view, n + 1);
    for (size_t i = 0, k = 0; *ret && i < c->given_count; i++)
        if (view_eq(c->given[i].name, view_of(name)))
            (*ret)[k++] = c->given[i].value;
    return *ret ? n : 0;
}
