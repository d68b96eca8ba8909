/* check.c: see check.h. */
#include "auth/check.h"

#include "base/limits.h"
#include "base/words.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/mailboxes.h"

/* ---- who wrote it ---- */

/* As DNS has it (RFC 9989 4.10, RFC 8616 6). */
static view as_asked(view domain, struct arena *a) {
    view normal;
    struct err e;
    if (view_ends_with(domain, VIEW(".")))
        domain.len--;
    return domain_normalise(domain, a, &normal, &e) ? normal : arena_lower(a, domain);
}

bool author_domain(view message, struct arena *a, view *ret) {
    struct header h;
    header_parse(message, a, &h);
    const struct header_field *from = header_find(&h, "From");
    *ret = VIEW("");
    if (!from || h.truncated || header_count(&h, "From") != 1)
        return false;
    view rest = header_value(from, a), one, found = VIEW("");
    struct err e;
    while (mailboxes_next(&rest, a, &one, &e)) {
        view domain = as_asked(address_split(one).domain, a);
        if (found.len > 0 && !view_eq(found, domain))
            return false;
        found = domain;
    }
    *ret = rest.len == 0 ? found : VIEW(""); /* behind what cannot be read there may be another */
    return ret->len > 0;
}

/* ---- the checks ---- */

static void ask_dmarc(const struct auth_query *q, struct answers *a, struct auth_verdict *v) {
    struct dmarc_query d = {.author_domain = v->author, .spf = {VIEW(""), false}};
    if (q->spf.client.len > 0)
        d.spf = (struct dmarc_identity){v->spf.domain, v->spf.result == SPF_PASS};
    for (; d.dkim_count < v->dkim.count && d.dkim_count < DMARC_SIGNATURES_MOST; d.dkim_count++) {
        const struct dkim_signature *s = &v->dkim.list[d.dkim_count];
        d.dkim[d.dkim_count] = (struct dmarc_identity){s->domain, s->result == DKIM_PASS};
    }
    dmarc_check(&d, a, &v->dmarc);
}

/* What needs keys. False: some are wanted first. */
static bool check_signatures(const struct auth_query *q, struct answers *a, struct auth_verdict *ret) {
    dkim_verify(q->message, q->bodies, q->now_s, a, &ret->dkim);
    arc_verify(q->message, q->bodies, q->now_s, a, &ret->arc);
    if (q->envelope && !q->bodies)
        dkim2_verify(q->message, q->envelope, q->now_s, a, &ret->dkim2);
    return ret->dkim.result != DKIM_WAITS && ret->arc.result != ARC_WAITS && ret->dkim2.result != DKIM2_WAITS;
}

bool auth_check(const struct auth_query *q, struct answers *a, struct auth_verdict *ret) {
    bool first = a->count == 0;
    *ret = (struct auth_verdict){
        .spf = {.why = "", .domain = VIEW(""), .mechanism = VIEW(""), .explanation = VIEW("")},
        .arc = {.why = ""},
        .dkim2 = {.why = ""}};
    ret->author_unclear = !author_domain(q->message, a->arena, &ret->author);
    /* Whatever can be asked for is asked for at once: the policy does not depend on the rest. */
    if (q->spf.client.len > 0)
        spf_check(&q->spf, a, &ret->spf);
    if (ret->author.len > 0)
        dmarc_find_policy(ret->author, a, &ret->dmarc);
    bool waits = ret->spf.result == SPF_WAITS || ret->dmarc.result == DMARC_WAITS;
    if (waits && !first) /* signatures have asked for their keys, and are to be verified once */
        return false;
    if (!check_signatures(q, a, ret) || waits)
        return false;
    ask_dmarc(q, a, ret);
    return ret->dmarc.result != DMARC_WAITS;
}

/* ---- as others read it ---- */

enum { ALGORITHM_MOST = 32 };

static struct authres_result *add(struct authres *r, const char *method, view result, const char *reason) {
    struct authres_result *one = &r->results[r->count++];
    *one = (struct authres_result){
        .method = view_of(method), .version = 1, .result = result, .reason = view_of(reason)};
    return one;
}

static void say(struct authres_result *r, const char *type, const char *name, view value) {
    if (value.len > 0)
        r->properties[r->property_count++] = (struct authres_property){view_of(type), view_of(name), value};
}

static void add_spf(const struct auth_query *q, const struct auth_verdict *v, struct authres *r) {
    struct authres_result *one = add(r, "spf", words_at(SPF_WORDS, v->spf.result), v->spf.why);
    if (q->spf.sender.len > 0)
        say(one, "smtp", "mailfrom", q->spf.sender);
    else
        say(one, "smtp", "helo", q->spf.helo);
}

/* What others have written as a name, only if it is one: forty of them have to fit into a field. */
static void say_name(struct authres_result *r, const char *name, view value) {
    if (domain_name_is_valid(value))
        say(r, "header", name, value);
}

static void add_dkim(const struct dkim_signature *s, struct authres *r) {
    struct authres_result *one = add(r, "dkim", words_at(DKIM_WORDS, s->result), s->why);
    say_name(one, "d", s->domain);
    say_name(one, "s", s->selector);
    if (s->algorithm.len <= ALGORITHM_MOST)
        say(one, "header", "a", s->algorithm);
    say(one, "header", "b", s->value); /* RFC 8601 2.7.1: tells signatures of one domain apart */
}

static void add_dmarc(const struct auth_verdict *v, struct authres *r) {
    if (v->author_unclear) {
        add(r, "dmarc", VIEW("permerror"), "From does not name exactly one domain");
        return;
    }
    struct authres_result *one = add(r, "dmarc", words_at(DMARC_WORDS, v->dmarc.result), "");
    say(one, "header", "from", v->author);
    if (v->dmarc.policy_domain.len > 0)
        say(one, "policy", "dmarc", words_at(DMARC_POLICY_WORDS, v->dmarc.applied));
}

static void add_arc(const struct arc_verdict *v, struct authres *r) {
    if (v->result != ARC_NONE)
        say_name(add(r, "arc", words_at(ARC_WORDS, v->result), v->why), "d", v->domain);
}

static void add_dkim2(const struct dkim2_verdict *v, struct authres *r) {
    if (v->result != DKIM2_NONE)
        say_name(add(r, "dkim2", words_at(DKIM2_WORDS, v->result), v->why), "d", v->domain);
}

void auth_results(const struct auth_query *q, const struct auth_verdict *v, view id, struct arena *a,
                  struct authres *ret) {
    size_t signatures = v->dkim.count < DKIM_SIGNATURES_MOST ? v->dkim.count : DKIM_SIGNATURES_MOST;
    *ret = (struct authres){
        .id = id, .version = 1, .results = arena_array(a, struct authres_result, signatures + 5)};
    if (!ret->results)
        return;
    if (q->spf.client.len > 0)
        add_spf(q, v, ret);
    for (size_t i = 0; i < signatures; i++)
        add_dkim(&v->dkim.list[i], ret);
    if (signatures == 0)
        add(ret, "dkim", VIEW("none"), "");
    add_dmarc(v, ret);
    add_arc(&v->arc, ret);
    add_dkim2(&v->dkim2, ret);
}
