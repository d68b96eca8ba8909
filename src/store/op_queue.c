/* op_queue.c: what is in the queue, and what happened: answers for people. */
#include "base/id.h"
#include "store/event.h"
#include "store/schema.h"

/* in: cursor (message id), most. out: per message not finished yet: id, sender, Message-ID, size, state
 * (accepted, expanding, delivering, archiving, held), what it waits for, recipients left */
void op_run_QUEUE_LS(struct op_run *r) {
    int64_t after = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT m.id, m.sender, m.msgid, m.size,"
             " (SELECT min(h.role || ': ' || h.reason) FROM hold h WHERE h.message = m.id),"
             " (SELECT count(*) FROM inbox i WHERE i.message = m.id),"
             " (SELECT count(*) FROM expansion e WHERE e.message = m.id),"
             " (SELECT count(*) FROM delivery d WHERE d.message = m.id),"
             " (SELECT count(*) FROM feed f WHERE f.message = m.id),"
             " (SELECT t.error FROM delivery d JOIN destination t ON t.id = d.dest WHERE d.message = m.id"
             " AND t.error <> '' LIMIT 1)"
             " FROM message m WHERE m.gone = 0 AND m.id > $1 ORDER BY m.id LIMIT $2",
             DB_I(after), DB_I(most));
    while (query_row(&q)) {
        bool held = !query_is_null(&q, 4);
        const char *state = held               ? "held"
                            : query_int(&q, 5) ? "accepted"
                            : query_int(&q, 6) ? "expanding"
                            : query_int(&q, 7) ? "delivering"
                            : query_int(&q, 8) ? "archiving"
                                               : "done";
        vals_int(r->out, query_int(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_view(r->out, query_text(&q, 2));
        vals_int(r->out, query_int(&q, 3));
        vals_view(r->out, view_of(state));
        vals_view(r->out, held ? query_text(&q, 4) : query_text(&q, 9));
        vals_int(r->out, query_int(&q, 7));
    }
}

/* out: is there anything left: accepted and not routed, expanding, to deliver, to archive (0/1 each). What is
 * held waits for people and does not count. */
void op_run_QUEUE_PENDING(struct op_run *r) {
    vals_int(r->out, db_number(r->db, 0, "SELECT 1 FROM inbox LIMIT 1"));
    vals_int(r->out, db_number(r->db, 0, "SELECT 1 FROM expansion LIMIT 1"));
    vals_int(r->out, db_number(r->db, 0,
                               "SELECT 1 FROM delivery d WHERE NOT EXISTS (SELECT 1 FROM hold h WHERE"
                               " h.message = d.message AND h.role = 'deliver') LIMIT 1"));
    vals_int(r->out, db_number(r->db, 0, "SELECT 1 FROM feed LIMIT 1"));
}

/* in: Message-ID or address, newest message id to look at (0: any), most. out: ids of messages, newest first,
 * that have that Message-ID, or that address as sender or recipient */
void op_run_TRACE_FIND(struct op_run *r) {
    view key = vals_get_view(&r->in);
    int64_t before = vals_get_int(&r->in), most = vals_get_int(&r->in);
    if (before == 0)
        before = INT64_MAX;
    struct query q;
    db_query(
        r->db, &q,
        "SELECT id FROM message WHERE (msgid = $1 OR sender = $1 OR id IN (SELECT e.message FROM event "
        "e JOIN address a"
        " ON a.id = e.rcpt WHERE lower(a.text) = lower($1) AND e.rcpt > 0) OR id IN (SELECT d.message FROM "
        "delivery d"
        " JOIN address a ON a.id = d.rcpt WHERE lower(a.text) = lower($1) AND d.dest BETWEEN a.site * 4 AND "
        "a.site * 4 + 3)) AND id < $2"
        " ORDER BY id DESC LIMIT $3",
        DB_T(key), DB_I(before), DB_I(most));
    while (query_row(&q))
        vals_int(r->out, query_int(&q, 0));
}

/* in: message, cursor (event id), most. out: per event: id, kind, recipient, list, host, detail */
void op_run_TRACE(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), after = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT e.id, e.kind, coalesce(a.text, ''), coalesce(l.address, ''), e.host, e.detail FROM event e"
        " LEFT JOIN address a ON a.id = e.rcpt LEFT JOIN list l ON l.id = e.list"
        " WHERE e.message = $1 AND e.id > $2 ORDER BY e.id LIMIT $3",
        DB_I(message), DB_I(after), DB_I(most));
    while (query_row(&q)) {
        vals_int(r->out, query_int(&q, 0));
        vals_view(r->out, view_of(event_name(query_int(&q, 1))));
        for (int i = 2; i < 6; i++)
            vals_view(r->out, query_text(&q, i));
    }
}

/* in: message, cursor (rcpt), most. out: what is still to do: rcpt, address, list, tries, due, site's error
 */
void op_run_TRACE_PENDING(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), after = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT d.rcpt, a.text, coalesce(l.address, ''), d.tries, CASE WHEN t.due > d.due THEN t.due ELSE "
        "d.due"
        " END, t.error FROM delivery d JOIN address a ON a.id = d.rcpt JOIN destination t ON t.id = d.dest"
        " LEFT JOIN list l ON l.id = d.list WHERE d.message = $1 AND d.rcpt > $2 ORDER BY d.rcpt LIMIT $3",
        DB_I(message), DB_I(after), DB_I(most));
    while (query_row(&q)) {
        vals_int(r->out, query_int(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_view(r->out, query_text(&q, 2));
        vals_int(r->out, query_int(&q, 3));
        vals_int(r->out, query_int(&q, 4));
        vals_view(r->out, query_text(&q, 5));
    }
}
