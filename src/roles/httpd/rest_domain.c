/* rest_domain.c: domains: domains, domains/HOST, and the users who own one. */
#include "mail/address.h"
#include "roles/httpd/resources.h"

/* Domain, description and alias domain of the rows of DOMAIN_SHOW. */
struct domain {
    view name, description, alias;
};

static struct domain read_domain(struct vals *v) {
    struct domain d = {.name = vals_get_view(v)};
    for (int i = 0; i < 4; i++)
        (void)vals_get_int(v);
    (void)vals_get_view(v);
    d.description = vals_get_view(v);
    d.alias = vals_get_view(v);
    return d;
}

static json_t *domain_json(struct call *c, const struct domain *d) {
    json_t *o = json_object();
    json_object_set_new(o, "alias_domain", d->alias.len ? json_text(d->alias) : json_null());
    json_object_set_new(o, "description", d->description.len ? json_text(d->description) : json_null());
    json_object_set_new(o, "mail_host", json_text(d->name));
    json_object_set_new(o, "self_link", json_link(c, "domains/%.*s", VIEW_ARG(d->name)));
    return o;
}

static void ask_page(struct store_request *q, view exact, view after) {
    store_request_init(q, OP_DOMAIN_SHOW);
    vals_view(&q->args, exact);
    vals_view(&q->args, after);
    vals_int(&q->args, REST_SLICE);
}

static void domains_ls(struct call *c) {
    json_t *entries = json_array();
    view last = VIEW("");
    bool more = true, ok = params_check(c);
    while (ok && more) {
        struct store_request q;
        ask_page(&q, VIEW(""), last);
        ok = ask(c, &q);
        struct vals v = vals_of(buf_view(&q.out));
        for (more = ok && vals_more(&v); ok && vals_more(&v);) {
            struct domain d = read_domain(&v);
            json_array_append_new(entries, domain_json(c, &d));
            last = arena_view(c->arena, d.name);
        }
        store_request_done(&q);
    }
    if (ok)
        reply_array(c, entries);
    else
        json_decref(entries);
}

/* False: answered with 404. Views are the arena's. */
static bool find(struct call *c, struct domain *ret) {
    struct store_request q;
    view name;
    *ret = (struct domain){.name = VIEW("")};
    if (!domain_normalise(c->variables[0], c->arena, &name, NULL))
        name = c->variables[0];
    ask_page(&q, name, VIEW(""));
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok && vals_more(&v)) {
        struct domain d = read_domain(&v);
        ret->name = arena_view(c->arena, d.name);
        ret->description = arena_view(c->arena, d.description);
        ret->alias = arena_view(c->arena, d.alias);
    } else if (ok) {
        reply_error(c, 404, "404 Not Found");
    }
    store_request_done(&q);
    return ret->name.len > 0;
}

bool find_domain(struct call *c, view name, view *ret_name) {
    struct domain d;
    c->variables[0] = name;
    bool found = find(c, &d);
    *ret_name = d.name;
    return found;
}

static const struct param_spec create_params[] = {
    {"mail_host", .required = true}, {"description"}, {"alias_domain"}, {"owner", PARAM_TEXTS}};

/* Appends the count of owners and their addresses. A form says with an empty one that there is none. */
static bool add_owners(struct call *c, struct buf *args) {
    view *owners, address;
    size_t n = param_texts(c, "owner", &owners);
    if (n == 1 && owners[0].len == 0)
        n = 0;
    vals_int(args, (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        if (!param_address(c, owners[i], &address)) {
            reply_error(c, 400, "Invalid Parameter \"owner\": Invalid email address: %.*s.",
                        VIEW_ARG(owners[i]));
            return false;
        }
        vals_view(args, address);
    }
    return true;
}

static void domain_create(struct call *c) {
    struct store_request q;
    struct err e = {.code = ERR_OK};
    view name;
    if (!params_check(c))
        return;
    if (!domain_normalise(param_text(c, "mail_host"), c->arena, &name, &e)) {
        reply_error(c, 400, "Invalid Parameter \"mail_host\": %s.", e.text);
        return;
    }
    store_request_init(&q, OP_DOMAIN_ADD);
    vals_view(&q.args, name);
    vals_view(&q.args, c->who);
    vals_view(&q.args, param_text(c, "description"));
    vals_view(&q.args, param_text(c, "alias_domain"));
    if (add_owners(c, &q.args)) {
        if (ask_or(c, &q, &e))
            reply_created(c, "domains/%.*s", VIEW_ARG(name));
        else if (e.code == ERR_EXISTS)
            reply_error(c, 400, "Duplicate email host: %.*s", VIEW_ARG(name));
        else if (e.code != ERR_OK)
            reply_error(c, 400, "%s", e.text);
    }
    store_request_done(&q);
}

static void domain_show(struct call *c) {
    struct domain d;
    if (find(c, &d) && params_check(c))
        reply_object(c, 200, domain_json(c, &d));
}

static const struct param_spec change_params[] = {{"alias_domain"}, {"description"}, {"owner", PARAM_TEXTS}};
static const struct param_spec put_params[] = {{"alias_domain", .required = true},
                                               {"description", .required = true},
                                               {"owner", PARAM_TEXTS, .required = true}};

static void domain_change(struct call *c) {
    struct domain d;
    struct store_request q;
    if (!find(c, &d) || !params_check(c))
        return;
    store_request_init(&q, OP_DOMAIN_SET);
    vals_view(&q.args, d.name);
    vals_view(&q.args, c->who);
    vals_view(&q.args, param_given(c, "description") ? param_text(c, "description") : d.description);
    vals_view(&q.args, param_given(c, "alias_domain") ? param_text(c, "alias_domain") : d.alias);
    if (add_owners(c, &q.args) && ask(c, &q)) /* DELETE domains/DOMAIN/owners takes those away there are */
        reply_empty(c);
    store_request_done(&q);
}

/* `look`: what else than lists is in its way is said, and nothing done. False: answered. */
static bool remove_itself(struct call *c, view domain, bool look) {
    struct store_request q;
    store_request_init(&q, OP_DOMAIN_REMOVE);
    vals_view(&q.args, domain);
    vals_view(&q.args, c->who);
    vals_int(&q.args, look);
    bool ok = ask(c, &q);
    store_request_done(&q);
    return ok;
}

/* With its lists, as Mailman does; aliases in it have to go first. */
static void domain_remove(struct call *c) {
    struct domain d;
    if (find(c, &d) && params_check(c) && remove_itself(c, d.name, true) && lists_remove(c, d.name) &&
        remove_itself(c, d.name, false))
        reply_empty(c);
}

static void owners_ls(struct call *c) {
    struct domain d;
    struct store_request q;
    if (!find(c, &d) || !params_check(c))
        return;
    store_request_init(&q, OP_DOMAIN_OWNERS);
    vals_view(&q.args, d.name);
    if (ask(c, &q)) {
        int64_t *ids, start, most;
        size_t n = ids_of(c, buf_view(&q.out), &ids);
        if (page_wanted(c, &start, &most)) {
            size_t first = (size_t)start < n ? (size_t)start : n, shown = n - first;
            if (param_given(c, "count") && shown > (size_t)most)
                shown = (size_t)most;
            reply_rows(c, (int64_t)n, start, ids + first, shown, user_entries);
        }
    }
    store_request_done(&q);
}

static const struct param_spec owner_params[] = {{"owner", PARAM_TEXTS, .required = true}};

static void owners_change(struct call *c) {
    struct domain d;
    struct store_request q;
    if (!find(c, &d) || !params_check(c))
        return;
    store_request_init(&q, OP_DOMAIN_OWNER_SET);
    vals_view(&q.args, d.name);
    vals_view(&q.args, c->who);
    vals_int(&q.args, c->method == METHOD_DELETE);
    if (add_owners(c, &q.args) && ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

static const struct param_spec page_params[] = {PAGE_PARAMS};

static const struct route table[] = {
    {METHOD_GET, "domains", domains_ls, "The domains", PARAMS(page_params)},
    {METHOD_POST, "domains", domain_create, "Make a domain", PARAMS(create_params)},
    {METHOD_GET, "domains/{domain}", domain_show, "A domain"},
    {METHOD_PATCH, "domains/{domain}", domain_change, "Change what is given of a domain",
     PARAMS(change_params)},
    {METHOD_PUT, "domains/{domain}", domain_change, "Change a domain", PARAMS(put_params)},
    {METHOD_DELETE, "domains/{domain}", domain_remove, "Remove a domain and its lists"},
    {METHOD_GET, "domains/{domain}/owners", owners_ls, "The users who own a domain", PARAMS(page_params)},
    {METHOD_POST, "domains/{domain}/owners", owners_change, "Add owners to a domain", PARAMS(owner_params)},
    {METHOD_DELETE, "domains/{domain}/owners", owners_change, "A domain has no owner"},
};
ROUTES(domain_routes, table);
