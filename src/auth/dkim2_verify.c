/* dkim2_verify.c: see dkim2.h. First what the fields say, then whether the envelope and the hops fit
 * together, then keys and signatures, and last the hashes of each form, from the newest back to the first:
 * what others can make costly comes when signatures have passed. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <string.h>

#include "auth/dkim2_private.h"
#include "auth/dkim_key.h"
#include "mail/address.h"

/* Octets of bodies that recipes may make of one message, all forms together. */
enum { REBUILT_MOST = 256 << 20 };

struct verifying {
    const struct dkim2_envelope *envelope;
    int64_t now_s;
    struct answers *answers;
    struct arena scratch;
    struct dkim2_chain chain;
    struct dkim2_fault fault;
    struct dkim2_form form;
    size_t rebuilt;
};

static bool wrong_hop(struct verifying *v, const struct dkim2_hop *h, const char *what) {
    return dkim2_wrong(&v->fault, DKIM2_PERMERROR, h->i, "DKIM2-Signature i=%d %s", h->i, what);
}

/* ---- structure and times ---- */

static bool is_signed(struct verifying *v) {
    const struct dkim2_chain *c = &v->chain;
    if (c->hop_count == 0)
        return dkim2_wrong(&v->fault, DKIM2_PERMERROR, 0, "DKIM2-Signature i=1 missing");
    int highest = c->hops[c->hop_count - 1].m;
    if (highest < c->instance_count)
        return dkim2_wrong(&v->fault, DKIM2_PERMERROR, 0, "Message-Instance m=%d is not signed", highest + 1);
    for (int i = 0; i < c->hop_count; i++)
        if (v->now_s - c->hops[i].signed_s > DKIM2_AGE_MOST_S)
            return wrong_hop(v, &c->hops[i], "signature expired");
    return true;
}

/* ---- the way it went ---- */

/* The relaxed match (9.4): the same domain or one below. */
static bool matches(view name, view domain) {
    return domain.len > 0 && domain_name_is_within(name, domain);
}

static bool is_same_path(view one, view other) {
    size_t domain = address_split(one).domain.len;
    return one.len == other.len &&
           view_eq(view_slice(one, 0, one.len - domain), view_slice(other, 0, other.len - domain)) &&
           view_eq_nocase(address_split(one).domain, address_split(other).domain);
}

static bool has_recipient(const struct dkim2_hop *h, view recipient) {
    for (size_t i = 0; i < h->recipient_count; i++)
        if (is_same_path(h->recipients[i], recipient))
            return true;
    return false;
}

static bool has_envelope(struct verifying *v) {
    const struct dkim2_hop *h = &v->chain.hops[v->chain.hop_count - 1];
    const struct dkim2_envelope *e = v->envelope;
    if (h->next.len > 0)
        return wrong_hop(v, h, "unexpected nd= tag");
    if (!is_same_path(h->sender, e->sender))
        return dkim2_wrong(&v->fault, DKIM2_PERMERROR, h->i,
                           "DKIM2-Signature i=%d MAIL FROM <%.*s> did not match", h->i, VIEW_ARG(e->sender));
    for (size_t i = 0; i < e->recipient_count; i++)
        if (!has_recipient(h, e->recipients[i]))
            return dkim2_wrong(&v->fault, DKIM2_PERMERROR, h->i,
                               "DKIM2-Signature i=%d RCPT TO <%.*s> did not match", h->i,
                               VIEW_ARG(e->recipients[i]));
    return true;
}

/* Who sends it on has got it: nd= names the domain, or one that rt= names is above the sender's. */
static bool continues(struct verifying *v, const struct dkim2_hop *last, const struct dkim2_hop *h) {
    if (last->next.len > 0)
        return view_eq(last->next, h->domain) || wrong_hop(v, last, "nd= does not match");
    view from = h->sender.len > 0 ? address_split(h->sender).domain : h->domain;
    for (size_t i = 0; i < last->recipient_count; i++)
        if (matches(from, address_split(last->recipients[i]).domain))
            return true;
    return dkim2_wrong(&v->fault, DKIM2_PERMERROR, h->i,
                       "DKIM2-Signature i=%d MAIL FROM <%.*s> did not match", h->i, VIEW_ARG(h->sender));
}

static bool has_way(struct verifying *v) {
    if (!has_envelope(v))
        return false;
    for (int i = v->chain.hop_count; i-- > 0;) {
        const struct dkim2_hop *h = &v->chain.hops[i];
        if (h->sender.len > 0 && !matches(address_split(h->sender).domain, h->domain))
            return wrong_hop(v, h, "MAIL FROM and d= do not match");
        if (i > 0 && !continues(v, h - 1, h))
            return false;
    }
    return true;
}

/* ---- keys ---- */

static const struct answer *answer_of(struct verifying *v, const struct dkim2_hop *h,
                                      const struct dkim2_value *value) {
    return answers_get(
        v->answers,
        arena_printf(&v->scratch, "%.*s._domainkey.%.*s", VIEW_ARG(value->selector), VIEW_ARG(h->domain)),
        RECORD_TXT);
}

/* Ask for all at once. False: answers are wanted. */
static bool has_answers(struct verifying *v) {
    bool all = true;
    for (int i = 0; i < v->chain.hop_count; i++)
        for (size_t k = 0; k < v->chain.hops[i].count; k++) {
            const struct dkim2_value *value = &v->chain.hops[i].values[k];
            if (value->algorithm != DKIM2_UNKNOWN && !answer_of(v, &v->chain.hops[i], value))
                all = false;
        }
    if (!all)
        v->fault.result = DKIM2_WAITS;
    return all;
}

static bool has_usual_exponent(const struct dkim_key *k) {
    BIGNUM *e = NULL;
    bool fine = k->ed25519 ||
                (EVP_PKEY_get_bn_param(k->key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_word(e, RSA_F4));
    BN_free(e);
    return fine;
}

static const char *key_fault(const struct dkim_key *k) {
    switch (k->fault) {
    case DKIM_KEY_REVOKED:
        return "has been revoked";
    case DKIM_KEY_OTHER_KIND:
        return "algorithm mismatch";
    case DKIM_KEY_SIZE:
        return k->bits < 1024 ? "too short" : "too long";
    case DKIM_KEY_FINE:
    case DKIM_KEY_MALFORMED:
    case DKIM_KEY_OTHER_USE:
        break;
    }
    return "has a syntax error";
}

/* NULL: the key is there, and of that algorithm. */
static const char *read_key(struct verifying *v, const struct answer *found, const struct dkim2_value *value,
                            struct dkim_key *ret) {
    const char *why;
    if (found->count == 0)
        return "does not exist";
    if (found->count > 1)
        return "has multiple records";
    if (!dkim_key_read_dkim2(found->records[0].data, &v->scratch, ret, &why))
        return key_fault(ret);
    if (ret->ed25519 != (value->algorithm == DKIM2_ED25519))
        return "algorithm mismatch";
    return has_usual_exponent(ret) ? NULL : "has a syntax error (exponent)";
}

/* ---- signatures ---- */

/* What became of the values of one hop: of each kind, a selector. */
struct judged {
    view passed, failed, unknown, unusable;
    const char *why; /* unusable */
};

static void judge_value(struct verifying *v, const struct dkim2_hop *h, const struct dkim2_value *value,
                        view what, struct judged *j) {
    struct dkim_key key = {.key = NULL};
    const struct answer *found = answer_of(v, h, value);
    if (!found || found->state == ANSWER_TEMPORARY) {
        j->unknown = value->selector;
        return;
    }
    const char *why = read_key(v, found, value, &key);
    if (why) {
        j->unusable = value->selector;
        j->why = why;
    } else if (dkim_key_has_signed(&key, what, (const unsigned char *)value->octets.ptr, value->octets.len)) {
        j->passed = value->selector;
    } else {
        j->failed = value->selector;
    }
    dkim_key_done(&key);
}

/* One that is wrong beside one that is right is a warning about an algorithm (11.6). */
static bool verdict_of(struct verifying *v, const struct dkim2_hop *h, const struct judged *j) {
    struct dkim2_fault *f = &v->fault;
    if (j->failed.len > 0 && j->passed.len > 0)
        return dkim2_wrong(f, DKIM2_FAIL, h->i,
                           "DKIM2-Signature i=%d %.*s signature passed, %.*s signature failed", h->i,
                           VIEW_ARG(j->passed), VIEW_ARG(j->failed));
    if (j->failed.len > 0)
        return dkim2_wrong(f, DKIM2_FAIL, h->i, "DKIM2-Signature i=%d %.*s incorrect signature", h->i,
                           VIEW_ARG(j->failed));
    if (j->unknown.len > 0)
        return dkim2_wrong(f, DKIM2_TEMPERROR, h->i,
                           "DKIM2-Signature i=%d public key %.*s could not be fetched", h->i,
                           VIEW_ARG(j->unknown));
    if (j->passed.len > 0)
        return true;
    if (j->unusable.len > 0)
        return dkim2_wrong(f, DKIM2_PERMERROR, h->i, "DKIM2-Signature i=%d public key %.*s %s", h->i,
                           VIEW_ARG(j->unusable), j->why);
    return wrong_hop(v, h, "has no supported signature algorithm");
}

static bool has_signatures(struct verifying *v) {
    for (int i = v->chain.hop_count; i > 0; i--) {
        const struct dkim2_hop *h = &v->chain.hops[i - 1];
        struct buf what = BUF_INIT(2 * LIMIT_HEADER_BYTES);
        struct judged j = {.why = ""};
        dkim2_chain_signed(&v->chain, h->m, i, i, &what);
        for (size_t k = 0; k < h->count; k++)
            if (h->values[k].algorithm != DKIM2_UNKNOWN)
                judge_value(v, h, &h->values[k], buf_view(&what), &j);
        buf_done(&what);
        if (!verdict_of(v, h, &j))
            return false;
    }
    return true;
}

/* ---- hashes ---- */

static bool is_digest(view said, const unsigned char *digest, const EVP_MD *kind) {
    return said.len == (size_t)EVP_MD_get_size(kind) && memcmp(said.ptr, digest, said.len) == 0;
}

/* Who has declared how the next form differs from it; of the newest, who has sent it. */
static int hop_behind(const struct verifying *v, int m) {
    for (int i = 0; i < v->chain.hop_count; i++)
        if (v->chain.hops[i].m > m)
            return i + 1;
    return v->chain.hop_count;
}

static bool has_hashes(struct verifying *v, int m) {
    const struct dkim2_instance *instance = &v->chain.instances[m - 1];
    for (size_t i = 0; i < instance->count; i++) {
        const struct dkim2_hash *h = &instance->hashes[i];
        unsigned char digest[DKIM2_DIGEST_MOST];
        const char *part = NULL;
        if (!h->kind)
            continue;
        dkim2_header_digest(&v->form, h->kind, digest);
        if (!is_digest(h->header, digest, h->kind))
            part = "header";
        else if (!v->form.body_lost)
            dkim2_body_digest(v->form.body, h->kind, digest);
        if (!part && !v->form.body_lost && !is_digest(h->body, digest, h->kind))
            part = "body";
        if (part)
            return dkim2_wrong(&v->fault, DKIM2_FAIL, hop_behind(v, m),
                               "Message Instance m=%d %s hash %.*s mismatch", m, part, VIEW_ARG(h->name));
    }
    return true;
}

static bool undo(struct verifying *v, int m) {
    const struct dkim2_recipe *r = v->chain.instances[m - 1].recipe;
    if (!r)
        return true;
    if (!dkim2_recipe_apply(r, &v->scratch, &v->form))
        return dkim2_wrong(&v->fault, DKIM2_PERMERROR, hop_behind(v, m - 1),
                           "Message-Instance m=%d recipe cannot be applied", m);
    v->rebuilt += r->has_body ? v->form.body.len : 0;
    return v->rebuilt <= REBUILT_MOST ||
           dkim2_wrong(&v->fault, DKIM2_PERMERROR, 0, "more recipes than are applied");
}

static bool has_forms(struct verifying *v, const struct header *h) {
    dkim2_form_of(h, &v->scratch, &v->form);
    for (int m = v->chain.instance_count; m > 0; m--)
        if (!has_hashes(v, m) || (m > 1 && !undo(v, m)))
            return false;
    return true;
}

/* ---- what hops asked for ---- */

/* A field was changed or removed where text of its old form stands in the recipe. */
static bool changes_fields(const struct dkim2_recipe *r) {
    for (size_t i = 0; i < r->field_count; i++)
        for (size_t s = 0; s < r->fields[i].steps.count; s++)
            if (r->fields[i].steps.list[s].count > 0)
                return true;
    return false;
}

static bool has_same_body(const struct dkim2_instance *one, const struct dkim2_instance *other) {
    for (size_t i = 0; i < one->count; i++)
        for (size_t k = 0; k < other->count; k++)
            if (view_eq(one->hashes[i].name, other->hashes[k].name))
                return view_eq(one->hashes[i].body, other->hashes[k].body);
    return false;
}

static bool is_unmodified(struct verifying *v, const struct dkim2_hop *since) {
    const struct dkim2_instance *all = v->chain.instances;
    for (int m = since->m; m < v->chain.instance_count; m++) {
        const struct dkim2_recipe *r = all[m].recipe;
        if (r && (changes_fields(r) || (r->has_body && !has_same_body(&all[m - 1], &all[m]))))
            return dkim2_wrong(&v->fault, DKIM2_FAIL, hop_behind(v, m),
                               "Message has been modified despite a donotmodify request");
    }
    return true;
}

static bool has_honored(struct verifying *v) {
    bool alone = false;
    for (int i = 0; i < v->chain.hop_count; i++) {
        const struct dkim2_hop *h = &v->chain.hops[i];
        if (alone && (h->flags & DKIM2_EXPLODED))
            return dkim2_wrong(&v->fault, DKIM2_FAIL, h->i,
                               "Message has been exploded despite a donotexplode request");
        alone |= (h->flags & DKIM2_DONOTEXPLODE) != 0;
        if ((h->flags & DKIM2_DONOTMODIFY) && !is_unmodified(v, h))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

static void describe(const struct verifying *v, struct arena *a, struct dkim2_verdict *ret) {
    const struct dkim2_chain *c = &v->chain;
    ret->hops = c->hop_count;
    ret->instances = c->instance_count;
    if (c->instance_count > 0)
        ret->first_hashes = arena_view(a, c->instances[0].said);
    if (c->hop_count == 0)
        return;
    const struct dkim2_hop *last = &c->hops[c->hop_count - 1];
    ret->domain = arena_view(a, c->hops[0].domain);
    ret->last_domain = arena_view(a, last->domain);
    ret->last_sender = arena_view(a, last->sender);
    for (int i = 0; i < c->hop_count; i++)
        ret->wishes |= c->hops[i].flags;
}

/* False: see the fault. */
static bool verify(struct verifying *v, view message, bool bare_paths, struct dkim2_verdict *ret) {
    struct header h;
    header_parse(message, &v->scratch, &h);
    if (!dkim2_chain_read(&h, bare_paths, &v->scratch, &v->fault, &v->chain))
        return false;
    describe(v, v->answers->arena, ret);
    if (ret->hops == 0 && ret->instances == 0) {
        v->fault.result = DKIM2_NONE;
        return false;
    }
    return is_signed(v) && has_way(v) && has_answers(v) && has_signatures(v) && has_forms(v, &h) &&
           has_honored(v);
}

void dkim2_verify_paths(view message, bool bare_paths, const struct dkim2_envelope *e, int64_t now_s,
                        struct answers *a, struct dkim2_verdict *ret) {
    struct verifying v = {.envelope = e,
                          .now_s = now_s,
                          .answers = a,
                          .fault = {.arena = a->arena, .why = ""},
                          .form = {.owned = BUF_INIT(0)}};
    *ret = (struct dkim2_verdict){
        .domain = VIEW(""), .last_domain = VIEW(""), .last_sender = VIEW(""), .first_hashes = VIEW("")};
    arena_init(&v.scratch, LIMIT_BATCH_ARENA);
    bool passed = verify(&v, message, bare_paths, ret);
    if (v.scratch.failed)
        passed = dkim2_wrong(&v.fault, DKIM2_PERMERROR, 0, "longer than what is looked at");
    ret->result = passed ? DKIM2_PASS : v.fault.result;
    ret->why = passed ? "" : v.fault.why;
    ret->hop = passed ? 0 : v.fault.hop;
    if (a->arena->failed)
        ret->result = DKIM2_TEMPERROR;
    dkim2_form_done(&v.form);
    arena_done(&v.scratch);
}

void dkim2_verify(view message, const struct dkim2_envelope *e, int64_t now_s, struct answers *a,
                  struct dkim2_verdict *ret) {
    dkim2_verify_paths(message, false, e, now_s, a, ret);
}
