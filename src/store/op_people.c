/* op_people.c: what is done to many people at once, or to one everywhere: subscriptions and their end without
 * asking anybody, in slices that are a transaction each, and another address for somebody. */
#include "store/person.h"
#include "store/subscription.h"

/* Another operation, within this one: its own "no" is the caller's to judge, anything else ends both. */
static enum err_code run_one(struct op_run *r, op_function run, const struct buf *args, struct buf *out) {
    struct op_run one = *r;
    one.in = vals_of(buf_view(args));
    one.out = out;
    run(&one);
    if (one.in.failed)
        op_refuse(r, ERR_USAGE, "these values cannot be read");
    return one.err.code;
}

static bool is_slice(struct op_run *r, size_t count) {
    if (count > LIMIT_MEMBER_SLICE)
        op_refuse(r, ERR_LIMIT, "more than %d addresses at once", LIMIT_MEMBER_SLICE);
    return count <= LIMIT_MEMBER_SLICE;
}

static bool goes_on(struct op_run *r) {
    return r->err.code == ERR_OK && !db_error(r->db) && !r->in.failed;
}

/* ---- subscriptions ---- */

/* What all of a slice have in common. */
struct slice {
    view list_address, who;
    int64_t list, proofs, mode, status;
};

static enum subscribed outcome(struct op_run *r, const struct slice *s, enum err_code code, struct buf *out) {
    struct vals v = vals_of(buf_view(out));
    if (code == ERR_OK)
        return vals_get_int(&v) == WAITS_NOBODY ? SUBSCRIBED : SUBSCRIBED_WAITS;
    if (code == ERR_EXISTS)
        return SUBSCRIBED_PENDING;
    if (code == ERR_REFUSED) /* bans were looked at before */
        return SUBSCRIBED_NOT;
    if (code == ERR_NOT_FOUND)
        op_refuse(r, code, "no list %.*s here", VIEW_ARG(s->list_address)); /* removed meanwhile */
    op_refuse(r, code, "a subscription failed");
    return SUBSCRIBED_NOT;
}

static enum subscribed subscribe_one(struct op_run *r, const struct slice *s, struct buf *args,
                                     struct buf *out) {
    view address = vals_get_view(&r->in), original = vals_get_view(&r->in), name = vals_get_view(&r->in);
    view token = vals_get_view(&r->in);
    int64_t addr = mailbox_find(r, address).addr;
    if (view_eq(address, s->list_address))
        return SUBSCRIBED_NOT;
    if (addr && membership_find(r, s->list, ROLE_MEMBER, addr))
        return SUBSCRIBED_ALREADY;
    if (address_is_banned(r, s->list_address, address))
        return SUBSCRIBED_BANNED;
    view texts[] = {s->list_address, s->who, address, original, name};
    buf_reset(args);
    buf_reset(out);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        vals_view(args, texts[i]);
    vals_int(args, 0);
    vals_int(args, s->proofs);
    vals_view(args, token);
    vals_int(args, s->mode);
    vals_int(args, s->status);
    return outcome(r, s, run_one(r, op_run_SUBSCRIBE, args, out), out);
}

/* in: list, who does it, proofs, delivery mode and status that are preferred (-1: nothing), count, of each:
 * address, original, name, token for what has to wait (at most LIMIT_MEMBER_SLICE). out: of each: enum
 * subscribed. Run again, it says of who was done that they are there. */
void op_run_SUBSCRIBE_MANY(struct op_run *r) {
    struct slice s = {.list_address = vals_get_view(&r->in)};
    s.who = vals_get_view(&r->in);
    s.proofs = vals_get_int(&r->in);
    s.mode = vals_get_int(&r->in);
    s.status = vals_get_int(&r->in);
    size_t count = vals_get_count(&r->in);
    if (!(s.list = need_list(r, s.list_address)) || !is_slice(r, count))
        return;
    struct buf args = BUF_INIT(r->out->limit), out = BUF_INIT(r->out->limit);
    for (size_t i = 0; i < count && goes_on(r); i++)
        vals_int(r->out, subscribe_one(r, &s, &args, &out));
    buf_done(&args);
    buf_done(&out);
}

/* in: list, who does it, proofs, count, addresses (at most LIMIT_MEMBER_SLICE). out: of each whether it was a
 * member (0/1) */
void op_run_UNSUBSCRIBE_MANY(struct op_run *r) {
    view list = vals_get_view(&r->in), who = vals_get_view(&r->in);
    int64_t proofs = vals_get_int(&r->in);
    size_t count = vals_get_count(&r->in);
    if (!need_list(r, list) || !is_slice(r, count))
        return;
    struct buf args = BUF_INIT(r->out->limit), out = BUF_INIT(r->out->limit);
    for (size_t i = 0; i < count && goes_on(r); i++) {
        buf_reset(&args);
        buf_reset(&out);
        vals_view(&args, list);
        vals_view(&args, who);
        vals_view(&args, vals_get_view(&r->in));
        vals_int(&args, proofs | PROOF_CONFIRMED | PROOF_APPROVED);
        vals_view(&args, VIEW(""));
        enum err_code code = run_one(r, op_run_UNSUBSCRIBE, &args, &out);
        if (code != ERR_OK && code != ERR_NOT_FOUND)
            op_refuse(r, code, "the end of a subscription failed");
        vals_int(r->out, code == ERR_OK);
    }
    buf_done(&args);
    buf_done(&out);
}

/* ---- another address ---- */

/* Everything that was the old address's is the new one's. */
static void hand_over(struct op_run *r, const struct mailbox *old, const struct mailbox *new) {
    db_run(
        r->db,
        "UPDATE mailbox SET registered = (SELECT o.registered FROM mailbox o WHERE o.addr = $1), verified ="
        " (SELECT o.verified FROM mailbox o WHERE o.addr = $1), name = (SELECT o.name FROM mailbox o WHERE"
        " o.addr = $1) WHERE addr = $2",
        DB_I(old->addr), DB_I(new->addr));
    db_run(r->db, "UPDATE member SET addr = $2, site = $3 WHERE addr = $1", DB_I(old->addr), DB_I(new->addr),
           DB_I(new->site));
    db_run(r->db, "UPDATE preference SET owner = $2 WHERE level = $3 AND owner = $1", DB_I(old->addr),
           DB_I(new->addr), DB_I(LEVEL_ADDRESS));
    db_run(r->db, "UPDATE users SET preferred = $2 WHERE preferred = $1", DB_I(old->addr), DB_I(new->addr));
    db_run(r->db, "UPDATE request SET addr = $2 WHERE addr = $1", DB_I(old->addr), DB_I(new->addr));
    db_run(r->db, "UPDATE owed_letter SET addr = $2 WHERE addr = $1", DB_I(old->addr), DB_I(new->addr));
    db_run(r->db, "DELETE FROM mailbox WHERE addr = $1", DB_I(old->addr));
}

/* in: who does it, address, another one that nobody has, as its owner writes it. The same one: only how it is
 * written changes. NOT_FOUND: the first is not registered; EXISTS: the other is. */
void op_run_ADDRESS_CHANGE(struct op_run *r) {
    view who = vals_get_view(&r->in), from = vals_get_view(&r->in);
    view to = vals_get_view(&r->in), original = vals_get_view(&r->in);
    struct mailbox old, new;
    if (!need_mailbox(r, from, &old))
        return;
    if (view_eq(from, to)) {
        db_run(r->db, "UPDATE mailbox SET original = $2 WHERE addr = $1", DB_I(old.addr),
               DB_T(view_eq(original, to) ? VIEW("") : original));
        person_record(r, EVENT_REGISTERED, old.addr, who, VIEW("written anew"));
        return;
    }
    if (mailbox_find(r, to).addr) {
        op_refuse(r, ERR_EXISTS, "%.*s is registered already", VIEW_ARG(to));
        return;
    }
    mailbox_make(r, to, original, VIEW(""), old.userid);
    new = mailbox_find(r, to);
    hand_over(r, &old, &new);
    person_record(r, EVENT_FORGOTTEN, old.addr, who, arena_printf(r->arena, "now=%.*s", VIEW_ARG(to)));
    person_record(r, EVENT_REGISTERED, new.addr, who, arena_printf(r->arena, "was=%.*s", VIEW_ARG(from)));
}
