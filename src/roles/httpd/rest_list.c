/* rest_list.c: lists: lists, lists/find, lists/styles, lists/LIST-ID, and those of a domain. */
#include <poll.h>

#include <string.h>

#include "base/words.h"
#include "lists/style.h"
#include "mail/list_address.h"
#include "roles/httpd/resources.h"

bool find_list(struct call *c, view name, struct list_row *ret) {
    struct store_request q;
    if (!view_is_utf8(name)) {
        reply_title(c, 404);
        return false;
    }
    store_request_init(&q, OP_LIST_SHOW);
    vals_view(&q.args, arena_lower(c->arena, name));
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    bool found = ok && vals_more(&v);
    if (found) {
        ret->id = vals_get_int(&v);
        ret->address = arena_view(c->arena, vals_get_view(&v));
        ret->archive = arena_view(c->arena, vals_get_view(&v));
        int64_t *const numbers[] = {&ret->class,  &ret->created, &ret->posts,      &ret->last_post,
                                    &ret->volume, &ret->issue,   &ret->digest_sent};
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
            *numbers[i] = vals_get_int(&v);
        ret->list_id = list_id_of(ret->address, c->arena);
    } else if (ok) {
        reply_title(c, 404);
    }
    store_request_done(&q);
    return found;
}

/* The list the path names, where it is all that is asked for: Mailman says more then when it is not there. */
static bool find_this(struct call *c, struct list_row *ret) {
    bool found = find_list(c, c->variables[0], ret);
    if (!found && c->status == 404)
        reply_error(c, 404, "404 Not Found");
    return found;
}

/* ---- what a list says of itself ---- */

static json_t *list_json(struct call *c, struct vals *v) {
    (void)vals_get_int(v);
    view address = vals_get_view(v);
    int64_t members = vals_get_int(v), volume = vals_get_int(v), advertised = vals_get_int(v);
    view called = vals_get_view(v), description = vals_get_view(v), list_id = list_id_of(address, c->slice);
    struct address parts = address_split(address);
    if (called.len == 0)
        called = list_name_for_people(address, c->slice);
    json_t *o = json_object();
    json_object_set_new(o, "advertised", json_boolean(advertised));
    json_object_set_new(o, "display_name", json_text(called));
    json_object_set_new(o, "fqdn_listname", json_text(address));
    json_object_set_new(o, "list_id", json_text(list_id));
    json_object_set_new(o, "list_name", json_text(parts.local));
    json_object_set_new(o, "mail_host", json_text(parts.domain));
    json_object_set_new(o, "member_count", json_integer(members));
    json_object_set_new(o, "volume", json_integer(volume));
    json_object_set_new(o, "description", json_text(description));
    json_object_set_new(o, "self_link", json_link(c, "lists/%.*s", VIEW_ARG(list_id)));
    return o;
}

static bool ask_rows(struct call *c, struct store_request *q, const int64_t *ids, size_t count,
                     struct err *e) {
    store_request_init(q, OP_LIST_ROWS);
    vals_int(&q->args, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        vals_int(&q->args, ids[i]);
    return store_call(c->role->store, q, e);
}

/* A list that was deleted since its id was read is left out. */
static bool list_entries(struct call *c, const int64_t *ids, size_t count) {
    enum { ENOUGH = 50 }; /* with descriptions of LIMIT_SETTING_LINE octets an answer has room for them */
    bool ok = true;
    for (size_t done = 0; ok && done < count; done += ENOUGH) {
        struct store_request q;
        struct err e;
        ok = ask_rows(c, &q, ids + done, count - done < ENOUGH ? count - done : ENOUGH, &e);
        for (struct vals v = vals_of(buf_view(&q.out)); ok && vals_more(&v);)
            entry_add(c, list_json(c, &v));
        store_request_done(&q);
    }
    return ok;
}

static void list_show(struct call *c) {
    struct list_row list;
    struct store_request q;
    struct err e;
    if (!find_this(c, &list))
        return;
    bool ok = ask_rows(c, &q, &list.id, 1, &e);
    struct vals v = vals_of(buf_view(&q.out));
    if (!ok)
        reply_error(c, 503, "%s", e.text);
    else if (!vals_more(&v))
        reply_title(c, 404);
    else
        reply_object(c, 200, list_json(c, &v));
    store_request_done(&q);
}

/* ---- collections ---- */

/* As Mailman's framework reads it: also "t", "y" and nothing at all. */
static bool read_advertised(struct call *c, bool *ret) {
    view value = param_text(c, "advertised");
    *ret = param_given(c, "advertised") &&
           (value.len == 0 || view_eq(value, VIEW("t")) || view_eq(value, VIEW("y")));
    if (!param_given(c, "advertised") || *ret || view_eq(value, VIEW("f")) || view_eq(value, VIEW("n")) ||
        param_bool(value, ret))
        return true;
    reply_object(c, 400,
                 json_pack("{ssss}", "title", "Invalid parameter", "description",
                           "The \"advertised\" parameter is invalid. The value of the parameter must be "
                           "\"true\" or \"false\"."));
    return false;
}

/* Ids come in pieces: an answer of the store is of limited size. */
static void collect(struct call *c, view domain, bool advertised, int64_t start, int64_t most) {
    enum { PIECE = 20000 };
    int64_t total = 0, *ids = NULL;
    size_t count = 0;
    bool ok = true, more = true;
    while (ok && more) {
        struct store_request q;
        int64_t left = most - (int64_t)count, *piece;
        store_request_init(&q, OP_LIST_IDS);
        vals_view(&q.args, domain);
        vals_int(&q.args, advertised);
        vals_int(&q.args, start + (int64_t)count);
        vals_int(&q.args, left < PIECE ? left : PIECE);
        ok = ask(c, &q);
        size_t n = ok ? ids_of(c, buf_view(&q.out), &piece) : 0; /* the first of them is no id */
        store_request_done(&q);
        more = n > PIECE && left > PIECE;
        if (n == 0)
            break;
        total = piece[0];
        int64_t *all = arena_array(c->arena, int64_t, count + n);
        ok = all != NULL;
        if (ok && count > 0)
            memcpy(all, ids, count * sizeof *all);
        if (ok)
            memcpy(all + count, piece + 1, (n - 1) * sizeof *all);
        ids = all;
        count += n - 1;
    }
    if (ok && c->status == 0)
        reply_rows(c, total, start, ids, count, list_entries);
}

static bool lists_in(struct call *c, view domain) {
    int64_t start, most;
    bool advertised;
    if (!read_advertised(c, &advertised) || !page_wanted(c, &start, &most))
        return false;
    collect(c, domain, advertised, start, most > 0 || param_given(c, "count") ? most : INT32_MAX);
    return true;
}

static void lists_ls(struct call *c) {
    lists_in(c, VIEW(""));
}

static void lists_of_domain(struct call *c) {
    struct store_request q;
    view domain;
    if (!domain_normalise(c->variables[0], c->arena, &domain, NULL)) {
        reply_title(c, 404);
        return;
    }
    store_request_init(&q, OP_DOMAIN_SHOW);
    vals_view(&q.args, domain);
    vals_view(&q.args, VIEW(""));
    vals_int(&q.args, 1);
    bool ok = ask(c, &q), there = q.out.len > 0;
    store_request_done(&q);
    if (ok && there)
        lists_in(c, domain);
    else if (ok)
        reply_title(c, 404);
}

static const struct param_spec find_params[] = {
    {"subscriber", .required = true},
    {"role", PARAM_WORD, .words = "member owner moderator nonmember"},
    PAGE_PARAMS};

static void lists_find(struct call *c) {
    struct store_request q;
    view address = VIEW(""), subscriber = param_text(c, "subscriber");
    int64_t user = 0, start, most, *ids;
    if (!params_check(c))
        return;
    if (!id_of_text(c, subscriber, &user) && !param_address(c, subscriber, &address)) {
        reply_error(c, 400, "Invalid Parameter \"subscriber\": .");
        return;
    }
    if (!page_wanted(c, &start, &most))
        return;
    store_request_init(&q, OP_LIST_OF);
    vals_view(&q.args, address);
    vals_int(&q.args, user);
    vals_int(&q.args, param_number(c, "role", -1) + 1); /* enum role; 0: any */
    if (ask(c, &q)) {
        size_t n = ids_of(c, buf_view(&q.out), &ids), first = (size_t)start < n ? (size_t)start : n;
        size_t shown = n - first;
        if (param_given(c, "count") && (size_t)most < shown)
            shown = (size_t)most;
        if (n == 0)
            reply_error(c, 404, "404 Not Found");
        else
            reply_rows(c, (int64_t)n, start, ids + first, shown, list_entries);
    }
    store_request_done(&q);
}

static void styles_show(struct call *c) {
    json_t *names = json_array(), *styles = json_array();
    for (size_t i = 0; i < list_style_count; i++) {
        json_array_append_new(names, json_string(list_styles[i].name));
        json_array_append_new(styles, json_pack("{ssss}", "name", list_styles[i].name, "description",
                                                list_styles[i].description));
    }
    reply_object(
        c, 200, json_pack("{sososs}", "style_names", names, "styles", styles, "default", LIST_STYLE_DEFAULT));
}

/* ---- making and removing ---- */

static const struct param_spec create_params[] = {{"fqdn_listname", .required = true}, {"style_name"}};

/* Names of lists are tighter than addresses: programs make file names and links of them. */
static bool is_list_name(view local) {
    for (size_t i = 0; i < local.len; i++)
        if (!ascii_is_alnum(local.ptr[i]) && !strchr("-_.+=!$*{}~", local.ptr[i]))
            return false;
    return true;
}

static bool check_name(struct call *c, view given, view *ret) {
    if (!param_address(c, given, ret)) {
        reply_error(c, 400, "Invalid list posting address: %.*s", VIEW_ARG(given));
        return false;
    }
    view local = address_split(*ret).local;
    if (is_list_name(local))
        return true;
    reply_error(c, 400, "Invalid list name: %.*s", VIEW_ARG(local));
    return false;
}

static void say_why_not(struct call *c, view address, const struct err *e) {
    bool alias = view_search(view_of(e->text), VIEW("alias")) >= 0;
    if (e->code == ERR_EXISTS && !alias)
        reply_error(c, 400, "Mailing list exists");
    else if (e->code == ERR_NOT_FOUND)
        reply_error(c, 400, "Domain does not exist: %.*s", VIEW_ARG(address_split(address).domain));
    else if (e->code != ERR_OK)
        reply_error(c, 400, "%s", e->text);
}

static void list_create(struct call *c) {
    struct store_request q;
    struct err e;
    view address;
    if (!params_check(c) || !check_name(c, param_text(c, "fqdn_listname"), &address))
        return;
    const struct list_style *style = list_style_find(
        param_given(c, "style_name") ? param_text(c, "style_name") : VIEW(LIST_STYLE_DEFAULT));
    if (!style) {
        reply_error(c, 400, "No such style: %.*s", VIEW_ARG(param_text(c, "style_name")));
        return;
    }
    store_request_init(&q, OP_LIST_CREATE);
    vals_view(&q.args, address);
    vals_view(&q.args, VIEW(""));
    vals_view(&q.args, VIEW(""));
    vals_view(&q.args, view_of(style->archive));
    vals_int(&q.args, style->class);
    vals_view(&q.args, c->who);
    list_style_add(style, address, c->arena, &q.args);
    if (ask_or(c, &q, &e))
        reply_created(c, "lists/%.*s", VIEW_ARG(list_id_of(address, c->arena)));
    else
        say_why_not(c, address, &e);
    store_request_done(&q);
}

/* Clients delete a list right behind its last post: what is under way goes first, for a little. */
enum { UNDER_WAY_TRIES = 100, UNDER_WAY_MS = 100 };

static bool remove_slice(struct call *c, struct store_request *q) {
    struct err e = {.code = ERR_OK};
    bool ok = store_call(c->role->store, q, &e);
    for (int tries = 0; !ok && e.code == ERR_CONFLICT && tries < UNDER_WAY_TRIES; tries++) {
        poll(NULL, 0, UNDER_WAY_MS);
        ok = store_call(c->role->store, q, &e);
    }
    return ok || ask(c, q);
}

static bool remove_list(struct call *c, view address) {
    bool done = false, ok = true;
    while (ok && !done) {
        struct store_request q;
        store_request_init(&q, OP_LIST_DELETE);
        vals_view(&q.args, address);
        vals_view(&q.args, c->who);
        ok = remove_slice(c, &q);
        struct vals v = vals_of(buf_view(&q.out));
        (void)vals_get_int(&v);
        done = ok && vals_get_int(&v) != 0;
        store_request_done(&q);
    }
    return ok;
}

bool lists_remove(struct call *c, view domain) {
    view tail = arena_printf(c->arena, "@%.*s", VIEW_ARG(domain)), last = VIEW("");
    bool ok = true, more = true;
    while (ok && more) {
        struct store_request q;
        store_request_init(&q, OP_LIST_NAMES);
        vals_view(&q.args, last);
        vals_int(&q.args, REST_SLICE);
        ok = ask(c, &q);
        struct vals v = vals_of(buf_view(&q.out));
        for (more = ok && vals_more(&v); ok && vals_more(&v);) {
            last = arena_view(c->arena, vals_get_view(&v));
            if (view_ends_with(last, tail))
                ok = remove_list(c, last);
        }
        store_request_done(&q);
    }
    return ok;
}

static void list_remove(struct call *c) {
    struct list_row list;
    if (find_this(c, &list) && remove_list(c, list.address))
        reply_empty(c);
}

static const struct param_spec ls_params[] = {{"advertised"}, PAGE_PARAMS};

static const struct route table[] = {
    {METHOD_GET, "lists", lists_ls, "The lists", PARAMS(ls_params)},
    {METHOD_POST, "lists", list_create, "Make a list", PARAMS(create_params)},
    {METHOD_GET, "lists/find", lists_find, "The lists somebody is on", PARAMS(find_params)},
    {METHOD_POST, "lists/find", lists_find, "The lists somebody is on", PARAMS(find_params)},
    {METHOD_GET, "lists/styles", styles_show, "What a new list can be like"},
    {METHOD_GET, "lists/{list}", list_show, "A list"},
    {METHOD_DELETE, "lists/{list}", list_remove, "Remove a list"},
    {METHOD_GET, "domains/{domain}/lists", lists_of_domain, "The lists of a domain", PARAMS(ls_params)},
};
ROUTES(list_routes, table);
