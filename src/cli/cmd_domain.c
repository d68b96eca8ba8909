/* cmd_domain.c: postroad domain add|remove|ls: the domains this instance takes mail for. */
#include "cli/cli.h"

enum { PAGE_ROWS = 500 };

static bool call_domain(struct cli *c, enum op op, view *ret_domain, struct err *e) {
    if (!cli_domain(c, c->args.words[0], ret_domain, e))
        return false;
    struct store_request r;
    store_request_init(&r, op);
    vals_view(&r.args, *ret_domain);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    return ok;
}

bool cmd_domain_add(struct cli *c, struct err *e) {
    view domain;
    if (!call_domain(c, OP_DOMAIN_ADD, &domain, e))
        return false;
    cli_done(c, json_pack("{so}", "domain", cli_json_text(domain)),
             "domain %.*s added: make addresses with list create and alias set", VIEW_ARG(domain));
    return true;
}

bool cmd_domain_remove(struct cli *c, struct err *e) {
    view domain;
    if (!call_domain(c, OP_DOMAIN_REMOVE, &domain, e))
        return false;
    cli_done(c, json_pack("{so}", "domain", cli_json_text(domain)), "domain %.*s removed", VIEW_ARG(domain));
    return true;
}

bool cmd_domain_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"domain", "DOMAIN"}, {"created", "SINCE"}};
    struct table t;
    struct store_request r;
    view after = VIEW("");
    bool ok = true, more = true;
    table_open(&t, c, columns, COUNT_OF(columns));
    store_request_init(&r, OP_DOMAIN_LS);
    while (ok && more) {
        buf_reset(&r.args);
        vals_view(&r.args, after);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        size_t rows = 0;
        for (; ok && vals_more(&v); rows++) {
            view name = vals_get_view(&v);
            table_text(&t, name);
            table_time(&t, vals_get_int(&v));
            if (rows + 1 == PAGE_ROWS)
                after = arena_view(&c->arena, name);
        }
        more = rows == PAGE_ROWS && cli_flush(c, NULL);
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}
