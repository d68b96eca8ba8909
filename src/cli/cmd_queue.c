/* cmd_queue.c: postroad queue show|cat|wait: messages that are not finished, their bytes, and waiting until
 * none is left. */
#include "cli/message.h"

#include <time.h>

#include "base/clock.h"
#include "base/id.h"

enum { PAGE_ROWS = 40, POLL_FIRST_MS = 20, POLL_MOST_MS = 200, WAIT_DEFAULT_MS = 60000 };

bool cmd_queue_show(struct cli *c, struct err *e) {
    static const struct column columns[] = {
        {"queue", "QUEUE ID"}, {"accepted", "ACCEPTED"}, {"from", "FROM"},       {"msgid", NULL},
        {"size", "SIZE"},      {"state", "STATE"},       {"left", "RECIPIENTS"}, {"reason", "WAITS FOR"},
    };
    struct table t;
    struct store_request r;
    int64_t id = 0;
    bool ok = true, more = true;
    table_open(&t, c, columns, COUNT_OF(columns));
    store_request_init(&r, OP_QUEUE_LS);
    while (ok && more) {
        buf_reset(&r.args);
        vals_int(&r.args, id);
        vals_int(&r.args, PAGE_ROWS);
        ok = cli_call(c, &r, e);
        struct vals v = vals_of(buf_view(&r.out));
        size_t rows = 0;
        for (; ok && vals_more(&v); rows++) {
            id = vals_get_int(&v);
            view sender = vals_get_view(&v), msgid = vals_get_view(&v);
            int64_t size = vals_get_int(&v);
            view state = vals_get_view(&v), reason = vals_get_view(&v);
            int64_t left = vals_get_int(&v);
            if (view_eq(state, VIEW("done")))
                continue; /* only its body waits for the reaper */
            table_text(&t, view_of(id_format(id).s));
            table_time(&t, id_time_ms(id));
            table_text(&t, c->json || sender.len > 0 ? sender : VIEW("<>"));
            table_text(&t, msgid);
            table_int(&t, size);
            table_text(&t, state);
            table_int(&t, left);
            table_text(&t, reason);
        }
        more = rows == PAGE_ROWS && cli_flush(c, NULL);
    }
    store_request_done(&r);
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
    if (!id_parse(view_of(c->args.words[0]), &id))
        return err_set(e, ERR_USAGE, "%.60s is not a queue id (%d letters and digits; queue show lists them)",
                       c->args.words[0], ID_TEXT_LEN);
    if (!message_info(c, id, &m, e))
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
static bool read_pending(struct cli *c, struct buf *left, json_t *object, struct err *e) {
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
    bool ok = read_pending(c, &left, object, e);
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
