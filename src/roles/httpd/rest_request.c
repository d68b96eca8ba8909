/* rest_request.c: subscriptions, and ends of them, that wait: lists/ID/requests. */
#include "base/words.h"
#include "mail/list_address.h"
#include "roles/httpd/people.h"
#include "store/moderation.h"
#include "store/subscription.h"

#define OWNER_WORDS "no_one subscriber moderator" /* as enum waits */

struct request_row {
    view token, list, email, name;
    int64_t kind, waits, created;
};

/* Views borrow. */
static struct request_row read_request(struct vals *v) {
    struct request_row r = {.token = vals_get_view(v)};
    r.list = vals_get_view(v);
    r.email = vals_get_view(v);
    r.name = vals_get_view(v);
    r.kind = vals_get_int(v);
    r.waits = vals_get_int(v);
    r.created = vals_get_int(v);
    return r;
}

static json_t *request_json(struct call *c, const struct request_row *r) {
    json_t *o = json_object();
    json_object_set_new(o, "token", json_text(r->token));
    json_object_set_new(o, "type",
                        json_string(r->kind == REQUEST_SUBSCRIBE ? "subscription" : "unsubscription"));
    json_object_set_new(o, "list_id", json_text(list_id_of(r->list, c->arena)));
    json_object_set_new(o, "email", json_text(r->email));
    json_object_set_new(o, "display_name", json_text(r->name));
    json_object_set_new(o, "when", json_time(r->created / 1000 * 1000));
    json_object_set_new(o, "token_owner", json_text(words_at(OWNER_WORDS, r->waits)));
    return o;
}

/* ---- collections ---- */

#define REQUEST_PARAMS                                                                                       \
    {"token_owner", PARAM_WORD, .words = OWNER_WORDS}, {                                                     \
        "request_type", PARAM_WORD, .words = "subscription unsubscription"                                   \
    }
static const struct param_spec ls_params[] = {REQUEST_PARAMS, PAGE_PARAMS};
static const struct param_spec count_params[] = {REQUEST_PARAMS};

static bool ask_requests(struct call *c, struct store_request *q, view list, int64_t start, int64_t most) {
    store_request_init(q, OP_REQUEST_FIND);
    vals_view(&q->args, list);
    vals_int(&q->args, param_number(c, "request_type", 0) + REQUEST_SUBSCRIBE);
    vals_int(&q->args, param_number(c, "token_owner", -1));
    vals_int(&q->args, start);
    vals_int(&q->args, most);
    return ask(c, q);
}

static void requests_ls(struct call *c) {
    struct list_row list;
    if (!find_list(c, c->variables[0], &list) || !params_check(c))
        return;
    json_t *entries = json_array();
    bool ok = true, more = true;
    while (ok && more) {
        struct store_request q;
        ok = ask_requests(c, &q, list.address, (int64_t)json_array_size(entries), REST_SLICE);
        struct vals v = vals_of(buf_view(&q.out));
        (void)vals_get_int(&v);
        for (more = ok && vals_more(&v); ok && vals_more(&v);) {
            struct request_row r = read_request(&v);
            json_array_append_new(entries, request_json(c, &r));
        }
        store_request_done(&q);
    }
    if (ok)
        reply_array(c, entries);
    else
        json_decref(entries);
}

static void requests_count(struct call *c) {
    struct list_row list;
    struct store_request q;
    if (!find_list(c, c->variables[0], &list) || !params_check(c))
        return;
    if (ask_requests(c, &q, list.address, 0, 0)) {
        struct vals v = vals_of(buf_view(&q.out));
        reply_object(c, 200, json_pack("{sI}", "count", (json_int_t)vals_get_int(&v)));
    }
    store_request_done(&q);
}

/* ---- one ---- */

/* False: answered, with 404 when none waits on that list. Views are the arena's. */
static bool find_request(struct call *c, view list, struct request_row *ret) {
    struct store_request q;
    *ret = (struct request_row){0};
    store_request_init(&q, OP_REQUEST_SHOW);
    vals_view(&q.args, c->variables[1]);
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok && vals_more(&v))
        *ret = read_request(&v);
    bool found = ok && view_eq(ret->list, list);
    if (found) {
        view *const texts[] = {&ret->token, &ret->list, &ret->email, &ret->name};
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            *texts[i] = arena_view(c->arena, *texts[i]);
    } else if (ok) {
        reply_error(c, 404, "404 Not Found");
    }
    store_request_done(&q);
    return found;
}

static void request_show(struct call *c) {
    struct list_row list;
    struct request_row r;
    if (find_list(c, c->variables[0], &list) && find_request(c, list.address, &r))
        reply_object(c, 200, request_json(c, &r));
}

/* For the one it waits for. False: answered. */
static bool answer(struct call *c, const struct request_row *r, enum request_answer said) {
    struct store_request q;
    struct err e;
    view reason = param_text(c, "reason");
    store_request_init(&q, r->waits == WAITS_SUBSCRIBER ? OP_REQUEST_CONFIRM : OP_REQUEST_MODERATE);
    vals_view(&q.args, r->token);
    vals_view(&q.args, c->who);
    vals_int(&q.args, said);
    vals_view(&q.args, view_slice(reason, 0, LIMIT_EVENT_TEXT));
    bool ok = ask_or(c, &q, &e);
    store_request_done(&q);
    if (!ok && e.code == ERR_EXISTS)
        reply_error(c, 409, "Already subscribed");
    else if (!ok && e.code != ERR_OK)
        reply_error(c, 404, "404 Not Found"); /* somebody else was faster */
    hurry_letters(c);
    return ok;
}

static const struct param_spec decide_params[] = {
    {"action", PARAM_WORD, .required = true, .words = ACTION_WORDS}, {"reason"}};

static void request_decide(struct call *c) {
    struct list_row list;
    struct request_row r;
    if (!find_list(c, c->variables[0], &list) || !params_check(c) || !find_request(c, list.address, &r))
        return;
    int64_t action = param_number(c, "action", 0) + MODERATION_HOLD;
    if (action == MODERATION_HOLD || action == MODERATION_DEFER ||
        answer(c, &r,
               action == MODERATION_ACCEPT   ? ANSWER_YES
               : action == MODERATION_REJECT ? ANSWER_REJECT
                                             : ANSWER_NO))
        reply_empty(c);
}

static const struct route table[] = {
    {METHOD_GET, "lists/{list}/requests", requests_ls, "What waits on a list", PARAMS(ls_params)},
    {METHOD_GET, "lists/{list}/requests/count", requests_count, "How much waits on a list",
     PARAMS(count_params)},
    {METHOD_GET, "lists/{list}/requests/{token}", request_show, "A subscription, or its end, that waits"},
    {METHOD_POST, "lists/{list}/requests/{token}", request_decide, "Decide about it", PARAMS(decide_params)},
};
ROUTES(request_routes, table);
