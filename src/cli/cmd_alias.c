/* cmd_alias.c: postroad alias set|remove|ls|show|history|sources: addresses that are forwarded. "@domain"
 * takes what no list and no other alias of the domain takes. What is set here belongs to the source "manual".
 */
#include "cli/cli.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cli/alias.h"
#include "mail/alias_file.h"
#include "store/lookup.h"

enum { PAGE_ROWS = 400 };

static bool alias_address(struct cli *c, const char *text, view *ret_address, struct err *e) {
    return alias_address_normalise(view_of(text), &c->arena, ret_address, e) || err_prefix(e, "%.100s", text);
}

bool cmd_alias_set(struct cli *c, struct err *e) {
    view address, target, who;
    size_t targets = c->args.count - 1;
    if (!alias_address(c, c->args.words[0], &address, e) || !cli_who(c, &who, e))
        return false;
    if (targets > LIMIT_ALIAS_TARGETS)
        return err_set(e, ERR_USAGE, "an alias has at most %d targets; a list is made for more",
                       LIMIT_ALIAS_TARGETS);
    struct store_request r;
    store_request_init(&r, OP_ALIAS_SET);
    vals_view(&r.args, address);
    vals_view(&r.args, who);
    vals_int(&r.args, (int64_t)targets);
    bool ok = true;
    for (size_t i = 1; ok && i <= targets; i++) {
        ok = cli_address(c, c->args.words[i], &target, e);
        if (ok)
            vals_view(&r.args, target);
    }
    ok = ok && cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{sosI}", "address", cli_json_text(address), "targets", (json_int_t)targets),
                 "alias %.*s set to %zu target%s", VIEW_ARG(address), targets, targets == 1 ? "" : "s");
    return ok;
}

bool cmd_alias_remove(struct cli *c, struct err *e) {
    view address, who;
    if (!alias_address(c, c->args.words[0], &address, e) || !cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_ALIAS_REMOVE);
    vals_view(&r.args, address);
    vals_view(&r.args, who);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{so}", "address", cli_json_text(address)), "alias %.*s removed",
                 VIEW_ARG(address));
    return ok;
}

bool cmd_alias_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"address", "ALIAS"}, {"target", "TARGET"}, {"source", "SOURCE"}};
    view source = view_of(args_get(&c->args, "--source"));
    struct table t;
    struct store_request r;
    bool ok = true, end = false;
    table_open(&t, c, columns, COUNT_OF(columns));
    store_request_init(&r, OP_ALIAS_LS);
    struct buf cursor = BUF_INIT(LIMIT_STORE_PACKET);
    while (ok && !end) {
        alias_page_args(&r.args, source, ALIAS_SEEN, &cursor);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        while (ok && vals_get_int(&v) == 1) {
            view address = vals_get_view(&v), from = vals_get_view(&v);
            table_text(&t, address);
            table_text(&t, vals_get_view(&v));
            table_text(&t, from);
            vals_get_int(&v);
            vals_get_int(&v);
        }
        end = !alias_page_end(&v, &cursor) || !cli_flush(c, NULL);
    }
    buf_done(&cursor);
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}

/* ---- what was ---- */

static void time_or_nothing(struct table *t, int64_t ms) {
    if (ms > 0)
        table_time(t, ms);
    else
        table_text(t, VIEW(""));
}

static const char *how_name(int64_t how) {
    return how == LEAD_OWNER ? "owner of the list" : how == LEAD_DETAIL ? "without +detail" : "alias";
}

bool cmd_alias_show(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"address", "ADDRESS"}, {"target", "LEADS TO"}, {"how", "HOW"},
                                            {"source", "SOURCE"},   {"since", "SINCE"},     {"by", "BY"},
                                            {"note", NULL}};
    view address;
    const char *when = args_get(&c->args, "--at");
    int64_t at = 0;
    if (!alias_address(c, c->args.words[0], &address, e) || (when && !cli_date(when, &at, e)))
        return false;
    struct store_request r;
    store_request_init(&r, OP_ALIAS_SHOW);
    vals_view(&r.args, address);
    vals_int(&r.args, at);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    if (ok && !vals_more(&v))
        ok = err_set(e, ERR_NOT_FOUND, "%.*s %s", VIEW_ARG(address),
                     when ? "led nowhere then" : "leads nowhere: no alias");
    if (ok) {
        struct table t;
        table_open(&t, c, columns, COUNT_OF(columns));
        while (vals_more(&v)) {
            int64_t how = vals_get_int(&v);
            table_text(&t, vals_get_view(&v));
            table_text(&t, vals_get_view(&v));
            table_text(&t, view_of(how_name(how)));
            table_text(&t, vals_get_view(&v));
            time_or_nothing(&t, vals_get_int(&v));
            table_text(&t, vals_get_view(&v));
            table_text(&t, vals_get_view(&v));
        }
        ok = table_close(&t, e);
    }
    store_request_done(&r);
    return ok;
}

struct change {
    int64_t at;
    const char *what;
    view target, source, who, note;
};

struct changes {
    struct change *list;
    size_t count, room;
};

static void add_change(struct changes *all, const struct change *one) {
    if (all->count == all->room) {
        all->room = all->room ? 2 * all->room : 64;
        all->list = mem_resize(all->list, all->room, sizeof *all->list);
    }
    all->list[all->count++] = *one;
}

static int newest_first(const void *x, const void *y) {
    const struct change *a = x, *b = y;
    int order = (a->at < b->at) - (a->at > b->at);
    order = order ? order : a->what[0] - b->what[0];
    return order ? order : view_cmp(a->target, b->target);
}

/* One page of ALIAS_HISTORY; the last entry becomes the cursor. Returns the number of entries. */
static size_t take_changes(struct cli *c, view page, struct changes *all, struct buf *cursor) {
    struct vals v = vals_of(arena_view(&c->arena, page));
    size_t entries = 0;
    for (; vals_more(&v); entries++) {
        struct change one = {.what = "added", .source = vals_get_view(&v)};
        one.target = vals_get_view(&v);
        int64_t first = vals_get_int(&v);
        one.at = vals_get_int(&v);
        one.who = vals_get_view(&v);
        one.note = vals_get_view(&v);
        add_change(all, &one);
        buf_reset(cursor);
        vals_view(cursor, one.source);
        vals_view(cursor, one.target);
        vals_int(cursor, first);
        one.what = "removed";
        one.at = vals_get_int(&v);
        one.who = vals_get_view(&v);
        one.note = vals_get_view(&v);
        if (one.at > 0)
            add_change(all, &one);
    }
    return entries;
}

static bool read_history(struct cli *c, view address, struct changes *all, struct err *e) {
    struct store_request r;
    struct buf cursor = BUF_INIT(LIMIT_STORE_PACKET);
    store_request_init(&r, OP_ALIAS_HISTORY);
    vals_view(&cursor, VIEW(""));
    vals_view(&cursor, VIEW(""));
    vals_int(&cursor, 0);
    bool ok = true, more = true;
    while (ok && more) {
        buf_reset(&r.args);
        vals_view(&r.args, address);
        buf_add(&r.args, buf_view(&cursor));
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        more = ok && take_changes(c, buf_view(&r.out), all, &cursor) == PAGE_ROWS;
    }
    buf_done(&cursor);
    store_request_done(&r);
    return ok;
}

bool cmd_alias_history(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"time", "TIME"},     {"change", "CHANGE"}, {"target", "TARGET"},
                                            {"source", "SOURCE"}, {"by", "BY"},         {"note", "HOW"}};
    struct changes all = {.list = NULL};
    view address;
    if (!alias_address(c, c->args.words[0], &address, e))
        return false;
    bool ok = read_history(c, address, &all, e);
    if (ok && all.count == 0)
        ok = err_set(e, ERR_NOT_FOUND, "there never was an alias %.*s", VIEW_ARG(address));
    if (ok) {
        struct table t;
        qsort(all.list, all.count, sizeof *all.list, newest_first);
        table_open(&t, c, columns, COUNT_OF(columns));
        for (size_t i = 0; i < all.count; i++) {
            const struct change *one = &all.list[i];
            table_time(&t, one->at);
            table_text(&t, view_of(one->what));
            table_text(&t, one->target);
            table_text(&t, one->source);
            table_text(&t, one->who);
            table_text(&t, one->note);
        }
        ok = table_close(&t, e);
    }
    free(all.list);
    return ok;
}

bool cmd_alias_sources(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"source", "SOURCE"}, {"version", "VERSION"}, {"changed", "CHANGED"}, {"by", "BY"},
        {"note", "HOW"},      {"added", "ADDED"},     {"removed", "REMOVED"}};
    struct table t;
    struct store_request r;
    store_request_init(&r, OP_ALIAS_SOURCES);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    table_open(&t, c, columns, COUNT_OF(columns));
    while (ok && vals_more(&v)) {
        table_text(&t, vals_get_view(&v));
        table_int(&t, vals_get_int(&v));
        time_or_nothing(&t, vals_get_int(&v));
        table_text(&t, vals_get_view(&v));
        table_text(&t, vals_get_view(&v));
        table_int(&t, vals_get_int(&v));
        table_int(&t, vals_get_int(&v));
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}
