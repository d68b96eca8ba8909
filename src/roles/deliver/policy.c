/* policy.c: what TLS a host must show before mail is sent to it. The domain says so, by TLSA records of its
 * hosts that DNSSEC secures (DANE, RFC 7672) or else by MTA-STS (RFC 8461), and the message may: that nothing
 * goes but by TLS to a host that has proved who it is (RFC 8689), or that the domain's demands do not count.
 */
#include <string.h>

#include "base/clock.h"
#include "roles/deliver/deliver.h"
#include "store/accept.h"

/* ---- what the message wants ---- */

/* "TLS-Required: No", once (RFC 8689 3). */
static bool says_optional(view message) {
    view line;
    bool optional = false;
    size_t count = 0;
    message = view_slice(message, 0, LIMIT_HEADER_BYTES);
    while (view_split(&message, '\n', &line) && view_trim(line).len > 0) {
        if (!view_starts_with_nocase(line, VIEW("TLS-Required:")))
            continue;
        optional = view_eq_nocase(view_trim(view_skip(line, strlen("TLS-Required:"))), VIEW("No"));
        count++;
    }
    return optional && count == 1;
}

/* A notification without a sender goes on where it cannot be protected (RFC 8689 5). */
enum tls_need policy_need(const struct queue *q, const struct job *job) {
    const struct row *row = &job->rows[0];
    enum tls_need need = TLS_BY_POLICY;
    role_works_on(row->message);
    struct content *c = content_get(row->message, row->list, row->list_address, outcome_form(q, job));
    bool known = c->err.code == ERR_OK;
    if (known && (c->flags & MESSAGE_REQUIRETLS))
        need = row->list || row->sender.len > 0 ? TLS_REQUIRED : TLS_BY_POLICY;
    else if (known && says_optional(c->shared_header.len > 0 ? c->shared_header : c->body))
        need = TLS_OPTIONAL;
    content_put(c);
    role_works_on(0);
    return need;
}

bool policy_refused(struct queue *q, const struct job *job, const struct err *e) {
    if (e->code != ERR_TLS_POLICY && e->code != ERR_NO_ENCRYPTION && e->code != ERR_NO_REQUIRETLS)
        return false;
    outcome_of_refusal(q, job, e);
    return true;
}

/* ---- what the domain wants ---- */

static void expect(struct policy *p, const char *by, const char *name, const char *other) {
    p->demand.by = by;
    p->demand.proof = &p->proof;
    p->proof.names[0] = name;
    p->proof.names[1] = other;
}

/* True: the host's own records say it all. */
static bool by_dane(const struct hop *h, const char *domain, struct policy *p) {
    if (p->dane.found == DANE_NONE || p->dane.found == DANE_FAILED)
        return false;
    p->kind = TLS_POLICY_TLSA;
    p->demand.tls = SMTP_TLS_MUST;
    p->demand.by = "dane";
    if (p->dane.found == DANE_UNUSABLE)
        return true;
    expect(p, "dane", p->dane.base, h->by_mx || h->own ? domain : NULL); /* RFC 7672 3.2.2 */
    p->proof.records = p->dane.records;
    p->proof.record_count = p->dane.count;
    p->demand.tls = SMTP_TLS_PROVED;
    return true;
}

static bool by_sts(const struct hop *h, const char *domain, const char *host, struct policy *p,
                   struct err *e) {
    bool enforced = h->sts->policy.mode == MTA_STS_ENFORCE;
    p->kind = TLS_POLICY_STS;
    p->allowed = mta_sts_allows(&h->sts->policy, view_of(host));
    if (!p->allowed)
        return !enforced ||
               err_set(e, ERR_TLS_POLICY, "%s is no mail exchanger that the MTA-STS policy of %s names", host,
                       domain);
    expect(p, "sts", host, NULL);
    if (enforced)
        p->demand.tls = SMTP_TLS_PROVED;
    return true;
}

static bool by_domain(const struct hop *h, const char *domain, const struct target *t, struct arena *a,
                      struct policy *p, struct err *e) {
    const char *host = arena_str(a, t->host);
    int64_t deadline = clock_mono_ms() + deliver.role.config->deliver_connect_timeout;
    if (h->secure && deliver.validates)
        p->dane = dane_lookup(deliver.dns, t->host, &t->known, h->port, a, deadline);
    if (p->dane.found == DANE_FAILED)
        return err_set(e, ERR_TLS_POLICY,
                       "the TLSA records of %s cannot be looked up: nobody knows what TLS it needs", host);
    return by_dane(h, domain, p) || !h->sts || by_sts(h, domain, host, p, e);
}

/* ---- both ---- */

/* RFC 8689 4.2.1: the host's name must come from somewhere that can be trusted, and be proved. */
static bool strictly(const struct hop *h, const char *domain, const struct target *t, struct arena *a,
                     struct policy *p, struct err *e) {
    p->demand.requiretls = true;
    p->demand.tls = SMTP_TLS_PROVED;
    if (p->demand.proof)
        return true;
    const char *host = arena_str(a, t->host);
    if (!p->allowed && !h->secure)
        return err_set(e, ERR_NO_ENCRYPTION,
                       "nothing proves that %s takes mail for %s (neither DNSSEC nor MTA-STS), and the "
                       "message demands it",
                       host, domain);
    expect(p, "certificate", host, NULL);
    return true;
}

bool policy_find(const struct hop *h, const char *domain, enum tls_need need, const struct target *t,
                 struct arena *a, struct policy *p, struct err *e) {
    *p = (struct policy){.kind = TLS_POLICY_NONE, .demand = {.by = ""}};
    if (h->lmtp || need == TLS_OPTIONAL)
        return true;
    if (!deliver.tls)
        return need != TLS_REQUIRED ||
               err_set(e, ERR_NO_ENCRYPTION,
                       "mail is sent without TLS here (tls_out), and the message demands it");
    if (!by_domain(h, domain, t, a, p, e))
        return false;
    return need != TLS_REQUIRED || strictly(h, domain, t, a, p, e);
}
