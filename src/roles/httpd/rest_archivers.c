/* rest_archivers.c: archivers a list uses, as programs know them, and its digests. This server's archive is
 * ruled by archive_policy; which of Mailman's archivers are on is kept, and decides nothing. */
#include "roles/httpd/list_attribute.h"

enum { ARCHIVER_COUNT = 3 };

static const struct param_spec archiver_params[ARCHIVER_COUNT] = {
    {"mail-archive"}, {"mhonarc"}, {"prototype"}};

static bool is_off(view off, const char *name) {
    view line;
    while (view_split(&off, '\n', &line))
        if (view_eq(line, view_of(name)))
            return true;
    return false;
}

static void archivers_show(struct call *c) {
    struct list_config config;
    if (!list_config_read(c, &config))
        return;
    json_t *o = json_object();
    for (size_t i = 0; i < ARCHIVER_COUNT; i++)
        json_object_set_new(
            o, archiver_params[i].name,
            json_boolean(!is_off(config.values[LIST_SETTING_ARCHIVERS_OFF], archiver_params[i].name)));
    reply_object(c, 200, o);
}

/* The names of those that are off from now on, one a line. False: answered. */
static bool read_off(struct call *c, view was, view *ret) {
    *ret = VIEW("");
    for (size_t i = 0; i < ARCHIVER_COUNT; i++) {
        const char *name = archiver_params[i].name;
        bool on = !is_off(was, name);
        if (param_given(c, name) && !param_bool(param_text(c, name), &on)) {
            reply_error(c, 400, "Invalid boolean value: %.*s", VIEW_ARG(param_text(c, name)));
            return false;
        }
        if (!on)
            *ret = arena_printf(c->arena, "%.*s%s%s", VIEW_ARG(*ret), ret->len ? "\n" : "", name);
    }
    return true;
}

static void archivers_change(struct call *c) {
    struct param_spec specs[ARCHIVER_COUNT];
    struct list_config config;
    struct store_request q;
    view off;
    for (size_t i = 0; i < ARCHIVER_COUNT; i++) {
        specs[i] = archiver_params[i];
        specs[i].required = c->method == METHOD_PUT;
    }
    if (!list_config_read(c, &config) || !params_check_specs(c, specs, ARCHIVER_COUNT) ||
        !read_off(c, config.values[LIST_SETTING_ARCHIVERS_OFF], &off))
        return;
    store_request_init(&q, OP_SETTING_SET);
    vals_view(&q.args, config.list.address);
    vals_view(&q.args, c->who);
    vals_int(&q.args, 1);
    vals_view(&q.args, view_of(list_setting_name(LIST_SETTING_ARCHIVERS_OFF)));
    vals_int(&q.args, SETTING_REPLACE);
    vals_view(&q.args, off);
    if (view_eq(off, config.values[LIST_SETTING_ARCHIVERS_OFF]) || ask(c, &q))
        reply_empty(c);
    store_request_done(&q);
}

/* ---- digests ---- */

static void digest_show(struct call *c) {
    struct list_row list;
    if (find_list(c, c->variables[0], &list))
        reply_object(c, 200,
                     json_pack("{sIsI}", "next_digest_number", (json_int_t)list.issue, "volume",
                               (json_int_t)list.volume));
}

static const struct param_spec digest_params[] = {
    {"send", PARAM_BOOL}, {"bump", PARAM_BOOL}, {"periodic", PARAM_BOOL}};

static bool change_digest(struct call *c, enum op op, view address) {
    struct store_request q;
    store_request_init(&q, op);
    vals_view(&q.args, address);
    vals_view(&q.args, c->who);
    bool ok = ask(c, &q);
    store_request_done(&q);
    hint_send(c->role->config->dir, "router");
    return ok;
}

/* An empty answer: nothing was asked for, or it is taken on. */
static void reply_bare(struct call *c, int status) {
    reply_empty(c);
    c->status = status;
}

static void digest_change(struct call *c) {
    struct list_row list;
    if (!find_list(c, c->variables[0], &list) || !params_check(c))
        return;
    bool send = param_number(c, "send", 0) != 0, periodic = param_number(c, "periodic", 0) != 0;
    if (send && periodic)
        reply_error(c, 400, "send and periodic options are mutually exclusive");
    else if (c->given_count == 0)
        reply_bare(c, 200);
    else if ((!param_number(c, "bump", 0) || change_digest(c, OP_LIST_BUMP, list.address)) &&
             (!(send || periodic) || change_digest(c, OP_DIGEST_ASK, list.address)))
        reply_bare(c, 202);
}

static const struct route table[] = {
    {METHOD_GET, "lists/{list}/archivers", archivers_show, "The archivers of a list"},
    {METHOD_PUT, "lists/{list}/archivers", archivers_change, "Switch the archivers of a list on or off",
     PARAMS(archiver_params)},
    {METHOD_PATCH, "lists/{list}/archivers", archivers_change, "Switch archivers of a list on or off",
     PARAMS(archiver_params)},
    {METHOD_GET, "lists/{list}/digest", digest_show, "The number of a list's next digest"},
    {METHOD_POST, "lists/{list}/digest", digest_change, "Close a digest, or have it sent",
     PARAMS(digest_params)},
};
ROUTES(archiver_routes, table);
