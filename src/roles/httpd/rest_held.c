/* rest_held.c: posts that wait for a moderator: lists/LIST/held. */
#include "base/clock.h"
#include "lists/held_letter.h"
#include "mail/header.h"
#include "roles/httpd/resources.h"
#include "store/message.h"
#include "store/moderation.h"

/* Of enum moderation, without DEFAULT. */
#define ACTION_WORDS "hold reject discard accept defer"

enum { MESSAGE_MOST = 128 * 1024 * 1024, FORWARDS_MOST = 50 };

struct held {
    int64_t id, since, message, size;
    view list, sender, subject, rule, reason, msgid;
};

/* The row, whose texts `q` holds until the caller ends it. False: the store says why in *ret_e, or it is
 * answered. */
static bool read_held(struct call *c, int64_t id, struct store_request *q, struct held *ret,
                      struct err *ret_e) {
    store_request_init(q, OP_HELD_SHOW);
    vals_int(&q->args, id);
    if (!ask_or(c, q, ret_e))
        return false;
    struct vals v = vals_of(buf_view(&q->out));
    ret->id = vals_get_int(&v);
    view *const texts[] = {&ret->list, &ret->sender, &ret->subject, &ret->rule, &ret->reason};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = vals_get_view(&v);
    ret->since = vals_get_int(&v);
    ret->message = vals_get_int(&v);
    ret->size = vals_get_int(&v);
    ret->msgid = vals_get_view(&v);
    return true;
}

/* ---- what is shown ---- */

/* The message as text: its lines end in LF. */
static json_t *text_of(view octets) {
    struct buf text = BUF_INIT(octets.len + 1);
    for (size_t i = 0; i < octets.len; i++)
        if (octets.ptr[i] != '\r' || i + 1 == octets.len || octets.ptr[i + 1] != '\n')
            buf_add_char(&text, octets.ptr[i]);
    json_t *made = json_text(buf_view(&text));
    buf_done(&text);
    return made;
}

/* NULL: answered. */
static json_t *message_json(struct call *c, const struct held *h) {
    struct store_request q;
    struct err e = {.code = ERR_OK};
    struct buf text = BUF_INIT(MESSAGE_MOST);
    json_t *made = NULL;
    store_request_init(&q, OP_MESSAGE_INFO);
    vals_int(&q.args, h->message);
    if (ask_or(c, &q, &e) && role_take_message(c->role, h->message, &q, &text, &e))
        made = text_of(buf_view(&text));
    else if (e.code == ERR_NOT_FOUND)
        made = json_sprintf(
            "Subject: Message content lost\nMessage-ID: <%.*s>\n\nThis held message has been lost.\n",
            VIEW_ARG(h->msgid));
    else if (e.code != ERR_OK)
        reply_error(c, 503, "%s", e.text);
    store_request_done(&q);
    buf_done(&text);
    return made;
}

static void set_words(json_t *o, const char *name, view word) {
    json_t *list = json_array();
    json_array_append_new(list, json_text(word));
    json_object_set_new(o, name, list);
}

/* The subject as it stands in the message. */
static view raw_subject(struct call *c, const json_t *text) {
    struct header h;
    header_parse(view_from(json_string_value(text), json_string_length(text)), c->slice, &h);
    const struct header_field *f = header_find(&h, "Subject");
    return f ? header_value(f, c->slice) : VIEW("");
}

/* NULL: answered. */
static json_t *held_json(struct call *c, const struct held *h, view list_id) {
    json_t *text = message_json(c, h), *o = text ? json_object() : NULL;
    if (!o)
        return NULL;
    view subject = raw_subject(c, text);
    json_object_set_new(o, "request_id", json_integer(h->id));
    json_object_set_new(o, "listid", json_text(list_id));
    json_object_set_new(o, "original_size", json_integer(h->size));
    set_words(o, "rule_hits", h->rule);
    json_object_set_new(o, "moderation_sender", json_text(h->sender));
    set_words(o, "moderation_reasons", h->reason);
    json_object_set_new(o, "self_link",
                        json_link(c, "lists/%.*s/held/%lld", VIEW_ARG(list_id), (long long)h->id));
    json_object_set_new(o, "msg", text);
    json_object_set_new(o, "message_id", json_sprintf("<%.*s>", VIEW_ARG(h->msgid)));
    json_object_set_new(o, "sender", json_text(h->sender));
    json_object_set_new(o, "subject", json_text(subject.len > 0 ? h->subject : VIEW("(no subject)")));
    json_object_set_new(o, "reason", json_text(h->reason));
    json_object_set_new(o, "hold_date", json_time(h->since));
    json_object_set_new(o, "original_subject", json_text(subject.len > 0 ? subject : VIEW("(no subject)")));
    return o;
}

/* ---- all of a list ---- */

static bool ids_of_list(struct call *c, const struct list_row *list, int64_t **ret, size_t *ret_count) {
    struct store_request q;
    store_request_init(&q, OP_HELD_IDS);
    vals_view(&q.args, list->address);
    bool ok = ask(c, &q);
    if (ok)
        *ret_count = ids_of(c, buf_view(&q.out), ret);
    store_request_done(&q);
    return ok;
}

/* What was decided about meanwhile is left off. */
static bool entries(struct call *c, const int64_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct held h;
        struct store_request q;
        struct err e;
        json_t *o = NULL;
        bool found = read_held(c, ids[i], &q, &h, &e);
        if (found && (o = held_json(c, &h, *(const view *)c->of)))
            entry_add(c, o);
        store_request_done(&q);
        if (!o && (found || e.code != ERR_NOT_FOUND))
            return false;
    }
    return true;
}

static void held_ls(struct call *c) {
    struct list_row list;
    int64_t *ids, start, most;
    size_t count;
    if (!find_list(c, c->variables[0], &list) || !params_check(c) || !page_wanted(c, &start, &most) ||
        !ids_of_list(c, &list, &ids, &count))
        return;
    size_t first = (size_t)start < count ? (size_t)start : count, n = count - first;
    if (param_given(c, "count") && n > (size_t)most)
        n = (size_t)most;
    view *list_id = arena_array(c->arena, view, 1);
    if (!list_id)
        return;
    *list_id = list.list_id;
    c->of = list_id;
    c->step = 1; /* each brings its whole text */
    reply_rows(c, (int64_t)count, start, ids + first, n, entries);
}

static void held_count(struct call *c) {
    struct list_row list;
    int64_t *ids;
    size_t count;
    if (find_list(c, c->variables[0], &list) && params_check(c) && ids_of_list(c, &list, &ids, &count))
        reply_object(c, 200, json_pack("{sI}", "count", (json_int_t)count));
}

/* ---- one ---- */

/* It is held for this list. `q` is the caller's to end in any case. False: answered. */
static bool find_held(struct call *c, const struct list_row *list, struct store_request *q,
                      struct held *ret) {
    struct err e = {.code = ERR_NOT_FOUND};
    int64_t id = 0;
    if (!view_to_i64(c->variables[1], &id))
        id = 0;
    if (read_held(c, id, q, ret, &e)) {
        if (view_eq(ret->list, list->address))
            return true;
        e.code = ERR_NOT_FOUND;
    }
    if (e.code == ERR_NOT_FOUND)
        reply_error(c, 404, "404 Not Found");
    else if (e.code != ERR_OK)
        reply_error(c, 400, "%s", e.text);
    return false;
}

static void held_show(struct call *c) {
    struct list_row list;
    struct held h;
    struct store_request q;
    if (!find_list(c, c->variables[0], &list) || !params_check(c))
        return;
    if (find_held(c, &list, &q, &h)) {
        json_t *o = held_json(c, &h, list.list_id);
        if (o)
            reply_object(c, 200, o);
    }
    store_request_done(&q);
}

static const struct param_spec decide_params[] = {
    {"action", PARAM_WORD, .required = true, .words = ACTION_WORDS}, {"comment"}, {"forward", PARAM_TEXTS}};

/* In whose words the sender hears that it is refused. False: answered. */
static bool find_words(struct call *c, const struct held *h, struct letter_words *ret) {
    struct store_request q;
    store_request_init(&q, OP_LETTER_TEXT);
    held_letter_ask(h->list, h->sender, &q.args);
    bool ok = ask(c, &q);
    *ret = letter_words_read(arena_view(c->arena, buf_view(&q.out)), h->list, h->sender);
    store_request_done(&q);
    return ok;
}

/* `to` empty: to the sender, that it is refused. False: answered. */
static bool add_letter(struct call *c, const struct held *h, view to, view first, struct buf *args) {
    struct held_letter letter = {.hostname = view_of(c->role->config->hostname),
                                 .list = h->list,
                                 .sender = h->sender,
                                 .subject = h->subject,
                                 .reason = h->reason,
                                 .msgid = h->msgid,
                                 .message = h->message,
                                 .size = h->size,
                                 .first = first,
                                 .to = to,
                                 .said = param_text(c, "comment")};
    struct err e;
    if (to.len == 0 && !find_words(c, h, &letter.words))
        return false;
    if (held_letter_args(&letter, c->arena, clock_now_ms(), args, &e))
        return true;
    reply_error(c, 400, "%s", e.text);
    return false;
}

static bool add_letters(struct call *c, const struct held *h, const view *to, size_t count, view first,
                        struct buf *args) {
    for (size_t i = 0; i < count; i++)
        if (!add_letter(c, h, to[i], first, args))
            return false;
    return true;
}

/* Whom letters go to: an empty one is the sender, that it is refused. Returns how many; -1: answered. */
static int64_t addressees(struct call *c, bool refused, view ret[FORWARDS_MOST + 1]) {
    view *given;
    size_t n = 0, count = param_texts(c, "forward", &given);
    if (count > FORWARDS_MOST) {
        reply_error(c, 400, "Invalid Parameter \"forward\": At most %d addresses at once.", FORWARDS_MOST);
        return -1;
    }
    if (refused)
        ret[n++] = VIEW("");
    for (size_t i = 0; i < count; i++)
        if (given[i].len > 0 && !param_address(c, given[i], &ret[n++])) {
            reply_error(c, 400, "Invalid Parameter \"forward\": Invalid email address: %.*s.",
                        VIEW_ARG(given[i]));
            return -1;
        }
    return (int64_t)n;
}

/* The decision and its letters, as HELD_DECIDE reads them. `action`: HOLD when it goes on waiting. */
static bool add_decision(struct call *c, const struct held *h, enum moderation action, struct buf *args) {
    view to[FORWARDS_MOST + 1], first = VIEW("");
    struct store_request info;
    int64_t letters = addressees(c, action == MODERATION_REJECT, to);
    if (letters < 0)
        return false;
    vals_view(args, c->who);
    vals_int(args, action);
    vals_view(args,
              view_slice(letters > 0 && to[letters - 1].len > 0 ? to[letters - 1] : param_text(c, "comment"),
                         0, LIMIT_EVENT_TEXT));
    vals_int(args, 1); /* programs set the action of the sender next */
    vals_int(args, 1);
    vals_int(args, h->id);
    vals_int(args, letters);
    store_request_init(&info, OP_MESSAGE_INFO);
    vals_int(&info.args, h->message);
    bool ok = letters == 0 || ask(c, &info);
    if (ok && letters > 0)
        first = message_info_of(h->message, buf_view(&info.out)).first;
    ok = ok && add_letters(c, h, to, (size_t)letters, first, args);
    store_request_done(&info);
    if (ok && args->failed)
        reply_error(c, 400, "That is too much at once: fewer addresses, or a shorter comment");
    return ok && !args->failed;
}

static void held_decide(struct call *c) {
    struct list_row list;
    struct held h;
    struct store_request found, q;
    if (!find_list(c, c->variables[0], &list) || !params_check(c))
        return;
    enum moderation action = (enum moderation)(param_number(c, "action", 0) + MODERATION_HOLD);
    if (action == MODERATION_DEFER)
        action = MODERATION_HOLD;
    if (find_held(c, &list, &found, &h)) {
        store_request_init(&q, OP_HELD_DECIDE);
        if (action == MODERATION_HOLD && !param_given(c, "forward")) {
            reply_empty(c); /* it waits as it did */
        } else if (add_decision(c, &h, action, &q.args) && ask(c, &q)) {
            hint_send(c->role->config->dir, "router");
            reply_empty(c);
        }
        store_request_done(&q);
    }
    store_request_done(&found);
}

static const struct param_spec page_params[] = {PAGE_PARAMS};

static const struct route table[] = {
    {METHOD_GET, "lists/{list}/held", held_ls, "The posts that wait for a moderator", PARAMS(page_params)},
    {METHOD_GET, "lists/{list}/held/count", held_count, "How many posts wait"},
    {METHOD_GET, "lists/{list}/held/{request}", held_show, "A post that waits, with its text"},
    {METHOD_POST, "lists/{list}/held/{request}", held_decide, "Decide about a post, or pass it on for advice",
     PARAMS(decide_params)},
};
ROUTES(held_routes, table);
