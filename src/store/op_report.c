/* op_report.c: reports about mail. What is counted for those to others, until deliver has made them; and what
 * others have reported, until it is too old. */
#include "store/report.h"

#include <openssl/evp.h>

#include "base/id.h"
#include "store/event.h"

#define DAY_MS   INT64_C(86400000)
#define BATCH_MS INT64_C(3600000) /* a call is not repeated after that */

/* ---- to others ---- */

struct counted {
    int64_t kind, day;
    view domain, what;
    int64_t n;
    view digest;
};

static struct counted read_counted(struct op_run *r, unsigned char digest[32]) {
    struct counted c = {.kind = vals_get_int(&r->in)};
    c.day = vals_get_int(&r->in);
    c.domain = vals_get_view(&r->in);
    c.what = vals_get_view(&r->in);
    c.n = vals_get_int(&r->in);
    EVP_Digest(c.what.ptr, c.what.len, digest, NULL, EVP_sha256(), NULL);
    c.digest = view_from(digest, 32);
    return c;
}

static int64_t due_of(const struct counted *c) {
    unsigned char digest[32];
    EVP_Digest(c->domain.ptr, c->domain.len, digest, NULL, EVP_sha256(), NULL);
    int64_t spread = (digest[0] << 8 | digest[1]) % REPORT_SPREAD_S;
    return (c->day + 1) * DAY_MS + REPORT_PAUSE_MS + spread * 1000;
}

static void add_counted(struct op_run *r, const struct counted *c) {
    db_run(r->db,
           "INSERT INTO report_row(kind, day, domain, digest, what, n) VALUES($1, $2, $3, $4, $5, $6)"
           " ON CONFLICT(kind, day, domain, digest) DO UPDATE SET n = report_row.n + excluded.n",
           DB_I(c->kind), DB_I(c->day), DB_T(c->domain), DB_B(c->digest), DB_B(c->what), DB_I(c->n));
    db_run(r->db,
           "INSERT INTO report_day(kind, day, domain, due, owner) VALUES($1, $2, $3, $4, 0) ON CONFLICT DO "
           "NOTHING",
           DB_I(c->kind), DB_I(c->day), DB_T(c->domain), DB_I(due_of(c)));
}

/* in: a number of this call's own, so that it counts once; whether only what is there already may grow (0/1);
 * count; each: enum report_kind, day (of the epoch), domain, what is counted, how often. out: how many were
 * not there before */
void op_run_TALLY(struct op_run *r) {
    int64_t batch = vals_get_int(&r->in);
    bool only_known = vals_get_int(&r->in) != 0;
    int64_t fresh = 0;
    bool again =
        db_change(r->db, "INSERT INTO report_batch(id) VALUES($1) ON CONFLICT DO NOTHING", DB_I(batch)) == 0;
    db_run(r->db, "DELETE FROM report_batch WHERE id < $1", DB_I(id_at_ms(r->now_ms - BATCH_MS)));
    for (size_t count = vals_get_count(&r->in); count > 0 && !again; count--) {
        unsigned char digest[32];
        struct counted c = read_counted(r, digest);
        if (c.what.len > REPORT_ROW_MOST || c.domain.len > REPORT_NAME_MOST || c.n < 0 || r->in.failed) {
            op_refuse(r, ERR_SYNTAX, "tally: what is counted is malformed");
            return;
        }
        bool known = db_change(r->db,
                               "UPDATE report_row SET n = n + $5 WHERE kind = $1 AND day = $2 AND domain = $3"
                               " AND digest = $4",
                               DB_I(c.kind), DB_I(c.day), DB_T(c.domain), DB_B(c.digest), DB_I(c.n)) > 0;
        if (!known && !only_known)
            add_counted(r, &c);
        fresh += !known && !only_known;
    }
    vals_int(r->out, fresh);
}

/* in: for how long (ms). out: kind, day, domain of a report that is due, and the number by which it is ours
 * until then; nothing: none is due */
void op_run_REPORT_LEASE(struct op_run *r) {
    int64_t until = r->now_ms + vals_get_int(&r->in), owner = id_new();
    struct query q;
    db_query(
        r->db, &q,
        "SELECT kind, day, domain, due FROM report_day WHERE due <= $1 ORDER BY due LIMIT 1 {for update}",
        DB_I(r->now_ms));
    if (!query_row(&q))
        return;
    int64_t kind = query_int(&q, 0), day = query_int(&q, 1), due = query_int(&q, 3);
    view domain = arena_view(r->arena, query_text(&q, 2));
    query_done(&q);
    if (db_change(r->db,
                  "UPDATE report_day SET due = $4, owner = $5 WHERE kind = $1 AND day = $2 AND domain = $3"
                  " AND due = $6",
                  DB_I(kind), DB_I(day), DB_T(domain), DB_I(until), DB_I(owner), DB_I(due)) != 1)
        return;
    vals_int(r->out, kind);
    vals_int(r->out, day);
    vals_view(r->out, domain);
    vals_int(r->out, owner);
}

/* in: kind, day, domain, digest of the last row seen, most. out: digest, what is counted, how often; by
 * digest, as many as an answer holds */
void op_run_REPORT_ROWS(struct op_run *r) {
    int64_t kind = vals_get_int(&r->in), day = vals_get_int(&r->in);
    view domain = vals_get_view(&r->in), after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q,
             "SELECT digest, what, n FROM report_row WHERE kind = $1 AND day = $2 AND domain = $3 AND"
             " digest > $4 ORDER BY digest LIMIT $5",
             DB_I(kind), DB_I(day), DB_T(domain), DB_B(after), DB_I(most));
    while (query_row(&q)) {
        if (r->out->len + REPORT_ROW_MOST + 256 > LIMIT_STORE_PACKET)
            continue;
        vals_view(r->out, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        vals_int(r->out, query_int(&q, 2));
    }
}

static void drop_day(struct op_run *r, int64_t kind, int64_t day, view domain) {
    db_run(r->db, "DELETE FROM report_row WHERE kind = $1 AND day = $2 AND domain = $3", DB_I(kind),
           DB_I(day), DB_T(domain));
    db_run(r->db, "DELETE FROM report_day WHERE kind = $1 AND day = $2 AND domain = $3", DB_I(kind),
           DB_I(day), DB_T(domain));
}

/* in: kind, day, domain, number of the lease, count of messages that report it (0: nobody wants any), each as
 * accept_one() reads it. Nothing when it is no longer ours. out: whether it was (0/1) */
void op_run_REPORT_SENT(struct op_run *r) {
    int64_t kind = vals_get_int(&r->in), day = vals_get_int(&r->in);
    view domain = vals_get_view(&r->in);
    int64_t owner = vals_get_int(&r->in);
    bool ours = db_number(r->db, 0,
                          "SELECT count(*) FROM report_day WHERE kind = $1 AND day = $2 AND domain = $3 AND"
                          " owner = $4",
                          DB_I(kind), DB_I(day), DB_T(domain), DB_I(owner)) == 1;
    vals_int(r->out, ours);
    if (!ours)
        return;
    drop_day(r, kind, day, domain);
    for (size_t n = vals_get_count(&r->in); n > 0 && !r->in.failed && !db_error(r->db); n--)
        accept_one(r);
}

/* ---- of others ---- */

static bool take_head(struct op_run *r, int64_t *ret_report) {
    int64_t kind = vals_get_int(&r->in);
    view org = vals_get_view(&r->in), name = vals_get_view(&r->in), domain = vals_get_view(&r->in);
    view contact = vals_get_view(&r->in);
    int64_t begin = vals_get_int(&r->in), end = vals_get_int(&r->in);
    view policy = vals_get_view(&r->in);
    int64_t total = vals_get_int(&r->in);
    if (org.len > REPORT_NAME_MOST || name.len > REPORT_NAME_MOST || domain.len > REPORT_NAME_MOST ||
        contact.len > REPORT_TEXT_MOST || policy.len > REPORT_TEXT_MOST || total < 0 ||
        total > REPORT_TOTAL_MOST)
        op_refuse(r, ERR_SYNTAX, "report-take: the report is malformed");
    else if (db_number(r->db, 0, "SELECT count(*) FROM report WHERE at > $1", DB_I(r->now_ms - DAY_MS)) >=
             REPORTS_A_DAY_MOST)
        op_refuse(r, ERR_LIMIT, "more than %d reports came within a day", REPORTS_A_DAY_MOST);
    db_run(r->db,
           "INSERT INTO report(id, kind, org, name, domain, contact, begin_s, end_s, policy, total, at)"
           " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
           DB_I(id_new()), DB_I(kind), DB_T(org), DB_T(name), DB_T(domain), DB_T(contact), DB_I(begin),
           DB_I(end), DB_T(policy), DB_I(total), DB_I(r->now_ms));
    *ret_report =
        db_number(r->db, 0,
                  "SELECT id FROM report WHERE kind = $1 AND org = $2 AND name = $3 AND domain = $4"
                  " AND begin_s = $5 AND end_s = $6 AND total = $7",
                  DB_I(kind), DB_T(org), DB_T(name), DB_T(domain), DB_I(begin), DB_I(end), DB_I(total));
    return r->err.code == ERR_OK;
}

static int64_t take_row(struct op_run *r, int64_t report, int64_t n) {
    view source = vals_get_view(&r->in), name = vals_get_view(&r->in), result = vals_get_view(&r->in);
    bool passed = vals_get_int(&r->in) != 0;
    view detail = vals_get_view(&r->in);
    int64_t messages = vals_get_int(&r->in);
    if (messages < 0 || messages > REPORT_MESSAGES_MOST)
        messages = messages < 0 ? 0 : REPORT_MESSAGES_MOST;
    return db_change(r->db,
                     "INSERT INTO report_source(report, n, source, name, result, passed, detail, messages)"
                     " VALUES($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                     DB_I(report), DB_I(n), DB_T(source), DB_T(name), DB_T(result), DB_I(passed),
                     DB_T(detail), DB_I(messages));
}

/* in: enum report_kind, organization, its name for the report, domain it is about, contact, begin, end
 * (seconds since 1970), policy that it found, how many rows it has in all, number of the first that follows,
 * count; each: source, name, result, whether it passed (0/1), detail, messages. A report may come in several
 * calls, each any number of times. out: rows that were not there before; -1: another one of that name is
 * there, and stays */
void op_run_REPORT_TAKE(struct op_run *r) {
    int64_t report, fresh = 0;
    if (!take_head(r, &report))
        return;
    int64_t first = vals_get_int(&r->in);
    size_t count = vals_get_count(&r->in);
    for (size_t i = 0; report && i < count && first + (int64_t)i < REPORT_TOTAL_MOST && !r->in.failed; i++)
        fresh += take_row(r, report, first + (int64_t)i);
    vals_int(r->out, report ? fresh : -1);
}

/* in: enum report_kind, domain (empty: of all), since when (seconds since 1970), enum report_by, most. out:
 * what it is grouped by, messages, those that passed, that were put aside (result quarantine), that were
 * refused (reject); what fails most first */
void op_run_REPORT_SUMMARY(struct op_run *r) {
    int64_t kind = vals_get_int(&r->in);
    view domain = vals_get_view(&r->in);
    int64_t since = vals_get_int(&r->in), by = vals_get_int(&r->in), most = vals_get_int(&r->in);
    struct query q;
    db_query(
        r->db, &q,
        "SELECT CASE WHEN $4 = 0 THEN s.source WHEN $4 = 1 THEN s.name ELSE s.detail END AS what,"
        " CAST(sum(s.messages) AS BIGINT), CAST(sum(s.messages * s.passed) AS BIGINT),"
        " CAST(sum(CASE WHEN s.result = 'quarantine' THEN s.messages ELSE 0 END) AS BIGINT),"
        " CAST(sum(CASE WHEN s.result = 'reject' THEN s.messages ELSE 0 END) AS BIGINT)"
        " FROM report r JOIN report_source s ON s.report = r.id WHERE r.kind = $1 AND r.end_s >= $3"
        " AND ($2 = '' OR r.domain = $2) GROUP BY what"
        " ORDER BY sum(s.messages) - sum(s.messages * s.passed) DESC, sum(s.messages) DESC, what LIMIT $5",
        DB_I(kind), DB_T(domain), DB_I(since), DB_I(by), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        for (int i = 1; i < 5; i++)
            vals_int(r->out, query_int(&q, i));
    }
}
_Static_assert(REPORT_BY_SOURCE == 0 && REPORT_BY_NAME == 1, "the SQL above");

/* ---- too old ---- */

static int64_t end_received(struct op_run *r, int64_t before_ms, int64_t most) {
    int64_t ids[LIMIT_ROUTE_BATCH], n = 0;
    struct query q;
    db_query(r->db, &q, "SELECT id FROM report WHERE at < $1 ORDER BY at LIMIT $2", DB_I(before_ms),
             DB_I(most));
    while (query_row(&q) && n < LIMIT_ROUTE_BATCH)
        ids[n++] = query_int(&q, 0);
    query_done(&q);
    for (int64_t i = 0; i < n; i++) {
        db_run(r->db, "DELETE FROM report_source WHERE report = $1", DB_I(ids[i]));
        db_run(r->db, "DELETE FROM report WHERE id = $1", DB_I(ids[i]));
    }
    return n;
}

static int64_t end_unsent(struct op_run *r, int64_t before_day) {
    struct query q;
    db_query(r->db, &q, "SELECT kind, day, domain FROM report_day WHERE day < $1 LIMIT 1", DB_I(before_day));
    if (!query_row(&q))
        return 0;
    int64_t kind = query_int(&q, 0), day = query_int(&q, 1);
    view domain = arena_view(r->arena, query_text(&q, 2));
    query_done(&q);
    drop_day(r, kind, day, domain);
    return 1;
}

/* in: most reports at once, for how long those of others are kept (ms). out: how many were dropped */
void op_run_REPORTS_END(struct op_run *r) {
    int64_t most = vals_get_int(&r->in), keep = vals_get_int(&r->in);
    if (most < 1 || most > LIMIT_ROUTE_BATCH)
        most = LIMIT_ROUTE_BATCH;
    int64_t ended = end_received(r, r->now_ms - keep, most);
    ended += end_unsent(r, r->now_ms / DAY_MS - REPORT_DAYS_MOST);
    vals_int(r->out, ended);
}
