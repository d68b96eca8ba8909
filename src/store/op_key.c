/* op_key.c: the keys that programs show to change what the command line can change. Of a key only what
 * base/password.h keeps of it is here. */
#include "store/event.h"

static void record(struct op_run *r, view who, const char *what, view name) {
    event_record(r, EVENTS_OF_PEOPLE, EVENT_CONFIGURED, 0, 0, VIEW(""),
                 arena_printf(r->arena, "by=%.*s key %.*s %s", VIEW_ARG(who), VIEW_ARG(name), what));
}

/* in: who does it, name, what is kept of the key. One that is there gets the new key. */
void op_run_KEY_SET(struct op_run *r) {
    view who = vals_get_view(&r->in), name = vals_get_view(&r->in), kept = vals_get_view(&r->in);
    db_run(r->db,
           "INSERT INTO api_key(name, kept, created) VALUES($1, $2, $3)"
           " ON CONFLICT(name) DO UPDATE SET kept = excluded.kept, created = excluded.created",
           DB_T(name), DB_T(kept), DB_I(r->now_ms));
    record(r, who, "set", name);
}

/* in: who does it, name */
void op_run_KEY_REMOVE(struct op_run *r) {
    view who = vals_get_view(&r->in), name = vals_get_view(&r->in);
    if (db_change(r->db, "DELETE FROM api_key WHERE name = $1", DB_T(name)) == 0)
        op_refuse(r, ERR_NOT_FOUND, "no key %.*s here", VIEW_ARG(name));
    else
        record(r, who, "removed", name);
}

/* in: last name seen, most. out: name, created */
void op_run_KEY_LS(struct op_run *r) {
    view after = vals_get_view(&r->in);
    int64_t most = vals_get_int(&r->in);
    struct query q;
    db_query(r->db, &q, "SELECT name, created FROM api_key WHERE name > $1 ORDER BY name LIMIT $2",
             DB_T(after), DB_I(most));
    while (query_row(&q)) {
        vals_view(r->out, query_text(&q, 0));
        vals_int(r->out, query_int(&q, 1));
    }
}

/* in: name. out: what is kept of the key; empty: there is none */
void op_run_KEY_KEPT(struct op_run *r) {
    struct query q;
    db_query(r->db, &q, "SELECT kept FROM api_key WHERE name = $1", DB_T(vals_get_view(&r->in)));
    bool known = query_row(&q);
    vals_view(r->out, known ? query_text(&q, 0) : VIEW(""));
    query_done(&q);
}
