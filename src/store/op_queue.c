/* op_queue.c: what is in the queue, and what happened: answers for people. */
#include "base/id.h"
#include "store/class.h"
#include "store/event.h"
#include "store/row_filter.h"
#include "store/schema.h"

struct row_filter row_filter_read(struct op_run *r) {
    view site = vals_get_view(&r->in);
    struct row_filter f = {.site = -1, .class = vals_get_int(&r->in), .list = -1};
    view list = f.list_address = vals_get_view(&r->in);
    if (site.len > 0)
        f.site = db_number(r->db, -2, "SELECT id FROM site WHERE name = $1", DB_T(site));
    if (list.len > 0)
        f.list = db_number(r->db, -2, "SELECT id FROM list WHERE address = $1", DB_T(list));
    return f;
}

static const char *state_of(const struct query *q) {
    static const char *const states[] = {"accepted", "expanding", "delivering", "archiving"};
    if (!query_is_null(q, 4))
        return "held";
    for (int i = 0; i < 4; i++)
        if (query_int(q, 5 + i))
            return states[i];
    return query_is_null(q, 11) ? "done" : "moderation";
}

/* in: cursor (message id), most messages to look at; sender (empty: any), domain (empty: any), class (-1:
 * any), list (empty: any), only what is held (0/1), only what was accepted before (ms; 0: any). out: next
 * cursor (0: the end was reached); per message that fits: id, sender, Message-ID, size, state (accepted,
 * expanding, delivering, archiving, held, moderation, done), what it waits for, recipients left */
void op_run_QUEUE_LS(struct op_run *r) {
    int64_t after = vals_get_int(&r->in), most = vals_get_int(&r->in);
    view sender = vals_get_view(&r->in);
    struct row_filter f = row_filter_read(r);
    int64_t held_only = vals_get_int(&r->in), before = vals_get_int(&r->in);
    before = before == 0 ? INT64_MAX : id_at_ms(before);
    int64_t last =
        db_number(r->db, 0,
                  "SELECT CASE WHEN count(*) = $2 THEN max(id) ELSE 0 END FROM (SELECT id FROM message"
                  " WHERE gone = 0 AND id > $1 ORDER BY id LIMIT $2) AS page",
                  DB_I(after), DB_I(most));
    vals_int(r->out, last);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT m.id, m.sender, m.msgid, m.size,"
        " (SELECT min(h.role || ': ' || h.reason) FROM hold h WHERE h.message = m.id),"
        " (SELECT count(*) FROM inbox i WHERE i.message = m.id),"
        " (SELECT count(*) FROM expansion e WHERE e.message = m.id),"
        " (SELECT count(*) FROM delivery d WHERE d.message = m.id),"
        " (SELECT count(*) FROM feed f WHERE f.message = m.id),"
        " (SELECT t.error FROM delivery d JOIN destination t ON t.id = d.dest WHERE d.message = m.id"
        " AND t.error <> '' LIMIT 1),"
        " (SELECT s.name FROM site s WHERE s.frozen <> 0 AND EXISTS (SELECT 1 FROM delivery d WHERE "
        "d.message = m.id"
        " AND d.dest BETWEEN s.id * 4 AND s.id * 4 + 3) LIMIT 1),"
        " (SELECT min(l.address || ': ' || p.reason) FROM held_post p JOIN list l ON l.id = p.list"
        " WHERE p.message = m.id)"
        " FROM message m WHERE m.gone = 0 AND m.id > $1 AND ($2 = 0 OR m.id <= $2) AND m.id < $3"
        " AND ($4 = '' OR lower(m.sender) = lower($4))"
        " AND ($5 = 0 OR EXISTS (SELECT 1 FROM hold h WHERE h.message = m.id))"
        " AND (($6 = -1 AND $7 = -1 AND $8 = -1) OR EXISTS (SELECT 1 FROM delivery d WHERE d.message = "
        "m.id" SQL_ROW_FITS(
            "$6", "$7",
            "$8") ") OR ($6 = -1 AND EXISTS (SELECT 1 FROM expansion e WHERE e.message = m.id AND ($7 = -1 OR"
                  " e.class = $7) AND ($8 = -1 OR e.list = $8)))"
                  " OR ($6 = -1 AND $7 = -1 AND EXISTS (SELECT 1 FROM recipient c WHERE c.message = m.id"
                  " AND lower(c.address) = $9)))"
                  " ORDER BY m.id",
        DB_I(after), DB_I(last), DB_I(before), DB_T(sender), DB_I(held_only), DB_I(f.site), DB_I(f.class),
        DB_I(f.list), DB_T(f.list_address));
    while (query_row(&q)) {
        bool held = !query_is_null(&q, 4), frozen = !query_is_null(&q, 10);
        bool moderation = view_eq(view_of(state_of(&q)), VIEW("moderation"));
        vals_int(r->out, query_int(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_view(r->out, query_text(&q, 2));
        vals_int(r->out, query_int(&q, 3));
        vals_view(r->out, view_of(state_of(&q)));
        vals_view(r->out, held         ? query_text(&q, 4)
                          : moderation ? query_text(&q, 11)
                          : frozen ? arena_printf(r->arena, "%.*s is frozen", VIEW_ARG(query_text(&q, 10)))
                                   : query_text(&q, 9));
        vals_int(r->out, query_int(&q, 7));
    }
}

enum { SITES_PAGE = 50, SITES_COUNTED = 200000 };

struct destination_row {
    int64_t id, due, tries, frozen, leased;
    view site, error;
};

/* One destination with something in it, into the answer. Its number of rows, which were all looked at. */
static int64_t add_destination(struct op_run *r, const struct destination_row *d) {
    int64_t waiting = 0, oldest = 0, due = 0;
    struct query q;
    db_query(r->db, &q, "SELECT count(*), min(message), min(due) FROM delivery WHERE dest = $1", DB_I(d->id));
    if (query_row(&q)) {
        waiting = query_int(&q, 0);
        oldest = query_int(&q, 1);
        due = query_int(&q, 2);
        query_done(&q);
    }
    if (waiting == 0)
        return 0;
    vals_view(r->out, d->site);
    vals_int(r->out, DESTINATION_CLASS(d->id));
    vals_int(r->out, waiting);
    vals_int(r->out, oldest);
    vals_int(r->out, d->leased || due > d->due ? due : d->due);
    vals_int(r->out, d->tries);
    vals_view(r->out, d->error);
    vals_int(r->out, d->frozen);
    vals_int(r->out, d->leased);
    return waiting;
}

/* in: cursor (destination), domain (empty: any), class (-1: any). out: next cursor (0: the end was reached);
 * per destination that something waits for: domain, class, recipients, oldest message, next try, tries of the
 * site since it last answered, its error, frozen (0/1), deliver is at it now (0/1) */
void op_run_QUEUE_SITES(struct op_run *r) {
    int64_t after = vals_get_int(&r->in);
    view site = vals_get_view(&r->in);
    int64_t class = vals_get_int(&r->in), counted = 0;
    struct destination_row rows[SITES_PAGE];
    size_t n = 0, at = 0;
    struct query q;
    db_query(r->db, &q,
             "SELECT t.id, t.due, t.tries, s.frozen, CASE WHEN t.owner <> '' AND t.until > $5 THEN 1 ELSE 0 "
             "END, s.name,"
             " t.error FROM destination t JOIN site s ON s.id = t.id / 4 WHERE t.id > $1 AND ($2 = '' OR "
             "s.name = $2)"
             " AND ($3 = -1 OR t.id % 4 = $3) ORDER BY t.id LIMIT $4",
             DB_I(after), DB_T(site), DB_I(class), DB_I(SITES_PAGE), DB_I(r->now_ms));
    while (query_row(&q) && n < SITES_PAGE)
        rows[n++] = (struct destination_row){.id = query_int(&q, 0),
                                             .due = query_int(&q, 1),
                                             .tries = query_int(&q, 2),
                                             .frozen = query_int(&q, 3),
                                             .leased = query_int(&q, 4),
                                             .site = arena_view(r->arena, query_text(&q, 5)),
                                             .error = arena_view(r->arena, query_text(&q, 6))};
    query_done(&q);
    struct buf found = BUF_INIT(r->out->limit - 32), *out = r->out;
    r->out = &found;
    while (at < n && counted < SITES_COUNTED)
        counted += add_destination(r, &rows[at++]);
    r->out = out;
    vals_int(r->out, at < n || n == SITES_PAGE ? rows[at - 1].id : 0);
    buf_add(r->out, buf_view(&found));
    buf_done(&found);
}

/* Who froze the site (empty: everything) last, and when. */
static void add_frozen(struct op_run *r, view site) {
    struct query q;
    view who = VIEW("");
    int64_t event = 0;
    db_query(
        r->db, &q,
        "SELECT id, detail FROM event WHERE message = 0 AND kind = $1 AND host = $2 ORDER BY id DESC LIMIT 1",
        DB_I(EVENT_FROZEN), DB_T(site));
    if (query_row(&q)) {
        event = query_int(&q, 0);
        who = arena_view(r->arena, query_text(&q, 1));
        query_done(&q);
    }
    vals_view(r->out, site);
    vals_view(r->out, who);
    vals_int(r->out, event);
}

enum { FROZEN_MOST = 200 };

/* out: what is frozen, at most 200: domain (empty: everything), by whom, event that says since when (0: not
 * known) */
void op_run_QUEUE_FROZEN(struct op_run *r) {
    view sites[FROZEN_MOST];
    size_t n = 0;
    struct query q;
    if (db_number(r->db, 0, "SELECT value FROM instance WHERE name = 'frozen'"))
        sites[n++] = VIEW("");
    db_query(r->db, &q, "SELECT name FROM site WHERE frozen <> 0 ORDER BY name LIMIT $1",
             DB_I(FROZEN_MOST - 1));
    while (query_row(&q) && n < FROZEN_MOST)
        sites[n++] = arena_view(r->arena, query_text(&q, 0));
    query_done(&q);
    for (size_t i = 0; i < n; i++)
        add_frozen(r, sites[i]);
}

/* out: is there anything left: accepted and not routed (or a letter of a list not written), expanding, to
 * deliver, to archive (0/1 each). What is held waits for people and does not count. */
void op_run_QUEUE_PENDING(struct op_run *r) {
    struct query q;
    db_query(
        r->db,
        &q, /* one statement, one view: what moves from one table to another meanwhile is in one of them */
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM inbox) OR EXISTS (SELECT 1 FROM owed_letter) THEN 1 ELSE 0 "
        "END,"
        " CASE WHEN EXISTS (SELECT 1 FROM expansion) THEN 1 ELSE 0 END,"
        " CASE WHEN EXISTS (SELECT 1 FROM delivery d WHERE NOT EXISTS (SELECT 1 FROM hold h WHERE"
        " h.message = d.message AND h.role = 'deliver')) THEN 1 ELSE 0 END,"
        " CASE WHEN EXISTS (SELECT 1 FROM feed) THEN 1 ELSE 0 END");
    while (query_row(&q))
        for (int i = 0; i < 4; i++)
            vals_int(r->out, query_int(&q, i));
}

/* in: where (0: accepted and not routed, 1: expanding, 2: to deliver, 3: to archive, 4: held), most. out:
 * messages that wait there; of more than that, some */
void op_run_QUEUE_FILES(struct op_run *r) {
    int64_t where = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT DISTINCT message FROM (SELECT * FROM (SELECT message FROM inbox WHERE $1 = 0 LIMIT $2) AS a"
        " UNION ALL SELECT * FROM (SELECT message FROM expansion WHERE $1 = 1 LIMIT $2) AS b"
        " UNION ALL SELECT * FROM (SELECT message FROM delivery WHERE $1 = 2 LIMIT $2) AS c"
        " UNION ALL SELECT * FROM (SELECT message FROM feed WHERE $1 = 3 LIMIT $2) AS d"
        " UNION ALL SELECT * FROM (SELECT message FROM hold WHERE $1 = 4 LIMIT $2) AS e) AS waiting"
        " ORDER BY message",
        DB_I(where), DB_I(most));
    while (query_row(&q))
        vals_int(r->out, query_int(&q, 0));
}

/* in: Message-ID or address, newest message id to look at (0: any), oldest (0: any), most. out: ids of
 * messages, newest first, that have that Message-ID, that address as sender or recipient, or were posts to
 * that list */
void op_run_TRACE_FIND(struct op_run *r) {
    view key = vals_get_view(&r->in);
    int64_t before = vals_get_int(&r->in), since = vals_get_int(&r->in), most = vals_get_int(&r->in);
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
        "a.site * 4 + 3) OR id IN (SELECT c.message FROM recipient c WHERE lower(c.address) = lower($1))"
        " OR id IN (SELECT m.id FROM list l JOIN post p ON p.list = l.id AND p.uid > l.uid_last - $5 AND "
        "p.msgid <> ''"
        " JOIN message m ON m.msgid = p.msgid WHERE l.address = lower($1))) AND id < $2 AND id >= $4"
        " ORDER BY id DESC LIMIT $3",
        DB_T(key), DB_I(before), DB_I(most), DB_I(since), DB_I(LIMIT_TRACE_POSTS));
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

/* in: message; domain (empty: any), class (-1: any), list (empty: any); cursor: destination, due, list, rcpt
 * (0 each at first); most. out: what is still to deliver, in the order of the cursor: destination, due, list,
 * rcpt; address, list's address, tries, flags (enum delivery_flags), next try, error of the site, site is
 * frozen (0/1), deliver is at the site now (0/1), original recipient (or empty) */
void op_run_TRACE_PENDING(struct op_run *r) {
    int64_t message = vals_get_int(&r->in);
    struct row_filter f = row_filter_read(r);
    int64_t dest = vals_get_int(&r->in), due = vals_get_int(&r->in), list = vals_get_int(&r->in);
    int64_t rcpt = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT d.dest, d.due, d.list, d.rcpt, a.text, coalesce(l.address, ''), d.tries, d.flags,"
             " CASE WHEN t.due > d.due AND NOT (t.owner <> '' AND t.until > $10) THEN t.due ELSE d.due END, "
             "t.error, s.frozen,"
             " CASE WHEN t.owner <> '' AND t.until > $10 THEN 1 ELSE 0 END,"
             " coalesce((SELECT o.text FROM orcpt o WHERE o.message = d.message AND o.rcpt = d.rcpt), '')"
             " FROM delivery d JOIN address a ON a.id = d.rcpt JOIN destination t ON t.id = d.dest"
             " JOIN site s ON s.id = d.dest / 4 LEFT JOIN list l ON l.id = d.list WHERE d.message = $1"
             " AND d.dest >= $2 AND (d.dest, d.due, d.list, d.rcpt) > ($2, $3, $4, $5)" SQL_ROW_FITS(
                 "$6", "$7", "$8") " ORDER BY d.dest, d.due, d.list, d.rcpt LIMIT $9",
             DB_I(message), DB_I(dest), DB_I(due), DB_I(list), DB_I(rcpt), DB_I(f.site), DB_I(f.class),
             DB_I(f.list), DB_I(most), DB_I(r->now_ms));
    while (query_row(&q)) {
        for (int i = 0; i < 4; i++)
            vals_int(r->out, query_int(&q, i));
        vals_view(r->out, query_text(&q, 4));
        vals_view(r->out, query_text(&q, 5));
        for (int i = 6; i < 9; i++)
            vals_int(r->out, query_int(&q, i));
        vals_view(r->out, query_text(&q, 9));
        vals_int(r->out, query_int(&q, 10));
        vals_int(r->out, query_int(&q, 11));
        vals_view(r->out, query_text(&q, 12));
    }
}

/* in: message. out: its recipients that are not routed yet: address as given, notify, original recipient */
void op_run_TRACE_ACCEPTED(struct op_run *r) {
    struct query q;
    db_query(r->db, &q, "SELECT address, notify, orcpt FROM recipient WHERE message = $1 ORDER BY n",
             DB_I(vals_get_int(&r->in)));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_int(r->out, query_int(&q, 1));
        vals_view(r->out, query_text(&q, 2));
    }
}

/* in: message. out: ids of the notifications about it, the oldest first, at most 100 */
void op_run_TRACE_NOTICES(struct op_run *r) {
    struct query q;
    db_query(r->db, &q, "SELECT id FROM message WHERE origin = $1 AND sender = '' ORDER BY id LIMIT 100",
             DB_T(arena_printf(r->arena, "notice-about=%s", id_format(vals_get_int(&r->in)).s)));
    while (query_row(&q))
        vals_int(r->out, query_int(&q, 0));
}
