/* cmd_held.c: postroad held ls|show|accept|reject|discard|forward: posts that wait for a moderator. */
#include "base/clock.h"
#include "base/id.h"
#include "cli/message.h"
#include "cli/pages.h"
#include "lists/held_letter.h"
#include "store/moderation.h"

enum { IDS_MOST = 2000, LETTERS_MOST = 50 };

struct held {
    int64_t id, since, message, size;
    view list, sender, subject, rule, reason, msgid;
};

static struct held read_held(struct vals *v) {
    struct held h = {.id = vals_get_int(v)};
    h.list = vals_get_view(v);
    h.sender = vals_get_view(v);
    h.subject = vals_get_view(v);
    h.rule = vals_get_view(v);
    h.reason = vals_get_view(v);
    h.since = vals_get_int(v);
    h.message = vals_get_int(v);
    h.size = vals_get_int(v);
    h.msgid = vals_get_view(v);
    return h;
}

static const struct column columns[] = {{"id", "ID"},           {"list", "LIST"}, {"sender", "SENDER"},
                                        {"subject", "SUBJECT"}, {"rule", "RULE"}, {"reason", "REASON"},
                                        {"since", "SINCE"},     {"size", "SIZE"}, {"queue", "QUEUE ID"}};

static void put_held(struct table *t, const struct held *h) {
    table_int(t, h->id);
    table_text(t, h->list);
    table_text(t, h->sender);
    table_text(t, h->subject);
    table_text(t, h->rule);
    table_text(t, h->reason);
    table_time(t, h->since);
    table_int(t, h->size);
    table_text(t, view_of(id_format(h->message).s));
}

static void ask_held(const struct pages *p, struct buf *args) {
    vals_view(args, p->of);
    vals_int(args, p->at[0]);
}

static void show_held(struct pages *p, struct table *t, struct vals *v) {
    struct held h = read_held(v);
    put_held(t, &h);
    p->at[0] = h.id;
}

bool cmd_held_ls(struct cli *c, struct err *e) {
    struct pages p = {.op = OP_HELD_LS, .ask = ask_held, .row = show_held};
    return (c->args.count == 0 || cli_address(c, c->args.words[0], &p.of, e)) &&
           pages_show(c, &p, columns, COUNT_OF(columns), e);
}

static bool read_id(const char *word, int64_t *ret, struct err *e) {
    return (view_to_i64(view_of(word), ret) && *ret > 0) ||
           err_set(e, ERR_USAGE, "%.60s: the number of a held post is wanted: held ls shows them", word);
}

/* `q` holds the texts; the caller ends it in any case. */
static bool find_held(struct cli *c, int64_t id, struct store_request *q, struct held *ret, struct err *e) {
    store_request_init(q, OP_HELD_SHOW);
    vals_int(&q->args, id);
    if (!cli_call(c, q, e))
        return false;
    struct vals v = vals_of(buf_view(&q->out));
    *ret = read_held(&v);
    return true;
}

bool cmd_held_show(struct cli *c, struct err *e) {
    int64_t id;
    struct held h;
    struct store_request q;
    struct message_info info;
    if (!read_id(c->args.words[0], &id, e))
        return false;
    bool ok = find_held(c, id, &q, &h, e) && message_info_first(c, h.message, &info, e);
    if (ok && c->json) {
        struct table t;
        table_open_single(&t, c, columns, COUNT_OF(columns));
        put_held(&t, &h);
        ok = table_close(&t, e);
    } else if (ok) {
        cli_print(c, "Held %lld for %.*s since %s\nRule: %.*s\nReason: %.*s\nQueue id: %s\n\n",
                  (long long)h.id, VIEW_ARG(h.list), cli_time(h.since).s, VIEW_ARG(h.rule),
                  VIEW_ARG(h.reason), id_format(h.message).s);
        cli_write(c, info.first);
        ok = cli_flush(c, e);
    }
    store_request_done(&q);
    return ok;
}

/* In whose words the sender hears that it is refused. `q` holds them; the caller ends it in any case. */
static bool find_words(struct cli *c, const struct held *h, struct store_request *q, struct letter_words *ret,
                       struct err *e) {
    store_request_init(q, OP_LETTER_TEXT);
    held_letter_ask(h->list, h->sender, &q->args);
    bool ok = cli_call(c, q, e);
    *ret = letter_words_read(buf_view(&q->out), h->list, h->sender);
    return ok;
}

/* The letter about one held post, behind `args`. */
static bool add_letter(struct cli *c, int64_t id, view to, view reason, struct buf *args, struct err *e) {
    struct held h;
    struct store_request q, text;
    struct message_info info;
    struct letter_words words = {0};
    store_request_init(&text, OP_LETTER_TEXT);
    bool ok = find_held(c, id, &q, &h, e) && message_info_first(c, h.message, &info, e) &&
              (to.len > 0 || find_words(c, &h, &text, &words, e)) &&
              held_letter_args(&(struct held_letter){.hostname = cli_hostname(c),
                                                     .list = h.list,
                                                     .sender = h.sender,
                                                     .subject = h.subject,
                                                     .reason = h.reason,
                                                     .msgid = h.msgid,
                                                     .message = h.message,
                                                     .size = h.size,
                                                     .first = info.first,
                                                     .to = to,
                                                     .said = reason,
                                                     .words = words},
                               &c->arena, clock_now_ms(), args, e);
    store_request_done(&text);
    store_request_done(&q);
    return ok;
}

/* The ids and the letters about them, as HELD_DECIDE reads them. */
static bool add_posts(struct cli *c, enum moderation action, view to, view detail, struct buf *args,
                      struct err *e) {
    bool letters = action == MODERATION_REJECT || action == MODERATION_HOLD;
    size_t count = c->args.count, most = letters ? LETTERS_MOST : IDS_MOST;
    int64_t *ids = arena_array(&c->arena, int64_t, count + 1);
    if (!ids || count > most)
        return err_set(e, ERR_USAGE, "at most %zu posts at once", most);
    vals_int(args, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        if (!read_id(c->args.words[i], &ids[i], e))
            return false;
        vals_int(args, ids[i]);
    }
    vals_int(args, letters ? (int64_t)count : 0);
    for (size_t i = 0; i < count && letters; i++)
        if (!add_letter(c, ids[i], to, detail, args, e))
            return false;
    return !args->failed || err_set(e, ERR_LIMIT, "that is too much at once: fewer posts, or a shorter text");
}

static bool decide(struct cli *c, enum moderation action, view to, view detail, const char *done,
                   struct err *e) {
    struct store_request r;
    view who;
    if (!cli_who(c, &who, e))
        return false;
    store_request_init(&r, OP_HELD_DECIDE);
    vals_view(&r.args, who);
    vals_int(&r.args, action);
    vals_view(&r.args, view_slice(detail, 0, LIMIT_EVENT_TEXT));
    vals_int(&r.args, 0);
    bool ok = add_posts(c, action, to, detail, &r.args, e) && cli_call(c, &r, e);
    store_request_done(&r);
    if (ok)
        cli_done(c, json_pack("{sssI}", "done", done, "posts", (json_int_t)c->args.count), "%zu posts %s",
                 c->args.count, done);
    return ok;
}

bool cmd_held_accept(struct cli *c, struct err *e) {
    return decide(c, MODERATION_ACCEPT, VIEW(""), VIEW(""), "accepted", e);
}

bool cmd_held_discard(struct cli *c, struct err *e) {
    return decide(c, MODERATION_DISCARD, VIEW(""), view_of(args_get(&c->args, "--reason")), "discarded", e);
}

bool cmd_held_reject(struct cli *c, struct err *e) {
    const char *reason = args_get(&c->args, "--reason");
    return decide(c, MODERATION_REJECT, VIEW(""), view_of(reason), "rejected", e);
}

bool cmd_held_forward(struct cli *c, struct err *e) {
    const char *given = args_get(&c->args, "--to");
    view to;
    if (!given)
        return err_set(e, ERR_USAGE, "--to ADDRESS is wanted: who is to see the posts");
    if (!cli_address(c, given, &to, e))
        return false;
    return decide(c, MODERATION_HOLD, to, to, "forwarded, and still held", e);
}
