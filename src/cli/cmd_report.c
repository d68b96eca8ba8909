/* cmd_report.c: postroad dmarc report, dmarc import and tls report: what others have reported. */
#include "base/clock.h"
#include "base/words.h"
#include "cli/cli.h"
#include "mail/date.h"
#include "roles/report_in.h"
#include "store/report.h"

enum { ROWS_MOST = 500 };

static bool call(void *context, struct store_request *q, struct err *e) {
    return cli_call(context, q, e);
}

static bool import(struct cli *c, view text, struct arena *a, struct err *e) {
    struct report_in_store store = {.call = call, .context = c};
    struct report_in r;
    if (!report_in(text, &store, a, &r, e))
        return false;
    if (r.is_single)
        return err_set(e, ERR_USAGE,
                       "this is about one message of %.100s (%.100s): such reports are not kept",
                       arena_str(a, r.domain), arena_str(a, r.id));
    if (r.is_other)
        return err_set(e, ERR_CONFLICT, "another report %.100s of %.100s is here already: it stays",
                       arena_str(a, r.id), arena_str(a, r.organization));
    cli_done(c,
             json_pack("{sssosososIsb}", "kind", r.is_tls ? "tls" : "dmarc", "organization",
                       cli_json_text(r.organization), "id", cli_json_text(r.id), "domain",
                       cli_json_text(r.domain), "messages", (json_int_t)r.messages, "new", r.is_new),
             "%s report of %.*s about %.*s: %lld %s%s", r.is_tls ? "TLS" : "DMARC", VIEW_ARG(r.organization),
             VIEW_ARG(r.domain), (long long)r.messages, r.is_tls ? "sessions" : "messages",
             r.is_new ? "" : " (it was here already)");
    return true;
}

bool cmd_dmarc_import(struct cli *c, struct err *e) {
    struct buf text = BUF_INIT(REPORT_IN_MOST);
    struct arena arena;
    arena_init(&arena, REPORT_IN_ARENA);
    bool ok = import_read(c->args.words[0], &text, e) && import(c, buf_view(&text), &arena, e);
    arena_done(&arena);
    buf_done(&text);
    return ok;
}

/* "7d" ago, or a date. */
static bool read_since(struct cli *c, int64_t *ret_s, struct err *e) {
    const char *text = args_get(&c->args, "--since");
    int64_t ms = 0;
    *ret_s = 0;
    if (!text)
        return true;
    if (duration_parse(view_of(text), &ms))
        ms = clock_now_ms() - ms;
    else if (!date_parse_iso(view_of(text), &ms))
        return err_set(e, ERR_USAGE, "--since %.40s: 7d (ago) or a day such as 2026-11-24 is wanted", text);
    *ret_s = ms / 1000;
    return true;
}

static bool ask(struct cli *c, enum report_kind kind, enum report_by by, struct store_request *q,
                struct err *e) {
    view domain = VIEW("");
    int64_t since = 0;
    if (!cli_config(c, e) || !read_since(c, &since, e) ||
        (c->args.count > 0 && !cli_domain(c, c->args.words[0], &domain, e)))
        return false;
    vals_int(&q->args, kind);
    vals_view(&q->args, domain);
    vals_int(&q->args, since);
    vals_int(&q->args, by);
    vals_int(&q->args, ROWS_MOST);
    return cli_call(c, q, e);
}

static void show_row(struct table *t, struct vals *v, bool with_disposition) {
    view what = vals_get_view(v);
    int64_t messages = vals_get_int(v), passed = vals_get_int(v), quarantined = vals_get_int(v),
            rejected = vals_get_int(v);
    table_text(t, what.len ? what : VIEW("-"));
    table_int(t, messages);
    table_int(t, passed);
    table_int(t, messages - passed);
    if (with_disposition) {
        table_int(t, quarantined);
        table_int(t, rejected);
    }
}

static bool show(struct cli *c, enum report_kind kind, enum report_by by, const struct column *columns,
                 size_t count, struct err *e) {
    struct store_request q;
    struct table t;
    store_request_init(&q, OP_REPORT_SUMMARY);
    bool ok = ask(c, kind, by, &q, e);
    if (ok) {
        size_t rows = 0;
        table_open(&t, c, columns, count);
        for (struct vals v = vals_of(buf_view(&q.out)); vals_more(&v); rows++)
            show_row(&t, &v, kind == REPORT_DMARC);
        ok = table_close(&t, e);
        if (rows == ROWS_MOST && !c->json)
            cli_print(c, "Only these %d are shown.\n", ROWS_MOST);
    }
    store_request_done(&q);
    return ok;
}

bool cmd_dmarc_report(struct cli *c, struct err *e) {
    static const struct column
        by_source[] = {{"source", "SOURCE"}, {"messages", "MESSAGES"},      {"pass", "PASS"},
                       {"fail", "FAIL"},     {"quarantine", "QUARANTINED"}, {"reject", "REJECTED"}},
        by_from[] = {{"from", "FROM"}, {"messages", "MESSAGES"},      {"pass", "PASS"},
                     {"fail", "FAIL"}, {"quarantine", "QUARANTINED"}, {"reject", "REJECTED"}};
    const char *by = args_get(&c->args, "--by");
    bool from = by && view_eq(view_of(by), VIEW("from"));
    if (by && !from && !view_eq(view_of(by), VIEW("source")))
        return err_set(e, ERR_USAGE, "--by %.40s: source or from is wanted", by);
    return show(c, REPORT_DMARC, from ? REPORT_BY_NAME : REPORT_BY_SOURCE, from ? by_from : by_source,
                COUNT_OF(by_source), e);
}

bool cmd_tls_report(struct cli *c, struct err *e) {
    static const struct column columns[][4] = {
        {{"source", "SOURCE"}, {"sessions", "SESSIONS"}, {"success", "SUCCESS"}, {"failure", "FAILURE"}},
        {{"host", "HOST"}, {"sessions", "SESSIONS"}, {"success", "SUCCESS"}, {"failure", "FAILURE"}},
        {{"what", "WHAT"}, {"sessions", "SESSIONS"}, {"success", "SUCCESS"}, {"failure", "FAILURE"}}};
    const char *by = args_get(&c->args, "--by");
    int64_t how = REPORT_BY_DETAIL;
    if (by && !words_find("source host failure", view_of(by), &how))
        return err_set(e, ERR_USAGE, "--by %.40s: failure, host or source is wanted", by);
    return show(c, REPORT_TLS, (enum report_by)how, columns[how], COUNT_OF(columns[0]), e);
}
_Static_assert(REPORT_BY_SOURCE == 0 && REPORT_BY_NAME == 1 && REPORT_BY_DETAIL == 2, "the words above");
