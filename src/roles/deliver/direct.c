/* direct.c: mail that is passed on to an address elsewhere: by an alias, or as an answer to an author whose
 * address stands inside one of ours. It goes as it came but for what would be false or would fail:
 * Authentication-Results of others in our name; From, where its domain forbids what reaches the receiver (as
 * lists do, lists/mitigation.h); wrapped addresses in To and Cc, which are shown unwrapped; and the envelope
 * sender, so that SPF passes (SRS). */
#include <stdlib.h>
#include <string.h>

#include "auth/check.h"
#include "auth/resolve.h"
#include "auth/srs.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "lists/mitigation.h"
#include "mail/address.h"
#include "roles/deliver/deliver.h"
#include "store/accept.h"
#include "store/secret.h"

enum {
    CHECK_ARENA = 16 << 20,
    RENEW_MS = 10 * 60 * 1000,
    LOOK_MS = 3000 /* other threads wait for the same text; and what DNS said to smtpd resolvers still know */
};

/* ---- secrets ---- */

struct shared {
    const char *name;
    unsigned char octets[SECRETS_KEPT][SECRET_OCTETS];
    view list[SECRETS_KEPT];
    size_t count;
    int64_t read_ms;
};
static struct shared srs = {.name = SECRET_SRS}, wrap = {.name = SECRET_WRAP};
static pthread_mutex_t secrets_lock = PTHREAD_MUTEX_INITIALIZER;

/* A copy of what the store has now, or had a while ago. An old one is still good: others accept it. */
static bool take_secrets(struct shared *s, struct shared *ret, struct err *e) {
    bool ok = true;
    pthread_mutex_lock(&secrets_lock);
    if (s->count == 0 || clock_mono_ms() - s->read_ms > RENEW_MS) {
        struct store_request q;
        store_request_init(&q, OP_SECRETS);
        vals_view(&q.args, view_of(s->name));
        ok = store_call(deliver.role.store, &q, e);
        struct vals v = vals_of(buf_view(&q.out));
        size_t n = 0;
        for (; ok && vals_more(&v) && n < SECRETS_KEPT; n++)
            memcpy(s->octets[n], vals_get_view(&v).ptr, SECRET_OCTETS);
        s->count = ok ? n : s->count;
        s->read_ms = clock_mono_ms();
        store_request_done(&q);
    }
    *ret = *s;
    ok = ok || s->count > 0;
    pthread_mutex_unlock(&secrets_lock);
    for (size_t i = 0; i < ret->count; i++)
        ret->list[i] = view_from(ret->octets[i], SECRET_OCTETS);
    return ok;
}

/* ---- what receivers will find ---- */

/* Our own signature on top of it may show what is missing. */
static bool is_shown_by_us(const struct signing *s, view author, struct answers *a, int64_t deadline_ms) {
    struct dmarc_query q = {.author_domain = author, .spf = {VIEW(""), false}};
    struct dmarc_verdict v;
    for (; q.dkim_count < s->dkim.key_count; q.dkim_count++)
        q.dkim[q.dkim_count] = (struct dmarc_identity){s->dkim.keys[q.dkim_count]->domain, true};
    for (dmarc_check(&q, a, &v); v.result == DMARC_WAITS; dmarc_check(&q, a, &v))
        answers_resolve(a, deliver.dns, deadline_ms);
    return v.result == DMARC_PASS;
}

bool direct_is_forbidden(view octets, const struct signing *s) {
    struct arena arena;
    struct answers answers;
    struct auth_verdict v;
    const struct auth_query q = {.message = octets, .now_s = clock_now_ms() / 1000};
    int64_t most = deliver.role.config->auth_timeout;
    int64_t deadline = clock_mono_ms() + (most < LOOK_MS ? most : LOOK_MS);
    arena_init(&arena, CHECK_ARENA);
    answers_init(&answers, &arena);
    while (!auth_check(&q, &answers, &v))
        answers_resolve(&answers, deliver.dns, deadline);
    /* What DNS does not say now, receivers may know: a From that is rewritten in vain costs less than a lost
     * copy. */
    bool open = v.dmarc.result == DMARC_TEMPERROR;
    bool forbidden = v.dmarc.result == DMARC_FAIL && v.dmarc.applied != DMARC_P_NONE;
    forbidden = (forbidden || open) && !is_shown_by_us(s, v.author, &answers, deadline);
    arena_done(&arena);
    return forbidden;
}

/* ---- the text ---- */

struct passing {
    struct content *c;
    struct header header;
    struct wrap_domains domains;
    struct shared keys;
    view list[LIMIT_LIST_SETTING];
    bool rewrite;    /* From */
    struct buf from; /* what takes its place */
    bool changed;
};

static bool read_domains(struct passing *p, struct err *e) {
    const struct config_list *domains = &deliver.role.config->rewrite_domains;
    p->domains.list = p->list;
    if (domains->count == 0)
        return true;
    for (size_t i = 0; i < domains->count; i++)
        p->list[p->domains.count++] = mitigation_entry_domain(domains->items[i]);
    if (!take_secrets(&wrap, &p->keys, e))
        return false;
    p->domains.keys = p->keys.list;
    p->domains.key_count = p->keys.count;
    return true;
}

/* Append the field as it leaves. */
static void pass_field(struct passing *p, const struct header_field *f, struct buf *out) {
    struct buf value = BUF_INIT(LIMIT_HEADER_BYTES);
    struct arena *a = &p->c->arena;
    bool address = view_eq_nocase(f->name, VIEW("To")) || view_eq_nocase(f->name, VIEW("Cc"));
    bool goes = results_are_forged(p->c->fields, f);
    if (p->rewrite && view_eq_nocase(f->name, VIEW("From"))) {
        buf_add(out, buf_view(&p->from));
        p->changed = true;
    } else if (!goes && address && p->domains.count > 0 &&
               mitigation_unwrap(header_value(f, a), &p->domains, a, &value)) {
        header_add(out, arena_str(a, f->name), buf_view(&value));
        p->changed = true;
    } else if (!goes) {
        buf_add(out, f->raw);
    }
    p->changed |= goes;
    buf_done(&value);
}

/* False: it goes as it is. */
static bool make(struct passing *p, view message, struct buf *out) {
    p->changed = false;
    buf_init(out, message.len + 8 * LIMIT_HEADER_BYTES);
    for (size_t i = 0; i < p->header.count; i++)
        pass_field(p, &p->header.fields[i], out);
    if (p->header.count > 0) {
        view last = p->header.fields[p->header.count - 1].raw;
        buf_add(out, view_skip(message, (size_t)(last.ptr - message.ptr) + last.len));
    }
    if (p->changed && !out->failed)
        return true;
    buf_done(out); /* most mail stays as it is, and large mail is not kept twice */
    buf_init(out, 0);
    return false;
}

/* Whether From is to be rewritten. */
static bool is_due(const struct passing *p, const struct signing *s) {
    const struct content *c = p->c;
    if (p->keys.count == 0 || c->form == FORM_PASSED_ON)
        return false;
    if (c->form == FORM_MITIGATED)
        return true;
    return (c->flags & (MESSAGE_TRUSTED | MESSAGE_NOTICE)) == 0 && direct_is_forbidden(c->body, s);
}

bool direct_make(struct content *c, const struct signing *s) {
    struct passing p = {.c = c};
    view message = c->body;
    if (!read_domains(&p, &c->err))
        return false;
    header_parse(message, &c->arena, &p.header);
    if (make(&p, message, &c->made))
        c->body = buf_view(&c->made);
    if (is_due(&p, s)) {
        buf_init(&p.from, 4 * LIMIT_HEADER_BYTES);
        p.rewrite = mitigation_wrap_from(&p.header, p.domains.list[0], p.keys.list[0], &c->arena, &p.from) &&
                    !p.from.failed;
        buf_done(&c->made);
        c->body = message;
        if (make(&p, message, &c->made))
            c->body = buf_view(&c->made);
        c->mitigated = p.rewrite;
        buf_done(&p.from);
    }
    return true;
}

/* ---- the envelope ---- */

bool direct_sender(const struct row *row, const struct content *c, struct arena *a, view *ret,
                   struct err *e) {
    view forwarder = view_of(deliver.role.config->srs_domain);
    struct shared keys;
    *ret = row->sender;
    if (forwarder.len == 0 || row->sender.len == 0 || c->form == FORM_PASSED_ON ||
        (c->flags & (MESSAGE_TRUSTED | MESSAGE_NOTICE)))
        return true;
    if (!take_secrets(&srs, &keys, e))
        return false;
    struct srs_keys k = {.count = keys.count};
    for (size_t i = 0; i < keys.count; i++)
        k.list[i] = keys.list[i];
    if (!srs_forward(row->sender, forwarder, &k, clock_now_ms() / 1000, a, ret))
        *ret = row->sender;
    return true;
}
