/* rest_member_one.c: one membership: members/ID, or lists/ID/ROLE/ADDRESS. */
#include "base/words.h"
#include "roles/httpd/people.h"
#include "store/role.h"
#include "store/subscription.h"

static void member_show(struct call *c, int64_t id) {
    struct member_row m;
    if (find_member(c, id, &m))
        reply_object(c, 200, member_json(c, &m, NULL, 0));
}

static const struct param_spec change_params[] = {
    {"address"},
    {"delivery_mode", PARAM_WORD, .words = DELIVERY_MODES},
    {"moderation_action", PARAM_WORD, .words = ACTION_WORDS, .blank = true}};

static void member_change(struct call *c, int64_t id) {
    struct store_request q;
    if (!params_check(c))
        return;
    bool acts = param_given(c, "moderation_action"), moves = param_given(c, "address");
    store_request_init(&q, OP_MEMBER_SET);
    vals_view(&q.args, c->who);
    vals_int(&q.args, id);
    vals_view(&q.args, moves ? address_of_text(c, param_text(c, "address")) : VIEW(""));
    vals_int(&q.args, param_number(c, "delivery_mode", -1));
    vals_int(&q.args, acts ? param_number(c, "moderation_action", -1) + 1 : -1);
    if (moves && param_text(c, "address").len == 0)
        reply_error(c, 400, "Address not registered");
    else if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

static const struct param_spec remove_params[] = {{"pre_confirmed", PARAM_BOOL},
                                                  {"pre_approved", PARAM_BOOL}};

/* By the list's policy. */
static void unsubscribe(struct call *c, const struct member_row *m) {
    char token[TOKEN_SIZE];
    struct store_request q;
    struct err e;
    make_token(token);
    store_request_init(&q, OP_UNSUBSCRIBE);
    vals_view(&q.args, m->list);
    vals_view(&q.args, c->who);
    vals_view(&q.args, m->email);
    vals_int(&q.args, (param_number(c, "pre_confirmed", 1) ? PROOF_CONFIRMED : 0) |
                          (param_number(c, "pre_approved", 0) ? PROOF_APPROVED : 0));
    vals_view(&q.args, view_of(token));
    if (ask_or(c, &q, &e)) {
        struct vals v = vals_of(buf_view(&q.out));
        struct waiting w = {view_of(token), vals_get_int(&v)};
        hurry_letters(c);
        if (w.waits == WAITS_NOBODY)
            reply_empty(c);
        else
            reply_waiting(c, &w);
    } else if (e.code == ERR_NOT_FOUND) {
        reply_error(c, 404, "404 Not Found");
    } else if (e.code != ERR_OK) {
        reply_error(c, e.code == ERR_EXISTS ? 409 : 400, "%s",
                    e.code == ERR_EXISTS ? "Unsubscription request already pending" : e.text);
    }
    store_request_done(&q);
}

static void member_remove(struct call *c, int64_t id) {
    struct member_row m;
    struct store_request q;
    if (!find_member(c, id, &m))
        return;
    if (m.role == ROLE_MEMBER) {
        if (params_check(c))
            unsubscribe(c, &m);
        return;
    }
    store_request_init(&q, OP_MEMBER_REMOVE);
    vals_view(&q.args, m.list);
    vals_view(&q.args, c->who);
    vals_int(&q.args, m.role);
    vals_int(&q.args, 1);
    vals_view(&q.args, m.email);
    if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

static void with_id(struct call *c, void (*answer)(struct call *c, int64_t id)) {
    int64_t id;
    if (id_of_text(c, c->variables[0], &id))
        answer(c, id);
    else
        reply_error(c, 404, "404 Not Found");
}

static void show_one(struct call *c) {
    with_id(c, member_show);
}

static void change_one(struct call *c) {
    with_id(c, member_change);
}

static void remove_one(struct call *c) {
    with_id(c, member_remove);
}

/* lists/ID/ROLE/ADDRESS: the words of other resources of a list stand before it. */
static bool find_by_role(struct call *c, struct member_row *ret) {
    int64_t role;
    if (words_find(MEMBER_ROLES, c->variables[1], &role))
        return find_member_of(c, c->variables[0], role + 1, address_of_text(c, c->variables[2]), ret);
    reply_title(c, 404);
    return false;
}

static void show_by_role(struct call *c) {
    struct member_row m;
    if (find_by_role(c, &m))
        reply_object(c, 200, member_json(c, &m, NULL, 0));
}

static void change_by_role(struct call *c) {
    struct member_row m;
    if (find_by_role(c, &m))
        member_change(c, m.id);
}

static void remove_by_role(struct call *c) {
    struct member_row m;
    if (find_by_role(c, &m))
        member_remove(c, m.id);
}

static const struct route table[] = {
    {METHOD_GET, "members/{member}", show_one, "A membership"},
    {METHOD_PATCH, "members/{member}", change_one, "Change what is given of a membership",
     PARAMS(change_params)},
    {METHOD_DELETE, "members/{member}", remove_one, "End a membership, by the list's policy",
     PARAMS(remove_params)},
};
ROUTES(member_one_routes, table);

static const struct route by_role[] = {
    {METHOD_GET, "lists/{list}/{role}/{address}", show_by_role, "The membership of an address"},
    {METHOD_PATCH, "lists/{list}/{role}/{address}", change_by_role, "Change what is given of a membership",
     PARAMS(change_params)},
    {METHOD_DELETE, "lists/{list}/{role}/{address}", remove_by_role, "End a membership, by the list's policy",
     PARAMS(remove_params)},
};
ROUTES(member_by_role_routes, by_role);
