/* report_make.c: what stands in a report, from the rows that were counted: one file for each policy that the
 * domain had that day, and the mail that brings it (RFC 9990 3.5, RFC 8460 5.3). */
#include <stdio.h>
#include <time.h>

#include "auth/dmarc_report.h"
#include "auth/report_part.h"
#include "auth/tls_report.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "mail/date.h"
#include "mail/mime.h"
#include "mail/text.h"
#include "mail/transfer.h"
#include "roles/deliver/report.h"
#include "roles/dmarc_row.h"
#include "roles/tls_row.h"

#define DAY_S INT64_C(86400)
enum { LINE_OCTETS = 57 /* 76 characters of base64 (RFC 2045 6.8) */, PACKED_MOST = DMARC_REPORT_BYTES_MOST };

static view hostname(void) {
    return view_of(deliver.role.config->hostname);
}

static view organization(void) {
    const char *said = deliver.role.config->report_organization;
    return *said ? view_of(said) : hostname();
}

static view author(struct arena *a) {
    const char *said = deliver.role.config->report_from;
    return *said ? view_of(said) : arena_printf(a, "postmaster@%.*s", VIEW_ARG(hostname()));
}

static int64_t begin_of(const struct report *r) {
    return r->day * DAY_S;
}

/* "20261128.2K3..." */
static view new_id(struct report *r) {
    time_t begin = begin_of(r);
    struct tm day;
    gmtime_r(&begin, &day);
    return arena_printf(&r->arena, "%04d%02d%02d.%s", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday,
                        id_format(id_new()).s);
}

/* "submitter!domain!begin!end!id.xml.gz" */
static void finish(struct report *r, struct report_file *f, const char *ending, struct buf *text) {
    struct buf packed = BUF_INIT(PACKED_MOST);
    report_part_gzip(buf_view(text), &packed);
    f->document = text->failed || packed.failed ? VIEW("") : arena_view(&r->arena, buf_view(&packed));
    f->name =
        arena_printf(&r->arena, "%.*s!%.*s!%lld!%lld!%.*s.%s.gz", VIEW_ARG(hostname()), VIEW_ARG(r->domain),
                     (long long)begin_of(r), (long long)(begin_of(r) + DAY_S - 1), VIEW_ARG(f->id), ending);
    buf_done(&packed);
}

/* ---- DMARC ---- */

struct dmarc_file {
    view published, rua;
    struct dmarc_report report;
    struct dmarc_report_record *records;
};

static struct dmarc_file *dmarc_file_of(struct report *r, const struct dmarc_row *row,
                                        struct dmarc_file *files, size_t *count) {
    for (size_t i = 0; i < *count; i++)
        if (view_eq(files[i].published, row->published))
            return &files[i];
    if (*count == REPORT_FILES_MOST)
        return NULL;
    struct dmarc_file *f = &files[*count];
    *f = (struct dmarc_file){.published = row->published,
                             .rua = row->rua,
                             .report = row->policy,
                             .records = arena_array(&r->arena, struct dmarc_report_record, r->count)};
    *count += f->records != NULL;
    return f->records ? f : NULL;
}

static size_t sort_dmarc(struct report *r, struct dmarc_file *files) {
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct dmarc_row row;
        struct dmarc_file *f =
            dmarc_row_read(r->rows[i].what, &r->arena, &row) ? dmarc_file_of(r, &row, files, &count) : NULL;
        if (!f)
            continue;
        row.record.count = r->rows[i].n;
        f->records[f->report.count++] = row.record;
    }
    return count;
}

/* What does not fit is left off: half of it, again and again. */
static void write_dmarc(struct report *r, struct dmarc_file *from, struct report_file *f) {
    struct buf text = BUF_INIT(DMARC_REPORT_BYTES_MOST);
    struct dmarc_report *d = &from->report;
    f->rua = from->rua;
    f->id = new_id(r);
    d->organization = organization();
    d->email = author(&r->arena);
    d->id = f->id;
    d->generator = VIEW("Postroad " POSTROAD_VERSION);
    d->begin_s = begin_of(r);
    d->end_s = begin_of(r) + DAY_S - 1;
    d->domain = r->domain;
    d->discovery = VIEW("treewalk");
    d->records = from->records;
    for (dmarc_report_write(d, &text); text.failed && d->count > 1; dmarc_report_write(d, &text)) {
        d->count /= 2;
        d->error = "not all records had room";
        buf_reset(&text);
    }
    finish(r, f, "xml", &text);
    buf_done(&text);
}

static size_t make_dmarc(struct report *r, struct report_file *ret) {
    struct dmarc_file files[REPORT_FILES_MOST];
    size_t count = sort_dmarc(r, files);
    for (size_t i = 0; i < count; i++)
        write_dmarc(r, &files[i], &ret[i]);
    return count;
}

/* ---- TLS ---- */

/* Each of a domain's hosts may have a policy of its own. */
enum { POLICIES_MOST = 64 };
struct tls_file {
    struct tls_policy_report policies[POLICIES_MOST];
    struct tls_failure *failures[POLICIES_MOST];
    size_t count;
};

static bool same_lines(const view *one, size_t count, const view *other, size_t other_count) {
    for (size_t i = 0; i < count && count == other_count; i++)
        if (!view_eq(one[i], other[i]))
            return false;
    return count == other_count;
}

static view domain_of(const struct report *r, const struct tls_row *row) {
    return row->domain.len > 0 ? row->domain : r->domain;
}

static bool is_policy(const struct tls_policy_report *p, view domain, const struct tls_row *row) {
    return p->kind == row->kind && view_eq_nocase(p->domain, domain) &&
           same_lines(p->policy, p->policy_count, row->policy, row->policy_count) &&
           same_lines(p->mx_hosts, p->mx_host_count, row->mx_hosts, row->mx_host_count);
}

static size_t tls_policy_of(struct report *r, const struct tls_row *row, struct tls_file *f) {
    size_t i = 0, most = r->count < TLS_REPORT_FAILURES_MOST ? r->count : TLS_REPORT_FAILURES_MOST;
    while (i < f->count && !is_policy(&f->policies[i], domain_of(r, row), row))
        i++;
    if (i < f->count || i == POLICIES_MOST)
        return i;
    f->failures[i] = arena_array(&r->arena, struct tls_failure, most);
    f->policies[i] = (struct tls_policy_report){.kind = row->kind,
                                                .domain = domain_of(r, row),
                                                .policy = row->policy,
                                                .mx_hosts = row->mx_hosts,
                                                .policy_count = row->policy_count,
                                                .mx_host_count = row->mx_host_count,
                                                .failures = f->failures[i]};
    f->count += f->failures[i] != NULL;
    return f->failures[i] ? i : POLICIES_MOST;
}

static void add_tls_row(struct report *r, const struct tls_row *row, int64_t n, struct tls_file *f) {
    size_t i = tls_policy_of(r, row, f);
    if (i == POLICIES_MOST)
        return;
    struct tls_policy_report *p = &f->policies[i];
    if (row->failure.len == 0) {
        p->success += n;
        return;
    }
    p->failure += n;
    if (p->failure_count < TLS_REPORT_FAILURES_MOST)
        f->failures[i][p->failure_count++] = (struct tls_failure){.type = row->failure,
                                                                  .sending_ip = row->sending_ip,
                                                                  .receiving_mx = row->receiving_mx,
                                                                  .receiving_ip = row->receiving_ip,
                                                                  .reason = row->reason,
                                                                  .sessions = n};
}

static size_t make_tls(struct report *r, struct report_file *ret) {
    struct tls_file *f = arena_new(&r->arena, struct tls_file);
    for (size_t i = 0; f && i < r->count; i++) {
        struct tls_row row;
        if (tls_row_read(r->rows[i].what, &r->arena, &row))
            add_tls_row(r, &row, r->rows[i].n, f);
    }
    if (!f || f->count == 0)
        return 0;
    struct buf text = BUF_INIT(TLS_REPORT_BYTES_MOST);
    *ret = (struct report_file){.id = new_id(r)};
    tls_report_write(&(struct tls_report){.organization = organization(),
                                          .contact = author(&r->arena),
                                          .id = ret->id,
                                          .begin_s = begin_of(r),
                                          .end_s = begin_of(r) + DAY_S - 1,
                                          .policies = f->policies,
                                          .policy_count = f->count},
                     &text);
    finish(r, ret, "json", &text);
    buf_done(&text);
    return 1;
}

/* It goes into fields of a mail and the name of a file. */
static bool is_host_name(view domain) {
    for (size_t i = 0; i < domain.len; i++)
        if (!ascii_is_alnum(domain.ptr[i]) && view_find(VIEW("-_."), domain.ptr[i]) < 0)
            return false;
    return domain_name_is_valid(domain);
}

size_t report_make(struct report *r, struct report_file ret[REPORT_FILES_MOST]) {
    if (!is_host_name(r->domain))
        return 0;
    return r->kind == REPORT_DMARC ? make_dmarc(r, ret) : make_tls(r, ret);
}

/* ---- the mail ---- */

static void add_field(struct buf *out, const char *name, view value) {
    buf_printf(out, "%s: ", name);
    text_add_printable(out, value, true);
    buf_add_str(out, "\r\n");
}

static void add_base64(struct buf *out, view octets) {
    for (; octets.len > 0; octets = view_skip(octets, LINE_OCTETS)) {
        transfer_add_base64(out, view_slice(octets, 0, LINE_OCTETS));
        buf_add_str(out, "\r\n");
    }
}

static void add_header(const struct report *r, const struct report_file *f, view to, view message_id,
                       struct buf *out) {
    struct arena scratch;
    arena_init(&scratch, LIMIT_SESSION_ARENA);
    add_field(out, "From", author(&scratch));
    arena_done(&scratch);
    buf_add_str(out, "To: "); /* folded already */
    buf_add(out, to);
    buf_add_str(out, "\r\n");
    buf_printf(out, "Subject: Report Domain: %.*s\r\n Submitter: %.*s\r\n Report-ID: <%.*s>\r\n",
               VIEW_ARG(r->domain), VIEW_ARG(hostname()), VIEW_ARG(f->id));
    buf_add_str(out, "Date: ");
    date_format(clock_now_ms(), out);
    buf_printf(out, "\r\nMessage-ID: <%.*s>\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n",
               VIEW_ARG(message_id));
}

void report_mail(const struct report *r, const struct report_file *f, view to, view message_id,
                 struct buf *out) {
    bool tls = r->kind == REPORT_TLS;
    char boundary[MIME_BOUNDARY];
    mime_boundary(boundary);
    add_header(r, f, to, message_id, out);
    if (tls)
        buf_printf(out, "TLS-Report-Domain: %.*s\r\nTLS-Report-Submitter: %.*s\r\nTLS-Required: No\r\n",
                   VIEW_ARG(r->domain), VIEW_ARG(hostname()));
    buf_printf(out, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n\r\n",
               tls ? "report; report-type=\"tlsrpt\"" : "mixed", boundary);
    buf_printf(out,
               "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
               "This is a report of %.*s about %s the domain %.*s:\r\n%s.\r\nPrograms read it; see %s.\r\n",
               boundary, VIEW_ARG(hostname()), tls ? "connections to servers of" : "mail with an author of",
               VIEW_ARG(r->domain),
               tls ? "which were encrypted, and why others were not" : "who sent it, and what became of it",
               tls ? "RFC 8460" : "RFC 9990");
    buf_printf(
        out,
        "\r\n--%s\r\nContent-Type: application/%s;\r\n name=\"%.*s\"\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"%.*s\"\r\n\r\n",
        boundary, tls ? "tlsrpt+gzip" : "gzip", VIEW_ARG(f->name), VIEW_ARG(f->name));
    add_base64(out, f->document);
    buf_printf(out, "\r\n--%s--\r\n", boundary);
}
