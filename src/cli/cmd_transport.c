/* cmd_transport.c: postroad transport set|ls: by what way the mail of a domain goes, where that is not what
 * the configuration says. */
#include "cli/pages.h"

#include <string.h>

#include "net/transport.h"

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

static void show_transport(struct pages *p, struct table *t, struct vals *v) {
    view domain = vals_get_view(v);
    pages_after(p, domain);
    table_text(t, domain);
    table_text(t, vals_get_view(v));
}

bool cmd_transport_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"domain", "DOMAIN"}, {"transport", "TRANSPORT"}};
    struct pages p = {.op = OP_TRANSPORT_LS, .ask = pages_ask_after, .row = show_transport};
    return pages_show(c, &p, columns, COUNT_OF(columns), e);
}
