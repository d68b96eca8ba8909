/* op_route.c: what router does. It takes accepted messages under a lease, decides with the pure rules of
 * routing/, and commits the decision: deliveries, expansions, archive feed, events. A list's members become
 * deliveries in slices, each a short transaction with a stored cursor. The reaper deletes what nothing refers
 * to any more; docs/states.md names each row's last reader. */
#include "base/id.h"
#include "mail/address.h"
#include "store/accept.h"
#include "store/class.h"
#include "store/digest.h"
#include "store/event.h"
#include "store/held.h"
#include "store/person.h"
#include "store/preference.h"
#include "store/schema.h"
#include "store/sibling.h"

int64_t address_id(struct op_run *r, view address, int64_t *ret_site) {
    view domain = address_split(address).domain;
    for (int try = 0; try < 2; try++) {
        struct query q;
        int64_t id = 0;
        db_query(r->db, &q, "SELECT id, site FROM address WHERE text = $1", DB_T(address));
        if (query_row(&q)) {
            id = query_int(&q, 0);
            *ret_site = query_int(&q, 1);
            query_done(&q);
        }
        if (id != 0 || db_error(r->db))
            return id;
        address_make(r, address, domain);
    }
    return 0;
}

void address_make(struct op_run *r, view address, view domain) {
    db_run(r->db, "INSERT INTO site(name, transport, frozen) VALUES($1, '', 0) ON CONFLICT DO NOTHING",
           DB_T(domain));
    db_run(r->db,
           "INSERT INTO address(text, site) SELECT $1, id FROM site WHERE name = $2"
           " ON CONFLICT DO NOTHING",
           DB_T(address), DB_T(domain));
}

/* Destinations that have something new: made, or woken. One that waits after a failure is not woken: new mail
 * for it waits with the rest. The row is written in any case: that locks it, so a RELEASE that runs meanwhile
 * sees either the delivery or the wake-up. */
#define WAKE                                                                                                 \
    " ON CONFLICT(id) DO UPDATE SET due = CASE WHEN destination.due > excluded.due AND destination.tries = " \
    "0"                                                                                                      \
    " THEN excluded.due ELSE destination.due END"

void delivery_add(struct op_run *r, const struct delivery *d) {
    db_run(
        r->db,
        "INSERT INTO delivery(dest, due, message, list, rcpt, tries, flags) VALUES($1, $2, $3, $4, $5, 0, $6)"
        " ON CONFLICT DO NOTHING",
        DB_I(d->dest), DB_I(r->now_ms), DB_I(d->message), DB_I(d->list), DB_I(d->rcpt),
        DB_I(d->notify | (d->orcpt.len > 0 ? DELIVERY_ORCPT : 0)));
    if (d->orcpt.len > 0)
        db_run(r->db, "INSERT INTO orcpt(message, rcpt, text) VALUES($1, $2, $3) ON CONFLICT DO NOTHING",
               DB_I(d->message), DB_I(d->rcpt), DB_T(d->orcpt));
    db_run(r->db,
           "INSERT INTO destination(id, owner, batch, until, due, tries, error) VALUES($1, '', 0, 0, $2, 0, "
           "'')" WAKE,
           DB_I(d->dest), DB_I(r->now_ms));
}

/* One message of a batch into the answer. False: it does not fit behind those that are there. */
static bool add_message(struct op_run *r, int64_t id) {
    struct buf one = BUF_INIT(LIMIT_STORE_PACKET);
    struct query q;
    db_query(r->db, &q, "SELECT sender, msgid, size, sha256, flags FROM message WHERE id = $1", DB_I(id));
    if (query_row(&q)) {
        vals_int(&one, id);
        vals_view(&one, query_text(&q, 0));
        vals_view(&one, query_text(&q, 1));
        vals_int(&one, query_int(&q, 2));
        vals_view(&one, query_text(&q, 3));
        vals_int(&one, query_int(&q, 4));
        query_done(&q);
        vals_int(&one, db_number(r->db, 0, "SELECT count(*) FROM recipient WHERE message = $1", DB_I(id)));
        db_query(r->db, &q, "SELECT address, notify, orcpt FROM recipient WHERE message = $1 ORDER BY n",
                 DB_I(id));
        while (query_row(&q)) {
            vals_view(&one, query_text(&q, 0));
            vals_int(&one, query_int(&q, 1));
            vals_view(&one, query_text(&q, 2));
        }
    }
    bool fits = r->out->len == 0 || r->out->len + one.len <= r->out->limit;
    if (fits)
        buf_add(r->out, buf_view(&one));
    buf_done(&one);
    return fits;
}

/* in: node, batch, most messages, lease in ms. out: per message: id, sender, Message-ID, size, sha256, flags,
 * count of recipients; per recipient: address, notify, original recipient. The same batch again gives the
 * same messages. */
void op_run_ROUTE_TAKE(struct op_run *r) {
    view node = vals_get_view(&r->in);
    int64_t batch = vals_get_int(&r->in), most = vals_get_int(&r->in), lease = vals_get_int(&r->in);
    struct query q;
    if (db_number(r->db, 0, "SELECT 1 FROM inbox WHERE batch = $1 AND batch > 0 LIMIT 1", DB_I(batch)) == 0)
        db_run(r->db,
               "UPDATE inbox SET owner = $1, batch = $2, until = $3 WHERE message IN"
               " (SELECT message FROM inbox WHERE until < $4 ORDER BY message LIMIT $5 {skip locked})",
               DB_T(node), DB_I(batch), DB_I(r->now_ms + lease), DB_I(r->now_ms), DB_I(most));
    int64_t ids[LIMIT_ROUTE_BATCH];
    size_t n = 0;
    db_query(r->db, &q, "SELECT message FROM inbox WHERE batch = $1 AND batch > 0 ORDER BY message LIMIT $2",
             DB_I(batch), DB_I(LIMIT_ROUTE_BATCH));
    while (query_row(&q) && n < LIMIT_ROUTE_BATCH)
        ids[n++] = query_int(&q, 0);
    query_done(&q);
    bool full = false;
    for (size_t i = 0; i < n; i++) {
        full = full || !add_message(r, ids[i]);
        if (full) /* the rest waits for the next batch */
            db_run(r->db, "UPDATE inbox SET owner = '', batch = 0, until = 0 WHERE message = $1",
                   DB_I(ids[i]));
    }
}

/* out: how long the oldest message has waited to be routed (ms; 0: none waits). An id has its time in it. */
void op_run_INBOX_AGE(struct op_run *r) {
    int64_t oldest = db_number(r->db, 0, "SELECT coalesce(min(message), 0) FROM inbox");
    vals_int(r->out, oldest ? r->now_ms - id_time_ms(oldest) : 0);
}

/* in: node. A restarted router gives back what it had taken. */
void op_run_ROUTE_RESET(struct op_run *r) {
    view node = vals_get_view(&r->in);
    db_run(r->db, "UPDATE inbox SET owner = '', batch = 0, until = 0 WHERE owner = $1", DB_T(node));
}

void list_post_add(struct op_run *r, const struct list_post *p) {
    int64_t message = p->message, list = p->list;
    view sha256 = p->sha256;
    struct query q;
    db_query(
        r->db, &q,
        "SELECT feed_last, uid_last, archive, class, posts, address FROM list WHERE id = $1 {for update}",
        DB_I(list));
    if (!query_row(&q)) {
        event_record(r, message, EVENT_DROPPED, 0, list, VIEW(""), VIEW("the list was deleted meanwhile"));
        return;
    }
    int64_t feed = query_int(&q, 0) + 1, uid = query_int(&q, 1) + 1;
    bool archived = !view_eq(query_text(&q, 2), VIEW("none"));
    int64_t class = query_int(&q, 3), number = query_int(&q, 4) + 1;
    view address = arena_view(r->arena, query_text(&q, 5));
    query_done(&q);
    if (db_number(r->db, 0, "SELECT uid FROM post WHERE list = $1 AND sha256 = $2", DB_I(list),
                  DB_B(sha256))) {
        event_record(r, message, EVENT_DUPLICATE, 0, list, VIEW(""),
                     VIEW("the list has had the very same bytes"));
        return;
    }
    db_run(r->db, "UPDATE list SET feed_last = $2, uid_last = $3, posts = $4, last_post = $5 WHERE id = $1",
           DB_I(list), DB_I(archived ? feed : feed - 1), DB_I(uid), DB_I(number), DB_I(r->now_ms));
    db_run(r->db, "INSERT INTO post(list, uid, sha256, msgid) VALUES($1, $2, $3, $4)", DB_I(list), DB_I(uid),
           DB_B(sha256), DB_T(p->msgid));
    if (archived)
        db_run(r->db, "INSERT INTO feed(list, n, action, message, uid) VALUES($1, $2, 1, $3, $4)", DB_I(list),
               DB_I(feed), DB_I(message), DB_I(uid));
    db_run(r->db,
           "INSERT INTO expansion(message, list, class, site, addr, made, number, mode) VALUES($1, $2, $3, "
           "0, 0, "
           "0, $4, $5)"
           " ON CONFLICT DO NOTHING",
           DB_I(message), DB_I(list), DB_I(class), DB_I(number), DB_I(digest_mode_of_posts(r, address)));
}

static void commit_direct(struct op_run *r, int64_t message, enum mail_class class) {
    int64_t site = 0, rcpt = address_id(r, vals_get_view(&r->in), &site), notify = vals_get_int(&r->in);
    delivery_add(r, &(struct delivery){.dest = DESTINATION(site, class),
                                       .message = message,
                                       .rcpt = rcpt,
                                       .notify = notify,
                                       .orcpt = vals_get_view(&r->in)});
}

/* What becomes nothing: an event. Strangers choose such addresses (forged bounces), so none is made known by
 * it. */
static void commit_other(struct op_run *r, int64_t message) {
    enum event_kind kind = (enum event_kind)vals_get_int(&r->in);
    view address = vals_get_view(&r->in), text = vals_get_view(&r->in);
    int64_t rcpt = db_number(r->db, 0, "SELECT id FROM address WHERE text = $1", DB_T(address));
    if (rcpt == 0)
        text = arena_printf(r->arena, "<%.*s> %.*s", VIEW_ARG(address), VIEW_ARG(text));
    event_record(r, message, kind, rcpt, 0, VIEW(""), text);
}

/* What the rules of a list said of the post. */
static void commit_list(struct op_run *r, struct list_post *p) {
    p->list = vals_get_int(&r->in);
    enum moderation action = (enum moderation)vals_get_int(&r->in);
    p->rule = vals_get_view(&r->in);
    p->reason = vals_get_view(&r->in);
    if (action == MODERATION_ACCEPT)
        list_post_add(r, p);
    else if (action == MODERATION_HOLD)
        list_post_hold(r, p);
    else
        event_record(r, p->message, action == MODERATION_REJECT ? EVENT_REJECTED : EVENT_DISCARDED, 0,
                     p->list, VIEW(""),
                     arena_printf(r->arena, "%.*s: %.*s", VIEW_ARG(p->rule), VIEW_ARG(p->reason)));
}

/* Arguments: message, batch, sha256, Message-ID; the post's sender and subject; count of lists, per list: id,
 * enum moderation (ACCEPT, HOLD, REJECT, DISCARD), rule, reason; class of what goes to addresses,
 * their count, and per address: text, notify, original recipient; count and (event kind, address, text) of
 * what becomes nothing; count of notifications and letters, each as ACCEPT takes it. A message that is no
 * longer in the batch is left alone: another router has it. */
static void commit_route(struct op_run *r, bool to_lists) {
    int64_t message = vals_get_int(&r->in), batch = vals_get_int(&r->in);
    view sha256 = vals_get_view(&r->in), msgid = vals_get_view(&r->in);
    struct list_post post = {.message = message, .sha256 = sha256, .msgid = msgid};
    post.sender = vals_get_view(&r->in);
    post.subject = vals_get_view(&r->in);
    if (db_change(r->db, "DELETE FROM inbox WHERE message = $1 AND batch = $2", DB_I(message), DB_I(batch)) !=
        1)
        return;
    db_run(r->db, "DELETE FROM recipient WHERE message = $1", DB_I(message));
    size_t lists = vals_get_count(&r->in);
    if (lists > 0 && !to_lists) {
        op_refuse(r, ERR_SYNTAX, "route-pass: what goes to a list is for route-commit");
        return;
    }
    for (size_t i = 0; i < lists; i++)
        commit_list(r, &post);
    enum mail_class class = (enum mail_class)vals_get_int(&r->in);
    size_t directs = vals_get_count(&r->in);
    for (size_t i = 0; i < directs && !db_error(r->db); i++)
        commit_direct(r, message, class);
    size_t others = vals_get_count(&r->in);
    for (size_t i = 0; i < others && !db_error(r->db); i++)
        commit_other(r, message);
    for (size_t notices = vals_get_count(&r->in); notices > 0 && !r->in.failed; notices--)
        accept_one(r);
    view summary = arena_printf(r->arena, "lists=%zu direct=%zu other=%zu", lists, directs, others);
    event_record(r, message, EVENT_ROUTED, 0, 0, VIEW(""), summary);
}

/* in: see commit_route */
void op_run_ROUTE_COMMIT(struct op_run *r) {
    commit_route(r, true);
}

/* in: see commit_route. For messages that go to no list: nothing that others keep (a UID) comes of it, so it
 * need not be on stable storage at once. Lost in a power cut, the message is in the inbox as before (ADR 11).
 */
void op_run_ROUTE_PASS(struct op_run *r) {
    commit_route(r, false);
}

/* out: message, list, edition (0: it is to be made first; 1) of expansions that are under way, at most
 * LIMIT_ROUTE_BATCH: announcements last, then the oldest first. */
void op_run_EXPANSIONS(struct op_run *r) {
    struct query q;
    db_query(r->db, &q,
             "SELECT message, list, (SELECT count(*) FROM edition e WHERE e.message = x.message AND e.list = "
             "x.list)"
             " FROM expansion x WHERE NOT EXISTS (SELECT 1 FROM hold h WHERE h.message = x.message AND "
             "h.role = 'router')"
             " ORDER BY CASE WHEN class = $1 THEN 1 ELSE 0 END, message, list"
             " LIMIT $2",
             DB_I(CLASS_ANNOUNCEMENT), DB_I(LIMIT_ROUTE_BATCH));
    while (query_row(&q)) {
        for (int i = 0; i < 3; i++)
            vals_int(r->out, query_int(&q, i));
    }
}

static void finish_expansion(struct op_run *r, int64_t message, int64_t list, int64_t made) {
    expansion_end(r, message, list);
    last_digests_end(r, list);
    event_record(r, message, EVENT_EXPANDED, 0, list, VIEW(""),
                 arena_printf(r->arena, "recipients=%lld", (long long)made));
}

/* The next members behind the cursor: their number and the key of the last one. */
struct slice {
    int64_t site, addr, members;
};

/* The cursor an expansion has reached. */
struct expansion {
    int64_t message, list, class, site, addr, skips, flags, mode, number, siblings;
};

/* Who gets copies, behind the cursor. Parameters of each of these statements: list $1, message $2, cursor $3
 * and $4, whose turn it is $5 and of a digest its first post $6. */
#define RECEIVERS(lists)                                                                                     \
    " FROM member WHERE role = 1 AND status = 0 AND " lists                                                  \
    " AND ($5 < 0 OR mode = $5 OR ($5 > 0 AND EXISTS (SELECT 1 FROM last_digest x WHERE x.member ="          \
    " member.id AND x.mode = $5 AND x.last >= $6))) AND (site, addr) > ($3, $4)"
#define THE_LIST "list = $1 AND $2 > 0"
/* Beside the list's own, members of lists that are included, if they are none of the list, and none of those
 * that are excluded (sibling.h). */
#define THE_LISTS                                                                                            \
    "(list = $1 OR (list IN (SELECT o.other FROM expansion_list o WHERE o.message = $2 AND o.list = $1 AND"  \
    " o.kind = 1) AND NOT EXISTS (SELECT 1 FROM member own WHERE own.list = $1 AND own.role = 1 AND"         \
    " own.site = member.site AND own.addr = member.addr))) AND NOT EXISTS (SELECT 1 FROM expansion_list o"   \
    " JOIN member of ON of.list = o.other AND of.role = 1 AND of.status = 0 AND of.mode = 0 AND of.site ="   \
    " member.site AND of.addr = member.addr WHERE o.message = $2 AND o.list = $1 AND o.kind = 2)"
_Static_assert(ROLE_MEMBER == 1 && STATUS_ENABLED == 0 && MODE_REGULAR == 0 && SIBLING_INCLUDED == 1 &&
                   SIBLING_EXCLUDED == 2,
               "the SQL above");
#define RECEIVERS_OF(x)                                                                                      \
    DB_I((x)->list), DB_I((x)->message), DB_I((x)->site), DB_I((x)->addr), DB_I((x)->mode), DB_I((x)->number)

#define FIND(distinct, lists)                                                                                \
    "WITH slice AS (SELECT " distinct "site, addr" RECEIVERS(                                                \
        lists) " ORDER BY site, addr LIMIT $7) SELECT site,"                                                 \
               " addr, (SELECT count(*) FROM slice) FROM slice ORDER BY site DESC, addr DESC LIMIT 1"

static struct slice find_slice(struct op_run *r, const struct expansion *x, int64_t most) {
    struct slice to = {0};
    struct query q;
    static const char *const sql[] = {FIND("", THE_LIST), FIND("DISTINCT ", THE_LISTS)};
    db_query(r->db, &q, sql[x->siblings != 0], RECEIVERS_OF(x), DB_I(most));
    if (query_row(&q))
        to = (struct slice){query_int(&q, 0), query_int(&q, 1), query_int(&q, 2)};
    query_done(&q);
    return to;
}

#define COPY(lists)                                                                                          \
    "INSERT INTO delivery(dest, due, message, list, rcpt, tries, flags) SELECT " SQL_DESTINATION(            \
        "site",                                                                                              \
        "$9") ", $10, $2, $1, addr, 0, $11" RECEIVERS(lists) " AND (site, addr) <= ($7, $8) AND ($12 = 0 OR" \
                                                             " NOT EXISTS (SELECT 1 FROM expansion_skip s "  \
                                                             "WHERE s.message = $2 AND s.list = $1 AND "     \
                                                             "s.addr ="                                      \
                                                             " member.addr)) ON CONFLICT DO NOTHING"
#define AWAKE(lists)                                                                                         \
    "INSERT INTO destination(id, owner, batch, until, due, tries, error) SELECT DISTINCT " SQL_DESTINATION(  \
        "site", "$9") ", '', 0, 0, $10, 0, ''" RECEIVERS(lists) " AND (site, addr) <= ($7, $8)" WAKE

/* Copies for the members between cursor and end. Some may have left the list since it was looked at, so their
 * number says nothing about the end. */
static int64_t make_copies(struct op_run *r, const struct expansion *x, const struct slice *to) {
    static const char *const copy[] = {COPY(THE_LIST), COPY(THE_LISTS)};
    static const char *const awake[] = {AWAKE(THE_LIST), AWAKE(THE_LISTS)};
    int64_t n = db_change(r->db, copy[x->siblings != 0], RECEIVERS_OF(x), DB_I(to->site), DB_I(to->addr),
                          DB_I(x->class), DB_I(r->now_ms), DB_I(x->flags), DB_I(x->skips));
    db_run(r->db, awake[x->siblings != 0], RECEIVERS_OF(x), DB_I(to->site), DB_I(to->addr), DB_I(x->class),
           DB_I(r->now_ms));
    return n;
}

/* in: message, list, most members. out: deliveries made in this slice; done (0/1). */
void op_run_EXPAND(struct op_run *r) {
    int64_t message = vals_get_int(&r->in), list = vals_get_int(&r->in), most = vals_get_int(&r->in), n = 0;
    struct query q;
    if (most < 1 || most > LIMIT_EXPAND_SLICE)
        most = LIMIT_EXPAND_SLICE;
    db_query(r->db, &q,
             "SELECT class, site, addr, skips, flags, mode, number, siblings, made FROM expansion WHERE "
             "message = $1 AND"
             " list = $2 {for update}",
             DB_I(message), DB_I(list));
    if (!query_row(&q)) {
        vals_int(r->out, 0);
        vals_int(r->out, 1);
        return;
    }
    struct expansion x = {.message = message,
                          .list = list,
                          .class = query_int(&q, 0),
                          .site = query_int(&q, 1),
                          .addr = query_int(&q, 2),
                          .skips = query_int(&q, 3),
                          .flags = query_int(&q, 4),
                          .mode = query_int(&q, 5),
                          .number = query_int(&q, 6),
                          .siblings = query_int(&q, 7)};
    int64_t made = query_int(&q, 8);
    query_done(&q);
    struct slice to = find_slice(r, &x, most);
    if (to.members > 0) {
        n = make_copies(r, &x, &to);
        db_run(r->db, "UPDATE expansion SET site = $3, addr = $4, made = $5 WHERE message = $1 AND list = $2",
               DB_I(message), DB_I(list), DB_I(to.site), DB_I(to.addr), DB_I(made + n));
    }
    bool done = to.members < most;
    if (done)
        finish_expansion(r, message, list, made + n);
    vals_int(r->out, n);
    vals_int(r->out, done);
}

/* Nothing refers to the message's body any more. */
static bool is_unused(struct op_run *r, int64_t message) {
    return db_number(r->db, 0,
                     "SELECT (SELECT count(*) FROM inbox WHERE message = $1)"
                     " + (SELECT count(*) FROM expansion WHERE message = $1)"
                     " + (SELECT count(*) FROM (SELECT 1 FROM delivery WHERE message = $1 LIMIT 1) AS one)"
                     " + (SELECT count(*) FROM hold WHERE message = $1)"
                     " + (SELECT count(*) FROM held_post WHERE message = $1)"
                     " + (SELECT count(*) FROM digest WHERE message = $1)"
                     " + (SELECT count(*) FROM feed WHERE message = $1)",
                     DB_I(message)) == 0;
}

static void reap_body(struct op_run *r, int64_t message) {
    db_run(r->db, "DELETE FROM body WHERE id = $1", DB_I(message));
    db_run(r->db, "DELETE FROM body WHERE message = $1 AND seq > 0", DB_I(message));
    db_run(r->db, "UPDATE message SET gone = 1 WHERE id = $1", DB_I(message));
    db_run(r->db, "DELETE FROM work WHERE message = $1", DB_I(message));
    db_run(r->db, "DELETE FROM orcpt WHERE message = $1", DB_I(message));
    db_run(r->db, "DELETE FROM edition WHERE message = $1", DB_I(message));
}

/* The oldest messages whose events may go: message row, events, and their number, which is returned. */
static int64_t reap_events(struct op_run *r, int64_t before, int64_t most) {
    int64_t ids[LIMIT_ROUTE_BATCH], n = 0;
    struct query q;
    db_query(r->db, &q, "SELECT id FROM message WHERE id < $1 AND gone = 1 ORDER BY id LIMIT $2",
             DB_I(before), DB_I(most < LIMIT_ROUTE_BATCH ? most : LIMIT_ROUTE_BATCH));
    while (query_row(&q) && n < LIMIT_ROUTE_BATCH)
        ids[n++] = query_int(&q, 0);
    query_done(&q);
    for (int64_t i = 0; i < n; i++) {
        db_run(r->db, "DELETE FROM event WHERE message = $1", DB_I(ids[i]));
        db_run(r->db, "DELETE FROM message WHERE id = $1", DB_I(ids[i]));
    }
    return n;
}

/* A body that was staged and never accepted: its client went away. */
static void reap_orphans(struct op_run *r, int64_t before, int64_t most) {
    db_run(r->db,
           "DELETE FROM body WHERE id IN (SELECT b.id FROM body b WHERE b.id < $1 AND NOT EXISTS"
           " (SELECT 1 FROM message m WHERE m.id = b.message) ORDER BY b.id LIMIT $2)",
           DB_I(before), DB_I(most));
}

/* in: cursor (message id, 0 at first), most messages to look at, keep events for (ms), look for orphans too
 * (0/1). out: next cursor (0: the end was reached), bodies deleted. */
void op_run_REAP(struct op_run *r) {
    int64_t after = vals_get_int(&r->in), most = vals_get_int(&r->in), keep = vals_get_int(&r->in);
    bool orphans = vals_get_int(&r->in) != 0;
    int64_t ids[LIMIT_ROUTE_BATCH], n = 0, deleted = 0;
    struct query q;
    if (most < 1 || most > LIMIT_ROUTE_BATCH)
        most = LIMIT_ROUTE_BATCH;
    db_query(r->db, &q, "SELECT id FROM message WHERE gone = 0 AND id > $1 ORDER BY id LIMIT $2", DB_I(after),
             DB_I(most));
    while (query_row(&q) && n < most)
        ids[n++] = query_int(&q, 0);
    query_done(&q);
    for (int64_t i = 0; i < n; i++)
        if (is_unused(r, ids[i])) {
            reap_body(r, ids[i]);
            deleted++;
        }
    if (orphans)
        reap_orphans(r, id_at_ms(r->now_ms - STORE_ORPHAN_MS), most);
    if (n < most)
        reap_events(r, id_at_ms(r->now_ms - keep), most);
    vals_int(r->out, n < most ? 0 : ids[n - 1]);
    vals_int(r->out, deleted);
}
