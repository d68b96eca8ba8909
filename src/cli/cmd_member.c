/* cmd_member.c: postroad member add|remove|ls|show|set|history: who is on a list, and how. */
#include "base/id.h"
#include "base/words.h"
#include "cli/addresses.h"
#include "cli/member.h"
#include "cli/pages.h"
#include "store/event.h"

static bool change(struct cli *c, enum op op, const char *verb, const char *rest, struct err *e) {
    static const struct addresses_rule any = {.domain = {NULL, 0}};
    struct addresses a = {.list = NULL};
    struct buf before = BUF_INIT(2 * LIMIT_ADDRESS);
    enum member_role role;
    view list, who;
    int64_t changed;
    bool ok = cli_address(c, c->args.words[0], &list, e) && cli_role(c, &role, e) && cli_who(c, &who, e) &&
              addresses_read_words(c, &any, &a, e);
    if (ok) {
        vals_view(&before, list);
        vals_view(&before, who);
        vals_int(&before, role);
        ok = addresses_send(c, op, &before, &a, &changed, e);
    }
    if (ok)
        cli_done(c,
                 json_pack("{sosIsI}", "list", cli_json_text(list), "given", (json_int_t)a.count, verb,
                           (json_int_t)changed),
                 "%lld of %zu addresses %s%s", (long long)changed, a.count, verb,
                 changed < (int64_t)a.count ? rest : "");
    buf_done(&before);
    addresses_done(&a);
    return ok;
}

bool cmd_member_add(struct cli *c, struct err *e) {
    return change(c, OP_MEMBER_ADD, "added", "; the others were there already", e);
}

bool cmd_member_remove(struct cli *c, struct err *e) {
    return change(c, OP_MEMBER_REMOVE, "removed", "; the others were not there", e);
}

static bool read_status(struct cli *c, int64_t *ret_status, struct err *e) {
    const char *given = args_get(&c->args, "--status");
    *ret_status = -1;
    return !given || preference_parse(PREFERENCE_DELIVERY_STATUS, view_of(given), ret_status) ||
           err_set(e, ERR_USAGE, "--status %.60s: one of these is wanted: %s", given,
                   preference_values(PREFERENCE_DELIVERY_STATUS));
}

static void ask_members(const struct pages *p, struct buf *args) {
    vals_view(args, p->of);
    for (int i = 0; i < 2; i++)
        vals_int(args, p->only[i]);
    for (int i = 0; i < 3; i++)
        vals_int(args, p->at[i]);
}

static void show_member(struct pages *p, struct table *t, struct vals *v) {
    for (int i = 0; i < 3; i++)
        p->at[i] = vals_get_int(v);
    table_text(t, vals_get_view(v));
    table_text(t, vals_get_view(v));
    int64_t since = vals_get_int(v);
    table_text(t, preference_text(PREFERENCE_DELIVERY_STATUS, vals_get_int(v)));
    table_text(t, vals_get_int(v) ? VIEW("yes") : VIEW("no"));
    table_text(t, preference_text(PREFERENCE_MODERATION_ACTION, vals_get_int(v)));
    table_time(t, since);
}

bool cmd_member_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"address", "MEMBER"},        {"name", "NAME"},
                                            {"status", "STATUS"},         {"hidden", "HIDDEN"},
                                            {"moderation", "MODERATION"}, {"since", "SINCE"}};
    struct pages p = {.op = OP_MEMBER_LS, .ask = ask_members, .row = show_member};
    enum member_role role;
    if (!cli_address(c, c->args.words[0], &p.of, e) || !cli_role(c, &role, e) ||
        !read_status(c, &p.only[1], e))
        return false;
    p.only[0] = role;
    return pages_show(c, &p, columns, COUNT_OF(columns), e);
}

bool cmd_member_show(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"list", "LIST"},   {"role", "ROLE"},     {"address", "ADDRESS"}, {"as_user", "AS USER"},
        {"since", "SINCE"}, {"status", "STATUS"}, {"hidden", "HIDDEN"},   {"moderation", "MODERATION"}};
    view address;
    if (!cli_address(c, c->args.words[0], &address, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_MEMBER_OF);
    vals_view(&r.args, address);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    struct table t;
    table_open(&t, c, columns, COUNT_OF(columns));
    while (ok && vals_more(&v)) {
        table_text(&t, vals_get_view(&v));
        table_text(&t, words_at(ROLE_WORDS, vals_get_int(&v)));
        table_text(&t, vals_get_view(&v));
        vals_get_int(&v); /* id */
        table_text(&t, vals_get_int(&v) ? VIEW("yes") : VIEW("no"));
        table_time(&t, vals_get_int(&v));
        table_text(&t, preference_text(PREFERENCE_DELIVERY_STATUS, vals_get_int(&v)));
        table_text(&t, vals_get_int(&v) ? VIEW("yes") : VIEW("no"));
        table_text(&t, preference_text(PREFERENCE_MODERATION_ACTION, vals_get_int(&v)));
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}

bool cmd_member_set(struct cli *c, struct err *e) {
    struct prefers p = {.level = LEVEL_MEMBER};
    view now;
    if (!cli_address(c, c->args.words[0], &p.list, e) || !cli_address(c, c->args.words[1], &p.address, e) ||
        !cli_role(c, &p.role, e) || !prefers_set(c, &p, 2, e) || !prefers_text(c, &p, &now, e))
        return false;
    cli_done(c,
             json_pack("{sososo}", "list", cli_json_text(p.list), "address", cli_json_text(p.address),
                       "preferred", cli_json_text(now)),
             "%.*s on %.*s: %.*s", VIEW_ARG(p.address), VIEW_ARG(p.list),
             VIEW_ARG(now.len ? now : VIEW("nothing of its own")));
    return true;
}

static void ask_history(const struct pages *p, struct buf *args) {
    vals_view(args, p->of);
    vals_int(args, p->at[0]);
}

static void show_history(struct pages *p, struct table *t, struct vals *v) {
    p->at[0] = vals_get_int(v);
    table_time(t, id_time_ms(p->at[0]));
    table_text(t, view_of(event_name(vals_get_int(v))));
    table_text(t, vals_get_view(v));
    table_text(t, vals_get_view(v));
}

bool cmd_member_history(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"time", "TIME"}, {"event", "EVENT"}, {"list", "LIST"}, {"detail", "DETAIL"}};
    struct pages p = {.op = OP_MEMBER_HISTORY, .ask = ask_history, .row = show_history};
    return cli_address(c, c->args.words[0], &p.of, e) && pages_show(c, &p, columns, COUNT_OF(columns), e);
}
