/* op_subscribe.c: subscriptions and their end by the list's policy: what is missing is waited for under a
 * token that only its receiver knows. */
#include "mail/list_address.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/owed.h"
#include "store/person.h"
#include "store/preference.h"
#include "store/subscription.h"

struct request {
    view token, address, list_address;
    int64_t list, addr, follows, proofs;
    int64_t mode, status; /* what the membership is to prefer; -1: nothing */
    int64_t id;           /* of the membership, once it is there */
    enum request_kind kind;
    enum waits waits;
};

static enum waits find_waits(struct op_run *r, const struct request *q) {
    enum list_setting policy =
        q->kind == REQUEST_SUBSCRIBE ? LIST_SETTING_SUBSCRIPTION_POLICY : LIST_SETTING_UNSUBSCRIPTION_POLICY;
    return subscription_waits(q->kind, (enum policy)list_setting_of(r, q->list_address, policy),
                              (unsigned)q->proofs);
}

static void record(struct op_run *r, enum event_kind kind, const struct request *q, view detail) {
    event_record(r, EVENTS_OF_PEOPLE, kind, q->addr, q->list, VIEW(""), detail);
}

static bool is_set(struct op_run *r, const struct request *q, enum list_setting s) {
    return list_setting_of(r, q->list_address, s) != 0;
}

/* Both know: the person, and those who look after the list, as the list is set. */
static void tell_done(struct op_run *r, const struct request *q) {
    bool join = q->kind == REQUEST_SUBSCRIBE, said = q->proofs & (SUBSCRIBE_QUIETLY | SUBSCRIBE_WELCOME);
    enum list_setting wanted = join ? LIST_SETTING_SEND_WELCOME_MESSAGE : LIST_SETTING_SEND_GOODBYE_MESSAGE;
    if (said ? (q->proofs & SUBSCRIBE_WELCOME) != 0 : is_set(r, q, wanted))
        letter_owe(r, join ? LETTER_WELCOME : LETTER_GOODBYE, q->list, q->addr, VIEW(""));
    bool owners_said = q->proofs & (OWNERS_QUIETLY | OWNERS_TOLD);
    if (owners_said ? (q->proofs & OWNERS_TOLD) != 0 : is_set(r, q, LIST_SETTING_ADMIN_NOTIFY_MCHANGES))
        letter_owe(r, join ? LETTER_JOINED : LETTER_LEFT, q->list, q->addr, VIEW(""));
}

/* Whom it waits for is asked. */
static void tell_waits(struct op_run *r, const struct request *q) {
    bool join = q->kind == REQUEST_SUBSCRIBE;
    if (q->waits == WAITS_SUBSCRIBER && (q->proofs & PROOF_INVITED))
        letter_owe(r, LETTER_INVITE, q->list, q->addr, q->token);
    else if (q->waits == WAITS_SUBSCRIBER)
        letter_owe(r, join ? LETTER_CONFIRM_JOIN : LETTER_CONFIRM_LEAVE, q->list, q->addr, q->token);
    else if (is_set(r, q, LIST_SETTING_ADMIN_IMMED_NOTIFY))
        letter_owe(r, join ? LETTER_MODERATE_JOIN : LETTER_MODERATE_LEAVE, q->list, q->addr, q->token);
}

static void act(struct op_run *r, struct request *q, view why) {
    if (q->kind == REQUEST_SUBSCRIBE) {
        struct membership m = {q->list, ROLE_MEMBER, q->follows};
        if (membership_find(r, q->list, ROLE_MEMBER, q->addr)) { /* by another way meanwhile */
            op_refuse(r, ERR_EXISTS, "%.*s is a member already", VIEW_ARG(q->address));
            return;
        }
        q->id = person_ids(r, 1);
        membership_make(r, &m, q->address, q->id);
        membership_prefers(r, q->id, q->mode, q->status);
        record(r, EVENT_SUBSCRIBED, q, why);
        tell_done(r, q);
    } else {
        int64_t id = membership_find(r, q->list, ROLE_MEMBER, q->addr);
        if (id == 0)
            return; /* gone by another way meanwhile */
        membership_end(r, id);
        record(r, EVENT_UNSUBSCRIBED, q, why);
        tell_done(r, q);
    }
}

/* Whether it was there: the same call comes again after a lost answer. */
static bool store_request_row(struct op_run *r, const struct request *q, int64_t lifetime_ms) {
    bool again = db_number(r->db, 0, "SELECT 1 FROM request WHERE token = $1 AND waits = $2", DB_T(q->token),
                           DB_I(q->waits)) != 0;
    db_run(
        r->db,
        "INSERT INTO request(token, list, kind, addr, follows, proofs, waits, created, expires, mode, status)"
        " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT(token) DO UPDATE SET"
        " proofs = excluded.proofs, waits = excluded.waits, expires = excluded.expires",
        DB_T(q->token), DB_I(q->list), DB_I(q->kind), DB_I(q->addr), DB_I(q->follows), DB_I(q->proofs),
        DB_I(q->waits), DB_I(r->now_ms), DB_I(r->now_ms + lifetime_ms), DB_I(q->mode), DB_I(q->status));
    return again;
}

/* An answer by mail has the time that Mailman gives it; moderators have their holidays. */
#define SUBSCRIBER_MS (3 * 24 * 3600 * INT64_C(1000))
#define MODERATOR_MS  (180 * 24 * 3600 * INT64_C(1000))

/* Do it, or wait for whom the policy names. */
static void go_on(struct op_run *r, struct request *q, view why) {
    q->waits = find_waits(r, q);
    if (q->waits == WAITS_NOBODY) {
        db_run(r->db, "DELETE FROM request WHERE token = $1", DB_T(q->token));
        act(r, q, why);
    } else {
        if (!store_request_row(r, q, q->waits == WAITS_SUBSCRIBER ? SUBSCRIBER_MS : MODERATOR_MS))
            tell_waits(r, q);
        record(r, EVENT_REQUESTED, q,
               arena_printf(r->arena, "%s waits=%s %.*s",
                            q->kind == REQUEST_SUBSCRIBE ? "subscription" : "unsubscription",
                            q->waits == WAITS_SUBSCRIBER ? "subscriber" : "moderator", VIEW_ARG(why)));
    }
    vals_int(r->out, q->waits);
}

/* What is asked for one address comes one after the other. */
static void lock_mailbox(struct op_run *r, int64_t addr) {
    db_number(r->db, 0, "SELECT 1 FROM mailbox WHERE addr = $1 {for update}", DB_I(addr));
}

/* Under another token: the same call may come again after a lost answer. */
static bool is_pending(struct op_run *r, const struct request *q) {
    if (db_number(r->db, 0,
                  "SELECT count(*) FROM request WHERE list = $1 AND kind = $2 AND addr = $3 AND expires > $4"
                  " AND token <> $5",
                  DB_I(q->list), DB_I(q->kind), DB_I(q->addr), DB_I(r->now_ms), DB_T(q->token)) > 0)
        return true;
    db_run(r->db, "DELETE FROM request WHERE list = $1 AND kind = $2 AND addr = $3", DB_I(q->list),
           DB_I(q->kind), DB_I(q->addr)); /* its time was up */
    return false;
}

/* As a user: it is the preferred address that is subscribed. */
static bool take_preferred(struct op_run *r, struct request *q, struct mailbox *b) {
    struct query preferred;
    view text = VIEW("");
    db_query(r->db, &preferred,
             "SELECT a.text FROM users u JOIN address a ON a.id = u.preferred WHERE u.id = $1",
             DB_I(b->userid));
    if (query_row(&preferred))
        text = arena_view(r->arena, query_text(&preferred, 0));
    query_done(&preferred);
    if (text.len == 0) {
        op_refuse(r, ERR_REFUSED, "the user of %.*s has no preferred address", VIEW_ARG(q->address));
        return false;
    }
    q->address = text;
    *b = mailbox_find(r, text);
    return true;
}

/* A list here, or LIST-owner and the like: what is sent there reaches many, who have not asked for it. */
static bool is_of_a_list(struct op_run *r, view address) {
    view list, detail;
    if (db_number(r->db, 0, "SELECT 1 FROM list WHERE address = $1", DB_T(address)))
        return true;
    return list_part_of(address, &list, &detail) != LIST_PART_NONE &&
           db_number(r->db, 0, "SELECT 1 FROM list WHERE address = $1",
                     DB_T(arena_printf(r->arena, "%.*s@%.*s", VIEW_ARG(list),
                                       VIEW_ARG(address_split(address).domain))));
}

/* False: refused. Whoever has made sure of the subscriber's wish may subscribe a list, too. */
static bool may_subscribe(struct op_run *r, const struct request *q) {
    const int64_t made_sure = PROOF_VERIFIED | PROOF_CONFIRMED;
    if (view_eq(q->address, q->list_address))
        op_refuse(r, ERR_REFUSED, "%.*s: a list cannot be its own member", VIEW_ARG(q->address));
    else if ((q->proofs & made_sure) != made_sure && is_of_a_list(r, q->address))
        op_refuse(r, ERR_REFUSED, "%.*s belongs to a list: member add can make it a member",
                  VIEW_ARG(q->address));
    else if (address_is_banned(r, q->list_address, q->address))
        op_refuse(r, ERR_REFUSED, "%.*s is banned from %.*s", VIEW_ARG(q->address),
                  VIEW_ARG(q->list_address));
    return r->err.code == ERR_OK;
}

static void register_subscriber(struct op_run *r, view address, view original, view name) {
    int64_t id = person_ids(r, 1);
    mailbox_make(r, address, original, name, id);
    if (name.len > 0) /* the user that was made with the address, if it was */
        db_run(r->db, "UPDATE users SET name = $2 WHERE id = $1", DB_I(id), DB_T(name));
}

/* in: list, who asks, address, original, name, follows (0/1), proofs, token for what may have to wait; maybe
 * delivery mode and status that are preferred for it (-1: nothing). out: enum waits, the membership's id or 0
 */
void op_run_SUBSCRIBE(struct op_run *r) {
    struct request q = {.kind = REQUEST_SUBSCRIBE, .list_address = vals_get_view(&r->in)};
    view who = vals_get_view(&r->in), original, name;
    q.address = vals_get_view(&r->in);
    original = vals_get_view(&r->in);
    name = vals_get_view(&r->in);
    q.follows = vals_get_int(&r->in);
    q.proofs = vals_get_int(&r->in);
    q.token = vals_get_view(&r->in);
    bool more = vals_more(&r->in);
    q.mode = more ? vals_get_int(&r->in) : -1;
    q.status = more ? vals_get_int(&r->in) : -1;
    if (!(q.list = need_list(r, q.list_address)) || !may_subscribe(r, &q))
        return;
    register_subscriber(r, q.address, original, name);
    struct mailbox b = mailbox_find(r, q.address);
    if (q.follows && !take_preferred(r, &q, &b))
        return;
    q.addr = b.addr;
    lock_mailbox(r, q.addr);
    if (membership_find(r, q.list, ROLE_MEMBER, q.addr)) {
        op_refuse(r, ERR_EXISTS, "%.*s is a member already", VIEW_ARG(q.address));
        return;
    }
    if (is_pending(r, &q)) {
        op_refuse(r, ERR_EXISTS, "a subscription of %.*s waits already: request ls shows for whom",
                  VIEW_ARG(q.address));
        return;
    }
    if (b.verified > 0)
        q.proofs |= PROOF_VERIFIED;
    else if (q.proofs & PROOF_VERIFIED)
        db_run(r->db, "UPDATE mailbox SET verified = $2 WHERE addr = $1", DB_I(q.addr), DB_I(r->now_ms));
    go_on(r, &q, arena_printf(r->arena, "by=%.*s", VIEW_ARG(who)));
    vals_int(r->out, q.id);
}

/* in: list, who asks, address, proofs, token. out: enum waits */
void op_run_UNSUBSCRIBE(struct op_run *r) {
    struct request q = {.kind = REQUEST_UNSUBSCRIBE, .list_address = vals_get_view(&r->in)};
    view who = vals_get_view(&r->in);
    q.address = vals_get_view(&r->in);
    q.proofs = vals_get_int(&r->in);
    q.token = vals_get_view(&r->in);
    if (!(q.list = need_list(r, q.list_address)))
        return;
    q.addr = mailbox_find(r, q.address).addr;
    lock_mailbox(r, q.addr);
    if (!q.addr || !membership_find(r, q.list, ROLE_MEMBER, q.addr))
        op_refuse(r, ERR_NOT_FOUND, "%.*s is no member", VIEW_ARG(q.address));
    else if (find_waits(r, &q) != WAITS_NOBODY && is_pending(r, &q))
        op_refuse(r, ERR_EXISTS, "the unsubscription of %.*s waits already: request ls shows for whom",
                  VIEW_ARG(q.address));
    else
        go_on(r, &q, arena_printf(r->arena, "by=%.*s", VIEW_ARG(who)));
}

static bool read_request(struct op_run *r, view token, struct request *ret) {
    struct query q;
    db_number(r->db, 0, "SELECT 1 FROM request WHERE token = $1 {for update}", DB_T(token));
    db_query(
        r->db, &q,
        "SELECT r.list, r.kind, r.addr, r.follows, r.proofs, r.waits, a.text, l.address, r.mode, r.status"
        " FROM request r"
        " JOIN address a ON a.id = r.addr JOIN list l ON l.id = r.list"
        " WHERE r.token = $1 AND r.expires > $2",
        DB_T(token), DB_I(r->now_ms));
    bool found = query_row(&q);
    if (found)
        *ret = (struct request){.token = token,
                                .list = query_int(&q, 0),
                                .kind = (enum request_kind)query_int(&q, 1),
                                .addr = query_int(&q, 2),
                                .follows = query_int(&q, 3),
                                .proofs = query_int(&q, 4),
                                .waits = (enum waits)query_int(&q, 5),
                                .address = arena_view(r->arena, query_text(&q, 6)),
                                .list_address = arena_view(r->arena, query_text(&q, 7)),
                                .mode = query_int(&q, 8),
                                .status = query_int(&q, 9)};
    query_done(&q);
    if (!found)
        op_refuse(r, ERR_NOT_FOUND, "nothing waits under that token: it was answered, or its time is up");
    return found;
}

/* in: token, who answers (the subscriber: the address), enum request_answer, a reason. The one it waits for
 * says yes or no. out: enum waits, kind, list, address */
static void answer(struct op_run *r, enum waits whom, unsigned proofs) {
    view token = vals_get_view(&r->in), who = vals_get_view(&r->in);
    int64_t said = vals_get_int(&r->in);
    bool yes = said == ANSWER_YES;
    view reason = vals_get_view(&r->in);
    struct request q;
    if (!read_request(r, token, &q))
        return;
    view why =
        arena_printf(r->arena, "by=%.*s%s%.*s", VIEW_ARG(who), reason.len ? " " : "", VIEW_ARG(reason));
    bool again =
        yes && whom == WAITS_SUBSCRIBER && q.waits == WAITS_MODERATOR; /* the same answer once more */
    if (yes && q.waits != whom && !again) {
        op_refuse(r, ERR_CONFLICT, "it waits for the %s's answer",
                  q.waits == WAITS_SUBSCRIBER ? "subscriber" : "moderator");
        return;
    }
    if (again) {
        vals_int(r->out, q.waits);
    } else if (yes) {
        q.proofs |= proofs;
        if (proofs & PROOF_VERIFIED)
            db_run(r->db, "UPDATE mailbox SET verified = $2 WHERE addr = $1 AND verified = 0", DB_I(q.addr),
                   DB_I(r->now_ms));
        go_on(r, &q, why);
    } else {
        db_run(r->db, "DELETE FROM request WHERE token = $1", DB_T(token));
        record(r, EVENT_REFUSED, &q, why);
        if (said == ANSWER_REJECT)
            letter_owe(r, LETTER_REFUSED, q.list, q.addr, reason);
        vals_int(r->out, WAITS_NOBODY);
    }
    vals_int(r->out, q.kind);
    vals_view(r->out, q.list_address);
    vals_view(r->out, q.address);
}

/* The subscriber's answer proves that the address is theirs. */
void op_run_REQUEST_CONFIRM(struct op_run *r) {
    answer(r, WAITS_SUBSCRIBER, PROOF_CONFIRMED | PROOF_VERIFIED);
}

void op_run_REQUEST_MODERATE(struct op_run *r) {
    answer(r, WAITS_MODERATOR, PROOF_APPROVED);
}

/* in: list or empty, last token seen, most. out: token, list, kind, address, name, waits, created, expires */
void op_run_REQUEST_LS(struct op_run *r) {
    view list = vals_get_view(&r->in), after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    if (list.len > 0 && !need_list(r, list))
        return;
    db_query(
        r->db, &q,
        "SELECT r.token, l.address, a.text, b.name, r.kind, r.waits, r.created, r.expires FROM request r"
        " JOIN list l ON l.id = r.list JOIN address a ON a.id = r.addr JOIN mailbox b ON b.addr = r.addr"
        " WHERE r.token > $1 AND ($2 = '' OR l.address = $2) AND r.expires > $3 ORDER BY r.token LIMIT $4",
        DB_T(after), DB_T(list), DB_I(r->now_ms), DB_I(most));
    while (query_row(&q)) {
        for (int i = 0; i < 4; i++)
            vals_view(r->out, query_text(&q, i));
        for (int i = 4; i < 8; i++)
            vals_int(r->out, query_int(&q, i));
    }
}

#define REQUEST_ROW                                                                                          \
    "SELECT r.token, l.address, a.text, b.name, r.kind, r.waits, r.created FROM request r JOIN list l ON"    \
    " l.id = r.list JOIN address a ON a.id = r.addr JOIN mailbox b ON b.addr = r.addr WHERE r.expires > $1"

static void put_requests(struct op_run *r, struct query *q) {
    while (query_row(q)) {
        for (int i = 0; i < 4; i++)
            vals_view(r->out, query_text(q, i));
        for (int i = 4; i < 7; i++)
            vals_int(r->out, query_int(q, i));
    }
}

/* in: list, enum request_kind, enum waits (-1: any), how many are passed over, most. out: how many there are
 * in all, then as REQUEST_SHOW, the oldest first */
void op_run_REQUEST_FIND(struct op_run *r) {
    int64_t list = need_list(r, vals_get_view(&r->in)), kind = vals_get_int(&r->in);
    int64_t waits = vals_get_int(&r->in), start = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    if (list == 0)
        return;
    vals_int(r->out, db_number(r->db, 0,
                               "SELECT count(*) FROM request WHERE expires > $1 AND list = $2 AND kind = $3"
                               " AND ($4 < 0 OR waits = $4)",
                               DB_I(r->now_ms), DB_I(list), DB_I(kind), DB_I(waits)));
    db_query(r->db, &q,
             REQUEST_ROW " AND r.list = $2 AND r.kind = $3 AND ($4 < 0 OR r.waits = $4)"
                         " ORDER BY r.created, r.token LIMIT $5 OFFSET $6",
             DB_I(r->now_ms), DB_I(list), DB_I(kind), DB_I(waits), DB_I(most), DB_I(start));
    put_requests(r, &q);
}

/* in: token. out: token, list, address, name, kind, waits, created; or nothing */
void op_run_REQUEST_SHOW(struct op_run *r) {
    struct query q;
    view token = vals_get_view(&r->in);
    db_query(r->db, &q, REQUEST_ROW " AND r.token = $2", DB_I(r->now_ms), DB_T(token));
    put_requests(r, &q);
}

/* in: address. out: letters that programs of ours wrote to it today, with this one. Earlier days are
 * forgotten. */
void op_run_LETTER_COUNT(struct op_run *r) {
    view address = vals_get_view(&r->in);
    int64_t day = r->now_ms / (24 * 3600 * INT64_C(1000));
    if (r->in.failed)
        return;
    db_run(r->db, "DELETE FROM autoresponse WHERE day < $1", DB_I(day));
    db_run(r->db,
           "INSERT INTO autoresponse(day, address, letters) VALUES($1, $2, 1) ON CONFLICT(day, address) DO "
           "UPDATE SET"
           " letters = autoresponse.letters + 1",
           DB_I(day), DB_T(address));
    vals_int(r->out, db_number(r->db, 0, "SELECT letters FROM autoresponse WHERE day = $1 AND address = $2",
                               DB_I(day), DB_T(address)));
}

/* in: most. out: how many requests were forgotten, their time being up */
void op_run_REQUESTS_END(struct op_run *r) {
    struct request of[LIMIT_ROUTE_BATCH];
    int64_t most = vals_get_int(&r->in), n = 0;
    struct query q;
    db_query(r->db, &q, "SELECT token, list, addr FROM request WHERE expires <= $1 ORDER BY expires LIMIT $2",
             DB_I(r->now_ms), DB_I(most < LIMIT_ROUTE_BATCH ? most : LIMIT_ROUTE_BATCH));
    for (; query_row(&q) && n < LIMIT_ROUTE_BATCH; n++)
        of[n] = (struct request){.token = arena_view(r->arena, query_text(&q, 0)),
                                 .list = query_int(&q, 1),
                                 .addr = query_int(&q, 2)};
    query_done(&q);
    for (int64_t i = 0; i < n; i++) {
        db_run(r->db, "DELETE FROM request WHERE token = $1", DB_T(of[i].token));
        record(r, EVENT_REFUSED, &of[i], VIEW("no answer in time"));
    }
    vals_int(r->out, n);
}
