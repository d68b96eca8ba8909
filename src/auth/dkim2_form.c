/* dkim2_form.c: a message as DKIM2 hashes it: its fields in canonical form, by name and from the bottom, and
 * its body; and the hashes (draft 4, 6). */
#include <stdlib.h>
#include <string.h>

#include "auth/dkim2_private.h"
#include "auth/dkim_canon.h"
#include "base/mem.h"

bool dkim2_is_hashed(view name) {
    static const char *const unsigned_names[] = {"apparently-to",
                                                 "arc-authentication-results",
                                                 "arc-message-signature",
                                                 "arc-seal",
                                                 "auto-submitted",
                                                 "authentication-results",
                                                 "delivered-to",
                                                 "dkim-signature",
                                                 "dl-expansion-history",
                                                 "original-recipient",
                                                 "received",
                                                 "return-path",
                                                 "sio-label-history",
                                                 "vbr-info",
                                                 "x400-received",
                                                 "x400-trace",
                                                 "message-instance",
                                                 "dkim2-signature"};
    for (size_t i = 0; i < COUNT_OF(unsigned_names); i++)
        if (view_eq_nocase(name, view_of(unsigned_names[i])))
            return false;
    return !view_starts_with_nocase(name, VIEW("x-")) && !view_starts_with_nocase(name, VIEW("received-"));
}

struct dkim2_field dkim2_field_of(const struct header_field *f, struct arena *a) {
    struct buf line = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    canon_field(CANON_RELAXED, f, &line);
    struct dkim2_field made = {.line = arena_view(a, buf_view(&line)), .raw = f->raw};
    made.name = view_slice(made.line, 0, f->name.len);
    buf_done(&line);
    return made;
}

static int by_name(const void *left, const void *right) {
    const struct dkim2_field *l = left, *r = right;
    int names = view_cmp(l->name, r->name);
    return names ? names : (l->number > r->number) - (l->number < r->number);
}

void dkim2_form_sort(struct dkim2_form *f) {
    if (f->count > 0)
        qsort(f->fields, f->count, sizeof *f->fields, by_name);
    size_t number = 0;
    for (size_t i = 0; i < f->count; i++) {
        number = i > 0 && view_eq(f->fields[i].name, f->fields[i - 1].name) ? number + 1 : 1;
        f->fields[i].number = number;
    }
}

void dkim2_form_of(const struct header *h, struct arena *a, struct dkim2_form *ret) {
    *ret = (struct dkim2_form){
        .fields = arena_array(a, struct dkim2_field, h->count + 1), .body = h->body, .owned = BUF_INIT(0)};
    for (size_t i = 0; ret->fields && i < h->count; i++) {
        if (!dkim2_is_hashed(h->fields[i].name))
            continue;
        struct dkim2_field *f = &ret->fields[ret->count++];
        *f = dkim2_field_of(&h->fields[i], a);
        f->place = i;
        f->number = h->count - i;
    }
    dkim2_form_sort(ret);
}

void dkim2_form_done(struct dkim2_form *f) {
    buf_done(&f->owned);
}

size_t dkim2_form_find(const struct dkim2_form *f, view name, size_t *ret_count) {
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view_cmp(f->fields[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (high = low; high < f->count && view_eq(f->fields[high].name, name);)
        high++;
    *ret_count = high - low;
    return low;
}

view dkim2_next_line(view *rest) {
    ptrdiff_t end = view_search(*rest, VIEW("\r\n"));
    view line = end < 0 ? *rest : view_slice(*rest, 0, (size_t)end);
    *rest = view_skip(*rest, end < 0 ? rest->len : (size_t)end + 2);
    return line;
}

view dkim2_body_trim(view body) {
    while (view_ends_with(body, VIEW("\r\n")))
        body.len -= 2;
    return body;
}

/* ---- hashes ---- */

const EVP_MD *dkim2_hash_named(view name) {
    if (view_eq(name, VIEW("sha256")))
        return EVP_sha256();
    return view_eq(name, VIEW("sha512")) ? EVP_sha512() : NULL;
}

static EVP_MD_CTX *begin(const EVP_MD *kind) {
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    BUG_ON(!c || !EVP_DigestInit_ex(c, kind, NULL));
    return c;
}

static void add(EVP_MD_CTX *c, view v) {
    BUG_ON(!EVP_DigestUpdate(c, v.ptr, v.len));
}

static void end(EVP_MD_CTX *c, unsigned char ret[DKIM2_DIGEST_MOST]) {
    BUG_ON(!EVP_DigestFinal_ex(c, ret, NULL));
    EVP_MD_CTX_free(c);
}

void dkim2_header_digest(const struct dkim2_form *f, const EVP_MD *kind,
                         unsigned char ret[DKIM2_DIGEST_MOST]) {
    EVP_MD_CTX *c = begin(kind);
    for (size_t i = 0; i < f->count; i++)
        add(c, f->fields[i].line);
    end(c, ret);
}

void dkim2_body_digest(view body, const EVP_MD *kind, unsigned char ret[DKIM2_DIGEST_MOST]) {
    EVP_MD_CTX *c = begin(kind);
    add(c, dkim2_body_trim(body));
    add(c, VIEW("\r\n"));
    end(c, ret);
}
