/* op_accept.c: mail comes in. A body too large for one packet is staged in pieces; accept makes message,
 * envelope and every recipient one committed transaction (DESIGN 1.1). */
#include "base/id.h"
#include "store/event.h"

#include <string.h>

/* in: message id, number of the piece (0..), bytes */
void op_run_BODY_STAGE(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), seq = vals_get_int(&r->in);
    view bytes = vals_get_view(&r->in);
    db_run(r->db, "INSERT INTO body(id, message, seq, bytes) VALUES($1, $2, $3, $4) ON CONFLICT DO NOTHING",
           DB_I(seq == 0 ? message : id_new()), DB_I(message), DB_I(seq), DB_B(bytes));
}

/* in: message id. The pieces of a message that will not be accepted. One that was is left alone. */
void op_run_BODY_DROP(struct op_run *r) {
    int64_t message = vals_get_int(&r->in);
    if (db_number(r->db, 0, "SELECT count(*) FROM message WHERE id = $1", DB_I(message)))
        return;
    db_run(r->db, "DELETE FROM body WHERE id = $1", DB_I(message));
    db_run(r->db, "DELETE FROM body WHERE message = $1 AND seq > 0", DB_I(message));
}

void event_record(struct op_run *r, int64_t message, enum event_kind kind, int64_t rcpt, int64_t list,
                  view host, view detail) {
    db_run(
        r->db,
        "INSERT INTO event(message, id, kind, rcpt, list, host, detail) VALUES($1, $2, $3, $4, $5, $6, $7)",
        DB_I(message), DB_I(id_new()), DB_I(kind), DB_I(rcpt), DB_I(list), DB_T(host), DB_T(detail));
}

const char *event_name(int64_t kind) {
    static const struct {
        int64_t number;
        const char *name;
    } names[] = {
#define EVENT(id, number, name) {number, name},
#include "store/event.def"
#undef EVENT
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == kind)
            return names[i].name;
    return "unknown";
}

/* in: message id, sender, Message-ID, size, sha256, fields put on top, origin (key=value text), flags,
 * envelope id, inline body (empty when it was staged), count of recipients; per recipient: address as given,
 * notify, original recipient.
 * Idempotent by the message id: a second run finds it and is content. */
void accept_one(struct op_run *r) {
    int64_t message = vals_get_int(&r->in);
    view sender = vals_get_view(&r->in), msgid = vals_get_view(&r->in);
    int64_t size = vals_get_int(&r->in);
    view sha256 = vals_get_view(&r->in), fields = vals_get_view(&r->in), origin = vals_get_view(&r->in);
    int64_t flags = vals_get_int(&r->in);
    view envid = vals_get_view(&r->in);
    view body = vals_get_view(&r->in);
    size_t count = vals_get_count(&r->in);
    if (r->in.failed || count == 0) {
        op_refuse(r, ERR_SYNTAX, "accept: incomplete arguments");
        return;
    }
    int64_t fresh =
        db_change(r->db,
                  "INSERT INTO message(id, sender, msgid, size, sha256, fields, origin, flags, envid, gone)"
                  " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, 0) ON CONFLICT DO NOTHING",
                  DB_I(message), DB_T(sender), DB_T(msgid), DB_I(size), DB_B(sha256), DB_B(fields),
                  DB_T(origin), DB_I(flags), DB_T(envid));
    for (size_t n = 0; n < count; n++) {
        view address = vals_get_view(&r->in);
        int64_t notify = vals_get_int(&r->in);
        view orcpt = vals_get_view(&r->in);
        if (fresh == 1)
            db_run(r->db,
                   "INSERT INTO recipient(message, n, address, notify, orcpt) VALUES($1, $2, $3, $4, $5)",
                   DB_I(message), DB_I(n), DB_T(address), DB_I(notify), DB_T(orcpt));
    }
    if (fresh != 1) {
        if (db_number(r->db, 0, "SELECT count(*) FROM message WHERE id = $1 AND sha256 = $2 AND origin = $3",
                      DB_I(message), DB_B(sha256), DB_T(origin)) == 0)
            op_refuse(r, ERR_CONFLICT, "the queue id %s is taken: try again", id_format(message).s);
        return;
    }
    if (body.len == 0 && size > 0 &&
        db_number(r->db, 0,
                  "SELECT coalesce((SELECT length(bytes) FROM body WHERE id = $1), 0)"
                  " + coalesce((SELECT sum(length(bytes)) FROM body WHERE message = $1 AND seq > 0), 0)",
                  DB_I(message)) != size) {
        op_refuse(r, ERR_CONFLICT, "pieces of the message were lost before it was complete: send it again");
        return;
    }
    if (body.len > 0 || size == 0)
        db_run(r->db, "INSERT INTO body(id, message, seq, bytes) VALUES($1, $1, 0, $2)", DB_I(message),
               DB_B(body));
    db_run(r->db, "INSERT INTO inbox(message, owner, batch, until) VALUES($1, '', 0, 0)", DB_I(message));
    event_record(r, message, EVENT_ACCEPTED, 0, 0, VIEW(""), origin);
}

void op_run_ACCEPT(struct op_run *r) {
    accept_one(r);
}

/* in: message id. out, read by message_info_of: sender, Message-ID, size, sha256, fields, origin, flags,
 * gone, first piece of the body (empty when it is gone), envelope id. */
void op_run_MESSAGE_INFO(struct op_run *r) {
    int64_t message = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT sender, msgid, size, sha256, fields, origin, flags, gone, envid FROM message WHERE id = $1",
        DB_I(message));
    if (!query_row(&q)) {
        op_refuse(r, ERR_NOT_FOUND, "no message %s", id_format(message).s);
        return;
    }
    vals_view(r->out, query_text(&q, 0));
    vals_view(r->out, query_text(&q, 1));
    vals_int(r->out, query_int(&q, 2));
    for (int i = 3; i <= 5; i++)
        vals_view(r->out, query_text(&q, i));
    vals_int(r->out, query_int(&q, 6));
    vals_int(r->out, query_int(&q, 7));
    view envid = arena_view(r->arena, query_text(&q, 8));
    query_done(&q);
    db_query(r->db, &q, "SELECT bytes FROM body WHERE id = $1", DB_I(message));
    vals_view(r->out, query_row(&q) ? query_text(&q, 0) : VIEW(""));
    query_done(&q);
    vals_view(r->out, envid);
}

/* in: message id, number of the piece. out: the piece; nothing when there are no more. */
void op_run_MESSAGE_READ(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), seq = vals_get_int(&r->in);
    struct query q;
    if (seq == 0)
        db_query(r->db, &q, "SELECT bytes FROM body WHERE id = $1", DB_I(message));
    else
        db_query(r->db, &q, "SELECT bytes FROM body WHERE message = $1 AND seq = $2 AND seq > 0",
                 DB_I(message), DB_I(seq));
    while (query_row(&q))
        vals_view(r->out, query_text(&q, 0));
}
