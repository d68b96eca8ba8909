/* dane.c: see dane.h. */
#include "net/dane.h"

enum { TYPE_CNAME = 5, TYPE_TLSA = 52, RECORDS_MAX = 32, SHA256_BYTES = 32, SHA512_BYTES = 64 };

bool dane_record(view rdata, struct tls_tlsa *ret) {
    if (rdata.len < 4)
        return false;
    *ret = (struct tls_tlsa){.usage = (unsigned char)rdata.ptr[0],
                             .selector = (unsigned char)rdata.ptr[1],
                             .matching = (unsigned char)rdata.ptr[2],
                             .data = view_skip(rdata, 3)};
    bool known = (ret->usage == TLSA_USAGE_ANCHOR || ret->usage == TLSA_USAGE_ENTITY) && ret->selector <= 1;
    if (ret->matching == 1)
        return known && ret->data.len == SHA256_BYTES;
    if (ret->matching == 2)
        return known && ret->data.len == SHA512_BYTES;
    return known && ret->matching == 0;
}

static struct dane read_answer(const struct dns_question *q, view base, struct arena *a) {
    struct dane found = {.found = DANE_NONE};
    if (q->found == DNS_TEMPORARY)
        found.found = DANE_FAILED;
    if (q->found != DNS_FOUND || !q->secure)
        return found;
    found.records = arena_array(a, struct tls_tlsa, RECORDS_MAX);
    found.base = arena_str(a, base);
    for (size_t i = 0; found.records && i < q->count && found.count < RECORDS_MAX; i++)
        found.count += dane_record(q->data[i], &found.records[found.count]);
    found.found = a->failed ? DANE_FAILED : found.count > 0 ? DANE_USABLE : DANE_UNUSABLE;
    return found;
}

static struct dane ask_at(struct dns *d, view base, int port, struct arena *a, int64_t deadline_ms) {
    struct dns_question q = {.name = arena_printf(a, "_%d._tcp.%.*s", port, VIEW_ARG(base)),
                             .type = TYPE_TLSA};
    dns_ask(d, &q, 1, a, deadline_ms);
    return read_answer(&q, base, a);
}

/* The alias itself may be signed where what it leads to is not (RFC 7672 2.2.2). */
static bool is_secure_alias(struct dns *d, view host, struct arena *a, int64_t deadline_ms,
                            bool *ret_failed) {
    struct dns_question q = {.name = host, .type = TYPE_CNAME};
    dns_ask(d, &q, 1, a, deadline_ms);
    *ret_failed = q.found == DNS_TEMPORARY;
    return q.found == DNS_FOUND && q.secure;
}

struct dane dane_lookup(struct dns *d, view host, const struct dns_host *known, int port, struct arena *a,
                        int64_t deadline_ms) {
    struct dane found = {.found = DANE_NONE};
    bool alias = !view_eq_nocase(host, known->name), failed = false;
    if (alias && known->secure)
        found = ask_at(d, known->name, port, a, deadline_ms);
    if (found.found != DANE_NONE)
        return found;
    if (known->secure || (alias && is_secure_alias(d, host, a, deadline_ms, &failed)))
        return ask_at(d, host, port, a, deadline_ms);
    if (failed)
        found.found = DANE_FAILED;
    return found;
}
