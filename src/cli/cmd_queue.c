/* cmd_queue.c: postroad queue show|sites|cat|wait: messages that are not finished, where they wait, their
 * bytes, and waiting until none is left. */
#include "cli/message.h"
#include "cli/queue_rows.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/class.h"

enum { POLL_FIRST_MS = 20, POLL_MOST_MS = 200, WAIT_DEFAULT_MS = 60000 };

static bool show_row(void *context, const struct queue_row *row, struct err *e) {
    struct table *t = context;
    table_text(t, view_of(id_format(row->id).s));
    table_time(t, id_time_ms(row->id));
    table_text(t, t->cli->json || row->sender.len > 0 ? row->sender : VIEW("<>"));
    table_text(t, row->msgid);
    table_int(t, row->size);
    table_text(t, row->state);
    table_int(t, row->left);
    table_text(t, row->reason);
    return cli_flush(t->cli, e);
}

static bool show_pending(void *context, const struct pending *p, struct err *e) {
    struct table *t = context;
    table_text(t, p->address);
    table_text(t, p->list);
    table_text(t, view_of(class_name(DESTINATION_CLASS(p->dest))));
    table_int(t, p->tries);
    table_time(t, p->next_ms);
    table_text(t, p->frozen ? VIEW("frozen") : p->active ? VIEW("being sent") : VIEW("waiting"));
    table_text(t, p->error);
    return cli_flush(t->cli, e);
}

/* The recipients that are left of one message. */
static bool show_one(struct cli *c, const struct queue_filter *f, struct err *e) {
    static const struct column columns[] = {
        {"recipient", "RECIPIENT"}, {"list", "LIST"},   {"class", "CLASS"},      {"tries", "TRIES"},
        {"next", "NEXT TRY"},       {"state", "STATE"}, {"reason", "WAITS FOR"},
    };
    int64_t id;
    struct message_info m;
    struct table t;
    view state, reason;
    if (!queue_id(c->args.words[0], &id, e) || !message_info(c, id, &m, e) ||
        !message_state(c, id, &state, &reason, e))
        return false;
    if (!c->json)
        cli_print(c, "%s  %.*s  from <%.*s>, %lld bytes: %.*s%s%.*s\n", id_format(id).s, VIEW_ARG(m.msgid),
                  VIEW_ARG(m.sender), (long long)m.size, VIEW_ARG(state), reason.len > 0 ? ": " : "",
                  VIEW_ARG(reason));
    table_open(&t, c, columns, COUNT_OF(columns));
    bool ok = queue_pending_each(c, id, f, 0, show_pending, &t, e);
    return table_close(&t, ok ? e : NULL) && ok;
}

bool cmd_queue_show(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"queue", "QUEUE ID"}, {"accepted", "ACCEPTED"}, {"from", "FROM"},       {"msgid", NULL},
        {"size", "SIZE"},      {"state", "STATE"},       {"left", "RECIPIENTS"}, {"reason", "WAITS FOR"},
    };
    struct queue_filter f;
    if (!queue_filter_read(c, &f, e) || !queue_show_frozen(c, e))
        return false;
    if (c->args.count > 0)
        return show_one(c, &f, e);
    struct table t;
    table_open(&t, c, columns, COUNT_OF(columns));
    bool ok = queue_each(c, &f, show_row, &t, e);
    return table_close(&t, ok ? e : NULL) && ok;
}

struct site_row {
    view site, error;
    int64_t class, waiting, oldest, due, tries;
    bool frozen, active;
};

static int fullest_first(const void *a, const void *b) {
    const struct site_row *x = a, *y = b;
    if (x->waiting != y->waiting)
        return (x->waiting < y->waiting) - (x->waiting > y->waiting);
    int order = view_cmp(x->site, y->site);
    return order ? order : (x->class > y->class) - (x->class < y->class);
}

/* All destinations that something waits for; *ret_rows is freed by the caller. */
static bool read_sites(struct cli *c, const struct queue_filter *f, struct site_row **ret_rows,
                       size_t *ret_count, struct err *e) {
    struct store_request r;
    int64_t cursor = 0;
    bool ok = true;
    store_request_init(&r, OP_QUEUE_SITES);
    do {
        buf_reset(&r.args);
        vals_int(&r.args, cursor);
        vals_view(&r.args, f->site);
        vals_int(&r.args, f->class);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        cursor = ok ? vals_get_int(&v) : 0;
        while (ok && vals_more(&v)) {
            *ret_rows = mem_resize(*ret_rows, *ret_count + 1, sizeof **ret_rows);
            struct site_row *s = &(*ret_rows)[(*ret_count)++];
            s->site = arena_view(&c->arena, vals_get_view(&v));
            s->class = vals_get_int(&v);
            s->waiting = vals_get_int(&v);
            s->oldest = vals_get_int(&v);
            s->due = vals_get_int(&v);
            s->tries = vals_get_int(&v);
            s->error = arena_view(&c->arena, vals_get_view(&v));
            s->frozen = vals_get_int(&v) != 0;
            s->active = vals_get_int(&v) != 0;
        }
    } while (ok && cursor != 0);
    store_request_done(&r);
    return ok;
}

bool cmd_queue_sites(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"site", "SITE"},     {"class", "CLASS"}, {"recipients", "RECIPIENTS"}, {"oldest", "OLDEST"},
        {"next", "NEXT TRY"}, {"tries", "TRIES"}, {"state", "STATE"},           {"error", "LAST ERROR"},
    };
    struct queue_filter f;
    struct site_row *rows = NULL;
    size_t count = 0;
    if (!queue_filter_read(c, &f, e) || !queue_show_frozen(c, e))
        return false;
    bool ok = read_sites(c, &f, &rows, &count, e);
    if (count > 0)
        qsort(rows, count, sizeof *rows, fullest_first);
    struct table t;
    table_open(&t, c, columns, COUNT_OF(columns));
    for (size_t i = 0; ok && i < count; i++) {
        table_text(&t, rows[i].site);
        table_text(&t, view_of(class_name((enum mail_class)rows[i].class)));
        table_int(&t, rows[i].waiting);
        table_time(&t, id_time_ms(rows[i].oldest));
        table_time(&t, rows[i].due);
        table_int(&t, rows[i].tries);
        table_text(&t, rows[i].frozen   ? VIEW("frozen")
                       : rows[i].active ? VIEW("being sent")
                                        : VIEW("waiting"));
        table_text(&t, rows[i].error);
    }
    free(rows);
    return table_close(&t, ok ? e : NULL) && ok;
}

/* Pieces of the body in order, to standard output or into `out`. Pieces that do not add up are no message. */
static bool read_body(struct cli *c, const struct message_info *m, struct buf *out, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_MESSAGE_READ);
    int64_t size = 0;
    bool ok = true, more = true;
    for (int64_t seq = 0; ok && more; seq++) {
        buf_reset(&r.args);
        vals_int(&r.args, m->id);
        vals_int(&r.args, seq);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        more = ok && vals_more(&v);
        view piece = more ? vals_get_view(&v) : VIEW("");
        size += (int64_t)piece.len;
        if (out)
            buf_add(out, piece);
        else
            cli_write(c, piece);
        ok = ok && (out || cli_flush(c, e));
    }
    store_request_done(&r);
    if (ok && size != m->size)
        return err_set(e, ERR_DAMAGED, "the store has %lld of the %lld bytes of %s", (long long)size,
                       (long long)m->size, id_format(m->id).s);
    return ok;
}

static json_t *hex(view v) {
    struct buf text = BUF_INIT(2 * v.len);
    for (size_t i = 0; i < v.len; i++)
        buf_printf(&text, "%02x", (unsigned)(unsigned char)v.ptr[i]);
    json_t *json = json_stringn(text.data, text.len);
    buf_done(&text);
    return json;
}

static bool cat_json(struct cli *c, const struct message_info *m, struct err *e) {
    struct buf body = BUF_INIT((size_t)m->size);
    bool ok = read_body(c, m, &body, e);
    if (ok) {
        json_t *object =
            json_pack("{sssssosososIsoso}", "queue", id_format(m->id).s, "accepted",
                      cli_time(id_time_ms(m->id)).s, "from", cli_json_text(m->sender), "msgid",
                      cli_json_text(m->msgid), "origin", cli_json_text(m->origin), "size",
                      (json_int_t)m->size, "sha256", hex(m->sha256), "fields", cli_json_text(m->fields));
        cli_json_bytes(object, buf_view(&body));
        cli_json(c, object);
    }
    buf_done(&body);
    return ok;
}

bool cmd_queue_cat(struct cli *c, struct err *e) {
    struct message_info m;
    int64_t id;
    if (!queue_id(c->args.words[0], &id, e) || !message_info(c, id, &m, e))
        return false;
    if (m.gone)
        return err_set(e, ERR_NOT_FOUND,
                       "the bytes of %s were deleted after their last use; trace %s tells its story",
                       id_format(id).s, id_format(id).s);
    if (c->json)
        return cat_json(c, &m, e);
    if (args_has(&c->args, "--fields"))
        cli_write(c, m.fields);
    return read_body(c, &m, NULL, e);
}

/* What is left, as a text for people; empty when nothing is. */
static bool read_left(struct cli *c, struct buf *left, json_t *object, struct err *e) {
    static const char *const names[] = {"accepted", "expanding", "delivering", "archiving"};
    static const char *const texts[] = {"messages to route", "lists to expand", "deliveries",
                                        "posts to archive"};
    struct store_request r;
    store_request_init(&r, OP_QUEUE_PENDING);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    buf_reset(left);
    for (size_t i = 0; ok && i < COUNT_OF(names); i++) {
        bool some = vals_get_int(&v) != 0;
        json_object_set_new(object, names[i], json_boolean(some));
        if (some)
            buf_printf(left, "%s%s", left->len > 0 ? ", " : "", texts[i]);
    }
    store_request_done(&r);
    /* Without stored the file is ours while it is open: stored could not start beside a long wait. */
    if (!view_starts_with(view_of(c->config ? c->config->store : ""), VIEW("postgres")))
        cli_close_store(c);
    return ok;
}

static void pause_ms(int64_t ms) {
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&ts, NULL);
}

/* One look. True: nothing is left. Else *e says what, and *ret_again whether another look may tell more. */
static bool look(struct cli *c, json_t *object, bool *ret_again, struct err *e) {
    struct buf left = BUF_INIT(256);
    bool ok = read_left(c, &left, object, e);
    *ret_again = ok || err_is_temporary(e); /* the store may be starting again */
    if (ok && left.len > 0)
        ok = err_set(e, ERR_TIMEOUT, "time is up and there are still: %s", left.data);
    buf_done(&left);
    return ok;
}

bool cmd_queue_wait(struct cli *c, struct err *e) {
    const char *given = args_get(&c->args, "--timeout");
    int64_t timeout_ms = WAIT_DEFAULT_MS, start_us = clock_real_us();
    if (given && !duration_parse(view_of(given), &timeout_ms))
        return err_set(e, ERR_USAGE, "--timeout %.60s: seconds, or a duration such as 5m, is wanted", given);
    json_t *object = json_object();
    bool again, ok = false;
    for (int64_t pause = POLL_FIRST_MS; !ok; pause = pause * 2 < POLL_MOST_MS ? pause * 2 : POLL_MOST_MS) {
        ok = look(c, object, &again, e);
        int64_t left_ms = timeout_ms - (clock_real_us() - start_us) / 1000;
        if (ok || !again || left_ms <= 0)
            break;
        pause_ms(pause < left_ms ? pause : left_ms);
    }
    if (ok)
        cli_done(c, json_incref(object), "nothing is left to do");
    else if (c->json && e->code == ERR_TIMEOUT)
        cli_json(c, json_incref(object));
    json_decref(object);
    return ok;
}
