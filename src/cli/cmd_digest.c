/* cmd_digest.c: postroad digest: what waits for the digests of lists. */
#include "cli/pages.h"
#include "net/hint.h"

bool cmd_digest_send(struct cli *c, struct err *e) {
    view list, who;
    if (!cli_address(c, c->args.words[0], &list, e) || !cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_DIGEST_ASK);
    vals_view(&r.args, list);
    vals_view(&r.args, who);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    int64_t posts = ok ? vals_get_int(&v) : 0;
    store_request_done(&r);
    if (!ok)
        return false;
    hint_send(c->config->dir, "router");
    cli_done(c, json_pack("{sosI}", "list", cli_json_text(list), "posts", (json_int_t)posts),
             posts > 0 ? "a digest of %.*s with %lld posts is sent"
                       : "nothing waits for a digest of %.*s (%lld posts)",
             VIEW_ARG(list), (long long)posts);
    return true;
}

static void ask_digests(const struct pages *p, struct buf *args) {
    pages_ask_after(p, args);
}

static void show_digest(struct pages *p, struct table *t, struct vals *v) {
    view list = vals_get_view(v);
    pages_after(p, list);
    table_text(t, list);
    table_int(t, vals_get_int(v));
    table_int(t, vals_get_int(v));
    table_int(t, vals_get_int(v));
    table_int(t, vals_get_int(v));
}

bool cmd_digest_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"list", "LIST"}, {"posts", "POSTS"}, {"octets", "OCTETS"}, {"volume", "VOLUME"}, {"issue", "ISSUE"}};
    struct pages p = {.op = OP_DIGEST_LS, .ask = ask_digests, .row = show_digest};
    return pages_show(c, &p, columns, COUNT_OF(columns), e);
}
