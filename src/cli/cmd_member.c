/* cmd_member.c: postroad member add|remove|ls: who is on a list. */
#include "cli/addresses.h"

enum { PAGE_ROWS = 500 };

static bool change(struct cli *c, enum op op, const char *verb, const char *rest, struct err *e) {
    static const struct addresses_rule any = {.domain = {NULL, 0}};
    struct addresses a = {.list = NULL};
    view list;
    int64_t changed;
    bool ok = cli_address(c, c->args.words[0], &list, e) && addresses_read_words(c, &any, &a, e) &&
              addresses_send(c, op, list, &a, &changed, e);
    if (ok)
        cli_done(c,
                 json_pack("{sosIsI}", "list", cli_json_text(list), "given", (json_int_t)a.count, verb,
                           (json_int_t)changed),
                 "%lld of %zu addresses %s%s", (long long)changed, a.count, verb,
                 changed < (int64_t)a.count ? rest : "");
    addresses_done(&a);
    return ok;
}

bool cmd_member_add(struct cli *c, struct err *e) {
    return change(c, OP_MEMBER_ADD, "added", "; the others were members already", e);
}

bool cmd_member_remove(struct cli *c, struct err *e) {
    return change(c, OP_MEMBER_REMOVE, "removed", "; the others were no members", e);
}

bool cmd_member_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"address", "MEMBER"}, {"since", "SINCE"}};
    view list;
    if (!cli_address(c, c->args.words[0], &list, e))
        return false;
    struct table t;
    struct store_request r;
    int64_t dest = 0, addr = 0;
    bool ok = true, more = true;
    table_open(&t, c, columns, COUNT_OF(columns));
    store_request_init(&r, OP_MEMBER_LS);
    while (ok && more) {
        buf_reset(&r.args);
        vals_view(&r.args, list);
        vals_int(&r.args, dest);
        vals_int(&r.args, addr);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        size_t rows = 0;
        for (; ok && vals_more(&v); rows++) {
            dest = vals_get_int(&v);
            addr = vals_get_int(&v);
            table_text(&t, vals_get_view(&v));
            table_time(&t, vals_get_int(&v));
        }
        more = rows == PAGE_ROWS && cli_flush(c, NULL);
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}
