/* dkim_verify.c: see dkim.h. A signature is read, its key is asked for, and then body and header are hashed
 * as it says; bodies that several signatures see the same way are hashed once. */
#include <string.h>

#include "auth/dkim.h"
#include "auth/dkim_canon.h"
#include "auth/dkim_key.h"
#include "auth/tags.h"
#include "base/limits.h"

enum { BODIES_MOST = 8, NAMES_MOST = 1000, SHOWN = 8 };
enum { DIGITS_MOST = 76, DIGITS_COUNTED = 18 }; /* RFC 6376 3.5; of more digits a number is endless */

/* One way to look at the body. */
struct body {
    enum canon how;
    int64_t limit, len;
    unsigned char digest[32];
};

struct verifying {
    view message;
    struct header header;
    int64_t now_s;
    struct answers *answers;
    struct arena *arena;
    struct body bodies[BODIES_MOST];
    size_t body_count;
};

struct reading {
    struct tags tags;
    const struct header_field *field;
    enum canon header, body;
    int64_t limit; /* l=; -1: none */
    bool ed25519, sha1;
    const unsigned char *hash, *signature; /* bh=, b= */
    size_t hash_len, signature_len;
};

static enum dkim_result wrong(struct dkim_signature *s, const char *why) {
    s->why = why;
    return DKIM_PERMERROR;
}

/* ---- what it says ---- */

static bool read_number(view text, int64_t *ret) {
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

static bool read_one_canon(view name, enum canon *ret) {
    *ret = view_eq_nocase(name, VIEW("relaxed")) ? CANON_RELAXED : CANON_SIMPLE;
    return *ret == CANON_RELAXED || view_eq_nocase(name, VIEW("simple"));
}

/* c=, no white space within it. An empty one is not the same as none (RFC 6376 3.2). */
static bool read_canon(const struct tags *t, struct reading *r) {
    view text = tags_value(t, "c");
    ptrdiff_t slash = view_find(text, '/');
    r->header = r->body = CANON_SIMPLE;
    if (!tags_find(t, "c"))
        return true;
    return read_one_canon(slash < 0 ? text : view_slice(text, 0, (size_t)slash), &r->header) &&
           (slash < 0 || read_one_canon(view_skip(text, (size_t)slash + 1), &r->body));
}

static bool is_below(view name, view domain) {
    return view_eq_nocase(name, domain) ||
           (name.len > domain.len && name.ptr[name.len - domain.len - 1] == '.' &&
            view_eq_nocase(view_skip(name, name.len - domain.len), domain));
}

static bool read_identity(struct verifying *v, struct reading *r, struct dkim_signature *s) {
    view identity = tags_squeeze(tags_value(&r->tags, "i"), v->arena);
    ptrdiff_t at = view_rfind(identity, '@');
    if (!tags_find(&r->tags, "i")) {
        s->identity = arena_printf(v->arena, "@%.*s", VIEW_ARG(s->domain));
        return true;
    }
    s->identity = identity;
    return at >= 0 && is_below(view_skip(identity, (size_t)at + 1), s->domain);
}

/* t= and x=. NULL: they are fine. */
static const char *time_objection(struct verifying *v, struct reading *r) {
    const struct tag *t = tags_find(&r->tags, "t"), *x = tags_find(&r->tags, "x");
    int64_t signed_s = 0, expires_s = 0;
    if ((t && !read_number(t->value, &signed_s)) || (x && !read_number(x->value, &expires_s)))
        return "a time that is no number";
    if (t && x && expires_s <= signed_s)
        return "it ends before it begins";
    return x && expires_s < v->now_s ? "it has expired" : NULL;
}

/* The drafts before RFC 4871 had no v= and said q=dns: mail of 2005 in archives has such signatures. */
static bool is_of_a_draft(const struct tags *t) {
    return !tags_find(t, "v") && view_eq(tags_value(t, "q"), VIEW("dns"));
}

static bool is_kept_in_dns(const struct tags *t) {
    return !tags_find(t, "q") || tags_list_has(tags_value(t, "q"), VIEW("dns/txt")) || is_of_a_draft(t);
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

static enum dkim_result read_signature(struct verifying *v, struct reading *r, struct dkim_signature *s) {
    static const char *const required[] = {"a", "b", "bh", "d", "h", "s"};
    r->limit = -1;
    if (!tags_parse(r->field->value, &r->tags))
        return wrong(s, "its tags are malformed");
    s->domain = arena_lower(v->arena, tags_value(&r->tags, "d"));
    s->selector = arena_lower(v->arena, tags_value(&r->tags, "s"));
    s->algorithm = tags_value(&r->tags, "a");
    s->value = view_slice(tags_squeeze(tags_value(&r->tags, "b"), v->arena), 0, SHOWN);
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++)
        if (tags_value(&r->tags, required[i]).len == 0)
            return wrong(s, "a tag is missing");
    if (!view_eq(tags_value(&r->tags, "v"), VIEW("1")) && !is_of_a_draft(&r->tags))
        return wrong(s, "no version, or an unknown one");
    r->ed25519 = view_eq_nocase(s->algorithm, VIEW("ed25519-sha256"));
    r->sha1 = view_eq_nocase(s->algorithm, VIEW("rsa-sha1"));
    if (!r->ed25519 && !r->sha1 && !view_eq_nocase(s->algorithm, VIEW("rsa-sha256")))
        return wrong(s, "an unknown algorithm");
    if (!read_canon(&r->tags, r))
        return wrong(s, "an unknown canonicalization");
    if (!is_name(s->domain) || !is_name(s->selector))
        return wrong(s, "domain or selector is no name");
    if (!read_identity(v, r, s))
        return wrong(s, "its identity is of another domain");
    if (!tags_list_has(tags_value(&r->tags, "h"), VIEW("From")))
        return wrong(s, "From is not signed");
    if (!is_kept_in_dns(&r->tags))
        return wrong(s, "its key is kept in no way that is known");
    if (tags_find(&r->tags, "l") && !read_number(tags_value(&r->tags, "l"), &r->limit))
        return wrong(s, "a length that is no number");
    const char *objection = time_objection(v, r);
    return objection ? wrong(s, objection) : DKIM_PASS;
}

/* bh= and b=. */
static enum dkim_result read_octets(struct verifying *v, struct reading *r, struct dkim_signature *s) {
    r->hash = dkim_base64(tags_value(&r->tags, "bh"), v->arena, &r->hash_len);
    r->signature = dkim_base64(tags_value(&r->tags, "b"), v->arena, &r->signature_len);
    if (!r->hash)
        return wrong(s, "the body's hash is no base64");
    return r->signature ? DKIM_PASS : wrong(s, "the signature is no base64");
}

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
    const struct body *b = body_of(v, r);
    if (!b)
        return wrong(s, "more ways to look at the body than are tried");
    s->why = "the body was changed";
    if (r->limit > b->len)
        s->why = "the body is shorter than what was signed";
    else if (r->hash_len == sizeof b->digest && memcmp(r->hash, b->digest, r->hash_len) == 0)
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

static bool is_signed_by(const struct dkim_key *key, view what, const unsigned char *signature, size_t len) {
    unsigned char digest[32];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    BUG_ON(!context || !EVP_Digest(what.ptr, what.len, digest, NULL, EVP_sha256(), NULL));
    int ok =
        key->ed25519 /* which signs the digest (RFC 8463 3) */
            ? EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->key) == 1 &&
                  EVP_DigestVerify(context, signature, len, digest, sizeof digest) == 1
            : EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->key) == 1 &&
                  EVP_DigestVerify(context, signature, len, (const unsigned char *)what.ptr, what.len) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

static enum dkim_result check_header(struct verifying *v, struct reading *r, const struct dkim_key *key,
                                     struct dkim_signature *s) {
    struct buf signed_header = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    enum dkim_result got = DKIM_PASS;
    if (!collect_header(v, r, &signed_header))
        got = wrong(s, "it signs more fields than are looked at");
    else if (!is_signed_by(key, buf_view(&signed_header), r->signature, r->signature_len)) {
        s->why = "the header was changed, or another key has signed it";
        got = DKIM_FAIL;
    }
    buf_done(&signed_header);
    return got;
}

static enum dkim_result verify_one(struct verifying *v, struct dkim_signature *s,
                                   const struct header_field *f) {
    struct reading r = {.field = f};
    struct dkim_key key = {.key = NULL};
    enum dkim_result got = read_signature(v, &r, s);
    if (got == DKIM_PASS)
        got = read_octets(v, &r, s);
    if (got == DKIM_PASS)
        got = find_key(v, &r, s, &key);
    if (got == DKIM_PASS)
        got = check_body(v, &r, s);
    if (got == DKIM_PASS)
        got = check_header(v, &r, &key, s);
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

void dkim_verify(view message, int64_t now_s, struct answers *a, struct dkim_verdict *ret) {
    struct verifying v = {.message = message, .now_s = now_s, .answers = a, .arena = a->arena};
    header_parse(message, a->arena, &v.header);
    size_t count = header_count(&v.header, "DKIM-Signature");
    *ret = (struct dkim_verdict){.result = DKIM_NONE,
                                 .list = arena_array(a->arena, struct dkim_signature, count)};
    for (size_t i = 0; ret->list && i < v.header.count && ret->count < count; i++) {
        if (!view_eq_nocase(v.header.fields[i].name, VIEW("DKIM-Signature")))
            continue;
        struct dkim_signature *s = &ret->list[ret->count++];
        *s = (struct dkim_signature){.why = "",
                                     .domain = VIEW(""),
                                     .selector = VIEW(""),
                                     .identity = VIEW(""),
                                     .algorithm = VIEW(""),
                                     .value = VIEW("")};
        if (v.header.truncated) /* what follows might be the field that counts (5.4.2) */
            s->result = wrong(s, "the header is longer than what is looked at");
        else if (ret->count > DKIM_SIGNATURES_MOST)
            s->result = wrong(s, "more signatures than are looked at");
        else
            s->result = verify_one(&v, s, &v.header.fields[i]);
        ret->result = better(ret->result, s->result);
    }
    if (a->arena->failed)
        ret->result = DKIM_TEMPERROR;
}
