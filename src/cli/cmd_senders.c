/* cmd_senders.c: postroad senders: sets of senders that lists share (store/sender_set.h). */
#include "cli/addresses.h"
#include "cli/pages.h"
#include "store/sender_set.h"

/* ---- sets ---- */

static bool change_set(struct cli *c, enum op op, const char *done, struct err *e) {
    const char *name = c->args.words[0];
    struct store_request r;
    view who;
    if (!cli_who(c, &who, e))
        return false;
    store_request_init(&r, op);
    vals_view(&r.args, who);
    vals_view(&r.args, view_of(name));
    if (op == OP_SENDER_SET_ADD)
        vals_view(&r.args, view_of(args_get(&c->args, "--about")));
    bool ok = cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{ss}", "set", name), "%s is %s", name, done);
    return ok;
}

bool cmd_senders_create(struct cli *c, struct err *e) {
    return change_set(c, OP_SENDER_SET_ADD,
                      "there: \"@NAME\" among the senders of a list's setting stands for it", e);
}

bool cmd_senders_delete(struct cli *c, struct err *e) {
    return change_set(c, OP_SENDER_SET_REMOVE, "gone", e);
}

static void show_set(struct pages *p, struct table *t, struct vals *v) {
    view name = vals_get_view(v), about = vals_get_view(v);
    int64_t created = vals_get_int(v), count = vals_get_int(v);
    pages_after(p, name);
    table_text(t, name);
    table_int(t, count);
    table_time(t, created);
    table_text(t, about);
}

bool cmd_senders_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"set", "SET"}, {"senders", "SENDERS"}, {"created", "CREATED"}, {"about", "FOR"}};
    struct pages p = {.op = OP_SENDER_SET_LS, .ask = pages_ask_after, .row = show_set};
    return pages_show(c, &p, columns, COUNT_OF(columns), e);
}

/* ---- what is in one ---- */

static void ask_senders(const struct pages *p, struct buf *args) {
    vals_view(args, p->of);
    pages_ask_after(p, args);
}

static void show_sender(struct pages *p, struct table *t, struct vals *v) {
    view sender = vals_get_view(v);
    int64_t since = vals_get_int(v);
    pages_after(p, sender);
    table_text(t, sender);
    table_time(t, since);
    table_text(t, vals_get_view(v));
}

bool cmd_senders_show(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"sender", "SENDER"}, {"since", "SINCE"}, {"by", "BY"}};
    struct pages p = {
        .op = OP_SENDERS_LS, .ask = ask_senders, .row = show_sender, .of = view_of(c->args.words[0])};
    return pages_show(c, &p, columns, COUNT_OF(columns), e);
}

static void pass_since(struct vals *v) {
    vals_get_int(v);
    vals_get_view(v); /* who added it */
}

static bool find_place(struct cli *c, struct addresses_place *ret, struct err *e) {
    *ret = (struct addresses_place){
        OP_SENDERS_ADD,    OP_SENDERS_REMOVE, OP_SENDERS_LS, "set", .of = view_of(c->args.words[0]),
        .pass = pass_since};
    return cli_who(c, &ret->who, e);
}

static const struct addresses_rule rule = {.senders = true};

static bool change(struct cli *c, bool remove, const char *verb, struct err *e) {
    struct addresses a = {.list = NULL};
    struct addresses_place place;
    int64_t changed;
    bool ok = find_place(c, &place, e) && addresses_read_words(c, &rule, &a, e);
    addresses_sort(&a);
    ok = ok && addresses_change(c, &place, remove, &a, &changed, e);
    if (ok)
        cli_done(c,
                 json_pack("{sssIsI}", "set", c->args.words[0], "given", (json_int_t)a.count, verb,
                           (json_int_t)changed),
                 "%s: %lld of %zu senders %s", c->args.words[0], (long long)changed, a.count, verb);
    addresses_done(&a);
    return ok;
}

bool cmd_senders_add(struct cli *c, struct err *e) {
    return change(c, false, "added", e);
}

bool cmd_senders_remove(struct cli *c, struct err *e) {
    return change(c, true, "removed", e);
}

bool cmd_senders_import(struct cli *c, struct err *e) {
    struct addresses_place place;
    return find_place(c, &place, e) &&
           addresses_import(c, &place, &rule, c->args.words[1],
                            arena_printf(&c->arena, "senders of %s", c->args.words[0]), e);
}

bool cmd_senders_find(struct cli *c, struct err *e) {
    static const struct column columns[] = {{"set", "SET"}};
    struct store_request r;
    struct table t;
    view address;
    if (!cli_address(c, c->args.words[0], &address, e))
        return false;
    store_request_init(&r, OP_SENDERS_FIND);
    vals_view(&r.args, address);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    table_open(&t, c, columns, COUNT_OF(columns));
    while (ok && vals_more(&v))
        table_text(&t, vals_get_view(&v));
    store_request_done(&r);
    return table_close(&t, ok ? e : NULL) && ok;
}
