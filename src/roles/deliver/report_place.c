/* report_place.c: where a report goes. Whoever publishes a policy can name any address: reports go to other
 * organizations only where those have said in DNS that they take them (RFC 9990 4). */
#include "auth/dmarc.h"
#include "auth/resolve.h"
#include "auth/tls_report.h"
#include "base/clock.h"
#include "base/log.h"
#include "mail/address.h"
#include "roles/deliver/report.h"

enum { DNS_MS = 5000 /* a role that stops waits as long at most */, URI_MOST = 1000 };

/* ---- as they are written ---- */

static int digit_of(char c) {
    c = ascii_lower(c);
    return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static view percent_decode(view text, struct arena *a) {
    struct buf out = BUF_INIT(URI_MOST);
    for (size_t i = 0; i < text.len; i++) {
        int high = text.ptr[i] == '%' && i + 2 < text.len ? digit_of(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? digit_of(text.ptr[i + 2]) : -1;
        buf_add_char(&out, low >= 0 ? (char)(high * 16 + low) : text.ptr[i]);
        i += low >= 0 ? 2 : 0;
    }
    view made = arena_view(a, buf_view(&out));
    buf_done(&out);
    return made;
}

/* "!10m" behind a URI (RFC 7489 6.2): octets; a limit that cannot be read is none. */
static int64_t size_of(view text) {
    static const char units[] = "kmgt";
    int64_t n = 0;
    int shift = 0;
    for (int i = 0; text.len > 0 && units[i]; i++)
        if (ascii_lower(text.ptr[text.len - 1]) == units[i])
            shift = 10 * (i + 1);
    bool ok = view_to_i64(shift ? view_slice(text, 0, text.len - 1) : text, &n);
    return ok && n > 0 && n < INT64_C(1) << 20 ? n << shift : 0;
}

/* False: nothing that a report can be sent to. */
static bool read_place(view uri, struct arena *a, struct report_place *ret) {
    view query;
    struct err e;
    *ret = (struct report_place){.uri = view_trim(uri)};
    ptrdiff_t mark = view_rfind(ret->uri, '!');
    if (mark >= 0) {
        ret->most = size_of(view_skip(ret->uri, (size_t)mark + 1));
        ret->uri = view_slice(ret->uri, 0, (size_t)mark);
    }
    if (ret->uri.len > URI_MOST)
        return false;
    if (view_starts_with_nocase(ret->uri, VIEW("https:")))
        return true;
    if (!view_starts_with_nocase(ret->uri, VIEW("mailto:")))
        return false;
    query = view_skip(ret->uri, VIEW("mailto:").len);
    view text = VIEW("");
    view_split(&query, '?', &text);
    return address_normalise_text(percent_decode(text, a), a, &ret->address, &e);
}

/* ---- who has agreed ---- */

/* The organizational domain. False: DNS does not say. */
static bool find_organization(view domain, struct answers *answers, view *ret) {
    struct dmarc_verdict v;
    int64_t deadline = clock_mono_ms() + DNS_MS;
    for (dmarc_find_policy(domain, answers, &v); v.result == DMARC_WAITS && !reports_stopping();
         dmarc_find_policy(domain, answers, &v))
        answers_resolve(answers, deliver.dns, deadline);
    *ret = v.org_domain;
    return v.result != DMARC_TEMPERROR && v.result != DMARC_WAITS;
}

static const struct answer *ask(struct answers *answers, view name) {
    if (!answers_get(answers, name, RECORD_TXT) && !reports_stopping())
        answers_resolve(answers, deliver.dns, clock_mono_ms() + DNS_MS);
    return answers_get(answers, name, RECORD_TXT);
}

/* "v=DMARC1" and nothing, or more tags, behind it. */
static bool is_consent(view record) {
    view name = VIEW(""), value;
    view_split(&record, ';', &value);
    view_split(&value, '=', &name);
    return view_eq_nocase(view_trim(name), VIEW("v")) && view_eq(view_trim(value), VIEW("DMARC1"));
}

static bool is_agreed(struct report *r, const struct report_place *p, struct answers *answers,
                      bool *ret_agreed) {
    view to = address_split(p->address).domain, ours, theirs;
    *ret_agreed = view_eq(to, r->domain);
    if (*ret_agreed)
        return true;
    if (!find_organization(r->domain, answers, &ours) || !find_organization(to, answers, &theirs))
        return false;
    *ret_agreed = view_eq(ours, theirs);
    if (*ret_agreed)
        return true;
    const struct answer *found =
        ask(answers, arena_printf(&r->arena, "%.*s._report._dmarc.%.*s", VIEW_ARG(r->domain), VIEW_ARG(to)));
    for (size_t i = 0; found && i < found->count; i++)
        *ret_agreed = *ret_agreed || is_consent(found->records[i].data);
    return found && found->state != ANSWER_TEMPORARY;
}

static void skip(const struct report *r, const struct report_place *p, const char *why) {
    log_line(LOG_INFO, "report-place-skipped", LOG_V("domain", r->domain), LOG_V("uri", p->uri),
             LOG_S("reason", why));
}

bool report_places_dmarc(struct report *r, view rua, struct report_place *ret, size_t *ret_count) {
    struct answers *answers = arena_new(&r->arena, struct answers);
    struct report_place p;
    view one;
    bool agreed = true, ok = answers != NULL;
    *ret_count = 0;
    if (ok)
        answers_init(answers, &r->arena);
    while (ok && *ret_count < REPORT_PLACES_MOST && view_split(&rua, ',', &one)) {
        if (!read_place(one, &r->arena, &p) || p.address.len == 0) {
            p.uri = view_slice(view_trim(one), 0, URI_MOST);
            skip(r, &p, "only mailto: is used");
            continue;
        }
        ok = is_agreed(r, &p, answers, &agreed);
        if (ok && agreed)
            ret[(*ret_count)++] = p;
        else if (ok)
            skip(r, &p, "it has not agreed to take reports about that domain (RFC 9990 4)");
    }
    return ok;
}

bool report_places_tls(struct report *r, struct report_place *ret, size_t *ret_count) {
    struct answers *answers = arena_new(&r->arena, struct answers);
    view uris[TLS_REPORT_PLACES_MOST];
    *ret_count = 0;
    if (!answers)
        return false;
    answers_init(answers, &r->arena);
    const struct answer *found =
        ask(answers, arena_printf(&r->arena, "_smtp._tls.%.*s", VIEW_ARG(r->domain)));
    if (!found || found->state == ANSWER_TEMPORARY)
        return false;
    view *records = arena_array(&r->arena, view, found->count + 1);
    for (size_t i = 0; records && i < found->count; i++)
        records[i] = found->records[i].data;
    size_t count = records ? tls_report_record(records, found->count, &r->arena, uris) : 0;
    for (size_t i = 0; i < count && *ret_count < REPORT_PLACES_MOST; i++)
        if (read_place(uris[i], &r->arena, &ret[*ret_count]))
            ++*ret_count;
    return true;
}
