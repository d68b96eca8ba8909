/* op_deliver.c: what deliver does. It leases destinations, not rows: a leased destination's rows are its own
 * until it releases the destination or the lease ends. A final result deletes the row and leaves one event; a
 * failure of the whole site is one row on the destination (DESIGN 3). */
#include "store/accept.h"
#include "store/bounced.h"
#include "store/class.h"
#include "store/event.h"
#include "store/schema.h"

/* in: node, batch, most destinations, lease in ms. out: sending is frozen (0/1); per destination: id, domain,
 * tries, transport, frozen (0/1). The same batch again gives the same destinations. A leased destination is
 * due again when its lease ends, or as soon as something new is added to it: then the node that holds it gets
 * it once more, and fetches. */
void op_run_LEASE(struct op_run *r) {
    view node = vals_get_view(&r->in);
    int64_t batch = vals_get_int(&r->in), most = vals_get_int(&r->in), lease = vals_get_int(&r->in);
    struct query q;
    bool frozen = db_number(r->db, 0, "SELECT value FROM instance WHERE name = 'frozen'") != 0;
    vals_int(r->out, frozen);
    if (frozen)
        return;
    if (db_number(r->db, 0, "SELECT 1 FROM destination WHERE batch = $1 AND batch > 0 LIMIT 1",
                  DB_I(batch)) == 0)
        db_run(
            r->db,
            "UPDATE destination SET owner = $1, batch = $2, until = $3, due = $3 WHERE id IN"
            " (SELECT d.id FROM destination d WHERE d.due <= $4 AND (d.owner = $1 OR (d.until < $4 AND NOT "
            "EXISTS"
            " (SELECT 1 FROM site s WHERE s.id = " SQL_SITE("d.id") " AND s.frozen = 1)))"
                                                                    " ORDER BY d.due LIMIT $5 {skip locked})",
            DB_T(node), DB_I(batch), DB_I(r->now_ms + lease), DB_I(r->now_ms), DB_I(most));
    db_query(r->db, &q,
             "SELECT d.id, s.name, d.tries, s.transport, s.frozen FROM destination d JOIN site s ON s.id "
             "= " SQL_SITE("d.id") " WHERE d.batch = $1 AND d.batch > 0 ORDER BY d.id",
             DB_I(batch));
    while (query_row(&q)) {
        vals_int(r->out, query_int(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_int(r->out, query_int(&q, 2));
        vals_view(r->out, query_text(&q, 3));
        vals_int(r->out, query_int(&q, 4));
    }
}

/* in: node, lease in ms. Everything the node holds. */
void op_run_LEASE_RENEW(struct op_run *r) {
    view node = vals_get_view(&r->in);
    int64_t lease = vals_get_int(&r->in);
    db_run(r->db,
           "UPDATE destination SET due = CASE WHEN due < until THEN due ELSE $2 END, until = $2"
           " WHERE owner = $1",
           DB_T(node), DB_I(r->now_ms + lease));
}

/* in: node. A restarted deliver gives back what it held. */
void op_run_LEASE_RESET(struct op_run *r) {
    view node = vals_get_view(&r->in);
    db_run(r->db,
           "UPDATE destination SET owner = '', batch = 0, until = 0, due = CASE WHEN due < $2 THEN due ELSE "
           "$2 END"
           " WHERE owner = $1",
           DB_T(node), DB_I(r->now_ms));
}

/* in: destination; cursor: due, message, list, rcpt; most rows. out: per row that is due: due, message, list,
 * rcpt, tries, flags, recipient's address, list's address (empty: not a list copy), sender of the message,
 * original recipient (or empty); of a copy that names the member, the member's name instead. */
void op_run_FETCH(struct op_run *r) {
    int64_t dest = vals_get_int(&r->in), due = vals_get_int(&r->in), message = vals_get_int(&r->in);
    int64_t list = vals_get_int(&r->in), rcpt = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT d.due, d.message, d.list, d.rcpt, d.tries, d.flags, a.text, coalesce(l.address, ''), "
             "m.sender,"
             " CASE WHEN d.flags >= $9 THEN coalesce((SELECT CASE WHEN b.name <> '' THEN b.name ELSE u.name"
             " END FROM mailbox b JOIN users u ON u.id = b.userid WHERE b.addr = d.rcpt), '')"
             " WHEN d.flags >= $8 THEN coalesce((SELECT o.text FROM orcpt o WHERE o.message = d.message AND"
             " o.rcpt = d.rcpt), '') ELSE '' END"
             " FROM delivery d JOIN address a ON a.id = d.rcpt JOIN message m ON m.id = d.message"
             " LEFT JOIN list l ON l.id = d.list"
             " WHERE d.dest = $1 AND d.due <= $2 AND (d.due, d.message, d.list, d.rcpt) > ($3, $4, $5, $6)"
             " AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.message = d.message AND h.role = 'deliver')"
             " ORDER BY d.due, d.message, d.list, d.rcpt LIMIT $7",
             DB_I(dest), DB_I(r->now_ms), DB_I(due), DB_I(message), DB_I(list), DB_I(rcpt), DB_I(most),
             DB_I(DELIVERY_ORCPT), DB_I(DELIVERY_NAME));
    while (query_row(&q)) {
        for (int i = 0; i < 6; i++)
            vals_int(r->out, query_int(&q, i));
        for (int i = 6; i < 10; i++)
            vals_view(r->out, query_text(&q, i));
    }
}

/* One result. A row that is gone had its result already: nothing happens twice. */
static void commit_result(struct op_run *r) {
    int64_t dest = vals_get_int(&r->in), due = vals_get_int(&r->in), message = vals_get_int(&r->in);
    int64_t list = vals_get_int(&r->in), rcpt = vals_get_int(&r->in), tries = vals_get_int(&r->in);
    int64_t flags = vals_get_int(&r->in);
    enum event_kind kind = (enum event_kind)vals_get_int(&r->in);
    int64_t next = vals_get_int(&r->in), counts = vals_get_int(&r->in), score;
    view host = vals_get_view(&r->in), detail = vals_get_view(&r->in);
    int64_t gone =
        db_change(r->db,
                  "DELETE FROM delivery WHERE dest = $1 AND due = $2 AND message = $3 AND list = $4"
                  " AND rcpt = $5",
                  DB_I(dest), DB_I(due), DB_I(message), DB_I(list), DB_I(rcpt));
    if (gone != 1)
        return;
    if (kind == EVENT_DEFERRED)
        db_run(r->db,
               "INSERT INTO delivery(dest, due, message, list, rcpt, tries, flags) VALUES($1, $2, $3, $4, "
               "$5, $6, $7)"
               " ON CONFLICT DO NOTHING",
               DB_I(dest), DB_I(next), DB_I(message), DB_I(list), DB_I(rcpt), DB_I(tries + 1), DB_I(flags));
    event_record(r, message, kind, rcpt, list, host, detail);
    if (counts && list)
        bounce_count(r, list, rcpt, true, detail, &score);
}

/* in: count; per result: destination, due, message, list, rcpt, tries, flags (of a row that stays), event
 * kind (delivered, deferred, bounced), next due (deferred), whether it counts against the member of the list
 * (0/1: the address takes no mail, whatever is in it), host, detail; then count of notifications, each as
 * ACCEPT takes it. */
void op_run_RESULTS(struct op_run *r) {
    for (size_t n = vals_get_count(&r->in); n > 0 && !r->in.failed && !db_error(r->db); n--)
        commit_result(r);
    for (size_t n = vals_get_count(&r->in); n > 0 && !r->in.failed && !db_error(r->db); n--)
        accept_one(r);
}

/* in: destination, batch, next due (0: as its rows say), tries, error. Ends the lease. The destination's row
 * is locked first: a delivery that is added meanwhile wakes the destination after us. */
void op_run_RELEASE(struct op_run *r) {
    int64_t dest = vals_get_int(&r->in), batch = vals_get_int(&r->in), due = vals_get_int(&r->in);
    int64_t tries = vals_get_int(&r->in);
    view error = vals_get_view(&r->in);
    struct query q;
    db_query(r->db, &q, "SELECT batch FROM destination WHERE id = $1 {for update}", DB_I(dest));
    bool mine = query_row(&q) && query_int(&q, 0) == batch;
    query_done(&q);
    if (!mine)
        return;
    if (due == 0)
        due = db_number(r->db, STORE_NEVER,
                        "SELECT min(d.due) FROM delivery d WHERE d.dest = $1 AND NOT EXISTS"
                        " (SELECT 1 FROM hold h WHERE h.message = d.message AND h.role = 'deliver')",
                        DB_I(dest));
    db_run(r->db,
           "UPDATE destination SET owner = '', batch = 0, until = 0, due = $2, tries = $3, error = $4 WHERE "
           "id = $1",
           DB_I(dest), DB_I(due), DB_I(tries), DB_T(error));
}
