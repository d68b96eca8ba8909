/* arc_verify.c: see arc.h. The chain is looked at as it is, then all keys are asked for at once, then the
 * last message signature and the seals are checked (RFC 8617 5.2). */
#include "auth/arc_private.h"

#include "base/limits.h"

/* One signature of the chain. */
struct link {
    struct dkim_reading reading;
    struct dkim_signature signature;
    struct dkim_key key;
    enum dkim_result result;
};

struct verifying {
    struct dkim_message message;
    struct arc_chain chain;
    struct arc_verdict *verdict;
};

static enum arc_result fail(struct verifying *v, const char *why) {
    v->verdict->why = why;
    return ARC_FAIL;
}

/* Nothing but RSA is known (RFC 8617 4.1.2: as RFC 6376 has it). */
static enum dkim_result read_rsa(struct verifying *v, struct link *l) {
    enum dkim_result got = dkim_read_signer(&v->message, &l->reading, &l->signature);
    return got == DKIM_PASS && l->reading.ed25519 ? dkim_wrong(&l->signature, "an unknown algorithm") : got;
}

static enum dkim_result read_signature(struct verifying *v, struct link *l) {
    enum dkim_result got = read_rsa(v, l);
    if (got != DKIM_PASS)
        return got;
    if (tags_list_has(tags_value(&l->reading.tags, "h"), VIEW(ARC_SEAL_NAME))) /* it comes later */
        return dkim_wrong(&l->signature, "a seal is signed");
    return dkim_read_scope(&v->message, &l->reading, &l->signature);
}

static enum dkim_result read_seal(struct verifying *v, struct link *l) {
    int64_t signed_s;
    enum dkim_result got = read_rsa(v, l);
    if (got != DKIM_PASS)
        return got;
    l->reading.header = CANON_RELAXED;
    if (tags_find(&l->reading.tags, "h"))
        return dkim_wrong(&l->signature, "a seal that chooses what it signs");
    if (tags_find(&l->reading.tags, "t") && !dkim_read_number(tags_value(&l->reading.tags, "t"), &signed_s))
        return dkim_wrong(&l->signature, "a time that is no number");
    return DKIM_PASS;
}

static void read_link(struct verifying *v, struct link *l, const struct header_field *f, bool seal) {
    *l = (struct link){.reading = {.field = f}, .signature = {.why = ""}};
    l->result = seal ? read_seal(v, l) : read_signature(v, l);
}

/* False: it waits for the key. */
static bool find_key(struct verifying *v, struct link *l) {
    if (l->result == DKIM_PASS)
        l->result = dkim_find_key(&v->message, &l->reading, &l->signature, &l->key);
    return l->result != DKIM_WAITS;
}

static void check_signature(struct verifying *v, struct link *l) {
    if (l->result == DKIM_PASS)
        l->result = dkim_check_body(&v->message, &l->reading, &l->signature);
    if (l->result == DKIM_PASS)
        l->result = dkim_check_header(&v->message, &l->reading, &l->key, &l->signature);
}

static void check_seal(struct verifying *v, struct link *l, view before, const struct arc_set *set) {
    struct buf what = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    buf_add(&what, before);
    arc_add_set(set, false, &what);
    dkim_add_own(&l->reading, &what);
    if (l->result == DKIM_PASS)
        l->result = what.failed ? dkim_wrong(&l->signature, "more is sealed than is looked at")
                                : dkim_check_signed(&v->message, &l->reading, &l->key, buf_view(&what),
                                                    &l->signature);
    buf_done(&what);
}

static enum arc_result result_of(struct verifying *v, const struct link *l) {
    switch (l->result) {
    case DKIM_PASS:
        return ARC_PASS;
    case DKIM_WAITS:
        return ARC_WAITS;
    case DKIM_TEMPERROR:
        v->verdict->why = l->signature.why;
        return ARC_TEMPERROR;
    case DKIM_NONE:
    case DKIM_FAIL:
    case DKIM_PERMERROR:
        break;
    }
    return fail(v, l->signature.why);
}

/* From the first on, so that what they sign grows by one set each. */
static enum arc_result check_seals(struct verifying *v, struct link *seals) {
    struct buf before = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    enum arc_result got = ARC_PASS;
    for (int i = 0; i < v->chain.count && got == ARC_PASS; i++) {
        check_seal(v, &seals[i], buf_view(&before), &v->chain.sets[i]);
        got = result_of(v, &seals[i]);
        arc_add_set(&v->chain.sets[i], true, &before);
    }
    buf_done(&before);
    return got;
}

/* All that count: the last message signature and the seals. */
static enum arc_result read_links(struct verifying *v, struct link *last, struct link *seals) {
    int count = v->chain.count;
    read_link(v, last, v->chain.sets[count - 1].signature, false);
    enum arc_result got = result_of(v, last);
    for (int i = count - 1; i >= 0 && got == ARC_PASS; i--) {
        read_link(v, &seals[i], v->chain.sets[i].seal, true);
        got = result_of(v, &seals[i]);
    }
    if (got == ARC_PASS)
        v->verdict->domain = seals[count - 1].signature.domain;
    return got;
}

/* All at once. */
static enum arc_result find_keys(struct verifying *v, struct link *last, struct link *seals) {
    bool known = find_key(v, last);
    for (int i = 0; i < v->chain.count; i++)
        known &= find_key(v, &seals[i]);
    enum arc_result got = known ? result_of(v, last) : ARC_WAITS;
    for (int i = 0; i < v->chain.count && got == ARC_PASS; i++)
        got = result_of(v, &seals[i]);
    return got;
}

static void links_done(struct link *links, int count) {
    for (int i = 0; i < count; i++)
        dkim_key_done(&links[i].key);
}

static enum arc_result check_links(struct verifying *v, struct link *last, struct link *seals) {
    enum arc_result got = read_links(v, last, seals);
    if (got == ARC_PASS)
        got = find_keys(v, last, seals);
    if (got == ARC_PASS) {
        check_signature(v, last);
        got = result_of(v, last);
    }
    if (got == ARC_PASS)
        got = check_seals(v, seals);
    links_done(last, 1);
    links_done(seals, v->chain.count);
    return got;
}

/* How far back what came is what was signed (5.2, 5); nothing else depends on it. */
static enum arc_result find_oldest(struct verifying *v, struct link *links) {
    int i, count = v->chain.count - 1;
    bool known = true;
    for (i = count - 1; i >= 0; i--) {
        read_link(v, &links[i], v->chain.sets[i].signature, false);
        known &= find_key(v, &links[i]);
    }
    for (i = count - 1; i >= 0 && known; i--) {
        check_signature(v, &links[i]);
        if (links[i].result != DKIM_PASS)
            break;
    }
    links_done(links, count);
    v->verdict->oldest_pass = i < 0 ? 0 : i + 2;
    return known ? ARC_PASS : ARC_WAITS;
}

static enum arc_result verify_chain(struct verifying *v) {
    struct link last, *links = arena_array(v->message.arena, struct link, (size_t)v->chain.count);
    enum arc_result got = links ? check_links(v, &last, links) : ARC_TEMPERROR;
    return got == ARC_PASS ? find_oldest(v, links) : got;
}

static enum arc_result verify(struct verifying *v) {
    const char *wrong = arc_collect(&v->message.header, &v->chain);
    if (!v->chain.any)
        return ARC_NONE;
    if (*wrong)
        return fail(v, wrong);
    v->verdict->count = v->chain.count;
    v->verdict->found = v->chain.sets[v->chain.count - 1].found;
    return verify_chain(v);
}

void arc_verify(view message, const struct dkim_bodies *bodies, int64_t now_s, struct answers *a,
                struct arc_verdict *ret) {
    struct verifying v = {.verdict = ret};
    *ret = (struct arc_verdict){.why = "", .domain = VIEW(""), .found = VIEW("")};
    bool ready = dkim_message_init(&v.message, message, bodies, now_s, a);
    ret->result = ready ? verify(&v) : ARC_TEMPERROR;
    if (a->arena->failed)
        ret->result = ARC_TEMPERROR;
}
