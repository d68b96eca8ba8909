/* db_pg.c: the PostgreSQL engine, on libpq's pipeline mode: statements without rows are sent and not waited
 * for, so that a transaction of fifty inserts costs a few round trips, not fifty. Parameters and results
 * travel in binary. Whatever can be cured by running the transaction again (serialization failure, deadlock,
 * lost connection) becomes ERR_STORE_BUSY. */
#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/db_private.h"

#define OID_BYTEA      17
#define OID_INT8       20
#define OID_TEXT       25
#define PARAMS_MAX     24
#define PIPELINE_MAX   64           /* statements sent before their results are read */
#define PIPELINE_BYTES (128 * 1024) /* less than a socket buffer: neither side can block the other */

struct db_pg {
    struct db base;
    PGconn *conn;
    char *conninfo;
    char *role;  /* taken on by SET ROLE; NULL: the user's own rights */
    int pending; /* results not yet read */
    size_t pending_bytes;
    unsigned next_name;
};

static struct db_pg *pg_of(struct db *db) {
    return (struct db_pg *)db;
}

static enum err_code code_of(PGconn *conn, const PGresult *res) {
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    if (PQstatus(conn) == CONNECTION_BAD || !state)
        return ERR_STORE_BUSY;
    if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0 || strncmp(state, "57P", 3) == 0)
        return ERR_STORE_BUSY;
    if (strncmp(state, "53", 2) == 0)
        return ERR_DISK_FULL;
    if (strncmp(state, "23", 2) == 0)
        return ERR_CONFLICT;
    if (strcmp(state, "42501") == 0)
        return ERR_STORE_DENIED;
    return ERR_STORE;
}

static bool fail(struct db *db, const PGresult *res, const char *what) {
    struct db_pg *pg = pg_of(db);
    if (db->error.code != ERR_OK)
        return false;
    const char *text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    err_set(&db->error, code_of(pg->conn, res), "%s: %s", what, text ? text : PQerrorMessage(pg->conn));
    for (char *p = db->error.text; *p; p++)
        if (*p == '\n')
            *p = ' ';
    return false;
}

/* One result of the pipeline, with the NULL that follows it; NULL when the connection broke. A server that
 * ends the connection may put one more error in the NULL's place. */
static PGresult *next_result(struct db_pg *pg) {
    PGresult *res = PQgetResult(pg->conn);
    if (res && PQresultStatus(res) != PGRES_PIPELINE_SYNC) {
        PGresult *end = PQgetResult(pg->conn);
        PQclear(end);
    }
    return res;
}

static bool good(const PGresult *res) {
    return PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;
}

/* Send a sync and read everything that is pending; the last statement's result is returned when wanted. */
static PGresult *drain(struct db *db, bool want_last) {
    struct db_pg *pg = pg_of(db);
    PGresult *last = NULL;
    if (!PQpipelineSync(pg->conn)) {
        fail(db, NULL, "store");
        return NULL;
    }
    while (pg->pending > 0) {
        PGresult *res = next_result(pg);
        if (!res) {
            fail(db, NULL, "store");
            break;
        }
        pg->pending--;
        if (!good(res) && PQresultStatus(res) != PGRES_PIPELINE_ABORTED)
            fail(db, res, "store");
        if (pg->pending == 0 && want_last && good(res))
            last = res;
        else
            PQclear(res);
    }
    pg->pending = 0;
    pg->pending_bytes = 0;
    PGresult *sync = PQgetResult(pg->conn);
    if (!sync || PQresultStatus(sync) != PGRES_PIPELINE_SYNC)
        fail(db, NULL, "store");
    PQclear(sync);
    if (db->error.code != ERR_OK) {
        PQclear(last);
        last = NULL;
    }
    return last;
}

static void engine_close(struct db *db) {
    struct db_pg *pg = pg_of(db);
    PQfinish(pg->conn);
    free(pg->conninfo);
    free(pg->role);
    free(pg);
}

static bool set_role(struct db_pg *pg, struct err *e) {
    if (!pg->role)
        return true;
    const char *params[1] = {pg->role};
    PGresult *res = PQexecParams(pg->conn, "SELECT count(*)::text FROM pg_roles WHERE rolname = $1", 1, NULL,
                                 params, NULL, NULL, 0);
    bool known = PQresultStatus(res) == PGRES_TUPLES_OK && strcmp(PQgetvalue(res, 0, 0), "1") == 0;
    PQclear(res);
    if (!known)
        return true;
    FREE_AUTO char *sql = mem_printf("SET ROLE %s", pg->role);
    res = PQexec(pg->conn, sql);
    bool ok = good(res) ||
              err_set(e, ERR_STORE, "PostgreSQL: %s", PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
    PQclear(res);
    return ok;
}

static bool connect_now(struct db_pg *pg, struct err *e) {
    PQfinish(pg->conn);
    pg->pending = 0;
    pg->pending_bytes = 0;
    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++)
        pg->base.statements[i].prepared = false;
    /* A server that is gone without a word is noticed; what the administrator's string says comes later and
     * holds. */
    static const char *const keys[] = {"connect_timeout", "tcp_user_timeout", "keepalives_idle", "dbname",
                                       NULL};
    const char *const values[] = {"5", "10000", "10", pg->conninfo, NULL};
    pg->conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(pg->conn) != CONNECTION_OK) {
        err_set(e, ERR_STORE, "cannot connect to PostgreSQL: %s", PQerrorMessage(pg->conn));
        for (char *p = e ? e->text : NULL; p && *p; p++)
            if (*p == '\n')
                *p = ' ';
        return false;
    }
    PGresult *res = PQexec(pg->conn, "SELECT current_setting('fsync'), current_setting('full_page_writes')");
    bool safe = PQresultStatus(res) == PGRES_TUPLES_OK && strcmp(PQgetvalue(res, 0, 0), "on") == 0;
    PQclear(res);
    if (!safe && pg->base.sync)
        return err_set(
            e, ERR_CONFIG,
            "the PostgreSQL server runs with fsync=off and can lose acknowledged mail; turn it on");
    PQclear(PQexec(pg->conn, "SET client_min_messages = warning"));
    PQclear(PQexec(pg->conn, "SET search_path = postroad, public"));
    if (!set_role(pg, e))
        return false;
    return PQenterPipelineMode(pg->conn) ||
           err_set(e, ERR_STORE, "PostgreSQL pipeline mode is not available");
}

static bool engine_reset(struct db *db, struct err *e) {
    struct db_pg *pg = pg_of(db);
    if (PQstatus(pg->conn) == CONNECTION_OK && PQtransactionStatus(pg->conn) == PQTRANS_IDLE &&
        pg->pending == 0)
        return true;
    return connect_now(pg, e);
}

static bool engine_prepare(struct db *db, struct db_statement *s, const struct db_value *values,
                           size_t count) {
    struct db_pg *pg = pg_of(db);
    static const Oid oids[] = {
        [DB_NULL] = OID_TEXT, [DB_INT] = OID_INT8, [DB_TEXT] = OID_TEXT, [DB_BYTES] = OID_BYTEA};
    Oid types[PARAMS_MAX];
    BUG_ON(count > PARAMS_MAX);
    for (size_t i = 0; i < count; i++)
        types[i] = oids[values[i].kind];
    struct buf sql = BUF_INIT(1 << 20);
    db_translate(DB_POSTGRESQL, s->sql, &sql);
    snprintf(s->name, sizeof s->name, "s%u", pg->next_name++);
    bool ok = PQsendPrepare(pg->conn, s->name, sql.data, (int)count, types) || fail(db, NULL, "prepare");
    buf_done(&sql);
    if (!ok)
        return false;
    pg->pending++;
    PQclear(drain(db, false));
    return db->error.code == ERR_OK;
}

static bool send(struct db *db, struct db_statement *s, const struct db_value *values, size_t count) {
    struct db_pg *pg = pg_of(db);
    const char *data[PARAMS_MAX];
    int lengths[PARAMS_MAX], formats[PARAMS_MAX];
    uint64_t numbers[PARAMS_MAX];
    size_t bytes = 64;
    for (size_t i = 0; i < count; i++) {
        const struct db_value *v = &values[i];
        formats[i] = 1;
        if (v->kind == DB_INT) {
            numbers[i] = htobe64((uint64_t)v->number);
            data[i] = (const char *)&numbers[i];
            lengths[i] = 8;
        } else {
            data[i] = v->kind == DB_NULL ? NULL : v->bytes.ptr ? v->bytes.ptr : "";
            lengths[i] = (int)v->bytes.len;
        }
        bytes += (size_t)lengths[i];
    }
    if (!PQsendQueryPrepared(pg->conn, s->name, (int)count, data, lengths, formats, 1))
        return fail(db, NULL, "store");
    pg->pending++;
    pg->pending_bytes += bytes;
    return true;
}

static void engine_run(struct db *db, struct db_statement *s, const struct db_value *values, size_t count) {
    struct db_pg *pg = pg_of(db);
    if (send(db, s, values, count) && (pg->pending >= PIPELINE_MAX || pg->pending_bytes >= PIPELINE_BYTES))
        PQclear(drain(db, false));
}

static int64_t engine_change(struct db *db, struct db_statement *s, const struct db_value *values,
                             size_t count) {
    PGresult *res = send(db, s, values, count) ? drain(db, true) : NULL;
    int64_t n = -1;
    if (res && !view_to_i64(view_of(PQcmdTuples(res)), &n))
        n = 0;
    PQclear(res);
    return n;
}

static void engine_query(struct db *db, struct query *q, const struct db_value *values, size_t count) {
    q->result = send(db, q->statement, values, count) ? drain(db, true) : NULL;
    q->rows = q->result ? PQntuples(q->result) : 0;
}

static bool engine_row(struct query *q) {
    return ++q->row < q->rows;
}

static void engine_done(struct query *q) {
    PQclear(q->result);
    q->result = NULL;
}

static int64_t engine_get_int(const struct query *q, int column) {
    const unsigned char *p = (const unsigned char *)PQgetvalue(q->result, q->row, column);
    int len = PQgetlength(q->result, q->row, column);
    int64_t n = len > 1 && (p[0] & 0x80) ? -1 : 0;
    for (int i = 0; i < len && i < 8; i++)
        n = (int64_t)((uint64_t)n << 8 | p[i]);
    return n;
}

static view engine_get_text(const struct query *q, int column) {
    return view_from(PQgetvalue(q->result, q->row, column), (size_t)PQgetlength(q->result, q->row, column));
}

static bool engine_is_null(const struct query *q, int column) {
    return PQgetisnull(q->result, q->row, column);
}

/* A script has several statements: only the simple protocol takes that, outside of pipeline mode. */
static void engine_script(struct db *db, const char *sql) {
    struct db_pg *pg = pg_of(db);
    PQclear(drain(db, false));
    if (db->error.code != ERR_OK)
        return;
    PQexitPipelineMode(pg->conn);
    PGresult *res = PQexec(pg->conn, sql);
    if (!good(res))
        fail(db, res, "schema");
    PQclear(res);
    PQenterPipelineMode(pg->conn);
}

static bool send_text(struct db *db, const char *sql) {
    struct db_pg *pg = pg_of(db);
    if (!PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1))
        return fail(db, NULL, "store");
    pg->pending++;
    return true;
}

/* Before a rollback: behind a failure that nobody has waited for, the rest of the pipeline is ignored, and
 * the ROLLBACK would be too. What failed there does not matter any more, unless the connection broke. */
static bool read_pending(struct db *db) {
    if (pg_of(db)->pending > 0)
        PQclear(drain(db, false));
    if (db->error.code == ERR_STORE_BUSY)
        return false;
    db->error.code = ERR_OK;
    return true;
}

/* COMMIT waits: what went wrong before must be known here. */
static bool engine_control(struct db *db, const char *sql) {
    if (strncmp(sql, "ROLLBACK", 8) == 0 && !read_pending(db))
        return false;
    if (!send_text(db, sql))
        return false;
    PGresult *res = drain(db, true);
    /* COMMIT of a failed transaction answers ROLLBACK. */
    if (res && strcmp(sql, "COMMIT") == 0 && strcmp(PQcmdStatus(res), "COMMIT") != 0)
        fail(db, res, "the transaction was rolled back");
    PQclear(res);
    return db->error.code == ERR_OK;
}

static bool engine_begin(struct db *db, enum durability d) {
    struct db_pg *pg = pg_of(db);
    if (PQstatus(pg->conn) != CONNECTION_OK) {
        struct err e;
        if (!connect_now(pg, &e)) {
            err_set(&db->error, ERR_STORE_BUSY, "%s", e.text);
            return false;
        }
    }
    if (d == DURABLE_READ)
        return send_text(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (!send_text(db, "BEGIN"))
        return false;
    if (d == DURABLE_FULL && db->sync)
        return true;
    return send_text(db, "SET LOCAL synchronous_commit = off");
}

static const struct db_ops pg_ops = {
    .engine = DB_POSTGRESQL,
    .close = engine_close,
    .reset = engine_reset,
    .prepare = engine_prepare,
    .run = engine_run,
    .change = engine_change,
    .query = engine_query,
    .row = engine_row,
    .done = engine_done,
    .get_int = engine_get_int,
    .get_text = engine_get_text,
    .is_null = engine_is_null,
    .script = engine_script,
    .begin = engine_begin,
    .control = engine_control,
};

bool db_take_role(struct db *db, const char *name, struct err *e) {
    if (db->ops != &pg_ops || !name)
        return true;
    struct db_pg *pg = pg_of(db);
    free(pg->role);
    pg->role = mem_printf("postroad_%s", name);
    return connect_now(pg, e);
}

struct db *db_another(const struct db *db) {
    const struct db_pg *like = (const struct db_pg *)db;
    BUG_ON(db->ops != &pg_ops);
    struct db_pg *pg = mem_alloc(sizeof *pg);
    pg->base.ops = &pg_ops;
    pg->base.sync = db->sync;
    pg->conninfo = mem_str(like->conninfo);
    pg->role = like->role ? mem_str(like->role) : NULL;
    return &pg->base;
}

struct db *db_open_postgresql(const char *conninfo, bool sync, struct err *e) {
    struct db_pg *pg = mem_alloc(sizeof *pg);
    pg->base.ops = &pg_ops;
    pg->base.sync = sync;
    pg->conninfo = mem_str(conninfo);
    if (connect_now(pg, e))
        return &pg->base;
    engine_close(&pg->base);
    return NULL;
}
