/* dkim2_fields.c: what Message-Instance and DKIM2-Signature say (draft 7, 8, 11.2). Verifiers are to be
 * meticulous here: what is odd is an error of the whole message, named in the words of the draft. */
#include <stdarg.h>
#include <stdio.h>

#include "auth/dkim2_private.h"
#include "auth/dkim_key.h"
#include "auth/tags.h"
#include "base/words.h"

enum { DIGITS_MOST = 18, NUMBER_MOST = 1000000, WHY_MOST = 256 };

static const char *const field_names[] = {"Message-Instance", "DKIM2-Signature"};
enum field { INSTANCE, SIGNATURE };

struct reading {
    struct arena *arena;
    struct dkim2_fault *fault;
    bool bare_paths;
    enum field kind;
    struct tags tags;
    int number; /* m= or i=; 0: not known yet */
};

bool dkim2_wrong(struct dkim2_fault *f, enum dkim2_result result, int hop, const char *fmt, ...) {
    char text[WHY_MOST];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    f->result = result;
    f->hop = hop;
    f->why = arena_str(f->arena, view_of(text));
    return false;
}

/* About the field that is read. */
static bool refuse(const struct reading *r, const char *what) {
    int hop = r->kind == SIGNATURE ? r->number : 0;
    if (r->number == 0)
        return dkim2_wrong(r->fault, DKIM2_PERMERROR, hop, "%s %s", field_names[r->kind], what);
    return dkim2_wrong(r->fault, DKIM2_PERMERROR, hop, "%s %c=%d %s", field_names[r->kind],
                       r->kind == INSTANCE ? 'm' : 'i', r->number, what);
}

/* ---- tags, in any case of letters ---- */

static const struct tag *find(const struct reading *r, const char *name) {
    for (size_t i = 0; i < r->tags.count; i++)
        if (view_eq_nocase(r->tags.list[i].name, view_of(name)))
            return &r->tags.list[i];
    return NULL;
}

static const struct tag *need(const struct reading *r, const char *name) {
    char what[32];
    const struct tag *t = find(r, name);
    snprintf(what, sizeof what, "tag=%s missing", name);
    if (!t)
        refuse(r, what);
    return t;
}

static bool read_tags(struct reading *r, view value) {
    if (!tags_parse(value, &r->tags) || r->tags.count == 0)
        return refuse(r, "syntax error");
    for (size_t i = 0; i < r->tags.count; i++)
        for (size_t k = 0; k < i; k++)
            if (view_eq_nocase(r->tags.list[i].name, r->tags.list[k].name))
                return refuse(r, "syntax error (a tag is there twice)");
    return true;
}

static bool read_digits(view text, int64_t *ret) {
    *ret = 0;
    if (text.len == 0 || text.len > DIGITS_MOST)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i]))
            return false;
        *ret = *ret * 10 + (text.ptr[i] - '0');
    }
    return true;
}

/* m= and i= */
static bool read_ordinal(const struct reading *r, const char *name, int *ret) {
    int64_t n;
    const struct tag *t = need(r, name);
    if (!t)
        return false;
    if (!read_digits(t->value, &n) || n < 1 || n > NUMBER_MOST)
        return refuse(r, "syntax error");
    *ret = (int)n;
    return true;
}

/* view_split() passes over an empty last item. */
static bool ends_well(view list) {
    return list.len > 0 && list.ptr[list.len - 1] != ',';
}

/* Bits of its padding are 0 (2.14), so that a value has one form only. */
static bool read_base64(const struct reading *r, view text, view *ret) {
    size_t len;
    const unsigned char *octets = dkim_base64(text, r->arena, &len);
    *ret = view_from(octets, octets ? len : 0);
    return octets && octets[len] == 0;
}

/* ---- Message-Instance ---- */

static bool read_hash(const struct reading *r, view text, struct dkim2_instance *to) {
    view name, header;
    if (to->count == DKIM2_HASHES_MOST || !view_split(&text, ':', &name) || !view_split(&text, ':', &header))
        return refuse(r, "syntax error");
    struct dkim2_hash *h = &to->hashes[to->count];
    h->name = view_trim(name);
    h->kind = dkim2_hash_named(h->name);
    if (h->name.len == 0 || !read_base64(r, header, &h->header) || !read_base64(r, text, &h->body))
        return refuse(r, "syntax error");
    for (size_t i = 0; i < to->count; i++)
        if (view_eq(to->hashes[i].name, h->name))
            return refuse(r, "has a duplicate hash algorithm");
    to->count++;
    return true;
}

static bool read_hashes(const struct reading *r, struct dkim2_instance *to) {
    const struct tag *t = need(r, "h");
    view rest = t ? t->value : VIEW(""), one;
    if (!t)
        return false;
    to->said = tags_squeeze(t->value, r->arena);
    if (!ends_well(t->value))
        return refuse(r, "syntax error");
    while (view_split(&rest, ',', &one))
        if (!read_hash(r, one, to))
            return false;
    for (size_t i = 0; i < to->count; i++)
        if (to->hashes[i].kind)
            return true;
    return refuse(r, "has no supported hash algorithm");
}

static bool read_recipe(const struct reading *r, struct dkim2_instance *to) {
    const struct tag *t = find(r, "r");
    view json;
    if (!t)
        return true;
    if (t->value.len > 2 * DKIM2_RECIPE_MOST || !read_base64(r, t->value, &json))
        return refuse(r, "syntax error");
    to->recipe = arena_new(r->arena, struct dkim2_recipe);
    if (!to->recipe || json.len > DKIM2_RECIPE_MOST || !dkim2_recipe_read(json, r->arena, to->recipe) ||
        (!to->recipe->has_header && !to->recipe->has_body))
        return refuse(r, "contains invalid JSON");
    return true;
}

static bool read_instance(struct reading *r, const struct header_field *f, struct dkim2_instance *to) {
    *to = (struct dkim2_instance){.field = f};
    if (!read_tags(r, f->value) || !read_ordinal(r, "m", &to->m))
        return false;
    r->number = to->m;
    return read_hashes(r, to) && read_recipe(r, to);
}

/* ---- DKIM2-Signature ---- */

/* ASCII alone: what it says goes into a question to DNS. */
static bool is_domain(view name) {
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_' && name.ptr[i] != '.')
            return false;
    return domain_name_is_valid(name);
}

static bool read_domain(const struct reading *r, const struct tag *t, view *ret) {
    *ret = arena_lower(r->arena, t->value);
    return is_domain(*ret) || refuse(r, "syntax error");
}

/* A path with its angle brackets, in base64. */
static bool read_path(const struct reading *r, view text, view *ret) {
    view path;
    if (!read_base64(r, text, &path))
        return false;
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] < ' ' || path.ptr[i] == 0x7f)
            return false;
    bool bracketed = path.len >= 2 && path.ptr[0] == '<' && path.ptr[path.len - 1] == '>';
    *ret = bracketed ? view_slice(path, 1, path.len - 2) : path;
    return bracketed || r->bare_paths;
}

static bool read_recipients(const struct reading *r, view text, struct dkim2_hop *to) {
    size_t most = 1;
    view one, all = text;
    for (size_t i = 0; i < text.len; i++)
        most += text.ptr[i] == ',';
    to->recipients = most <= DKIM2_RECIPIENTS_MOST ? arena_array(r->arena, view, most) : NULL;
    while (to->recipients && view_split(&text, ',', &one)) {
        view *path = &to->recipients[to->recipient_count++];
        if (!read_path(r, one, path) || path->len == 0)
            return refuse(r, "syntax error (rt)");
    }
    return (to->recipients && ends_well(all)) || refuse(r, "syntax error (rt)");
}

/* Either mf= and rt=, or nd=. */
static bool read_way(const struct reading *r, struct dkim2_hop *to) {
    const struct tag *nd = find(r, "nd"), *mf = find(r, "mf"), *rt = find(r, "rt");
    to->sender = to->next = VIEW("");
    if (nd && mf)
        return refuse(r, "tag=mf was unexpected");
    if (nd && rt)
        return refuse(r, "tag=rt was unexpected");
    if (nd)
        return read_domain(r, nd, &to->next);
    if (!(mf = need(r, "mf")) || !(rt = need(r, "rt")))
        return false;
    ptrdiff_t at = -1;
    if (!read_path(r, mf->value, &to->sender) ||
        (to->sender.len > 0 && ((at = view_rfind(to->sender, '@')) < 1 || (size_t)at + 1 == to->sender.len)))
        return refuse(r, "syntax error (mf)");
    return read_recipients(r, rt->value, to);
}

/* One value may have the algorithm of another; more would be tries. */
static bool is_allowed(const struct reading *r, const struct dkim2_hop *to, const struct dkim2_value *v) {
    int same = 0;
    for (size_t i = 0; i < to->count; i++) {
        if (view_eq(to->values[i].selector, v->selector))
            return refuse(r, "has a duplicate selector");
        same += view_eq(to->values[i].name, v->name);
    }
    return same < 2 || refuse(r, "has more selectors than allowed");
}

static bool read_value(const struct reading *r, view text, struct dkim2_hop *to) {
    view selector, name;
    if (to->count == DKIM2_VALUES_MOST)
        return refuse(r, "has more selectors than allowed");
    if (!view_split(&text, ':', &selector) || !view_split(&text, ':', &name))
        return refuse(r, "syntax error (s)");
    struct dkim2_value *v = &to->values[to->count];
    v->selector = arena_lower(r->arena, view_trim(selector));
    v->name = view_trim(name);
    if (view_eq(v->name, VIEW("rsa-sha256")))
        v->algorithm = DKIM2_RSA;
    if (view_eq(v->name, VIEW("ed25519-sha256")))
        v->algorithm = DKIM2_ED25519;
    if (!is_domain(v->selector) || v->name.len == 0 || !read_base64(r, text, &v->octets))
        return refuse(r, "syntax error (s)");
    if (!is_allowed(r, to, v))
        return false;
    to->count++;
    return true;
}

static bool read_values(const struct reading *r, const struct tag *t, struct dkim2_hop *to) {
    view rest = t->value, one;
    to->values_raw = t->raw;
    while (view_split(&rest, ',', &one))
        if (!read_value(r, one, to))
            return false;
    return ends_well(t->value) || refuse(r, "syntax error (s)");
}

static bool read_nonce(const struct reading *r) {
    const struct tag *t = find(r, "n");
    view nonce = t ? t->value : VIEW("");
    for (size_t i = 0; i < nonce.len; i++)
        if (nonce.ptr[i] <= ' ' || nonce.ptr[i] > '~')
            return refuse(r, "syntax error (nonce)");
    return nonce.len <= DKIM2_NONCE_MOST || refuse(r, "syntax error (nonce)");
}

static unsigned read_flags(const struct reading *r) {
    const struct tag *t = find(r, "f");
    view rest = t ? t->value : VIEW(""), one;
    unsigned flags = 0;
    int64_t place;
    while (view_split(&rest, ',', &one))
        if (words_find(DKIM2_FLAG_WORDS, view_trim(one), &place))
            flags |= 1u << place;
    return flags;
}

static bool read_hop(struct reading *r, const struct header_field *f, struct dkim2_hop *to) {
    const struct tag *t, *d, *s;
    *to = (struct dkim2_hop){.field = f};
    if (!read_tags(r, f->value) || !read_ordinal(r, "i", &to->i))
        return false;
    r->number = to->i;
    if (!read_ordinal(r, "m", &to->m) || !(t = need(r, "t")) || !(d = need(r, "d")) || !(s = need(r, "s")))
        return false;
    if (!read_digits(t->value, &to->signed_s))
        return refuse(r, "syntax error");
    to->flags = read_flags(r);
    return read_domain(r, d, &to->domain) && read_way(r, to) && read_nonce(r) && read_values(r, s, to);
}

/* ---- all of them ---- */

/* They are numbered without gaps: each goes to its place. */
static bool take_instance(struct reading *r, const struct header_field *f, struct dkim2_chain *c) {
    struct dkim2_instance one;
    if (!read_instance(r, f, &one))
        return false;
    if (one.m > c->instance_count)
        return true; /* a gap, which is found below */
    if (c->instances[one.m - 1].m != 0)
        return refuse(r, "syntax error (it is there twice)");
    c->instances[one.m - 1] = one;
    return true;
}

static bool take_hop(struct reading *r, const struct header_field *f, struct dkim2_chain *c) {
    struct dkim2_hop one;
    if (!read_hop(r, f, &one))
        return false;
    if (one.i > c->hop_count)
        return true;
    if (c->hops[one.i - 1].i != 0)
        return refuse(r, "syntax error (it is there twice)");
    c->hops[one.i - 1] = one;
    return true;
}

/* Counts, gaps, and that each hop covers what the one before covered. */
static bool is_whole(const struct dkim2_chain *c, struct dkim2_fault *f) {
    for (int i = 0; i < c->hop_count; i++)
        if (c->hops[i].i == 0)
            return dkim2_wrong(f, DKIM2_PERMERROR, i + 1, "DKIM2-Signature i=%d missing", i + 1);
    for (int m = 0; m < c->instance_count; m++)
        if (c->instances[m].m == 0)
            return dkim2_wrong(f, DKIM2_PERMERROR, 0, "Message-Instance m=%d missing", m + 1);
    for (int i = 0; i < c->hop_count; i++) {
        if (c->hops[i].m > c->instance_count)
            return dkim2_wrong(f, DKIM2_PERMERROR, i + 1, "Message-Instance m=%d missing",
                               c->instance_count + 1);
        if (i > 0 && c->hops[i].m < c->hops[i - 1].m)
            return dkim2_wrong(f, DKIM2_PERMERROR, i + 1, "DKIM2-Signature i=%d syntax error (m)", i + 1);
    }
    return true;
}

/* One without a recipe has the hashes of the one before (9.1). */
static bool has_recipes(const struct dkim2_chain *c, struct dkim2_fault *f) {
    for (int m = 1; m < c->instance_count; m++)
        if (!c->instances[m].recipe && !view_eq(c->instances[m].said, c->instances[m - 1].said))
            return dkim2_wrong(f, DKIM2_PERMERROR, 0, "Message-Instance m=%d tag=r missing", m + 1);
    return true;
}

bool dkim2_chain_read(const struct header *h, bool bare_paths, struct arena *a, struct dkim2_fault *f,
                      struct dkim2_chain *ret) {
    size_t instances = header_count(h, field_names[INSTANCE]), hops = header_count(h, field_names[SIGNATURE]);
    *ret = (struct dkim2_chain){.instance_count = 0};
    if (instances + hops == 0)
        return true;
    if (h->truncated)
        return dkim2_wrong(f, DKIM2_PERMERROR, 0, "the header is longer than what is looked at");
    if (instances > DKIM2_HOPS_MOST || hops > DKIM2_HOPS_MOST)
        return dkim2_wrong(f, DKIM2_PERMERROR, 0, "more fields of DKIM2 than are looked at");
    ret->instances = arena_array(a, struct dkim2_instance, instances + 1);
    ret->hops = arena_array(a, struct dkim2_hop, hops + 1);
    if (!ret->instances || !ret->hops)
        return dkim2_wrong(f, DKIM2_PERMERROR, 0, "longer than what is looked at");
    ret->instance_count = (int)instances;
    ret->hop_count = (int)hops;
    for (size_t i = 0; i < h->count; i++) {
        struct reading r = {.arena = a, .fault = f, .bare_paths = bare_paths};
        if (view_eq_nocase(h->fields[i].name, view_of(field_names[INSTANCE])) &&
            !take_instance(&r, &h->fields[i], ret))
            return false;
        r.kind = SIGNATURE;
        if (view_eq_nocase(h->fields[i].name, view_of(field_names[SIGNATURE])) &&
            !take_hop(&r, &h->fields[i], ret))
            return false;
    }
    return is_whole(ret, f) && has_recipes(ret, f);
}

/* ---- as they are signed ---- */

/* Without white space; the values of s= are left out, what stands around them is not. */
static void add_bare(const struct dkim2_hop *hop, struct buf *out) {
    view raw = hop->field->raw, rest = hop->values_raw, one, selector, name;
    size_t before = (size_t)(rest.ptr - raw.ptr);
    struct buf bare = BUF_INIT(raw.len + 2);
    buf_add(&bare, view_slice(raw, 0, before));
    for (bool more = false; view_split(&rest, ',', &one); more = true) {
        view_split(&one, ':', &selector);
        view_split(&one, ':', &name);
        if (more)
            buf_add_char(&bare, ',');
        buf_add(&bare, selector);
        buf_add_char(&bare, ':');
        buf_add(&bare, name);
        buf_add_char(&bare, ':');
    }
    buf_add(&bare, view_skip(raw, before + hop->values_raw.len));
    dkim2_squeeze_field(buf_view(&bare), out);
    buf_done(&bare);
}

void dkim2_chain_signed(const struct dkim2_chain *c, int m, int i, int bare, struct buf *out) {
    for (int k = 0; k < m; k++)
        dkim2_squeeze_field(c->instances[k].field->raw, out);
    for (int k = 0; k < i; k++)
        if (k + 1 == bare)
            add_bare(&c->hops[k], out);
        else
            dkim2_squeeze_field(c->hops[k].field->raw, out);
}
