/* report_in.c: see report_in.h. What others write is made fit to be kept: text that can be printed, of
 * limited length, and what is alike in all that a summary shows is one row. */
#include "roles/report_in.h"

#include <stdlib.h>

#include "auth/answers.h"
#include "auth/arf.h"
#include "auth/dmarc_report.h"
#include "auth/report_part.h"
#include "auth/tls_report.h"
#include "base/words.h"
#include "mail/header.h"
#include "mail/mailboxes.h"
#include "mail/text.h"
#include "store/report.h"

#define PACKET_OCTETS (LIMIT_STORE_PACKET / 2)
enum { NAME_MOST = 255, DETAIL_MOST = 200, RESULT_MOST = 20 };

struct row {
    view source, name, result, detail;
    bool passed;
    int64_t messages;
};

/* What is to be kept. */
struct kept {
    enum report_kind kind;
    view organization, id, domain, contact, policy;
    int64_t begin_s, end_s;
    struct row *rows;
    size_t count;
};

static view clean(view text, size_t most, struct arena *a) {
    struct buf out = BUF_INIT(4 * most);
    text_add_printable(&out, view_slice(view_trim(text), 0, most), true);
    view made = arena_view(a, view_slice(buf_view(&out), 0, most));
    buf_done(&out);
    return made;
}

/* ---- DMARC ---- */

static view word_or(const char *words, view text, view otherwise) {
    int64_t n;
    return words_find(words, text, &n) ? words_at(words, n) : otherwise;
}

static struct row row_of_dmarc(const struct dmarc_report_record *r, struct arena *a) {
    bool dkim = view_eq_nocase(r->dkim, VIEW("pass")), spf = view_eq_nocase(r->spf, VIEW("pass"));
    struct row row = {.source = clean(r->source_ip, NAME_MOST, a),
                      .name = arena_lower(a, clean(r->header_from, NAME_MOST, a)),
                      .result =
                          word_or("none quarantine reject pass",
                                  arena_lower(a, view_slice(r->disposition, 0, RESULT_MOST)), VIEW("none")),
                      .passed = dkim || spf,
                      .messages = r->count};
    view reason = clean(r->reason, DETAIL_MOST / 2, a);
    row.detail = arena_printf(a, "dkim=%s spf=%s%s%.*s", dkim ? "pass" : "fail", spf ? "pass" : "fail",
                              reason.len ? " " : "", VIEW_ARG(reason));
    return row;
}

static void add_tag(struct buf *out, const char *name, view value) {
    if (value.len > 0 && value.len <= NAME_MOST)
        buf_printf(out, "%s%s=%.*s", out->len ? " " : "", name, VIEW_ARG(value));
}

static view policy_of(const struct dmarc_report *r, struct arena *a) {
    struct buf out = BUF_INIT(16 * NAME_MOST);
    add_tag(&out, "p", r->p);
    add_tag(&out, "sp", r->sp);
    add_tag(&out, "np", r->np);
    add_tag(&out, "adkim", r->adkim);
    add_tag(&out, "aspf", r->aspf);
    add_tag(&out, "pct", r->pct);
    add_tag(&out, "t", r->testing);
    view made = clean(buf_view(&out), REPORT_TEXT_MOST, a);
    buf_done(&out);
    return made;
}

static bool keep_dmarc(view xml, struct arena *a, struct kept *k, struct err *e) {
    struct dmarc_report r;
    if (!dmarc_report_read(xml, a, &r, e))
        return false;
    *k = (struct kept){.kind = REPORT_DMARC,
                       .organization = clean(r.organization, NAME_MOST, a),
                       .id = clean(r.id, NAME_MOST, a),
                       .domain = arena_lower(a, clean(r.domain, NAME_MOST, a)),
                       .contact = clean(r.email, NAME_MOST, a),
                       .policy = policy_of(&r, a),
                       .begin_s = r.begin_s,
                       .end_s = r.end_s,
                       .rows = arena_array(a, struct row, r.count + 1)};
    for (; k->rows && k->count < r.count; k->count++)
        k->rows[k->count] = row_of_dmarc(&r.records[k->count], a);
    return k->rows || err_set(e, ERR_LIMIT, NULL);
}

/* ---- TLS ---- */

static void add_failures(const struct tls_policy_report *p, view kind, view name, struct arena *a,
                         struct kept *k) {
    int64_t left = p->failure;
    for (size_t i = 0; i < p->failure_count; i++) {
        const struct tls_failure *f = &p->failures[i];
        view mx = clean(f->receiving_mx, NAME_MOST, a);
        k->rows[k->count++] = (struct row){.source = clean(f->sending_ip, NAME_MOST, a),
                                           .name = mx.len ? arena_lower(a, mx) : name,
                                           .result = kind,
                                           .detail = clean(f->type, DETAIL_MOST, a),
                                           .messages = f->sessions};
        left -= f->sessions < left ? f->sessions : left;
    }
    if (left > 0)
        k->rows[k->count++] = (struct row){
            .source = VIEW(""), .name = name, .result = kind, .detail = VIEW("failure"), .messages = left};
}

/* Policies may be of hosts of other domains, so the mail says whom it is for (RFC 8460 5.3); of a file, what
 * is no host's policy does. */
static view tls_domain(view message, const struct tls_report *r, struct arena *a) {
    struct header header;
    size_t i = 0;
    header_parse(message, a, &header);
    const struct header_field *said = header_find(&header, "TLS-Report-Domain");
    view domain = said ? clean(header_value(said, a), NAME_MOST, a) : VIEW("");
    if (domain_name_is_valid(domain))
        return arena_lower(a, domain);
    while (i < r->policy_count && r->policies[i].kind == TLS_POLICY_TLSA)
        i++;
    i = i < r->policy_count ? i : 0;
    return r->policy_count ? arena_lower(a, clean(r->policies[i].domain, NAME_MOST, a)) : VIEW("");
}

static bool keep_tls(view message, view json, struct arena *a, struct kept *k, struct err *e) {
    struct tls_report r;
    size_t most = 1;
    if (!tls_report_read(json, a, &r, e))
        return false;
    for (size_t i = 0; i < r.policy_count; i++)
        most += r.policies[i].failure_count + 2;
    *k = (struct kept){.kind = REPORT_TLS,
                       .organization = clean(r.organization, NAME_MOST, a),
                       .id = clean(r.id, NAME_MOST, a),
                       .domain = tls_domain(message, &r, a),
                       .contact = clean(r.contact, NAME_MOST, a),
                       .policy = VIEW(""),
                       .begin_s = r.begin_s,
                       .end_s = r.end_s,
                       .rows = arena_array(a, struct row, most)};
    for (size_t i = 0; k->rows && i < r.policy_count; i++) {
        const struct tls_policy_report *p = &r.policies[i];
        view kind = words_at(TLS_POLICY_KINDS, p->kind),
             name = arena_lower(a, clean(p->domain, NAME_MOST, a));
        if (p->success > 0)
            k->rows[k->count++] = (struct row){.source = VIEW(""),
                                               .name = name,
                                               .result = kind,
                                               .passed = true,
                                               .detail = VIEW("success"),
                                               .messages = p->success};
        add_failures(p, kind, name, a, k);
    }
    return k->rows || err_set(e, ERR_LIMIT, NULL);
}

/* ---- about one message ---- */

static view domain_in(view address) {
    return view_skip(address, (size_t)(view_rfind(address, '@') + 1));
}

static view author_domain(view original, struct arena *a) {
    struct header h;
    struct err e;
    view author = VIEW("");
    header_parse(original, a, &h);
    const struct header_field *from = header_find(&h, "From");
    view rest = from ? header_value(from, a) : VIEW("");
    return mailboxes_next(&rest, a, &author, &e) ? domain_in(author) : VIEW("");
}

/* Whose mail it was: what is reported, or by what is known of the message. */
static view domain_of(const struct arf_report *r, struct arena *a) {
    view domain = r->domains.count > 0 ? r->domains.items[0] : r->dkim_domain;
    domain = domain.len ? domain : author_domain(r->original, a);
    return arena_lower(a, clean(domain.len ? domain : domain_in(r->mail_from), NAME_MOST, a));
}

/* Who got the message is left out: it is nobody's business who reads what has happened. */
static bool keep_single(const struct arf_report *r, struct arena *a, struct report_in *ret, struct err *e) {
    struct buf out = BUF_INIT(8 * NAME_MOST);
    add_tag(&out, "type", r->type);
    add_tag(&out, "failure", r->auth_failure);
    add_tag(&out, "source", r->source_ip);
    add_tag(&out, "mailfrom", r->mail_from);
    add_tag(&out, "selector", r->dkim_selector);
    add_tag(&out, "result", r->delivery_result);
    *ret = (struct report_in){
        .is_single = true,
        .organization = clean(r->user_agent.len ? r->user_agent : VIEW("unknown"), NAME_MOST / 4, a),
        .id = clean(buf_view(&out), NAME_MOST, a),
        .domain = domain_of(r, a),
        .messages = r->incidents};
    buf_done(&out);
    return ret->domain.len > 0 || err_set(e, ERR_USAGE, "the report names no domain");
}

/* ---- rows that are alike ---- */

static int compare_texts(const struct row *x, const struct row *y) {
    int order = view_cmp(x->source, y->source);
    order = order ? order : view_cmp(x->name, y->name);
    order = order ? order : view_cmp(x->result, y->result);
    order = order ? order : view_cmp(x->detail, y->detail);
    return order ? order : (int)x->passed - (int)y->passed;
}

static int by_texts(const void *one, const void *other) {
    return compare_texts(one, other);
}

static int by_messages(const void *one, const void *other) {
    const struct row *x = one, *y = other;
    if (x->messages != y->messages)
        return x->messages < y->messages ? 1 : -1;
    return compare_texts(x, y);
}

static void add_messages(struct row *to, int64_t messages) {
    int64_t room = REPORT_MESSAGES_MOST - to->messages;
    to->messages += messages < room ? messages : room;
}

/* The order is the same each time: a second try gives rows the same numbers. */
static void merge(struct kept *k) {
    size_t n = 0;
    for (size_t i = 0; i < k->count; i++)
        if (k->rows[i].messages > REPORT_MESSAGES_MOST)
            k->rows[i].messages = REPORT_MESSAGES_MOST;
    qsort(k->rows, k->count, sizeof *k->rows, by_texts);
    for (size_t i = 0; i < k->count; i++)
        if (n > 0 && compare_texts(&k->rows[n - 1], &k->rows[i]) == 0)
            add_messages(&k->rows[n - 1], k->rows[i].messages);
        else
            k->rows[n++] = k->rows[i];
    qsort(k->rows, n, sizeof *k->rows, by_messages);
    if (n > REPORT_TOTAL_MOST) {
        struct row rest = {
            .source = VIEW("others"), .name = VIEW(""), .result = VIEW("none"), .detail = VIEW("")};
        for (size_t i = REPORT_TOTAL_MOST - 1; i < n; i++)
            add_messages(&rest, k->rows[i].messages);
        n = REPORT_TOTAL_MOST;
        k->rows[n - 1] = rest;
    }
    k->count = n;
}

/* ---- to the store ---- */

static void add_head(const struct kept *k, struct buf *args) {
    vals_int(args, k->kind);
    vals_view(args, k->organization);
    vals_view(args, k->id);
    vals_view(args, k->domain);
    vals_view(args, k->contact);
    vals_int(args, k->begin_s);
    vals_int(args, k->end_s);
    vals_view(args, k->policy);
    vals_int(args, (int64_t)k->count);
}

static void add_row(const struct row *row, struct buf *args) {
    vals_view(args, row->source);
    vals_view(args, row->name);
    vals_view(args, row->result);
    vals_int(args, row->passed);
    vals_view(args, row->detail);
    vals_int(args, row->messages);
}

/* As many rows as a call has room for, from *at on. */
static bool send_some(const struct kept *k, const struct report_in_store *store, size_t *at,
                      struct report_in *ret, struct err *e) {
    struct buf rows = BUF_INIT(LIMIT_STORE_PACKET);
    struct store_request q;
    size_t first = *at;
    while (*at < k->count && rows.len < PACKET_OCTETS)
        add_row(&k->rows[(*at)++], &rows);
    store_request_init(&q, OP_REPORT_TAKE);
    add_head(k, &q.args);
    vals_int(&q.args, (int64_t)first);
    vals_int(&q.args, (int64_t)(*at - first));
    buf_add(&q.args, buf_view(&rows));
    bool ok = store->call(store->context, &q, e);
    struct vals out = vals_of(buf_view(&q.out));
    int64_t fresh = ok ? vals_get_int(&out) : 0;
    ret->is_new = ret->is_new || fresh > 0;
    ret->is_other = fresh < 0;
    store_request_done(&q);
    buf_done(&rows);
    return ok;
}

static bool keep(struct kept *k, const struct report_in_store *store, struct report_in *ret, struct err *e) {
    size_t at = 0;
    bool ok = true;
    merge(k);
    *ret = (struct report_in){.is_tls = k->kind == REPORT_TLS,
                              .organization = k->organization,
                              .id = k->id,
                              .domain = k->domain,
                              .rows = k->count};
    for (size_t i = 0; i < k->count; i++)
        ret->messages += k->rows[i].messages;
    if (k->domain.len == 0)
        return err_set(e, ERR_USAGE, "the report names no domain");
    do
        ok = send_some(k, store, &at, ret, e);
    while (ok && at < k->count && !ret->is_other);
    return ok;
}

static bool is_json(view text) {
    while (text.len > 0 &&
           (ascii_is_space(text.ptr[0]) || (unsigned char)text.ptr[0] >= 0x80)) /* a mark of UTF-8 */
        text = view_skip(text, 1);
    return view_starts_with(text, VIEW("{"));
}

bool report_in(view message, const struct report_in_store *store, struct arena *a, struct report_in *ret,
               struct err *e) {
    struct buf part = BUF_INIT(REPORT_IN_MOST), text = BUF_INIT(DMARC_REPORT_BYTES_MOST);
    struct kept k;
    struct arf_report single; /* first: the message in it may hold anything */
    if (arf_read(message, a, &single))
        return keep_single(&single, a, ret, e);
    bool ok = report_part_find(message, a, &part) ||
              (part.failed ? err_set(e, ERR_LIMIT, "the report is larger than %d octets", REPORT_IN_MOST)
                           : err_set(e, ERR_USAGE, "there is no report in it"));
    ok = ok && report_part_unpack(buf_view(&part), DMARC_REPORT_BYTES_MOST, &text, e);
    if (ok && is_json(buf_view(&text)))
        ok = keep_tls(message, buf_view(&text), a, &k, e);
    else if (ok)
        ok = keep_dmarc(buf_view(&text), a, &k, e);
    buf_done(&part);
    if (ok && a->failed)
        ok = err_set(e, ERR_LIMIT, "the report has too many records");
    ok = ok && keep(&k, store, ret, e);
    buf_done(&text);
    return ok;
}
