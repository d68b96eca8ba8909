/* arf.c: see arf.h. What generators leave out or write otherwise than RFC 5965 has it is common; what is
 * there is read. */
#include "auth/arf.h"

#include "auth/tags.h"
#include "mail/date.h"
#include "mail/mime.h"

#define INCIDENTS_MOST INT64_C(4294967295) /* RFC 5965 3.2 */
enum { PORT_MOST = 65535 };

enum form {
    FORM_TEXT,    /* unfolded */
    FORM_LOWER,   /* the same in lower case, without comments */
    FORM_WORD,    /* its first word, in lower case */
    FORM_ADDRESS, /* without angle brackets */
    FORM_TYPED,   /* "dns; NAME": the name */
    FORM_BASE64   /* without white space */
};

/* A field that may be there once has `one`, others have `list`. */
struct place {
    const char *name;
    enum form form;
    view *one;
    struct arf_list *list;
};

/* What is not text at once. */
struct numbers {
    view arrival, received, incidents, source_port;
};

/* ---- values ---- */

/* Comments nest; their octets are left out. */
static view without_comments(view text, struct arena *a) {
    char *out = arena_alloc(a, text.len + 1);
    size_t len = 0, depth = 0;
    for (size_t i = 0; out && i < text.len; i++) {
        char c = text.ptr[i];
        if (depth > 0 && c == '\\')
            i++;
        else if (c == '(')
            depth++;
        else if (depth > 0)
            depth -= c == ')';
        else
            out[len++] = c;
    }
    return view_trim(view_from(out, len));
}

static view first_word(view text) {
    size_t len = 0;
    while (len < text.len && !ascii_is_space(text.ptr[len]) && text.ptr[len] != ';' && text.ptr[len] != ',')
        len++;
    return view_slice(text, 0, len);
}

static view between(view text, char open, char close) {
    bool both = text.len >= 2 && text.ptr[0] == open && text.ptr[text.len - 1] == close;
    return both ? view_trim(view_slice(text, 1, text.len - 2)) : text;
}

static view read_value(const struct header_field *f, enum form form, struct arena *a) {
    if (form == FORM_BASE64)
        return tags_squeeze(f->value, a);
    view text = view_slice(header_value(f, a), 0, ARF_TEXT_MOST);
    switch (form) {
    case FORM_LOWER:
        return arena_lower(a, without_comments(text, a));
    case FORM_WORD:
        return first_word(arena_lower(a, without_comments(text, a)));
    case FORM_ADDRESS:
        return between(text, '<', '>');
    case FORM_TYPED:
        return view_trim(view_skip(text, (size_t)(view_find(text, ';') + 1)));
    case FORM_TEXT:
    case FORM_BASE64:
        break;
    }
    return text;
}

static void keep(const struct place *p, const struct header_field *f, struct arena *a) {
    if (p->one && p->one->len == 0)
        *p->one = read_value(f, p->form, a);
    if (!p->list || p->list->count == ARF_LIST_MOST)
        return;
    view value = read_value(f, p->form, a);
    if (!p->list->items)
        p->list->items = arena_array(a, view, ARF_LIST_MOST);
    if (p->list->items && value.len > 0)
        p->list->items[p->list->count++] = value;
}

static int64_t number_or(view text, int64_t most, int64_t otherwise) {
    int64_t n;
    return view_to_i64(text, &n) && n >= 0 && n <= most ? n : otherwise;
}

static view bare_ip(view text) {
    text = between(text, '[', ']');
    return view_skip(text, view_starts_with(text, VIEW("ipv6:")) ? 5 : 0);
}

static void read_numbers(const struct numbers *n, struct arf_report *r) {
    r->incidents = number_or(n->incidents, INCIDENTS_MOST, 1);
    r->source_port = number_or(n->source_port, PORT_MOST, 0);
    r->source_ip = bare_ip(r->source_ip);
    if (!date_parse(n->arrival.len ? n->arrival : n->received, &r->arrival_ms))
        r->arrival_ms = 0;
}

/* ---- fields ---- */

static void read_fields(view fields, struct arena *a, struct arf_report *r) {
    struct numbers n = {.arrival = VIEW("")};
    const struct place places[] = {
        {"Feedback-Type", FORM_WORD, &r->type, NULL},
        {"User-Agent", FORM_TEXT, &r->user_agent, NULL},
        {"Version", FORM_WORD, &r->version, NULL},
        {"Original-Envelope-Id", FORM_TEXT, &r->envelope_id, NULL},
        {"Original-Mail-From", FORM_ADDRESS, &r->mail_from, NULL},
        {"Original-Rcpt-To", FORM_ADDRESS, NULL, &r->rcpt_to},
        {"Arrival-Date", FORM_TEXT, &n.arrival, NULL},
        {"Received-Date", FORM_TEXT, &n.received, NULL}, /* historic (RFC 5965 3.2) */
        {"Reporting-MTA", FORM_TYPED, &r->reporting_mta, NULL},
        {"Source-IP", FORM_WORD, &r->source_ip, NULL},
        {"Source-Port", FORM_WORD, &n.source_port, NULL}, /* RFC 6692 */
        {"Incidents", FORM_WORD, &n.incidents, NULL},
        {"Authentication-Results", FORM_TEXT, NULL, &r->results},
        {"Reported-Domain", FORM_WORD, NULL, &r->domains},
        {"Reported-URI", FORM_TEXT, NULL, &r->uris},
        {"Auth-Failure", FORM_WORD, &r->auth_failure, NULL},
        {"Delivery-Result", FORM_WORD, &r->delivery_result, NULL},
        {"Identity-Alignment", FORM_LOWER, &r->identity_alignment, NULL},
        {"DKIM-Domain", FORM_WORD, &r->dkim_domain, NULL},
        {"DKIM-Identity", FORM_TEXT, &r->dkim_identity, NULL},
        {"DKIM-Selector", FORM_TEXT, &r->dkim_selector, NULL},
        {"DKIM-Selector-DNS", FORM_TEXT, &r->dkim_selector_dns, NULL},
        {"DKIM-ADSP-DNS", FORM_TEXT, &r->dkim_adsp_dns, NULL},
        {"DKIM-Canonicalized-Header", FORM_BASE64, &r->dkim_canonical_header, NULL},
        {"DKIM-Canonicalized-Body", FORM_BASE64, &r->dkim_canonical_body, NULL},
        {"SPF-DNS", FORM_TEXT, NULL, &r->spf_dns},
    };
    struct header h;
    header_parse(fields, a, &h);
    for (size_t i = 0; i < h.count; i++)
        for (size_t j = 0; j < sizeof places / sizeof *places; j++)
            if (view_eq_nocase(h.fields[i].name, view_of(places[j].name)))
                keep(&places[j], &h.fields[i], a);
    read_numbers(&n, r);
}

/* ---- parts ---- */

/* What is decoded is never longer than what it is decoded from. */
static view content_of(const struct mime_part *p, struct arena *a) {
    if (mime_is_plain(p->encoding))
        return p->body;
    struct buf out = BUF_INIT(p->body.len + 1);
    bool ok = mime_decode(p->encoding, p->body, &out) && !out.failed;
    view content = ok ? arena_view(a, buf_view(&out)) : VIEW("");
    buf_done(&out);
    return content;
}

static bool is_message(const struct mime_part *p) {
    return mime_is(p, "message/rfc822") || mime_is(p, "message/global");
}

static bool is_header(const struct mime_part *p) {
    return mime_is(p, "text/rfc822-headers") || mime_is(p, "message/global-headers");
}

/* Index of the part with the fields, or m->count. */
static size_t find_report(const struct mime *m) {
    size_t i = 0;
    while (i < m->count && !mime_is(&m->parts[i], "message/feedback-report"))
        i = is_message(&m->parts[i]) ? m->parts[i].after : i + 1;
    return i < m->count ? i : m->count;
}

static void read_original(const struct mime *m, size_t report, struct arena *a, struct arf_report *r) {
    for (size_t i = m->parts[report].after; i < m->count; i = m->parts[i].after)
        if (m->parts[i].parent == m->parts[report].parent &&
            (is_message(&m->parts[i]) || is_header(&m->parts[i]))) {
            r->original = content_of(&m->parts[i], a);
            r->is_header_only = is_header(&m->parts[i]);
            return;
        }
}

/* Files that were saved have the line of an mbox before them. */
static view without_from_line(view message) {
    ptrdiff_t end = view_starts_with(message, VIEW("From ")) ? view_find(message, '\n') : -1;
    return view_skip(message, (size_t)(end + 1));
}

bool arf_read(view message, struct arena *a, struct arf_report *ret) {
    struct arf_report r = {.type = VIEW("")};
    struct mime m;
    if (!mime_parse(without_from_line(message), a, &m))
        return false;
    size_t report = find_report(&m);
    if (report == m.count)
        return false;
    view fields = content_of(&m.parts[report], a);
    while (fields.len > 0 && ascii_is_space(fields.ptr[0]))
        fields = view_skip(fields, 1);
    read_fields(fields, a, &r);
    read_original(&m, report, a, &r);
    *ret = r;
    return r.type.len > 0 && !a->failed;
}
