/* cmd_subscribe.c: postroad member subscribe|unsubscribe and request ls|confirm|accept|reject: subscriptions
 * by the list's policy. */
#include "base/id.h"
#include "cli/member.h"
#include "cli/pages.h"
#include "store/subscription.h"

enum { TOKEN_BYTES = 16 };

view cli_token(struct cli *c) {
    char text[2 * TOKEN_BYTES + 1];
    random_hex(TOKEN_BYTES, text);
    return arena_view(&c->arena, view_of(text));
}

static int64_t proofs_given(const struct cli *c) {
    return (args_has(&c->args, "--verified") ? PROOF_VERIFIED : 0) |
           (args_has(&c->args, "--confirmed") ? PROOF_CONFIRMED : 0) |
           (args_has(&c->args, "--approved") ? PROOF_APPROVED : 0) |
           (args_has(&c->args, "--invite") ? PROOF_INVITED : 0);
}

static const char *const waiting[] = {"", "subscriber", "moderator"};

static void say(struct cli *c, view list, view address, view token, enum waits waits, const char *done) {
    json_t *object = json_pack("{soso}", "list", cli_json_text(list), "address", cli_json_text(address));
    if (waits == WAITS_NOBODY) {
        json_object_set_new(object, "done", json_true());
        cli_done(c, object, "%.*s %s %.*s", VIEW_ARG(address), done, VIEW_ARG(list));
        return;
    }
    json_object_set_new(object, "done", json_false());
    json_object_set_new(object, "waits", json_string(waiting[waits]));
    json_object_set_new(object, "token", cli_json_text(token));
    cli_done(c, object, "it waits for the %s: request %s %.*s", waiting[waits],
             waits == WAITS_SUBSCRIBER ? "confirm" : "accept", VIEW_ARG(token));
}

bool cmd_member_subscribe(struct cli *c, struct err *e) {
    view list, address, who, token = cli_token(c), name;
    if (!cli_address(c, c->args.words[0], &list, e) || !cli_address(c, c->args.words[1], &address, e) ||
        !cli_who(c, &who, e) || !cli_person_name(c, &name, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_SUBSCRIBE);
    vals_view(&r.args, list);
    vals_view(&r.args, who);
    vals_view(&r.args, address);
    vals_view(&r.args, view_of(c->args.words[1]));
    vals_view(&r.args, name);
    vals_int(&r.args, args_has(&c->args, "--as-user"));
    vals_int(&r.args, proofs_given(c));
    vals_view(&r.args, token);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    if (ok)
        say(c, list, address, token, (enum waits)vals_get_int(&v), "is now a member of");
    store_request_done(&r);
    return ok;
}

bool cmd_member_unsubscribe(struct cli *c, struct err *e) {
    view list, address, who, token = cli_token(c);
    if (!cli_address(c, c->args.words[0], &list, e) || !cli_address(c, c->args.words[1], &address, e) ||
        !cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, OP_UNSUBSCRIBE);
    vals_view(&r.args, list);
    vals_view(&r.args, who);
    vals_view(&r.args, address);
    vals_int(&r.args, proofs_given(c));
    vals_view(&r.args, token);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    if (ok)
        say(c, list, address, token, (enum waits)vals_get_int(&v), "is no longer a member of");
    store_request_done(&r);
    return ok;
}

static bool answer(struct cli *c, enum op op, enum request_answer said, struct err *e) {
    view who, token = view_of(c->args.words[0]);
    if (!cli_who(c, &who, e))
        return false;
    struct store_request r;
    store_request_init(&r, op);
    vals_view(&r.args, token);
    vals_view(&r.args, who);
    vals_int(&r.args, said);
    vals_view(&r.args, view_of(args_get(&c->args, "--reason")));
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    if (ok) {
        enum waits waits = (enum waits)vals_get_int(&v);
        bool joins = vals_get_int(&v) == REQUEST_SUBSCRIBE;
        view list = vals_get_view(&v), address = vals_get_view(&v);
        say(c, list, address, token, waits,
            said != ANSWER_YES ? (joins ? "is not subscribed to" : "stays a member of")
            : joins            ? "is now a member of"
                               : "is no longer a member of");
    }
    store_request_done(&r);
    return ok;
}

bool cmd_request_confirm(struct cli *c, struct err *e) {
    return answer(c, OP_REQUEST_CONFIRM, ANSWER_YES, e);
}

bool cmd_request_accept(struct cli *c, struct err *e) {
    return answer(c, OP_REQUEST_MODERATE, ANSWER_YES, e);
}

bool cmd_request_reject(struct cli *c, struct err *e) {
    return answer(c, OP_REQUEST_MODERATE, ANSWER_REJECT, e);
}

static void ask_requests(const struct pages *p, struct buf *args) {
    vals_view(args, p->of);
    pages_ask_after(p, args);
}

static void show_request(struct pages *p, struct table *t, struct vals *v) {
    view token = vals_get_view(v);
    pages_after(p, token);
    table_text(t, token);
    for (int i = 0; i < 3; i++)
        table_text(t, vals_get_view(v));
    table_text(t, vals_get_int(v) == REQUEST_SUBSCRIBE ? VIEW("subscription") : VIEW("unsubscription"));
    table_text(t, view_of(waiting[vals_get_int(v)]));
    table_time(t, vals_get_int(v));
    table_time(t, vals_get_int(v));
}

bool cmd_request_ls(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"token", "TOKEN"}, {"list", "LIST"},       {"address", "ADDRESS"}, {"name", "NAME"},
        {"kind", "KIND"},   {"waits", "WAITS FOR"}, {"created", "CREATED"}, {"expires", "EXPIRES"}};
    struct pages p = {.op = OP_REQUEST_LS, .ask = ask_requests, .row = show_request};
    return (c->args.count == 0 || cli_address(c, c->args.words[0], &p.of, e)) &&
           pages_show(c, &p, columns, COUNT_OF(columns), e);
}
