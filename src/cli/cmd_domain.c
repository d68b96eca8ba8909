/* cmd_domain.c: postroad domain add|show|set|remove|ls: the domains this instance takes mail for: its own,
 * and those it passes on. */
#include "cli/pages.h"

#include <string.h>

#include "net/transport.h"

static bool call_domain(struct cli *c, enum op op, view *ret_domain, struct err *e) {
    view who;
    if (!cli_domain(c, c->args.words[0], ret_domain, e) || !cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, op);
    vals_view(&r.args, *ret_domain);
    vals_view(&r.args, who);
    if (op == OP_DOMAIN_ADD) {
        vals_view(&r.args, VIEW("")); /* description */
        vals_view(&r.args, VIEW("")); /* alias domain */
    }
    vals_int(&r.args, 0); /* owners; or: not only to look */
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    return ok;
}

/* *ret_listed: --recipients. */
static bool relay_words(struct cli *c, view *ret_transport, bool *ret_listed, struct err *e) {
    const char *recipients = args_get(&c->args, "--recipients");
    struct transport parsed;
    *ret_transport = view_of(args_get(&c->args, "--relay"));
    *ret_listed = recipients && strcmp(recipients, "listed") == 0;
    if (recipients && !*ret_listed && strcmp(recipients, "any") != 0)
        return err_set(e, ERR_USAGE, "--recipients %.60s: any or listed is wanted", recipients);
    if (ret_transport->len == 0)
        return err_set(e, ERR_USAGE, "--recipients goes with --relay");
    return transport_parse(*ret_transport, &parsed, e) || err_prefix(e, "--relay");
}

static bool add_relay(struct cli *c, struct err *e) {
    view domain, transport;
    bool listed;
    if (!cli_domain(c, c->args.words[0], &domain, e) || !relay_words(c, &transport, &listed, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_DOMAIN_RELAY);
    vals_view(&r.args, domain);
    vals_int(&r.args, listed);
    vals_view(&r.args, transport);
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c,
                 json_pack("{sososs}", "domain", cli_json_text(domain), "relay", cli_json_text(transport),
                           "recipients", listed ? "listed" : "any"),
                 "mail for %.*s is passed on by %.*s%s%.*s%s", VIEW_ARG(domain), VIEW_ARG(transport),
                 listed ? ": say for which addresses with recipient add " : "",
                 VIEW_ARG(listed ? domain : VIEW("")), listed ? " ADDRESS..." : "");
    return ok;
}

bool cmd_domain_add(struct cli *c, struct err *e) {
    view domain;
    if (args_has(&c->args, "--relay") || args_has(&c->args, "--recipients"))
        return add_relay(c, e);
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

static const struct column columns[] = {
    {"domain", "DOMAIN"},          {"created", "SINCE"}, {"relay", "RELAY"},
    {"recipients", "RECIPIENTS"},  {"listed", "LISTED"}, {"alias", "ALIAS"},
    {"description", "DESCRIPTION"}};

static void show_fields(struct table *t, view name, struct vals *v) {
    table_text(t, name);
    table_time(t, vals_get_int(v));
    bool relay = vals_get_int(v) != 0, listed = vals_get_int(v) != 0;
    int64_t recipients = vals_get_int(v);
    view transport = vals_get_view(v), description = vals_get_view(v), alias = vals_get_view(v);
    table_text(t, !relay ? VIEW("") : transport.len ? transport : VIEW("default"));
    table_text(t, !relay ? VIEW("") : listed ? VIEW("listed") : VIEW("any"));
    table_int(t, recipients);
    table_text(t, alias);
    table_text(t, description);
}

static void show_row(struct pages *p, struct table *t, struct vals *v) {
    view name = vals_get_view(v);
    pages_after(p, name);
    show_fields(t, name, v);
}

/* The row of the domain that the first word names; `r` holds it, and the caller ends that in any case. */
static bool find_row(struct cli *c, struct store_request *r, struct vals *ret, struct err *e) {
    view domain;
    store_request_init(r, OP_DOMAIN_SHOW);
    if (!cli_domain(c, c->args.words[0], &domain, e))
        return false;
    vals_view(&r->args, domain);
    vals_view(&r->args, VIEW(""));
    vals_int(&r->args, 1);
    if (!cli_call(c, r, e))
        return false;
    *ret = vals_of(buf_view(&r->out));
    return vals_more(ret) ||
           err_set(e, ERR_NOT_FOUND, "no domain %.*s here; domain ls shows them all", VIEW_ARG(domain));
}

bool cmd_domain_show(struct cli *c, struct err *e) {
    struct store_request r;
    struct vals v;
    bool ok = find_row(c, &r, &v, e);
    if (ok) {
        struct table t;
        table_open_single(&t, c, columns, COUNT_OF(columns));
        show_fields(&t, vals_get_view(&v), &v);
        ok = table_close(&t, e);
    }
    store_request_done(&r);
    return ok;
}

/* --alias, --description: what is not given stays. */
static bool read_changes(struct cli *c, struct vals row, view *ret_name, view *ret_description,
                         view *ret_alias, struct err *e) {
    const char *alias = args_get(&c->args, "--alias"), *description = args_get(&c->args, "--description");
    *ret_name = vals_get_view(&row);
    for (int i = 0; i < 4; i++)
        (void)vals_get_int(&row);
    (void)vals_get_view(&row); /* transport */
    *ret_description = vals_get_view(&row);
    *ret_alias = vals_get_view(&row);
    if (description)
        *ret_description = view_of(description);
    if (alias && strcmp(alias, "none") == 0)
        *ret_alias = VIEW("");
    else if (alias && !cli_domain(c, alias, ret_alias, e))
        return err_prefix(e, "--alias");
    return alias || description || err_set(e, ERR_USAGE, "--alias or --description is wanted");
}

bool cmd_domain_set(struct cli *c, struct err *e) {
    struct store_request row, r;
    struct vals v;
    view who, name, description, alias;
    bool ok =
        find_row(c, &row, &v, e) && cli_who(c, &who, e) && read_changes(c, v, &name, &description, &alias, e);
    store_request_init(&r, OP_DOMAIN_SET);
    if (ok) {
        vals_view(&r.args, name);
        vals_view(&r.args, who);
        vals_view(&r.args, description);
        vals_view(&r.args, alias);
        vals_int(&r.args, 0); /* owners */
        ok = cli_call(c, &r, e);
    }
    if (ok)
        cli_done(c, json_pack("{so}", "domain", cli_json_text(name)), "domain %.*s is changed",
                 VIEW_ARG(name));
    store_request_done(&r);
    store_request_done(&row);
    return ok;
}

static void ask_domains(const struct pages *p, struct buf *args) {
    vals_view(args, p->of);
    pages_ask_after(p, args);
}

bool cmd_domain_ls(struct cli *c, struct err *e) {
    struct pages p = {.op = OP_DOMAIN_SHOW, .ask = ask_domains, .row = show_row};
    return pages_show(c, &p, columns, COUNT_OF(columns), e);
}
