/* dkim2.c: DKIM2 (auth/dkim2.h) on what leaves: what this server has made of the message as it came,
 * described so that others can undo it, and a signature over the envelope of each copy. Where copies are
 * alike they are described once. */
#include "auth/dkim2.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "mail/address.h"
#include "roles/deliver/deliver.h"
#include "store/accept.h"

/* The first form of a message that nobody has described yet is the one it came in. */
static view describe_first(view before, struct arena *a, struct buf *out) {
    struct header h;
    header_parse(before, a, &h);
    if (before.len == 0 || header_find(&h, "Message-Instance"))
        return before;
    if (dkim2_add_instance(VIEW(""), before, a, out) != DKIM2_INSTANCE_ADDED)
        return before;
    return arena_printf(a, "%.*s%.*s", VIEW_ARG(buf_view(out)), VIEW_ARG(before));
}

/* Append the fields that lead from `before` to the copy. False: they cannot be made. */
static bool describe(view before, view copy, struct arena *a, struct buf *out) {
    struct buf first = BUF_INIT(LIMIT_HEADER_BYTES), described = BUF_INIT(copy.len + LIMIT_HEADER_BYTES);
    before = describe_first(before, a, &first);
    buf_add(&described, buf_view(&first));
    buf_add(&described, copy);
    bool ok = !described.failed &&
              dkim2_add_instance(before, buf_view(&described), a, out) != DKIM2_INSTANCE_CANNOT;
    buf_add(out, buf_view(&first));
    buf_done(&described);
    buf_done(&first);
    return ok && !out->failed;
}

/* Of a copy: its fields, and what all signatures over it share. */
static bool prepare(view before, view copy, struct arena *a, struct buf *fields, struct dkim2_prepared *ret) {
    struct buf header = BUF_INIT(3 * LIMIT_HEADER_BYTES);
    bool ok = describe(before, copy, a, fields);
    buf_add(&header, buf_view(fields));
    buf_add(&header, content_header(copy));
    ok = ok && !header.failed && dkim2_prepare(arena_view(a, buf_view(&header)), a, ret);
    buf_done(&header);
    return ok;
}

/* A chain that goes on in the copy says what the post was, or is broken where it must not. */
static bool has_chain(view copy, struct arena *a) {
    struct header h;
    header_parse(copy, a, &h);
    return header_find(&h, "Message-Instance") || header_find(&h, "DKIM2-Signature");
}

void dkim2_begin(struct content *c, view before, view copy) {
    c->dkim2_before = before;
    if (c->dkim2 && c->new_chain && has_chain(copy, &c->arena))
        c->dkim2 = false;
    if (!c->dkim2 || c->differs > 0)
        return;
    buf_init(&c->instances, 2 * LIMIT_HEADER_BYTES);
    arena_init(&c->dkim2_arena, LIMIT_BATCH_ARENA);
    c->dkim2 = prepare(before, copy, &c->dkim2_arena, &c->instances, &c->dkim2_prepared);
    if (!c->dkim2)
        log_line(LOG_WARN, "no-dkim2", LOG_S("queue", id_format(c->message).s));
}

/* Whose keys: the sender's, where that is ours. What others say they are is nobody's word. */
static view signer(const struct content *c, view sender, view header, struct arena *a) {
    view domain = address_split(sender).domain, forwarder = view_of(deliver.role.config->srs_domain);
    if (c->list || (domain.len > 0 && (c->flags & (MESSAGE_TRUSTED | MESSAGE_NOTICE))))
        return domain;
    if (!(c->flags & (MESSAGE_TRUSTED | MESSAGE_NOTICE)))
        return view_eq_nocase(domain, forwarder) ? domain : VIEW("");
    author_domain(header, a, &domain); /* a notification: its author */
    return domain;
}

static void choose_keys(const struct content *c, view sender, view header, struct arena *a,
                        struct dkim2_signing *s) {
    const struct signing_key *found[SIGNING_KEYS_MOST];
    view domain = signer(c, sender, header, a);
    size_t n = domain.len > 0 ? signing_keys_of(domain, found) : 0;
    for (size_t i = 0; i < n; i++) { /* one of each kind */
        if (!signing_may_use(&c->signing, found[i]))
            continue;
        const struct signing_key **slot = &s->keys[found[i]->ed25519];
        *slot = *slot ? *slot : found[i];
    }
    if (!s->keys[0]) {
        s->keys[0] = s->keys[1];
        s->keys[1] = NULL;
    }
}

void dkim2_add(const struct content *c, view front, const struct dkim2_envelope *e, struct buf *out) {
    struct dkim2_signing s = {.now_s = clock_now_ms() / 1000, .flags = c->list ? DKIM2_EXPLODED : 0};
    struct buf copy = BUF_INIT(front.len + c->body.len + 1), fields = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    struct dkim2_prepared prepared = c->dkim2_prepared;
    struct arena arena;
    bool ok = true;
    arena_init(&arena, LIMIT_BATCH_ARENA);
    if (c->differs > 0) {
        buf_add(&copy, front);
        if (!c->differs_below)
            buf_add(&copy, c->body);
        ok = prepare(c->dkim2_before, buf_view(&copy), &arena, &fields, &prepared);
    }
    choose_keys(c, e->sender, c->differs > 0 ? buf_view(&copy) : c->body, &arena, &s);
    if (ok && s.keys[0]) {
        dkim2_sign(&prepared, &s, e, out);
        buf_add(out, c->differs > 0 ? buf_view(&fields) : buf_view(&c->instances));
    }
    arena_done(&arena);
    buf_done(&copy);
    buf_done(&fields);
}
