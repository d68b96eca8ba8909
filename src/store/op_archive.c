/* op_archive.c: the archive feed, a log of operations per list that archive nodes follow with one cursor per
 * list. A feed row that every node has done is deleted; until then it keeps the body of its message. */
#include "store/event.h"

/* in: node. From now on feed rows wait for this node. */
void op_run_ARCHIVE_JOIN(struct op_run *r) {
    view node = vals_get_view(&r->in);
    db_run(r->db, "INSERT INTO archive_node(node, since) VALUES($1, $2) ON CONFLICT DO NOTHING", DB_T(node),
           DB_I(r->now_ms));
}

/* in: node, most rows, list id to go on behind (0: from the first). out: per row, list by list in order of n:
 * list, its address, its archive setting (public, private), n, action, held (0/1), message, uid, sender,
 * Message-ID, size, sha256. */
void op_run_FEED_READ(struct op_run *r) {
    view node = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in), after = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT f.list, l.address, l.archive, f.n, f.action, (SELECT count(*) FROM hold h WHERE"
             " h.message = f.message AND h.role = 'archived'), f.message, f.uid, m.sender, m.msgid, m.size, "
             "m.sha256"
             " FROM feed f JOIN list l ON l.id = f.list JOIN message m ON m.id = f.message"
             " LEFT JOIN follower w ON w.list = f.list AND w.node = $1"
             " WHERE f.list > $3 AND f.n > coalesce(w.cursor, 0) ORDER BY f.list, f.n LIMIT $2",
             DB_T(node), DB_I(most), DB_I(after));
    while (query_row(&q)) {
        vals_int(r->out, query_int(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_view(r->out, query_text(&q, 2));
        for (int i = 3; i < 8; i++)
            vals_int(r->out, query_int(&q, i));
        vals_view(r->out, query_text(&q, 8));
        vals_view(r->out, query_text(&q, 9));
        vals_int(r->out, query_int(&q, 10));
        vals_view(r->out, query_text(&q, 11));
    }
}

/* One node at a time: two that moved at once would not see each other's cursor, and a row that both are past
 * would stay. */
static void move_cursor(struct op_run *r, view node, int64_t list, int64_t n) {
    db_run(r->db, "SELECT node FROM archive_node ORDER BY node {for update}");
    db_run(r->db,
           "INSERT INTO follower(node, list, cursor) VALUES($1, $2, $3)"
           " ON CONFLICT(node, list) DO UPDATE SET cursor = $3",
           DB_T(node), DB_I(list), DB_I(n));
    db_run(r->db,
           "DELETE FROM feed WHERE list = $1 AND n <= (SELECT min(coalesce(w.cursor, 0)) FROM archive_node a"
           " LEFT JOIN follower w ON w.node = a.node AND w.list = $1)",
           DB_I(list));
}

/* in: node, list; count; per row done, in order: n, message, place (empty: passed over). */
void op_run_FEED_DONE(struct op_run *r) {
    view node = vals_get_view(&r->in);
    int64_t list = vals_get_int(&r->in), last = 0;
    int64_t cursor = db_number(r->db, 0, "SELECT cursor FROM follower WHERE node = $1 AND list = $2",
                               DB_T(node), DB_I(list));
    for (size_t count = vals_get_count(&r->in); count > 0; count--) {
        int64_t n = vals_get_int(&r->in), message = vals_get_int(&r->in);
        view place = vals_get_view(&r->in);
        if (place.len > 0 && n > cursor)
            event_record(r, message, EVENT_ARCHIVED, 0, list, node, place);
        last = n;
    }
    if (last > cursor)
        move_cursor(r, node, list, last);
}
