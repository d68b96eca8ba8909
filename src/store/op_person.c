/* op_person.c: users, their addresses and memberships as programs change them, by their numbers. */
#include "store/moderation.h"
#include "store/people.h"
#include "store/person.h"
#include "store/preference.h"

/* An address of the user, for events; 0: refused, there is no such user. */
static int64_t need_user(struct op_run *r, int64_t userid) {
    int64_t addr = db_number(r->db, 0, "SELECT min(addr) FROM mailbox WHERE userid = $1", DB_I(userid));
    if (addr == 0)
        op_refuse(r, ERR_NOT_FOUND, "no user %lld here", (long long)userid);
    return addr;
}

/* What can be said of a user beside the addresses. */
struct user_text {
    view name, password;
    int64_t server_owner;
};

static struct user_text read_text(struct op_run *r) {
    struct user_text t = {.name = vals_get_view(&r->in)};
    t.password = vals_get_view(&r->in);
    t.server_owner = vals_get_int(&r->in);
    return t;
}

static void set_text(struct op_run *r, int64_t userid, int64_t addr, view who, unsigned what,
                     const struct user_text *t) {
    if (what & USER_NAME) {
        db_run(r->db, "UPDATE users SET name = $2 WHERE id = $1", DB_I(userid), DB_T(t->name));
        person_record(r, EVENT_REGISTERED, addr, who, arena_printf(r->arena, "name=%.*s", VIEW_ARG(t->name)));
    }
    if (what & USER_PASSWORD) {
        db_run(r->db, "UPDATE users SET password = $2 WHERE id = $1", DB_I(userid), DB_T(t->password));
        person_record(r, EVENT_REGISTERED, addr, who, VIEW("password"));
    }
    if (what & USER_SERVER_OWNER) {
        db_run(r->db, "UPDATE users SET server_owner = $2 WHERE id = $1", DB_I(userid),
               DB_I(t->server_owner != 0));
        person_record(r, EVENT_REGISTERED, addr, who,
                      t->server_owner ? VIEW("server_owner=yes") : VIEW("server_owner=no"));
    }
}

static unsigned what_is_said(const struct user_text *t) {
    return (t->name.len ? USER_NAME : 0U) | (t->password.len ? USER_PASSWORD : 0U) |
           (t->server_owner ? USER_SERVER_OWNER : 0U);
}

/* in: who does it, address, as its owner writes it, name, password as it is kept, server owner (0/1). A new
 * user, and address. out: the user's id */
void op_run_USER_MAKE(struct op_run *r) {
    view who = vals_get_view(&r->in), address = vals_get_view(&r->in), original = vals_get_view(&r->in);
    struct user_text t = read_text(r);
    if (mailbox_find(r, address).addr) {
        op_refuse(r, ERR_EXISTS, "%.*s is registered already", VIEW_ARG(address));
        return;
    }
    int64_t id = person_ids(r, 1);
    mailbox_make(r, address, original, t.name, id);
    int64_t addr = mailbox_find(r, address).addr;
    person_record(r, EVENT_REGISTERED, addr, who, VIEW("user"));
    set_text(r, id, addr, who, what_is_said(&t), &t);
    vals_int(r->out, id);
}

/* in: who does it, user's id, what of the following (USER_NAME and the like), name, password as it is kept,
 * server owner (0/1) */
void op_run_USER_SET(struct op_run *r) {
    view who = vals_get_view(&r->in);
    int64_t id = vals_get_int(&r->in), what = vals_get_int(&r->in), addr = need_user(r, id);
    struct user_text t = read_text(r);
    if (addr)
        set_text(r, id, addr, who, (unsigned)what, &t);
}

/* in: who does it, user's id: forgotten, with all addresses and their memberships */
void op_run_USER_FORGET(struct op_run *r) {
    view who = vals_get_view(&r->in);
    struct mailbox b = {.userid = vals_get_int(&r->in)};
    for (b.addr = need_user(r, b.userid); b.addr && !db_error(r->db);) {
        mailbox_forget(r, &b, who);
        b.addr = db_number(r->db, 0, "SELECT min(addr) FROM mailbox WHERE userid = $1", DB_I(b.userid));
    }
}

/* in: who does it, user's id: no address is the preferred one any more; memberships stay where they are */
void op_run_USER_UNPREFER(struct op_run *r) {
    view who = vals_get_view(&r->in);
    int64_t id = vals_get_int(&r->in), addr = need_user(r, id);
    if (addr == 0)
        return;
    db_run(r->db, "UPDATE users SET preferred = 0 WHERE id = $1", DB_I(id));
    person_record(r, EVENT_PREFERRED, addr, who, VIEW("preferred=no"));
}

/* ---- whose an address is ---- */

/* Nothing is known of its user but the address: Mailman has none for it. */
static bool is_nobody(struct op_run *r, int64_t userid) {
    return db_number(r->db, 0,
                     "SELECT count(*) FROM users u WHERE u.id = $1 AND u.name = '' AND u.password = '' AND"
                     " u.server_owner = 0 AND u.preferred = 0 AND (SELECT count(*) FROM mailbox b WHERE"
                     " b.userid = u.id) = 1 AND NOT EXISTS (SELECT 1 FROM domain_owner o WHERE o.userid = "
                     "u.id)",
                     DB_I(userid)) > 0;
}

/* It leaves its user; memberships that followed the preferred address of that one stay with it. */
static void move_mailbox(struct op_run *r, const struct mailbox *b, int64_t userid) {
    db_run(r->db, "UPDATE users SET preferred = 0 WHERE id = $1 AND preferred = $2", DB_I(b->userid),
           DB_I(b->addr));
    db_run(r->db, "UPDATE member SET follows = 0 WHERE addr = $1", DB_I(b->addr));
    db_run(r->db, "UPDATE mailbox SET userid = $2 WHERE addr = $1", DB_I(b->addr), DB_I(userid));
    memberships_refresh(r, LEVEL_ADDRESS, b->addr);
}

/* What the one user has and the other lacks. */
static void inherit(struct op_run *r, int64_t from, int64_t to) {
    db_run(
        r->db,
        "INSERT INTO preference(level, owner, kind, value, until) SELECT level, $2, kind, value, until FROM"
        " preference WHERE level = $3 AND owner = $1 ON CONFLICT DO NOTHING",
        DB_I(from), DB_I(to), DB_I(LEVEL_USER));
    db_run(r->db,
           "INSERT INTO domain_owner(domain, userid) SELECT domain, $2 FROM domain_owner WHERE userid = $1"
           " ON CONFLICT DO NOTHING",
           DB_I(from), DB_I(to));
    db_run(r->db,
           "UPDATE users SET name = (SELECT o.name FROM users o WHERE o.id = $1) WHERE id = $2 AND name = ''",
           DB_I(from), DB_I(to));
    db_run(r->db,
           "UPDATE users SET password = (SELECT o.password FROM users o WHERE o.id = $1) WHERE id = $2 AND"
           " password = ''",
           DB_I(from), DB_I(to));
    db_run(r->db,
           "UPDATE users SET server_owner = 1 WHERE id = $2 AND EXISTS (SELECT 1 FROM users o WHERE o.id = $1"
           " AND o.server_owner = 1)",
           DB_I(from), DB_I(to));
}

static void absorb(struct op_run *r, int64_t from, int64_t to, view who) {
    struct mailbox b = {.userid = from};
    inherit(r, from, to);
    while (!db_error(r->db) &&
           (b.addr = db_number(r->db, 0, "SELECT min(addr) FROM mailbox WHERE userid = $1", DB_I(from))) !=
               0) {
        move_mailbox(r, &b, to);
        person_record(r, EVENT_REGISTERED, b.addr, who, arena_printf(r->arena, "user=%lld", (long long)to));
    }
    user_forget_if_empty(r, from);
    memberships_refresh(r, LEVEL_USER, to);
}

/* in: who does it, user's id, address, as its owner writes it, name, whether a user whose it is becomes one
 * with this one (0/1) */
void op_run_ADDRESS_ADD(struct op_run *r) {
    view who = vals_get_view(&r->in);
    int64_t userid = vals_get_int(&r->in);
    view address = vals_get_view(&r->in), original = vals_get_view(&r->in), name = vals_get_view(&r->in);
    int64_t merge = vals_get_int(&r->in);
    struct mailbox b = mailbox_find(r, address);
    if (!need_user(r, userid))
        return;
    if (b.addr == 0) {
        mailbox_make(r, address, original, name, userid);
        person_record(r, EVENT_REGISTERED, mailbox_find(r, address).addr, who,
                      arena_printf(r->arena, "user=%lld", (long long)userid));
    } else if (b.userid == userid ? !merge : !merge && !is_nobody(r, b.userid)) {
        op_refuse(r, ERR_EXISTS, "Address belongs to other user");
    } else if (b.userid != userid) {
        absorb(r, b.userid, userid, who);
    }
}

/* A user for it alone. */
static int64_t make_user(struct op_run *r, const struct mailbox *b) {
    if (is_nobody(r, b->userid))
        return b->userid;
    int64_t id = person_ids(r, 1);
    db_run(r->db, "INSERT INTO users(id, name, preferred, created) VALUES($1, '', 0, $2)", DB_I(id),
           DB_I(r->now_ms));
    return id;
}

/* in: who does it, address, user's id (0: one of its own), name, password as it is kept, server owner (0/1)
 * of that one, whether it may be somebody's (0/1). out: the user's id */
void op_run_ADDRESS_LINK(struct op_run *r) {
    view who = vals_get_view(&r->in), address = vals_get_view(&r->in);
    int64_t userid = vals_get_int(&r->in);
    struct user_text t = read_text(r);
    int64_t replace = vals_get_int(&r->in);
    struct mailbox b;
    if (!need_mailbox(r, address, &b) || (userid && !need_user(r, userid)))
        return;
    if (!replace && b.userid != userid && !is_nobody(r, b.userid)) {
        op_refuse(r, ERR_EXISTS, "%.*s belongs to a user", VIEW_ARG(address));
        return;
    }
    int64_t to = userid ? userid : make_user(r, &b);
    if (to != b.userid) {
        move_mailbox(r, &b, to);
        user_forget_if_empty(r, b.userid);
        person_record(r, EVENT_REGISTERED, b.addr, who, arena_printf(r->arena, "user=%lld", (long long)to));
    }
    if (!userid)
        set_text(r, to, b.addr, who, what_is_said(&t), &t);
    vals_int(r->out, to);
}

/* in: who does it, address, name */
void op_run_ADDRESS_SET(struct op_run *r) {
    view who = vals_get_view(&r->in), address = vals_get_view(&r->in), name = vals_get_view(&r->in);
    struct mailbox b;
    if (!need_mailbox(r, address, &b))
        return;
    db_run(r->db, "UPDATE mailbox SET name = $2 WHERE addr = $1", DB_I(b.addr), DB_T(name));
    person_record(r, EVENT_REGISTERED, b.addr, who, arena_printf(r->arena, "name=%.*s", VIEW_ARG(name)));
}

/* ---- memberships ---- */

/* in: list, who does it, role, address, as its owner writes it, name, delivery mode and status (-1: nothing
 * is said). out: id. EXISTS: it has that role; REFUSED: it is banned. */
void op_run_MEMBER_MAKE(struct op_run *r) {
    view list = vals_get_view(&r->in), who = vals_get_view(&r->in);
    struct membership m = {need_list(r, list), (enum member_role)vals_get_int(&r->in), 0};
    view address = vals_get_view(&r->in), original = vals_get_view(&r->in), name = vals_get_view(&r->in);
    int64_t mode = vals_get_int(&r->in), status = vals_get_int(&r->in);
    if (m.list == 0)
        return;
    if (address_is_banned(r, list, address)) {
        op_refuse(r, ERR_REFUSED, "%.*s is banned from %.*s", VIEW_ARG(address), VIEW_ARG(list));
        return;
    }
    int64_t id = person_ids(r, 2);
    mailbox_make(r, address, original, name, id + 1);
    struct mailbox b = mailbox_find(r, address);
    if (b.userid == id + 1 && name.len > 0)
        db_run(r->db, "UPDATE users SET name = $2 WHERE id = $1", DB_I(b.userid), DB_T(name));
    if (membership_find(r, m.list, m.role, b.addr)) {
        op_refuse(r, ERR_EXISTS, "%.*s has that role already", VIEW_ARG(address));
        return;
    }
    membership_make(r, &m, address, id);
    membership_prefers(r, id, mode, status);
    event_record(r, EVENTS_OF_PEOPLE, EVENT_SUBSCRIBED, b.addr, m.list, VIEW(""),
                 membership_done_by(r, who, m.role));
    vals_int(r->out, id);
}

/* The membership goes to another address of its user's. False: refused. */
static bool move_membership(struct op_run *r, int64_t id, view address) {
    struct mailbox to = mailbox_find(r, address);
    if (to.addr == 0)
        op_refuse(r, ERR_REFUSED, "Address not registered");
    else if (db_number(r->db, 0, "SELECT follows FROM member WHERE id = $1", DB_I(id)))
        op_refuse(r, ERR_REFUSED, "Membership is via preferred address");
    else if (to.verified == 0)
        op_refuse(r, ERR_REFUSED, "Unverified address");
    else if (db_number(r->db, 0,
                       "SELECT b.userid FROM member m JOIN mailbox b ON b.addr = m.addr WHERE m.id = $1",
                       DB_I(id)) != to.userid)
        op_refuse(r, ERR_REFUSED, "Address is not controlled by user");
    else if (db_number(r->db, 0,
                       "SELECT count(*) FROM member m JOIN member o ON o.list = m.list AND o.role = m.role"
                       " WHERE m.id = $1 AND o.addr = $2 AND o.id <> m.id",
                       DB_I(id), DB_I(to.addr)) > 0)
        op_refuse(r, ERR_EXISTS, "Member already subscribed");
    else
        db_run(r->db, "UPDATE member SET addr = $2, site = $3 WHERE id = $1", DB_I(id), DB_I(to.addr),
               DB_I(to.site));
    return r->err.code == ERR_OK;
}

static void record_set(struct op_run *r, int64_t id, view who, view address, int64_t mode, int64_t action) {
    int64_t addr = db_number(r->db, 0, "SELECT addr FROM member WHERE id = $1", DB_I(id));
    int64_t list = db_number(r->db, 0, "SELECT list FROM member WHERE id = $1", DB_I(id));
    view what = arena_printf(r->arena, "by=%.*s", VIEW_ARG(who));
    if (address.len > 0)
        what = arena_printf(r->arena, "%.*s address=%.*s", VIEW_ARG(what), VIEW_ARG(address));
    if (mode >= 0)
        what = arena_printf(r->arena, "%.*s delivery_mode=%.*s", VIEW_ARG(what),
                            VIEW_ARG(preference_text(PREFERENCE_DELIVERY_MODE, mode)));
    if (action >= 0)
        what = arena_printf(r->arena, "%.*s moderation_action=%.*s", VIEW_ARG(what),
                            VIEW_ARG(preference_text(PREFERENCE_MODERATION_ACTION, action)));
    event_record(r, EVENTS_OF_PEOPLE, EVENT_PREFERRED, addr, list, VIEW(""), what);
}

/* in: who does it, id of a membership, address it goes to (empty: stays), delivery mode (-1: stays), action
 * (enum moderation; -1: stays; DEFAULT: nothing is said any more) */
void op_run_MEMBER_SET(struct op_run *r) {
    view who = vals_get_view(&r->in);
    int64_t id = vals_get_int(&r->in);
    view address = vals_get_view(&r->in);
    int64_t mode = vals_get_int(&r->in), action = vals_get_int(&r->in);
    if (db_number(r->db, 0, "SELECT 1 FROM member WHERE id = $1", DB_I(id)) == 0) {
        op_refuse(r, ERR_NOT_FOUND, "no membership %lld here", (long long)id);
        return;
    }
    if (address.len > 0 && !move_membership(r, id, address))
        return;
    if (action >= 0)
        preference_put(r, LEVEL_MEMBER, id, PREFERENCE_MODERATION_ACTION,
                       action == MODERATION_DEFAULT ? PREFERENCE_UNSET : action, 0);
    membership_prefers(r, id, mode, -1);
    if (r->err.code == ERR_OK)
        record_set(r, id, who, address, mode, action);
}
