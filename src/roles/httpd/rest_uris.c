/* rest_uris.c: where the texts are that people get: uris of the site, of a domain, of a list. */
#include "roles/httpd/resources.h"
#include "store/template.h"

#define CREDENTIALS                                                                                          \
    {"username"}, {                                                                                          \
        "password"                                                                                           \
    }
/* What a request may give, of all names and (PUT) with all of them. */
#define TEMPLATE(name, variables) {name},
static const struct param_spec patch_params[] = {
    CREDENTIALS,
#include "store/template.def"
};
#undef TEMPLATE
#define TEMPLATE(name, variables) {name, .required = true},
static const struct param_spec put_params[] = {
    CREDENTIALS,
#include "store/template.def"
};
#undef TEMPLATE
enum { BEFORE_NAMES = 2, NAMES = sizeof patch_params / sizeof patch_params[0] - BEFORE_NAMES };

/* Whose they are. */
struct place {
    view scope;       /* of the store */
    view prefix;      /* of links, with a slash at the end, or empty */
    size_t skip;      /* names at the beginning that it has not */
    const char *name; /* the one of the path, or NULL */
};

static const char *name_at(size_t i) {
    return patch_params[BEFORE_NAMES + i].name;
}

static bool find_name(struct call *c, view name, struct place *p) {
    for (size_t i = p->skip; i < NAMES; i++)
        if (view_eq(name, view_of(name_at(i))))
            p->name = name_at(i);
    if (!p->name)
        reply_title(c, 404);
    return p->name;
}

static bool find_scope(struct call *c, view path, struct place *p) {
    struct list_row list;
    view domain;
    if (view_starts_with(path, VIEW("lists/"))) {
        if (!find_list(c, c->variables[0], &list))
            return false;
        p->scope = list.address;
        p->prefix = arena_printf(c->arena, "lists/%.*s/", VIEW_ARG(list.list_id));
        p->skip = 1;
    } else if (view_starts_with(path, VIEW("domains/"))) {
        if (!find_domain(c, c->variables[0], &domain))
            return false;
        p->scope = arena_printf(c->arena, "@%.*s", VIEW_ARG(domain));
        p->prefix = arena_printf(c->arena, "domains/%.*s/", VIEW_ARG(domain));
    }
    return true;
}

/* False: answered. */
static bool find(struct call *c, struct place *p) {
    view path = view_of(c->route->path);
    *p = (struct place){.scope = VIEW(""), .prefix = VIEW("")};
    if (c->old) {
        reply_title(c, 404);
        return false;
    }
    view name = c->variables[!view_starts_with(path, VIEW("uris"))];
    return find_scope(c, path, p) && (!view_ends_with(path, VIEW("{name}")) || find_name(c, name, p));
}

/* ---- looking ---- */

static json_t *link_to(struct call *c, const struct place *p, view name) {
    return json_link(c, "%.*suris%s%.*s", VIEW_ARG(p->prefix), name.len ? "/" : "", VIEW_ARG(name));
}

/* NULL: programs are not shown it, since it has no URI, or is for people of one language only. */
static json_t *template_json(struct call *c, const struct place *p, struct vals *v) {
    view name = vals_get_view(v), language = vals_get_view(v), uri = vals_get_view(v);
    view username = vals_get_view(v), password = vals_get_view(v);
    vals_get_int(v); /* how long it is, */
    vals_get_int(v); /* and when it came */
    if (uri.len == 0 || language.len > 0)
        return NULL;
    json_t *o = json_object();
    json_object_set_new(o, "uri", json_text(uri));
    if (!p->name)
        json_object_set_new(o, "name", json_text(name));
    json_object_set_new(o, "self_link", link_to(c, p, name));
    if (username.len > 0 && !p->name) {
        json_object_set_new(o, "username", json_text(username));
        json_object_set_new(o, "password", json_text(password));
    }
    return o;
}

static bool is_named(const struct place *p, struct vals v) {
    return !p->name || view_eq(vals_get_view(&v), view_of(p->name));
}

/* NULL: answered. */
static json_t *templates_of(struct call *c, const struct place *p) {
    struct store_request q;
    store_request_init(&q, OP_TEMPLATE_LS);
    vals_view(&q.args, p->scope);
    json_t *found = ask(c, &q) ? json_array() : NULL;
    struct vals v = vals_of(buf_view(&q.out));
    while (found && vals_more(&v)) {
        bool wanted = is_named(p, v);
        json_t *one = template_json(c, p, &v);
        if (wanted && one)
            json_array_append(found, one);
        json_decref(one);
    }
    store_request_done(&q);
    return found;
}

static void uris_ls(struct call *c) {
    struct place p;
    if (!find(c, &p) || !params_check(c))
        return;
    json_t *found = templates_of(c, &p);
    c->self_link = arena_printf(c->arena, "%.*suris", VIEW_ARG(p.prefix));
    if (found)
        reply_array(c, found);
}

static void uri_show(struct call *c) {
    struct place p;
    if (!find(c, &p) || !params_check(c))
        return;
    json_t *found = templates_of(c, &p);
    if (found && json_array_size(found) == 0)
        reply_error(c, 404, "404 Not Found");
    else if (found)
        reply_object(c, 200, json_incref(json_array_get(found, 0)));
    json_decref(found);
}

/* ---- changing ---- */

/* What this place has of the names, with user name and password. */
static bool check_given(struct call *c, const struct place *p) {
    struct param_spec *specs = arena_array(c->arena, struct param_spec, BEFORE_NAMES + NAMES);
    size_t n = 0;
    if (!specs)
        return false;
    const struct param_spec *from = c->method == METHOD_PUT ? put_params : patch_params;
    for (size_t i = 0; i < BEFORE_NAMES + NAMES; i++) {
        bool is_name = i >= BEFORE_NAMES;
        bool known =
            !is_name || (i >= BEFORE_NAMES + p->skip && (!p->name || p->name == name_at(i - BEFORE_NAMES)));
        if (known)
            specs[n++] = from[i];
    }
    if (!params_check_specs(c, specs, n))
        return false;
    if ((param_text(c, "username").len > 0) == (param_text(c, "password").len > 0))
        return true;
    reply_error(c, 400, "Specify both username and password, or neither");
    return false;
}

static void set(struct call *c, const struct place *p, bool all_away) {
    struct store_request q;
    int64_t count = 0;
    struct buf templates = BUF_INIT(LIMIT_STORE_PACKET);
    for (size_t i = p->skip; i < NAMES; i++) {
        const char *name = name_at(i);
        if (all_away ? p->name && p->name != name : !param_given(c, name))
            continue;
        count++;
        view uri = all_away ? VIEW("") : param_text(c, name);
        vals_view(&templates, view_of(name));
        vals_view(&templates, VIEW("")); /* in any language */
        vals_int(&templates, uri.len ? TEMPLATE_BY_URI : TEMPLATE_REMOVE);
        vals_view(&templates, uri);
        vals_view(&templates, param_text(c, "username"));
        vals_view(&templates, param_text(c, "password"));
    }
    store_request_init(&q, OP_TEMPLATE_SET);
    vals_view(&q.args, p->scope);
    vals_view(&q.args, c->who);
    vals_int(&q.args, count);
    buf_add(&q.args, buf_view(&templates));
    if (templates.failed || q.args.failed)
        reply_error(c, 413, "Too much is given");
    else if (ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
    buf_done(&templates);
}

static void uris_set(struct call *c) {
    struct place p;
    if (find(c, &p) && check_given(c, &p))
        set(c, &p, false);
}

static void uris_remove(struct call *c) {
    struct place p;
    if (find(c, &p) && params_check(c))
        set(c, &p, true);
}

static const struct param_spec page_params[] = {PAGE_PARAMS};
#define ROWS(path, whose)                                                                                    \
    {METHOD_GET, path, uris_ls, "Where texts are that " whose " have of their own", PARAMS(page_params)},    \
        {METHOD_PATCH, path, uris_set, "Say where some of the texts are", PARAMS(patch_params)},             \
        {METHOD_PUT, path, uris_set, "Say where every text is", PARAMS(put_params)},                         \
        {METHOD_DELETE, path, uris_remove, "No text of their own any more"},                                 \
        {METHOD_GET, path "/{name}", uri_show, "Where a text is"},                                           \
        {METHOD_PATCH, path "/{name}", uris_set, "Say where a text is", PARAMS(patch_params)},               \
        {METHOD_PUT, path "/{name}", uris_set, "Say where a text is", PARAMS(patch_params)}, {               \
        METHOD_DELETE, path "/{name}", uris_remove, "The text is no longer of their own"                     \
    }

static const struct route table[] = {ROWS("uris", "all lists"),
                                     ROWS("domains/{domain}/uris", "lists of a domain"),
                                     ROWS("lists/{list}/uris", "members of a list")};
ROUTES(uri_routes, table);
