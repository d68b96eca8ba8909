/* rest_user.c: users: users, users/find, users/ID by number or address, owners of the server. */
#include <stdio.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/password.h"
#include "roles/httpd/people.h"
#include "store/people.h"

/* ---- reading ---- */

/* Views borrow. */
static struct user_row read_user(struct vals *v) {
    struct user_row u = {.id = vals_get_int(v)};
    u.created = vals_get_int(v);
    u.server_owner = vals_get_int(v);
    u.preferred = vals_get_int(v);
    u.name = vals_get_view(v);
    u.password = vals_get_view(v);
    return u;
}

json_t *user_json(struct call *c, const struct user_row *u) {
    json_t *o = json_object();
    view id = text_of_id(c, u->id);
    json_object_set_new(o, "created_on", json_time(u->created));
    json_object_set_new(o, "is_server_owner", json_boolean(u->server_owner));
    json_object_set_new(o, "self_link", json_link(c, "users/%.*s", VIEW_ARG(id)));
    json_object_set_new(o, "user_id", json_id(c, u->id));
    if (u->password.len > 0)
        json_object_set_new(o, "password", json_text(u->password));
    if (u->name.len > 0)
        json_object_set_new(o, "display_name", json_text(u->name));
    return o;
}

bool user_entries(struct call *c, const int64_t *ids, size_t count) {
    struct store_request q;
    bool ok = ask_ids(c, &q, OP_USER_GET, ids, count);
    for (struct vals v = vals_of(buf_view(&q.out)); ok && vals_more(&v);) {
        struct user_row u = read_user(&v);
        entry_add(c, user_json(c, &u));
    }
    store_request_done(&q);
    return ok;
}

bool find_user_of_id(struct call *c, int64_t id, struct user_row *ret) {
    struct store_request q;
    bool ok = ask_ids(c, &q, OP_USER_GET, &id, 1);
    struct vals v = vals_of(buf_view(&q.out));
    bool found = ok && vals_more(&v);
    if (found) {
        *ret = read_user(&v);
        ret->name = arena_view(c->arena, ret->name);
        ret->password = arena_view(c->arena, ret->password);
    } else if (ok) {
        reply_error(c, 404, "404 Not Found");
    }
    store_request_done(&q);
    return found;
}

bool find_user(struct call *c, view name, struct user_row *ret) {
    struct address_row address;
    int64_t id;
    if (view_find(name, '@') >= 0)
        return find_address(c, name, &address) && find_user_of_id(c, address.userid, ret);
    if (id_of_text(c, name, &id))
        return find_user_of_id(c, id, ret);
    reply_error(c, 404, "404 Not Found");
    return false;
}

/* ---- collections ---- */

static void reply_users(struct call *c, enum find_user how, view pattern) {
    struct buf args = BUF_INIT(4 * LIMIT_SMTP_LINE);
    struct found f;
    vals_int(&args, how);
    vals_view(&args, pattern);
    if (args.failed)
        reply_rows(c, 0, 0, NULL, 0, user_entries); /* so long a text is nobody's */
    else if (find_ids(c, OP_USER_FIND, buf_view(&args), &f))
        reply_found(c, &f, user_entries);
    buf_done(&args);
}

static const struct param_spec page_params[] = {PAGE_PARAMS};

static void users_ls(struct call *c) {
    if (params_check(c))
        reply_users(c, FIND_USER_ANY, VIEW(""));
}

static void owners_ls(struct call *c) {
    if (params_check(c))
        reply_users(c, FIND_USER_OWNER, VIEW(""));
}

static const struct param_spec find_params[] = {{"q", .required = true}, PAGE_PARAMS};

static void users_find(struct call *c) {
    if (params_check(c))
        reply_users(c, FIND_USER_TEXT, pattern_of(c, param_text(c, "q"), false));
}

/* ---- what is said of one ---- */

bool password_given(struct call *c, const char *param, view *ret_kept) {
    char kept[PASSWORD_KEPT], random[33];
    struct err e;
    view password = param_text(c, param);
    if (!param_given(c, param)) {
        random_hex(16, random);
        password = view_of(random);
    }
    if (!password_keep(password, kept, &e)) {
        reply_error(c, 400, "Invalid Parameter \"%s\": %s.", param, e.text);
        return false;
    }
    *ret_kept = arena_view(c->arena, view_of(kept));
    return true;
}

static const struct param_spec create_params[] = {
    {"email", .required = true}, {"display_name"}, {"password"}, {"is_server_owner", PARAM_BOOL}};

static void user_create(struct call *c) {
    struct store_request q;
    struct err e;
    view address, kept, given = view_trim(param_text(c, "email"));
    if (!params_check(c))
        return;
    if (!param_address(c, given, &address)) {
        reply_error(c, 400, "Invalid email address %.*s", VIEW_ARG(given));
        return;
    }
    if (!password_given(c, "password", &kept))
        return;
    store_request_init(&q, OP_USER_MAKE);
    vals_view(&q.args, c->who);
    vals_view(&q.args, address);
    vals_view(&q.args, given);
    vals_view(&q.args, param_text(c, "display_name"));
    vals_view(&q.args, kept);
    vals_int(&q.args, param_number(c, "is_server_owner", 0));
    if (ask_or(c, &q, &e)) {
        struct vals v = vals_of(buf_view(&q.out));
        view id = text_of_id(c, vals_get_int(&v));
        reply_created(c, "users/%.*s", VIEW_ARG(id));
    } else if (e.code == ERR_EXISTS) {
        reply_error(c, 400, "User already exists: %.*s", VIEW_ARG(address));
    } else if (e.code != ERR_OK) {
        reply_error(c, 400, "%s", e.text);
    }
    store_request_done(&q);
}

static void user_show(struct call *c) {
    struct user_row u;
    if (find_user(c, c->variables[0], &u))
        reply_object(c, 200, user_json(c, &u));
}

static const struct param_spec patch_params[] = {
    {"cleartext_password"}, {"display_name"}, {"is_server_owner", PARAM_BOOL}};
static const struct param_spec put_params[] = {{"cleartext_password", .required = true},
                                               {"display_name", .required = true},
                                               {"is_server_owner", PARAM_BOOL, .required = true}};

/* PATCH has other words for what is not known. */
static bool attributes_are_known(struct call *c) {
    for (size_t i = 0; i < c->given_count; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof patch_params / sizeof patch_params[0]; k++)
            known = known || view_eq(c->given[i].name, view_of(patch_params[k].name));
        if (!known) {
            reply_error(c, 400, "Unknown attribute: %.*s", VIEW_ARG(c->given[i].name));
            return false;
        }
    }
    return true;
}

static void user_change(struct call *c) {
    struct user_row u;
    struct store_request q;
    view kept = VIEW("");
    if (!find_user(c, c->variables[0], &u) || (c->method == METHOD_PATCH && !attributes_are_known(c)) ||
        !params_check(c))
        return;
    bool word = param_given(c, "cleartext_password");
    if (word && !password_given(c, "cleartext_password", &kept))
        return;
    store_request_init(&q, OP_USER_SET);
    vals_view(&q.args, c->who);
    vals_int(&q.args, u.id);
    vals_int(&q.args, (word ? USER_PASSWORD : 0) | (param_given(c, "display_name") ? USER_NAME : 0) |
                          (param_given(c, "is_server_owner") ? USER_SERVER_OWNER : 0));
    vals_view(&q.args, param_text(c, "display_name"));
    vals_view(&q.args, kept);
    vals_int(&q.args, param_number(c, "is_server_owner", 0));
    if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

static void user_remove(struct call *c) {
    struct user_row u;
    struct store_request q;
    if (!find_user(c, c->variables[0], &u))
        return;
    store_request_init(&q, OP_USER_FORGET);
    vals_view(&q.args, c->who);
    vals_int(&q.args, u.id);
    if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

static const struct param_spec login_params[] = {{"cleartext_password", .required = true}};

static void user_login(struct call *c) {
    struct user_row u;
    if (!find_user(c, c->variables[0], &u) || !params_check(c))
        return;
    if (password_is(param_text(c, "cleartext_password"), u.password))
        reply_empty(c);
    else
        reply_error(c, 403, "403 Forbidden");
}

static const struct route table[] = {
    {METHOD_GET, "users", users_ls, "The users", PARAMS(page_params)},
    {METHOD_POST, "users", user_create, "Make a user, with an address", PARAMS(create_params)},
    {METHOD_GET, "users/find", users_find, "Users whose name, or an address of theirs, has a text in it",
     PARAMS(find_params)},
    {METHOD_GET, "users/{user}", user_show, "A user, by number or address"},
    {METHOD_PATCH, "users/{user}", user_change, "Change what is given of a user", PARAMS(patch_params)},
    {METHOD_PUT, "users/{user}", user_change, "Change a user", PARAMS(put_params)},
    {METHOD_DELETE, "users/{user}", user_remove, "Forget a user, with all addresses and memberships"},
    {METHOD_POST, "users/{user}/login", user_login, "Whether that is the user's password",
     PARAMS(login_params)},
    {METHOD_GET, "owners", owners_ls, "The users who own the server", PARAMS(page_params)},
};
ROUTES(user_routes, table);
