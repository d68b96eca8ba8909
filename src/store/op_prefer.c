/* op_prefer.c: what is preferred for a membership, an address or a user. */
#include "store/event.h"
#include "store/person.h"
#include "store/preference.h"

/* Whose they are: in: level, address, list and role (of a membership, else empty and 0). 0: refused. */
static int64_t read_owner(struct op_run *r, enum preference_level *ret_level, int64_t *ret_addr) {
    struct mailbox b;
    *ret_level = (enum preference_level)vals_get_int(&r->in);
    view address = vals_get_view(&r->in), list = vals_get_view(&r->in);
    enum member_role role = (enum member_role)vals_get_int(&r->in);
    if (!need_mailbox(r, address, &b))
        return 0;
    *ret_addr = b.addr;
    if (*ret_level != LEVEL_MEMBER)
        return *ret_level == LEVEL_ADDRESS ? b.addr : b.userid;
    int64_t of = need_list(r, list), id = of ? membership_find(r, of, role, b.addr) : 0;
    if (id == 0)
        op_refuse(r, ERR_NOT_FOUND, "%.*s is not on %.*s", VIEW_ARG(address), VIEW_ARG(list));
    return id;
}

void preference_put(struct op_run *r, enum preference_level level, int64_t owner, int64_t kind, int64_t value,
                    int64_t until) {
    if (!preference_is_valid(kind, value))
        op_refuse(r, ERR_SYNTAX, "there is no preference %lld with the value %lld", (long long)kind,
                  (long long)value);
    else if (value == PREFERENCE_UNSET)
        db_run(r->db, "DELETE FROM preference WHERE level = $1 AND owner = $2 AND kind = $3", DB_I(level),
               DB_I(owner), DB_I(kind));
    else
        db_run(
            r->db,
            "INSERT INTO preference(level, owner, kind, value, until) VALUES($1, $2, $3, $4, $5)"
            " ON CONFLICT(level, owner, kind) DO UPDATE SET value = excluded.value, until = excluded.until",
            DB_I(level), DB_I(owner), DB_I(kind), DB_I(value), DB_I(until));
}

/* The rest of the arguments: count of (kind, value). */
static void put_all(struct op_run *r, enum preference_level level, int64_t owner, int64_t addr, view who,
                    int64_t until) {
    for (size_t count = vals_get_count(&r->in); count > 0 && r->err.code == ERR_OK; count--) {
        int64_t kind = vals_get_int(&r->in), value = vals_get_int(&r->in);
        preference_put(r, level, owner, kind, value, until);
        if (r->err.code == ERR_OK)
            person_record(r, EVENT_PREFERRED, addr, who,
                          arena_printf(r->arena, "%s=%.*s", preference_name((enum preference)kind),
                                       VIEW_ARG(preference_text((enum preference)kind, value))));
    }
    memberships_refresh(r, level, owner);
}

/* in: who does it, whose (read_owner), until (ms; 0: for ever), count of (kind, value or PREFERENCE_UNSET) */
void op_run_PREFER(struct op_run *r) {
    view who = vals_get_view(&r->in);
    enum preference_level level;
    int64_t addr = 0, owner = read_owner(r, &level, &addr), until = vals_get_int(&r->in);
    if (owner == 0)
        return;
    put_all(r, level, owner, addr, who, until);
}

/* in: whose (read_owner). out: kind, value, until of what is preferred on that level */
void op_run_PREFERENCES(struct op_run *r) {
    enum preference_level level;
    int64_t addr, owner = read_owner(r, &level, &addr);
    struct query q;
    db_query(r->db, &q,
             "SELECT kind, value, until FROM preference WHERE level = $1 AND owner = $2"
             " AND (until = 0 OR until > $3 + 0) ORDER BY kind",
             DB_I(level), DB_I(owner), DB_I(r->now_ms));
    while (query_row(&q))
        for (int i = 0; i < 3; i++)
            vals_int(r->out, query_int(&q, i));
}

/* The address that events about what somebody prefers are under; 0: refused, there is no such owner. */
static int64_t address_of_owner(struct op_run *r, enum preference_level level, int64_t owner) {
    int64_t addr;
    if (level == LEVEL_MEMBER)
        addr = db_number(r->db, 0, "SELECT addr FROM member WHERE id = $1", DB_I(owner));
    else if (level == LEVEL_ADDRESS)
        addr = db_number(r->db, 0, "SELECT addr FROM mailbox WHERE addr = $1", DB_I(owner));
    else
        addr = db_number(r->db, 0, "SELECT min(addr) FROM mailbox WHERE userid = $1", DB_I(owner));
    if (addr == 0)
        op_refuse(r, ERR_NOT_FOUND, "there is nobody of that number");
    return addr;
}

/* All but what becomes of posts, which is no preference of theirs. */
static void unset_all(struct op_run *r, enum preference_level level, int64_t owner, int64_t addr, view who) {
    db_run(r->db, "DELETE FROM preference WHERE level = $1 AND owner = $2 AND kind <> $3", DB_I(level),
           DB_I(owner), DB_I(PREFERENCE_MODERATION_ACTION));
    person_record(r, EVENT_PREFERRED, addr, who, VIEW("nothing"));
}

/* in: who does it, level, id of the membership, address or user, whether all that was preferred goes first
 * (0/1), count of (kind, value or PREFERENCE_UNSET) */
void op_run_PREFER_OF(struct op_run *r) {
    view who = vals_get_view(&r->in);
    enum preference_level level = (enum preference_level)vals_get_int(&r->in);
    int64_t owner = vals_get_int(&r->in), fresh = vals_get_int(&r->in);
    int64_t addr = address_of_owner(r, level, owner);
    if (addr == 0)
        return;
    if (fresh)
        unset_all(r, level, owner, addr, who);
    put_all(r, level, owner, addr, who, 0);
}

/* in: level, id of the membership, address or user. out: kind, value of what is preferred on that level */
void op_run_PREFERENCES_OF(struct op_run *r) {
    int64_t level = vals_get_int(&r->in), owner = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT kind, value FROM preference WHERE level = $1 AND owner = $2"
             " AND (until = 0 OR until > $3 + 0) ORDER BY kind",
             DB_I(level), DB_I(owner), DB_I(r->now_ms));
    while (query_row(&q))
        for (int i = 0; i < 2; i++)
            vals_int(r->out, query_int(&q, i));
}

/* in: most. out: how many preferences have come to their end */
void op_run_PREFERENCES_END(struct op_run *r) {
    struct {
        int64_t level, owner, kind;
    } of[LIMIT_ROUTE_BATCH];
    int64_t most = vals_get_int(&r->in), n = 0;
    struct query q;
    db_query(
        r->db, &q,
        "SELECT level, owner, kind FROM preference WHERE until > 0 AND until <= $1 ORDER BY until LIMIT $2",
        DB_I(r->now_ms), DB_I(most < LIMIT_ROUTE_BATCH ? most : LIMIT_ROUTE_BATCH));
    for (; query_row(&q) && n < LIMIT_ROUTE_BATCH; n++) {
        of[n].level = query_int(&q, 0);
        of[n].owner = query_int(&q, 1);
        of[n].kind = query_int(&q, 2);
    }
    query_done(&q);
    for (int64_t i = 0; i < n; i++) {
        db_run(r->db, "DELETE FROM preference WHERE level = $1 AND owner = $2 AND kind = $3",
               DB_I(of[i].level), DB_I(of[i].owner), DB_I(of[i].kind));
        memberships_refresh(r, (enum preference_level)of[i].level, of[i].owner);
        if (of[i].level == LEVEL_MEMBER)
            nonmember_end(r, of[i].owner);
    }
    vals_int(r->out, n);
}
