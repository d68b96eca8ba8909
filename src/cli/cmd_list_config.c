/* cmd_list_config.c: postroad list export|apply|diff: what lists are told, as a text that is kept elsewhere.
 * A section is all that is said for its scope: what it leaves out is taken back. Scopes that have no section
 * stay as they are. */
#include <string.h>

#include "base/password.h"
#include "base/words.h"
#include "cli/scope_config.h"
#include "lists/config_text.h"
#include "store/moderation.h"

enum { FILE_MOST = 16 * 1024 * 1024, SCOPE_MOST = 8 * 1024 * 1024, PAGE_ROWS = 1000 };

/* ---- export ---- */

static bool export_scope(struct cli *c, view scope, bool only, struct err *e) {
    struct arena a;
    struct buf text = BUF_INIT(SCOPE_MOST);
    struct scope_config config;
    arena_init(&a, SCOPE_MOST);
    bool ok = scope_config_read(c, &a, scope, &config, e);
    scope_config_write(&config, &text);
    if (ok && text.failed)
        ok = err_set(e, ERR_LIMIT, "%.*s: too much is said for it", VIEW_ARG(scope));
    if (ok && !only)
        buf_add_char(&text, '\n');
    if (ok)
        cli_write(c, buf_view(&text));
    buf_done(&text);
    arena_done(&a);
    return ok && cli_flush(c, e);
}

/* The lists of a domain ("@" and its name), or all. */
static bool export_lists(struct cli *c, view tail, struct err *e) {
    view last = VIEW("");
    bool ok = true, more = true;
    while (ok && more) {
        struct store_request r;
        store_request_init(&r, OP_LIST_NAMES);
        vals_view(&r.args, last);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        for (more = ok && vals_more(&v); ok && vals_more(&v);) {
            last = arena_view(&c->arena, vals_get_view(&v));
            if (view_ends_with(last, tail))
                ok = export_scope(c, last, false, e);
        }
        store_request_done(&r);
    }
    return ok;
}

static bool export_domains(struct cli *c, struct err *e) {
    view last = VIEW("");
    bool ok = true, more = true;
    while (ok && more) {
        struct store_request r;
        store_request_init(&r, OP_DOMAIN_LS);
        vals_view(&r.args, last);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        for (more = ok && vals_more(&v); ok && vals_more(&v);) {
            last = arena_view(&c->arena, vals_get_view(&v));
            (void)vals_get_int(&v);
            ok = export_scope(c, arena_printf(&c->arena, "@%.*s", VIEW_ARG(last)), false, e);
        }
        store_request_done(&r);
    }
    return ok;
}

bool cmd_list_export(struct cli *c, struct err *e) {
    view scope;
    if (!cli_scope(c, c->args.words[0], &scope, e))
        return false;
    if (scope_is_list(scope))
        return export_scope(c, scope, true, e);
    return export_scope(c, scope, false, e) && (scope.len > 0 || export_domains(c, e)) &&
           export_lists(c, scope, e);
}

/* ---- what is different ---- */

struct difference {
    struct cli *cli;
    const struct scope_config *now, *wanted;
    view who;
    struct table *table; /* NULL: nothing is shown */
    size_t count;        /* differences */
    int64_t parts;       /* operations, */
    struct buf ops;      /* as OP_TOGETHER wants them */
    struct buf text;     /* scratch */
};

static void show(struct difference *d, const char *name, view before, view after) {
    d->count++;
    if (!d->table)
        return;
    table_text(d->table, d->wanted->scope.len ? d->wanted->scope : VIEW("all"));
    table_text(d->table, view_of(name));
    table_text(d->table, before);
    table_text(d->table, after);
}

static view rendered(struct difference *d, enum list_setting s, const struct scope_config *of) {
    if (!of->said[s])
        return VIEW("");
    if (list_setting_type(s) == SETTING_SECRET)
        return VIEW("(a password)");
    buf_reset(&d->text);
    scope_value_write(s, of->values[s], &d->text);
    return arena_view(&d->cli->arena, buf_view(&d->text));
}

static void add_op(struct difference *d, enum op op, const struct buf *args) {
    vals_int(&d->ops, op);
    vals_view(&d->ops, buf_view(args));
    d->parts++;
}

static bool is_same(const struct scope_config *now, const struct scope_config *wanted, enum list_setting s) {
    if (now->said[s] != wanted->said[s])
        return false;
    if (!now->said[s] || view_eq(now->values[s], wanted->values[s]))
        return true;
    return list_setting_type(s) == SETTING_SECRET && password_is(wanted->values[s], now->values[s]);
}

static void compare_settings(struct difference *d) {
    const struct scope_config *now = d->now, *wanted = d->wanted;
    bool moved = wanted->archive.len > 0 && !view_eq(now->archive, wanted->archive);
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET), changes = BUF_INIT(LIMIT_STORE_PACKET);
    int64_t count = 0;
    for (int i = 0; i < LIST_SETTING_COUNT; i++) {
        enum list_setting s = (enum list_setting)i;
        if (is_same(now, wanted, s))
            continue;
        view before = rendered(d, s, now), after = rendered(d, s, wanted);
        show(d, list_setting_name(s), before, after);
        vals_view(&changes, view_of(list_setting_name(s)));
        vals_int(&changes, wanted->said[s] ? SETTING_REPLACE : SETTING_UNSET);
        vals_view(&changes, wanted->said[s] ? wanted->values[s] : VIEW(""));
        count++;
    }
    if (moved)
        show(d, "archive", now->archive, wanted->archive);
    vals_view(&args, wanted->scope);
    vals_view(&args, d->who);
    if (scope_is_list(wanted->scope))
        vals_view(&args, moved ? wanted->archive : VIEW(""));
    vals_int(&args, count);
    buf_add(&args, buf_view(&changes));
    if (args.failed || changes.failed)
        d->ops.failed = true;
    else if (count > 0 || moved)
        add_op(d, scope_is_list(wanted->scope) ? OP_LIST_SET : OP_SETTING_SET, &args);
    buf_done(&args);
    buf_done(&changes);
}

static void change_ban(struct difference *d, enum op op, view pattern) {
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    vals_view(&args, d->wanted->scope);
    vals_view(&args, d->who);
    vals_view(&args, pattern);
    add_op(d, op, &args);
    show(d, "bans", op == OP_BAN_ADD ? VIEW("") : pattern, op == OP_BAN_ADD ? pattern : VIEW(""));
    buf_done(&args);
}

/* Both are sorted. */
static void compare_bans(struct difference *d) {
    const struct scope_config *now = d->now, *wanted = d->wanted;
    size_t i = 0, k = 0;
    while (i < now->ban_count || k < wanted->ban_count) {
        int order = i == now->ban_count      ? 1
                    : k == wanted->ban_count ? -1
                                             : view_cmp(now->bans[i], wanted->bans[k]);
        if (order < 0)
            change_ban(d, OP_BAN_REMOVE, now->bans[i]);
        else if (order > 0 && (k == 0 || !view_eq(wanted->bans[k - 1], wanted->bans[k])))
            change_ban(d, OP_BAN_ADD, wanted->bans[k]);
        i += order <= 0;
        k += order >= 0;
    }
}

static bool is_same_match(const struct scope_match *a, const struct scope_match *b) {
    return a->action == b->action && view_eq(a->header, b->header) && view_eq(a->pattern, b->pattern) &&
           view_eq(a->tag, b->tag);
}

static void change_match(struct difference *d, const struct scope_match *m, bool gone) {
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    view text =
        arena_printf(&d->cli->arena, "%.*s: %.*s: %.*s", VIEW_ARG(words_at(MODERATION_WORDS, m->action)),
                     VIEW_ARG(m->header), VIEW_ARG(m->pattern));
    vals_view(&args, d->wanted->scope);
    vals_view(&args, d->who);
    if (gone) {
        vals_int(&args, m->position);
    } else {
        vals_view(&args, m->header);
        vals_view(&args, m->pattern);
        vals_int(&args, m->action);
        vals_view(&args, m->tag);
    }
    add_op(d, gone ? OP_HEADER_MATCH_REMOVE : OP_HEADER_MATCH_ADD, &args);
    show(d, "header_match", gone ? text : VIEW(""), gone ? VIEW("") : text);
    buf_done(&args);
}

/* Their order counts: behind the first that differs all are made anew. */
static void compare_matches(struct difference *d) {
    const struct scope_config *now = d->now, *wanted = d->wanted;
    size_t same = 0;
    while (same < now->match_count && same < wanted->match_count &&
           is_same_match(&now->matches[same], &wanted->matches[same]))
        same++;
    for (size_t i = now->match_count; i > same; i--)
        change_match(d, &now->matches[i - 1], true);
    for (size_t i = same; i < wanted->match_count; i++)
        change_match(d, &wanted->matches[i], false);
}

static bool compare_all(struct difference *d, const struct scope_configs *all, struct err *e) {
    bool ok = true;
    for (size_t i = 0; ok && i < all->count; i++) {
        struct arena a;
        struct scope_config now;
        arena_init(&a, SCOPE_MOST);
        d->wanted = all->items[i];
        d->now = &now;
        ok = scope_config_read(d->cli, &a, d->wanted->scope, &now, e) ||
             err_prefix(e, "line %zu", d->wanted->line);
        if (ok) {
            compare_settings(d);
            compare_bans(d);
            compare_matches(d);
        }
        arena_done(&a);
    }
    return ok;
}

/* ---- diff, apply ---- */

static bool read_file(struct cli *c, struct scope_configs *ret, struct err *e) {
    const char *file = c->args.words[0];
    struct buf text = BUF_INIT(FILE_MOST);
    bool ok = import_read(file, &text, e);
    if (ok && !scope_configs_parse(c, arena_view(&c->arena, buf_view(&text)), ret, e))
        ok = err_prefix(e, "%s", file);
    buf_done(&text);
    return ok;
}

static bool find_differences(struct difference *d, bool shown, struct err *e) {
    static const struct column columns[] = {
        {"scope", "SCOPE"}, {"name", "NAME"}, {"now", "NOW"}, {"wanted", "WANTED"}};
    struct scope_configs all;
    struct table table;
    if (!read_file(d->cli, &all, e) || !cli_who(d->cli, &d->who, e))
        return false;
    if (shown) {
        table_open(&table, d->cli, columns, COUNT_OF(columns));
        d->table = &table;
    }
    bool ok = compare_all(d, &all, e) || err_prefix(e, "%s", d->cli->args.words[0]);
    return shown ? table_close(&table, ok ? e : NULL) && ok : ok;
}

static struct difference difference_of(struct cli *c) {
    return (struct difference){
        .cli = c, .ops = BUF_INIT(LIMIT_STORE_PACKET - 1024), .text = BUF_INIT(LIMIT_STORE_PACKET)};
}

static void difference_done(struct difference *d) {
    buf_done(&d->ops);
    buf_done(&d->text);
}

bool cmd_list_diff(struct cli *c, struct err *e) {
    struct difference d = difference_of(c);
    bool ok = find_differences(&d, true, e);
    c->status = d.count > 0;
    difference_done(&d);
    return ok;
}

static bool apply(struct difference *d, struct err *e) {
    struct store_request r;
    if (d->ops.failed)
        return err_set(e, ERR_LIMIT,
                       "nothing was changed: the changes together have more than %d octets; apply the file in"
                       " parts",
                       LIMIT_STORE_PACKET - 1024);
    if (d->parts == 0)
        return true;
    store_request_init(&r, OP_TOGETHER);
    vals_int(&r.args, d->parts);
    buf_add(&r.args, buf_view(&d->ops));
    bool ok = cli_call(d->cli, &r, e);
    store_request_done(&r);
    return ok;
}

bool cmd_list_apply(struct cli *c, struct err *e) {
    struct difference d = difference_of(c);
    bool dry = args_has(&c->args, "--dry-run"), ok = find_differences(&d, dry, e);
    if (ok && !dry && (ok = apply(&d, e)))
        cli_done(c, json_pack("{sI}", "changes", (json_int_t)d.count), "%zu changes made", d.count);
    difference_done(&d);
    return ok;
}
