/* rest_header_match.c: fields of the header that decide about posts: lists/LIST/header-matches. */
#include "base/words.h"
#include "roles/httpd/resources.h"
#include "store/moderation.h"

/* Of enum moderation, without DEFAULT. */
#define ACTION_WORDS "hold reject discard accept defer"

struct match {
    int64_t position, action;
    view header, pattern, tag;
};

static struct match read_match(struct vals *v) {
    struct match m = {.position = vals_get_int(v)};
    m.header = vals_get_view(v);
    m.pattern = vals_get_view(v);
    m.action = vals_get_int(v);
    m.tag = vals_get_view(v);
    return m;
}

static json_t *match_json(struct call *c, const struct list_row *list, const struct match *m) {
    json_t *o = json_object();
    json_object_set_new(o, "position", json_integer(m->position));
    json_object_set_new(o, "header", json_text(arena_lower(c->arena, m->header)));
    json_object_set_new(o, "pattern", json_text(m->pattern));
    json_object_set_new(
        o, "self_link",
        json_link(c, "lists/%.*s/header-matches/%lld", VIEW_ARG(list->list_id), (long long)m->position));
    if (m->action != MODERATION_DEFAULT)
        json_object_set_new(o, "action", json_text(words_at(MODERATION_WORDS, m->action)));
    if (m->tag.len > 0)
        json_object_set_new(o, "tag", json_text(m->tag));
    return o;
}

/* ---- looking ---- */

/* What is asked for; -1 and empty: any. */
struct wanted {
    int64_t position, action;
    view header, tag;
};

static bool fits(const struct wanted *w, const struct match *m) {
    return (w->position < 0 || w->position == m->position) && (w->action < 0 || w->action == m->action) &&
           (w->header.len == 0 || view_eq_nocase(w->header, m->header)) &&
           (w->tag.len == 0 || view_eq(w->tag, m->tag));
}

/* NULL: answered. */
static json_t *matches_of(struct call *c, const struct list_row *list, const struct wanted *w) {
    struct store_request q;
    store_request_init(&q, OP_HEADER_MATCH_LS);
    vals_view(&q.args, list->address);
    json_t *found = ask(c, &q) ? json_array() : NULL;
    struct vals v = vals_of(buf_view(&q.out));
    while (found && vals_more(&v)) {
        struct match m = read_match(&v);
        if (fits(w, &m))
            json_array_append_new(found, match_json(c, list, &m));
    }
    store_request_done(&q);
    return found;
}

static const struct wanted any = {.position = -1, .action = -1};

static void matches_ls(struct call *c) {
    struct list_row list;
    if (!find_list(c, c->variables[0], &list) || !params_check(c))
        return;
    json_t *found = matches_of(c, &list, &any);
    if (found)
        reply_array(c, found);
}

static const struct param_spec find_params[] = {
    {"header"}, {"action", PARAM_WORD, .words = ACTION_WORDS}, {"tag"}, PAGE_PARAMS};

static void matches_find(struct call *c) {
    struct list_row list;
    if (!find_list(c, c->variables[0], &list) || !params_check(c))
        return;
    int64_t action = param_number(c, "action", -1);
    json_t *found = matches_of(c, &list,
                               &(struct wanted){.position = -1,
                                                .action = action < 0 ? -1 : action + MODERATION_HOLD,
                                                .header = param_text(c, "header"),
                                                .tag = param_text(c, "tag")});
    if (found && json_array_size(found) == 0) {
        json_decref(found);
        reply_error(c, 404, "Cound not find any HeaderMatch for provided search options.");
    } else if (found) {
        reply_array(c, found);
    }
}

static bool find_position(struct call *c, int64_t *ret) {
    if (view_to_i64(c->variables[1], ret) && *ret >= 0)
        return true;
    reply_title(c, 404);
    return false;
}

static void no_match(struct call *c, int64_t position) {
    reply_error(c, 404, "No header match at this position: %lld", (long long)position);
}

static void match_show(struct call *c) {
    struct list_row list;
    struct wanted w = any;
    if (!find_list(c, c->variables[0], &list) || !find_position(c, &w.position) || !params_check(c))
        return;
    json_t *found = matches_of(c, &list, &w);
    if (found && json_array_size(found) == 0)
        no_match(c, w.position);
    else if (found)
        reply_object(c, 200, json_incref(json_array_get(found, 0)));
    json_decref(found);
}

/* ---- changing ---- */

/* The action given, as enum moderation; blank: DEFAULT; none: -1. */
static int64_t action_given(struct call *c) {
    if (!param_given(c, "action"))
        return -1;
    return param_text(c, "action").len == 0 ? MODERATION_DEFAULT
                                            : param_number(c, "action", 0) + MODERATION_HOLD;
}

/* Sends it; a refusal is answered in Mailman's words where it has any. */
static bool send(struct call *c, struct store_request *q, int64_t position) {
    struct err e;
    if (ask_or(c, q, &e))
        return true;
    if (e.code == ERR_EXISTS)
        reply_error(c, 400, "This header match already exists");
    else if (e.code == ERR_NOT_FOUND)
        no_match(c, position);
    else if (e.code != ERR_OK)
        reply_error(c, 400, "%s", e.text);
    return false;
}

static const struct param_spec add_params[] = {
    {"header", .required = true},
    {"pattern", PARAM_REGEX, .required = true},
    {"action", PARAM_WORD, .words = ACTION_WORDS, .blank = true},
    {"tag"},
};

static void match_add(struct call *c) {
    struct list_row list;
    struct store_request q;
    if (!find_list(c, c->variables[0], &list) || !params_check(c))
        return;
    int64_t action = action_given(c);
    store_request_init(&q, OP_HEADER_MATCH_ADD);
    vals_view(&q.args, list.address);
    vals_view(&q.args, c->who);
    vals_view(&q.args, arena_lower(c->arena, param_text(c, "header")));
    vals_view(&q.args, param_text(c, "pattern"));
    vals_int(&q.args, action < 0 ? MODERATION_DEFAULT : action);
    vals_view(&q.args, param_text(c, "tag"));
    if (send(c, &q, 0)) {
        struct vals v = vals_of(buf_view(&q.out));
        long long position = vals_get_int(&v);
        reply_created(c, "lists/%.*s/header-matches/%lld", VIEW_ARG(list.list_id), position);
    }
    store_request_done(&q);
}

static const struct param_spec patch_params[] = {
    {"header"},
    {"pattern", PARAM_REGEX},
    {"position", PARAM_NUMBER},
    {"action", PARAM_WORD, .words = ACTION_WORDS, .blank = true},
    {"tag"},
};

static const struct param_spec put_params[] = {
    {"header", .required = true},
    {"pattern", PARAM_REGEX, .required = true},
    {"position", PARAM_NUMBER},
    {"action", PARAM_WORD, .words = ACTION_WORDS, .blank = true},
    {"tag"},
};

static void match_change(struct call *c) {
    struct list_row list;
    struct store_request q;
    int64_t position;
    if (!find_list(c, c->variables[0], &list) || !find_position(c, &position) || !params_check(c))
        return;
    store_request_init(&q, OP_HEADER_MATCH_SET);
    vals_view(&q.args, list.address);
    vals_view(&q.args, c->who);
    vals_int(&q.args, position);
    vals_view(&q.args, arena_lower(c->arena, param_text(c, "header")));
    vals_view(&q.args, param_text(c, "pattern"));
    vals_int(&q.args, action_given(c));
    vals_int(&q.args, param_given(c, "tag"));
    vals_view(&q.args, arena_lower(c->arena, param_text(c, "tag")));
    vals_int(&q.args, param_number(c, "position", -1));
    if (send(c, &q, position))
        reply_empty(c);
    store_request_done(&q);
}

static void remove_match(struct call *c, const struct list_row *list, int64_t position) {
    struct store_request q;
    store_request_init(&q, OP_HEADER_MATCH_REMOVE);
    vals_view(&q.args, list->address);
    vals_view(&q.args, c->who);
    vals_int(&q.args, position);
    if (send(c, &q, position))
        reply_empty(c);
    store_request_done(&q);
}

static void match_remove(struct call *c) {
    struct list_row list;
    int64_t position;
    if (find_list(c, c->variables[0], &list) && find_position(c, &position) && params_check(c))
        remove_match(c, &list, position);
}

static void matches_clear(struct call *c) {
    struct list_row list;
    if (find_list(c, c->variables[0], &list) && params_check(c))
        remove_match(c, &list, -1);
}

static const struct param_spec page_params[] = {PAGE_PARAMS};
#define MATCHES "lists/{list}/header-matches"

static const struct route table[] = {
    {METHOD_GET, MATCHES, matches_ls, "The header matches of a list, in their order", PARAMS(page_params)},
    {METHOD_POST, MATCHES, match_add, "Add a header match behind the others", PARAMS(add_params)},
    {METHOD_DELETE, MATCHES, matches_clear, "Remove every header match"},
    {METHOD_GET, MATCHES "/find", matches_find, "Header matches by what they say", PARAMS(find_params)},
    {METHOD_POST, MATCHES "/find", matches_find, "Header matches by what they say", PARAMS(find_params)},
    {METHOD_GET, MATCHES "/{position}", match_show, "A header match"},
    {METHOD_PATCH, MATCHES "/{position}", match_change, "Change what is given of a header match, or move it",
     PARAMS(patch_params)},
    {METHOD_PUT, MATCHES "/{position}", match_change, "Change a header match", PARAMS(put_params)},
    {METHOD_DELETE, MATCHES "/{position}", match_remove, "Remove a header match"},
};
ROUTES(header_match_routes, table);
