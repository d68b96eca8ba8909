/* db_private.h: what the two engines implement. */
#ifndef STORE_DB_PRIVATE_H
#define STORE_DB_PRIVATE_H

#include "base/arena.h"
#include "store/db.h"

#define DB_STATEMENTS_MAX 1024

/* One prepared statement of a connection. */
struct db_statement {
    const char *sql; /* the literal's address is the key */
    void *handle;    /* sqlite3_stmt, or NULL */
    char name[16];   /* PostgreSQL */
    bool prepared;
    bool in_order; /* SQLite: its parameters appear as $1, $2, … */
};

struct db_ops {
    enum db_engine engine;
    void (*close)(struct db *db);
    bool (*reset)(struct db *db, struct err *e);
    bool (*prepare)(struct db *db, struct db_statement *s, const struct db_value *values, size_t count);
    void (*run)(struct db *db, struct db_statement *s, const struct db_value *values, size_t count);
    int64_t (*change)(struct db *db, struct db_statement *s, const struct db_value *values, size_t count);
    void (*query)(struct db *db, struct query *q, const struct db_value *values, size_t count);
    bool (*row)(struct query *q);
    void (*done)(struct query *q);
    int64_t (*get_int)(const struct query *q, int column);
    view (*get_text)(const struct query *q, int column);
    bool (*is_null)(const struct query *q, int column);
    void (*script)(struct db *db, const char *sql);
    bool (*begin)(struct db *db, enum durability d);
    bool (*control)(struct db *db, const char *sql); /* COMMIT, ROLLBACK */
};

struct db {
    const struct db_ops *ops;
    struct err error; /* sticky */
    bool sync;
    bool sync_apart;
    bool in_transaction;
    struct arena texts; /* of the transaction: copies of texts that were not UTF-8 */
    struct db_statement statements[DB_STATEMENTS_MAX]; /* open addressing by address */
    size_t statement_count;
};

/* Replace {tokens}: {id} primary key that counts by itself, {int}, {bytes}, {text}, {rowless} (SQLite:
 * WITHOUT ROWID), {skip locked} (PostgreSQL: FOR UPDATE SKIP LOCKED), {for update}. */
void db_translate(enum db_engine engine, const char *sql, struct buf *out);

#endif
