/* alias_file.c: reads a table of aliases line by line. Tables are large and most addresses in them are in
 * their normal form already, so that is looked at first. */
#include "mail/alias_file.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/address.h"

enum { SHOWN_BYTES = 80, LABEL_MAX = 63 };

void alias_entries_add(struct alias_entries *a, const struct alias_entry *e) {
    if (a->count == a->room) {
        a->room = a->room ? 2 * a->room : 256;
        a->list = mem_resize(a->list, a->room, sizeof *a->list);
    }
    a->list[a->count++] = *e;
}

void alias_entries_done(struct alias_entries *a) {
    free(a->list);
    *a = (struct alias_entries){.list = NULL};
}

/* ---- order ---- */

int alias_entry_cmp(const struct alias_entry *a, const struct alias_entry *b) {
    int order = view_cmp(a->address, b->address);
    return order ? order : view_cmp(a->target, b->target);
}

static int by_key_and_line(const void *x, const void *y) {
    const struct alias_entry *a = x, *b = y;
    int order = alias_entry_cmp(a, b);
    return order ? order : (a->line > b->line) - (a->line < b->line);
}

void alias_entries_sort(struct alias_entries *a) {
    size_t n = 1;
    while (n < a->count && alias_entry_cmp(&a->list[n - 1], &a->list[n]) < 0)
        n++;
    if (n >= a->count)
        return;
    qsort(a->list, a->count, sizeof *a->list, by_key_and_line);
    n = 1;
    for (size_t i = 1; i < a->count; i++)
        if (alias_entry_cmp(&a->list[n - 1], &a->list[i]) != 0)
            a->list[n++] = a->list[i];
    a->count = n;
}

/* ---- addresses ---- */

static bool is_lower_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Letters and digits, with single marks between them: '.', '-', in a local part also '_' and '+'. */
static bool is_plain(view v, bool is_domain) {
    bool after_mark = true;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        bool is_mark = c == '.' || c == '-' || (!is_domain && (c == '_' || c == '+'));
        if (is_mark ? after_mark : !is_lower_alnum(c))
            return false;
        after_mark = is_mark;
    }
    return !after_mark;
}

/* In its normal form beyond doubt; what is not goes the long way. */
static bool is_normal(view text) {
    ptrdiff_t at = view_find(text, '@');
    if (at <= 0 || at > LIMIT_LOCAL_PART)
        return false;
    view domain = view_skip(text, (size_t)at + 1);
    return domain.len > 0 && domain.len <= LABEL_MAX && is_plain(view_slice(text, 0, (size_t)at), false) &&
           is_plain(domain, true) && !ascii_is_digit(domain.ptr[domain.len - 1]);
}

static bool normalise(view text, struct arena *a, view *ret_address, struct err *e) {
    if (!is_normal(text))
        return address_normalise_text(text, a, ret_address, e);
    *ret_address = text;
    return true;
}

bool alias_address_normalise(view text, struct arena *a, view *ret_address, struct err *e) {
    view domain;
    if (!view_starts_with(text, VIEW("@")))
        return normalise(text, a, ret_address, e);
    if (!domain_normalise(view_skip(text, 1), a, &domain, e))
        return false;
    *ret_address = arena_printf(a, "@%.*s", VIEW_ARG(domain));
    return true;
}

/* ---- lines ---- */

struct reader {
    view rest;
    size_t line;
    struct arena *arena;
    struct alias_entries *out;
    struct err *e;
};

static bool wrong(const struct reader *r, size_t line, view what, const char *why) {
    view shown = view_slice(what, 0, SHOWN_BYTES);
    return err_set(r->e, ERR_SYNTAX, "line %zu: %.*s: %s", line, VIEW_ARG(shown), why);
}

/* Octets up to a space or the separator, outside of quotes. */
static size_t word_len(view v, char separator) {
    bool quoted = false;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == '\\' && quoted)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == separator || c == ' ' || c == '\t' || c == '\r'))
            return i;
    }
    return v.len;
}

static bool target_is_refused(const struct reader *r, view target) {
    char c = target.ptr[0];
    if (view_starts_with(target, VIEW("\"")))
        c = target.len > 1 ? target.ptr[1] : c;
    if (c == '|')
        return wrong(r, r->line, target, "commands are not run from here");
    if (view_starts_with(target, VIEW(":include:")))
        return wrong(r, r->line, target, "write the addresses themselves, or make a list");
    if (c == '/' && view_find(target, '@') < 0)
        return wrong(r, r->line, target, "mail is not written to files from here");
    return true;
}

static bool take_target(struct reader *r, view address, view target) {
    struct err why;
    struct alias_entry entry = {.address = address, .line = r->line};
    if (!target_is_refused(r, target))
        return false;
    if (!normalise(target, r->arena, &entry.target, &why))
        return wrong(r, r->line, target, why.text);
    if (r->out->count >= LIMIT_ALIAS_ENTRIES)
        return err_set(r->e, ERR_SYNTAX, "line %zu: more than %d entries", r->line, LIMIT_ALIAS_ENTRIES);
    alias_entries_add(r->out, &entry);
    return true;
}

/* Targets of one physical line; *ret_any: there was one. */
static bool take_targets(struct reader *r, view address, view text, bool *ret_any) {
    for (text = view_trim(text); text.len > 0; text = view_trim(text)) {
        size_t len = word_len(text, ',');
        if (len > 0 && !take_target(r, address, view_slice(text, 0, len)))
            return false;
        *ret_any = *ret_any || len > 0;
        text = view_trim(view_skip(text, len));
        if (text.len > 0 && text.ptr[0] == ',')
            text = view_skip(text, 1);
    }
    return true;
}

/* A line without its end; *ret_goes_on: it belongs to the line before. Comments and empty lines are skipped.
 */
static bool next_line(struct reader *r, view *ret_line, bool *ret_goes_on) {
    while (view_split(&r->rest, '\n', ret_line)) {
        r->line++;
        view text = view_trim(*ret_line);
        if (text.len == 0 || text.ptr[0] == '#')
            continue;
        *ret_goes_on = ascii_is_space(ret_line->ptr[0]);
        return true;
    }
    return false;
}

static bool take_address(struct reader *r, view *line, view *ret_address) {
    struct err why;
    size_t len = word_len(*line, ':');
    view address = view_slice(*line, 0, len);
    if (view_find(address, '@') < 0)
        return wrong(r, r->line, address, "an address, or @domain, is wanted in front");
    if (!alias_address_normalise(address, r->arena, ret_address, &why))
        return wrong(r, r->line, address, why.text);
    *line = view_trim(view_skip(*line, len));
    if (view_starts_with(*line, VIEW(":")))
        *line = view_skip(*line, 1);
    return true;
}

bool alias_file_parse(view text, struct arena *a, struct alias_entries *out, struct err *e) {
    struct reader r = {.rest = text, .arena = a, .out = out, .e = e};
    view line, address = VIEW("");
    bool goes_on, any = true;
    size_t begun = 0;
    while (next_line(&r, &line, &goes_on)) {
        if (goes_on && begun == 0)
            return wrong(&r, r.line, view_trim(line), "the first line begins with a space");
        if (!goes_on) {
            if (!any)
                return wrong(&r, begun, address, "no target");
            if (!take_address(&r, &line, &address))
                return false;
            begun = r.line;
            any = false;
        }
        if (!take_targets(&r, address, line, &any))
            return false;
    }
    if (!any)
        return wrong(&r, begun, address, "no target");
    return !a->failed || err_set(e, ERR_LIMIT, NULL);
}
