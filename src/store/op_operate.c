/* op_operate.c: what people do to the queue: hold and release messages, try them again now, delete what is
 * left of them, and stop all sending. Long work is cut into slices by the caller. Each leaves an event that
 * says who did it.
 *
 * What deliver has on the wire at that moment is finished; the result of a row that is gone is not recorded.
 */
#include "base/id.h"
#include "store/class.h"
#include "store/event.h"
#include "store/row_filter.h"
#include "store/schema.h"
#include "store/sibling.h"

enum { SLICE_ROWS = 500 };

static bool has_deliveries(struct op_run *r, int64_t message) {
    return db_number(r->db, 0,
                     "SELECT 1 FROM delivery WHERE message = $1 UNION ALL SELECT 1 FROM expansion WHERE "
                     "message = $1"
                     " LIMIT 1",
                     DB_I(message)) != 0;
}

static void add_hold(struct op_run *r, int64_t message, const char *role, view reason) {
    db_run(r->db,
           "INSERT INTO hold(message, role, reason, since) VALUES($1, $2, $3, $4) ON CONFLICT DO NOTHING",
           DB_I(message), DB_T(view_of(role)), DB_T(reason), DB_I(r->now_ms));
}

/* in: message, reason ("by WHO: text"). Sets it aside from router, where it is not routed yet, and from
 * deliver. out: held (0: nothing of it is left to send) */
void op_run_QUEUE_HOLD(struct op_run *r) {
    int64_t message = vals_get_int(&r->in);
    view reason = vals_get_view(&r->in);
    bool accepted = db_change(r->db, "DELETE FROM inbox WHERE message = $1", DB_I(message)) == 1;
    if (accepted)
        add_hold(r, message, "router", reason);
    bool held = has_deliveries(r, message);
    if (held)
        add_hold(r, message, "deliver", reason);
    if (accepted || held)
        event_record(r, message, EVENT_HELD, 0, 0, VIEW(""), reason);
    vals_int(r->out, accepted || held);
}

/* An archive node that passed the post over is told of it once more; who has it already finds it so. */
static void feed_again(struct op_run *r, int64_t message) {
    struct {
        int64_t list, uid;
    } posts[LIMIT_ROUTE_BATCH];
    size_t n = 0;
    struct query q;
    db_query(
        r->db, &q,
        "SELECT p.list, p.uid FROM message m JOIN post p ON p.sha256 = m.sha256 JOIN list l ON l.id = p.list"
        " WHERE m.id = $1 AND l.archive <> 'none' AND NOT EXISTS (SELECT 1 FROM feed f WHERE f.message = "
        "m.id AND"
        " f.list = p.list) ORDER BY p.list LIMIT $2",
        DB_I(message), DB_I(LIMIT_ROUTE_BATCH));
    for (; query_row(&q) && n < LIMIT_ROUTE_BATCH; n++) {
        posts[n].list = query_int(&q, 0);
        posts[n].uid = query_int(&q, 1);
    }
    query_done(&q);
    for (size_t i = 0; i < n; i++) {
        db_run(r->db, "UPDATE list SET feed_last = feed_last + 1 WHERE id = $1", DB_I(posts[i].list));
        db_run(r->db,
               "INSERT INTO feed(list, n, action, message, uid) SELECT id, feed_last, 1, $2, $3 FROM list "
               "WHERE id = $1",
               DB_I(posts[i].list), DB_I(message), DB_I(posts[i].uid));
    }
}

static void release_from(struct op_run *r, int64_t message, view role) {
    if (db_change(r->db, "DELETE FROM hold WHERE message = $1 AND role = $2", DB_I(message), DB_T(role)) != 1)
        return;
    db_run(r->db, "DELETE FROM work WHERE message = $1 AND role = $2", DB_I(message), DB_T(role));
    if (view_eq(role, VIEW("router")))
        db_run(
            r->db,
            "INSERT INTO inbox(message, owner, batch, until) SELECT $1, '', 0, 0 WHERE EXISTS (SELECT 1 FROM"
            " recipient WHERE message = $1) ON CONFLICT DO NOTHING",
            DB_I(message)); /* one that is routed already goes on being expanded */
    else if (view_eq(role, VIEW("archived")))
        feed_again(r, message);
    else
        db_run(r->db,
               "UPDATE destination SET due = $2 WHERE due > $2 AND tries = 0 AND id IN (SELECT d.dest FROM "
               "delivery d"
               " WHERE d.message = $1)",
               DB_I(message), DB_I(r->now_ms));
}

/* in: message, by whom. The roles it was set aside from get it again, and past crashes are forgotten. out:
 * released (0: it was not held) */
void op_run_QUEUE_RELEASE(struct op_run *r) {
    static const char *const roles[] = {"router", "deliver", "archived"};
    int64_t message = vals_get_int(&r->in);
    view who = vals_get_view(&r->in);
    bool held = db_number(r->db, 0, "SELECT count(*) FROM hold WHERE message = $1 AND role <> 'list'",
                          DB_I(message)) > 0; /* of what a list has left nothing of, nothing can go on */
    for (size_t i = 0; held && i < sizeof roles / sizeof roles[0]; i++)
        release_from(r, message, view_of(roles[i]));
    if (held)
        event_record(r, message, EVENT_RELEASED, 0, 0, VIEW(""), who);
    vals_int(r->out, held);
}

/* in: message, by whom; domain (empty: any), class (-1: any), list (empty: any). Rows that wait for a later
 * time are due now, a slice of them a call; with the last slice their destinations are, too, as if the site
 * had never failed. out: rows of this slice, done (0/1), then: there was something (0/1) */
void op_run_QUEUE_RETRY(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), left = 0;
    view who = vals_get_view(&r->in);
    struct row_filter f = row_filter_read(r);
    int64_t n = db_change(
        r->db,
        "UPDATE delivery SET due = $2 WHERE (dest, due, message, list, rcpt) IN (SELECT d.dest, d.due,"
        " d.message, d.list, d.rcpt FROM delivery d WHERE d.message = $1 AND d.due > $2" SQL_ROW_FITS(
            "$3", "$4", "$5") " LIMIT $6)",
        DB_I(message), DB_I(r->now_ms), DB_I(f.site), DB_I(f.class), DB_I(f.list), DB_I(SLICE_ROWS));
    bool done = n < SLICE_ROWS;
    if (done) {
        db_run(r->db,
               "UPDATE destination SET due = $2, tries = 0 WHERE (due > $2 OR tries > 0) AND id IN (SELECT"
               " d.dest FROM delivery d WHERE d.message = $1" SQL_ROW_FITS("$3", "$4", "$5") ")",
               DB_I(message), DB_I(r->now_ms), DB_I(f.site), DB_I(f.class), DB_I(f.list));
        left = db_number(
            r->db, 0,
            "SELECT 1 FROM delivery d WHERE d.message = $1" SQL_ROW_FITS("$2", "$3", "$4") " LIMIT 1",
            DB_I(message), DB_I(f.site), DB_I(f.class), DB_I(f.list));
        if (left)
            event_record(r, message, EVENT_RETRIED, 0, 0, VIEW(""), who);
    }
    vals_int(r->out, n);
    vals_int(r->out, done);
    vals_int(r->out, left);
}

/* Nothing is left that it could be held back from. */
static void drop_holds(struct op_run *r, int64_t message) {
    if (!has_deliveries(r, message) &&
        db_number(r->db, 0, "SELECT 1 FROM recipient WHERE message = $1 LIMIT 1", DB_I(message)) == 0)
        db_run(r->db, "DELETE FROM hold WHERE message = $1 AND role NOT IN ('archived', 'list')",
               DB_I(message));
}

/* Recipients that are not routed yet: of a message in the inbox, or held back from router. False: router has
 * it done already. */
static bool stop_routing(struct op_run *r, int64_t message, enum event_kind kind, view detail) {
    if (db_change(r->db, "DELETE FROM inbox WHERE message = $1", DB_I(message)) != 1 &&
        db_change(r->db, "DELETE FROM hold WHERE message = $1 AND role = 'router'", DB_I(message)) != 1)
        return false;
    view *addresses = arena_array(r->arena, view, LIMIT_MESSAGE_TARGETS + 100);
    size_t n = 0;
    struct query q;
    db_query(r->db, &q, "SELECT address FROM recipient WHERE message = $1 ORDER BY n LIMIT $2", DB_I(message),
             DB_I(LIMIT_MESSAGE_TARGETS + 100));
    while (addresses && query_row(&q) && n < LIMIT_MESSAGE_TARGETS + 100)
        addresses[n++] = arena_view(r->arena, query_text(&q, 0));
    query_done(&q);
    db_run(r->db, "DELETE FROM recipient WHERE message = $1", DB_I(message));
    for (size_t i = 0; i < n; i++)
        event_record(r, message, kind, 0, 0, VIEW(""),
                     arena_printf(r->arena, "<%.*s> %.*s", VIEW_ARG(addresses[i]), VIEW_ARG(detail)));
    vals_int(r->out, (int64_t)n);
    return true;
}

/* One without an edition ends as soon as that is made: the archive may have to keep it in place of the post.
 */
static void stop_expansion(struct op_run *r, int64_t message, int64_t list) {
    if (db_number(r->db, 0, "SELECT 1 FROM edition WHERE message = $1 AND list = $2", DB_I(message),
                  DB_I(list))) {
        expansion_end(r, message, list);
    } else {
        db_run(r->db, "UPDATE expansion SET site = $3 WHERE message = $1 AND list = $2", DB_I(message),
               DB_I(list), DB_I(INT64_MAX));
    }
}

/* Lists (-1: any) that are being expanded: no further copies. */
static int64_t stop_expansions(struct op_run *r, int64_t message, int64_t list, view detail) {
    int64_t lists[LIMIT_ROUTE_BATCH];
    size_t n = 0;
    struct query q;
    db_query(r->db, &q,
             "SELECT list FROM expansion WHERE message = $1 AND ($2 = -1 OR list = $2) ORDER BY list LIMIT "
             "$3 {for update}",
             DB_I(message), DB_I(list), DB_I(LIMIT_ROUTE_BATCH));
    while (query_row(&q) && n < LIMIT_ROUTE_BATCH)
        lists[n++] = query_int(&q, 0);
    query_done(&q);
    for (size_t i = 0; i < n; i++) {
        stop_expansion(r, message, lists[i]);
        event_record(r, message, EVENT_DELETED, 0, lists[i], VIEW(""),
                     arena_printf(r->arena, "%.*s: members without a copy get none", VIEW_ARG(detail)));
    }
    return (int64_t)n;
}

/* A post of which a list's content filter had left nothing, and which was kept for people to look at. */
static bool drop_preserved(struct op_run *r, int64_t message, view detail) {
    if (db_change(r->db, "DELETE FROM hold WHERE message = $1 AND role = 'list'", DB_I(message)) != 1)
        return false;
    event_record(r, message, EVENT_DELETED, 0, 0, VIEW(""), detail);
    return true;
}

/* in: message, event kind (deleted, bounced), detail, list (empty: any; then what is not routed yet stays); 0
 * or 1 notifications, each as ACCEPT takes it, about the recipients that are not routed. Nothing new comes of
 * the message any more. out: recipients that were not routed, lists whose expansion was stopped, or that had
 * kept it for people to look at */
void op_run_QUEUE_STOP(struct op_run *r) {
    int64_t message = vals_get_int(&r->in);
    enum event_kind kind = (enum event_kind)vals_get_int(&r->in);
    view detail = vals_get_view(&r->in), list = vals_get_view(&r->in);
    int64_t id =
        list.len == 0 ? -1 : db_number(r->db, -2, "SELECT id FROM list WHERE address = $1", DB_T(list));
    size_t notices = vals_get_count(&r->in);
    if (list.len > 0 || !stop_routing(r, message, kind, detail))
        vals_int(r->out, list.len == 0 && drop_preserved(r, message, detail));
    else if (notices > 0)
        accept_one(r);
    vals_int(r->out, stop_expansions(r, message, id, detail));
    drop_holds(r, message);
}

/* in: message, event kind (deleted, bounced), detail; count; per row: destination, due, list, rcpt; 0 or 1
 * notifications, each as ACCEPT takes it, about all of them. A row that is gone had its result meanwhile;
 * when a notification names it, CONFLICT: look again. out: rows dropped */
void op_run_QUEUE_DROP(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), dropped = 0;
    enum event_kind kind = (enum event_kind)vals_get_int(&r->in);
    view detail = vals_get_view(&r->in);
    size_t count = vals_get_count(&r->in);
    for (size_t i = 0; i < count && !db_error(r->db); i++) {
        int64_t dest = vals_get_int(&r->in), due = vals_get_int(&r->in);
        int64_t list = vals_get_int(&r->in), rcpt = vals_get_int(&r->in);
        if (db_change(r->db,
                      "DELETE FROM delivery WHERE dest = $1 AND due = $2 AND message = $3 AND list = $4 AND "
                      "rcpt = $5",
                      DB_I(dest), DB_I(due), DB_I(message), DB_I(list), DB_I(rcpt)) != 1)
            continue;
        event_record(r, message, kind, rcpt, list, VIEW(""), detail);
        dropped++;
    }
    size_t notices = vals_get_count(&r->in);
    if (notices > 0 && dropped < (int64_t)count)
        op_refuse(r, ERR_CONFLICT, "some recipients of %s had their result meanwhile", id_format(message).s);
    else if (notices > 0)
        accept_one(r);
    drop_holds(r, message);
    vals_int(r->out, dropped);
}

/* All destinations of a site that deliver holds hear of it; with thawing all of them, as if it had never
 * failed. */
static void wake_site(struct op_run *r, int64_t site, bool frozen) {
    db_run(r->db,
           "UPDATE destination SET due = CASE WHEN due > $3 THEN $3 ELSE due END,"
           " tries = CASE WHEN $4 = 1 THEN tries ELSE 0 END WHERE id BETWEEN $1 AND $2 AND (owner <> '' OR "
           "$4 = 0)",
           DB_I(DESTINATION(site, 0)), DB_I(DESTINATION(site, CLASS_COUNT - 1)), DB_I(r->now_ms),
           DB_I(frozen));
}

/* in: domain (empty: everything), frozen (0/1), by whom. out: changed (0: it was so before) */
void op_run_QUEUE_FREEZE(struct op_run *r) {
    view domain = vals_get_view(&r->in);
    bool frozen = vals_get_int(&r->in) != 0;
    view who = vals_get_view(&r->in);
    int64_t was, site = 0;
    if (domain.len == 0) {
        was = db_number(r->db, 0, "SELECT value FROM instance WHERE name = 'frozen'");
        db_run(r->db,
               "INSERT INTO instance(name, value) VALUES('frozen', $1) ON CONFLICT(name) DO UPDATE SET value "
               "= $1",
               DB_I(frozen));
    } else {
        db_run(r->db, "INSERT INTO site(name, transport, frozen) VALUES($1, '', 0) ON CONFLICT DO NOTHING",
               DB_T(domain));
        site = db_number(r->db, 0, "SELECT id FROM site WHERE name = $1", DB_T(domain));
        was = db_number(r->db, 0, "SELECT frozen FROM site WHERE id = $1", DB_I(site));
        db_run(r->db, "UPDATE site SET frozen = $2 WHERE id = $1", DB_I(site), DB_I(frozen));
        wake_site(r, site, frozen);
    }
    bool changed = (was != 0) != frozen;
    if (changed) /* message 0: of the queue as a whole */
        event_record(r, EVENTS_OF_QUEUE, frozen ? EVENT_FROZEN : EVENT_THAWED, 0, 0, domain, who);
    vals_int(r->out, changed);
}
