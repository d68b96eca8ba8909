/* db.h: the seam between operations and the two engines. SQL is written once, in the dialect both share, with
 * $1.. parameters and a few {tokens} (see db_translate) where they differ.
 *
 * A connection has a sticky error: statements after a failure do nothing, the operation runs to its end and
 * the executor rolls back and looks once. One thread uses a connection at a time. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/buf.h"
#include "base/err.h"

enum db_engine { DB_SQLITE, DB_POSTGRESQL };

/* How a commit treats stable storage (DESIGN 1.1). */
enum durability {
    DURABLE_READ, /* changes nothing */
    DURABLE_SOON, /* committed now, on stable storage within 200 ms */
    DURABLE_FULL, /* on stable storage before the answer */
};

struct db_value {
    enum { DB_NULL, DB_INT, DB_TEXT, DB_BYTES } kind;
    int64_t number;
    view bytes;
};

#define DB_I(i) ((struct db_value){.kind = DB_INT, .number = (int64_t)(i)})
#define DB_T(v) ((struct db_value){.kind = DB_TEXT, .bytes = (v)})
#define DB_B(v) ((struct db_value){.kind = DB_BYTES, .bytes = (v)})

#define DB_ARGS(...)                                                                                         \
    (const struct db_value[]){{.kind = DB_NULL} __VA_OPT__(, ) __VA_ARGS__},                                 \
        sizeof((const struct db_value[]){{.kind = DB_NULL} __VA_OPT__(, ) __VA_ARGS__}) /                    \
            sizeof(struct db_value)

struct db;
struct db_statement;

/* Rows of one statement. Use: db_query(db, &q, SQL, DB_I(id)); while (query_row(&q)) …; always ends itself
 * when query_row has returned false; query_done is needed only when leaving earlier. Texts and bytes are
 * valid until the next query_row. */
struct query {
    struct db *db;
    struct db_statement *statement;
    void *result; /* PostgreSQL: PGresult */
    int row, rows;
};

struct db *db_open_sqlite(const char *path, bool sync, struct err *e);
/* `conninfo` is a libpq connection string or URL; `sync` false sets synchronous_commit off (tests only). */
struct db *db_open_postgresql(const char *conninfo, bool sync, struct err *e);
/* PostgreSQL: go on as the role postroad_<name> where it exists, so that only its grants hold; on every
 * reconnection too. Others: nothing. */
bool db_take_role(struct db *db, const char *name, struct err *e);
/* PostgreSQL: another connection like this one, made when it is first used. */
struct db *db_another(const struct db *db);
void db_close(struct db **db);
enum db_engine db_engine(const struct db *db);

/* Run a statement that gives no rows. `sql` must be a string literal: statements are prepared once per
 * connection and found again by its address. On PostgreSQL it may be sent without waiting (pipeline); its
 * failure shows at the next statement that waits, at the latest at commit. */
#define db_run(db, sql, ...) db_run_values((db), (sql), DB_ARGS(__VA_ARGS__))
/* As db_run, and wait for the number of rows changed; -1 after an error. */
#define db_change(db, sql, ...)   db_change_values((db), (sql), DB_ARGS(__VA_ARGS__))
#define db_query(db, q, sql, ...) db_query_values((db), (q), (sql), DB_ARGS(__VA_ARGS__))
/* The first column of the first row as a number, or `missing`. */
#define db_number(db, missing, sql, ...) db_number_values((db), (missing), (sql), DB_ARGS(__VA_ARGS__))

/* values[0] is a filler that is skipped, so that no argument at all is possible. */
void db_run_values(struct db *db, const char *sql, const struct db_value *values, size_t count);
int64_t db_change_values(struct db *db, const char *sql, const struct db_value *values, size_t count);
void db_query_values(struct db *db, struct query *q, const char *sql, const struct db_value *values,
                     size_t count);
int64_t db_number_values(struct db *db, int64_t missing, const char *sql, const struct db_value *values,
                         size_t count);

bool query_row(struct query *q);
void query_done(struct query *q);
int64_t query_int(const struct query *q, int column);
view query_text(const struct query *q, int column); /* text and bytes alike; empty for NULL */
bool query_is_null(const struct query *q, int column);

/* Several statements in one text without parameters: the schema. Not prepared. */
void db_script(struct db *db, const char *sql);

/* Transactions. FULL is decided at begin: SQLite changes its sync mode only outside a transaction. All
 * statements of a READ see one moment. */
bool db_begin(struct db *db, enum durability d);
bool db_commit(struct db *db);
void db_rollback(struct db *db);

/* The sticky error: NULL while fine. STORE_BUSY means: run the transaction again. A lost connection is one
 * such case; db_reset opens it again. */
const struct err *db_error(const struct db *db);
void db_set_error(struct db *db, enum err_code code, const char *text);
bool db_reset(struct db *db, struct err *e);

/* SQLite: from now on no commit of exec_group waits for stable storage, whatever its durability: the caller
 * syncs the log by *ret_fd (the caller's; -1 when nothing is to be synced) and holds back what a FULL commit
 * promises. */
bool db_sync_apart(struct db *db, int *ret_fd, struct err *e);
bool db_is_synced_apart(const struct db *db);
/* SQLite: bytes of pages in the write-ahead log that no checkpoint has brought into the file since this
 * connection began to write, and a checkpoint. Others: 0 and nothing. */
int64_t db_wal_bytes(struct db *db);
void db_checkpoint(struct db *db);

/* SQLite: one step of a snapshot into the file <store>.snapshot/store.db, at most `pages` pages. A
 * `token` other than in the step before begins anew. What this connection commits between two steps goes into
 * it too; a rollback may send it back to its beginning. *ret_left 0: the file is complete and closed, not yet
 * synced. One that nobody takes further for a minute is given up. Errors are sticky, as everywhere. Others: 0
 * of 0 are left, and nothing is made. */
void db_snapshot_step(struct db *db, int64_t token, int64_t pages, int64_t *ret_left, int64_t *ret_total);
#define DB_SNAPSHOT_FOLDER ".snapshot" /* beside the store, so that a sandbox can allow it */
#define DB_SNAPSHOT_SUFFIX DB_SNAPSHOT_FOLDER "/store.db"

#endif
