/* sessions.c: what came of TLS in sessions with domains that demand it or want to hear of it, counted for the
 * reports that they get (RFC 8460). */
#include "base/metrics.h"
#include "roles/deliver/deliver.h"
#include "roles/tally.h"
#include "roles/tls_row.h"
#include "store/report.h"

_Static_assert((int)TLS_ROW_MOST <= (int)REPORT_ROW_MOST, "none is too long to be counted");

/* By TLS, as such records demand, and nothing is proved. */
static bool is_by_no_record(const struct policy *p, const struct smtp_tls_end *end) {
    return p->dane.found == DANE_UNUSABLE && end->end == SMTP_TLS_GOOD;
}

/* RFC 8460 4.3. */
static const char *failure_of(const struct policy *p, const struct smtp_tls_end *end) {
    static const char *const failures[] = {[SMTP_TLS_NOT_OFFERED] = "starttls-not-supported",
                                           [SMTP_TLS_BROKEN] = "validation-failure",
                                           [SMTP_TLS_EXPIRED] = "certificate-expired",
                                           [SMTP_TLS_OTHER_NAME] = "certificate-host-mismatch",
                                           [SMTP_TLS_NOT_TRUSTED] = "certificate-not-trusted"};
    if (p->dane.found == DANE_FAILED)
        return "dnssec-invalid";
    if (p->kind == TLS_POLICY_STS && !p->allowed)
        return "validation-failure";
    if (p->kind == TLS_POLICY_TLSA && end->end == SMTP_TLS_NOT_TRUSTED)
        return "validation-failure";
    if (is_by_no_record(p, end))
        return "tlsa-invalid";
    return end->end == SMTP_TLS_UNTRIED || end->end == SMTP_TLS_GOOD ? "" : failures[end->end];
}

/* "3 1 1 0D6FCE13…", as zone files have it (RFC 8460 4.2). */
static view record_text(const struct tls_tlsa *r, struct arena *a) {
    struct buf text = BUF_INIT(LIMIT_STEP_ARENA / 4);
    buf_printf(&text, "%d %d %d ", r->usage, r->selector, r->matching);
    for (size_t i = 0; i < r->data.len; i++)
        buf_printf(&text, "%02X", (unsigned char)r->data.ptr[i]);
    view made = arena_view(a, buf_view(&text));
    buf_done(&text);
    return made;
}

static void add_line(struct tls_row *row, view *lines, view line) {
    if (row->policy_count < TLS_REPORT_LINES_MOST && line.len > 0)
        lines[row->policy_count++] = line;
}

static void describe_policy(const struct queue *q, const struct policy *p, struct arena *a,
                            struct tls_row *row) {
    view *lines = arena_array(a, view, TLS_REPORT_LINES_MOST);
    row->policy = lines;
    for (size_t i = 0; lines && p->kind == TLS_POLICY_TLSA && i < p->dane.count; i++)
        add_line(row, lines, record_text(&p->dane.records[i], a));
    if (!lines || p->kind != TLS_POLICY_STS)
        return;
    view rest = q->hop->sts->text, line;
    while (view_split(&rest, '\n', &line))
        add_line(row, lines, view_trim(line));
    row->mx_hosts = q->hop->sts->policy.hosts;
    row->mx_host_count = q->hop->sts->policy.count;
}

static void add(const char *domain, const struct tls_row *row, struct arena *a) {
    struct buf out = BUF_INIT(TLS_ROW_MOST);
    tls_row_write(row, &out);
    if (!out.failed && !a->failed) /* else one session is not counted */
        tally_add(TALLY_TLS, arena_lower(a, view_of(domain)), buf_view(&out));
    buf_done(&out);
}

/* The metrics: of sessions whose host had something to show. */
static void count_proofs(const struct policy *p, const struct smtp_tls_end *end, bool failed) {
    if ((p->kind == TLS_POLICY_NONE && p->dane.found != DANE_FAILED) || is_by_no_record(p, end))
        return;
    metric_add(failed ? METRIC_DELIVER_TLS_FAILED : METRIC_DELIVER_TLS_PROVED,
               failed || end->end == SMTP_TLS_GOOD);
}

void session_count(const struct queue *q, const struct policy *p, const struct target *t,
                   const struct smtp_tls_end *end) {
    const char *failure = failure_of(p, end);
    struct sockaddr_text ip = sockaddr_ip(&t->addr);
    struct arena a;
    bool failed = *failure != '\0', of_domain = q->hop->by_mx || q->hop->own;
    count_proofs(p, end, failed);
    if (!of_domain || (p->kind == TLS_POLICY_NONE && !q->reports) ||
        (!failed && end->end == SMTP_TLS_UNTRIED))
        return;
    arena_init(&a, LIMIT_STEP_ARENA);
    struct tls_row row = {.kind = p->kind, .failure = view_of(failure)};
    if (p->kind == TLS_POLICY_TLSA)
        row.domain = view_of(p->dane.base);
    describe_policy(q, p, &a, &row);
    if (failed) {
        row.sending_ip = view_of(end->own_ip.s);
        row.receiving_mx = t->host;
        row.receiving_ip = view_of(ip.s);
        row.reason = p->kind == TLS_POLICY_STS && !p->allowed ? VIEW("the policy does not name the host")
                                                              : view_of(end->info);
    }
    add(q->domain, &row, &a);
    arena_done(&a);
}

void session_count_sts(const char *domain, const char *failure, const char *info) {
    const struct tls_row row = {.kind = TLS_POLICY_STS, .failure = view_of(failure), .reason = view_of(info)};
    struct arena a;
    arena_init(&a, LIMIT_STEP_ARENA);
    add(domain, &row, &a);
    arena_done(&a);
}
