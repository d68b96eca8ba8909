/* cmd_setting.c: postroad list set|settings: what lists are told, each by itself or together. */
#include <string.h>

#include "cli/scope.h"
#include "store/list_setting.h"

bool cli_scope(struct cli *c, const char *word, view *ret_scope, struct err *e) {
    if (strcmp(word, "all") == 0) {
        *ret_scope = VIEW("");
        return true;
    }
    if (word[0] != '@')
        return cli_address(c, word, ret_scope, e);
    view domain;
    if (!cli_domain(c, word + 1, &domain, e))
        return false;
    *ret_scope = arena_printf(&c->arena, "@%.*s", VIEW_ARG(domain));
    return true;
}

static bool no_such_setting(view name, struct err *e) {
    const char *names[LIST_SETTING_COUNT + 1] = {NULL};
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        names[i] = list_setting_name((enum list_setting)i);
    const char *meant = args_nearest(name, names);
    return err_set(e, ERR_USAGE, "no list setting is called %.*s%s%s; list settings all shows them",
                   VIEW_ARG(view_slice(name, 0, 60)), meant ? ": is it " : "", meant ? meant : "");
}

/* "NAME=VALUE", "NAME=" (as the scope around it says), "NAME=-" (nothing), "NAME+=LINE", "NAME-=LINE". */
static bool read_change(view word, struct buf *args, struct err *e) {
    enum setting_how how = SETTING_REPLACE;
    enum list_setting s;
    view name, value = word;
    if (view_find(word, '=') < 1)
        return err_set(e, ERR_USAGE, "%.*s: NAME=VALUE is wanted", VIEW_ARG(view_slice(word, 0, 60)));
    view_split(&value, '=', &name);
    if (view_ends_with(name, VIEW("+")) || view_ends_with(name, VIEW("-"))) {
        how = view_ends_with(name, VIEW("+")) ? SETTING_ADD : SETTING_REMOVE;
        name.len--;
    } else if (value.len == 0) {
        how = SETTING_UNSET;
    }
    if (!list_setting_find(name, &s))
        return no_such_setting(name, e);
    if (how == SETTING_REPLACE && list_setting_type(s) >= SETTING_TEXT && view_eq(value, VIEW("-")))
        value = VIEW("");
    vals_view(args, name);
    vals_int(args, how);
    vals_view(args, value);
    return true;
}

bool cmd_list_set(struct cli *c, struct err *e) {
    view scope, who;
    size_t count = c->args.count - 1;
    if (!cli_scope(c, c->args.words[0], &scope, e) || !cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_SETTING_SET);
    vals_view(&r.args, scope);
    vals_view(&r.args, who);
    vals_int(&r.args, (int64_t)count);
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++)
        ok = read_change(view_of(c->args.words[i + 1]), &r.args, e);
    ok = ok && cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{sssI}", "scope", c->args.words[0], "changed", (json_int_t)count),
                 "%s: %zu settings changed", c->args.words[0], count);
    return ok;
}

struct found {
    view value, scope;
};

/* The nearest scope comes first. */
static void find(struct vals v, const char *name, struct found *ret) {
    while (vals_more(&v)) {
        struct found row = {.scope = vals_get_view(&v)};
        view of = vals_get_view(&v);
        row.value = vals_get_view(&v);
        if (view_eq(of, view_of(name))) {
            *ret = row;
            return;
        }
    }
}

bool cmd_list_settings(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"name", "SETTING"}, {"value", "VALUE"}, {"from", "FROM"}, {"help", "MEANING"}};
    view scope;
    if (!cli_scope(c, c->args.words[0], &scope, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_SETTINGS);
    vals_view(&r.args, scope);
    bool ok = cli_call(c, &r, e);
    struct table t;
    table_open(&t, c, columns, COUNT_OF(columns));
    for (int i = 0; ok && i < LIST_SETTING_COUNT; i++) {
        enum list_setting s = (enum list_setting)i;
        struct found f = {list_setting_default(s, &c->arena), VIEW("default")};
        find(vals_of(buf_view(&r.out)), list_setting_name(s), &f);
        table_text(&t, view_of(list_setting_name(s)));
        table_text(&t, f.value);
        table_text(&t, f.scope.len ? f.scope : VIEW("all"));
        table_text(&t, view_of(list_setting_help(s)));
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}
