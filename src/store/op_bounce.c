/* op_bounce.c: mail that comes back from members: days are counted, at the list's threshold delivery is
 * switched off (or the address is tried first), letters warn, and at last the membership ends. One
 * transaction a step. */
#include "base/words.h"
#include "store/bounced.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/owed.h"
#include "store/person.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))

struct bouncer {
    int64_t member, list, addr, status;
    view list_address;
    int64_t score, last, warnings, warned, due;
};

static int64_t setting(struct op_run *r, const struct bouncer *b, enum list_setting s) {
    return list_setting_of(r, b->list_address, s);
}

static void record(struct op_run *r, const struct bouncer *b, enum event_kind kind, view detail) {
    event_record(r, EVENTS_OF_PEOPLE, kind, b->addr, b->list, VIEW(""),
                 view_slice(detail, 0, LIMIT_EVENT_TEXT));
}

/* The membership is locked: two bounces at once are one after the other. */
static bool find(struct op_run *r, int64_t list, int64_t addr, struct bouncer *b) {
    struct query q;
    int64_t id = membership_find(r, list, ROLE_MEMBER, addr);
    *b = (struct bouncer){.member = id, .list = list, .addr = addr};
    if (id == 0)
        return false;
    db_number(r->db, 0, "SELECT 1 FROM member WHERE id = $1 {for update}", DB_I(id));
    db_query(r->db, &q,
             "SELECT m.status, l.address, coalesce(x.score, 0), coalesce(x.last, 0), coalesce(x.warnings, 0),"
             " coalesce(x.warned, 0), coalesce(x.due, 0) FROM member m JOIN list l ON l.id = m.list LEFT "
             "JOIN bounce x ON "
             "x.member = m.id"
             " WHERE m.id = $1",
             DB_I(id));
    bool found = query_row(&q);
    if (found) {
        int64_t *const numbers[] = {&b->score, &b->last, &b->warnings, &b->warned, &b->due};
        b->status = query_int(&q, 0);
        b->list_address = arena_view(r->arena, query_text(&q, 1));
        for (int i = 0; i < 5; i++)
            *numbers[i] = query_int(&q, 2 + i);
    }
    query_done(&q);
    return found;
}

static void keep(struct op_run *r, const struct bouncer *b, int64_t due) {
    db_run(r->db,
           "INSERT INTO bounce(member, score, last, warnings, warned, due) VALUES($1, $2, $3, $4, $5, $6)"
           " ON CONFLICT(member) DO UPDATE SET score = excluded.score, last = excluded.last, warnings ="
           " excluded.warnings, warned = excluded.warned, due = excluded.due",
           DB_I(b->member), DB_I(b->score), DB_I(b->last), DB_I(b->warnings), DB_I(b->warned), DB_I(due));
}

static void remove_member(struct op_run *r, const struct bouncer *b) {
    membership_end(r, b->member);
    record(r, b, EVENT_UNSUBSCRIBED, VIEW("by=bounces"));
    if (setting(r, b, LIST_SETTING_BOUNCE_NOTIFY_OWNER_ON_REMOVAL))
        letter_owe(r, LETTER_REMOVED, b->list, b->addr, VIEW(""));
}

/* With no warnings at all the membership ends at once; else the first goes out now. */
static enum bounced disable(struct op_run *r, struct bouncer *b, view why) {
    if (setting(r, b, LIST_SETTING_BOUNCE_YOU_ARE_DISABLED_WARNINGS) == 0) {
        remove_member(r, b);
        return BOUNCED_REMOVED;
    }
    membership_prefers(r, b->member, -1, STATUS_BY_BOUNCES);
    record(r, b, EVENT_PREFERRED, VIEW("by=bounces delivery_status=by_bounces"));
    b->warnings = b->warned = 0;
    keep(r, b, r->now_ms);
    if (setting(r, b, LIST_SETTING_BOUNCE_NOTIFY_OWNER_ON_DISABLE))
        letter_owe(r, LETTER_DISABLED, b->list, b->addr, why);
    return BOUNCED_DISABLED;
}

static enum bounced probe(struct op_run *r, struct bouncer *b, view why) {
    b->score = 0;
    keep(r, b, 0);
    letter_owe(r, LETTER_PROBE, b->list, b->addr, why);
    return BOUNCED_PROBED;
}

/* Below the threshold, or at it. */
static enum bounced add(struct op_run *r, struct bouncer *b, bool seen, view why) {
    bool stale = b->last < r->now_ms - setting(r, b, LIST_SETTING_BOUNCE_INFO_STALE_AFTER);
    bool probes = !seen && setting(r, b, LIST_SETTING_BOUNCE_PROBES) != 0;
    b->score = stale ? 1 : b->score + 1;
    b->last = r->now_ms;
    bool full = b->score >= setting(r, b, LIST_SETTING_BOUNCE_SCORE_THRESHOLD);
    if (setting(r, b, LIST_SETTING_BOUNCE_NOTIFY_OWNER_ON_BOUNCE_INCREMENT) && !(full && probes))
        letter_owe(r, LETTER_BOUNCED, b->list, b->addr, why);
    if (full)
        return probes ? probe(r, b, why) : disable(r, b, why);
    keep(r, b, 0);
    return BOUNCED_COUNTED;
}

enum bounced bounce_count(struct op_run *r, int64_t list, int64_t addr, bool seen, view why,
                          int64_t *ret_score) {
    struct bouncer b;
    *ret_score = 0;
    if (!find(r, list, addr, &b))
        return BOUNCED_NO_MEMBER;
    *ret_score = b.score;
    if (b.status != STATUS_ENABLED || !setting(r, &b, LIST_SETTING_PROCESS_BOUNCES))
        return BOUNCED_IGNORED;
    if (b.last > 0 && b.last / DAY_MS == r->now_ms / DAY_MS)
        return BOUNCED_TODAY;
    enum bounced what = add(r, &b, seen, why);
    *ret_score = what == BOUNCED_PROBED ? 0 : b.score;
    record(r, &b, EVENT_COUNTED,
           arena_printf(r->arena, "%.*s score=%lld %.*s", VIEW_ARG(words_at(BOUNCED_WORDS, what)),
                        (long long)b.score, VIEW_ARG(why)));
    return what;
}

/* in: list, address, whether it is a probe that came back (0/1), why. out: enum bounced, score */
void op_run_BOUNCE(struct op_run *r) {
    int64_t list = need_list(r, vals_get_view(&r->in)), score = 0;
    view address = vals_get_view(&r->in);
    int64_t is_probe = vals_get_int(&r->in);
    view why = vals_get_view(&r->in);
    if (list == 0 || r->in.failed)
        return;
    int64_t addr = mailbox_find(r, address).addr;
    enum bounced what = BOUNCED_NO_MEMBER;
    struct bouncer b;
    if (addr && !is_probe) {
        what = bounce_count(r, list, addr, false, why, &score);
    } else if (addr && find(r, list, addr, &b)) {
        what = b.status == STATUS_ENABLED ? disable(r, &b, why) : BOUNCED_IGNORED;
        score = b.score;
    }
    vals_int(r->out, what);
    vals_int(r->out, score);
}

/* One whose time has come: the next warning, or the end. */
static void step(struct op_run *r, struct bouncer *b) {
    if (b->status != STATUS_BY_BOUNCES) { /* the member, or somebody else, said otherwise meanwhile */
        db_run(r->db, "DELETE FROM bounce WHERE member = $1", DB_I(b->member));
        return;
    }
    if (b->warnings >= setting(r, b, LIST_SETTING_BOUNCE_YOU_ARE_DISABLED_WARNINGS)) {
        remove_member(r, b);
        return;
    }
    b->warnings++;
    b->warned = r->now_ms;
    int64_t wait = setting(r, b, LIST_SETTING_BOUNCE_YOU_ARE_DISABLED_WARNINGS_INTERVAL);
    keep(r, b, r->now_ms + (wait > 0 ? wait : 1));
    letter_owe(r, LETTER_WARNING, b->list, b->addr, arena_printf(r->arena, "%lld", (long long)b->warnings));
    record(r, b, EVENT_WARNED, arena_printf(r->arena, "warning=%lld", (long long)b->warnings));
}

/* in: most. out: memberships that were switched off and were warned now, ended or left alone */
void op_run_BOUNCES_STEP(struct op_run *r) {
    struct bouncer due[LIMIT_ROUTE_BATCH];
    int64_t most = vals_get_int(&r->in), n = 0;
    struct query q;
    db_query(
        r->db, &q,
        "SELECT m.list, m.addr FROM bounce b JOIN member m ON m.id = b.member WHERE b.due > 0 AND b.due <= $1"
        " ORDER BY b.due LIMIT $2",
        DB_I(r->now_ms), DB_I(most < LIMIT_ROUTE_BATCH ? most : LIMIT_ROUTE_BATCH));
    while (query_row(&q) && n < LIMIT_ROUTE_BATCH)
        due[n++] = (struct bouncer){.list = query_int(&q, 0), .addr = query_int(&q, 1)};
    query_done(&q);
    for (int64_t i = 0; i < n; i++)
        if (find(r, due[i].list, due[i].addr, &due[i]) && due[i].due > 0 && due[i].due <= r->now_ms)
            step(r, &due[i]); /* a step of somebody else's was not between */
    vals_int(r->out, n);
}

/* in: list, who does it, address of a member whose delivery bounces switched off: it is on again, and nothing
 * is counted. Refused when there is no such member. */
void op_run_MEMBER_ENABLE(struct op_run *r) {
    int64_t list = need_list(r, vals_get_view(&r->in));
    view who = vals_get_view(&r->in), address = vals_get_view(&r->in);
    struct bouncer b;
    if (list == 0)
        return;
    if (!find(r, list, mailbox_find(r, address).addr, &b)) {
        op_refuse(r, ERR_NOT_FOUND, "%.*s is no member", VIEW_ARG(address));
        return;
    }
    db_run(r->db, "DELETE FROM bounce WHERE member = $1", DB_I(b.member));
    if (b.status != STATUS_BY_BOUNCES)
        return;
    preference_put(r, LEVEL_MEMBER, b.member, PREFERENCE_DELIVERY_STATUS, PREFERENCE_UNSET, 0);
    memberships_refresh(r, LEVEL_MEMBER, b.member);
    record(r, &b, EVENT_PREFERRED, arena_printf(r->arena, "by=%.*s delivery_status=enabled", VIEW_ARG(who)));
}
