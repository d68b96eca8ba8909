/* dkim2_diff.c: the recipe that makes an old form out of a new one. Lines (or fields of a name) that both
 * have are matched in order: what is the same at both ends, then lines that are in each exactly once, then
 * what lies between those. Everything is bounded: where there is too much to compare well, more text than
 * needed stands in the recipe. */
#include <stdlib.h>
#include <string.h>

#include "auth/dkim2_private.h"

enum {
    LINES_MOST = 1 << 20,  /* of a body; of a longer one there is no recipe */
    MIDDLE_MOST = 1 << 18, /* lines between the equal ends that are compared, of both together */
    CELLS_MOST = 1 << 16,  /* of the table that compares a gap with a gap */
    WINDOW = 256           /* lines looked ahead in gaps that are larger */
};

#define NO_MATCH SIZE_MAX

struct differ {
    const view *old, *now;
    uint32_t *old_id, *now_id; /* equal where the lines are */
    size_t old_count, now_count;
    size_t *match;   /* of each old line, the new one */
    uint16_t *table; /* CELLS_MOST and its edges */
};

struct gap {
    size_t old, old_end, now, now_end;
};

/* ---- equal lines have equal numbers ---- */

struct line {
    view text;
    uint32_t *id;
};

static int by_text(const void *left, const void *right) {
    const struct line *l = left, *r = right;
    if (l->text.len != r->text.len)
        return l->text.len < r->text.len ? -1 : 1;
    return l->text.len ? memcmp(l->text.ptr, r->text.ptr, l->text.len) : 0;
}

/* How many different ones there are. */
static uint32_t number_lines(struct differ *d, const struct gap *g, struct line *lines) {
    size_t count = 0;
    uint32_t id = 0;
    for (size_t i = g->old; i < g->old_end; i++)
        lines[count++] = (struct line){d->old[i], &d->old_id[i]};
    for (size_t i = g->now; i < g->now_end; i++)
        lines[count++] = (struct line){d->now[i], &d->now_id[i]};
    qsort(lines, count, sizeof *lines, by_text);
    for (size_t i = 0; i < count; i++) {
        id += i > 0 && by_text(&lines[i - 1], &lines[i]) != 0;
        *lines[i].id = id;
    }
    return id + 1;
}

/* ---- a gap: old lines that may be among these new ones ---- */

static void match_ends(struct differ *d, struct gap *g) {
    while (g->old < g->old_end && g->now < g->now_end && d->old_id[g->old] == d->now_id[g->now])
        d->match[g->old++] = g->now++;
    while (g->old < g->old_end && g->now < g->now_end &&
           d->old_id[g->old_end - 1] == d->now_id[g->now_end - 1])
        d->match[--g->old_end] = --g->now_end;
}

/* The most lines that can be matched (longest common subsequence). */
static void match_best(struct differ *d, const struct gap *g) {
    size_t rows = g->old_end - g->old, columns = g->now_end - g->now, width = columns + 1;
    memset(d->table, 0, (rows + 1) * width * sizeof *d->table);
    for (size_t r = rows; r-- > 0;)
        for (size_t c = columns; c-- > 0;) {
            uint16_t *cell = &d->table[r * width + c];
            if (d->old_id[g->old + r] == d->now_id[g->now + c])
                *cell = (uint16_t)(cell[width + 1] + 1);
            else
                *cell = cell[width] > cell[1] ? cell[width] : cell[1];
        }
    for (size_t r = 0, c = 0; r < rows && c < columns;) {
        const uint16_t *cell = &d->table[r * width + c];
        if (d->old_id[g->old + r] == d->now_id[g->now + c]) {
            d->match[g->old + r++] = g->now + c++;
        } else if (cell[width] >= cell[1]) {
            r++;
        } else {
            c++;
        }
    }
}

static void match_near(struct differ *d, const struct gap *g) {
    size_t next = g->now;
    for (size_t o = g->old; o < g->old_end; o++)
        for (size_t n = next; n < g->now_end && n < next + WINDOW; n++)
            if (d->old_id[o] == d->now_id[n]) {
                d->match[o] = n;
                next = n + 1;
                break;
            }
}

static void match_gap(struct differ *d, struct gap g) {
    match_ends(d, &g);
    size_t rows = g.old_end - g.old, columns = g.now_end - g.now;
    if (rows == 0 || columns == 0)
        return;
    if (rows <= CELLS_MOST / columns)
        match_best(d, &g);
    else
        match_near(d, &g);
}

/* ---- lines that are in each exactly once ---- */

struct pair {
    size_t old, now;
    size_t before; /* in the longest run that ends here; NO_MATCH: none */
};

/* In the order of the old lines. `seen`: of each number, how often in old and new, and where in new. */
struct seen {
    uint32_t old, now;
    size_t at;
};
static size_t find_pairs(const struct differ *d, const struct gap *g, struct seen *seen, struct pair *pairs) {
    size_t count = 0;
    for (size_t o = g->old; o < g->old_end; o++)
        seen[d->old_id[o]].old++;
    for (size_t n = g->now; n < g->now_end; n++) {
        seen[d->now_id[n]].now++;
        seen[d->now_id[n]].at = n;
    }
    for (size_t o = g->old; o < g->old_end; o++) {
        const struct seen *s = &seen[d->old_id[o]];
        if (s->old == 1 && s->now == 1)
            pairs[count++] = (struct pair){o, s->at, NO_MATCH};
    }
    return count;
}

/* Match the longest run of pairs that ascends in both. `ends`: of each length, the pair with the smallest
 * end.
 */
static void match_ascending(struct differ *d, struct pair *pairs, size_t count, size_t *ends) {
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t low = 0, high = longest;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (pairs[ends[middle]].now < pairs[i].now)
                low = middle + 1;
            else
                high = middle;
        }
        pairs[i].before = low > 0 ? ends[low - 1] : NO_MATCH;
        ends[low] = i;
        longest += low == longest;
    }
    for (size_t i = longest ? ends[longest - 1] : NO_MATCH; i != NO_MATCH; i = pairs[i].before)
        d->match[pairs[i].old] = pairs[i].now;
}

static void match_all(struct differ *d, struct gap g, struct arena *a) {
    size_t rows = g.old_end - g.old, columns = g.now_end - g.now;
    struct line *lines = arena_array(a, struct line, rows + columns);
    uint32_t numbers = lines ? number_lines(d, &g, lines) : 0;
    struct seen *seen = arena_array(a, struct seen, numbers);
    struct pair *pairs = arena_array(a, struct pair, rows + 1);
    size_t *ends = arena_array(a, size_t, rows + 1);
    d->table = arena_array(a, uint16_t, 2 * (size_t)CELLS_MOST + rows + columns + 2);
    if (a->failed)
        return;
    match_ascending(d, pairs, find_pairs(d, &g, seen, pairs), ends);
    struct gap between = {.old = g.old, .now = g.now};
    for (size_t o = g.old; o <= g.old_end; o++) {
        bool last = o == g.old_end;
        if (!last && d->match[o] == NO_MATCH)
            continue;
        between.old_end = o;
        between.now_end = last ? g.now_end : d->match[o];
        match_gap(d, between);
        between.old = o + 1;
        between.now = between.now_end + 1;
    }
}

/* ---- the steps ---- */

static void write_steps(const struct differ *d, struct dkim2_steps *ret) {
    struct dkim2_step *s = NULL;
    for (size_t o = 0; o < d->old_count; o++) {
        size_t n = d->match[o];
        if (n == NO_MATCH && (!s || s->from > 0))
            (s = &ret->list[ret->count++])->lines = (view *)(uintptr_t)&d->old[o];
        if (n == NO_MATCH) {
            s->count++;
        } else if (s && s->from > 0 && s->to == n) {
            s->to++;
        } else {
            s = &ret->list[ret->count++];
            s->from = s->to = n + 1;
        }
    }
}

/* Lines at both ends that are the same need no numbers. */
static struct gap trim_ends(struct differ *d) {
    struct gap g = {.old_end = d->old_count, .now_end = d->now_count};
    while (g.old < g.old_end && g.now < g.now_end && view_eq(d->old[g.old], d->now[g.now]))
        d->match[g.old++] = g.now++;
    while (g.old < g.old_end && g.now < g.now_end && view_eq(d->old[g.old_end - 1], d->now[g.now_end - 1]))
        d->match[--g.old_end] = --g.now_end;
    return g;
}

void dkim2_diff(const view *old, size_t old_count, const view *now, size_t now_count, struct arena *a,
                struct dkim2_steps *ret) {
    struct differ d = {.old = old, .now = now, .old_count = old_count, .now_count = now_count};
    *ret = (struct dkim2_steps){.list = arena_array(a, struct dkim2_step, old_count + 1)};
    d.match = arena_array(a, size_t, old_count + 1);
    if (!ret->list || !d.match)
        return;
    for (size_t o = 0; o < old_count; o++)
        d.match[o] = NO_MATCH;
    struct gap g = trim_ends(&d);
    size_t middle = g.old_end - g.old + g.now_end - g.now;
    d.old_id = arena_array(a, uint32_t, old_count + 1);
    d.now_id = arena_array(a, uint32_t, now_count + 1);
    if (g.old < g.old_end && g.now < g.now_end && middle <= MIDDLE_MOST && d.old_id && d.now_id)
        match_all(&d, g, a);
    write_steps(&d, ret);
}

/* ---- of a whole form ---- */

/* As JSON can have it. */
static bool is_sayable(const struct dkim2_steps *steps) {
    for (size_t s = 0; s < steps->count; s++)
        for (size_t i = 0; i < steps->list[s].count; i++) {
            view line = steps->list[s].lines[i];
            if (!view_is_utf8(line) || view_find(line, '\r') >= 0 || view_find(line, '\n') >= 0)
                return false;
        }
    return true;
}

/* Values of the fields of that name, from the bottom. */
static const view *values_of(const struct dkim2_form *f, view name, struct arena *a, size_t *ret_count) {
    size_t first = dkim2_form_find(f, name, ret_count);
    view *values = arena_array(a, view, *ret_count + 1);
    for (size_t i = 0; values && i < *ret_count; i++) {
        view line = view_skip(f->fields[first + i].line, name.len + 1);
        values[i] = view_slice(line, 0, line.len - 2);
    }
    return values;
}

static bool is_same(const view *one, size_t one_count, const view *other, size_t other_count) {
    for (size_t i = 0; i < one_count && i < other_count; i++)
        if (!view_eq(one[i], other[i]))
            return false;
    return one_count == other_count;
}

static bool add_field(const struct dkim2_form *old, const struct dkim2_form *now, view name, struct arena *a,
                      struct dkim2_recipe *ret) {
    size_t old_count, now_count;
    const view *was = values_of(old, name, a, &old_count), *is = values_of(now, name, a, &now_count);
    if (!was || !is)
        return false;
    if (is_same(was, old_count, is, now_count))
        return true;
    struct dkim2_recipe_field *f = &ret->fields[ret->field_count++];
    f->name = name;
    ret->has_header = true;
    dkim2_diff(was, old_count, is, now_count, a, &f->steps);
    return is_sayable(&f->steps);
}

/* Each name once: both are sorted. */
static bool make_header(const struct dkim2_form *old, const struct dkim2_form *now, struct arena *a,
                        struct dkim2_recipe *ret) {
    ret->fields = arena_array(a, struct dkim2_recipe_field, old->count + now->count + 1);
    for (size_t o = 0, n = 0; ret->fields && (o < old->count || n < now->count);) {
        int order = o == old->count   ? 1
                    : n == now->count ? -1
                                      : view_cmp(old->fields[o].name, now->fields[n].name);
        view name = order <= 0 ? old->fields[o].name : now->fields[n].name;
        if (!add_field(old, now, name, a, ret))
            return false;
        while (o < old->count && view_eq(old->fields[o].name, name))
            o++;
        while (n < now->count && view_eq(now->fields[n].name, name))
            n++;
    }
    return ret->fields != NULL;
}

/* NULL: more than LINES_MOST. */
static const view *lines_of(view body, struct arena *a, size_t *ret_count) {
    size_t most = 1;
    for (view rest = body; rest.len > 0 && most <= LINES_MOST; most++)
        dkim2_next_line(&rest);
    view *lines = most <= LINES_MOST ? arena_array(a, view, most) : NULL;
    for (*ret_count = 0; lines && body.len > 0;)
        lines[(*ret_count)++] = dkim2_next_line(&body);
    return lines;
}

static void make_body(view old, view now, struct arena *a, struct dkim2_recipe *ret) {
    size_t old_count, now_count, literal = 0;
    const view *was = lines_of(old, a, &old_count), *is = lines_of(now, a, &now_count);
    ret->has_body = ret->body_lost = true;
    if (!was || !is)
        return;
    dkim2_diff(was, old_count, is, now_count, a, &ret->body);
    for (size_t s = 0; s < ret->body.count; s++)
        for (size_t i = 0; i < ret->body.list[s].count; i++)
            literal += ret->body.list[s].lines[i].len + 2;
    ret->body_lost = literal > old.len / 2 || !is_sayable(&ret->body);
}

bool dkim2_recipe_make(const struct dkim2_form *old, const struct dkim2_form *now, struct arena *a,
                       struct dkim2_recipe *ret) {
    view was = dkim2_body_trim(old->body), is = dkim2_body_trim(now->body);
    *ret = (struct dkim2_recipe){.has_header = false};
    if (!make_header(old, now, a, ret))
        return false;
    if (!view_eq(was, is))
        make_body(was, is, a, ret);
    return !a->failed;
}

/* ---- JSON ---- */

static void add_string(view text, struct buf *out) {
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            buf_add_char(out, '\\');
        if (c < ' ')
            buf_printf(out, "\\u%04x", c);
        else
            buf_add_char(out, (char)c);
    }
    buf_add_char(out, '"');
}

static void add_steps(const struct dkim2_steps *steps, struct buf *out) {
    buf_add_char(out, '[');
    for (size_t s = 0; s < steps->count; s++) {
        const struct dkim2_step *step = &steps->list[s];
        buf_add_str(out, s > 0 ? "," : "");
        if (step->from > 0)
            buf_printf(out, "{\"c\":[%zu,%zu]}", step->from, step->to);
        for (size_t i = 0; i < step->count; i++) {
            buf_add_str(out, i > 0 ? "," : "{\"d\":[");
            add_string(step->lines[i], out);
        }
        buf_add_str(out, step->from > 0 ? "" : "]}");
    }
    buf_add_char(out, ']');
}

void dkim2_recipe_write(const struct dkim2_recipe *r, struct buf *out) {
    buf_add_char(out, '{');
    for (size_t i = 0; i < r->field_count; i++) {
        buf_add_str(out, i > 0 ? "," : "\"h\":{");
        add_string(r->fields[i].name, out);
        buf_add_char(out, ':');
        add_steps(&r->fields[i].steps, out);
    }
    buf_add_str(out, r->has_header ? "}" : "");
    if (r->has_body) {
        buf_add_str(out, r->has_header ? ",\"b\":" : "\"b\":");
        if (r->body_lost)
            buf_add_str(out, "null");
        else
            add_steps(&r->body, out);
    }
    buf_add_char(out, '}');
}
