/* arc_set.c: see arc_private.h. */
#include "auth/arc_private.h"

#include "auth/authres_private.h"

/* More than there may be, to tell it from what is no number. */
enum { INSTANCE_TOO_HIGH = ARC_SETS_MOST + 1 };

/* 0: it is no instance. */
static int instance_of(view text) {
    int64_t n;
    if (!dkim_read_number(text, &n))
        return 0;
    return n > ARC_SETS_MOST ? INSTANCE_TOO_HIGH : (int)n;
}

/* False: it is there twice. */
static bool put(const struct header_field **where, const struct header_field *f) {
    bool first = !*where;
    *where = f;
    return first;
}

static const char *take_results(const struct header_field *f, struct arc_chain *c) {
    view found = f->value, instance;
    bool well_formed = authres_take_instance(&found, &instance);
    int n = well_formed ? instance_of(instance) : 0;
    if (n == 0)
        return "results without an instance";
    if (n > ARC_SETS_MOST)
        return "more than 50 sets";
    c->count = n > c->count ? n : c->count;
    c->sets[n - 1].found = view_trim(found);
    return put(&c->sets[n - 1].results, f) ? "" : "an instance that is there twice";
}

static const char *take_signature(const struct header_field *f, bool seal, struct arc_chain *c) {
    struct tags t;
    bool well_formed = tags_parse(f->value, &t);
    int n = well_formed ? instance_of(tags_value(&t, "i")) : 0;
    view chain = seal && well_formed ? tags_value(&t, "cv") : VIEW("");
    c->failed |= view_eq_nocase(chain, VIEW("fail"));
    if (n == 0)
        return "a signature without an instance, or malformed";
    if (n > ARC_SETS_MOST)
        return "more than 50 sets";
    c->count = n > c->count ? n : c->count;
    if (!seal)
        return put(&c->sets[n - 1].signature, f) ? "" : "an instance that is there twice";
    c->sets[n - 1].chain = chain;
    return put(&c->sets[n - 1].seal, f) ? "" : "an instance that is there twice";
}

static const char *take(const struct header_field *f, struct arc_chain *c) {
    bool seal = view_eq_nocase(f->name, VIEW(ARC_SEAL_NAME)),
         signature = view_eq_nocase(f->name, VIEW(ARC_SIGNATURE_NAME)),
         results = view_eq_nocase(f->name, VIEW(ARC_RESULTS_NAME));
    c->any |= seal || signature || results;
    if (results)
        return take_results(f, c);
    return seal || signature ? take_signature(f, seal, c) : "";
}

static const char *gap_in(const struct arc_chain *c) {
    for (int i = 0; i < c->count; i++) {
        const struct arc_set *s = &c->sets[i];
        if (!s->results || !s->signature || !s->seal)
            return "a set is not whole";
        if (!view_eq_nocase(s->chain, i == 0 ? VIEW("none") : VIEW("pass")))
            return "a seal that does not fit those before it";
    }
    return "";
}

const char *arc_collect(const struct header *h, struct arc_chain *ret) {
    const char *wrong = "";
    *ret = (struct arc_chain){.count = 0};
    for (size_t i = 0; i < h->count; i++) { /* all of them: who seals wants the highest */
        const char *why = take(&h->fields[i], ret);
        wrong = *wrong ? wrong : why;
    }
    if (ret->any && h->truncated)
        return "the header is longer than what is looked at";
    if (ret->failed)
        return "a server before has found the chain broken";
    return *wrong ? wrong : gap_in(ret);
}

void arc_add_set(const struct arc_set *s, bool with_seal, struct buf *out) {
    canon_field(CANON_RELAXED, s->results, out);
    canon_field(CANON_RELAXED, s->signature, out);
    if (with_seal)
        canon_field(CANON_RELAXED, s->seal, out);
}
