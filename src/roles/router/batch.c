/* batch.c: a batch of messages from the inbox to committed decisions.
 *
 * A refusal here is rare, since smtpd ran the same rules before it answered RCPT; it happens when an alias or
 * list went away in between, or one of several targets of an alias fails. Then the sender gets a
 * notification. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "mail/address.h"
#include "mail/header.h"
#include "roles/router/router.h"
#include "routing/notice.h"
#include "routing/route.h"
#include "store/accept.h"
#include "store/class.h"
#include "store/event.h"
#include "store/message.h"

struct message {
    int64_t id;
    view sender, message_id, sha256;
    int64_t flags;
    size_t recipient_count;
    struct accept_recipient *recipients;
    struct store_request *lookups; /* one per recipient */
    struct arena arena;            /* of what is decided */
    struct route *routes;          /* one per recipient */
    struct err err;                /* why there are none: the store could not say */
    bool has_list;                 /* a list's rules look at its head */
    struct store_request head;     /* its first piece, if asked for */
    struct store_request commit;
};

struct batch {
    struct role *role;
    int64_t number;
    struct arena arena; /* what was taken */
    struct store_request take;
    struct message *messages;
    size_t count;
};

/* What becomes of one message, gathered over its recipients. */
struct decision {
    struct arena *arena; /* the message's */
    int64_t lists[LIMIT_ALIAS_TARGETS];
    size_t list_count;
    struct accept_recipient *directs;
    size_t direct_count, direct_room;
    struct buf others; /* event kind, address, text */
    int64_t other_count;
    struct dsn_recipient *told; /* what the sender hears */
    size_t told_count, told_room;
};

static struct accept_recipient read_recipient(struct vals *v) {
    struct accept_recipient r = {.address = vals_get_view(v)};
    r.notify = vals_get_int(v);
    r.orcpt = vals_get_view(v);
    return r;
}

static bool take(struct batch *b, int64_t lease_ms, struct err *e) {
    store_request_init(&b->take, OP_ROUTE_TAKE);
    vals_view(&b->take.args, view_of(b->role->node));
    vals_int(&b->take.args, b->number);
    vals_int(&b->take.args, LIMIT_ROUTE_BATCH);
    vals_int(&b->take.args, lease_ms);
    if (!store_call(b->role->store, &b->take, e))
        return false;
    b->messages = arena_array(&b->arena, struct message, LIMIT_ROUTE_BATCH);
    struct vals v = vals_of(buf_view(&b->take.out));
    while (vals_more(&v) && b->count < LIMIT_ROUTE_BATCH) {
        struct message *m = &b->messages[b->count++];
        m->id = vals_get_int(&v);
        m->sender = vals_get_view(&v);
        m->message_id = vals_get_view(&v);
        vals_get_int(&v); /* size */
        m->sha256 = vals_get_view(&v);
        m->flags = vals_get_int(&v);
        arena_init(&m->arena, LIMIT_DECISION_ARENA);
        m->recipient_count = vals_get_count(&v);
        m->recipients = arena_array(&b->arena, struct accept_recipient, m->recipient_count + 1);
        m->lookups = arena_array(&b->arena, struct store_request, m->recipient_count + 1);
        if (!m->recipients || !m->lookups)
            return err_set(e, ERR_LIMIT, "a batch of messages has too many recipients");
        for (size_t i = 0; i < m->recipient_count; i++)
            m->recipients[i] = read_recipient(&v);
    }
    return !v.failed || err_set(e, ERR_STORE, "route-take: malformed answer");
}

/* The address as the store's tables know it. */
static view normal_form(view recipient, struct arena *a) {
    view normal;
    return address_normalise_text(recipient, a, &normal, NULL) ? normal : recipient;
}

static void ask_facts(struct batch *b, struct store_wait *wait) {
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < b->messages[i].recipient_count; k++) {
            struct store_request *q = &b->messages[i].lookups[k];
            store_request_init(q, OP_LOOKUP);
            vals_view(&q->args, normal_form(b->messages[i].recipients[k].address, &b->arena));
            store_wait_submit(wait, b->role->store, q);
        }
    store_wait_all(wait);
}

/* Where the message's recipients lead. */
static bool find_routes(struct message *m, struct err *e) {
    m->routes = arena_array(&m->arena, struct route, m->recipient_count + 1);
    for (size_t i = 0; m->routes && i < m->recipient_count; i++) {
        struct store_request *q = &m->lookups[i];
        view wanted = vals_get_view(&(struct vals){.rest = buf_view(&q->args)});
        if (q->err.code != ERR_OK) {
            *e = q->err;
            return false;
        }
        if (!route_decide(wanted, buf_view(&q->out), &m->arena, &m->routes[i], e))
            return false;
        for (size_t k = 0; k < m->routes[i].count; k++)
            m->has_list |= m->routes[i].targets[k].kind == ROUTE_LIST;
    }
    return m->routes || err_set(e, ERR_LIMIT, NULL);
}

/* The first pieces of all messages that somebody wants to see, at once: one by one, each would wait for the
 * commit of others. */
static void ask_heads(struct batch *b, struct store_wait *wait) {
    for (size_t i = 0; i < b->count; i++) {
        struct message *m = &b->messages[i];
        role_works_on(m->id);
        m->err.code = ERR_OK;
        store_request_init(&m->head, OP_MESSAGE_READ);
        if (!find_routes(m, &m->err) || (!m->has_list && !role_plants_crashes()))
            continue;
        vals_int(&m->head.args, m->id);
        vals_int(&m->head.args, 0);
        store_wait_submit(wait, b->role->store, &m->head);
    }
    role_works_on(0);
    store_wait_all(wait);
}

static void *grow(struct arena *a, void *items, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return items;
    size_t wanted = *room ? 2 * *room : 16;
    void *grown = arena_alloc_n(a, wanted, size);
    BUG_ON(!grown); /* bounded by recipients and targets, which have limits of their own */
    if (count)
        __builtin_memcpy(grown, items, count * size);
    *room = wanted;
    return grown;
}

/* One copy an address, however many recipients lead there; what the first of them wants to hear holds. */
static void add_direct(struct decision *d, view address, const struct accept_recipient *from) {
    for (size_t i = 0; i < d->direct_count; i++)
        if (view_eq(d->directs[i].address, address))
            return;
    d->directs = grow(d->arena, d->directs, d->direct_count, &d->direct_room, sizeof *d->directs);
    d->directs[d->direct_count++] = (struct accept_recipient){address, from->notify, from->orcpt};
}

static void add_list(struct decision *d, int64_t list) {
    for (size_t i = 0; i < d->list_count; i++)
        if (d->lists[i] == list)
            return;
    if (d->list_count < LIMIT_ALIAS_TARGETS)
        d->lists[d->list_count++] = list;
}

static void add_other(struct decision *d, enum event_kind kind, view address, view text) {
    vals_int(&d->others, kind);
    vals_view(&d->others, address);
    vals_view(&d->others, text);
    d->other_count++;
}

/* The sender hears of a recipient, if it wants to (RFC 3461 4.1). */
static void tell(struct decision *d, const struct accept_recipient *to, enum dsn_action action, view status,
                 view why) {
    if (!notice_wants(to->notify, action))
        return;
    d->told = grow(d->arena, d->told, d->told_count, &d->told_room, sizeof *d->told);
    d->told[d->told_count++] = (struct dsn_recipient){.address = to->address,
                                                      .original = to->orcpt,
                                                      .action = action,
                                                      .status = status,
                                                      .diagnostic = arena_view(d->arena, why)};
}

static void add_failure(struct decision *d, const struct accept_recipient *to, const struct err *why) {
    add_other(d, EVENT_BOUNCED, to->address, view_of(why->text));
    tell(d, to, DSN_FAILED, view_of(err_info(why->code)->enhanced), view_of(why->text));
}

/* Success is for the last server to tell that knows the recipient as one address (RFC 3461 5.2.7): a list has
 * taken the post, an alias was followed to several. Returns what the addresses behind it are to be asked. */
static struct accept_recipient tell_of_success(struct decision *d, const struct accept_recipient *to,
                                               const struct route *route) {
    struct accept_recipient further = *to;
    size_t lists = 0, addresses = 0;
    for (size_t i = 0; i < route->count; i++) {
        lists += route->targets[i].kind == ROUTE_LIST;
        addresses += route->targets[i].kind == ROUTE_ADDRESS;
    }
    if (!(to->notify & NOTIFY_SUCCESS) || (lists == 0 && addresses <= 1))
        return further;
    tell(d, to, addresses == 0 ? DSN_DELIVERED : DSN_EXPANDED, VIEW("2.0.0"), VIEW(""));
    further.notify &= ~NOTIFY_SUCCESS;
    if (further.notify == 0)
        further.notify = NOTIFY_NEVER;
    return further;
}

/* A post that carries the list's own List-Id has been here already (RFC 2919). */
static bool is_list_loop(const struct header *h, view list, struct arena *a) {
    struct address parts = address_split(list);
    view id = arena_printf(a, "<%.*s.%.*s>", VIEW_ARG(parts.local), VIEW_ARG(parts.domain));
    for (size_t i = 0; i < h->count; i++)
        if (view_eq_nocase(h->fields[i].name, VIEW("List-Id")) && view_search(h->fields[i].value, id) >= 0)
            return true;
    return false;
}

/* `wanted`: the recipient, normalised. What is passed on as it is keeps the local part's case. */
static void add_target(struct decision *d, const struct route_target *t, view wanted,
                       const struct accept_recipient *recipient, const struct header *h) {
    switch (t->kind) {
    case ROUTE_LIST:
        if (is_list_loop(h, t->address, d->arena))
            add_other(d, EVENT_DROPPED, t->address, VIEW("loop: the post has the list's List-Id already"));
        else
            add_list(d, t->list);
        break;
    case ROUTE_ADDRESS:
        add_direct(d, view_eq(t->address, wanted) ? recipient->address : arena_view(d->arena, t->address),
                   recipient);
        break;
    case ROUTE_BOUNCE:
        add_other(d, EVENT_RETURNED, t->member.len ? t->member : recipient->address,
                  arena_printf(d->arena, "bounce for list %.*s", VIEW_ARG(t->address)));
        break;
    case ROUTE_REFUSED:
        add_failure(d, recipient, t->why);
        break;
    }
}

/* The rules of one recipient. */
static void decide_recipient(struct message *m, size_t i, struct decision *d, const struct header *h) {
    const struct route *route = &m->routes[i];
    if (!route->local) { /* the local part's case is its owner's business */
        add_direct(d, m->recipients[i].address, &m->recipients[i]);
        return;
    }
    if (i > 0 && d->direct_count + d->list_count + route->count > LIMIT_MESSAGE_TARGETS) {
        struct err why; /* smtpd does not let it come to that, unless an alias grew in between */
        err_set(&why, ERR_LIMIT_RCPT, "the recipients of the message lead to too many addresses");
        add_failure(d, &m->recipients[i], &why);
        return;
    }
    view wanted = vals_get_view(&(struct vals){.rest = buf_view(&m->lookups[i].args)});
    struct accept_recipient to = tell_of_success(d, &m->recipients[i], route);
    for (size_t k = 0; k < route->count; k++)
        add_target(d, &route->targets[k], wanted, &to, h);
}

/* The notification returns the message as its sender asked (RET) and names its envelope (ENVID). */
static bool add_notice(struct batch *b, struct message *m, const struct decision *d, struct err *e) {
    if (d->told_count == 0 || !notice_wanted(m->sender, 0)) {
        vals_int(&m->commit.args, 0);
        return true;
    }
    struct notice n = {.hostname = view_of(b->role->config->hostname),
                       .message = m->id,
                       .sender = m->sender,
                       .recipients = d->told,
                       .recipient_count = d->told_count};
    struct store_request q;
    store_request_init(&q, OP_MESSAGE_INFO);
    vals_int(&q.args, m->id);
    bool ok = store_call(b->role->store, &q, e);
    if (ok) {
        struct message_info info = message_info_of(m->id, buf_view(&q.out));
        n.fields = info.fields;
        n.body = info.first;
        n.envid = info.envid;
        n.whole = (info.flags & MESSAGE_RET_FULL) && (int64_t)n.body.len == info.size;
        vals_int(&m->commit.args, 1);
        ok = notice_args(&n, clock_now_ms(), &m->commit.args, e);
    }
    store_request_done(&q);
    return ok;
}

static void format_commit(struct batch *b, struct message *m, const struct decision *d) {
    struct buf *args = &m->commit.args;
    store_request_init(&m->commit, d->list_count > 0 ? OP_ROUTE_COMMIT : OP_ROUTE_PASS);
    vals_int(args, m->id);
    vals_int(args, b->number);
    vals_view(args, m->sha256);
    vals_view(args, m->message_id);
    vals_int(args, (int64_t)d->list_count);
    for (size_t i = 0; i < d->list_count; i++)
        vals_int(args, d->lists[i]);
    vals_int(args, m->sender.len > 0 ? CLASS_DIRECT : CLASS_BOUNCE);
    vals_int(args, (int64_t)d->direct_count);
    for (size_t i = 0; i < d->direct_count; i++) {
        vals_view(args, d->directs[i].address);
        vals_int(args, d->directs[i].notify);
        vals_view(args, d->directs[i].orcpt);
    }
    vals_int(args, d->other_count);
    buf_add(args, buf_view(&d->others));
}

/* The head that was asked for. */
static bool read_head(struct message *m, view *ret_head, struct err *e) {
    *ret_head = VIEW("");
    if (m->err.code != ERR_OK || m->head.err.code != ERR_OK) {
        *e = m->err.code != ERR_OK ? m->err : m->head.err;
        return false;
    }
    struct vals got = vals_of(buf_view(&m->head.out));
    if (vals_more(&got))
        *ret_head = vals_get_view(&got);
    return true;
}

static bool decide(struct batch *b, struct message *m, struct err *e) {
    view head;
    if (!read_head(m, &head, e))
        return false;
    role_planted_crash(b->role, head);
    FREE_AUTO struct decision *d = mem_alloc(sizeof *d);
    struct header header;
    d->arena = &m->arena;
    buf_init(&d->others, LIMIT_STORE_PACKET);
    header_parse(head, &m->arena, &header);
    for (size_t i = 0; i < m->recipient_count; i++)
        decide_recipient(m, i, d, &header);
    format_commit(b, m, d);
    bool ok = add_notice(b, m, d, e);
    metric_add(METRIC_ROUTER_DELIVERIES, (int64_t)d->direct_count);
    if (ok)
        log_line(LOG_INFO, "routed", LOG_S("queue", id_format(m->id).s), LOG_I("lists", d->list_count),
                 LOG_I("direct", d->direct_count), LOG_I("other", d->other_count));
    buf_done(&d->others);
    return ok;
}

/* Decide and commit all; what could not be decided stays in the inbox until its lease ends. */
static int decide_all(struct batch *b, struct store_wait *wait, struct err *e) {
    int routed = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct message *m = &b->messages[i];
        struct err why = {.code = ERR_OK};
        role_works_on(m->id);
        if (decide(b, m, &why)) {
            store_wait_submit(wait, b->role->store, &m->commit);
            routed++;
        } else {
            log_line(LOG_WARN, "not-routed", LOG_S("queue", id_format(m->id).s), LOG_S("reason", why.text));
            *e = why;
        }
    }
    role_works_on(0);
    store_wait_all(wait);
    for (size_t i = 0; i < b->count; i++)
        if (b->messages[i].commit.err.code != ERR_OK) {
            *e = b->messages[i].commit.err;
            log_line(LOG_WARN, "not-routed", LOG_S("queue", id_format(b->messages[i].id).s),
                     LOG_S("reason", e->text));
            routed--;
        }
    return routed;
}

static void free_batch(struct batch *b) {
    for (size_t i = 0; i < b->count; i++) {
        for (size_t k = 0; b->messages[i].lookups && k < b->messages[i].recipient_count; k++)
            store_request_done(&b->messages[i].lookups[k]);
        store_request_done(&b->messages[i].head);
        store_request_done(&b->messages[i].commit);
        arena_done(&b->messages[i].arena);
    }
    store_request_done(&b->take);
    arena_done(&b->arena);
}

int route_some(struct role *r, int64_t lease_ms, struct err *e) {
    struct batch b = {.role = r, .number = id_new()};
    struct store_wait wait;
    int routed = -1;
    arena_init(&b.arena, LIMIT_BATCH_ARENA);
    store_wait_init(&wait);
    if (take(&b, lease_ms, e)) {
        ask_facts(&b, &wait);
        ask_heads(&b, &wait);
        routed = decide_all(&b, &wait, e);
        metric_add(METRIC_ROUTER_MESSAGES, routed);
        if (routed > 0) {
            hint_send(r->config->dir, "deliver");
            hint_send(r->config->dir, "archived");
        }
    }
    store_wait_done(&wait);
    free_batch(&b);
    return routed;
}
