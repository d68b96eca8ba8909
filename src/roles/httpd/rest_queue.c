/* rest_queue.c: the queues clients of Mailman know, and a message brought in by one of them. What waits where
 * is another matter here: postroad queue shows it. */
#include <openssl/evp.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/words.h"
#include "lists/post.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/text.h"
#include "lists/mailman_configuration.h"
#include "roles/httpd/resources.h"
#include "store/accept.h"

/* By where LIST-... leads, queues of Mailman that take mail of others. */
static const struct {
    const char *queue, *part;
} inlets[] = {{"in", ""}, {"command", "-request"}, {"bounces", "-bounces"}};

/* Where a message stands here, by the queues of Mailman that are like it: their numbers for QUEUE_FILES. */
#define PLACE_WORDS "in pipeline out archive shunt"
enum { FILES_MOST = 1000 };

static bool add_files(struct call *c, int64_t place, json_t *files) {
    struct store_request q;
    store_request_init(&q, OP_QUEUE_FILES);
    vals_int(&q.args, place);
    vals_int(&q.args, FILES_MOST);
    bool ok = ask(c, &q);
    struct vals v = vals_of(buf_view(&q.out));
    while (ok && vals_more(&v))
        json_array_append_new(files, json_string(id_format(vals_get_int(&v)).s));
    store_request_done(&q);
    return ok;
}

/* NULL: answered. */
static json_t *queue_json(struct call *c, view name) {
    int64_t place;
    json_t *files = json_array();
    if (words_find(PLACE_WORDS, name, &place) && !add_files(c, place, files)) {
        json_decref(files);
        return NULL;
    }
    json_t *o = json_object();
    json_object_set_new(o, "name", json_text(name));
    json_object_set_new(o, "directory", json_sprintf("%s/data", c->role->config->dir));
    json_object_set_new(o, "count", json_integer((json_int_t)json_array_size(files)));
    json_object_set_new(o, "files", files);
    json_object_set_new(o, "self_link", json_link(c, "queues/%.*s", VIEW_ARG(name)));
    return o;
}

static void queues_ls(struct call *c) {
    json_t *entries = json_array(), *one;
    view rest = view_of(MAILMAN_QUEUES), name;
    bool ok = params_check(c);
    while (ok && view_split(&rest, ' ', &name)) {
        ok = (one = queue_json(c, name)) != NULL;
        if (ok)
            json_array_append_new(entries, one);
    }
    c->self_link = VIEW("queues");
    if (ok)
        reply_array(c, entries);
    else
        json_decref(entries);
}

static bool is_queue(view name) {
    int64_t number;
    return words_find(MAILMAN_QUEUES, name, &number);
}

static void queue_show(struct call *c) {
    json_t *o;
    if (!is_queue(c->variables[0]))
        reply_error(c, 404, "404 Not Found");
    else if (params_check(c) && (o = queue_json(c, c->variables[0])))
        reply_object(c, 200, o);
}

/* ---- a message ---- */

struct letter_in {
    int64_t id;
    view list, part, sender, message_id;
    struct buf body;
    struct buf fields;
};

static bool read_letter(struct call *c, struct letter_in *l) {
    const struct config *config = c->role->config;
    struct post post;
    text_add_lines(&l->body, param_text(c, "text"));
    if (l->body.failed) {
        reply_error(c, 400, "The message is larger than message_size_max (%lld octets)",
                    (long long)config->message_size_max);
        return false;
    }
    if (!post_read(VIEW(""), buf_view(&l->body), (int64_t)l->body.len, c->arena, &post) ||
        post.header.count == 0) {
        reply_error(c, 400, "The message has no header");
        return false;
    }
    l->sender = post.sender_count > 0 ? post.senders[0] : VIEW("");
    l->message_id = header_message_id(&post.header, c->arena);
    struct buf value = BUF_INIT(1024);
    buf_printf(&value, "by %s (Postroad %.*s) id %s; ", config->hostname, VIEW_ARG(c->who),
               id_format(l->id).s);
    date_format(clock_now_ms(), &value);
    header_add(&l->fields, "Received", buf_view(&value));
    buf_done(&value);
    if (l->message_id.len == 0) {
        l->message_id = arena_printf(c->arena, "%s@%s", id_format(l->id).s, config->hostname);
        buf_printf(&l->fields, "Message-ID: <%.*s>\r\n", VIEW_ARG(l->message_id));
    }
    return true;
}

/* In pieces that never end between CR and LF. */
static bool stage(struct call *c, const struct letter_in *l) {
    view rest = buf_view(&l->body);
    bool ok = true;
    for (int64_t seq = 0; ok && rest.len > 0; seq++) {
        struct store_request q;
        view piece = view_slice(rest, 0, LIMIT_BODY_CHUNK);
        if (piece.len < rest.len && view_ends_with(piece, VIEW("\r")))
            piece.len--;
        rest = view_skip(rest, piece.len);
        store_request_init(&q, OP_BODY_STAGE);
        vals_int(&q.args, l->id);
        vals_int(&q.args, seq);
        vals_view(&q.args, piece);
        ok = ask(c, &q);
        store_request_done(&q);
    }
    return ok;
}

static bool accept_letter(struct call *c, const struct letter_in *l) {
    struct store_request q;
    struct address list = address_split(l->list);
    unsigned char sha256[32];
    view body = buf_view(&l->body);
    bool staged = body.len > LIMIT_BODY_CHUNK / 2;
    view to = arena_printf(c->arena, "%.*s%.*s@%.*s", VIEW_ARG(list.local), VIEW_ARG(l->part),
                           VIEW_ARG(list.domain));
    EVP_Digest(body.ptr, body.len, sha256, NULL, EVP_sha256(), NULL);
    store_request_init(&q, OP_ACCEPT);
    accept_args(&(struct accept){.id = l->id,
                                 .sender = l->sender,
                                 .message_id = l->message_id,
                                 .size = (int64_t)body.len,
                                 .sha256 = view_from(sha256, sizeof sha256),
                                 .fields = buf_view(&l->fields),
                                 .origin = arena_printf(c->arena, "rest by=%.*s size=%zu", VIEW_ARG(c->who),
                                                        body.len),
                                 .flags = (text_is_7bit(body) ? 0 : MESSAGE_8BIT) |
                                          (text_is_7bit(l->sender) && text_is_7bit(to) ? 0 : MESSAGE_UTF8),
                                 .body = staged ? VIEW("") : body,
                                 .recipients = &(struct accept_recipient){.address = to, .orcpt = VIEW("")},
                                 .recipient_count = 1},
                &q.args);
    bool ok = (!staged || stage(c, l)) && ask(c, &q);
    store_request_done(&q);
    return ok;
}

static const char *part_of(view queue) {
    for (size_t i = 0; i < sizeof inlets / sizeof inlets[0]; i++)
        if (view_eq(queue, view_of(inlets[i].queue)))
            return inlets[i].part;
    return NULL;
}

/* False: answered. */
static bool find_addressee(struct call *c, struct letter_in *l) {
    struct list_row list;
    view list_id = param_text(c, "list_id");
    const char *part = part_of(c->variables[0]);
    if (!is_queue(c->variables[0])) {
        reply_error(c, 404, "404 Not Found");
    } else if (!part) {
        reply_error(c, 400, "No message is taken for the queue %.*s", VIEW_ARG(c->variables[0]));
    } else if (!find_list(c, list_id, &list)) {
        if (c->status == 404)
            reply_error(c, 400, "No such list: %.*s", VIEW_ARG(list_id));
    } else {
        l->list = list.address;
        l->part = view_of(part);
        return true;
    }
    return false;
}

static const struct param_spec inject_params[] = {{"list_id", .required = true}, {"text", .required = true}};

static void inject(struct call *c) {
    struct letter_in l = {.id = id_new(),
                          .body = BUF_INIT((size_t)c->role->config->message_size_max),
                          .fields = BUF_INIT(8192)};
    if (params_check(c) && find_addressee(c, &l) && read_letter(c, &l) && accept_letter(c, &l)) {
        hint_send(c->role->config->dir, "router");
        reply_created(c, "queues/%.*s/%s", VIEW_ARG(c->variables[0]), id_format(l.id).s);
    }
    buf_done(&l.fields);
    buf_done(&l.body);
}

static void file_remove(struct call *c) {
    if (!is_queue(c->variables[0]))
        reply_error(c, 404, "No such queue: %.*s", VIEW_ARG(c->variables[0]));
    else
        reply_error(c, 404, "No such queue file: %.*s", VIEW_ARG(c->variables[1]));
}

static const struct param_spec page_params[] = {PAGE_PARAMS};

static const struct route table[] = {
    {METHOD_GET, "queues", queues_ls, "The queues that Mailman has", PARAMS(page_params)},
    {METHOD_GET, "queues/{queue}", queue_show, "A queue"},
    {METHOD_POST, "queues/{queue}", inject, "Bring in a message to a list", PARAMS(inject_params)},
    {METHOD_DELETE, "queues/{queue}/{file}", file_remove, "Nothing can be removed here"},
};
ROUTES(queue_routes, table);
