/* op_admin.c: domains, lists, members: what the command line changes. Long results page by key, long
 * changes come in slices, so that no transaction lasts. */
#include "mail/address.h"
#include "store/event.h"
#include "store/lookup.h"
#include "store/schema.h"

/* in: address, title, owner's address, archive (public, private, none), class of its copies */
void op_run_LIST_CREATE(struct op_run *r) {
    view address = vals_get_view(&r->in), title = vals_get_view(&r->in), owner = vals_get_view(&r->in);
    view archive = vals_get_view(&r->in);
    int64_t class = vals_get_int(&r->in);
    if (!domain_is_here(r, address))
        return;
    if (alias_is_live(r, address)) {
        op_refuse(r, ERR_EXISTS, "%.*s is an alias already", VIEW_ARG(address));
        return;
    }
    int64_t uid = db_number(r->db, 0, "SELECT uid_last FROM list_past WHERE address = $1", DB_T(address));
    if (db_change(r->db,
                  "INSERT INTO list(address, title, owner, archive, class, created, feed_last, uid_last)"
                  " VALUES($1, $2, $3, $4, $5, $6, 0, $7) ON CONFLICT DO NOTHING",
                  DB_T(address), DB_T(title), DB_T(owner), DB_T(archive), DB_I(class), DB_I(r->now_ms),
                  DB_I(uid)) == 0)
        op_refuse(r, ERR_EXISTS, "list %.*s is here already", VIEW_ARG(address));
}

static int64_t need_list(struct op_run *r, view address) {
    int64_t list = db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(address));
    if (list == 0)
        op_refuse(r, ERR_NOT_FOUND, "no list %.*s here", VIEW_ARG(address));
    return list;
}

static int64_t delete_members(struct op_run *r, int64_t list) {
    return db_change(r->db,
                     "DELETE FROM member WHERE list = $1 AND (site, addr) IN"
                     " (SELECT site, addr FROM member WHERE list = $1 ORDER BY site, addr LIMIT $2)",
                     DB_I(list), DB_I(LIMIT_EXPAND_SLICE));
}

/* What is known of its posts, for redelivery. */
static int64_t delete_posts(struct op_run *r, int64_t list) {
    return db_change(r->db,
                     "DELETE FROM post WHERE list = $1 AND uid IN"
                     " (SELECT uid FROM post WHERE list = $1 ORDER BY uid LIMIT $2)",
                     DB_I(list), DB_I(LIMIT_EXPAND_SLICE));
}

/* in: address. out: members removed in this slice, done (0/1): call again until done. Archive files stay, and
 * a list that is made again under the name goes on with the next UID. */
void op_run_LIST_DELETE(struct op_run *r) {
    view address = vals_get_view(&r->in);
    db_number(r->db, 0, "SELECT id FROM list WHERE address = $1 {for update}",
              DB_T(address)); /* no post meanwhile */
    int64_t list = need_list(r, address);
    if (list == 0)
        return;
    int64_t pending =
        db_number(r->db, 0,
                  "SELECT (SELECT count(*) FROM expansion WHERE list = $1)"
                  " + (SELECT count(*) FROM feed WHERE list = $1)"
                  " + (SELECT count(*) FROM (SELECT 1 FROM delivery WHERE list = $1 LIMIT 1) AS one)",
                  DB_I(list));
    if (pending > 0) {
        op_refuse(r, ERR_CONFLICT, "list %.*s has posts under way: try again when they are through",
                  VIEW_ARG(address));
        return;
    }
    int64_t members = delete_members(r, list);
    bool done = members == 0 && delete_posts(r, list) == 0;
    if (done) {
        db_run(r->db,
               "INSERT INTO list_past(address, uid_last) SELECT address, uid_last FROM list WHERE id = $1"
               " ON CONFLICT(address) DO UPDATE SET uid_last = excluded.uid_last",
               DB_I(list));
        db_run(r->db, "DELETE FROM follower WHERE list = $1", DB_I(list));
        db_run(r->db, "DELETE FROM list WHERE id = $1", DB_I(list));
    }
    vals_int(r->out, members);
    vals_int(r->out, done);
}

/* in: exact address or empty, last address seen, most. out: address, title, owner, archive, created, members,
 * posts, class */
void op_run_LIST_LS(struct op_run *r) {
    view exact = vals_get_view(&r->in), after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT address, title, owner, archive, created, (SELECT count(*) FROM member m WHERE m.list = l.id),"
        " uid_last, class FROM list l WHERE address > $1 AND ($2 = '' OR address = $2) ORDER BY address "
        "LIMIT $3",
        DB_T(after), DB_T(exact), DB_I(most));
    while (query_row(&q)) {
        for (int i = 0; i < 4; i++)
            vals_view(r->out, query_text(&q, i));
        for (int i = 4; i < 8; i++)
            vals_int(r->out, query_int(&q, i));
    }
}

/* in: list, count, addresses. out: how many were not members before. Sent without waiting for each. */
void op_run_MEMBER_ADD(struct op_run *r) {
    int64_t list = need_list(r, vals_get_view(&r->in));
    size_t count = vals_get_count(&r->in);
    struct vals addresses = r->in;
    if (list == 0)
        return;
    for (size_t i = 0; i < count && !db_error(r->db); i++) {
        view address = vals_get_view(&r->in);
        address_make(r, address, address_split(address).domain);
    }
    int64_t added = 0;
    for (size_t i = 0; i < count && !db_error(r->db); i++)
        added += db_change(r->db,
                           "INSERT INTO member(list, site, addr, since) SELECT $1, site, id, $3 FROM address"
                           " WHERE text = $2 ON CONFLICT DO NOTHING",
                           DB_I(list), DB_T(vals_get_view(&addresses)), DB_I(r->now_ms));
    vals_int(r->out, added);
}

/* in: list, count, addresses. out: how many were members */
void op_run_MEMBER_REMOVE(struct op_run *r) {
    int64_t list = need_list(r, vals_get_view(&r->in)), removed = 0;
    for (size_t count = vals_get_count(&r->in); count > 0 && list && !db_error(r->db); count--)
        removed += db_change(r->db,
                             "DELETE FROM member WHERE list = $1 AND (site, addr) IN"
                             " (SELECT site, id FROM address WHERE text = $2)",
                             DB_I(list), DB_T(vals_get_view(&r->in)));
    vals_int(r->out, removed);
}

/* in: list, cursor (site, addr), most. out: site, addr, address, since. In the order of expansion. */
void op_run_MEMBER_LS(struct op_run *r) {
    int64_t list = need_list(r, vals_get_view(&r->in));
    int64_t site = vals_get_int(&r->in), addr = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT m.site, m.addr, a.text, m.since FROM member m JOIN address a ON a.id = m.addr"
             " WHERE m.list = $1 AND (m.site, m.addr) > ($2, $3) ORDER BY m.site, m.addr LIMIT $4",
             DB_I(list), DB_I(site), DB_I(addr), DB_I(most));
    while (query_row(&q)) {
        vals_int(r->out, query_int(&q, 0));
        vals_int(r->out, query_int(&q, 1));
        vals_view(r->out, query_text(&q, 2));
        vals_int(r->out, query_int(&q, 3));
    }
}

/* in: last address seen, most. out: addresses of lists */
void op_run_LIST_NAMES(struct op_run *r) {
    view after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q, "SELECT address FROM list WHERE address > $1 ORDER BY address LIMIT $2", DB_T(after),
             DB_I(most));
    while (query_row(&q))
        vals_view(r->out, query_text(&q, 0));
}
