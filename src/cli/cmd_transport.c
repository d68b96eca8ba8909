/* cmd_transport.c: postroad transport set|ls: by what way the mail of a domain goes, where that is not what
 * the configuration says. */
#include "cli/cli.h"

#include <string.h>

#include "net/transport.h"

enum { PAGE_ROWS = 500 };

bool cmd_transport_set(struct cli *c, struct err *e) {
    struct transport parsed;
    view domain, transport = view_of(c->args.words[1]);
    if (view_eq(transport, VIEW("default")))
        transport = VIEW("");
    if (!cli_domain(c, c->args.words[0], &domain, e) || !transport_parse(transport, &parsed, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_TRANSPORT_SET);
    vals_view(&r.args, domain);
    vals_view(&r.args, transport);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c,
                 json_pack("{soso}", "domain", cli_json_text(domain), "transport",
                           cli_json_text(view_of(c->args.words[1]))),
                 "mail for %.*s goes by %s", VIEW_ARG(domain), c->args.words[1]);
    return ok;
}

bool cmd_transport_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"domain", "DOMAIN"}, {"transport", "TRANSPORT"}};
    struct table t;
    struct store_request r;
    view after = VIEW("");
    bool ok = true, more = true;
    table_open(&t, c, columns, COUNT_OF(columns));
    store_request_init(&r, OP_TRANSPORT_LS);
    while (ok && more) {
        buf_reset(&r.args);
        vals_view(&r.args, after);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        size_t rows = 0;
        for (; ok && vals_more(&v); rows++) {
            view domain = vals_get_view(&v);
            table_text(&t, domain);
            table_text(&t, vals_get_view(&v));
            if (rows + 1 == PAGE_ROWS)
                after = arena_view(&c->arena, domain);
        }
        more = rows == PAGE_ROWS && cli_flush(c, NULL);
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}
