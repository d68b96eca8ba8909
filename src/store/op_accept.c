/* op_accept.c: mail comes in. RCPT asks whether an address is known; a body too large for one packet is
 * staged in pieces; accept makes message, envelope and every recipient one committed transaction
 * (DESIGN 1.1). */
#include "base/id.h"
#include "store/event.h"
#include "store/schema.h"

/* in: normalised address, its domain, the list address it may belong to (LIST for LIST-bounces+x; else the
 * same) out: domain is local (0/1), list id of the third argument (0: none), count of alias targets, targets;
 * an exact alias wins over the catch-all "@domain". */
void op_run_RCPT_LOOKUP(struct op_run *r) {
    view address = vals_get_view(&r->in), domain = vals_get_view(&r->in), list = vals_get_view(&r->in);
    vals_int(r->out, db_number(r->db, 0, "SELECT 1 FROM domain WHERE name = $1", DB_T(domain)));
    vals_int(r->out, db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(list)));
    view catch_all = arena_printf(r->arena, "@%.*s", VIEW_ARG(domain));
    view keys[2] = {address, catch_all};
    struct query q;
    struct buf targets = BUF_INIT(LIMIT_STORE_PACKET / 2);
    int64_t count = 0;
    for (int i = 0; i < 2 && count == 0; i++) {
        db_query(r->db, &q, "SELECT target FROM alias WHERE address = $1 ORDER BY target LIMIT $2",
                 DB_T(keys[i]), DB_I(LIMIT_ALIAS_TARGETS));
        for (; query_row(&q); count++)
            vals_view(&targets, query_text(&q, 0));
    }
    vals_int(r->out, count);
    if (targets.failed)
        op_refuse(r, ERR_LIMIT, "the targets of alias %.*s are too large", VIEW_ARG(address));
    buf_add(r->out, buf_view(&targets));
    buf_done(&targets);
}

/* in: message id, number of the piece (0..), bytes */
void op_run_BODY_STAGE(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), seq = vals_get_int(&r->in);
    view bytes = vals_get_view(&r->in);
    db_run(r->db, "INSERT INTO body(id, message, seq, bytes) VALUES($1, $2, $3, $4) ON CONFLICT DO NOTHING",
           DB_I(seq == 0 ? message : id_new()), DB_I(message), DB_I(seq), DB_B(bytes));
}

void event_add(struct op_run *r, int64_t message, enum event_kind kind, int64_t rcpt, int64_t list, view host,
               view detail) {
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
 * inline body (empty when it was staged), count of recipients, recipients as given.
 * Idempotent by the message id: a second run finds it and is content. */
void accept_one(struct op_run *r) {
    int64_t message = vals_get_int(&r->in);
    view sender = vals_get_view(&r->in), msgid = vals_get_view(&r->in);
    int64_t size = vals_get_int(&r->in);
    view sha256 = vals_get_view(&r->in), fields = vals_get_view(&r->in), origin = vals_get_view(&r->in);
    int64_t flags = vals_get_int(&r->in);
    view body = vals_get_view(&r->in);
    size_t count = vals_get_count(&r->in);
    if (r->in.failed || count == 0) {
        op_refuse(r, ERR_SYNTAX, "accept: incomplete arguments");
        return;
    }
    int64_t fresh =
        db_change(r->db,
                  "INSERT INTO message(id, sender, msgid, size, sha256, fields, origin, flags, gone)"
                  " VALUES($1, $2, $3, $4, $5, $6, $7, $8, 0) ON CONFLICT DO NOTHING",
                  DB_I(message), DB_T(sender), DB_T(msgid), DB_I(size), DB_B(sha256), DB_B(fields),
                  DB_T(origin), DB_I(flags));
    for (size_t n = 0; n < count; n++) {
        view address = vals_get_view(&r->in);
        if (fresh == 1)
            db_run(r->db, "INSERT INTO recipient(message, n, address) VALUES($1, $2, $3)", DB_I(message),
                   DB_I(n), DB_T(address));
    }
    if (fresh != 1)
        return;
    if (body.len > 0 || size == 0)
        db_run(r->db, "INSERT INTO body(id, message, seq, bytes) VALUES($1, $1, 0, $2)", DB_I(message),
               DB_B(body));
    db_run(r->db, "INSERT INTO inbox(message, owner, until, tries) VALUES($1, '', 0, 0)", DB_I(message));
    event_add(r, message, EVENT_ACCEPTED, 0, 0, VIEW(""), origin);
}

void op_run_ACCEPT(struct op_run *r) {
    accept_one(r);
}

/* in: message id. out: sender, Message-ID, size, sha256, fields, origin, flags, gone */
void op_run_MESSAGE_INFO(struct op_run *r) {
    int64_t message = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT sender, msgid, size, sha256, fields, origin, flags, gone FROM message WHERE id = $1",
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
    query_done(&q);
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
