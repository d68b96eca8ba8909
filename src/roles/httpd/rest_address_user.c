/* rest_address_user.c: whose an address is: addresses/ADDRESS/user. Every address has a user here; one of
 * whom nothing is known but that address counts as nobody, where Mailman has none. */
#include "roles/httpd/people.h"

/* Whom the address is to belong to. */
struct link {
    int64_t userid; /* 0: a user of its own, of whom the request says the rest */
    view kept;
    bool replace;
};

static bool link_address(struct call *c, view address, const struct link *l, int64_t *ret_id) {
    struct store_request q;
    struct err e;
    store_request_init(&q, OP_ADDRESS_LINK);
    vals_view(&q.args, c->who);
    vals_view(&q.args, address);
    vals_int(&q.args, l->userid);
    vals_view(&q.args, param_text(c, "display_name"));
    vals_view(&q.args, l->kept);
    vals_int(&q.args, param_number(c, "is_server_owner", 0));
    vals_int(&q.args, l->replace);
    bool ok = ask_or(c, &q, &e);
    struct vals v = vals_of(buf_view(&q.out));
    *ret_id = ok ? vals_get_int(&v) : 0;
    if (!ok && e.code == ERR_NOT_FOUND)
        reply_error(c, 404, "404 Not Found");
    else if (!ok && e.code != ERR_OK)
        reply_error(c, e.code == ERR_EXISTS ? 409 : 400, "%s",
                    e.code == ERR_EXISTS ? "409 Conflict" : e.text);
    store_request_done(&q);
    return ok;
}

static void user_show(struct call *c) {
    struct address_row a;
    struct user_row u;
    if (find_address(c, c->variables[0], &a) && find_user_of_id(c, a.userid, &u))
        reply_object(c, 200, user_json(c, &u));
}

static void user_unlink(struct call *c) {
    struct address_row a;
    struct link l = {.kept = VIEW(""), .replace = true};
    int64_t id;
    if (find_address(c, c->variables[0], &a) && link_address(c, a.email, &l, &id))
        reply_empty(c);
}

static const struct param_spec post_params[] = {{"display_name"},
                                                {"password"},
                                                {"is_server_owner", PARAM_BOOL},
                                                {"user_id"},
                                                {"auto_create", PARAM_BOOL}};
static const struct param_spec put_params[] = {
    {"display_name"}, {"password"}, {"is_server_owner", PARAM_BOOL}, {"user_id"}, {"email"}};

/* The user that the request names by number. False: answered, `missing` where there is none. */
static bool read_user_id(struct call *c, int missing, int64_t *ret) {
    view text = param_text(c, "user_id");
    struct user_row u;
    if (!id_of_text(c, text, ret)) {
        reply_error(c, 400, "Invalid Parameter \"user_id\": %s.",
                    c->old ? "invalid literal for int()" : "badly formed hexadecimal UUID string");
        return false;
    }
    if (find_user_of_id(c, *ret, &u))
        return true;
    if (c->status == 404)
        reply_error(c, missing, "No user with ID %.*s", VIEW_ARG(text));
    return false;
}

/* 200 without a body. */
static void reply_done(struct call *c) {
    unanswer(c);
    c->status = 200;
}

static void link_to_given(struct call *c, view address, bool replace) {
    struct link l = {.kept = VIEW(""), .replace = replace};
    int64_t id;
    if (read_user_id(c, replace ? 404 : 400, &l.userid) && link_address(c, address, &l, &id))
        reply_done(c);
}

static void link_to_new(struct call *c, view address, bool replace) {
    struct link l = {.replace = replace};
    int64_t id;
    if (!password_given(c, "password", &l.kept) || !link_address(c, address, &l, &id))
        return;
    view text = text_of_id(c, id);
    reply_created(c, "users/%.*s", VIEW_ARG(text));
}

/* It belongs to nobody yet. */
static bool is_free(struct call *c, const struct address_row *a) {
    struct user_row u;
    struct store_request q;
    if (!find_user_of_id(c, a->userid, &u))
        return false;
    store_request_init(&q, OP_ADDRESS_FIND);
    vals_int(&q.args, u.id);
    vals_int(&q.args, 0);
    vals_int(&q.args, 1);
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    int64_t count = ok ? vals_get_int(&v) : 0;
    store_request_done(&q);
    if (ok && (count > 1 || u.name.len > 0 || u.password.len > 0 || u.server_owner || u.preferred)) {
        reply_error(c, 409, "409 Conflict");
        return false;
    }
    return ok;
}

static void user_link(struct call *c) {
    struct address_row a;
    if (!find_address(c, c->variables[0], &a) || !is_free(c, &a) || !params_check(c))
        return;
    if (param_given(c, "user_id"))
        link_to_given(c, a.email, false);
    else if (param_number(c, "auto_create", 1))
        link_to_new(c, a.email, false);
    else
        reply_error(c, 403, "403 Forbidden");
}

/* A new user with another address, whose this one becomes, too. */
static void link_to_named(struct call *c, const struct address_row *a) {
    struct link l = {.replace = true};
    struct store_request q;
    struct err e;
    view email, kept;
    int64_t id;
    if (!param_address(c, param_text(c, "email"), &email)) {
        reply_error(c, 400, "Invalid email address %.*s", VIEW_ARG(param_text(c, "email")));
        return;
    }
    if (!password_given(c, "password", &kept))
        return;
    store_request_init(&q, OP_USER_MAKE);
    vals_view(&q.args, c->who);
    vals_view(&q.args, email);
    vals_view(&q.args, param_text(c, "email"));
    vals_view(&q.args, param_text(c, "display_name"));
    vals_view(&q.args, kept);
    vals_int(&q.args, param_number(c, "is_server_owner", 0));
    bool ok = ask_or(c, &q, &e);
    struct vals v = vals_of(buf_view(&q.out));
    l.userid = ok ? vals_get_int(&v) : 0;
    l.kept = VIEW("");
    if (!ok && e.code != ERR_OK)
        reply_error(c, 400, "User already exists: %.*s", VIEW_ARG(param_text(c, "email")));
    store_request_done(&q);
    if (ok && link_address(c, a->email, &l, &id)) {
        view text = text_of_id(c, id);
        reply_created(c, "users/%.*s", VIEW_ARG(text));
    }
}

static void user_put(struct call *c) {
    struct address_row a;
    if (!find_address(c, c->variables[0], &a) || !params_check(c))
        return;
    if (param_given(c, "user_id"))
        link_to_given(c, a.email, true);
    else if (param_given(c, "email"))
        link_to_named(c, &a);
    else
        link_to_new(c, a.email, true);
}

static const struct route table[] = {
    {METHOD_GET, "addresses/{address}/user", user_show, "The user of an address"},
    {METHOD_POST, "addresses/{address}/user", user_link, "Give an address that is nobody's to a user",
     PARAMS(post_params)},
    {METHOD_PUT, "addresses/{address}/user", user_put, "Give an address to a user", PARAMS(put_params)},
    {METHOD_DELETE, "addresses/{address}/user", user_unlink, "An address is its user's no more"},
};
ROUTES(address_user_routes, table);
