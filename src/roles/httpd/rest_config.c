/* rest_config.c: what a list is told: lists/LIST-ID/config and its attributes. All that one request changes
 * is one operation. What is given and counts already is left as it is: a program that sends back all it has
 * read does not make a list deaf to the settings around it. */
#include <stdlib.h>
#include <string.h>

#include "roles/httpd/list_attribute.h"

static void config_show(struct call *c) {
    struct list_config config;
    const struct attribute *only = NULL;
    if (c->variables[1].len > 0 && !(only = attribute_find(c->variables[1]))) {
        struct list_row list;
        if (find_list(c, c->variables[0], &list))
            reply_error(c, 404, "Unknown attribute: %.*s", VIEW_ARG(c->variables[1]));
        return;
    }
    if (!list_config_read(c, &config))
        return;
    json_t *o = json_object();
    for (size_t i = 0; i < ATTRIBUTE_COUNT_ALL; i++)
        if (!only || only == &list_attributes[i])
            json_object_set_new(o, list_attributes[i].name, attribute_json(c, &config, &list_attributes[i]));
    reply_object(c, 200, o);
}

/* ---- what is given ---- */

/* Names, each once, to be said in their order. */
struct names {
    view of[128];
    size_t count;
};

static void name_add(struct names *n, view name) {
    for (size_t i = 0; i < n->count; i++)
        if (view_eq(n->of[i], name))
            return;
    if (n->count < sizeof n->of / sizeof n->of[0])
        n->of[n->count++] = name;
}

static int compare_names(const void *a, const void *b) {
    return view_cmp(*(const view *)a, *(const view *)b);
}

static view names_join(struct call *c, struct names *n, const char *between) {
    view joined = VIEW("");
    qsort(n->of, n->count, sizeof n->of[0], compare_names);
    for (size_t i = 0; i < n->count; i++)
        joined = arena_printf(c->arena, "%.*s%s%.*s", VIEW_ARG(joined), i ? between : "", VIEW_ARG(n->of[i]));
    return joined;
}

/* What of a request is taken. */
struct changes {
    const struct attribute *only; /* the one attribute the path names; NULL: any */
    struct names unexpected, wrong;
    view late;
    view values[ATTRIBUTE_COUNT_ALL];
    bool given[ATTRIBUTE_COUNT_ALL];
};

static void read_one(struct call *c, view name, struct changes *ret) {
    const struct attribute *a = attribute_find(name);
    if (!a || a->kind == ATTRIBUTE_READ_ONLY || (ret->only && a != ret->only)) {
        name_add(&ret->unexpected, name);
        return;
    }
    size_t at = (size_t)(a - list_attributes);
    if (ret->given[at])
        return;
    ret->given[at] = true;
    view value;
    switch (attribute_read(c, a, &value)) {
    case ATTRIBUTE_TAKEN:
        ret->values[at] = value;
        return;
    case ATTRIBUTE_WRONG:
        name_add(&ret->wrong, arena_printf(c->arena, "Invalid Parameter \"%s\": %.*s.", a->name,
                                           VIEW_ARG(view_slice(value, 0, LIMIT_ERR_TEXT))));
        return;
    case ATTRIBUTE_UNKNOWN:
        name_add(&ret->unexpected, name);
        return;
    case ATTRIBUTE_LATE:
        ret->late = value;
        return;
    }
}

/* False: answered. `all`: everything that can be written has to be there. */
static bool read_changes(struct call *c, bool all, struct changes *ret) {
    struct names missing = {.count = 0};
    for (size_t i = 0; i < c->given_count; i++)
        read_one(c, c->given[i].name, ret);
    for (size_t i = 0; i < ATTRIBUTE_COUNT_ALL; i++) {
        const struct attribute *a = &list_attributes[i];
        bool wanted = ret->only ? a == ret->only : all;
        if (wanted && a->kind != ATTRIBUTE_READ_ONLY && !ret->given[i])
            name_add(&missing, view_of(a->name));
    }
    if (ret->unexpected.count > 0)
        reply_error(c, 400, "Unexpected parameters: %.*s", VIEW_ARG(names_join(c, &ret->unexpected, ", ")));
    else if (ret->wrong.count > 0)
        reply_error(c, 400, "%.*s", VIEW_ARG(names_join(c, &ret->wrong, " ")));
    else if (all && missing.count > 0)
        reply_error(c, 400, "Missing Parameter: %.*s", VIEW_ARG(names_join(c, &missing, ", ")));
    else if (ret->late.len > 0)
        reply_error(c, 400, "%.*s", VIEW_ARG(ret->late));
    return c->status == 0;
}

/* ---- making it so ---- */

static int64_t add_settings(const struct list_config *config, const struct changes *changes,
                            struct buf *out) {
    int64_t count = 0;
    for (size_t i = 0; i < ATTRIBUTE_COUNT_ALL; i++) {
        const struct attribute *a = &list_attributes[i];
        if (!changes->given[i] || a->kind == ATTRIBUTE_ARCHIVE)
            continue;
        enum list_setting s = attribute_setting(a);
        if (view_eq(changes->values[i], config->values[s]))
            continue;
        vals_view(out, view_of(a->name));
        vals_int(out, SETTING_REPLACE);
        vals_view(out, changes->values[i]);
        count++;
    }
    return count;
}

static void make_changes(struct call *c, const struct list_config *config, const struct changes *changes) {
    struct store_request q;
    struct buf settings = BUF_INIT(LIMIT_STORE_PACKET);
    view archive = changes->values[ATTRIBUTE_AT_archive_policy];
    bool moved = changes->given[ATTRIBUTE_AT_archive_policy] && !view_eq(archive, config->list.archive);
    int64_t count = add_settings(config, changes, &settings);
    store_request_init(&q, OP_LIST_SET);
    vals_view(&q.args, config->list.address);
    vals_view(&q.args, c->who);
    vals_view(&q.args, moved ? archive : VIEW(""));
    vals_int(&q.args, count);
    buf_add(&q.args, buf_view(&settings));
    if (settings.failed || q.args.failed)
        reply_error(c, 400, "More is given than can be changed at once");
    else if ((count == 0 && !moved) || ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
    buf_done(&settings);
}

static void change(struct call *c, const struct attribute *only, bool all) {
    struct list_config *config = arena_new(c->arena, struct list_config);
    struct changes *changes = arena_new(c->arena, struct changes);
    if (!config || !changes || !list_config_read(c, config))
        return;
    changes->only = only;
    if (read_changes(c, all, changes))
        make_changes(c, config, changes);
}

/* ---- methods ---- */

/* The list is there, and so is the attribute that the path names, *ret (NULL: it names none). */
static bool find_attribute(struct call *c, const struct attribute **ret) {
    struct list_row list;
    *ret = NULL;
    if (c->variables[1].len == 0)
        return true; /* the list is looked for when it is read */
    if (!find_list(c, c->variables[0], &list))
        return false;
    *ret = attribute_find(c->variables[1]);
    if (!*ret)
        reply_error(c, 404, "Unknown attribute: %.*s", VIEW_ARG(c->variables[1]));
    return *ret != NULL;
}

static void config_put(struct call *c) {
    const struct attribute *a;
    if (!find_attribute(c, &a))
        return;
    if (a && a->kind == ATTRIBUTE_READ_ONLY)
        reply_error(c, 400, "Read-only attribute: %s", a->name);
    else
        change(c, a, true);
}

/* The first name that is nothing to change decides. */
static bool check_patched(struct call *c, const struct attribute *only) {
    for (size_t i = 0; i < c->given_count; i++) {
        const struct attribute *a = attribute_find(c->given[i].name);
        if (!a || (only && a != only)) {
            reply_error(c, 400, "Unknown attribute: %.*s", VIEW_ARG(c->given[i].name));
            return false;
        }
        if (a->kind == ATTRIBUTE_READ_ONLY) {
            reply_error(c, 400, "Read-only attribute: %s", a->name);
            return false;
        }
    }
    return true;
}

static void config_patch(struct call *c) {
    const struct attribute *a;
    struct names names = {.count = 0};
    struct list_row list;
    for (size_t i = 0; i < c->given_count; i++)
        name_add(&names, c->given[i].name);
    if (c->variables[1].len > 0 && names.count > 1) {
        if (find_list(c, c->variables[0], &list))
            reply_error(c, 400, "Expected 1 attribute, got %zu", names.count);
        return;
    }
    if (!find_attribute(c, &a) || (!a && !find_list(c, c->variables[0], &list)) || !check_patched(c, a))
        return;
    change(c, a, false);
}

static void config_delete(struct call *c) {
    struct list_config *config = arena_new(c->arena, struct list_config);
    struct changes *changes = arena_new(c->arena, struct changes);
    const struct attribute *a = attribute_find(c->variables[1]);
    if (!config || !changes || !list_config_read(c, config))
        return;
    if (c->variables[1].len == 0) {
        reply_error(c, 400, "Cannot delete the list configuration itself");
    } else if (!a || a->kind == ATTRIBUTE_READ_ONLY) {
        reply_error(c, 400, "Read-only attribute: %.*s", VIEW_ARG(c->variables[1]));
    } else if (a->kind != ATTRIBUTE_ALIASES) {
        reply_error(c, 400, "Attribute cannot be DELETEd: %s", a->name);
    } else {
        changes->given[ATTRIBUTE_AT_acceptable_aliases] = true;
        make_changes(c, config, changes);
    }
}

static const struct route table[] = {
    {METHOD_GET, "lists/{list}/config", config_show, "What a list is told"},
    {METHOD_PUT, "lists/{list}/config", config_put, "Tell a list everything"},
    {METHOD_PATCH, "lists/{list}/config", config_patch, "Tell a list what is given"},
    {METHOD_DELETE, "lists/{list}/config", config_delete, "Refused"},
    {METHOD_GET, "lists/{list}/config/{attribute}", config_show, "One thing a list is told"},
    {METHOD_PUT, "lists/{list}/config/{attribute}", config_put, "Tell a list one thing"},
    {METHOD_PATCH, "lists/{list}/config/{attribute}", config_patch, "Tell a list one thing"},
    {METHOD_DELETE, "lists/{list}/config/{attribute}", config_delete, "Take acceptable_aliases back"},
};
ROUTES(config_routes, table);
