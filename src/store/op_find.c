/* op_find.c: memberships, users and addresses as programs ask for them: the ids of what is wanted, in order
 * and from one place in that order on, and then what there is to say about a few of them. */
#include "store/moderation.h"
#include "store/people.h"
#include "store/person.h"
#include "store/preference.h"

enum { IDS_MOST = 40000 /* fit one answer */ };

static int64_t at_most(int64_t most) {
    return most > 0 && most < IDS_MOST ? most : IDS_MOST;
}

static void put_ids(struct op_run *r, struct query *q) {
    while (query_row(q))
        vals_int(r->out, query_int(q, 0));
}

/* ---- memberships ---- */

_Static_assert(PREFERENCE_MODERATION_ACTION == 3 && PREFERENCE_DELIVERY_MODE == 7 && LEVEL_MEMBER == 1 &&
                   ROLE_MEMBER == 1 && ROLE_OWNER == 2 && ROLE_MODERATOR == 3 && ROLE_NONMEMBER == 4 &&
                   MODERATION_ACCEPT == 4,
               "the SQL below");

/* What was said for the membership itself: 0 nothing, that is that posts of owners and moderators pass. */
#define MEMBER_ACTION                                                                                        \
    "coalesce((SELECT p.value FROM preference p WHERE p.level = 1 AND p.owner = member.id AND p.kind = 3"    \
    " AND (p.until = 0 OR p.until > $1 + 0)), CASE WHEN member.role IN (2, 3) THEN 4 ELSE 0 END)"
#define MEMBER_NAMED                                                                                         \
    " member JOIN list l ON l.id = member.list JOIN address a ON a.id = member.addr"                         \
    " JOIN mailbox b ON b.addr = member.addr JOIN users u ON u.id = b.userid"
#define FROM_MEMBER " FROM" MEMBER_NAMED
#define MEMBER_FILTER                                                                                        \
    " AND ($4 = 0 OR member.list = $4)"                                                                      \
    " AND ($5 = 0 OR member.role = $5 OR ($5 < 0 AND member.role <> 4))"                                     \
    " AND ($6 < 0 OR " MEMBER_ACTION                                                                         \
    " = $6) AND ($7 < 0 OR member.mode = $7) AND ($8 < 0 OR member.status = $8)"
/* As Mailman orders what it finds; all memberships (role -1) of each list by owners, moderators, members. */
#define MEMBER_ORDER                                                                                         \
    " ORDER BY replace(l.address, '@', '.'), CASE WHEN $5 < 0 AND member.role = 1 THEN 4 WHEN $5 < 0 THEN"   \
    " member.role ELSE 0 END, a.text, member.role LIMIT $9 OFFSET $10"
#define WHERE_ANY     " WHERE $2 = '' AND $3 = 0"
#define WHERE_ADDRESS " WHERE member.addr = (SELECT id FROM address WHERE text = $2) AND $3 = 0"
#define WHERE_PATTERN                                                                                        \
    " WHERE (a.text LIKE $2 ESCAPE '!' OR lower(CASE WHEN member.follows = 1 THEN u.name ELSE b.name END)"   \
    " LIKE $2 ESCAPE '!') AND $3 = 0"
#define WHERE_USER " WHERE member.addr IN (SELECT addr FROM mailbox WHERE userid = $3) AND $2 = ''"
#define WHERE_LIST " WHERE member.list = $4 AND $2 = '' AND $3 = 0"

/* What filters looks at memberships alone; only a pattern looks at names. */
#define FROM_ORDERED " FROM member JOIN list l ON l.id = member.list JOIN address a ON a.id = member.addr"

static const char *const counts[] = {"SELECT count(*) FROM member" WHERE_ANY MEMBER_FILTER,
                                     "SELECT count(*) FROM member" WHERE_ADDRESS MEMBER_FILTER,
                                     "SELECT count(*)" FROM_MEMBER WHERE_PATTERN MEMBER_FILTER,
                                     "SELECT count(*) FROM member" WHERE_USER MEMBER_FILTER,
                                     "SELECT count(*) FROM member" WHERE_LIST MEMBER_FILTER};
static const char *const finds[] = {"SELECT member.id" FROM_ORDERED WHERE_ANY MEMBER_FILTER MEMBER_ORDER,
                                    "SELECT member.id" FROM_ORDERED WHERE_ADDRESS MEMBER_FILTER MEMBER_ORDER,
                                    "SELECT member.id" FROM_MEMBER WHERE_PATTERN MEMBER_FILTER MEMBER_ORDER,
                                    "SELECT member.id" FROM_ORDERED WHERE_USER MEMBER_FILTER MEMBER_ORDER,
                                    "SELECT member.id" FROM_ORDERED WHERE_LIST MEMBER_FILTER MEMBER_ORDER};
enum { BY_LIST = FIND_BY_USER + 1 };

/* What is asked for most, a page of one role of one list: with nothing to filter and one list there is little
 * to look at. */
static void find_roster(struct op_run *r, int64_t list, int64_t role, int64_t start, int64_t most) {
    struct query q;
    vals_int(r->out, db_number(r->db, 0, "SELECT count(*) FROM member WHERE list = $1 AND role = $2",
                               DB_I(list), DB_I(role)));
    db_query(r->db, &q,
             "SELECT member.id FROM member JOIN address a ON a.id = member.addr WHERE member.list = $1 AND"
             " member.role = $2 ORDER BY a.text LIMIT $3 OFFSET $4",
             DB_I(list), DB_I(role), DB_I(most), DB_I(start));
    put_ids(r, &q);
}

/* in: how (enum find_by), address or pattern of LIKE (in lower case, escaped by "!"), user's id, list or
 * empty, role (0: any, -1: any but nonmembers), action (enum moderation; -1: any), delivery mode and status
 * (-1: any), how many are passed over, most (0: as many as fit). out: how many there are in all, ids */
void op_run_MEMBER_FIND(struct op_run *r) {
    int64_t how = vals_get_int(&r->in);
    view text = vals_get_view(&r->in);
    int64_t userid = vals_get_int(&r->in);
    view list = vals_get_view(&r->in);
    int64_t filter[4], of = list.len > 0 ? need_list(r, list) : 0;
    for (size_t i = 0; i < 4; i++)
        filter[i] = vals_get_int(&r->in);
    int64_t start = vals_get_int(&r->in), most = at_most(vals_get_int(&r->in));
    struct query q;
    if (how < FIND_BY_NOTHING || how > FIND_BY_USER || (list.len > 0 && of == 0))
        return;
    if (how == FIND_BY_NOTHING && of && filter[0] > 0 && filter[1] < 0 && filter[2] < 0 && filter[3] < 0) {
        find_roster(r, of, filter[0], start, most);
        return;
    }
    if (how == FIND_BY_NOTHING && of)
        how = BY_LIST;
    vals_int(r->out, db_number(r->db, 0, counts[how], DB_I(r->now_ms), DB_T(text), DB_I(userid), DB_I(of),
                               DB_I(filter[0]), DB_I(filter[1]), DB_I(filter[2]), DB_I(filter[3])));
    db_query(r->db, &q, finds[how], DB_I(r->now_ms), DB_T(text), DB_I(userid), DB_I(of), DB_I(filter[0]),
             DB_I(filter[1]), DB_I(filter[2]), DB_I(filter[3]), DB_I(most), DB_I(start));
    put_ids(r, &q);
}

/* One statement for several: on PostgreSQL the way there takes most of its time. */
enum { SHOW_MOST = 20 };
#define SHOWN                                                                                                \
    "(VALUES ($2, 1), ($3, 2), ($4, 3), ($5, 4), ($6, 5), ($7, 6), ($8, 7), ($9, 8), ($10, 9), ($11, 10),"   \
    " ($12, 11), ($13, 12), ($14, 13), ($15, 14), ($16, 15), ($17, 16), ($18, 17), ($19, 18), ($20, 19),"    \
    " ($21, 20)) AS shown"

static const char show[] =
    "SELECT l.address, a.text, CASE WHEN b.name = '' OR member.follows = 1 THEN u.name ELSE b.name END,"
    " member.id, member.role, member.addr, b.userid, member.follows, member.status, "
    "member.mode, " MEMBER_ACTION
    ", coalesce(o.score, 0), coalesce(o.last, 0), coalesce(o.warnings, 0), coalesce(o.warned, 0) FROM " SHOWN
    " CROSS JOIN" MEMBER_NAMED " LEFT JOIN bounce o ON o.member = member.id WHERE member.id = shown.column1"
    " ORDER BY shown.column2";

/* `values`: the filler, the time, SHOW_MOST ids (0: none). */
static void put_members(struct op_run *r, const struct db_value *values) {
    struct query q;
    db_query_values(r->db, &q, show, values, SHOW_MOST + 2);
    while (query_row(&q)) {
        for (int i = 0; i < 3; i++)
            vals_view(r->out, query_text(&q, i));
        for (int i = 3; i < 15; i++)
            vals_int(r->out, query_int(&q, i));
    }
}

/* in: count, ids. out: of each that is there: list, address, name, id, role, address's id, user's id,
 * follows, status, delivery mode, action for this membership (enum moderation), bounce score, last bounce,
 * warnings, last of them */
void op_run_MEMBER_SHOW(struct op_run *r) {
    size_t count = vals_get_count(&r->in);
    while (count > 0 && !db_error(r->db)) {
        struct db_value values[SHOW_MOST + 2] = {{.kind = DB_NULL}, DB_I(r->now_ms)};
        for (size_t i = 0; i < SHOW_MOST; i++)
            values[i + 2] = DB_I(i < count ? vals_get_int(&r->in) : 0);
        put_members(r, values);
        count -= count < SHOW_MOST ? count : SHOW_MOST;
    }
}

/* in: list, as LIST_SHOW takes it, role, address. out: nothing when there is no such membership; else as
 * MEMBER_SHOW */
void op_run_MEMBER_ON_LIST(struct op_run *r) {
    struct db_value values[SHOW_MOST + 2] = {{.kind = DB_NULL}, DB_I(r->now_ms)};
    int64_t list = list_by_name(r, vals_get_view(&r->in)), role = vals_get_int(&r->in);
    for (size_t i = 0; i < SHOW_MOST; i++)
        values[i + 2] = DB_I(0);
    values[2] =
        DB_I(db_number(r->db, 0,
                       "SELECT m.id FROM address a JOIN member m ON m.list = $1 AND m.role = $2 AND m.site ="
                       " a.site AND m.addr = a.id WHERE a.text = $3",
                       DB_I(list), DB_I(role), DB_T(vals_get_view(&r->in))));
    put_members(r, values);
}

/* ---- users ---- */

#define USER_ANY   " FROM users u WHERE $1 = ''"
#define USER_OWNER " FROM users u WHERE u.server_owner = 1 AND $1 = ''"
#define USER_TEXT                                                                                            \
    " FROM users u WHERE lower(u.name) LIKE $1 ESCAPE '!' OR EXISTS (SELECT 1 FROM mailbox b JOIN address a" \
    " ON a.id = b.addr WHERE b.userid = u.id AND (a.text LIKE $1 ESCAPE '!' OR lower(b.name) LIKE $1"        \
    " ESCAPE '!'))"
#define USER_ORDER " ORDER BY u.id LIMIT $2 OFFSET $3"

/* in: how (enum find_user), pattern of LIKE (in lower case, escaped by "!"), how many are passed over, most
 * (0: as many as fit). out: how many there are in all, ids */
void op_run_USER_FIND(struct op_run *r) {
    static const char *const user_counts[] = {"SELECT count(*)" USER_ANY, "SELECT count(*)" USER_OWNER,
                                              "SELECT count(*)" USER_TEXT};
    static const char *const user_finds[] = {"SELECT u.id" USER_ANY USER_ORDER,
                                             "SELECT u.id" USER_OWNER USER_ORDER,
                                             "SELECT u.id" USER_TEXT USER_ORDER};
    int64_t how = vals_get_int(&r->in);
    view text = vals_get_view(&r->in);
    int64_t start = vals_get_int(&r->in), most = at_most(vals_get_int(&r->in));
    struct query q;
    if (how < FIND_USER_ANY || how > FIND_USER_TEXT)
        return;
    vals_int(r->out, db_number(r->db, 0, user_counts[how], DB_T(text)));
    db_query(r->db, &q, user_finds[how], DB_T(text), DB_I(most), DB_I(start));
    put_ids(r, &q);
}

/* in: count, ids. out: of each that is there: id, created, server owner (0/1), its preferred address's id or
 * 0, name, password as it is kept */
void op_run_USER_GET(struct op_run *r) {
    for (size_t count = vals_get_count(&r->in); count > 0 && !db_error(r->db); count--) {
        struct query q;
        db_query(r->db, &q,
                 "SELECT id, created, server_owner, preferred, name, password FROM users WHERE id = $1",
                 DB_I(vals_get_int(&r->in)));
        while (query_row(&q)) {
            for (int i = 0; i < 4; i++)
                vals_int(r->out, query_int(&q, i));
            vals_view(r->out, query_text(&q, 4));
            vals_view(r->out, query_text(&q, 5));
        }
    }
}

/* ---- addresses ---- */

#define ADDRESS_ORDER " ORDER BY CASE WHEN b.original = '' THEN a.text ELSE b.original END LIMIT $2 OFFSET $3"

/* in: user's id (0: everybody's), how many are passed over, most (0: as many as fit). out: how many there are
 * in all, ids */
void op_run_ADDRESS_FIND(struct op_run *r) {
    int64_t userid = vals_get_int(&r->in), start = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    vals_int(r->out, userid
                         ? db_number(r->db, 0, "SELECT count(*) FROM mailbox WHERE userid = $1", DB_I(userid))
                         : db_number(r->db, 0, "SELECT count(*) FROM mailbox"));
    if (userid)
        db_query(r->db, &q,
                 "SELECT b.addr FROM mailbox b JOIN address a ON a.id = b.addr"
                 " WHERE b.userid = $1" ADDRESS_ORDER,
                 DB_I(userid), DB_I(at_most(most)), DB_I(start));
    else
        db_query(r->db, &q,
                 "SELECT b.addr FROM mailbox b JOIN address a ON a.id = b.addr WHERE $1 = 0" ADDRESS_ORDER,
                 DB_I(0), DB_I(at_most(most)), DB_I(start));
    put_ids(r, &q);
}

#define ADDRESS_ROW                                                                                          \
    "SELECT a.id, b.registered, b.verified, b.userid, a.text, CASE WHEN b.original = '' THEN a.text ELSE"    \
    " b.original END, b.name FROM address a JOIN mailbox b ON b.addr = a.id WHERE "

static void put_addresses(struct op_run *r, struct query *q) {
    while (query_row(q)) {
        for (int i = 0; i < 4; i++)
            vals_int(r->out, query_int(q, i));
        for (int i = 4; i < 7; i++)
            vals_view(r->out, query_text(q, i));
    }
}

/* in: count, ids, or 0 and an address. out: of each that is registered: id, registered, verified, user's id,
 * address, as its owner writes it, name */
void op_run_ADDRESS_GET(struct op_run *r) {
    size_t count = vals_get_count(&r->in);
    struct query q;
    if (count == 0) {
        db_query(r->db, &q, ADDRESS_ROW "a.text = $1", DB_T(vals_get_view(&r->in)));
        put_addresses(r, &q);
    }
    for (; count > 0 && !db_error(r->db); count--) {
        db_query(r->db, &q, ADDRESS_ROW "a.id = $1", DB_I(vals_get_int(&r->in)));
        put_addresses(r, &q);
    }
}
