/* dmarc_row.c: see dmarc_row.h. */
#include "roles/dmarc_row.h"

#include "base/words.h"
#include "mail/address.h"
#include "store/report.h"
#include "store/vals.h"

/* Octets of a name that others have chosen; a row has room for results of many signatures. */
enum { NAME_MOST = 255, RUA_MOST = 1000, PUBLISHED_MOST = 2000, RESULT_MOST = 600 };

static view name_of(view v) {
    return view_slice(v, 0, NAME_MOST);
}

static view policy_word(int policy) {
    return policy < 0 ? VIEW("") : words_at(DMARC_POLICY_WORDS, policy);
}

/* ---- write ---- */

static void write_published(const struct dmarc_verdict *v, struct buf *out) {
    struct buf published = BUF_INIT(PUBLISHED_MOST);
    vals_view(&published, view_slice(v->rua, 0, RUA_MOST));
    vals_view(&published, policy_word(v->tags.p));
    vals_view(&published, policy_word(v->tags.sp));
    vals_view(&published, policy_word(v->tags.np));
    vals_view(&published, v->tags.strict_dkim ? VIEW("s") : VIEW("r"));
    vals_view(&published, v->tags.strict_spf ? VIEW("s") : VIEW("r"));
    vals_view(&published, v->testing ? VIEW("y") : VIEW("n"));
    vals_view(out, buf_view(&published));
    buf_done(&published);
}

static bool any_aligned(const struct auth_verdict *v) {
    bool aligned = false;
    for (size_t i = 0; i < v->dkim.count && i < DMARC_SIGNATURES_MOST; i++)
        aligned = aligned || v->dmarc.dkim_aligned[i];
    return aligned;
}

static view disposition_of(const struct auth_verdict *v, bool rejected) {
    if (rejected)
        return VIEW("reject");
    return v->dmarc.result == DMARC_PASS ? VIEW("pass") : VIEW("none");
}

static void write_results(const struct auth_query *q, const struct auth_verdict *v, struct buf *out) {
    struct buf results = BUF_INIT(REPORT_ROW_MOST);
    size_t count = 0;
    for (; count < v->dkim.count && count < DMARC_REPORT_AUTH_MOST &&
           out->len + results.len + 2 * (size_t)RESULT_MOST < REPORT_ROW_MOST;
         count++) {
        const struct dkim_signature *s = &v->dkim.list[count];
        vals_view(&results, name_of(s->domain));
        vals_view(&results, name_of(s->selector));
        vals_view(&results, words_at(DKIM_WORDS, s->result));
    }
    vals_int(out, (int64_t)count);
    buf_add(out, buf_view(&results));
    buf_done(&results);
    vals_view(out, name_of(v->spf.domain));
    vals_view(out, q->spf.sender.len > 0 ? VIEW("mfrom") : VIEW("helo"));
    vals_view(out, words_at(SPF_WORDS, v->spf.result));
}

/* Of another name no report can be made: it goes into fields of a mail and the name of a file. */
static bool is_host_name(view domain) {
    for (size_t i = 0; i < domain.len; i++)
        if (!ascii_is_alnum(domain.ptr[i]) && view_find(VIEW("-_."), domain.ptr[i]) < 0)
            return false;
    return domain.len > 0 && domain_name_is_valid(domain);
}

bool dmarc_row_write(const struct auth_query *q, const struct auth_verdict *v, view ip, bool rejected,
                     struct arena *a, struct buf *out) {
    bool known = v->dmarc.result == DMARC_PASS || v->dmarc.result == DMARC_FAIL;
    if (!known || !is_host_name(v->dmarc.policy_domain) || v->dmarc.rua.len == 0 ||
        v->dmarc.rua.len > RUA_MOST)
        return false;
    write_published(&v->dmarc, out);
    vals_view(out, name_of(ip));
    vals_view(out, disposition_of(v, rejected));
    vals_view(out, any_aligned(v) ? VIEW("pass") : VIEW("fail"));
    vals_view(out, v->dmarc.spf_aligned ? VIEW("pass") : VIEW("fail"));
    vals_view(out, name_of(v->author));
    vals_view(out, name_of(arena_lower(a, address_split(q->spf.sender).domain)));
    write_results(q, v, out);
    return !out->failed && out->len <= REPORT_ROW_MOST;
}

/* ---- read ---- */

static bool read_published(struct dmarc_row *ret) {
    struct vals v = vals_of(ret->published);
    view *const parts[] = {&ret->rua,          &ret->policy.p,    &ret->policy.sp,     &ret->policy.np,
                           &ret->policy.adkim, &ret->policy.aspf, &ret->policy.testing};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        *parts[i] = vals_get_view(&v);
    return !v.failed;
}

static bool read_results(struct vals *v, struct arena *a, struct dmarc_report_record *r) {
    r->dkim_count = vals_get_count(v);
    if (v->failed || r->dkim_count > DMARC_REPORT_AUTH_MOST)
        return false;
    struct dmarc_report_auth *dkim = arena_array(a, struct dmarc_report_auth, r->dkim_count + 1);
    if (!dkim)
        return false;
    for (size_t i = 0; i < r->dkim_count; i++) {
        dkim[i].domain = vals_get_view(v);
        dkim[i].selector = vals_get_view(v);
        dkim[i].result = vals_get_view(v);
    }
    struct dmarc_report_auth *spf = &dkim[r->dkim_count];
    spf->domain = vals_get_view(v);
    spf->scope = vals_get_view(v);
    spf->result = vals_get_view(v);
    r->dkim_results = dkim;
    r->spf_results = spf;
    r->spf_count = spf->domain.len > 0;
    return !v->failed;
}

bool dmarc_row_read(view row, struct arena *a, struct dmarc_row *ret) {
    struct vals v = vals_of(row);
    struct dmarc_report_record *r = &ret->record;
    *ret = (struct dmarc_row){.published = vals_get_view(&v)};
    view *const parts[] = {&r->source_ip, &r->disposition, &r->dkim,
                           &r->spf,       &r->header_from, &r->envelope_from};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        *parts[i] = vals_get_view(&v);
    return read_results(&v, a, r) && read_published(ret);
}
