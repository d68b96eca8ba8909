/* op_secret.c: secrets that roles share: what one makes with them another has to recognise. The newest is
 * what things are made with; those before it are still good. A row's name is "NAME:" and when it was made. */
#include "base/id.h"
#include "store/event.h"
#include "store/secret.h"

/* So that names sort by time. */
static view row_name(struct op_run *r, view name, int64_t at_ms) {
    return arena_printf(r->arena, "%.*s:%016lld", VIEW_ARG(name), (long long)at_ms);
}

static bool is_known(view name) {
    return view_eq(name, VIEW(SECRET_SRS)) || view_eq(name, VIEW(SECRET_WRAP));
}

static void add(struct op_run *r, view name, int64_t at_ms) {
    unsigned char octets[SECRET_OCTETS];
    random_bytes(octets, sizeof octets);
    db_run(r->db, "INSERT INTO secret(name, value) VALUES($1, $2) ON CONFLICT DO NOTHING",
           DB_T(row_name(r, name, at_ms)), DB_B(view_from(octets, sizeof octets)));
}

static int64_t put_all(struct op_run *r, view name) {
    struct query q;
    int64_t n = 0;
    db_query(r->db, &q, "SELECT value FROM secret WHERE name >= $1 AND name < $2 ORDER BY name DESC LIMIT $3",
             DB_T(row_name(r, name, 0)), DB_T(arena_printf(r->arena, "%.*s;", VIEW_ARG(name))),
             DB_I(SECRETS_KEPT));
    for (; query_row(&q); n++)
        vals_view(r->out, query_text(&q, 0));
    query_done(&q);
    return n;
}

/* in: name. out: its secrets, the newest first. The first caller makes the first: always the one of time 0,
 * so that two callers make the same row. */
void op_run_SECRETS(struct op_run *r) {
    view name = vals_get_view(&r->in);
    if (!is_known(name)) {
        op_refuse(r, ERR_NOT_FOUND, "no secret %.*s", VIEW_ARG(name));
    } else if (put_all(r, name) == 0) {
        add(r, name, 0);
        put_all(r, name);
    }
}

/* in: who does it, name. A new secret; of more than SECRETS_KEPT the oldest is forgotten. */
void op_run_SECRET_ADD(struct op_run *r) {
    view who = vals_get_view(&r->in), name = vals_get_view(&r->in), end;
    if (!is_known(name)) {
        op_refuse(r, ERR_NOT_FOUND, "no secret %.*s; there is " SECRET_SRS " and " SECRET_WRAP,
                  VIEW_ARG(name));
        return;
    }
    end = arena_printf(r->arena, "%.*s;", VIEW_ARG(name));
    add(r, name, r->now_ms);
    db_run(r->db,
           "DELETE FROM secret WHERE name >= $1 AND name < $2 AND name NOT IN (SELECT name FROM secret WHERE "
           "name >= $1"
           " AND name < $2 ORDER BY name DESC LIMIT $3)",
           DB_T(row_name(r, name, 0)), DB_T(end), DB_I(SECRETS_KEPT));
    event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, 0, VIEW(""),
                 arena_printf(r->arena, "by=%.*s a new secret %.*s", VIEW_ARG(who), VIEW_ARG(name)));
}

/* in: address, normalised. out: 1 when it is known here: a member of a list, somebody's address; else 0 */
void op_run_ADDRESS_KNOWN(struct op_run *r) {
    vals_int(r->out,
             db_number(r->db, 0,
                       "SELECT count(*) FROM address a WHERE a.text = $1 AND (EXISTS (SELECT 1 FROM member m"
                       " WHERE m.addr = a.id) OR EXISTS (SELECT 1 FROM mailbox b WHERE b.addr = a.id))",
                       DB_T(vals_get_view(&r->in))) > 0);
}
