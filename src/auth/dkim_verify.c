/* dkim_verify.c: see dkim.h. A signature is read, its key is asked for, and then body and header are hashed
 * as it says; bodies that several signatures see the same way are hashed once. */
#include "auth/dkim_private.h"

static bool is_below(view name, view domain) {
    return view_eq_nocase(name, domain) ||
           (name.len > domain.len && name.ptr[name.len - domain.len - 1] == '.' &&
            view_eq_nocase(view_skip(name, name.len - domain.len), domain));
}

/* i=: below the domain. */
static bool read_identity(const struct dkim_message *m, const struct dkim_reading *r,
                          struct dkim_signature *s) {
    if (!tags_find(&r->tags, "i"))
        return true;
    s->identity = tags_squeeze(tags_value(&r->tags, "i"), m->arena);
    ptrdiff_t at = view_rfind(s->identity, '@');
    return at >= 0 && is_below(view_skip(s->identity, (size_t)at + 1), s->domain);
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

<<<<<<< HEAD
static enum dkim_result verify_one(struct dkim_message *m, struct dkim_signature *s,
=======
/* ---- its key ---- */

static enum dkim_result find_key(struct verifying *v, struct reading *r, struct dkim_signature *s,
                                 struct dkim_key *ret) {
    view name = arena_printf(v->arena, "%.*s._domainkey.%.*s", VIEW_ARG(s->selector), VIEW_ARG(s->domain));
    const struct answer *found = answers_get(v->answers, name, RECORD_TXT);
    if (!found)
        return DKIM_WAITS;
    if (found->state == ANSWER_TEMPORARY) {
        s->why = "its key cannot be asked for now";
        return DKIM_TEMPERROR;
    }
    const char *why = "there is no key";
    bool read = false;
    for (size_t i = 0; i < found->count && !read; i++)
        read = dkim_key_read(found->records[i].data, v->arena, ret, &why);
    if (!read)
        return wrong(s, why);
    s->bits = ret->bits;
    s->testing = ret->testing;
    if (ret->ed25519 != r->ed25519)
        return wrong(s, "a key of another kind");
    if (r->sha1)
        return wrong(s, "SHA-1 is no longer in use");
    view identity = view_skip(s->identity, (size_t)view_rfind(s->identity, '@') + 1);
    if (ret->strict && !view_eq_nocase(identity, s->domain))
        return wrong(s, "the key is for the domain alone");
    return DKIM_PASS;
}

/* ---- what was signed ---- */

/* NULL: too many ways to look at one body. */
static const struct body *body_of(struct verifying *v, const struct reading *r) {
    for (size_t i = 0; i < v->body_count; i++)
        if (v->bodies[i].how == r->body && v->bodies[i].limit == r->limit)
            return &v->bodies[i];
    if (v->body_count == BODIES_MOST)
        return NULL;
    struct body *b = &v->bodies[v->body_count++];
    *b = (struct body){.how = r->body, .limit = r->limit};
    b->len = canon_body_digest(r->body, v->header.body, r->limit, b->digest);
    return b;
}

static enum dkim_result check_body(struct verifying *v, struct reading *r, struct dkim_signature *s) {
    size_t len;
    const unsigned char *said = dkim_base64(tags_value(&r->tags, "bh"), v->arena, &len);
    const struct body *b = body_of(v, r);
    if (!said)
        return wrong(s, "the body's hash is no base64");
    if (!b)
        return wrong(s, "more ways to look at the body than are tried");
    s->why = "the body was changed";
    if (r->limit > b->len)
        s->why = "the body is shorter than what was signed";
    else if (len == sizeof b->digest && memcmp(said, b->digest, len) == 0)
        s->why = "";
    s->unsigned_len = r->limit >= 0 && r->limit < b->len ? b->len - r->limit : 0;
    return *s->why ? DKIM_FAIL : DKIM_PASS;
}

/* The field of that name that stands lowest and was not taken before; never the signature itself (3.7). */
static const struct header_field *take_field(const struct verifying *v, const struct header_field *own,
                                             view name, bool *taken) {
    for (size_t i = v->header.count; i-- > 0;)
        if (!taken[i] && &v->header.fields[i] != own && view_eq_nocase(v->header.fields[i].name, name)) {
            taken[i] = true;
            return &v->header.fields[i];
        }
    return NULL;
}

/* The signature's own field, without what b= says and without its line end (RFC 6376 3.7). */
static void add_own(const struct reading *r, struct buf *out) {
    struct buf bare = BUF_INIT(r->field->raw.len + 1), canonical = BUF_INIT(r->field->raw.len + 8);
    view raw = r->field->raw, b = tags_find(&r->tags, "b")->raw;
    size_t before = (size_t)(b.ptr - raw.ptr), name = (size_t)(r->field->value.ptr - raw.ptr);
    buf_add(&bare, view_slice(raw, 0, before));
    buf_add(&bare, view_skip(raw, before + b.len));
    struct header_field own = {
        .name = r->field->name, .raw = buf_view(&bare), .value = view_skip(buf_view(&bare), name)};
    canon_field(r->header, &own, &canonical);
    buf_add(out, view_slice(buf_view(&canonical), 0, canonical.len - 2));
    buf_done(&bare);
    buf_done(&canonical);
}

/* False: it names more fields than are looked for. */
static bool collect_header(struct verifying *v, const struct reading *r, struct buf *out) {
    bool *taken = arena_array(v->arena, bool, v->header.count + 1);
    view names = tags_value(&r->tags, "h"), name;
    for (size_t n = 0; taken && view_split(&names, ':', &name); n++) {
        if (n == NAMES_MOST)
            return false;
        const struct header_field *f = take_field(v, r->field, view_trim(name), taken);
        if (f)
            canon_field(r->header, f, out);
    }
    add_own(r, out);
    return taken && !out->failed;
}

static enum dkim_result check_header(struct verifying *v, struct reading *r, const struct dkim_key *key,
                                     struct dkim_signature *s) {
    size_t len;
    const unsigned char *signature = dkim_base64(tags_value(&r->tags, "b"), v->arena, &len);
    struct buf signed_header = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    enum dkim_result got = DKIM_PASS;
    if (!signature)
        got = wrong(s, "the signature is no base64");
    else if (!collect_header(v, r, &signed_header))
        got = wrong(s, "it signs more fields than are looked at");
    else if (!dkim_key_has_signed(key, buf_view(&signed_header), signature, len)) {
        s->why = "the header was changed, or another key has signed it";
        got = DKIM_FAIL;
    }
    buf_done(&signed_header);
    return got;
}

static enum dkim_result verify_one(struct verifying *v, struct dkim_signature *s,
>>>>>>> work-dkim2
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
