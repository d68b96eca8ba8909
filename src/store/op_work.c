/* op_work.c: poison. A role that comes back after it died on a message says so; a message that has killed its
 * worker twice is set aside from that role, and the rest goes on (DESIGN 2, ADR 4). */
#include "store/event.h"

/* in: role, message, process (an id of the one that died; told again, it counts no more). out: how often the
 * message has crashed, held now (0/1) */
void op_run_CRASHED(struct op_run *r) {
    view role = vals_get_view(&r->in);
    int64_t message = vals_get_int(&r->in), process = vals_get_int(&r->in);
    int64_t told =
        db_number(r->db, 0, "SELECT crashes FROM work WHERE role = $1 AND message = $2 AND process = $3",
                  DB_T(role), DB_I(message), DB_I(process));
    if (told) {
        vals_int(r->out, told);
        vals_int(r->out, told >= LIMIT_CRASHES);
        return;
    }
    db_run(r->db,
           "INSERT INTO work(role, message, crashes, process) VALUES($1, $2, 1, $3)"
           " ON CONFLICT(role, message) DO UPDATE SET crashes = work.crashes + 1, process = $3",
           DB_T(role), DB_I(message), DB_I(process));
    int64_t crashes = db_number(r->db, 0, "SELECT crashes FROM work WHERE role = $1 AND message = $2",
                                DB_T(role), DB_I(message));
    event_record(r, message, EVENT_CRASHED, 0, 0, VIEW(""),
                 arena_printf(r->arena, "role=%.*s times=%lld", VIEW_ARG(role), (long long)crashes));
    bool held = crashes >= LIMIT_CRASHES;
    if (held) {
        db_run(r->db,
               "INSERT INTO hold(message, role, reason, since) VALUES($1, $2, 'crashed', $3) ON CONFLICT DO "
               "NOTHING",
               DB_I(message), DB_T(role), DB_I(r->now_ms));
        if (view_eq(role, VIEW("router")))
            db_run(r->db, "DELETE FROM inbox WHERE message = $1", DB_I(message));
        event_record(r, message, EVENT_HELD, 0, 0, VIEW(""),
                     arena_printf(r->arena, "reason=crashed role=%.*s", VIEW_ARG(role)));
    }
    vals_int(r->out, crashes);
    vals_int(r->out, held);
}
