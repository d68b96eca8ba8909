/* op_archive.c: the archive feed, a log of operations per list that archive nodes follow with one cursor per
 * list. A feed row that every node has done is deleted; until then it keeps the body of its message. */
#include "store/edition.h"
#include "store/event.h"

/* in: node. From now on feed rows wait for this node. */
void op_run_ARCHIVE_JOIN(struct op_run *r) {
    view node = vals_get_view(&r->in);
    db_run(r->db, "INSERT INTO archive_node(node, since) VALUES($1, $2) ON CONFLICT DO NOTHING", DB_T(node),
           DB_I(r->now_ms));
}

/* in: node, most rows, list id to go on behind (0: from the first). out: per row, list by list in order of n:
 * list, its address, its archive setting (public, private), n, action, passed over (0/1: it is held, or the
 * list's content filter has left nothing), message, uid, sender, Message-ID, size, sha256, whether it is the
 * list's edition (0/1). A list's rows end before a post of which the edition is still to be made. */
void op_run_FEED_READ(struct op_run *r) {
    view node = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in), after = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "WITH waits AS (SELECT x.list, min(f.n) AS n FROM expansion x JOIN feed f ON f.message = x.message "
        "AND"
        " f.list = x.list WHERE NOT EXISTS (SELECT 1 FROM edition e WHERE e.message = x.message AND e.list ="
        " x.list) GROUP BY x.list)"
        " SELECT f.list, l.address, l.archive, f.n, f.action, CASE WHEN k.size = 0 THEN 1 ELSE"
        " (SELECT count(*) FROM hold h WHERE h.message = f.message AND h.role = 'archived') END, f.message,"
        " f.uid, CASE WHEN e.kept = $4 THEN l.address ELSE m.sender END, m.msgid, coalesce(k.size, m.size),"
        " CASE WHEN k.size > 0 THEN k.sha256 ELSE m.sha256 END, CASE WHEN k.size > 0 THEN 1 ELSE 0 END"
        " FROM feed f JOIN list l ON l.id = f.list JOIN message m ON m.id = f.message"
        " LEFT JOIN edition e ON e.message = f.message AND e.list = f.list"
        " LEFT JOIN post_kept k ON k.list = f.list AND k.uid = f.uid"
        " LEFT JOIN waits ON waits.list = f.list"
        " LEFT JOIN follower w ON w.list = f.list AND w.node = $1"
        " WHERE f.list > $3 AND f.n > coalesce(w.cursor, 0) AND (waits.n IS NULL OR f.n < waits.n)"
        " ORDER BY f.list, f.n LIMIT $2",
        DB_T(node), DB_I(most), DB_I(after), DB_I(KEPT_ANONYMOUS));
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
        vals_int(r->out, query_int(&q, 12));
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

/* in: last address seen, most. out: address of a list, its archive setting (public, private, none) */
void op_run_ARCHIVE_LISTS(struct op_run *r) {
    view after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q, "SELECT address, archive FROM list WHERE address > $1 ORDER BY address LIMIT $2",
             DB_T(after), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
    }
}

/* in: list's address, node, UID to go on behind, most. out: the list's id (0: it is not here), its archive
 * setting, its last UID (of a deleted list too; 0: none), the first UID the node has still to archive (0:
 * none); then per post, in order: UID, sha256, set aside from the archive (0/1). */
void op_run_ARCHIVE_POSTS(struct op_run *r) {
    view address = vals_get_view(&r->in), node = vals_get_view(&r->in);
    int64_t after = vals_get_int(&r->in), most = vals_get_int(&r->in), list = 0, uid_last = 0;
    struct buf archive = BUF_INIT(LIMIT_ADDRESS);
    struct query q;
    db_query(r->db, &q, "SELECT id, archive, uid_last FROM list WHERE address = $1", DB_T(address));
    if (query_row(&q)) {
        list = query_int(&q, 0);
        buf_add(&archive, query_text(&q, 1));
        uid_last = query_int(&q, 2);
        query_done(&q);
    } else {
        uid_last = db_number(r->db, 0, "SELECT uid_last FROM list_past WHERE address = $1", DB_T(address));
    }
    vals_int(r->out, list);
    vals_view(r->out, buf_view(&archive));
    vals_int(r->out, uid_last);
    vals_int(r->out,
             db_number(r->db, 0,
                       "SELECT min(uid) FROM feed WHERE list = $1 AND n > coalesce((SELECT cursor FROM"
                       " follower WHERE list = $1 AND node = $2), 0)",
                       DB_I(list), DB_T(node)));
    buf_done(&archive);
    db_query(r->db, &q,
             "SELECT p.uid, CASE WHEN k.size > 0 THEN k.sha256 ELSE p.sha256 END, (SELECT count(*) FROM hold "
             "h JOIN"
             " message m ON m.id = h.message WHERE h.role = 'archived' AND m.sha256 = p.sha256) + CASE WHEN "
             "k.size = 0"
             " THEN 1 ELSE 0 END FROM post p LEFT JOIN post_kept k ON k.list = p.list AND k.uid = p.uid"
             " WHERE p.list = $1 AND p.uid > $2 ORDER BY p.uid LIMIT $3",
             DB_I(list), DB_I(after), DB_I(most));
    while (query_row(&q)) {
        vals_int(r->out, query_int(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_int(r->out, query_int(&q, 2) > 0);
    }
}

/* What the archive has is what the store says, or the store is not touched. The same bytes under another UID
 * are known already: a list has them once. */
static void compare_post(struct op_run *r, int64_t list, int64_t uid, view sha256, view address) {
    struct query q;
    db_query(r->db, &q,
             "SELECT coalesce((SELECT k.sha256 FROM post_kept k WHERE k.list = p.list AND k.uid = p.uid), "
             "p.sha256)"
             " FROM post p WHERE p.list = $1 AND p.uid = $2",
             DB_I(list), DB_I(uid));
    if (query_row(&q)) {
        if (!view_eq(query_text(&q, 0), sha256))
            op_refuse(r, ERR_DAMAGED,
                      "post %lld of %.*s has other bytes in the archive than the store says: nothing of this "
                      "slice was recorded; archive verify shows which posts differ",
                      (long long)uid, VIEW_ARG(address));
        query_done(&q);
    }
}

/* The next UID is above what the archive has, and the next feed number above what a node is past. */
static void raise_list(struct op_run *r, int64_t list, view address, int64_t uid) {
    if (list == 0)
        db_run(r->db,
               "INSERT INTO list_past(address, uid_last) VALUES($1, $2) ON CONFLICT(address) DO UPDATE SET"
               " uid_last = CASE WHEN list_past.uid_last < excluded.uid_last THEN excluded.uid_last ELSE"
               " list_past.uid_last END",
               DB_T(address), DB_I(uid));
    else
        db_run(
            r->db,
            "UPDATE list SET uid_last = CASE WHEN uid_last < $2 THEN $2 ELSE uid_last END, feed_last = "
            "(SELECT"
            " max(x.n) FROM (SELECT list.feed_last AS n UNION ALL SELECT max(f.n) FROM feed f WHERE f.list ="
            " list.id UNION ALL SELECT max(w.cursor) FROM follower w WHERE w.list = list.id) AS x)"
            " WHERE id = $1",
            DB_I(list), DB_I(uid));
}

/* in: list's address, largest UID its archive has; count; per post of the archive: UID, sha256, Message-ID.
 * out: the list is here (0/1), posts that were not known. A list that is not here gets no posts, but its next
 * UID is remembered as that of a deleted one. DAMAGED when a post is known with other bytes. */
void op_run_ARCHIVE_RECORD(struct op_run *r) {
    view address = vals_get_view(&r->in);
    int64_t last = vals_get_int(&r->in), added = 0;
    int64_t list = db_number(r->db, 0, "SELECT id FROM list WHERE address = $1 {for update}", DB_T(address));
    for (size_t count = vals_get_count(&r->in); count > 0 && !db_error(r->db) && r->err.code == ERR_OK;
         count--) {
        int64_t uid = vals_get_int(&r->in);
        view sha256 = vals_get_view(&r->in), msgid = vals_get_view(&r->in);
        last = uid > last ? uid : last;
        if (list == 0)
            continue;
        int64_t n = db_change(
            r->db, "INSERT INTO post(list, uid, sha256, msgid) VALUES($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            DB_I(list), DB_I(uid), DB_B(sha256), DB_T(msgid));
        added += n > 0;
        if (n == 0)
            compare_post(r, list, uid, sha256, address);
    }
    raise_list(r, list, address, last);
    vals_int(r->out, list != 0);
    vals_int(r->out, added);
}

/* in: token of the snapshot, most pages. out: pages left (0: done), pages in all (0: not SQLite,
 * nothing is made). See db_snapshot_step(); each step is short. */
void op_run_SNAPSHOT(struct op_run *r) {
    int64_t token = vals_get_int(&r->in), pages = vals_get_int(&r->in), left, total;
    db_snapshot_step(r->db, token, pages < 1 ? 1 : pages, &left, &total);
    vals_int(r->out, left);
    vals_int(r->out, total);
}
