/* op_member.c: memberships: who is on a list, in which role. Very many are made or ended in slices, each a
 * transaction, sent without waiting for each. */
#include "base/words.h"
#include "mail/address.h"
#include "store/digest.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/person.h"
#include "store/preference.h"

view membership_done_by(struct op_run *r, view who, enum member_role role) {
    view word = words_at(ROLE_WORDS, role);
    if (role == ROLE_MEMBER)
        return arena_printf(r->arena, "by=%.*s", VIEW_ARG(who));
    return arena_printf(r->arena, "by=%.*s role=%.*s", VIEW_ARG(who), VIEW_ARG(word));
}

int64_t need_list(struct op_run *r, view address) {
    int64_t list = db_number(r->db, 0, "SELECT id FROM list WHERE address = $1", DB_T(address));
    if (list == 0)
        op_refuse(r, ERR_NOT_FOUND, "no list %.*s here", VIEW_ARG(address));
    return list;
}

int64_t person_ids(struct op_run *r, int64_t count) {
    return db_number(r->db, 0,
                     "UPDATE instance SET value = value + $1 WHERE name = 'person_last' RETURNING value",
                     DB_I(count)) -
           count + 1;
}

void membership_make(struct op_run *r, const struct membership *m, view address, int64_t id) {
    db_run(
        r->db,
        "INSERT INTO member(list, role, site, addr, id, follows, since, status, hidden, action)"
        " SELECT $1, $2, site, id, $4, $5, $6, 0, 0, 0 FROM address WHERE text = $3 ON CONFLICT DO NOTHING",
        DB_I(m->list), DB_I(m->role), DB_T(address), DB_I(id), DB_I(m->follows), DB_I(r->now_ms));
}

int64_t membership_find(struct op_run *r, int64_t list, enum member_role role, int64_t addr) {
    return db_number(r->db, 0, "SELECT id FROM member WHERE list = $1 AND role = $2 AND addr = $3",
                     DB_I(list), DB_I(role), DB_I(addr));
}

void nonmember_end(struct op_run *r, int64_t id) {
    db_run(r->db,
           "DELETE FROM member WHERE id = $1 AND role = $2 AND NOT EXISTS (SELECT 1 FROM preference"
           " WHERE level = $3 AND owner = $1)",
           DB_I(id), DB_I(ROLE_NONMEMBER), DB_I(LEVEL_MEMBER));
}

void membership_end(struct op_run *r, int64_t id) {
    db_run(r->db, "DELETE FROM preference WHERE level = $1 AND owner = $2", DB_I(LEVEL_MEMBER), DB_I(id));
    db_run(r->db, "DELETE FROM bounce WHERE member = $1", DB_I(id));
    db_run(r->db, "DELETE FROM last_digest WHERE member = $1", DB_I(id));
    db_run(r->db, "DELETE FROM member WHERE id = $1", DB_I(id));
}

#define REFRESH                                                                                              \
    "UPDATE member SET status = " MEMBER_PREFERS("1") ", hidden = " MEMBER_PREFERS(                          \
        "2") ", action = " MEMBER_PREFERS("3") ", mode = " MEMBER_PREFERS("7")
/* Who turns away from a kind of digest gets those that are being sent, and who turns to single posts those
 * that are being collected, too: of these posts no copy of their own came. */
#define KEEP_LAST                                                                                            \
    "INSERT INTO last_digest(member, list, mode, last) SELECT id, list, mode, last FROM (SELECT id, list, "  \
    "mode, (SELECT max(number) FROM (SELECT d.message AS number FROM digest d WHERE d.list = member.list "   \
    "AND " MEMBER_PREFERS("7") " = 0 UNION ALL SELECT x.number FROM expansion x WHERE x.list = member.list " \
                               "AND x.mode = member.mode) AS missed) AS last FROM member WHERE role = 1 AND" \
                               " mode > 0 AND mode <> " MEMBER_PREFERS("7") " AND "
#define KEPT_LAST                                                                                            \
    ") AS turned WHERE last IS NOT NULL ON CONFLICT(member) DO UPDATE SET mode = excluded.mode, last = "     \
    "excluded.last"
/* Who gets digests of any kind again needs no last one, but what is being sent. */
#define TURNED_BACK                                                                                          \
    "DELETE FROM last_digest WHERE NOT EXISTS (SELECT 1 FROM expansion x WHERE x.list = last_digest.list "   \
    "AND "                                                                                                   \
    "x.mode = last_digest.mode AND x.number <= last) AND member IN (SELECT id FROM member WHERE mode > 0 "   \
    "AND "                                                                                                   \
    "$1 > 0 AND "
/* With delivery on, no bounce is to have a next step. */
#define NO_MORE_STEPS                                                                                        \
    "DELETE FROM bounce WHERE due > 0 AND member IN (SELECT id FROM member WHERE status = 0 AND $1 > 0 AND "
_Static_assert(PREFERENCE_DELIVERY_STATUS == 1 && PREFERENCE_HIDE_ADDRESS == 2 &&
                   PREFERENCE_MODERATION_ACTION == 3 && PREFERENCE_DELIVERY_MODE == 7 && LEVEL_MEMBER == 1 &&
                   LEVEL_ADDRESS == 2 && LEVEL_USER == 3 && STATUS_ENABLED == 0 && MODE_REGULAR == 0 &&
                   ROLE_MEMBER == 1,
               "the SQL above");

void memberships_refresh(struct op_run *r, enum preference_level level, int64_t owner) {
#define STEPS(which)                                                                                         \
    { KEEP_LAST which KEPT_LAST, REFRESH " WHERE " which, TURNED_BACK which ")", NO_MORE_STEPS which ")" }
    static const char *const steps[][4] = {
        [LEVEL_MEMBER] = STEPS("id = $2"),
        [LEVEL_ADDRESS] = STEPS("addr = $2"),
        [LEVEL_USER] = STEPS("addr IN (SELECT addr FROM mailbox WHERE userid = $2)"),
    };
    for (size_t i = 0; i < 4; i++)
        db_run(r->db, steps[level][i], DB_I(r->now_ms), DB_I(owner));
}

void membership_prefers(struct op_run *r, int64_t id, int64_t mode, int64_t status) {
    if (mode >= 0)
        preference_put(r, LEVEL_MEMBER, id, PREFERENCE_DELIVERY_MODE, mode, 0);
    if (status >= 0)
        preference_put(r, LEVEL_MEMBER, id, PREFERENCE_DELIVERY_STATUS, status, 0);
    memberships_refresh(r, LEVEL_MEMBER, id);
}

/* Events of the memberships with these ids. */
static void record_new(struct op_run *r, const struct membership *m, int64_t first, int64_t last, view who) {
    int64_t addrs[LIMIT_MEMBER_SLICE];
    size_t n = 0;
    struct query q;
    db_query(r->db, &q, "SELECT addr FROM member WHERE id >= $1 AND id <= $2 ORDER BY id", DB_I(first),
             DB_I(last));
    while (query_row(&q) && n < LIMIT_MEMBER_SLICE)
        addrs[n++] = query_int(&q, 0);
    query_done(&q);
    for (size_t i = 0; i < n; i++)
        event_record(r, EVENTS_OF_PEOPLE, EVENT_SUBSCRIBED, addrs[i], m->list, VIEW(""),
                     membership_done_by(r, who, m->role));
    vals_int(r->out, (int64_t)n);
}

/* in: list, who does it, role, count, addresses (at most LIMIT_MEMBER_SLICE). out: how many were not in that
 * role before */
void op_run_MEMBER_ADD(struct op_run *r) {
    view name = vals_get_view(&r->in), who = vals_get_view(&r->in);
    struct membership m = {need_list(r, name), (enum member_role)vals_get_int(&r->in), 0};
    int64_t count = (int64_t)vals_get_count(&r->in);
    if (m.list == 0)
        return;
    if (count > LIMIT_MEMBER_SLICE) {
        op_refuse(r, ERR_LIMIT, "more than %d addresses at once", LIMIT_MEMBER_SLICE);
        return;
    }
    int64_t first = person_ids(r, 2 * count);
    for (int64_t i = 0; i < count && !db_error(r->db); i++) {
        view address = vals_get_view(&r->in);
        if (view_eq(address, name))
            op_refuse(r, ERR_REFUSED, "%.*s: a list cannot be its own member", VIEW_ARG(name));
        mailbox_make(r, address, VIEW(""), VIEW(""), first + count + i);
        membership_make(r, &m, address, first + i);
    }
    db_run(r->db, REFRESH " WHERE id >= $2 AND id <= $3", DB_I(r->now_ms), DB_I(first),
           DB_I(first + count - 1));
    record_new(r, &m, first, first + count - 1, who);
}

/* in: list, who does it, role, count, addresses (at most LIMIT_MEMBER_SLICE). out: how many were in that
 * role, then of each whether it was (0/1) */
void op_run_MEMBER_REMOVE(struct op_run *r) {
    int64_t list = need_list(r, vals_get_view(&r->in)), removed = 0;
    view who = vals_get_view(&r->in);
    enum member_role role = (enum member_role)vals_get_int(&r->in);
    size_t count = vals_get_count(&r->in);
    bool was[LIMIT_MEMBER_SLICE] = {false};
    if (count > LIMIT_MEMBER_SLICE)
        op_refuse(r, ERR_LIMIT, "more than %d addresses at once", LIMIT_MEMBER_SLICE);
    for (size_t i = 0; i < count && r->err.code == ERR_OK && !db_error(r->db); i++) {
        int64_t addr =
            db_number(r->db, 0, "SELECT id FROM address WHERE text = $1", DB_T(vals_get_view(&r->in)));
        int64_t id = addr ? membership_find(r, list, role, addr) : 0;
        if (id == 0)
            continue;
        membership_end(r, id);
        event_record(r, EVENTS_OF_PEOPLE, EVENT_UNSUBSCRIBED, addr, list, VIEW(""),
                     membership_done_by(r, who, role));
        was[i] = true;
        removed++;
    }
    vals_int(r->out, removed);
    for (size_t i = 0; i < count && i < LIMIT_MEMBER_SLICE; i++)
        vals_int(r->out, was[i]);
}

static void put_row(struct op_run *r, const struct query *q, const char *kinds) {
    for (int i = 0; kinds[i]; i++)
        if (kinds[i] == 't')
            vals_view(r->out, query_text(q, i));
        else
            vals_int(r->out, query_int(q, i));
}

/* in: list, role (ROLE_ANY: all), status (-1: any), cursor (role, site, addr), most. out: role, site, addr,
 * address as its owner writes it, name, since, status, hidden, action (enum moderation). In the order of
 * expansion. */
void op_run_MEMBER_LS(struct op_run *r) {
    int64_t list = need_list(r, vals_get_view(&r->in)), role = vals_get_int(&r->in);
    int64_t status = vals_get_int(&r->in), after = vals_get_int(&r->in), site = vals_get_int(&r->in);
    int64_t addr = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT m.role, m.site, m.addr, CASE WHEN b.original = '' THEN a.text ELSE b.original END,"
             " CASE WHEN b.name = '' THEN u.name ELSE b.name END, m.since, m.status, m.hidden, m.action"
             " FROM member m JOIN address a ON a.id = m.addr JOIN mailbox b ON b.addr = m.addr"
             " JOIN users u ON u.id = b.userid WHERE m.list = $1 AND ($2 = 0 OR m.role = $2)"
             " AND ($3 < 0 OR m.status = $3) AND (m.role, m.site, m.addr) > ($4, $5, $6)"
             " ORDER BY m.role, m.site, m.addr LIMIT $7",
             DB_I(list), DB_I(role), DB_I(status), DB_I(after), DB_I(site), DB_I(addr), DB_I(most));
    while (query_row(&q))
        put_row(r, &q, "iiittiiii");
}

/* in: address. out: of every membership of the user whose address it is: list, role, address, id, follows,
 * since, status, hidden, action */
void op_run_MEMBER_OF(struct op_run *r) {
    struct mailbox b;
    struct query q;
    if (!need_mailbox(r, vals_get_view(&r->in), &b))
        return;
    db_query(r->db, &q,
             "SELECT l.address, m.role, a.text, m.id, m.follows, m.since, m.status, m.hidden, m.action FROM "
             "mailbox b"
             " JOIN member m ON m.addr = b.addr JOIN list l ON l.id = m.list JOIN address a ON a.id = b.addr"
             " WHERE b.userid = $1 ORDER BY l.address, m.role, a.text",
             DB_I(b.userid));
    while (query_row(&q))
        put_row(r, &q, "titiiiiii");
}

_Static_assert(EVENTS_OF_PEOPLE == -1, "the SQL below");

/* in: address, last event seen (0: none), most. out: event, kind, list, detail: what was done about its
 * memberships and their preferences, the newest first */
void op_run_MEMBER_HISTORY(struct op_run *r) {
    view address = vals_get_view(&r->in);
    int64_t before = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT e.id, e.kind, coalesce(l.address, ''), e.detail FROM event e"
             " JOIN address a ON a.id = e.rcpt LEFT JOIN list l ON l.id = e.list"
             " WHERE a.text = $1 AND e.rcpt > 0 AND e.message = -1 AND ($2 = 0 OR e.id < $2)"
             " ORDER BY e.id DESC LIMIT $3",
             DB_T(address), DB_I(before), DB_I(most));
    while (query_row(&q))
        put_row(r, &q, "iitt");
}

/* Whether one of those who ask may see who is on the list; *ret_all: hidden addresses, too. */
static bool may_see_roster(struct op_run *r, view list_address, int64_t list, size_t count, bool *ret_all) {
    enum { PUBLIC, MEMBERS, MODERATORS };
    int64_t visible = list_setting_of(r, list_address, LIST_SETTING_MEMBER_ROSTER_VISIBILITY);
    bool member = false;
    *ret_all = false;
    for (; count > 0 && !r->in.failed; count--) {
        int64_t addr = mailbox_find(r, vals_get_view(&r->in)).addr;
        *ret_all = *ret_all || (addr && (membership_find(r, list, ROLE_OWNER, addr) ||
                                         membership_find(r, list, ROLE_MODERATOR, addr)));
        member = member || (addr && membership_find(r, list, ROLE_MEMBER, addr));
    }
    return visible == PUBLIC || *ret_all || (visible == MEMBERS && member);
}

/* in: list, delivery (-1: any; 0: who gets posts; 1: who does not), mode (-1: any; 0: single posts; 1:
 * digests), most, count of addresses of who asks, these. out: may they see it (0/1), then: members like that,
 * address and name of the first ones. */
void op_run_ROSTER_FOR(struct op_run *r) {
    view address = vals_get_view(&r->in);
    int64_t delivery = vals_get_int(&r->in), mode = vals_get_int(&r->in), most = vals_get_int(&r->in);
    int64_t list = need_list(r, address);
    size_t count = vals_get_count(&r->in);
    bool all;
    struct query q;
    if (list == 0)
        return;
    bool may = may_see_roster(r, address, list, count, &all);
    vals_int(r->out, may);
    if (!may)
        return;
#define ROSTER                                                                                               \
    " FROM member m JOIN address a ON a.id = m.addr JOIN mailbox b ON b.addr = m.addr JOIN users u ON u.id " \
    "="                                                                                                      \
    " b.userid WHERE m.list = $1 AND m.role = 1 AND ($2 < 0 OR ($2 = 0) = (m.status = 0))"                   \
    " AND ($3 < 0 OR ($3 = 0) = (m.mode = 0)) AND ($4 = 1 OR m.hidden = 0)"
    vals_int(r->out, db_number(r->db, 0, "SELECT count(*)" ROSTER, DB_I(list), DB_I(delivery), DB_I(mode),
                               DB_I(all)));
    db_query(r->db, &q,
             "SELECT CASE WHEN b.original = '' THEN a.text ELSE b.original END, CASE WHEN b.name = '' THEN "
             "u.name ELSE"
             " b.name END" ROSTER " ORDER BY a.text LIMIT $5",
             DB_I(list), DB_I(delivery), DB_I(mode), DB_I(all), DB_I(most));
    while (query_row(&q))
        put_row(r, &q, "tt");
}
