/* op_sts.c: policies of MTA-STS (RFC 8461), kept as long as their domains have said: a web server that is
 * away then, or an attacker who hides the record, must not end what a domain has promised. */
#include "store/op.h"

enum { LEFTOVERS_AT_ONCE = 100 };

/* in: domain. out: id, policy, fetched, expires, tried; nothing: none is kept */
void op_run_STS_POLICY(struct op_run *r) {
    struct query q;
    db_query(r->db, &q, "SELECT id, policy, fetched, expires, tried FROM sts_policy WHERE domain = $1",
             DB_T(vals_get_view(&r->in)));
    if (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_view(r->out, query_text(&q, 1));
        for (int i = 2; i < 5; i++)
            vals_int(r->out, query_int(&q, i));
    }
    query_done(&q);
}

/* in: domain, id, policy, fetched, expires, tried. What has expired is deleted on the way. */
void op_run_STS_KEEP(struct op_run *r) {
    view domain = vals_get_view(&r->in), id = vals_get_view(&r->in), policy = vals_get_view(&r->in);
    int64_t fetched = vals_get_int(&r->in), expires = vals_get_int(&r->in), tried = vals_get_int(&r->in);
    db_run(
        r->db,
        "DELETE FROM sts_policy WHERE domain IN (SELECT domain FROM sts_policy WHERE expires < $1 LIMIT $2)",
        DB_I(r->now_ms), DB_I(LEFTOVERS_AT_ONCE));
    db_run(
        r->db,
        "INSERT INTO sts_policy(domain, id, policy, fetched, expires, tried) VALUES($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT(domain) DO UPDATE SET id = excluded.id, policy = excluded.policy,"
        " fetched = excluded.fetched, expires = excluded.expires, tried = excluded.tried",
        DB_T(domain), DB_T(id), DB_T(policy), DB_I(fetched), DB_I(expires), DB_I(tried));
}
