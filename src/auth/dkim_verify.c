/* dkim_verify.c: see dkim.h. A signature is read, its key is asked for, and then body and header are hashed
 * as it says; bodies that several signatures see the same way are hashed once. */
#include "auth/dkim_private.h"

/* i=: below the domain. */
static bool read_identity(const struct dkim_message *m, const struct dkim_reading *r,
                          struct dkim_signature *s) {
    if (!tags_find(&r->tags, "i"))
        return true;
    s->identity = tags_squeeze(tags_value(&r->tags, "i"), m->arena);
    ptrdiff_t at = view_rfind(s->identity, '@');
    return at >= 0 && domain_name_is_within(view_skip(s->identity, (size_t)at + 1), s->domain);
}

/* The drafts before RFC 4871 had no v= and said q=dns: mail of 2005 in archives has such signatures. */
static bool is_of_a_draft(const struct tags *t) {
    return !tags_find(t, "v") && view_eq(tags_value(t, "q"), VIEW("dns"));
}

static bool is_kept_in_dns(const struct tags *t) {
    return !tags_find(t, "q") || tags_list_has(tags_value(t, "q"), VIEW("dns/txt")) || is_of_a_draft(t);
}

static enum dkim_result read_signature(const struct dkim_message *m, struct dkim_reading *r,
                                       struct dkim_signature *s) {
    enum dkim_result got = dkim_read_signer(m, r, s);
    if (got != DKIM_PASS)
        return got;
    if (!view_eq(tags_value(&r->tags, "v"), VIEW("1")) && !is_of_a_draft(&r->tags))
        return dkim_wrong(s, "no version, or an unknown one");
    if (!read_identity(m, r, s))
        return dkim_wrong(s, "its identity is of another domain");
    if (!is_kept_in_dns(&r->tags))
        return dkim_wrong(s, "its key is kept in no way that is known");
    return dkim_read_scope(m, r, s);
}

static enum dkim_result verify_one(struct dkim_message *m, struct dkim_signature *s,
                                   const struct header_field *f) {
    struct dkim_reading r = {.field = f};
    struct dkim_key key = {.key = NULL};
    enum dkim_result got = read_signature(m, &r, s);
    if (got == DKIM_PASS)
        got = dkim_find_key(m, &r, s, &key);
    if (got == DKIM_PASS)
        got = dkim_check_body(m, &r, s);
    if (got == DKIM_PASS)
        got = dkim_check_header(m, &r, &key, s);
    dkim_key_done(&key);
    return got;
}

/* ---- all of them ---- */

static enum dkim_result better(enum dkim_result one, enum dkim_result other) {
    static const enum dkim_result order[] = {DKIM_WAITS, DKIM_PASS, DKIM_TEMPERROR, DKIM_FAIL,
                                             DKIM_PERMERROR};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (one == order[i] || other == order[i])
            return order[i];
    return DKIM_NONE;
}

void dkim_verify(view message, const struct dkim_bodies *bodies, int64_t now_s, struct answers *a,
                 struct dkim_verdict *ret) {
    struct dkim_message m;
    bool ready = dkim_message_init(&m, message, bodies, now_s, a);
    size_t count = header_count(&m.header, "DKIM-Signature");
    *ret = (struct dkim_verdict){.result = DKIM_NONE,
                                 .list = arena_array(a->arena, struct dkim_signature, count)};
    for (size_t i = 0; ret->list && ready && i < m.header.count && ret->count < count; i++) {
        if (!view_eq_nocase(m.header.fields[i].name, VIEW("DKIM-Signature")))
            continue;
        struct dkim_signature *s = &ret->list[ret->count++];
        *s = (struct dkim_signature){.why = "",
                                     .domain = VIEW(""),
                                     .selector = VIEW(""),
                                     .identity = VIEW(""),
                                     .algorithm = VIEW(""),
                                     .value = VIEW("")};
        if (m.header.truncated) /* what follows might be the field that counts (5.4.2) */
            s->result = dkim_wrong(s, "the header is longer than what is looked at");
        else if (ret->count > DKIM_SIGNATURES_MOST)
            s->result = dkim_wrong(s, "more signatures than are looked at");
        else
            s->result = verify_one(&m, s, &m.header.fields[i]);
        ret->result = better(ret->result, s->result);
    }
    if (a->arena->failed)
        ret->result = DKIM_TEMPERROR;
}
