/* op_user.c: users and their addresses, as people name them: by any of their addresses. Every registered
 * address belongs to one user; one who is known by a single address needs nobody to make a user for it. */
#include "mail/address.h"
#include "store/event.h"
#include "store/person.h"
#include "store/preference.h"

struct mailbox mailbox_find(struct op_run *r, view address) {
    struct mailbox b = {0};
    struct query q;
    db_query(r->db, &q,
             "SELECT a.id, a.site, b.userid, b.verified FROM address a JOIN mailbox b ON b.addr = a.id"
             " WHERE a.text = $1",
             DB_T(address));
    if (query_row(&q))
        b = (struct mailbox){query_int(&q, 0), query_int(&q, 1), query_int(&q, 2), query_int(&q, 3)};
    query_done(&q);
    return b;
}

bool need_mailbox(struct op_run *r, view address, struct mailbox *ret) {
    *ret = mailbox_find(r, address);
    if (ret->addr == 0)
        op_refuse(r, ERR_NOT_FOUND, "%.*s is not registered here", VIEW_ARG(address));
    return ret->addr != 0;
}

void mailbox_make(struct op_run *r, view address, view original, view name, int64_t userid) {
    address_make(r, address, address_split(address).domain);
    db_run(r->db,
           "INSERT INTO mailbox(addr, original, name, registered, verified, userid)"
           " SELECT id, $2, $3, $4, 0, $5 FROM address WHERE text = $1 ON CONFLICT DO NOTHING",
           DB_T(address), DB_T(view_eq(original, address) ? VIEW("") : original), DB_T(name), DB_I(r->now_ms),
           DB_I(userid));
    db_run(r->db,
           "INSERT INTO users(id, name, preferred, created) SELECT $1, '', 0, $2 WHERE EXISTS"
           " (SELECT 1 FROM mailbox WHERE userid = $1) ON CONFLICT DO NOTHING",
           DB_I(userid), DB_I(r->now_ms));
}

/* A user without any address is nobody. */
void user_forget_if_empty(struct op_run *r, int64_t userid) {
    if (db_number(r->db, 0, "SELECT count(*) FROM mailbox WHERE userid = $1", DB_I(userid)) > 0)
        return;
    db_run(r->db, "DELETE FROM preference WHERE level = $1 AND owner = $2", DB_I(LEVEL_USER), DB_I(userid));
    db_run(r->db, "DELETE FROM domain_owner WHERE userid = $1", DB_I(userid));
    db_run(r->db, "DELETE FROM users WHERE id = $1", DB_I(userid));
}

void person_record(struct op_run *r, enum event_kind kind, int64_t addr, view who, view what) {
    event_record(r, EVENTS_OF_PEOPLE, kind, addr, 0, VIEW(""),
                 arena_printf(r->arena, "by=%.*s %.*s", VIEW_ARG(who), VIEW_ARG(what)));
}

/* in: who does it, address, original, name. Registers it; one that is there gets the name, if there is one.
 * out: registered now (0/1) */
void op_run_USER_ADD(struct op_run *r) {
    view who = vals_get_view(&r->in), address = vals_get_view(&r->in), original = vals_get_view(&r->in);
    view name = vals_get_view(&r->in);
    struct mailbox b = mailbox_find(r, address);
    bool is_new = b.addr == 0;
    if (is_new) {
        mailbox_make(r, address, original, VIEW(""), person_ids(r, 1));
        b = mailbox_find(r, address);
    }
    if (name.len > 0)
        db_run(r->db, "UPDATE users SET name = $2 WHERE id = $1", DB_I(b.userid), DB_T(name));
    if (is_new || name.len > 0)
        person_record(r, EVENT_REGISTERED, b.addr, who, name.len ? name : VIEW(""));
    vals_int(r->out, is_new);
}

/* Where the user's memberships that follow the preferred address go. One that is there already stays. */
static void move_followers(struct op_run *r, int64_t userid, int64_t addr, int64_t site) {
    struct {
        int64_t id, list, role;
    } of[LIMIT_MEMBER_SLICE];
    size_t n = 0;
    struct query q;
    db_query(r->db, &q,
             "SELECT m.id, m.list, m.role FROM mailbox b JOIN member m ON m.addr = b.addr"
             " WHERE b.userid = $1 AND m.follows = 1 AND m.addr <> $2",
             DB_I(userid), DB_I(addr));
    for (; query_row(&q) && n < LIMIT_MEMBER_SLICE; n++) {
        of[n].id = query_int(&q, 0);
        of[n].list = query_int(&q, 1);
        of[n].role = query_int(&q, 2);
    }
    query_done(&q);
    for (size_t i = 0; i < n; i++)
        if (membership_find(r, of[i].list, (enum member_role)of[i].role, addr))
            membership_end(r, of[i].id);
        else
            db_run(r->db, "UPDATE member SET addr = $2, site = $3 WHERE id = $1", DB_I(of[i].id), DB_I(addr),
                   DB_I(site));
}

/* in: who does it, address. It is the user's preferred one; memberships as a user follow it. */
void op_run_USER_PREFER(struct op_run *r) {
    view who = vals_get_view(&r->in), address = vals_get_view(&r->in);
    struct mailbox b;
    if (!need_mailbox(r, address, &b))
        return;
    if (b.verified == 0) {
        op_refuse(r, ERR_REFUSED, "%.*s is not verified", VIEW_ARG(address));
        return;
    }
    db_run(r->db, "UPDATE users SET preferred = $2 WHERE id = $1", DB_I(b.userid), DB_I(b.addr));
    move_followers(r, b.userid, b.addr, b.site);
    memberships_refresh(r, LEVEL_ADDRESS, b.addr);
    person_record(r, EVENT_PREFERRED, b.addr, who, VIEW("preferred=yes"));
}

/* in: who does it, address of a user, another address: it becomes that user's too, with its memberships; a
 * user that is left without any goes. */
void op_run_USER_LINK(struct op_run *r) {
    view who = vals_get_view(&r->in), address = vals_get_view(&r->in), other = vals_get_view(&r->in);
    struct mailbox to, from;
    if (!need_mailbox(r, address, &to))
        return;
    from = mailbox_find(r, other);
    if (from.addr == 0) {
        mailbox_make(r, other, VIEW(""), VIEW(""), person_ids(r, 1));
        from = mailbox_find(r, other);
    }
    if (from.userid == to.userid) {
        op_refuse(r, ERR_EXISTS, "%.*s belongs to that user already", VIEW_ARG(other));
        return;
    }
    db_run(r->db, "UPDATE users SET preferred = 0 WHERE id = $1 AND preferred = $2", DB_I(from.userid),
           DB_I(from.addr));
    db_run(r->db, "UPDATE mailbox SET userid = $2 WHERE addr = $1", DB_I(from.addr), DB_I(to.userid));
    user_forget_if_empty(r, from.userid);
    memberships_refresh(r, LEVEL_ADDRESS, from.addr);
    person_record(r, EVENT_REGISTERED, from.addr, who,
                  arena_printf(r->arena, "with=%.*s", VIEW_ARG(address)));
}

/* in: who does it, address: it has a user of its own again. */
void op_run_USER_UNLINK(struct op_run *r) {
    view who = vals_get_view(&r->in), address = vals_get_view(&r->in);
    struct mailbox b;
    if (!need_mailbox(r, address, &b))
        return;
    if (db_number(r->db, 0, "SELECT count(*) FROM mailbox WHERE userid = $1", DB_I(b.userid)) == 1) {
        op_refuse(r, ERR_REFUSED, "%.*s is its user's only address", VIEW_ARG(address));
        return;
    }
    int64_t own = person_ids(r, 1);
    db_run(r->db, "UPDATE users SET preferred = 0 WHERE id = $1 AND preferred = $2", DB_I(b.userid),
           DB_I(b.addr));
    db_run(r->db, "UPDATE member SET follows = 0 WHERE addr = $1", DB_I(b.addr));
    db_run(r->db, "UPDATE mailbox SET userid = $2 WHERE addr = $1", DB_I(b.addr), DB_I(own));
    db_run(r->db, "INSERT INTO users(id, name, preferred, created) VALUES($1, '', 0, $2)", DB_I(own),
           DB_I(r->now_ms));
    memberships_refresh(r, LEVEL_ADDRESS, b.addr);
    person_record(r, EVENT_REGISTERED, b.addr, who, VIEW("alone"));
}

/* in: who does it, address, verified (0/1) */
void op_run_USER_VERIFY(struct op_run *r) {
    view who = vals_get_view(&r->in), address = vals_get_view(&r->in);
    int64_t verified = vals_get_int(&r->in);
    struct mailbox b;
    if (!need_mailbox(r, address, &b))
        return;
    db_run(r->db, "UPDATE mailbox SET verified = $2 WHERE addr = $1", DB_I(b.addr),
           DB_I(verified ? r->now_ms : 0));
    person_record(r, EVENT_REGISTERED, b.addr, who, verified ? VIEW("verified=yes") : VIEW("verified=no"));
}

int64_t mailbox_forget(struct op_run *r, const struct mailbox *b, view who) {
    int64_t ended = db_number(r->db, 0, "SELECT count(*) FROM member WHERE addr = $1", DB_I(b->addr));
    db_run(r->db,
           "DELETE FROM preference WHERE level = $1 AND owner IN (SELECT id FROM member WHERE addr = $2)",
           DB_I(LEVEL_MEMBER), DB_I(b->addr));
    db_run(r->db, "DELETE FROM preference WHERE level = $1 AND owner = $2", DB_I(LEVEL_ADDRESS),
           DB_I(b->addr));
    db_run(r->db, "DELETE FROM bounce WHERE member IN (SELECT id FROM member WHERE addr = $1)",
           DB_I(b->addr));
    db_run(r->db, "DELETE FROM member WHERE addr = $1", DB_I(b->addr));
    db_run(r->db, "DELETE FROM request WHERE addr = $1", DB_I(b->addr));
    db_run(r->db, "UPDATE users SET preferred = 0 WHERE id = $1 AND preferred = $2", DB_I(b->userid),
           DB_I(b->addr));
    db_run(r->db, "DELETE FROM mailbox WHERE addr = $1", DB_I(b->addr));
    user_forget_if_empty(r, b->userid);
    person_record(r, EVENT_FORGOTTEN, b->addr, who, VIEW(""));
    return ended;
}

/* in: who does it, address: forgotten, with all memberships of that address. out: memberships ended */
void op_run_USER_REMOVE(struct op_run *r) {
    view who = vals_get_view(&r->in);
    struct mailbox b;
    if (!need_mailbox(r, vals_get_view(&r->in), &b))
        return;
    vals_int(r->out, mailbox_forget(r, &b, who));
}

/* in: address. out: the user's name, created; then of each address: address, original, registered, verified,
 * preferred (0/1), memberships */
void op_run_USER_SHOW(struct op_run *r) {
    struct mailbox b;
    struct query q;
    if (!need_mailbox(r, vals_get_view(&r->in), &b))
        return;
    db_query(r->db, &q, "SELECT name, created FROM users WHERE id = $1", DB_I(b.userid));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_int(r->out, query_int(&q, 1));
    }
    db_query(r->db, &q,
             "SELECT a.text, b.original, b.registered, b.verified,"
             " (SELECT count(*) FROM users u WHERE u.id = b.userid AND u.preferred = b.addr),"
             " (SELECT count(*) FROM member m WHERE m.addr = b.addr)"
             " FROM mailbox b JOIN address a ON a.id = b.addr WHERE b.userid = $1 ORDER BY a.text",
             DB_I(b.userid));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        for (int i = 2; i < 6; i++)
            vals_int(r->out, query_int(&q, i));
    }
}

/* in: last address seen, most. out: address, name, registered, verified */
void op_run_USER_LS(struct op_run *r) {
    view after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT a.text, CASE WHEN b.name = '' THEN u.name ELSE b.name END, b.registered, b.verified"
             " FROM address a JOIN mailbox b ON b.addr = a.id JOIN users u ON u.id = b.userid"
             " WHERE a.text > $1 ORDER BY a.text LIMIT $2",
             DB_T(after), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_int(r->out, query_int(&q, 2));
        vals_int(r->out, query_int(&q, 3));
    }
}
