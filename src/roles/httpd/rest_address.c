/* rest_address.c: addresses: addresses, addresses/ADDRESS with what belongs to it, the addresses of a user
 * and the one that is preferred. */
#include "roles/httpd/people.h"
#include "store/people.h"

/* ---- reading ---- */

/* Views borrow. */
static struct address_row read_address(struct vals *v) {
    struct address_row a = {.id = vals_get_int(v)};
    a.registered = vals_get_int(v);
    a.verified = vals_get_int(v);
    a.userid = vals_get_int(v);
    a.email = vals_get_view(v);
    a.original = vals_get_view(v);
    a.name = vals_get_view(v);
    return a;
}

json_t *address_json(struct call *c, const struct address_row *a) {
    json_t *o = json_object();
    view user = text_of_id(c, a->userid);
    json_object_set_new(o, "email", json_text(a->email));
    json_object_set_new(o, "original_email", json_text(a->original));
    json_object_set_new(o, "registered_on", json_time(a->registered));
    json_object_set_new(o, "self_link", json_link(c, "addresses/%.*s", VIEW_ARG(a->email)));
    if (a->name.len > 0)
        json_object_set_new(o, "display_name", json_text(a->name));
    if (a->verified > 0)
        json_object_set_new(o, "verified_on", json_time(a->verified));
    json_object_set_new(o, "user", json_link(c, "users/%.*s", VIEW_ARG(user)));
    return o;
}

bool address_entries(struct call *c, const int64_t *ids, size_t count) {
    struct store_request q;
    bool ok = ask_ids(c, &q, OP_ADDRESS_GET, ids, count);
    for (struct vals v = vals_of(buf_view(&q.out)); ok && vals_more(&v);) {
        struct address_row a = read_address(&v);
        entry_add(c, address_json(c, &a));
    }
    store_request_done(&q);
    return ok;
}

/* What the request asked for, which it ends. */
static bool take_address(struct call *c, struct store_request *q, bool ok, struct address_row *ret) {
    struct vals v = vals_of(buf_view(&q->out));
    bool found = ok && vals_more(&v);
    if (found) {
        *ret = read_address(&v);
        ret->email = arena_view(c->arena, ret->email);
        ret->original = arena_view(c->arena, ret->original);
        ret->name = arena_view(c->arena, ret->name);
    } else if (ok) {
        reply_error(c, 404, "404 Not Found");
    }
    store_request_done(q);
    return found;
}

bool find_address(struct call *c, view text, struct address_row *ret) {
    struct store_request q;
    store_request_init(&q, OP_ADDRESS_GET);
    vals_int(&q.args, 0);
    vals_view(&q.args, address_of_text(c, text));
    return take_address(c, &q, ask(c, &q), ret);
}

bool find_address_of_id(struct call *c, int64_t id, struct address_row *ret) {
    struct store_request q;
    bool ok = ask_ids(c, &q, OP_ADDRESS_GET, &id, 1);
    return take_address(c, &q, ok, ret);
}

static const struct param_spec page_params[] = {PAGE_PARAMS};

static void reply_addresses(struct call *c, int64_t userid) {
    struct buf args = BUF_INIT(64);
    struct found f;
    vals_int(&args, userid);
    if (params_check(c) && find_ids(c, OP_ADDRESS_FIND, buf_view(&args), &f))
        reply_found(c, &f, address_entries);
    buf_done(&args);
}

static void addresses_ls(struct call *c) {
    reply_addresses(c, 0);
}

/* ---- one ---- */

static void address_show(struct call *c) {
    struct address_row a;
    if (find_address(c, c->variables[0], &a))
        reply_object(c, 200, address_json(c, &a));
}

static const struct param_spec change_params[] = {{"display_name", .required = true}};

static void address_change(struct call *c) {
    struct address_row a;
    struct store_request q;
    if (!find_address(c, c->variables[0], &a) || !params_check(c))
        return;
    store_request_init(&q, OP_ADDRESS_SET);
    vals_view(&q.args, c->who);
    vals_view(&q.args, a.email);
    vals_view(&q.args, param_text(c, "display_name"));
    if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

static void address_remove(struct call *c) {
    struct address_row a;
    struct store_request q;
    if (!find_address(c, c->variables[0], &a))
        return;
    store_request_init(&q, OP_USER_REMOVE);
    vals_view(&q.args, c->who);
    vals_view(&q.args, a.email);
    if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

/* Whatever is given beside; what is so already stays as it is. */
static void set_verified(struct call *c, bool verified) {
    struct address_row a;
    struct store_request q;
    if (!find_address(c, c->variables[0], &a))
        return;
    if ((a.verified > 0) == verified) {
        reply_empty(c);
        return;
    }
    store_request_init(&q, OP_USER_VERIFY);
    vals_view(&q.args, c->who);
    vals_view(&q.args, a.email);
    vals_int(&q.args, verified);
    if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

static void address_verify(struct call *c) {
    set_verified(c, true);
}

static void address_unverify(struct call *c) {
    set_verified(c, false);
}

static const struct param_spec memberships_params[] = {MEMBERS_PARAMS};

static void memberships_ls(struct call *c) {
    struct member_wish w = ANY_MEMBER;
    struct address_row a;
    if (!find_address(c, c->variables[0], &a) || !params_check(c))
        return;
    w.how = FIND_BY_ADDRESS;
    w.text = a.email;
    members_reply(c, &w);
}

/* ---- of a user ---- */

static void user_addresses_ls(struct call *c) {
    struct user_row u;
    if (find_user(c, c->variables[0], &u))
        reply_addresses(c, u.id);
}

static const struct param_spec add_params[] = {
    {"email", .required = true}, {"display_name"}, {"absorb_existing", PARAM_BOOL}};

static void user_address_add(struct call *c) {
    struct user_row u;
    struct store_request q;
    view address, given = view_trim(param_text(c, "email"));
    if (!find_user(c, c->variables[0], &u) || !params_check(c))
        return;
    if (!param_address(c, given, &address)) {
        reply_error(c, 400, "Invalid email address");
        return;
    }
    store_request_init(&q, OP_ADDRESS_ADD);
    vals_view(&q.args, c->who);
    vals_int(&q.args, u.id);
    vals_view(&q.args, address);
    vals_view(&q.args, given);
    vals_view(&q.args, param_text(c, "display_name"));
    vals_int(&q.args, param_number(c, "absorb_existing", 0));
    if (ask(c, &q))
        reply_created(c, "addresses/%.*s", VIEW_ARG(address));
    store_request_done(&q);
}

static void preferred_show(struct call *c) {
    struct user_row u;
    struct address_row a;
    if (!find_user(c, c->variables[0], &u))
        return;
    if (u.preferred == 0)
        reply_error(c, 404, "404 Not Found");
    else if (find_address_of_id(c, u.preferred, &a))
        reply_object(c, 200, address_json(c, &a));
}

static const struct param_spec prefer_params[] = {{"email", .required = true}};

/* One that is nobody else's becomes the user's first. False: answered. */
static bool take_over(struct call *c, const struct user_row *u, const struct address_row *a) {
    struct store_request q;
    struct err e;
    if (a->userid == u->id)
        return true;
    store_request_init(&q, OP_ADDRESS_ADD);
    vals_view(&q.args, c->who);
    vals_int(&q.args, u->id);
    vals_view(&q.args, a->email);
    vals_view(&q.args, a->original);
    vals_view(&q.args, a->name);
    vals_int(&q.args, 0);
    bool ok = ask_or(c, &q, &e);
    if (!ok && e.code == ERR_EXISTS)
        reply_error(c, 400, "%.*s%s%.*s%s", VIEW_ARG(a->name), a->name.len ? " <" : "", VIEW_ARG(a->original),
                    a->name.len ? ">" : "");
    else if (!ok && e.code != ERR_OK)
        reply_error(c, 400, "%s", e.text);
    store_request_done(&q);
    return ok;
}

static void preferred_set(struct call *c) {
    struct user_row u;
    struct address_row a;
    struct store_request q;
    view address, given = param_text(c, "email");
    if (!find_user(c, c->variables[0], &u) || !params_check(c))
        return;
    if (!param_address(c, given, &address)) {
        reply_error(c, 400, "Invalid Parameter \"email\": Expected a valid email address, got %.*s.",
                    VIEW_ARG(given));
        return;
    }
    if (!find_address(c, address, &a)) {
        if (c->status == 404)
            reply_error(c, 400, "Address does not exist: %.*s", VIEW_ARG(given));
        return;
    }
    if (a.verified == 0) {
        reply_error(c, 400, "%.*s%s%.*s%s must be verified before setting as primary", VIEW_ARG(a.name),
                    a.name.len ? " <" : "", VIEW_ARG(a.original), a.name.len ? ">" : "");
        return;
    }
    if (!take_over(c, &u, &a))
        return;
    store_request_init(&q, OP_USER_PREFER);
    vals_view(&q.args, c->who);
    vals_view(&q.args, a.email);
    if (ask(c, &q))
        reply_created(c, "addresses/%.*s", VIEW_ARG(a.email));
    store_request_done(&q);
}

static void preferred_unset(struct call *c) {
    struct user_row u;
    struct store_request q;
    if (!find_user(c, c->variables[0], &u))
        return;
    if (u.preferred == 0) {
        reply_error(c, 404, "404 Not Found");
        return;
    }
    store_request_init(&q, OP_USER_UNPREFER);
    vals_view(&q.args, c->who);
    vals_int(&q.args, u.id);
    if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

static const struct route table[] = {
    {METHOD_GET, "addresses", addresses_ls, "The addresses", PARAMS(page_params)},
    {METHOD_GET, "addresses/{address}", address_show, "An address"},
    {METHOD_PATCH, "addresses/{address}", address_change, "Change the name at an address",
     PARAMS(change_params)},
    {METHOD_DELETE, "addresses/{address}", address_remove, "Forget an address, with its memberships"},
    {METHOD_POST, "addresses/{address}/verify", address_verify, "It is proven to be its user's"},
    {METHOD_POST, "addresses/{address}/unverify", address_unverify, "It is not proven to be its user's"},
    {METHOD_GET, "addresses/{address}/memberships", memberships_ls, "The memberships of an address",
     PARAMS(memberships_params)},
    {METHOD_GET, "users/{user}/addresses", user_addresses_ls, "The addresses of a user", PARAMS(page_params)},
    {METHOD_POST, "users/{user}/addresses", user_address_add, "Add an address to a user", PARAMS(add_params)},
    {METHOD_GET, "users/{user}/preferred_address", preferred_show, "The address a user prefers"},
    {METHOD_POST, "users/{user}/preferred_address", preferred_set, "Prefer an address",
     PARAMS(prefer_params)},
    {METHOD_DELETE, "users/{user}/preferred_address", preferred_unset, "Prefer none"},
};
ROUTES(address_routes, table);
