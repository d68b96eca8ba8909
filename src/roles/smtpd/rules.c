/* rules.c: what lists say to a post before its final dot is answered. What every recipient refuses is refused
 * there, so that its sender's own server tells why and nobody who was forged hears of it; else router says it
 * again, and acts. */
#include "lists/chain.h"
#include "roles/smtpd/smtpd.h"

bool rules_note(struct session *s, const struct route *route) {
    struct transaction *t = &s->t;
    for (size_t i = 0; i < route->count; i++) {
        const struct route_target *target = &route->targets[i];
        size_t k = 0;
        t->only_lists = t->only_lists && target->kind == ROUTE_LIST;
        while (target->kind == ROUTE_LIST && k < t->list_count && t->lists[k] != target->list)
            k++;
        if (target->kind != ROUTE_LIST || k < t->list_count)
            continue;
        if (!t->lists)
            t->lists = arena_array(&s->transaction_arena, int64_t, LIMIT_MESSAGE_TARGETS);
        if (!t->lists || t->list_count == LIMIT_MESSAGE_TARGETS)
            return false;
        t->lists[t->list_count++] = target->list;
    }
    t->only_lists = t->only_lists && route->local;
    return true;
}

void rules_keep_first(struct session *s) {
    struct transaction *t = &s->t;
    if ((t->list_count == 0 && !check_is_due(s)) || t->first.len > 0)
        return;
    t->first = t->body;
    buf_init(&t->body, t->first.limit);
}

static enum next answered(struct session *s) {
    struct transaction *t = &s->t;
    struct err e = s->request.err;
    struct facts facts;
    struct verdict v;
    struct arena arena; /* of one list's rules */
    arena_init(&arena, LIMIT_STEP_ARENA);
    if (e.code == ERR_OK && !facts_read(buf_view(&s->request.out), &t->post, &arena, &facts))
        err_set(&e, ERR_STORE, NULL);
    if (e.code == ERR_OK) {
        chain_decide(&t->post, &facts, &arena, &v);
        if (v.action == MODERATION_REJECT) {
            chain_refusal(&v, facts.list, &t->refusal);
            t->refused++;
        }
    } else if (t->fault.code == ERR_OK) {
        t->fault = e;
    }
    arena_done(&arena);
    t->asked++;
    store_request_done(&s->request);
    return NEXT_MORE;
}

bool rules_all_asked(struct session *s) {
    struct transaction *t = &s->t;
    if (t->asked == 0 && t->list_count > 0 &&
        !post_read(t->sender, buf_view(t->first.len > 0 ? &t->first : &t->body), t->size, &t->rules_arena,
                   &t->post))
        data_fault(t, ERR_LIMIT);
    if (t->asked == t->list_count && t->list_count > 0 && t->refused == t->list_count && t->only_lists &&
        t->fault.code == ERR_OK)
        t->fault = t->refusal;
    return t->asked == t->list_count || t->fault.code != ERR_OK;
}

enum next rules_ask(struct session *s) {
    struct transaction *t = &s->t;
    store_request_init(&s->request, OP_LIST_RULES);
    facts_args(t->lists[t->asked], &t->post, &s->request.args);
    return session_ask(s, answered);
}
