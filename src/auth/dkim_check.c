/* dkim_check.c: see dkim_private.h. */
#include "auth/dkim_private.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

enum {
    SHOWN = 8,
    DIGITS_MOST = 76,
    DIGITS_COUNTED = 18
}; /* RFC 6376 3.5; of more digits than are counted a number is endless */

enum dkim_result dkim_wrong(struct dkim_signature *s, const char *why) {
    s->why = why;
    return DKIM_PERMERROR;
}

bool dkim_message_init(struct dkim_message *m, view message, const struct dkim_bodies *bodies, int64_t now_s,
                       struct answers *a) {
    *m = (struct dkim_message){.now_s = now_s, .answers = a, .arena = a->arena, .bodies = bodies};
    if (!bodies)
        m->bodies = m->own = arena_new(a->arena, struct dkim_bodies);
    header_parse(message, a->arena, &m->header);
    return m->bodies != NULL;
}

/* ---- what it says ---- */

bool dkim_read_number(view text, int64_t *ret) {
    *ret = 0;
    if (text.len == 0 || text.len > DIGITS_MOST)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i]))
            return false;
        *ret = i < DIGITS_COUNTED ? *ret * 10 + (text.ptr[i] - '0') : INT64_MAX;
    }
    return true;
}

/* Of letters, digits, "-" and "_", or in UTF-8 (RFC 6376 3.5, RFC 8616 5): what it says goes into a field. */
static bool is_name(view name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alnum(c) && c != '-' && c != '_' && c != '.' && (unsigned char)c < 0x80)
            return false;
    }
    return domain_name_is_valid(name);
}

enum dkim_result dkim_read_signer(const struct dkim_message *m, struct dkim_reading *r,
                                  struct dkim_signature *s) {
    static const char *const required[] = {"a", "b", "d", "s"};
    r->limit = -1;
    if (!tags_parse(r->field->value, &r->tags))
        return dkim_wrong(s, "its tags are malformed");
    s->domain = arena_lower(m->arena, tags_value(&r->tags, "d"));
    s->selector = arena_lower(m->arena, tags_value(&r->tags, "s"));
    s->algorithm = tags_value(&r->tags, "a");
    s->value = view_slice(tags_squeeze(tags_value(&r->tags, "b"), m->arena), 0, SHOWN);
    for (size_t i = 0; i < COUNT_OF(required); i++)
        if (tags_value(&r->tags, required[i]).len == 0)
            return dkim_wrong(s, "a tag is missing");
    r->ed25519 = view_eq_nocase(s->algorithm, VIEW("ed25519-sha256"));
    r->sha1 = view_eq_nocase(s->algorithm, VIEW("rsa-sha1"));
    if (!r->ed25519 && !r->sha1 && !view_eq_nocase(s->algorithm, VIEW("rsa-sha256")))
        return dkim_wrong(s, "an unknown algorithm");
    if (!is_name(s->domain) || !is_name(s->selector))
        return dkim_wrong(s, "domain or selector is no name");
    s->identity = arena_printf(m->arena, "@%.*s", VIEW_ARG(s->domain));
    return DKIM_PASS;
}

static bool read_one_canon(view name, enum canon *ret) {
    *ret = view_eq_nocase(name, VIEW("relaxed")) ? CANON_RELAXED : CANON_SIMPLE;
    return *ret == CANON_RELAXED || view_eq_nocase(name, VIEW("simple"));
}

/* No white space within it; an empty one is not the same as none (RFC 6376 3.2). */
bool dkim_read_canon(const struct tags *t, struct dkim_reading *r) {
    view text = tags_value(t, "c");
    ptrdiff_t slash = view_find(text, '/');
    r->header = r->body = CANON_SIMPLE;
    if (!tags_find(t, "c"))
        return true;
    return read_one_canon(slash < 0 ? text : view_slice(text, 0, (size_t)slash), &r->header) &&
           (slash < 0 || read_one_canon(view_skip(text, (size_t)slash + 1), &r->body));
}

/* t= and x=. NULL: they are fine. */
static const char *time_objection(const struct dkim_message *m, const struct dkim_reading *r) {
    const struct tag *t = tags_find(&r->tags, "t"), *x = tags_find(&r->tags, "x");
    int64_t signed_s = 0, expires_s = 0;
    if ((t && !dkim_read_number(t->value, &signed_s)) || (x && !dkim_read_number(x->value, &expires_s)))
        return "a time that is no number";
    if (t && x && expires_s <= signed_s)
        return "it ends before it begins";
    return x && expires_s < m->now_s ? "it has expired" : NULL;
}

enum dkim_result dkim_read_scope(const struct dkim_message *m, struct dkim_reading *r,
                                 struct dkim_signature *s) {
    if (tags_value(&r->tags, "bh").len == 0 || tags_value(&r->tags, "h").len == 0)
        return dkim_wrong(s, "a tag is missing");
    if (!dkim_read_canon(&r->tags, r))
        return dkim_wrong(s, "an unknown canonicalization");
    if (!tags_list_has(tags_value(&r->tags, "h"), VIEW("From")))
        return dkim_wrong(s, "From is not signed");
    if (tags_find(&r->tags, "l") && !dkim_read_number(tags_value(&r->tags, "l"), &r->limit))
        return dkim_wrong(s, "a length that is no number");
    const char *objection = time_objection(m, r);
    if (objection)
        return dkim_wrong(s, objection);
    r->hash = dkim_base64(tags_value(&r->tags, "bh"), m->arena, &r->hash_len);
    if (!r->hash)
        return dkim_wrong(s, "the body's hash is no base64");
    r->signature = dkim_base64(tags_value(&r->tags, "b"), m->arena, &r->signature_len);
    return r->signature ? DKIM_PASS : dkim_wrong(s, "the signature is no base64");
}

/* ---- its key ---- */

enum dkim_result dkim_find_key(const struct dkim_message *m, const struct dkim_reading *r,
                               struct dkim_signature *s, struct dkim_key *ret) {
    view name = arena_printf(m->arena, "%.*s._domainkey.%.*s", VIEW_ARG(s->selector), VIEW_ARG(s->domain));
    const struct answer *found = answers_get(m->answers, name, RECORD_TXT);
    if (!found)
        return DKIM_WAITS;
    if (found->state == ANSWER_TEMPORARY) {
        s->why = "its key cannot be asked for now";
        return DKIM_TEMPERROR;
    }
    const char *why = "there is no key";
    bool read = false;
    for (size_t i = 0; i < found->count && !read; i++)
        read = dkim_key_read(found->records[i].data, m->arena, ret, &why);
    if (!read)
        return dkim_wrong(s, why);
    s->bits = ret->bits;
    s->testing = ret->testing;
    if (ret->ed25519 != r->ed25519)
        return dkim_wrong(s, "a key of another kind");
    if (r->sha1)
        return dkim_wrong(s, "SHA-1 is no longer in use");
    view identity = view_skip(s->identity, (size_t)view_rfind(s->identity, '@') + 1);
    if (ret->strict && !view_eq_nocase(identity, s->domain))
        return dkim_wrong(s, "the key is for the domain alone");
    return DKIM_PASS;
}

/* ---- what was signed ---- */

/* NULL: too many ways to look at one body. */
static const struct dkim_body *body_of(struct dkim_message *m, const struct dkim_reading *r) {
    const struct dkim_body *found = dkim_find_body(m->bodies, r);
    if (found || m->bodies != m->own || m->own->count == DKIM_BODIES_MOST)
        return found;
    struct dkim_body *b = &m->own->list[m->own->count++];
    b->how = r->body;
    b->limit = r->limit;
    b->len = canon_body_digest(r->body, m->header.body, r->limit, b->digest);
    return b;
}

enum dkim_result dkim_check_body(struct dkim_message *m, const struct dkim_reading *r,
                                 struct dkim_signature *s) {
    const struct dkim_body *b = body_of(m, r);
    if (!b)
        return dkim_wrong(s, "more ways to look at the body than are tried");
    s->why = "the body was changed";
    if (r->limit > b->len)
        s->why = "the body is shorter than what was signed";
    else if (r->hash_len == sizeof b->digest && memcmp(r->hash, b->digest, r->hash_len) == 0)
        s->why = "";
    s->unsigned_len = r->limit >= 0 && r->limit < b->len ? b->len - r->limit : 0;
    return *s->why ? DKIM_FAIL : DKIM_PASS;
}

const struct header_field *dkim_take_field(const struct header *h, const struct header_field *own, view name,
                                           bool *taken) {
    for (size_t i = h->count; i-- > 0;)
        if (!taken[i] && &h->fields[i] != own && view_eq_nocase(h->fields[i].name, name)) {
            taken[i] = true;
            return &h->fields[i];
        }
    return NULL;
}

void dkim_add_own(const struct dkim_reading *r, struct buf *out) {
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
static bool collect_header(const struct dkim_message *m, const struct dkim_reading *r, struct buf *out) {
    bool *taken = arena_array(m->arena, bool, m->header.count + 1);
    view names = tags_value(&r->tags, "h"), name;
    for (size_t n = 0; taken && view_split(&names, ':', &name); n++) {
        if (n == DKIM_NAMES_MOST)
            return false;
        const struct header_field *f = dkim_take_field(&m->header, r->field, view_trim(name), taken);
        if (f)
            canon_field(r->header, f, out);
    }
    dkim_add_own(r, out);
    return taken && !out->failed;
}

enum dkim_result dkim_check_signed(const struct dkim_message *m, const struct dkim_reading *r,
                                   const struct dkim_key *key, view what, struct dkim_signature *s) {
    size_t len;
    const unsigned char *signature = dkim_base64(tags_value(&r->tags, "b"), m->arena, &len);
    if (!signature)
        return dkim_wrong(s, "the signature is no base64");
    if (dkim_key_has_signed(key, what, signature, len))
        return DKIM_PASS;
    s->why = "the header was changed, or another key has signed it";
    return DKIM_FAIL;
}

enum dkim_result dkim_check_header(const struct dkim_message *m, const struct dkim_reading *r,
                                   const struct dkim_key *key, struct dkim_signature *s) {
    struct buf signed_header = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    enum dkim_result got = collect_header(m, r, &signed_header)
                               ? dkim_check_signed(m, r, key, buf_view(&signed_header), s)
                               : dkim_wrong(s, "it signs more fields than are looked at");
    buf_done(&signed_header);
    return got;
}
