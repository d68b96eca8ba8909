/* spf.c: check_host() (RFC 7208 4): a domain's record is read whole, then its directives are tried one by
 * one. Run again from the beginning whenever more answers are there, so everything counted is counted anew.
 */
#include "auth/spf.h"

#include <string.h>

#include "auth/spf_private.h"
#include "mail/address.h"
#include "mail/text.h"

enum { DEPTH_MOST = 12 /* ten look-ups lead no deeper */ };

static enum spf_result check_host(struct spf_run *r, view domain);

static enum spf_result wrong(struct spf_run *r, const char *why) {
    r->verdict->why = why;
    return SPF_PERMERROR;
}

/* One more that costs a look-up (4.6.4). */
static bool may_look(struct spf_run *r) {
    return ++r->lookups <= SPF_LOOKUPS;
}

/* What cannot be a name, as macros may make it, is not asked for, and so is no look-up (4.6.4, 4.8). */
static bool is_void(const struct answer *found) {
    return found->name.len > 0 && (found->state == ANSWER_NO_DATA || found->state == ANSWER_NO_NAME);
}

static bool may_be_void(struct spf_run *r, const struct answer *found) {
    r->voids += is_void(found);
    return r->voids <= SPF_VOID_LOOKUPS;
}

static bool matches_prefix(view one, view other, int bits) {
    int whole = bits / 8, rest = bits % 8;
    if (one.len != other.len || memcmp(one.ptr, other.ptr, (size_t)whole) != 0)
        return false;
    unsigned mask = rest ? 0xffu << (8 - rest) & 0xffu : 0;
    return mask == 0 || (((unsigned char)one.ptr[whole] ^ (unsigned char)other.ptr[whole]) & mask) == 0;
}

static enum record_type address_type(const struct spf_run *r) {
    return r->client.len == 4 ? RECORD_A : RECORD_AAAA;
}

static bool has_client(const struct spf_run *r, const struct answer *found, const struct spf_directive *d) {
    int bits = r->client.len == 4 ? d->ip4_prefix : d->ip6_prefix;
    for (size_t i = 0; i < found->count; i++)
        if (matches_prefix(found->records[i].data, r->client, bits))
            return true;
    return false;
}

/* ---- mechanisms: PASS they match, NONE they do not, or an error ---- */

static view without_dot(view name) {
    return view_ends_with(name, VIEW(".")) ? view_slice(name, 0, name.len - 1) : name;
}

/* PASS: *ret is what is to be looked at; else there is nothing to look at yet, or at all. What macros have
 * made into no domain name matches nothing and is not asked for, so it is no look-up that found nothing
 * (4.8). */
static enum spf_result look_up(struct spf_run *r, view name, enum record_type type,
                               const struct answer **ret) {
    if (!domain_name_is_valid(without_dot(name)) || !text_is_7bit(name))
        return SPF_NONE;
    *ret = answers_get(r->answers, name, type);
    if (!*ret)
        return SPF_WAITS;
    if ((*ret)->state == ANSWER_TEMPORARY)
        return SPF_TEMPERROR;
    return may_be_void(r, *ret) ? SPF_PASS : wrong(r, "more than two look-ups found nothing");
}

static enum spf_result match_a(struct spf_run *r, const struct spf_directive *d, view name) {
    const struct answer *found;
    enum spf_result got = look_up(r, name, address_type(r), &found);
    return got == SPF_PASS && !has_client(r, found, d) ? SPF_NONE : got;
}

/* All hosts at once; the first that says something says it. */
static enum spf_result match_hosts(struct spf_run *r, const struct spf_directive *d,
                                   const struct answer *hosts) {
    bool waits = false;
    for (size_t i = 0; i < hosts->count; i++)
        waits |= hosts->records[i].data.len > 0 &&
                 !answers_get(r->answers, hosts->records[i].data, address_type(r));
    if (waits)
        return SPF_WAITS;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct answer *found = answers_get(r->answers, hosts->records[i].data, address_type(r));
        if (hosts->records[i].data.len == 0) /* null MX (RFC 7505) */
            continue;
        if (found->state == ANSWER_TEMPORARY)
            return SPF_TEMPERROR;
        if (has_client(r, found, d))
            return SPF_PASS;
    }
    return SPF_NONE;
}

static enum spf_result match_mx(struct spf_run *r, const struct spf_directive *d, view name) {
    const struct answer *hosts;
    enum spf_result got = look_up(r, name, RECORD_MX, &hosts);
    if (got != SPF_PASS)
        return got;
    if (hosts->count > SPF_NAMES)
        return wrong(r, "more than ten MX records");
    return match_hosts(r, d, hosts);
}

static view reverse_name(const struct spf_run *r) {
    const unsigned char *o = (const unsigned char *)r->client.ptr;
    if (r->client.len == 4)
        return arena_printf(r->answers->arena, "%d.%d.%d.%d.in-addr.arpa", o[3], o[2], o[1], o[0]);
    struct buf out = BUF_INIT(80);
    for (int i = 15; i >= 0; i--)
        buf_printf(&out, "%x.%x.", o[i] & 15, o[i] >> 4);
    view name = arena_printf(r->answers->arena, "%.*sip6.arpa", (int)out.len, out.data);
    buf_done(&out);
    return name;
}

bool spf_validated_name(struct spf_run *r, view domain, bool below, view *ret_name) {
    static const struct spf_directive exact = {.ip4_prefix = 32, .ip6_prefix = 128};
    const struct answer *names = answers_get(r->answers, reverse_name(r), RECORD_PTR);
    view other = VIEW("");
    bool waits = false;
    *ret_name = VIEW("");
    if (!names)
        return false;
    size_t count = names->count < SPF_NAMES ? names->count : SPF_NAMES;
    for (size_t i = 0; i < count; i++)
        waits |= !answers_get(r->answers, names->records[i].data, address_type(r));
    for (size_t i = 0; i < count && !waits; i++) {
        view name = names->records[i].data;
        if (!has_client(r, answers_get(r->answers, name, address_type(r)), &exact))
            continue;
        if (domain_name_is_within(name, domain) && (ret_name->len == 0 || view_eq_nocase(name, domain)))
            *ret_name = name; /* the domain itself before one below it */
        other = other.len ? other : name;
    }
    if (ret_name->len == 0 && !below)
        *ret_name = other;
    return !waits;
}

static enum spf_result match_ptr(struct spf_run *r, view name) {
    view found;
    const struct answer *names = answers_get(r->answers, reverse_name(r), RECORD_PTR);
    if (!names || !spf_validated_name(r, without_dot(name), true, &found)) /* 7.1 */
        return SPF_WAITS;
    if (!may_be_void(r, names))
        return wrong(r, "more than two look-ups found nothing");
    return found.len > 0 ? SPF_PASS : SPF_NONE;
}

static enum spf_result match_exists(struct spf_run *r, view name) {
    const struct answer *found;
    enum spf_result got = look_up(r, name, RECORD_A, &found);
    return got == SPF_PASS && found->state != ANSWER_FOUND ? SPF_NONE : got;
}

/* 5.2: what the other domain says decides whether this matches. */
static enum spf_result match_include(struct spf_run *r, view name) {
    enum spf_result got = check_host(r, name);
    if (got == SPF_NONE)
        return wrong(r, "a domain that is included has no record");
    return got == SPF_FAIL || got == SPF_SOFTFAIL || got == SPF_NEUTRAL ? SPF_NONE : got;
}

static enum spf_result match_network(const struct spf_run *r, const struct spf_directive *d) {
    bool four = d->mechanism == SPF_IP4;
    view network = view_from(d->network, four ? 4 : 16);
    return matches_prefix(network, r->client, four ? d->ip4_prefix : d->ip6_prefix) ? SPF_PASS : SPF_NONE;
}

static enum spf_result match(struct spf_run *r, const struct spf_directive *d, view domain) {
    view name = domain;
    if (d->mechanism == SPF_ALL)
        return SPF_PASS;
    if (d->mechanism == SPF_IP4 || d->mechanism == SPF_IP6)
        return match_network(r, d);
    if (!may_look(r))
        return wrong(r, "more than ten look-ups");
    enum spf_result got = d->spec.len > 0 ? spf_expand(r, d->spec, domain, false, &name) : SPF_PASS;
    if (got != SPF_PASS)
        return got;
    switch (d->mechanism) {
    case SPF_A:
        return match_a(r, d, name);
    case SPF_MX:
        return match_mx(r, d, name);
    case SPF_PTR:
        return match_ptr(r, name);
    case SPF_EXISTS:
        return match_exists(r, name);
    case SPF_INCLUDE:
        return match_include(r, name);
    case SPF_ALL:
    case SPF_IP4:
    case SPF_IP6:
        break;
    }
    return SPF_NONE;
}

/* ---- a record ---- */

static bool is_spf(view text) {
    return view_starts_with_nocase(text, VIEW("v=spf1")) && (text.len == 6 || text.ptr[6] == ' ');
}

/* 4.4, 4.5. PASS: *ret is the record. */
static enum spf_result find_record(struct spf_run *r, view domain, view *ret) {
    const struct answer *found = answers_get(r->answers, domain, RECORD_TXT);
    size_t n = 0;
    if (!found)
        return SPF_WAITS;
    if (found->state == ANSWER_TEMPORARY)
        return SPF_TEMPERROR;
    for (size_t i = 0; i < found->count; i++)
        if (is_spf(found->records[i].data)) {
            *ret = found->records[i].data;
            n++;
        }
    if (n > 1)
        return wrong(r, "more than one record");
    return n == 1 ? SPF_PASS : SPF_NONE;
}

/* Printable ASCII, or it is no explanation (6.2). */
static bool is_plain(view text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

/* 6.2: whatever is wrong with it, there is no explanation then. WAITS, or FAIL. */
static enum spf_result explain(struct spf_run *r, view spec, view domain) {
    view name, text;
    r->verdict->explanation = VIEW("");
    if (!spec.ptr)
        return SPF_FAIL;
    enum spf_result got = spf_expand(r, spec, domain, false, &name);
    if (got != SPF_PASS)
        return got == SPF_WAITS ? SPF_WAITS : SPF_FAIL;
    const struct answer *found = answers_get(r->answers, name, RECORD_TXT);
    if (!found)
        return SPF_WAITS;
    if (found->count != 1 || !is_plain(found->records[0].data) ||
        !spf_macros_are_valid(found->records[0].data, true))
        return SPF_FAIL;
    got = spf_expand(r, found->records[0].data, domain, true, &text);
    if (got == SPF_WAITS)
        return SPF_WAITS;
    if (got == SPF_PASS && is_plain(text))
        r->verdict->explanation = text;
    return SPF_FAIL;
}

/* 6.1: what another domain says instead. */
static enum spf_result follow(struct spf_run *r, view spec, view domain) {
    view name;
    if (!may_look(r))
        return wrong(r, "more than ten look-ups");
    enum spf_result got = spf_expand(r, spec, domain, false, &name);
    if (got != SPF_PASS)
        return got == SPF_WAITS ? SPF_WAITS : SPF_NEUTRAL; /* as if nothing had matched */
    got = check_host(r, name);
    return got == SPF_NONE ? wrong(r, "the domain it redirects to has no record") : got;
}

static enum spf_result try_all(struct spf_run *r, const struct spf_record *record, view domain) {
    struct spf_directive d;
    view rest = record->terms;
    while (spf_next(&rest, &d)) {
        enum spf_result got = match(r, &d, domain);
        if (got == SPF_NONE)
            continue;
        if (got != SPF_PASS)
            return got;
        r->verdict->mechanism = d.text;
        return d.qualifier == SPF_FAIL ? explain(r, record->exp, domain) : d.qualifier;
    }
    return record->redirect.ptr ? follow(r, record->redirect, domain) : SPF_NEUTRAL;
}

static enum spf_result check_host(struct spf_run *r, view domain) {
    struct spf_record record;
    view text;
    domain = without_dot(domain);
    if (!domain_name_is_valid(domain) || !text_is_7bit(domain) || view_find(domain, '.') < 0)
        return SPF_NONE; /* 4.3 */
    if (++r->depth > DEPTH_MOST)
        return wrong(r, "it includes itself");
    enum spf_result got = find_record(r, domain, &text);
    if (got == SPF_PASS) {
        const char *why;
        got = spf_parse(text, &record, &why) ? try_all(r, &record, domain) : wrong(r, why);
    }
    r->depth--;
    return got;
}

/* ---- the whole ---- */

/* ::ffff:192.0.2.1 is 192.0.2.1 (RFC 7208 5). */
static view client_of(view octets) {
    static const char mapped[12] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
    return octets.len == 16 && memcmp(octets.ptr, mapped, sizeof mapped) == 0 ? view_skip(octets, 12)
                                                                              : octets;
}

/* U-labels become A-labels before DNS and macros see them (RFC 8616 4). What is no such name stays, and is
 * none to ask for. */
static view to_ascii(view domain, struct arena *a) {
    view ascii;
    return !text_is_7bit(domain) && domain_normalise(domain, a, &ascii, NULL) ? ascii : domain;
}

void spf_check(const struct spf_query *q, struct answers *a, struct spf_verdict *ret) {
    struct spf_run r = {.query = q, .answers = a, .verdict = ret, .client = client_of(q->client)};
    r.helo = to_ascii(q->helo, a->arena);
    ptrdiff_t at = view_rfind(q->sender, '@');
    view local = at > 0 ? view_slice(q->sender, 0, (size_t)at) : VIEW("postmaster"); /* 2.4, 4.3 */
    *ret = (struct spf_verdict){.explanation = VIEW(""), .why = "", .mechanism = VIEW("")};
    ret->domain = q->sender.len ? to_ascii(view_skip(q->sender, (size_t)(at + 1)), a->arena) : r.helo;
    r.sender = arena_printf(a->arena, "%.*s@%.*s", VIEW_ARG(local), VIEW_ARG(ret->domain));
    ret->result = a->arena->failed ? SPF_TEMPERROR : check_host(&r, ret->domain);
    if (a->full || a->arena->failed)
        ret->result = SPF_TEMPERROR;
    if (ret->result != SPF_FAIL)
        ret->explanation = VIEW("");
}
