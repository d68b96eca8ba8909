/* dkim_bodies.c: bodies hashed while they come, in the ways that the signatures of the header will want. */
#include "auth/dkim_private.h"

#include "base/limits.h"

const struct dkim_body *dkim_find_body(const struct dkim_bodies *b, const struct dkim_reading *r) {
    for (size_t i = 0; i < b->count; i++)
        if (b->list[i].how == r->body && b->list[i].limit == r->limit)
            return &b->list[i];
    return NULL;
}

/* As dkim_find_body() will look for it. False: it names none. */
static bool read_body(const struct header_field *f, struct dkim_reading *r) {
    *r = (struct dkim_reading){.field = f, .limit = -1};
    return tags_parse(f->value, &r->tags) && dkim_read_canon(&r->tags, r) &&
           (!tags_find(&r->tags, "l") || dkim_read_number(tags_value(&r->tags, "l"), &r->limit));
}

/* What fields of that name want, those at the top first. */
static void begin_for(struct dkim_bodies *b, const struct header *h, const char *name) {
    struct dkim_reading r;
    size_t seen = 0;
    for (size_t i = 0; i < h->count && seen < DKIM_SIGNATURES_MOST && b->count < DKIM_BODIES_MOST; i++) {
        if (!view_eq_nocase(h->fields[i].name, view_of(name)))
            continue;
        seen++;
        if (!read_body(&h->fields[i], &r) || dkim_find_body(b, &r))
            continue;
        struct dkim_body *body = &b->list[b->count++];
        body->how = r.body;
        body->limit = r.limit;
        canon_body_begin(&body->running, r.body, r.limit);
    }
}

size_t dkim_bodies_begin(struct dkim_bodies *b, view header) {
    struct arena arena;
    struct header h;
    b->count = 0;
    arena_init(&arena, LIMIT_STEP_ARENA);
    header_parse(header, &arena, &h);
    begin_for(b, &h, "DKIM-Signature");
    begin_for(b, &h, "ARC-Message-Signature");
    arena_done(&arena);
    return b->count;
}

void dkim_bodies_add(struct dkim_bodies *b, view octets) {
    for (size_t i = 0; i < b->count; i++)
        canon_body_add(&b->list[i].running, octets);
}

void dkim_bodies_end(struct dkim_bodies *b) {
    for (size_t i = 0; i < b->count; i++)
        b->list[i].len = canon_body_end(&b->list[i].running, b->list[i].digest);
}

void dkim_bodies_drop(struct dkim_bodies *b) {
    for (size_t i = 0; i < b->count; i++)
        canon_body_drop(&b->list[i].running);
    b->count = 0;
}
