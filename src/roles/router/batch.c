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
#include "lists/chain.h"
#include "mail/address.h"
#include "mail/text.h"
#include "roles/router/router.h"
#include "routing/notice.h"
#include "routing/report_address.h"
#include "routing/route.h"
#include "store/accept.h"
#include "store/class.h"
#include "store/event.h"
#include "store/message.h"

/* Octets: of a post that goes whole into the letter to its moderators, of a header, what
 * is left free for one more letter. */
enum { REASON_MOST = 2000, LETTER_WHOLE = 32 * 1024, LETTER_HEADER = 8 * 1024, LETTER_ROOM = 64 * 1024 };

/* A list the message goes to. */
struct post_to {
    int64_t list;
    struct store_request rules; /* what its rules look at */
    struct verdict verdict;
    view address;
    bool tells_moderators; /* that the post is held */
    view tells;            /* the member whose post it is; or empty */
    bool answers;          /* whoever posts (autorespond_postings) */
    bool reached;          /* by a recipient that is not refused */
};

struct message {
    int64_t id, size;
    view sender, message_id, sha256;
    int64_t flags;
    size_t recipient_count;
    struct accept_recipient *recipients;
    struct store_request *lookups; /* one per recipient */
    struct arena arena;            /* of what is decided */
    struct route *routes;          /* one per recipient */
    struct err err;                /* why there are none: the store could not say */
    struct store_request head;     /* its first piece, if asked for */
    struct post post;              /* if it goes to lists */
    struct post_to *lists;         /* each once */
    size_t list_count;
    size_t command_count;      /* addresses for commands among its recipients' */
    struct returned *returned; /* one per address for bounces among them, each list's member once */
    size_t returned_count, bounce_count;
    size_t owner_count; /* addresses for owners */
    bool is_report;     /* it came to reports_to */
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
    struct message *message;
    size_t target_count; /* what the recipients so far lead to */
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
        m->size = vals_get_int(&v);
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

static struct post_to *find_list(struct message *m, int64_t list) {
    for (size_t i = 0; i < m->list_count; i++)
        if (m->lists[i].list == list)
            return &m->lists[i];
    return NULL;
}

static bool add_list(struct message *m, int64_t list) {
    if (!m->lists)
        m->lists = arena_array(&m->arena, struct post_to, LIMIT_MESSAGE_TARGETS);
    if (!m->lists || find_list(m, list))
        return m->lists != NULL;
    if (m->list_count == LIMIT_MESSAGE_TARGETS)
        return false;
    m->lists[m->list_count].list = list;
    store_request_init(&m->lists[m->list_count++].rules, OP_LIST_RULES);
    return true;
}

/* LIST-owner: the list's address, or empty. */
static view list_of_owner(view recipient, struct arena *a) {
    view list, detail;
    if (list_part_of(recipient, &list, &detail) != LIST_PART_OWNER)
        return VIEW("");
    return arena_printf(a, "%.*s@%.*s", VIEW_ARG(list), VIEW_ARG(address_split(recipient).domain));
}

/* Where the message's recipients lead. */
static bool find_routes(const struct role *role, struct message *m, struct err *e) {
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
        route_turn_to_reports(wanted, view_of(role->config->reports_to), &m->arena, &m->routes[i]);
        m->owner_count += m->routes[i].local && list_of_owner(wanted, &m->arena).len > 0;
        for (size_t k = 0; k < m->routes[i].count; k++) {
            m->command_count += m->routes[i].targets[k].kind == ROUTE_COMMAND;
            m->bounce_count += m->routes[i].targets[k].kind == ROUTE_BOUNCE;
            m->is_report |= m->routes[i].targets[k].kind == ROUTE_REPORT;
            if (m->routes[i].targets[k].kind == ROUTE_LIST && !add_list(m, m->routes[i].targets[k].list))
                return err_set(e, ERR_LIMIT, NULL);
        }
    }
    return m->routes || err_set(e, ERR_LIMIT, NULL);
}

/* A list's rules or commands look at what it says. */
static bool is_read(const struct message *m) {
    return m->list_count > 0 || m->command_count > 0 || m->bounce_count > 0 || m->owner_count > 0 ||
           m->is_report;
}

/* The first pieces of all messages that somebody wants to see, at once: one by one, each would wait for the
 * commit of others. */
static void ask_heads(struct batch *b, struct store_wait *wait) {
    for (size_t i = 0; i < b->count; i++) {
        struct message *m = &b->messages[i];
        role_works_on(m->id);
        m->err.code = ERR_OK;
        store_request_init(&m->head, OP_MESSAGE_READ);
        if (!find_routes(b->role, m, &m->err) || (!is_read(m) && !role_plants_crashes()))
            continue;
        vals_int(&m->head.args, m->id);
        vals_int(&m->head.args, 0);
        store_wait_submit(wait, b->role->store, &m->head);
    }
    role_works_on(0);
    store_wait_all(wait);
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

static bool is_same_return(const struct route_target *a, const struct route_target *b) {
    return a->list == b->list && view_eq(a->detail, b->detail);
}

/* What came back is counted, all messages' at once. Of one mail a few addresses at most. */
static bool ask_bounces(struct batch *b, struct message *m, view head, struct store_wait *wait,
                        struct err *e) {
    if (m->bounce_count > 0)
        m->returned = arena_array(&m->arena, struct returned, LIMIT_COMMANDED_LISTS);
    for (size_t i = 0; m->returned && i < m->recipient_count; i++)
        for (size_t k = 0; k < m->routes[i].count; k++) {
            const struct route_target *t = &m->routes[i].targets[k];
            size_t same = 0;
            while (same < m->returned_count && !is_same_return(m->returned[same].target, t))
                same++;
            if (t->kind != ROUTE_BOUNCE || same < m->returned_count || same == LIMIT_COMMANDED_LISTS)
                continue;
            if (!bounce_ask(b->role, t, head, &m->arena, wait, &m->returned[m->returned_count], e))
                return false;
            m->returned_count++;
        }
    return true;
}

/* What the rules of the lists look at, of all messages at once. */
static void ask_rules(struct batch *b, struct store_wait *wait) {
    for (size_t i = 0; i < b->count; i++) {
        struct message *m = &b->messages[i];
        view head;
        role_works_on(m->id);
        if (!is_read(m) || !read_head(m, &head, &m->err))
            continue;
        if (!post_read(m->sender, head, m->size, &m->arena, &m->post)) {
            err_set(&m->err, ERR_LIMIT, NULL);
            continue;
        }
        if (!ask_bounces(b, m, head, wait, &m->err))
            continue;
        for (size_t k = 0; k < m->list_count; k++) {
            facts_args(m->lists[k].list, &m->post, &m->lists[k].rules.args);
            store_wait_submit(wait, b->role->store, &m->lists[k].rules);
        }
    }
    role_works_on(0);
    store_wait_all(wait);
}

/* Strangers are not told: what they claim to be is not known. */
static view member_to_tell(const struct message *m, const struct post_to *to, const struct facts *f) {
    if (to->verdict.action != MODERATION_HOLD || (m->flags & MESSAGE_NOTICE) ||
        !facts_number(f, LIST_SETTING_RESPOND_TO_POST_REQUESTS) || post_is_of_a_robot(&m->post, m->sender))
        return VIEW("");
    for (size_t i = 0; i < m->post.sender_count; i++)
        if (f->senders[i].member >= 0)
            return m->post.senders[i];
    return VIEW("");
}

/* What one list says. `scratch`: for this list alone. */
static bool run_rules_of(struct message *m, struct post_to *to, struct arena *scratch, struct err *e) {
    struct facts facts;
    if (to->rules.err.code != ERR_OK) {
        *e = to->rules.err;
        return false;
    }
    if (!facts_read(buf_view(&to->rules.out), &m->post, scratch, &facts))
        return err_set(e, ERR_STORE, "list-rules: malformed answer");
    chain_decide(&m->post, &facts, scratch, &to->verdict);
    to->verdict.reason = arena_view(&m->arena, view_slice(to->verdict.reason, 0, REASON_MOST));
    to->address = facts.list;
    /* Of what programs of ours wrote there is no letter: it would come here again. */
    to->tells_moderators = to->verdict.action == MODERATION_HOLD && facts.has_moderators &&
                           m->sender.len > 0 && !(m->flags & MESSAGE_NOTICE) &&
                           facts_number(&facts, LIST_SETTING_ADMIN_IMMED_NOTIFY);
    to->tells = member_to_tell(m, to, &facts);
    to->answers = facts_number(&facts, LIST_SETTING_AUTORESPOND_POSTINGS) != AUTORESPOND_NEVER;
    return true;
}

static bool run_rules(struct message *m, struct err *e) {
    struct arena scratch;
    bool ok = true;
    arena_init(&scratch, LIMIT_STEP_ARENA);
    for (size_t i = 0; i < m->list_count && ok; i++) {
        ok = run_rules_of(m, &m->lists[i], &scratch, e);
        arena_reset(&scratch);
    }
    arena_done(&scratch);
    return ok;
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
        lists += route->targets[i].kind == ROUTE_LIST &&
                 find_list(d->message, route->targets[i].list)->verdict.action != MODERATION_REJECT;
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

/* smtpd refuses what all its lists refuse; of several the sender hears by a notification. */
static void add_post(struct decision *d, const struct route_target *t,
                     const struct accept_recipient *recipient) {
    struct post_to *to = find_list(d->message, t->list);
    const struct verdict *v = &to->verdict;
    struct err why;
    to->reached = true;
    if (v->action != MODERATION_REJECT)
        return;
    chain_refusal(v, t->address, &why);
    add_failure(d, recipient, &why);
}

/* `wanted`: the recipient, normalised. What is passed on as it is keeps the local part's case. */
static void add_target(struct decision *d, const struct route_target *t, view wanted,
                       const struct accept_recipient *recipient) {
    switch (t->kind) {
    case ROUTE_LIST:
        add_post(d, t, recipient);
        break;
    case ROUTE_ADDRESS:
        add_direct(d, view_eq(t->address, wanted) ? recipient->address : arena_view(d->arena, t->address),
                   recipient);
        break;
    case ROUTE_BOUNCE: /* run_returned() */
        add_other(d, EVENT_RETURNED, t->member.len ? t->member : recipient->address,
                  arena_printf(d->arena, "bounce for list %.*s", VIEW_ARG(t->address)));
        break;
    case ROUTE_COMMAND: /* run_commands() */
    case ROUTE_REPORT:  /* run_report() */
        break;
    case ROUTE_REFUSED:
        add_failure(d, recipient, t->why);
        break;
    }
}

/* The rules of one recipient. */
static void decide_recipient(struct message *m, size_t i, struct decision *d) {
    const struct route *route = &m->routes[i];
    if (!route->local) { /* the local part's case is its owner's business */
        add_direct(d, m->recipients[i].address, &m->recipients[i]);
        return;
    }
    if (i > 0 && d->target_count + route->count > LIMIT_MESSAGE_TARGETS) {
        struct err why; /* smtpd does not let it come to that, unless an alias grew in between */
        err_set(&why, ERR_LIMIT_RCPT, "the recipients of the message lead to too many addresses");
        add_failure(d, &m->recipients[i], &why);
        return;
    }
    d->target_count += route->count;
    view wanted = vals_get_view(&(struct vals){.rest = buf_view(&m->lookups[i].args)});
    struct accept_recipient to = tell_of_success(d, &m->recipients[i], route);
    for (size_t k = 0; k < route->count; k++)
        add_target(d, &route->targets[k], wanted, &to);
}

view one_line(view text, struct arena *a) {
    struct buf out = BUF_INIT(LIMIT_EVENT_TEXT);
    view line = VIEW("");
    view_split(&text, '\n', &line);
    text_add_printable(&out, view_trim(line), true);
    view clean = arena_view(a, buf_view(&out));
    buf_done(&out);
    return clean;
}

static struct held_post held_post_of(struct message *m, const struct post_to *to, view head) {
    bool whole = (int64_t)head.len == m->size && m->size <= LETTER_WHOLE;
    return (struct held_post){.id = m->id,
                              .list = to->address,
                              .sender = m->post.sender_count ? m->post.senders[0] : VIEW("nobody"),
                              .subject = one_line(m->post.subject, &m->arena),
                              .reason = to->verdict.reason,
                              .message_id = m->message_id,
                              .original = whole ? head : view_slice(m->post.header.section, 0, LETTER_HEADER),
                              .whole = whole};
}

static bool has_room(const struct message *m, const struct buf *args) {
    return m->commit.args.len + args->len + LETTER_ROOM < LIMIT_STORE_PACKET;
}

/* Letters are left off where a commit would become too large; the events and the queue have it all. */
static int64_t add_letters(struct batch *b, struct message *m, view head, struct buf *args) {
    int64_t n = 0;
    for (size_t i = 0; i < m->list_count; i++) {
        const struct post_to *to = &m->lists[i];
        struct held_post held = held_post_of(m, to, head);
        if (to->reached && to->tells_moderators && has_room(m, args))
            n += held_tell_moderators(b->role, &held, &m->arena, args);
        if (to->reached && to->tells.len > 0 && has_room(m, args))
            n += held_tell_member(b->role, &held, to->tells, &m->arena, args);
    }
    return n;
}

/* The notification returns the message as its sender asked (RET) and names its envelope (ENVID). */
static bool add_notice(struct batch *b, struct message *m, const struct decision *d, int64_t *count,
                       struct buf *args, struct err *e) {
    if (d->told_count == 0 || !notice_wanted(m->sender, 0))
        return true;
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
        n.requiretls = (info.flags & MESSAGE_REQUIRETLS) != 0;
        n.whole = message_wants_whole(info.flags) && (int64_t)n.body.len == info.size;
        ++*count;
        ok = notice_args(&n, clock_now_ms(), args, e);
    }
    store_request_done(&q);
    return ok;
}

/* A list's address for a command, "-join" and "-subscribe" being the same one. */
static bool is_same_command(const struct route_target *a, const struct route_target *b) {
    return a->list == b->list && a->part == b->part && view_eq(a->detail, b->detail);
}

/* Those of the message's recipients, each once. Returns how many; the rest, beyond `most`, is left off. */
static size_t find_commands(const struct message *m, const struct route_target **ret, size_t most) {
    size_t count = 0;
    for (size_t i = 0; m->command_count > 0 && i < m->recipient_count; i++)
        for (size_t k = 0; k < m->routes[i].count; k++) {
            const struct route_target *t = &m->routes[i].targets[k];
            size_t same = 0;
            while (same < count && !is_same_command(ret[same], t))
                same++;
            if (t->kind == ROUTE_COMMAND && same == count && count < most)
                ret[count++] = t;
        }
    return count;
}

static struct command_mail mail_of(struct message *m, view head) {
    return (struct command_mail){.id = m->id,
                                 .sender = m->sender,
                                 .message_id = m->message_id,
                                 .post = &m->post,
                                 .subject = one_line(m->post.subject, &m->arena),
                                 .text = head,
                                 .is_whole = (int64_t)head.len == m->size};
}

/* Lists that answer whoever posts. */
static bool answer_posts(struct batch *b, struct message *m, view head, struct buf *letters,
                         int64_t *letter_count, struct err *e) {
    bool ok = true;
    for (size_t i = 0; ok && i < m->list_count; i++) {
        struct command_mail mail = mail_of(m, head);
        bool discard; /* said by the chain */
        if (m->lists[i].reached && m->lists[i].answers && !(m->flags & MESSAGE_NOTICE))
            ok = autoreply(b->role, &mail, m->lists[i].address, AUTOREPLY_POSTINGS, &m->arena, letters,
                           letter_count, &discard, e);
    }
    return ok;
}

/* Mail to the owners of a list that answers whoever writes to them. *ret_discard: it does not reach them. */
static bool answer_for_owners(struct batch *b, struct message *m, size_t recipient, view head,
                              struct buf *letters, int64_t *letter_count, bool *ret_discard, struct err *e) {
    view wanted = vals_get_view(&(struct vals){.rest = buf_view(&m->lookups[recipient].args)});
    view list = list_of_owner(wanted, &m->arena);
    struct command_mail mail = mail_of(m, head);
    *ret_discard = false;
    return m->owner_count == 0 || list.len == 0 || (m->flags & MESSAGE_NOTICE) ||
           !m->routes[recipient].local ||
           autoreply(b->role, &mail, list, AUTOREPLY_OWNER, &m->arena, letters, letter_count, ret_discard, e);
}

static bool run_returned(struct batch *b, struct message *m, struct decision *d, view head,
                         struct buf *letters, int64_t *letter_count, struct err *e) {
    for (size_t i = 0; i < m->returned_count; i++) {
        struct command_mail mail = mail_of(m, head);
        view said;
        if (!bounce_tell(b->role, &mail, &m->returned[i], &m->arena, letters, letter_count, &said, e))
            return false;
        add_other(d, EVENT_COUNTED, m->returned[i].target->address, one_line(said, &m->arena));
    }
    return true;
}

static bool run_report(struct batch *b, struct message *m, struct decision *d, view head, struct err *e) {
    struct command_mail mail = mail_of(m, head);
    view said;
    bool kept;
    if (!m->is_report)
        return true;
    if (!report_keep(b->role, &mail, m->size, &m->arena, &kept, &said, e))
        return false;
    add_other(d, kept ? EVENT_REPORTED : EVENT_DROPPED, view_of(b->role->config->reports_to),
              one_line(said, &m->arena));
    return true;
}

static bool run_commands(struct batch *b, struct message *m, struct decision *d, view head,
                         struct buf *letters, int64_t *letter_count, struct err *e) {
    const struct route_target *targets[LIMIT_COMMANDED_LISTS + 1];
    struct command_mail mail = mail_of(m, head);
    size_t count = find_commands(m, targets, LIMIT_COMMANDED_LISTS + 1);
    for (size_t i = 0; i < count; i++) {
        struct command_to to = {targets[i]->list_address, targets[i]->detail, targets[i]->part};
        view said = VIEW("one mail asks for too much: nothing more was done");
        if (i < LIMIT_COMMANDED_LISTS &&
            !command_run(b->role, &mail, &to, &m->arena, letters, letter_count, &said, e))
            return false;
        add_other(d, EVENT_COMMANDED, targets[i]->address, said);
    }
    return true;
}

static void format_commit(struct batch *b, struct message *m, const struct decision *d) {
    struct buf *args = &m->commit.args;
    size_t lists = 0;
    for (size_t i = 0; i < m->list_count; i++)
        lists += m->lists[i].reached;
    store_request_init(&m->commit, lists > 0 ? OP_ROUTE_COMMIT : OP_ROUTE_PASS);
    vals_int(args, m->id);
    vals_int(args, b->number);
    vals_view(args, m->sha256);
    vals_view(args, m->message_id);
    vals_view(args, m->post.sender_count ? m->post.senders[0] : VIEW(""));
    vals_view(args, one_line(m->post.subject, &m->arena));
    vals_int(args, (int64_t)lists);
    for (size_t i = 0; i < m->list_count; i++) {
        if (!m->lists[i].reached)
            continue;
        vals_int(args, m->lists[i].list);
        vals_int(args, m->lists[i].verdict.action);
        vals_view(args, view_of(m->lists[i].verdict.rule));
        vals_view(args, one_line(m->lists[i].verdict.reason, &m->arena));
    }
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

static bool decide(struct batch *b, struct message *m, struct err *e) {
    view head;
    if (!read_head(m, &head, e) || !run_rules(m, e))
        return false;
    role_planted_crash(b->role, head);
    FREE_AUTO struct decision *d = mem_alloc(sizeof *d);
    d->arena = &m->arena;
    d->message = m;
    buf_init(&d->others, LIMIT_STORE_PACKET);
    struct buf letters = BUF_INIT(LIMIT_STORE_PACKET);
    int64_t letter_count = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < m->recipient_count; i++) {
        bool discard;
        ok = answer_for_owners(b, m, i, head, &letters, &letter_count, &discard, e);
        if (ok && discard)
            add_other(d, EVENT_DISCARDED, m->recipients[i].address, VIEW("answered (autorespond_owner)"));
        else if (ok)
            decide_recipient(m, i, d);
    }
    ok = ok && run_commands(b, m, d, head, &letters, &letter_count, e) &&
         run_returned(b, m, d, head, &letters, &letter_count, e) && run_report(b, m, d, head, e) &&
         answer_posts(b, m, head, &letters, &letter_count, e);
    format_commit(b, m, d);
    ok = ok && add_notice(b, m, d, &letter_count, &letters, e);
    if (ok)
        letter_count += add_letters(b, m, head, &letters);
    vals_int(&m->commit.args, letter_count);
    buf_add(&m->commit.args, buf_view(&letters));
    buf_done(&letters);
    metric_add(METRIC_ROUTER_DELIVERIES, (int64_t)d->direct_count);
    if (ok)
        log_line(LOG_INFO, "routed", LOG_S("queue", id_format(m->id).s), LOG_I("lists", m->list_count),
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
        for (size_t k = 0; k < b->messages[i].list_count; k++)
            store_request_done(&b->messages[i].lists[k].rules);
        for (size_t k = 0; k < b->messages[i].returned_count; k++)
            bounce_done(&b->messages[i].returned[k]);
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
        ask_rules(&b, &wait);
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
