/* op_held.c: posts that wait for a moderator. What is decided about several is decided about all or none, and
 * of two moderators the second is told that it is done. */
#include "store/event.h"
#include "store/held.h"
#include "store/list_setting.h"
#include "store/lookup.h"
#include "store/person.h"

void list_post_hold(struct op_run *r, const struct list_post *p) {
    if (db_number(r->db, 0, "SELECT id FROM list WHERE id = $1 {for update}", DB_I(p->list)) == 0) {
        event_record(r, p->message, EVENT_DROPPED, 0, p->list, VIEW(""),
                     VIEW("the list was deleted meanwhile"));
        return;
    }
    if (db_change(r->db,
                  "INSERT INTO held_post(message, list, sha256, msgid, sender, subject, rule, reason, since)"
                  " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                  DB_I(p->message), DB_I(p->list), DB_B(p->sha256), DB_T(p->msgid), DB_T(p->sender),
                  DB_T(p->subject), DB_T(p->rule), DB_T(p->reason), DB_I(r->now_ms)) == 0)
        event_record(r, p->message, EVENT_DUPLICATE, 0, p->list, VIEW(""),
                     VIEW("the very same bytes are held"));
    else
        event_record(r, p->message, EVENT_HELD, 0, p->list, VIEW(""),
                     arena_printf(r->arena, "%.*s: %.*s", VIEW_ARG(p->rule), VIEW_ARG(p->reason)));
}

static void put_rows(struct op_run *r, struct query *q) {
    while (query_row(q)) {
        vals_int(r->out, query_int(q, 0));
        for (int i = 1; i < 6; i++)
            vals_view(r->out, query_text(q, i));
        for (int i = 6; i < 9; i++)
            vals_int(r->out, query_int(q, i));
        vals_view(r->out, query_text(q, 9));
    }
}

#define HELD_ROWS                                                                                            \
    "SELECT h.id, l.address, h.sender, h.subject, h.rule, h.reason, h.since, h.message, m.size, h.msgid"     \
    " FROM held_post h JOIN list l ON l.id = h.list JOIN message m ON m.id = h.message"

/* in: list or empty: all, last id seen, most. out: id, list, sender, subject, rule, reason, since, message,
 * size, Message-ID */
void op_run_HELD_LS(struct op_run *r) {
    view list = vals_get_view(&r->in);
    int64_t after = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    if (list.len > 0 && !need_list(r, list))
        return;
    db_query(r->db, &q, HELD_ROWS " WHERE h.id > $1 AND ($2 = '' OR l.address = $2) ORDER BY h.id LIMIT $3",
             DB_I(after), DB_T(list), DB_I(most));
    put_rows(r, &q);
}

/* in: list. out: ids, as they came */
void op_run_HELD_IDS(struct op_run *r) {
    view list = vals_get_view(&r->in);
    int64_t id = need_list(r, list);
    struct query q;
    if (id == 0)
        return;
    db_query(r->db, &q, "SELECT id FROM held_post WHERE list = $1 ORDER BY id", DB_I(id));
    while (query_row(&q))
        vals_int(r->out, query_int(&q, 0));
}

/* in: id. out: as HELD_LS */
void op_run_HELD_SHOW(struct op_run *r) {
    int64_t id = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q, HELD_ROWS " WHERE h.id = $1", DB_I(id));
    put_rows(r, &q);
    if (r->out->len == 0)
        op_refuse(r, ERR_NOT_FOUND, "no post %lld is held: it was decided about, or never was",
                  (long long)id);
}

/* in: list, last id seen, most. out: what is kept of the list's moderator_password; then of each post that is
 * held: id, message */
void op_run_HELD_ON(struct op_run *r) {
    view list = vals_get_view(&r->in);
    int64_t after = vals_get_int(&r->in), most = vals_get_int(&r->in), id = need_list(r, list);
    struct query q;
    if (id == 0)
        return;
    vals_view(r->out, list_setting_text_of(r, list, LIST_SETTING_MODERATOR_PASSWORD));
    db_query(r->db, &q, "SELECT id, message FROM held_post WHERE list = $1 AND id > $2 ORDER BY id LIMIT $3",
             DB_I(id), DB_I(after), DB_I(most));
    while (query_row(&q)) {
        vals_int(r->out, query_int(&q, 0));
        vals_int(r->out, query_int(&q, 1));
    }
}

static bool find_held(struct op_run *r, int64_t id, struct list_post *ret) {
    struct query q;
    *ret = (struct list_post){0};
    db_query(r->db, &q,
             "SELECT message, list, sha256, msgid, rule, sender FROM held_post WHERE id = $1 {for update}",
             DB_I(id));
    if (query_row(&q)) {
        *ret = (struct list_post){.message = query_int(&q, 0),
                                  .list = query_int(&q, 1),
                                  .sha256 = arena_view(r->arena, query_text(&q, 2)),
                                  .msgid = arena_view(r->arena, query_text(&q, 3)),
                                  .rule = arena_view(r->arena, query_text(&q, 4)),
                                  .sender = arena_view(r->arena, query_text(&q, 5))};
        query_done(&q);
        return true;
    }
    op_refuse(r, ERR_NOT_FOUND, "no post %lld is held: it was decided about, or never was", (long long)id);
    return false;
}

/* Of a stranger it can be said from now on what becomes of his posts: he is a nonmember of the list. */
static void know_sender(struct op_run *r, const struct list_post *p, view who) {
    const struct membership m = {.list = p->list, .role = ROLE_NONMEMBER};
    int64_t addr = db_number(r->db, 0, "SELECT id FROM address WHERE text = $1", DB_T(p->sender));
    if (p->sender.len == 0 || (addr != 0 && (membership_find(r, p->list, ROLE_MEMBER, addr) != 0 ||
                                             membership_find(r, p->list, ROLE_NONMEMBER, addr) != 0)))
        return;
    int64_t ids = person_ids(r, 2), ignored;
    mailbox_make(r, p->sender, VIEW(""), VIEW(""), ids + 1);
    membership_make(r, &m, p->sender, ids);
    memberships_refresh(r, LEVEL_MEMBER, ids);
    event_record(r, EVENTS_OF_PEOPLE, EVENT_SUBSCRIBED, address_id(r, p->sender, &ignored), p->list, VIEW(""),
                 membership_done_by(r, who, ROLE_NONMEMBER));
}

/* `who`: he wants to say more about the sender than about this post; else empty. */
static void decide(struct op_run *r, int64_t id, enum moderation action, view detail, view who) {
    static const enum event_kind kinds[] = {[MODERATION_ACCEPT] = EVENT_APPROVED,
                                            [MODERATION_REJECT] = EVENT_REJECTED,
                                            [MODERATION_DISCARD] = EVENT_DISCARDED,
                                            [MODERATION_HOLD] = EVENT_HELD};
    struct list_post p;
    if (!find_held(r, id, &p))
        return;
    event_record(r, p.message, kinds[action], 0, p.list, VIEW(""), detail);
    if (who.len > 0)
        know_sender(r, &p, who);
    if (action == MODERATION_ACCEPT)
        list_post_add(r, &p);
    if (action != MODERATION_HOLD)
        db_run(r->db, "DELETE FROM held_post WHERE id = $1", DB_I(id));
}

/* in: who does it, action (enum moderation: ACCEPT, REJECT, DISCARD; HOLD: it goes on waiting, and the
 * letters pass it on), why or to whom, whether strangers among the senders become nonmembers (0/1), count of
 * ids, ids; count of letters, each as ACCEPT takes it */
void op_run_HELD_DECIDE(struct op_run *r) {
    view who = vals_get_view(&r->in);
    enum moderation action = (enum moderation)vals_get_int(&r->in);
    view why = vals_get_view(&r->in);
    view detail = arena_printf(r->arena, "by=%.*s%s%.*s", VIEW_ARG(who), why.len ? " " : "", VIEW_ARG(why));
    if (action < MODERATION_HOLD || action > MODERATION_ACCEPT) {
        op_refuse(r, ERR_SYNTAX, "held-decide: no such action");
        return;
    }
    bool known = vals_get_int(&r->in) != 0;
    for (size_t count = vals_get_count(&r->in); count > 0 && r->err.code == ERR_OK && !db_error(r->db);
         count--)
        decide(r, vals_get_int(&r->in), action, detail, known ? who : VIEW(""));
    for (size_t letters = vals_get_count(&r->in); letters > 0 && r->err.code == ERR_OK; letters--)
        accept_one(r);
}

enum { DAY_MS = 24 * 60 * 60 * 1000 };

/* Discards what has waited on the list since `before`. Returns how many. */
static int64_t end_on_list(struct op_run *r, int64_t list, int64_t before, int64_t most, int64_t days) {
    int64_t ids[LIMIT_ROUTE_BATCH], n = 0;
    struct query q;
    db_query(r->db, &q,
             "SELECT id FROM held_post WHERE list = $1 AND since <= $2 ORDER BY id LIMIT $3 {skip locked}",
             DB_I(list), DB_I(before), DB_I(most));
    while (query_row(&q) && n < most)
        ids[n++] = query_int(&q, 0);
    query_done(&q);
    for (int64_t i = 0; i < n; i++)
        decide(r, ids[i], MODERATION_DISCARD,
               arena_printf(r->arena, "by=router nobody decided in %lld days", (long long)days), VIEW(""));
    return n;
}

/* in: most. Discards what has waited for longer than its list's max_days_to_hold. out: how many */
void op_run_HELD_END(struct op_run *r) {
    struct {
        int64_t id;
        view address;
    } * lists;
    int64_t most = vals_get_int(&r->in), ended = 0, n = 0;
    int64_t count = db_number(r->db, 0, "SELECT count(DISTINCT list) FROM held_post");
    struct query q;
    lists = arena_alloc_n(r->arena, (size_t)count + 1, sizeof *lists);
    if (!lists)
        return;
    if (most < 1 || most > LIMIT_ROUTE_BATCH)
        most = LIMIT_ROUTE_BATCH;
    db_query(r->db, &q,
             "SELECT id, address FROM list WHERE id IN (SELECT list FROM held_post) ORDER BY id LIMIT $1",
             DB_I(count));
    for (; query_row(&q) && n < count; n++) {
        lists[n].id = query_int(&q, 0);
        lists[n].address = arena_view(r->arena, query_text(&q, 1));
    }
    query_done(&q);
    for (int64_t i = 0; i < n && ended < most; i++) {
        int64_t days = list_setting_of(r, lists[i].address, LIST_SETTING_MAX_DAYS_TO_HOLD);
        if (days > 0)
            ended += end_on_list(r, lists[i].id, r->now_ms - days * DAY_MS, most - ended, days);
    }
    vals_int(r->out, ended);
}
