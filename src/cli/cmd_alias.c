/* cmd_alias.c: postroad alias set|remove|ls: addresses that are forwarded. "@domain" takes what no list and
 * no other alias of the domain takes. */
#include "cli/cli.h"

#include "base/limits.h"

enum { PAGE_ROWS = 400 };

static bool alias_address(struct cli *c, const char *text, view *ret_address, struct err *e) {
    if (text[0] != '@')
        return cli_address(c, text, ret_address, e);
    view domain;
    if (!cli_domain(c, text + 1, &domain, e))
        return false;
    *ret_address = arena_printf(&c->arena, "@%.*s", VIEW_ARG(domain));
    return true;
}

bool cmd_alias_set(struct cli *c, struct err *e) {
    view address, target;
    size_t targets = c->args.count - 1;
    if (!alias_address(c, c->args.words[0], &address, e))
        return false;
    if (targets > LIMIT_ALIAS_TARGETS)
        return err_set(e, ERR_USAGE, "an alias has at most %d targets; a list is made for more",
                       LIMIT_ALIAS_TARGETS);
    struct store_request r;
    store_request_init(&r, OP_ALIAS_SET);
    vals_view(&r.args, address);
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
    view address;
    if (!alias_address(c, c->args.words[0], &address, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_ALIAS_REMOVE);
    vals_view(&r.args, address);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{so}", "address", cli_json_text(address)), "alias %.*s removed",
                 VIEW_ARG(address));
    return ok;
}

bool cmd_alias_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"address", "ALIAS"}, {"target", "TARGET"}};
    struct table t;
    struct store_request r;
    view after = VIEW(""), after_target = VIEW("");
    bool ok = true, more = true;
    table_open(&t, c, columns, COUNT_OF(columns));
    store_request_init(&r, OP_ALIAS_LS);
    while (ok && more) {
        buf_reset(&r.args);
        vals_view(&r.args, after);
        vals_view(&r.args, after_target);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        size_t rows = 0;
        for (; ok && vals_more(&v); rows++) {
            view address = vals_get_view(&v), target = vals_get_view(&v);
            table_text(&t, address);
            table_text(&t, target);
            if (rows + 1 == PAGE_ROWS) {
                after = arena_view(&c->arena, address);
                after_target = arena_view(&c->arena, target);
            }
        }
        more = rows == PAGE_ROWS && cli_flush(c, NULL);
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}
