/* dkim2_recipe.c: recipes (draft 5): read from JSON, and applied. What a recipe can make is bounded: an item
 * is copied at most once, and the rest stands in it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dkim2_private.h"

enum { DEPTH_MOST = 16 /* of JSON; a recipe has 5, unknown members may have more */ };

/* ---- reading ---- */

/* jansson reads nested values by recursion. */
static bool is_deeper(view json, size_t most) {
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '[') && ++depth > most)
            return true;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return false;
}

static view text_of(const json_t *string) {
    return view_from(json_string_value(string), json_string_length(string));
}

static bool read_copy(const json_t *range, struct dkim2_step *to, size_t *last) {
    const json_t *from = json_array_get(range, 0), *end = json_array_get(range, 1);
    if (json_array_size(range) != 2 || !json_is_integer(from) || !json_is_integer(end) ||
        json_integer_value(from) < 1 || json_integer_value(end) < json_integer_value(from))
        return false;
    to->from = (size_t)json_integer_value(from);
    to->to = (size_t)json_integer_value(end);
    bool ascends = to->from > *last;
    *last = to->to;
    return ascends;
}

static bool read_lines(const json_t *lines, struct arena *a, struct dkim2_step *to) {
    size_t i;
    json_t *one;
    to->lines = arena_array(a, view, json_array_size(lines));
    if (json_array_size(lines) == 0 || !to->lines)
        return false;
    json_array_foreach(lines, i, one) {
        view line = text_of(one);
        if (!json_is_string(one) || view_find(line, '\r') >= 0 || view_find(line, '\n') >= 0)
            return false;
        to->lines[to->count++] = arena_view(a, line);
    }
    return true;
}

static bool read_step(const json_t *step, struct arena *a, struct dkim2_step *to, size_t *last) {
    const json_t *copy = json_object_get(step, "c"), *lines = json_object_get(step, "d");
    if (json_object_size(step) != 1)
        return false;
    return copy ? read_copy(copy, to, last) : lines && read_lines(lines, a, to);
}

static bool read_steps(const json_t *steps, struct arena *a, struct dkim2_steps *to) {
    size_t i, last = 0;
    json_t *one;
    to->list = arena_array(a, struct dkim2_step, json_array_size(steps) + 1);
    if (!json_is_array(steps) || !to->list)
        return false;
    json_array_foreach(steps, i, one) if (!read_step(one, a, &to->list[to->count++], &last)) return false;
    return true;
}

/* A field-name in lower case. */
static bool is_name(view name) {
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == ':' ||
            ascii_lower(name.ptr[i]) != name.ptr[i])
            return false;
    return name.len > 0;
}

static bool read_header(const json_t *header, struct arena *a, struct dkim2_recipe *to) {
    const char *name;
    json_t *steps;
    to->has_header = true;
    to->fields = arena_array(a, struct dkim2_recipe_field, json_object_size(header));
    if (json_object_size(header) == 0 || json_object_size(header) > LIMIT_HEADER_FIELDS || !to->fields)
        return false;
    json_object_foreach((json_t *)(uintptr_t)header, name, steps) {
        struct dkim2_recipe_field *f = &to->fields[to->field_count++];
        f->name = arena_view(a, view_of(name));
        if (!is_name(f->name) || !read_steps(steps, a, &f->steps))
            return false;
    }
    return true;
}

bool dkim2_recipe_read(view json, struct arena *a, struct dkim2_recipe *ret) {
    *ret = (struct dkim2_recipe){.has_header = false};
    if (json.len > DKIM2_RECIPE_MOST || is_deeper(json, DEPTH_MOST))
        return false;
    json_t *all =
        json_loadb(json.ptr ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const json_t *header = json_object_get(all, "h"), *body = json_object_get(all, "b");
    bool fine = json_is_object(all);
    ret->has_body = body != NULL;
    ret->body_lost = json_is_null(body);
    if (fine && header)
        fine = read_header(header, a, ret);
    if (fine && body && !ret->body_lost)
        fine = read_steps(body, a, &ret->body);
    json_decref(all);
    return fine && !a->failed;
}

/* ---- applying: header ---- */

struct making {
    struct arena *arena;
    const struct dkim2_form *form;
    struct dkim2_field *made;
    size_t count, most;
};

static bool give(struct making *m, struct dkim2_field f, size_t number, size_t place) {
    if (m->count == m->most)
        return false;
    f.number = number;
    f.place = place;
    m->made[m->count++] = f;
    return true;
}

/* Where an inserted field shows in the message: where one was that is not copied, else above the last. */
struct places {
    const struct dkim2_field *fields; /* of that name */
    size_t count, taken, last;
};

static size_t next_place(struct places *p, const struct dkim2_step *next) {
    size_t end = next && next->from ? next->from - 1 : p->count;
    if (p->taken < end && p->taken < p->count)
        p->last = p->fields[p->taken++].place;
    return p->last;
}

static bool make_fields(struct making *m, const struct dkim2_recipe_field *r) {
    struct places p = {.last = SIZE_MAX};
    p.fields = m->form->fields + dkim2_form_find(m->form, r->name, &p.count);
    size_t number = 0;
    for (size_t s = 0; s < r->steps.count; s++) {
        const struct dkim2_step *step = &r->steps.list[s];
        if (step->from > 0 && step->to > p.count)
            return false;
        for (size_t n = step->from; step->from > 0 && n <= step->to; n++) {
            p.last = p.fields[n - 1].place;
            if (!give(m, p.fields[n - 1], ++number, p.last))
                return false;
            p.taken = n;
        }
        for (size_t n = 0; n < step->count; n++) {
            struct header_field f = {.name = r->name, .value = step->lines[n]};
            size_t place = next_place(&p, s + 1 < r->steps.count ? step + 1 : NULL);
            if (!give(m, dkim2_field_of(&f, m->arena), ++number, place))
                return false;
        }
    }
    return true;
}

static bool make_header(const struct dkim2_recipe *r, struct arena *a, struct dkim2_form *form) {
    struct making m = {.arena = a, .form = form, .most = LIMIT_HEADER_FIELDS};
    bool *replaced = arena_array(a, bool, form->count + 1);
    m.made = arena_array(a, struct dkim2_field, m.most);
    if (!replaced || !m.made)
        return false;
    for (size_t i = 0; i < r->field_count; i++) {
        size_t count, first = dkim2_form_find(form, r->fields[i].name, &count);
        if (!dkim2_is_hashed(r->fields[i].name))
            continue;
        memset(replaced + first, true, count);
        if (!make_fields(&m, &r->fields[i]))
            return false;
    }
    for (size_t i = 0; i < form->count; i++)
        if (!replaced[i] && !give(&m, form->fields[i], form->fields[i].number, form->fields[i].place))
            return false;
    form->fields = m.made;
    form->count = m.count;
    dkim2_form_sort(form);
    return true;
}

/* ---- applying: body ---- */

struct lines {
    view rest;
    size_t next; /* number of the line that comes */
};

/* False: there are not so many. */
static bool copy_lines(struct lines *l, const struct dkim2_step *step, struct buf *out) {
    for (; l->next <= step->to; l->next++) {
        if (l->rest.len == 0)
            return false;
        view line = dkim2_next_line(&l->rest);
        if (l->next < step->from)
            continue;
        buf_add(out, line);
        buf_add(out, VIEW("\r\n"));
    }
    return true;
}

static bool is_copying(const struct dkim2_steps *s) {
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].from > 0)
            return true;
    return false;
}

static bool make_body(const struct dkim2_steps *steps, struct dkim2_form *form) {
    struct buf made = BUF_INIT(form->body.len + 2 + (size_t)2 * DKIM2_RECIPE_MOST);
    struct lines l = {.rest = form->body, .next = 1};
    bool fine = true;
    for (size_t s = 0; fine && s < steps->count; s++) {
        const struct dkim2_step *step = &steps->list[s];
        if (step->from > 0)
            fine = copy_lines(&l, step, &made);
        for (size_t i = 0; i < step->count; i++) {
            buf_add(&made, step->lines[i]);
            buf_add(&made, VIEW("\r\n"));
        }
    }
    fine = fine && !made.failed;
    if (!fine) {
        buf_done(&made);
        return false;
    }
    buf_done(&form->owned);
    form->owned = made;
    form->body = buf_view(&form->owned);
    return true;
}

bool dkim2_recipe_apply(const struct dkim2_recipe *r, struct arena *a, struct dkim2_form *form) {
    if (r->has_header && !make_header(r, a, form))
        return false;
    if (!r->has_body)
        return true;
    form->body_lost = r->body_lost || (form->body_lost && is_copying(&r->body));
    return form->body_lost || make_body(&r->body, form);
}
