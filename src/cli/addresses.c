/* addresses.c: see addresses.h. */
#include "cli/addresses.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "store/sender_set.h"

enum {
    PAGE_ROWS = 1000,
    SLICE = 500,
    ADDRESSES_MAX = 2000000,
    FILE_BYTES = 256 * 1024 * 1024,
    SHOWN_BYTES = 80
};

void addresses_add(struct addresses *a, view address) {
    if (a->count == a->room) {
        a->room = a->room ? 2 * a->room : 64;
        a->list = mem_resize(a->list, a->room, sizeof *a->list);
    }
    a->list[a->count++] = address;
}

void addresses_done(struct addresses *a) {
    free(a->list);
    *a = (struct addresses){.list = NULL};
}

static int by_octets(const void *a, const void *b) {
    return view_cmp(*(const view *)a, *(const view *)b);
}

void addresses_sort(struct addresses *a) {
    size_t n = 0;
    if (a->count > 0)
        qsort(a->list, a->count, sizeof *a->list, by_octets);
    for (size_t i = 0; i < a->count; i++)
        if (n == 0 || !view_eq(a->list[n - 1], a->list[i]))
            a->list[n++] = a->list[i];
    a->count = n;
}

static bool take(struct cli *c, view text, const struct addresses_rule *rule, struct addresses *a,
                 struct err *e) {
    view address, shown = view_slice(text, 0, SHOWN_BYTES);
    if (rule->senders) {
        if (!sender_normalise(text, &c->arena, &address, e))
            return false;
    } else if (!address_normalise_text(text, &c->arena, &address, e))
        return err_prefix(e, "%.*s", VIEW_ARG(shown));
    if (rule->domain.len > 0 && !view_eq(address_split(address).domain, rule->domain))
        return err_set(e, ERR_USAGE, "%.*s is not an address of %.*s", VIEW_ARG(shown),
                       VIEW_ARG(rule->domain));
    if (a->count == ADDRESSES_MAX)
        return err_set(e, ERR_USAGE, "more than %d addresses at once", ADDRESSES_MAX);
    addresses_add(a, address);
    return true;
}

static view first_word(view line) {
    size_t len = 0;
    while (len < line.len && !ascii_is_space(line.ptr[len]))
        len++;
    return view_starts_with(line, VIEW("#")) ? VIEW("") : view_slice(line, 0, len);
}

bool addresses_read(struct cli *c, const char *file, const struct addresses_rule *rule, struct addresses *a,
                    struct err *e) {
    struct buf text = BUF_INIT(FILE_BYTES);
    bool ok = import_read(file, &text, e);
    view rest = buf_view(&text), line;
    for (size_t number = 1; ok && view_split(&rest, '\n', &line); number++) {
        line = rule->map ? first_word(view_trim(line)) : view_trim(line);
        if (line.len > 0 && !take(c, line, rule, a, e))
            ok = err_prefix(e, "nothing was changed: line %zu", number);
    }
    buf_done(&text);
    return ok;
}

bool addresses_read_words(struct cli *c, const struct addresses_rule *rule, struct addresses *a,
                          struct err *e) {
    const struct args *args = &c->args;
    if (args->count == 2 && strcmp(args->words[1], "-") == 0)
        return addresses_read(c, "-", rule, a, e);
    for (size_t i = 1; i < args->count; i++)
        if (!take(c, view_of(args->words[i]), rule, a, e))
            return false;
    return true;
}

bool addresses_send(struct cli *c, enum op op, const struct buf *before, const struct addresses *a,
                    int64_t *ret_changed, struct err *e) {
    struct store_request r;
    bool ok = true;
    *ret_changed = 0;
    store_request_init(&r, op);
    for (size_t from = 0; ok && from < a->count; from += SLICE) {
        size_t n = a->count - from < SLICE ? a->count - from : SLICE;
        buf_reset(&r.args);
        buf_add(&r.args, buf_view(before));
        vals_int(&r.args, (int64_t)n);
        for (size_t i = 0; i < n; i++)
            vals_view(&r.args, a->list[from + i]);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        *ret_changed += vals_get_int(&v);
        if (ok)
            cli_progress(c, "%zu of %zu", from + n, a->count);
        else if (from > 0)
            err_prefix(e, "after %zu of %zu addresses (run it again to go on)", from, a->count);
    }
    store_request_done(&r);
    return ok;
}

/* ---- a place that keeps them ---- */

bool addresses_change(struct cli *c, const struct addresses_place *p, bool remove, const struct addresses *a,
                      int64_t *ret_changed, struct err *e) {
    struct buf before = BUF_INIT(LIMIT_DOMAIN + LIMIT_SMTP_LINE);
    vals_view(&before, p->of);
    if (p->who.len > 0)
        vals_view(&before, p->who);
    bool ok = addresses_send(c, remove ? p->remove : p->add, &before, a, ret_changed, e);
    buf_done(&before);
    return ok;
}

bool addresses_page(struct cli *c, const struct addresses_place *p, view *after, struct addresses *out,
                    bool *ret_more, struct err *e) {
    struct store_request r;
    size_t before = out->count;
    store_request_init(&r, p->ls);
    vals_view(&r.args, p->of);
    vals_view(&r.args, *after);
    vals_int(&r.args, PAGE_ROWS);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(arena_view(&c->arena, buf_view(&r.out)));
    while (ok && vals_more(&v)) {
        *after = vals_get_view(&v);
        addresses_add(out, *after);
        if (p->pass)
            p->pass(&v);
    }
    store_request_done(&r);
    *ret_more = out->count - before == PAGE_ROWS;
    return ok;
}

struct difference {
    struct addresses wanted, had, added, removed;
};

static bool compare(struct cli *c, const struct addresses_place *p, struct difference *d, struct err *e) {
    view after = VIEW("");
    bool ok = true, more = true;
    while (ok && more)
        ok = addresses_page(c, p, &after, &d->had, &more, e);
    addresses_sort(&d->had);
    for (size_t h = 0, w = 0; ok && (h < d->had.count || w < d->wanted.count);) {
        int order = h == d->had.count      ? 1
                    : w == d->wanted.count ? -1
                                           : view_cmp(d->had.list[h], d->wanted.list[w]);
        if (order < 0)
            addresses_add(&d->removed, d->had.list[h]);
        else if (order > 0)
            addresses_add(&d->added, d->wanted.list[w]);
        h += order <= 0;
        w += order >= 0;
    }
    return ok;
}

/* What is new comes first: while it lasts none that stays is unknown. */
static bool apply(struct cli *c, const struct addresses_place *p, const struct difference *d,
                  const char *file, struct err *e) {
    int64_t changed;
    return import_ask(c, file, e) && addresses_change(c, p, false, &d->added, &changed, e) &&
           addresses_change(c, p, true, &d->removed, &changed, e);
}

static bool make_it_so(struct cli *c, const struct addresses_place *p, struct difference *d, const char *file,
                       view what, struct err *e) {
    bool differs = d->added.count + d->removed.count > 0,
         goes_on = differs && !args_has(&c->args, "--dry-run");
    if (!c->json)
        cli_print(c, "%.*s: +%zu -%zu, %zu stay\n", VIEW_ARG(what), d->added.count, d->removed.count,
                  d->had.count - d->removed.count);
    if (!import_check_loss(c, d->had.count, d->removed.count, arena_str(&c->arena, what), e) ||
        (goes_on && !apply(c, p, d, file, e)))
        return false;
    cli_done(c,
             json_pack("{sosIsIsb}", p->kind, cli_json_text(p->of), "added", (json_int_t)d->added.count,
                       "removed", (json_int_t)d->removed.count, "changed", goes_on),
             "%s",
             goes_on   ? "done"
             : differs ? "a dry run: nothing was changed"
                       : "nothing to change");
    return true;
}

bool addresses_import(struct cli *c, const struct addresses_place *p, const struct addresses_rule *rule,
                      const char *file, view what, struct err *e) {
    struct difference d = {.wanted = {.list = NULL}};
    bool ok = addresses_read(c, file, rule, &d.wanted, e);
    addresses_sort(&d.wanted);
    ok = ok && compare(c, p, &d, e) && make_it_so(c, p, &d, file, what, e);
    addresses_done(&d.wanted);
    addresses_done(&d.had);
    addresses_done(&d.added);
    addresses_done(&d.removed);
    return ok;
}
