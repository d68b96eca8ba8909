/* op_alias_import.c: one source's whole set replaced as one visible step. The caller begins with a number of
 * its own, reads what is there, writes only the differences, slice by slice, into the version behind the live
 * one, and publishes: one row changes, and from then on everybody sees the new set. Whoever begins later
 * takes the source over; what a stopped import has left is part of what the next one reads. */
#include "store/alias.h"
#include "store/lookup.h"

/* in: source, number of the import. out: the live version. */
void op_run_ALIAS_BEGIN(struct op_run *r) {
    view source = vals_get_view(&r->in);
    int64_t staging = vals_get_int(&r->in);
    if (view_eq(source, VIEW(ALIAS_MANUAL))) {
        op_refuse(r, ERR_USAGE, "the source " ALIAS_MANUAL " is what alias set makes: choose another name");
        return;
    }
    db_run(r->db, "INSERT INTO alias_source(name, live, staging) VALUES($1, 0, 0) ON CONFLICT DO NOTHING",
           DB_T(source));
    if (db_number(r->db, 0, "SELECT count(*) FROM alias_source") > LIMIT_ALIAS_SOURCES) {
        op_refuse(r, ERR_LIMIT, "there are %d sources already", LIMIT_ALIAS_SOURCES);
        return;
    }
    db_run(r->db, "UPDATE alias_source SET staging = $2 WHERE name = $1", DB_T(source), DB_I(staging));
    vals_int(r->out, db_number(r->db, 0, "SELECT live FROM alias_source WHERE name = $1", DB_T(source)));
}

static bool is_ours(struct op_run *r, view source, int64_t staging, int64_t live) {
    if (db_number(r->db, 0,
                  "SELECT 1 FROM alias_source WHERE name = $1 AND staging = $2 AND live = $3 {for update}",
                  DB_T(source), DB_I(staging), DB_I(live)))
        return true;
    op_refuse(r, ERR_CONFLICT, "another import of %.*s has begun meanwhile: run it again", VIEW_ARG(source));
    return false;
}

static void stage_one(struct op_run *r, view source, int64_t live, int64_t action, view address,
                      view target) {
    switch (action) {
    case ALIAS_ADD:
        db_run(r->db,
               "INSERT INTO alias(address, source, target, first, ended) VALUES($1, $2, $3, $4, $5)"
               " ON CONFLICT DO NOTHING",
               DB_T(address), DB_T(source), DB_T(target), DB_I(live + 1), DB_I(ALIAS_NEVER));
        break;
    case ALIAS_END:
    case ALIAS_GO_ON:
        db_run(r->db,
               "UPDATE alias SET ended = $5 WHERE address = $1 AND source = $2 AND target = $3"
               " AND first <= $4 AND $4 < ended",
               DB_T(address), DB_T(source), DB_T(target), DB_I(live),
               DB_I(action == ALIAS_END ? live + 1 : ALIAS_NEVER));
        break;
    case ALIAS_FORGET:
        db_run(r->db, "DELETE FROM alias WHERE address = $1 AND source = $2 AND target = $3 AND first = $4",
               DB_T(address), DB_T(source), DB_T(target), DB_I(live + 1));
        break;
    default:
        op_refuse(r, ERR_SYNTAX, "alias-stage: no action %lld", (long long)action);
    }
}

/* in: source, number of the import, live version, count; per entry: enum alias_action, address, target. */
void op_run_ALIAS_STAGE(struct op_run *r) {
    view source = vals_get_view(&r->in);
    int64_t staging = vals_get_int(&r->in), live = vals_get_int(&r->in);
    size_t count = vals_get_count(&r->in);
    if (!is_ours(r, source, staging, live))
        return;
    for (size_t i = 0; i < count && !db_error(r->db) && r->err.code == ERR_OK; i++) {
        int64_t action = vals_get_int(&r->in);
        view address = vals_get_view(&r->in), target = vals_get_view(&r->in);
        if (!r->in.failed)
            stage_one(r, source, live, action, address, target);
    }
}

/* in: source, number of the import, live version, who, note, entries added, entries removed. What was staged
 * is what everybody sees. */
void op_run_ALIAS_PUBLISH(struct op_run *r) {
    view source = vals_get_view(&r->in);
    int64_t staging = vals_get_int(&r->in), live = vals_get_int(&r->in);
    view who = vals_get_view(&r->in), note = vals_get_view(&r->in);
    int64_t added = vals_get_int(&r->in), removed = vals_get_int(&r->in);
    bool done =
        db_number(r->db, 0, "SELECT 1 FROM alias_version WHERE source = $1 AND version = $2 AND staging = $3",
                  DB_T(source), DB_I(live + 1), DB_I(staging)) != 0;
    if (done || !is_ours(r, source, staging, live))
        return;
    db_run(r->db, "UPDATE alias_source SET live = $2, staging = 0 WHERE name = $1", DB_T(source),
           DB_I(live + 1));
    db_run(r->db,
           "INSERT INTO alias_version(source, version, at, who, note, added, removed, staging)"
           " VALUES($1, $2, $3, $4, $5, $6, $7, $8)",
           DB_T(source), DB_I(live + 1), DB_I(r->now_ms), DB_T(who), DB_T(note), DB_I(added), DB_I(removed),
           DB_I(staging));
}
