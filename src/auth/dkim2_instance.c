/* dkim2_instance.c: forms of a message: the field that describes a new one, and old ones rebuilt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dkim2_private.h"

/* Octets of a recipe of ours: some MTAs cut a field at 100 kB, and base64 makes a third more of it. */
enum { RECIPE_OURS_MOST = 64 * 1024 };

/* ---- a new one ---- */

static bool has_same_hashes(const struct dkim2_form *one, const struct dkim2_form *other, bool body) {
    unsigned char left[DKIM2_DIGEST_MOST], right[DKIM2_DIGEST_MOST];
    dkim2_header_digest(one, EVP_sha256(), left);
    dkim2_header_digest(other, EVP_sha256(), right);
    if (memcmp(left, right, 32) != 0)
        return false;
    return !body || view_eq(dkim2_body_trim(one->body), dkim2_body_trim(other->body));
}

/* The JSON, read again and applied to the new form, gives the old one. */
static bool is_proved(view json, const struct dkim2_form *old, const struct dkim2_form *now,
                      struct arena *a) {
    struct dkim2_recipe r;
    struct dkim2_form made = *now;
    made.owned = BUF_INIT(0);
    bool fine = dkim2_recipe_read(json, a, &r) && dkim2_recipe_apply(&r, a, &made) &&
                has_same_hashes(&made, old, false) &&
                (made.body_lost || view_eq(dkim2_body_trim(made.body), dkim2_body_trim(old->body)));
    dkim2_form_done(&made);
    return fine && !a->failed;
}

/* False: there is none. */
static bool make_recipe(const struct dkim2_form *old, const struct dkim2_form *now, struct arena *a,
                        struct buf *out) {
    struct dkim2_recipe r;
    if (!dkim2_recipe_make(old, now, a, &r))
        return false;
    dkim2_recipe_write(&r, out);
    if (out->failed && r.has_body) {
        buf_reset(out);
        r.body_lost = true;
        dkim2_recipe_write(&r, out);
    }
    return !out->failed && is_proved(buf_view(out), old, now, a);
}

static void add_field(const struct dkim2_form *now, int m, view recipe, struct buf *out) {
    unsigned char digest[DKIM2_DIGEST_MOST];
    char start[64];
    struct dkim2_folding f = {.out = out};
    int len = snprintf(start, sizeof start, "Message-Instance: m=%d; h=sha256:", m);
    dkim2_fold_tight(&f, view_from(start, (size_t)len));
    dkim2_header_digest(now, EVP_sha256(), digest);
    dkim2_fold_base64(&f, view_from(digest, 32));
    dkim2_fold_tight(&f, VIEW(":"));
    dkim2_body_digest(now->body, EVP_sha256(), digest);
    dkim2_fold_base64(&f, view_from(digest, 32));
    dkim2_fold_tight(&f, VIEW(";"));
    if (recipe.len > 0) {
        dkim2_fold_word(&f, VIEW("r="));
        dkim2_fold_base64(&f, recipe);
        dkim2_fold_tight(&f, VIEW(";"));
    }
    buf_add_str(out, "\r\n");
}

enum dkim2_instance_made dkim2_add_instance(view before, view after, struct arena *a, struct buf *out) {
    struct header was, is;
    struct dkim2_form old, now;
    struct dkim2_chain chain;
    struct dkim2_fault fault = {.arena = a};
    struct buf recipe = BUF_INIT(RECIPE_OURS_MOST);
    header_parse(before, a, &was);
    header_parse(after, a, &is);
    dkim2_form_of(&was, a, &old);
    dkim2_form_of(&is, a, &now);
    if (!dkim2_chain_read(&was, false, a, &fault, &chain) || was.truncated || is.truncated || a->failed ||
        chain.instance_count == DKIM2_HOPS_MOST)
        return DKIM2_INSTANCE_CANNOT;
    if (chain.instance_count > 0 && has_same_hashes(&old, &now, true))
        return DKIM2_INSTANCE_SAME;
    bool made = chain.instance_count == 0 || make_recipe(&old, &now, a, &recipe);
    if (made)
        add_field(&now, chain.instance_count + 1, buf_view(&recipe), out);
    buf_done(&recipe);
    return made ? DKIM2_INSTANCE_ADDED : DKIM2_INSTANCE_CANNOT;
}

/* ---- an old one ---- */

struct shown {
    size_t place, number;
    view text, name; /* name: of a field that a recipe made; else empty */
};

static int by_place(const void *left, const void *right) {
    const struct shown *l = left, *r = right;
    if (l->place != r->place)
        return l->place < r->place ? -1 : 1;
    return (l->number < r->number) - (l->number > r->number);
}

static void add_shown(const struct shown *s, struct buf *out) {
    buf_add(out, s->name);
    buf_add_str(out, s->name.len > 0 ? ": " : "");
    buf_add(out, view_skip(s->text, s->name.len ? s->name.len + 1 : 0));
    if (!view_ends_with(s->text, VIEW("\n")))
        buf_add(out, VIEW("\r\n"));
}

/* Index of a field in the message. */
static size_t place_of(const struct header *h, const struct header_field *f) {
    return (size_t)(f - h->fields);
}

/* The fields of the form, and those of DKIM2 that there were by then. */
static void add_header(const struct header *h, const struct dkim2_form *form, const struct dkim2_chain *c,
                       int m, struct arena *a, struct buf *out) {
    size_t count = 0;
    struct shown *list =
        arena_array(a, struct shown, form->count + (size_t)c->instance_count + (size_t)c->hop_count + 1);
    for (size_t i = 0; list && i < form->count; i++) {
        const struct dkim2_field *f = &form->fields[i];
        bool made = f->raw.len == 0;
        list[count++] =
            (struct shown){f->place, f->number, made ? f->line : f->raw, made ? f->name : VIEW("")};
    }
    for (int i = 0; list && i < m; i++) {
        const struct header_field *f = c->instances[i].field;
        list[count++] = (struct shown){place_of(h, f), 0, f->raw, VIEW("")};
    }
    for (int i = 0; list && i < c->hop_count && c->hops[i].m <= m; i++) {
        const struct header_field *f = c->hops[i].field;
        list[count++] = (struct shown){place_of(h, f), 0, f->raw, VIEW("")};
    }
    if (count > 0)
        qsort(list, count, sizeof *list, by_place);
    for (size_t i = 0; i < count; i++)
        add_shown(&list[i], out);
}

bool dkim2_rebuild(view message, int m, struct arena *a, struct buf *out, bool *ret_header_only) {
    struct header h;
    struct dkim2_chain chain;
    struct dkim2_form form;
    struct dkim2_fault fault = {.arena = a};
    *ret_header_only = false;
    header_parse(message, a, &h);
    if (!dkim2_chain_read(&h, false, a, &fault, &chain) || m < 1 || m > chain.instance_count)
        return false;
    dkim2_form_of(&h, a, &form);
    bool fine = true;
    for (int k = chain.instance_count; fine && k > m; k--)
        if (chain.instances[k - 1].recipe)
            fine = dkim2_recipe_apply(chain.instances[k - 1].recipe, a, &form);
    if (fine && !a->failed) {
        add_header(&h, &form, &chain, m, a, out);
        *ret_header_only = form.body_lost;
        buf_add(out, form.body_lost ? VIEW("") : VIEW("\r\n"));
        buf_add(out, form.body_lost ? VIEW("") : form.body);
    }
    fine = fine && !a->failed && !form.body_lost;
    dkim2_form_done(&form);
    return fine;
}
