/* dmarc.c: see dmarc.h. A walk up the DNS tree finds records (RFC 9989 4.10); from them come the policy
 * and the organizational domain, and what is of one organization is aligned. */
#include "auth/dmarc.h"

#include "base/words.h"

enum { LABELS_ASKED = 8, WALK_MOST = 9, UNSET = -1 };

struct record_read {
    bool valid;           /* it can be a policy */
    int policy, sub, non; /* enum dmarc_policy, or UNSET */
    char psd;             /* 'y', 'n' or 'u' */
    bool testing, strict_spf, strict_dkim;
    view rua, ruf;
};

/* ---- a record ---- */

/* False: the tag is there and says something that is no policy. */
static bool read_policy(view value, int *ret) {
    for (int64_t i = 0; i <= DMARC_P_REJECT; i++)
        if (view_eq_nocase(value, words_at(DMARC_POLICY_WORDS, i))) {
            *ret = (int)i;
            return true;
        }
    return false;
}

/* "mailto:a@b!10m, https://..." has a place that reports can go to. */
static bool has_uri(view value) {
    view one;
    while (view_split(&value, ',', &one)) {
        one = view_trim(one);
        ptrdiff_t at = view_find(one, '@');
        if (view_starts_with_nocase(one, VIEW("mailto:")) && at > 7 && (size_t)at + 1 < one.len)
            return true;
        if (view_starts_with_nocase(one, VIEW("https:")))
            return true;
    }
    return false;
}

static void read_tag(view name, view value, struct record_read *r, bool *bad) {
    if (view_eq_nocase(name, VIEW("p")))
        *bad |= !read_policy(value, &r->policy);
    else if (view_eq_nocase(name, VIEW("sp")))
        *bad |= !read_policy(value, &r->sub);
    else if (view_eq_nocase(name, VIEW("np")))
        *bad |= !read_policy(value, &r->non);
    else if (view_eq_nocase(name, VIEW("psd")))
        r->psd = value.len == 1 && (ascii_lower(value.ptr[0]) == 'y' || ascii_lower(value.ptr[0]) == 'n')
                     ? ascii_lower(value.ptr[0])
                     : 'u';
    else if (view_eq_nocase(name, VIEW("t")))
        r->testing = view_eq_nocase(value, VIEW("y"));
    else if (view_eq_nocase(name, VIEW("aspf")))
        r->strict_spf = view_eq_nocase(value, VIEW("s"));
    else if (view_eq_nocase(name, VIEW("adkim")))
        r->strict_dkim = view_eq_nocase(value, VIEW("s"));
    else if (view_eq_nocase(name, VIEW("rua")))
        r->rua = value;
    else if (view_eq_nocase(name, VIEW("ruf")))
        r->ruf = value;
}

/* False: the text is none of DMARC's. What is malformed behind its version is passed over. */
static bool read_record(view text, struct record_read *r) {
    view rest = text, one, name, value;
    bool bad = false;
    if (view_trim(text).len == 0)
        return false;
    *r = (struct record_read){
        .policy = UNSET, .sub = UNSET, .non = UNSET, .psd = 'u', .rua = VIEW(""), .ruf = VIEW("")};
    for (bool first = true; view_split(&rest, ';', &one); first = false) {
        value = one;
        name = VIEW("");
        view_split(&value, '=', &name);
        name = view_trim(name);
        value = view_trim(value);
        if (first && !(view_eq_nocase(name, VIEW("v")) && view_eq(value, VIEW("DMARC1"))))
            return false;
        read_tag(name, value, r, &bad);
    }
    r->valid = r->policy != UNSET && !bad;
    if (!r->valid && has_uri(r->rua)) { /* RFC 9989 4.7: who wants reports gets them */
        r->policy = DMARC_P_NONE;
        r->sub = r->non = UNSET;
        r->valid = true;
    }
    return true;
}

/* ---- the walk ---- */

struct found {
    view domain;
    struct record_read record;
};
struct walk {
    struct found list[WALK_MOST];
    size_t count;
};

static size_t labels_of(view name) {
    size_t n = name.len > 0;
    for (size_t i = 0; i < name.len; i++)
        n += name.ptr[i] == '.';
    return n;
}

static view without_label(view name) {
    ptrdiff_t dot = view_find(name, '.');
    return dot < 0 ? VIEW("") : view_skip(name, (size_t)dot + 1);
}

/* The name to ask about after this one (4.10): with eight labels or more, the last seven. */
static view next_name(view name) {
    size_t labels = labels_of(name);
    for (size_t drop = labels >= LABELS_ASKED ? labels - (LABELS_ASKED - 1) : 1; drop > 0; drop--)
        name = without_label(name);
    return name;
}

/* The one record of DMARC there, whether a policy or not; several are none. NONE or PASS, or an error. */
static enum dmarc_result find_record(view domain, struct answers *a, struct record_read *ret) {
    const struct answer *found =
        answers_get(a, arena_printf(a->arena, "_dmarc.%.*s", VIEW_ARG(domain)), RECORD_TXT);
    struct record_read one;
    size_t n = 0;
    if (!found)
        return DMARC_WAITS;
    if (found->state == ANSWER_TEMPORARY)
        return DMARC_TEMPERROR;
    for (size_t i = 0; i < found->count; i++)
        if (read_record(found->records[i].data, &one)) {
            *ret = one;
            n++;
        }
    return n == 1 ? DMARC_PASS : DMARC_NONE;
}

static enum dmarc_result walk_up(view domain, struct answers *a, struct walk *w) {
    w->count = 0;
    for (view name = domain; name.len > 0 && w->count < WALK_MOST; name = next_name(name)) {
        struct found *f = &w->list[w->count];
        enum dmarc_result got = find_record(name, a, &f->record);
        if (got == DMARC_WAITS || got == DMARC_TEMPERROR)
            return got;
        if (got == DMARC_NONE)
            continue;
        f->domain = name;
        w->count++;
        if (f->record.psd != 'u')
            break;
    }
    return DMARC_PASS;
}

/* 4.10.2. */
static view org_of(view domain, const struct walk *w) {
    const struct found *last = w->count > 0 ? &w->list[w->count - 1] : NULL;
    if (!last)
        return domain;
    if (last->record.psd == 'y' && !view_eq(last->domain, domain)) { /* one label below it */
        view org = domain;
        while (labels_of(org) > labels_of(last->domain) + 1)
            org = without_label(org);
        return org;
    }
    return last->domain; /* psd=n, or the fewest labels */
}

/* ---- policy ---- */

/* The record that counts: the domain's own, its organization's, its public suffix's (4.10.1). */
static const struct found *policy_of(view domain, view org, const struct walk *w) {
    const struct found *suffix = NULL;
    for (size_t i = 0; i < w->count; i++)
        if (w->list[i].record.valid && view_eq(w->list[i].domain, domain))
            return &w->list[i];
    for (size_t i = 0; i < w->count; i++) {
        if (!w->list[i].record.valid)
            continue;
        if (view_eq(w->list[i].domain, org))
            return &w->list[i];
        if (w->list[i].record.psd == 'y')
            suffix = &w->list[i];
    }
    return suffix;
}

static int or_else(int one, int other) {
    return one == UNSET ? other : one;
}

/* p, sp or np: which is for this domain? */
static enum dmarc_result choose(view domain, const struct found *f, struct answers *a,
                                struct dmarc_verdict *ret) {
    const struct record_read *r = &f->record;
    int policy = or_else(r->policy, DMARC_P_NONE), sub = or_else(r->sub, policy);
    if (!view_eq(f->domain, domain)) {
        policy = sub;
        if (r->non != UNSET && r->non != sub) {
            const struct answer *there = answers_get(a, domain, RECORD_A);
            if (!there)
                return DMARC_WAITS;
            if (there->state == ANSWER_TEMPORARY)
                return DMARC_TEMPERROR;
            policy = there->state == ANSWER_NO_NAME ? r->non : sub;
        }
    }
    ret->published = (enum dmarc_policy)policy;
    ret->testing = r->testing;
    ret->applied = r->testing && policy > DMARC_P_NONE ? (enum dmarc_policy)(policy - 1) : ret->published;
    return DMARC_FAIL;
}

static enum dmarc_result take(view domain, const struct found *f, struct answers *a,
                              struct dmarc_verdict *ret, const struct record_read **ret_record) {
    ret->policy_domain = f->domain;
    ret->rua = f->record.rua;
    ret->ruf = f->record.ruf;
    ret->tags = (struct dmarc_tags){.p = f->record.policy,
                                    .sp = f->record.sub,
                                    .np = f->record.non,
                                    .strict_spf = f->record.strict_spf,
                                    .strict_dkim = f->record.strict_dkim};
    *ret_record = &f->record;
    return choose(domain, f, a, ret);
}

static view plain_name(view domain, struct arena *a) {
    view name = arena_lower(a, domain);
    return view_ends_with(name, VIEW(".")) ? view_slice(name, 0, name.len - 1) : name;
}

static enum dmarc_result discover(view domain, struct answers *a, struct dmarc_verdict *ret,
                                  const struct record_read **ret_record, struct walk *w) {
    *ret = (struct dmarc_verdict){
        .policy_domain = VIEW(""), .org_domain = domain, .rua = VIEW(""), .ruf = VIEW("")};
    if (!domain_name_is_valid(domain))
        return DMARC_NONE;
    enum dmarc_result got = walk_up(domain, a, w);
    if (got != DMARC_PASS)
        return got;
    ret->org_domain = org_of(domain, w);
    const struct found *f = policy_of(domain, ret->org_domain, w);
    return f ? take(domain, f, a, ret, ret_record) : DMARC_NONE;
}

void dmarc_find_policy(view author_domain, struct answers *a, struct dmarc_verdict *ret) {
    const struct record_read *record;
    struct walk w;
    ret->result = DMARC_TEMPERROR;
    enum dmarc_result got = discover(plain_name(author_domain, a->arena), a, ret, &record, &w);
    ret->result = a->full || a->arena->failed ? DMARC_TEMPERROR : got;
}

/* ---- alignment ---- */

/* PASS, FAIL, or an error that leaves it open. An organization is its domains' own name or one above it, so
 * that what DNS says of others can neither be of use nor fail. */
static enum dmarc_result aligned(view domain, view author, view author_org, bool strict, struct answers *a) {
    struct walk w;
    domain = plain_name(domain, a->arena);
    if (view_eq(domain, author))
        return DMARC_PASS;
    if (strict || !domain_name_is_valid(domain) || !domain_name_is_within(domain, author_org))
        return DMARC_FAIL;
    enum dmarc_result got = walk_up(domain, a, &w);
    return got != DMARC_PASS ? got : view_eq(org_of(domain, &w), author_org) ? DMARC_PASS : DMARC_FAIL;
}

static enum dmarc_result try_one(const struct dmarc_identity *one, view author, view org, bool strict,
                                 struct answers *a, bool *ret_aligned) {
    enum dmarc_result got =
        one->domain.len > 0 && one->passed ? aligned(one->domain, author, org, strict, a) : DMARC_FAIL;
    *ret_aligned = got == DMARC_PASS;
    return got;
}

static enum dmarc_result worse(enum dmarc_result one, enum dmarc_result other) {
    static const enum dmarc_result order[] = {DMARC_WAITS, DMARC_PASS, DMARC_TEMPERROR};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (one == order[i] || other == order[i])
            return order[i];
    return DMARC_FAIL;
}

static bool is_author(const struct dmarc_identity *one, view author, struct arena *a) {
    return one->passed && view_eq(plain_name(one->domain, a), author);
}

/* What DNS cannot say of the names above does not matter where the author's own domain has a record and is
 * the very one that SPF or DKIM has shown (4.10.2). */
static bool needs_no_walk(const struct dmarc_query *q, view author, const struct walk *w, struct arena *a) {
    bool same = is_author(&q->spf, author, a);
    for (size_t i = 0; i < q->dkim_count && i < DMARC_SIGNATURES_MOST; i++)
        same = same || is_author(&q->dkim[i], author, a);
    return same && w->count > 0 && w->list[0].record.valid && view_eq(w->list[0].domain, author);
}

void dmarc_check(const struct dmarc_query *q, struct answers *a, struct dmarc_verdict *ret) {
    const struct record_read *record = NULL;
    struct walk w = {.count = 0};
    view author = plain_name(q->author_domain, a->arena);
    enum dmarc_result got = discover(author, a, ret, &record, &w);
    if (got == DMARC_TEMPERROR && needs_no_walk(q, author, &w, a->arena))
        got = take(author, &w.list[0], a, ret, &record);
    if (got == DMARC_FAIL && record) {
        got = try_one(&q->spf, author, ret->org_domain, record->strict_spf, a, &ret->spf_aligned);
        for (size_t i = 0; i < q->dkim_count && i < DMARC_SIGNATURES_MOST; i++)
            got = worse(got, try_one(&q->dkim[i], author, ret->org_domain, record->strict_dkim, a,
                                     &ret->dkim_aligned[i]));
    }
    ret->result = a->full || a->arena->failed ? DMARC_TEMPERROR : got;
}
