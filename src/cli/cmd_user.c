/* cmd_user.c: postroad user add|show|ls|link|unlink|verify|unverify|prefer|set|remove: people, their
 * addresses, and what they prefer. A user is named by any of its addresses. */
#include "cli/member.h"
#include "cli/pages.h"

/* Run an operation on "who, address, ..." and read its first result, if there is one. */
static bool run(struct cli *c, enum op op, view who, view address, view more, int64_t *ret_n, struct err *e) {
    struct store_request r;
    store_request_init(&r, op);
    vals_view(&r.args, who);
    vals_view(&r.args, address);
    buf_add(&r.args, more);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    *ret_n = ok && vals_more(&v) ? vals_get_int(&v) : 0;
    store_request_done(&r);
    return ok;
}

static bool read_words(struct cli *c, view *ret_who, view *ret_address, struct err *e) {
    return cli_address(c, c->args.words[0], ret_address, e) && cli_who(c, ret_who, e);
}

static void say(struct cli *c, view address, const char *what) {
    cli_done(c, json_pack("{soss}", "address", cli_json_text(address), "done", what), "%.*s: %s",
             VIEW_ARG(address), what);
}

bool cmd_user_add(struct cli *c, struct err *e) {
    view who, address, name;
    int64_t is_new;
    if (!read_words(c, &who, &address, e) || !cli_person_name(c, &name, e))
        return false;
    struct buf more = BUF_INIT(4096);
    vals_view(&more, view_of(c->args.words[0]));
    vals_view(&more, name);
    bool ok = run(c, OP_USER_ADD, who, address, buf_view(&more), &is_new, e);
    buf_done(&more);
    if (ok)
        say(c, address, is_new ? "registered" : name.len ? "is called so now" : "was registered already");
    return ok;
}

bool cmd_user_link(struct cli *c, struct err *e) {
    view who, address, other;
    int64_t n;
    if (!read_words(c, &who, &address, e) || !cli_address(c, c->args.words[1], &other, e))
        return false;
    struct buf more = BUF_INIT(4096);
    vals_view(&more, other);
    bool ok = run(c, OP_USER_LINK, who, address, buf_view(&more), &n, e);
    buf_done(&more);
    if (ok)
        cli_done(c, json_pack("{soso}", "address", cli_json_text(address), "linked", cli_json_text(other)),
                 "%.*s and %.*s are one user's", VIEW_ARG(address), VIEW_ARG(other));
    return ok;
}

/* Commands that take an address and nothing else. */
static bool change(struct cli *c, enum op op, view more, const char *what, struct err *e) {
    view who, address;
    int64_t n;
    if (!read_words(c, &who, &address, e) || !run(c, op, who, address, more, &n, e))
        return false;
    say(c, address, what);
    return true;
}

bool cmd_user_unlink(struct cli *c, struct err *e) {
    return change(c, OP_USER_UNLINK, VIEW(""), "a user of its own", e);
}

bool cmd_user_prefer(struct cli *c, struct err *e) {
    return change(c, OP_USER_PREFER, VIEW(""), "preferred", e);
}

static bool verify(struct cli *c, bool verified, const char *what, struct err *e) {
    struct buf more = BUF_INIT(64);
    vals_int(&more, verified);
    bool ok = change(c, OP_USER_VERIFY, buf_view(&more), what, e);
    buf_done(&more);
    return ok;
}

bool cmd_user_verify(struct cli *c, struct err *e) {
    return verify(c, true, "verified", e);
}

bool cmd_user_unverify(struct cli *c, struct err *e) {
    return verify(c, false, "not verified", e);
}

bool cmd_user_remove(struct cli *c, struct err *e) {
    view who, address;
    int64_t ended;
    if (!read_words(c, &who, &address, e) || !run(c, OP_USER_REMOVE, who, address, VIEW(""), &ended, e))
        return false;
    cli_done(c, json_pack("{sosI}", "address", cli_json_text(address), "memberships", (json_int_t)ended),
             "%.*s is forgotten, and was on %lld lists", VIEW_ARG(address), (long long)ended);
    return true;
}

bool cmd_user_set(struct cli *c, struct err *e) {
    struct prefers p = {.level = args_has(&c->args, "--address") ? LEVEL_ADDRESS : LEVEL_USER,
                        .list = VIEW("")};
    view now;
    if (!cli_address(c, c->args.words[0], &p.address, e) || !prefers_set(c, &p, 1, e) ||
        !prefers_text(c, &p, &now, e))
        return false;
    cli_done(c, json_pack("{soso}", "address", cli_json_text(p.address), "preferred", cli_json_text(now)),
             "%.*s: %.*s", VIEW_ARG(p.address), VIEW_ARG(now.len ? now : VIEW("nothing of its own")));
    return true;
}

/* A row for each address; what the user prefers on all lists stands with the preferred address, or the first.
 */
bool cmd_user_show(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"address", "ADDRESS"},
                                            {"name", "NAME"},
                                            {"registered", "REGISTERED"},
                                            {"verified", "VERIFIED"},
                                            {"preferred", "PREFERRED"},
                                            {"memberships", "MEMBERSHIPS"},
                                            {"of_address", "ADDRESS PREFERS"},
                                            {"of_user", "USER PREFERS"}};
    struct prefers user = {.level = LEVEL_USER, .list = VIEW("")},
                   one = {.level = LEVEL_ADDRESS, .list = VIEW("")};
    view of_user, of_address;
    if (!cli_address(c, c->args.words[0], &user.address, e) || !prefers_text(c, &user, &of_user, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_USER_SHOW);
    vals_view(&r.args, user.address);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    struct table t;
    table_open(&t, c, columns, COUNT_OF(columns));
    view name = vals_get_view(&v);
    vals_get_int(&v); /* created */
    while (ok && vals_more(&v)) {
        one.address = vals_get_view(&v);
        view original = vals_get_view(&v);
        table_text(&t, original.len ? original : one.address);
        table_text(&t, name);
        table_time(&t, vals_get_int(&v));
        table_time(&t, vals_get_int(&v));
        table_text(&t, vals_get_int(&v) ? VIEW("yes") : VIEW("no"));
        table_int(&t, vals_get_int(&v));
        ok = prefers_text(c, &one, &of_address, e);
        table_text(&t, ok ? of_address : VIEW(""));
        table_text(&t, of_user);
    }
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}

static void show_user(struct pages *p, struct table *t, struct vals *v) {
    view address = vals_get_view(v);
    pages_after(p, address);
    table_text(t, address);
    table_text(t, vals_get_view(v));
    table_time(t, vals_get_int(v));
    table_time(t, vals_get_int(v));
}

bool cmd_user_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"address", "ADDRESS"}, {"name", "NAME"}, {"registered", "REGISTERED"}, {"verified", "VERIFIED"}};
    struct pages p = {.op = OP_USER_LS, .ask = pages_ask_after, .row = show_user};
    return pages_show(c, &p, columns, COUNT_OF(columns), e);
}
