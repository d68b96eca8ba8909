/* op_list.c: lists as programs see them: collections of them, what each says of itself, several changes of
 * one at once, and the numbers of its digests. */
#include <time.h>

#include "store/event.h"
#include "store/list.h"
#include "store/list_setting.h"
#include "store/person.h"

/* The order that programs expect: by List-Id. */
#define BY_LIST_ID "replace(l.address, '@', '.'), l.address"

/* What lists say that say nothing themselves. */
struct around {
    view domain; /* with the @ */
    bool advertised;
};

static bool is_advertised(struct op_run *r, view address, view own, struct around *around) {
    if (own.len > 0)
        return view_eq(own, VIEW("true"));
    view domain = view_skip(address, (size_t)view_rfind(address, '@'));
    if (!view_eq(domain, around->domain)) {
        around->domain = arena_view(r->arena, domain);
        around->advertised = list_setting_of(r, around->domain, LIST_SETTING_ADVERTISED) != 0;
    }
    return around->advertised;
}

/* in: domain (empty: any), only those that are advertised (0/1), how many to pass over, most. out: how many
 * there are, then ids, by List-Id */
void op_run_LIST_IDS(struct op_run *r) {
    view domain = vals_get_view(&r->in);
    bool advertised = vals_get_int(&r->in) != 0;
    int64_t start = vals_get_int(&r->in), most = vals_get_int(&r->in), total = 0;
    view tail = domain.len > 0 ? arena_printf(r->arena, "@%.*s", VIEW_ARG(domain)) : VIEW("");
    struct around around = {.domain = VIEW("")};
    struct buf ids = BUF_INIT(r->out->limit);
    struct query q;
    db_query(r->db, &q,
             "SELECT l.id, l.address, coalesce(s.value, '') FROM list l LEFT JOIN setting s ON s.scope = "
             "l.address AND s.name = 'advertised' ORDER BY " BY_LIST_ID);
    while (query_row(&q)) {
        view address = query_text(&q, 1);
        if (!view_ends_with(address, tail))
            continue;
        if (advertised && !is_advertised(r, address, query_text(&q, 2), &around))
            continue;
        if (total >= start && total - start < most)
            vals_int(&ids, query_int(&q, 0));
        total++;
    }
    vals_int(r->out, total);
    buf_add(r->out, buf_view(&ids));
    buf_done(&ids);
}

/* in: count, ids. out: of each that is there: id, address, members, volume of its digests, advertised (0/1),
 * display_name, description, as they count for it */
void op_run_LIST_ROWS(struct op_run *r) {
    for (size_t count = vals_get_count(&r->in); count > 0; count--) {
        int64_t id = vals_get_int(&r->in);
        struct query q;
        view address = VIEW("");
        int64_t members = 0, volume = 0;
        db_query(r->db, &q,
                 "SELECT l.address, (SELECT count(*) FROM member m WHERE m.list = l.id AND m.role = $2), "
                 "l.volume FROM list l WHERE l.id = $1",
                 DB_I(id), DB_I(ROLE_MEMBER));
        while (query_row(&q)) {
            address = arena_view(r->arena, query_text(&q, 0));
            members = query_int(&q, 1);
            volume = query_int(&q, 2);
        }
        if (address.len == 0)
            continue;
        vals_int(r->out, id);
        vals_view(r->out, address);
        vals_int(r->out, members);
        vals_int(r->out, volume);
        vals_int(r->out, list_setting_of(r, address, LIST_SETTING_ADVERTISED));
        vals_view(r->out, list_setting_text_of(r, address, LIST_SETTING_DISPLAY_NAME));
        vals_view(r->out, list_setting_text_of(r, address, LIST_SETTING_DESCRIPTION));
    }
}

/* in: an address, or empty and a user's id, role (ROLE_ANY: any). out: the list of each of their memberships
 */
void op_run_LIST_OF(struct op_run *r) {
    view address = vals_get_view(&r->in);
    int64_t user = vals_get_int(&r->in), role = vals_get_int(&r->in);
    int64_t first = role == ROLE_ANY ? ROLE_MEMBER : role, last = role == ROLE_ANY ? ROLE_NONMEMBER : role;
    struct query q;
    if (address.len > 0)
        db_query(r->db, &q,
                 "SELECT m.list FROM address a JOIN member m ON m.addr = a.id JOIN list l ON l.id = m.list"
                 " WHERE a.text = $1 AND m.role BETWEEN $2 AND $3 ORDER BY " BY_LIST_ID ", m.role",
                 DB_T(address), DB_I(first), DB_I(last));
    else
        db_query(r->db, &q,
                 "SELECT m.list FROM mailbox b JOIN member m ON m.addr = b.addr JOIN address a ON a.id = "
                 "b.addr JOIN list l ON l.id = m.list WHERE b.userid = $1 AND m.role BETWEEN $2 AND $3"
                 " ORDER BY " BY_LIST_ID ", a.text, m.role",
                 DB_I(user), DB_I(first), DB_I(last));
    while (query_row(&q))
        vals_int(r->out, query_int(&q, 0));
}

static void record(struct op_run *r, view who, int64_t list, view address, view what) {
    event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, list, address,
                 arena_printf(r->arena, "by=%.*s %.*s", VIEW_ARG(who), VIEW_ARG(what)));
}

/* What came while the archive was off is not missing in it. */
static void set_archive(struct op_run *r, int64_t list, view archive) {
    bool was = db_number(r->db, 0, "SELECT 1 FROM list WHERE id = $1 AND archive <> 'none' {for update}",
                         DB_I(list)) != 0;
    bool is = !view_eq(archive, VIEW("none"));
    if (was && !is)
        db_run(r->db, "UPDATE list SET unarchived = uid_last WHERE id = $1", DB_I(list));
    if (!was && is)
        db_run(r->db,
               "INSERT INTO post_kept(list, uid, size, sha256) SELECT p.list, p.uid, 0, p.sha256 FROM post p"
               " JOIN list l ON l.id = p.list WHERE p.list = $1 AND p.uid > l.unarchived"
               " ON CONFLICT(list, uid) DO UPDATE SET size = 0, sha256 = excluded.sha256",
               DB_I(list));
    db_run(r->db, "UPDATE list SET archive = $2 WHERE id = $1", DB_I(list), DB_T(archive));
}

/* in: list, who does it, archive (public, private, none; empty: as it is), count of settings (name, enum
 * setting_how, value). All of it or nothing. */
void op_run_LIST_SET(struct op_run *r) {
    view address = vals_get_view(&r->in), who = vals_get_view(&r->in), archive = vals_get_view(&r->in);
    int64_t list = need_list(r, address);
    if (list == 0)
        return;
    if (archive.len > 0) {
        if (!view_eq(archive, VIEW("public")) && !view_eq(archive, VIEW("private")) &&
            !view_eq(archive, VIEW("none"))) {
            op_refuse(r, ERR_USAGE, "archive: one of these is wanted: public private none");
            return;
        }
        set_archive(r, list, archive);
        record(r, who, list, address, arena_printf(r->arena, "archive=%.*s", VIEW_ARG(archive)));
    }
    settings_change(r, address, who);
}

/* ---- digests ---- */

/* What a volume of digests is of: 2026, 202611, 202604, 202648, 20261124: a later one is greater. */
static int64_t period_of(int64_t ms, int64_t frequency) {
    enum { YEARLY, MONTHLY, QUARTERLY, WEEKLY };
    time_t at = (time_t)(ms / 1000);
    struct tm tm;
    char week[16];
    int64_t period = 0;
    gmtime_r(&at, &tm);
    int64_t year = tm.tm_year + 1900, month = tm.tm_mon + 1;
    if (frequency == YEARLY)
        return year;
    if (frequency == MONTHLY)
        return year * 100 + month;
    if (frequency == QUARTERLY)
        return year * 100 + (month + 2) / 3;
    if (frequency == WEEKLY) {
        strftime(week, sizeof week, "%G%V", &tm);
        view_to_i64(view_of(week), &period);
        return period;
    }
    return (year * 100 + month) * 100 + tm.tm_mday;
}

struct digest_number list_bump(struct op_run *r, int64_t list) {
    struct digest_number next = {1, 1};
    view address = VIEW("");
    int64_t sent = 0;
    struct query q;
    db_query(r->db, &q, "SELECT address, volume, issue, digest_sent FROM list WHERE id = $1 {for update}",
             DB_I(list));
    while (query_row(&q)) {
        address = arena_view(r->arena, query_text(&q, 0));
        next = (struct digest_number){query_int(&q, 1), query_int(&q, 2) + 1};
        sent = query_int(&q, 3);
    }
    int64_t frequency = list_setting_of(r, address, LIST_SETTING_DIGEST_VOLUME_FREQUENCY);
    if (sent > 0 && period_of(r->now_ms, frequency) > period_of(sent, frequency))
        next = (struct digest_number){next.volume + 1, 1};
    db_run(r->db, "UPDATE list SET volume = $2, issue = $3, digest_sent = $4 WHERE id = $1", DB_I(list),
           DB_I(next.volume), DB_I(next.issue), DB_I(r->now_ms));
    return next;
}

/* in: list, who does it. out: volume and issue of the next digest */
void op_run_LIST_BUMP(struct op_run *r) {
    view address = vals_get_view(&r->in), who = vals_get_view(&r->in);
    int64_t list = need_list(r, address);
    if (list == 0)
        return;
    struct digest_number next = list_bump(r, list);
    record(r, who, list, address,
           arena_printf(r->arena, "digest volume=%lld issue=%lld", (long long)next.volume,
                        (long long)next.issue));
    vals_int(r->out, next.volume);
    vals_int(r->out, next.issue);
}
