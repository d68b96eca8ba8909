/* cmd_recipient.c: postroad recipient add|remove|ls|import: the addresses that a relay domain has. */
#include "cli/addresses.h"

enum { PAGE_ROWS = 1000 };

static bool send(struct cli *c, enum op op, view domain, const struct addresses *a, int64_t *ret_changed,
                 struct err *e) {
    struct buf before = BUF_INIT(LIMIT_DOMAIN + 16);
    vals_view(&before, domain);
    bool ok = addresses_send(c, op, &before, a, ret_changed, e);
    buf_done(&before);
    return ok;
}

static bool change(struct cli *c, enum op op, const char *verb, struct err *e) {
    struct addresses a = {.list = NULL};
    view domain;
    int64_t changed;
    bool ok = cli_domain(c, c->args.words[0], &domain, e) &&
              addresses_read_words(c, &(struct addresses_rule){domain, true}, &a, e);
    addresses_sort(&a);
    ok = ok && send(c, op, domain, &a, &changed, e);
    if (ok)
        cli_done(c,
                 json_pack("{sosIsI}", "domain", cli_json_text(domain), "given", (json_int_t)a.count, verb,
                           (json_int_t)changed),
                 "%lld of %zu addresses %s", (long long)changed, a.count, verb);
    addresses_done(&a);
    return ok;
}

bool cmd_recipient_add(struct cli *c, struct err *e) {
    return change(c, OP_RECIPIENT_ADD, "added", e);
}

bool cmd_recipient_remove(struct cli *c, struct err *e) {
    return change(c, OP_RECIPIENT_REMOVE, "removed", e);
}

/* The page behind *after, which moves on; sorted as struct addresses are, by octets. */
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
        addresses_add(out, *after);
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
    addresses_done(&page);
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
            addresses_add(&i->removed, i->had.list[h]);
        else if (order > 0)
            addresses_add(&i->added, i->wanted.list[w]);
        h += order <= 0;
        w += order >= 0;
    }
    return ok;
}

/* What is new comes first: while it lasts no address that stays is unknown. */
static bool apply(struct cli *c, view domain, const struct import *i, const char *file, struct err *e) {
    int64_t changed;
    return import_ask(c, file, e) && send(c, OP_RECIPIENT_ADD, domain, &i->added, &changed, e) &&
           send(c, OP_RECIPIENT_REMOVE, domain, &i->removed, &changed, e);
}

static bool run_import(struct cli *c, view domain, struct import *i, struct err *e) {
    const char *file = c->args.words[1];
    if (!addresses_read(c, file, &(struct addresses_rule){domain, true}, &i->wanted, e))
        return false;
    addresses_sort(&i->wanted);
    if (!compare(c, domain, i, e))
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
    addresses_done(&i.wanted);
    addresses_done(&i.had);
    addresses_done(&i.added);
    addresses_done(&i.removed);
    return ok;
}
