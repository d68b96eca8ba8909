/* rest_subscribe.c: subscriptions: POST members, by the list's policy, with the letters that it takes; other
 * roles are given at once. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/id.h"
#include "roles/httpd/people.h"
#include "store/role.h"
#include "store/subscription.h"

const struct param_spec member_create_params[11] = {{"list_id", .required = true},
                                                    {"subscriber", .required = true},
                                                    {"display_name"},
                                                    {"delivery_mode", PARAM_WORD, .words = DELIVERY_MODES},
                                                    {"delivery_status", PARAM_WORD, .words = DELIVERY_STATI},
                                                    {"role", PARAM_WORD, .words = MEMBER_ROLES},
                                                    {"pre_verified", PARAM_BOOL},
                                                    {"pre_confirmed", PARAM_BOOL},
                                                    {"pre_approved", PARAM_BOOL},
                                                    {"invitation", PARAM_BOOL},
                                                    {"send_welcome_message", PARAM_BOOL}};

/* Who, to which list. */
struct subscriber {
    view list, address, original, name;
    bool as_user; /* named by the user's id: the membership follows the preferred address */
};

/* ---- what waits ---- */

void make_token(char ret[TOKEN_SIZE]) {
    random_hex((TOKEN_SIZE - 1) / 2, ret);
}

void hurry_letters(struct call *c) {
    hint_send(c->role->config->dir, "router");
}

void reply_waiting(struct call *c, const struct waiting *w) {
    json_t *o = json_object();
    json_object_set_new(o, "token", json_text(w->token));
    json_object_set_new(o, "token_owner",
                        json_string(w->waits == WAITS_SUBSCRIBER ? "subscriber" : "moderator"));
    reply_object(c, 202, o);
}

/* ---- who ---- */

static bool name_user(struct call *c, int64_t id, bool member, struct subscriber *ret) {
    struct user_row user;
    struct address_row address;
    if (!find_user_of_id(c, id, &user)) {
        if (c->status == 404)
            reply_error(c, 400, "No such user");
        return false;
    }
    if (user.preferred == 0) {
        reply_error(c, 400, member ? "User has no preferred address" : "User without preferred address");
        return false;
    }
    ret->as_user = true;
    if (!find_address_of_id(c, user.preferred, &address))
        return false;
    ret->address = address.email;
    return true;
}

/* False: answered. */
static bool read_subscriber(struct call *c, bool member, struct subscriber *ret) {
    view text = param_text(c, "subscriber");
    int64_t id;
    *ret = (struct subscriber){.original = VIEW(""), .name = param_text(c, "display_name")};
    bool is_id = id_of_text(c, text, &id);
    if (!is_id && !param_address(c, text, &ret->address)) {
        reply_error(c, 400, "Invalid Parameter \"subscriber\": .");
        return false;
    }
    if (!list_of_id(c, param_text(c, "list_id"), &ret->list)) {
        if (c->status == 0)
            reply_error(c, 400, "No such list");
        return false;
    }
    if (is_id)
        return name_user(c, id, member, ret);
    ret->original = view_trim(text);
    return true;
}

/* ---- it is done ---- */

/* What the store refuses, in Mailman's words. `own`: for the list's own address. */
static void reply_refused(struct call *c, const struct subscriber *s, const struct err *e, const char *own) {
    if (view_eq(s->address, s->list))
        reply_error(c, 400, "%s", own);
    else if (view_search(view_of(e->text), VIEW(" is banned from ")) >= 0)
        reply_error(c, 400, "Membership is banned");
    else
        reply_error(c, 400, "%s", e->text);
}

/* A member already, or will be. */
static void reply_exists(struct call *c, const struct subscriber *s) {
    int64_t id;
    bool member = find_membership(c, s->list, ROLE_MEMBER, s->address, &id);
    if (member || c->status == 404)
        reply_error(c, 409, member ? "Member already subscribed" : "Subscription request already pending");
}

/* With an invitation the subscriber's answer proves all that is needed. */
static int64_t proofs_given(struct call *c) {
    int64_t welcome = param_number(c, "send_welcome_message", -1);
    int64_t said = welcome < 0 ? 0 : welcome ? SUBSCRIBE_WELCOME : SUBSCRIBE_QUIETLY;
    if (param_number(c, "invitation", 0))
        return PROOF_INVITED | said;
    int64_t verified = param_number(c, "pre_verified", 0), confirmed = param_number(c, "pre_confirmed", 0);
    int64_t approved = param_number(c, "pre_approved", 0);
    return (verified ? PROOF_VERIFIED : 0) | (confirmed ? PROOF_CONFIRMED : 0) |
           (approved ? PROOF_APPROVED : 0) | said;
}

static void subscribe_args(struct call *c, const struct subscriber *s, view token, struct buf *args) {
    vals_view(args, s->list);
    vals_view(args, c->who);
    vals_view(args, s->address);
    vals_view(args, s->original);
    vals_view(args, s->name);
    vals_int(args, s->as_user);
    vals_int(args, proofs_given(c));
    vals_view(args, token);
    vals_int(args, param_number(c, "delivery_mode", -1));
    vals_int(args, param_number(c, "delivery_status", -1));
}

static void member_created(struct call *c, int64_t id) {
    view text = text_of_id(c, id);
    reply_created(c, "members/%.*s", VIEW_ARG(text));
}

static void subscribe(struct call *c, const struct subscriber *s) {
    char token[TOKEN_SIZE];
    struct store_request q;
    struct err e;
    make_token(token);
    store_request_init(&q, OP_SUBSCRIBE);
    subscribe_args(c, s, view_of(token), &q.args);
    if (ask_or(c, &q, &e)) {
        struct vals v = vals_of(buf_view(&q.out));
        struct waiting w = {view_of(token), vals_get_int(&v)};
        hurry_letters(c);
        if (w.waits == WAITS_NOBODY)
            member_created(c, vals_get_int(&v));
        else
            reply_waiting(c, &w);
    } else if (e.code == ERR_EXISTS) {
        reply_exists(c, s);
    } else if (e.code != ERR_OK) {
        reply_refused(c, s, &e, "List posting address cannot subscribe");
    }
    store_request_done(&q);
}

static void give_role(struct call *c, const struct subscriber *s, int64_t role) {
    static const char *const names[] = {"", "member", "owner", "moderator", "nonmember"};
    struct store_request q;
    struct err e;
    if (view_eq(s->address, s->list) && role != ROLE_NONMEMBER) {
        reply_error(c, 400, "List posting address cannot be added");
        return;
    }
    store_request_init(&q, OP_MEMBER_MAKE);
    vals_view(&q.args, s->list);
    vals_view(&q.args, c->who);
    vals_int(&q.args, role);
    vals_view(&q.args, s->address);
    vals_view(&q.args, s->original);
    vals_view(&q.args, s->name);
    vals_int(&q.args, param_number(c, "delivery_mode", -1));
    vals_int(&q.args, param_number(c, "delivery_status", -1));
    if (ask_or(c, &q, &e)) {
        struct vals v = vals_of(buf_view(&q.out));
        member_created(c, vals_get_int(&v));
    } else if (e.code == ERR_EXISTS) {
        reply_error(c, 400, "%.*s is already an %s of %.*s", VIEW_ARG(s->address), names[role],
                    VIEW_ARG(s->list));
    } else if (e.code != ERR_OK) {
        reply_refused(c, s, &e, "List posting address cannot be added");
    }
    store_request_done(&q);
}

void member_create(struct call *c) {
    struct subscriber s;
    if (!params_check(c))
        return;
    int64_t role = param_number(c, "role", ROLE_MEMBER - 1) + 1;
    if (!read_subscriber(c, role == ROLE_MEMBER, &s))
        return;
    if (role == ROLE_MEMBER)
        subscribe(c, &s);
    else
        give_role(c, &s, role);
}
