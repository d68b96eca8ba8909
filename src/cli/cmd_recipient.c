/* cmd_recipient.c: postroad recipient add|remove|ls|import: the addresses that a relay domain has. All that
 * is given is read and checked before the first is sent to the store. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"

enum { PAGE_ROWS = 1000, SLICE = 1000, RECIPIENTS_MAX = 2000000, FILE_BYTES = 256 * 1024 * 1024 };

/* Sorted by octets, as the store's pages are. */
struct addresses {
    view *list;
    size_t count, room;
};

static void add_address(struct addresses *a, view address) {
    if (a->count == a->room) {
        a->room = a->room ? 2 * a->room : 64;
        a->list = mem_resize(a->list, a->room, sizeof *a->list);
    }
    a->list[a->count++] = address;
}

static int by_octets(const void *a, const void *b) {
    return view_cmp(*(const view *)a, *(const view *)b);
}

static void sort_addresses(struct addresses *a) {
    size_t n = 0;
    if (a->count > 0)
        qsort(a->list, a->count, sizeof *a->list, by_octets);
    for (size_t i = 0; i < a->count; i++)
        if (n == 0 || !view_eq(a->list[n - 1], a->list[i]))
            a->list[n++] = a->list[i];
    a->count = n;
}

static bool take_address(struct cli *c, view domain, view text, struct addresses *a, struct err *e) {
    view address, shown = view_slice(text, 0, 80);
    if (!address_normalise_text(text, &c->arena, &address, e))
        return err_prefix(e, "%.*s", VIEW_ARG(shown));
    if (!view_eq(address_split(address).domain, domain))
        return err_set(e, ERR_USAGE, "%.*s is not an address of %.*s", VIEW_ARG(shown), VIEW_ARG(domain));
    if (a->count == RECIPIENTS_MAX)
        return err_set(e, ERR_USAGE, "more than %d addresses at once", RECIPIENTS_MAX);
    add_address(a, address);
    return true;
}

/* One address a line; what stands behind the first space is not looked at, so that a Postfix map fits. */
static bool take_file(struct cli *c, view domain, const char *file, struct addresses *a, struct err *e) {
    struct buf text = BUF_INIT(FILE_BYTES);
    bool ok = import_read(file, &text, e);
    view rest = buf_view(&text), line;
    for (size_t number = 1; ok && view_split(&rest, '\n', &line); number++) {
        size_t len = 0;
        line = view_trim(line);
        while (len < line.len && !ascii_is_space(line.ptr[len]))
            len++;
        if (len > 0 && line.ptr[0] != '#' && !take_address(c, domain, view_slice(line, 0, len), a, e))
            ok = err_prefix(e, "nothing was changed: line %zu", number);
    }
    buf_done(&text);
    sort_addresses(a);
    return ok;
}

static bool take_words(struct cli *c, view domain, struct addresses *a, struct err *e) {
    if (c->args.count == 2 && strcmp(c->args.words[1], "-") == 0)
        return take_file(c, domain, "-", a, e);
    for (size_t i = 1; i < c->args.count; i++)
        if (!take_address(c, domain, view_of(c->args.words[i]), a, e))
            return false;
    sort_addresses(a);
    return true;
}

static bool send_slices(struct cli *c, enum op op, view domain, const struct addresses *a,
                        int64_t *ret_changed, struct err *e) {
    struct store_request r;
    bool ok = true;
    *ret_changed = 0;
    store_request_init(&r, op);
    for (size_t from = 0; ok && from < a->count; from += SLICE) {
        size_t n = a->count - from < SLICE ? a->count - from : SLICE;
        buf_reset(&r.args);
        vals_view(&r.args, domain);
        vals_int(&r.args, (int64_t)n);
        for (size_t i = 0; i < n; i++)
            vals_view(&r.args, a->list[from + i]);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        *ret_changed += vals_get_int(&v);
    }
    store_request_done(&r);
    return ok;
}

static bool change(struct cli *c, enum op op, const char *verb, struct err *e) {
    struct addresses a = {.list = NULL};
    view domain;
    int64_t changed;
    bool ok = cli_domain(c, c->args.words[0], &domain, e) && take_words(c, domain, &a, e) &&
              send_slices(c, op, domain, &a, &changed, e);
    if (ok)
        cli_done(c,
                 json_pack("{sosIsI}", "domain", cli_json_text(domain), "given", (json_int_t)a.count, verb,
                           (json_int_t)changed),
                 "%lld of %zu addresses %s", (long long)changed, a.count, verb);
    free(a.list);
    return ok;
}

bool cmd_recipient_add(struct cli *c, struct err *e) {
    return change(c, OP_RECIPIENT_ADD, "added", e);
}

bool cmd_recipient_remove(struct cli *c, struct err *e) {
    return change(c, OP_RECIPIENT_REMOVE, "removed", e);
}

/* The page behind *after, which moves on; its addresses live in the arena. */
static bool read_page(struct cli *c, view domain, view *after, struct addresses *out, bool *ret_more,
                      struct err *e) {
    struct store_request r;
    size_t before = out->count;
    store_request_init(&r, OP_RECIPIENT_LS);
    vals_view(&r.args, domain);
    vals_view(&r.args, *after);
    vals_int(&r.args, PAGE_ROWS);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(arena_view(&c->arena, buf_view(&r.out)));
    while (ok && vals_more(&v)) {
        *after = vals_get_view(&v);
        add_address(out, *after);
    }
    store_request_done(&r);
    *ret_more = out->count - before == PAGE_ROWS;
    return ok;
}

bool cmd_recipient_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"address", "RECIPIENT"}};
    struct table t;
    struct addresses page = {.list = NULL};
    view domain, after = VIEW("");
    if (!cli_domain(c, c->args.words[0], &domain, e))
        return false;
    table_open(&t, c, columns, COUNT_OF(columns));
    bool ok = true, more = true;
    while (ok && more) {
        page.count = 0;
        ok = read_page(c, domain, &after, &page, &more, e);
        for (size_t i = 0; i < page.count; i++)
            table_text(&t, page.list[i]);
        more = more && cli_flush(c, NULL);
    }
    free(page.list);
    return table_close(&t, ok ? e : NULL) && ok;
}

/* ---- import ---- */

struct import {
    struct addresses wanted, had, added, removed;
};

static bool compare(struct cli *c, view domain, struct import *i, struct err *e) {
    view after = VIEW("");
    bool ok = true, more = true;
    while (ok && more)
        ok = read_page(c, domain, &after, &i->had, &more, e);
    for (size_t h = 0, w = 0; ok && (h < i->had.count || w < i->wanted.count);) {
        int order = h == i->had.count      ? 1
                    : w == i->wanted.count ? -1
                                           : view_cmp(i->had.list[h], i->wanted.list[w]);
        if (order < 0)
            add_address(&i->removed, i->had.list[h]);
        else if (order > 0)
            add_address(&i->added, i->wanted.list[w]);
        h += order <= 0;
        w += order >= 0;
    }
    return ok;
}

/* What is new comes first: while it lasts no address that stays is unknown. */
static bool apply(struct cli *c, view domain, const struct import *i, const char *file, struct err *e) {
    int64_t changed;
    return import_ask(c, file, e) && send_slices(c, OP_RECIPIENT_ADD, domain, &i->added, &changed, e) &&
           send_slices(c, OP_RECIPIENT_REMOVE, domain, &i->removed, &changed, e);
}

static bool run_import(struct cli *c, view domain, struct import *i, struct err *e) {
    const char *file = c->args.words[1];
    if (!take_file(c, domain, file, &i->wanted, e) || !compare(c, domain, i, e))
        return false;
    bool differs = i->added.count + i->removed.count > 0,
         goes_on = differs && !args_has(&c->args, "--dry-run");
    if (!c->json)
        cli_print(c, "recipients of %.*s: +%zu -%zu, %zu stay\n", VIEW_ARG(domain), i->added.count,
                  i->removed.count, i->had.count - i->removed.count);
    if (!import_check_loss(c, i->had.count, i->removed.count, "recipients", e) ||
        (goes_on && !apply(c, domain, i, file, e)))
        return false;
    cli_done(c,
             json_pack("{sosIsIsb}", "domain", cli_json_text(domain), "added", (json_int_t)i->added.count,
                       "removed", (json_int_t)i->removed.count, "changed", goes_on),
             "%s",
             goes_on   ? "done"
             : differs ? "a dry run: nothing was changed"
                       : "nothing to change");
    return true;
}

bool cmd_recipient_import(struct cli *c, struct err *e) {
    struct import i = {.wanted = {.list = NULL}};
    view domain;
    bool ok = cli_domain(c, c->args.words[0], &domain, e) && run_import(c, domain, &i, e);
    free(i.wanted.list);
    free(i.had.list);
    free(i.added.list);
    free(i.removed.list);
    return ok;
}
