/* copy.c: a store into another one, table by table, page by page in order of the primary key. The statements
 * are made from what SQLite knows of its tables, so that a new table needs nothing here. */
#include "store/copy.h"

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

enum { COLUMNS_MAX = 20, TABLES_MAX = 64, PAGE_ROWS = 500, BODY_PAGE_ROWS = 16, ARENA_BYTES = 1 << 20 };

struct column {
    const char *name;
    bool number, bytes;
    int64_t key; /* place in the primary key, from 1; 0: none */
};

struct table {
    const char *name;
    bool counts; /* its ids are given out by a sequence */
    struct column columns[COLUMNS_MAX];
    size_t count, keys;
    const char *first, *next, *insert; /* statements */
};

struct copy {
    struct db *from, *to, *sqlite;
    struct arena arena; /* the statements: a connection knows them by their address */
    snapshot_progress progress;
    void *ctx;
    int64_t rows;
};

static const struct column *key_column(const struct table *t, size_t n) {
    for (size_t i = 0; i < t->count; i++)
        if (t->columns[i].key == (int64_t)n + 1)
            return &t->columns[i];
    BUG("a table without that part of a key");
}

/* -- statements */

static void add_keys(const struct table *t, struct buf *sql) {
    for (size_t i = 0; i < t->keys; i++)
        buf_printf(sql, "%s%s", i ? ", " : "", key_column(t, i)->name);
}

static void add_numbers(size_t count, struct buf *sql) {
    for (size_t i = 0; i < count; i++)
        buf_printf(sql, "%s$%zu", i ? ", " : "", i + 1);
}

static void add_columns(const struct table *t, struct buf *sql) {
    for (size_t i = 0; i < t->count; i++)
        buf_printf(sql, "%s%s", i ? ", " : "", t->columns[i].name);
}

static const char *select_page(struct copy *c, const struct table *t, bool first) {
    struct buf sql = BUF_INIT(ARENA_BYTES);
    buf_add_str(&sql, "SELECT ");
    add_columns(t, &sql);
    buf_printf(&sql, " FROM %s", t->name);
    if (!first) {
        buf_add_str(&sql, " WHERE (");
        add_keys(t, &sql);
        buf_add_str(&sql, ") > (");
        add_numbers(t->keys, &sql);
        buf_add_str(&sql, ")");
    }
    buf_add_str(&sql, " ORDER BY ");
    add_keys(t, &sql);
    buf_printf(&sql, " LIMIT %d", strcmp(t->name, "body") == 0 ? BODY_PAGE_ROWS : PAGE_ROWS);
    const char *text = arena_str(&c->arena, buf_view(&sql));
    buf_done(&sql);
    return text;
}

static const char *insert_row(struct copy *c, const struct table *t) {
    struct buf sql = BUF_INIT(ARENA_BYTES);
    buf_printf(&sql, "INSERT INTO %s(", t->name);
    add_columns(t, &sql);
    buf_add_str(&sql, ") VALUES(");
    add_numbers(t->count, &sql);
    buf_add_str(&sql, ")");
    const char *text = arena_str(&c->arena, buf_view(&sql));
    buf_done(&sql);
    return text;
}

/* -- what there is */

static void read_columns(struct copy *c, struct table *t) {
    struct query q;
    db_query(c->sqlite, &q, "SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid",
             DB_T(view_of(t->name)));
    while (query_row(&q)) {
        BUG_ON(t->count == COLUMNS_MAX);
        struct column *column = &t->columns[t->count++];
        column->name = arena_str(&c->arena, query_text(&q, 0));
        column->number = view_eq(query_text(&q, 1), VIEW("INTEGER"));
        column->bytes = view_eq(query_text(&q, 1), VIEW("BLOB"));
        column->key = query_int(&q, 2);
        t->keys += column->key > 0;
    }
    t->first = select_page(c, t, true);
    t->next = select_page(c, t, false);
    t->insert = insert_row(c, t);
}

static size_t read_tables(struct copy *c, struct table tables[TABLES_MAX]) {
    size_t count = 0;
    struct query q;
    db_query(
        c->sqlite, &q,
        "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE type = 'table' AND name NOT LIKE"
        " 'sqlite\\_%' ESCAPE '\\' ORDER BY name");
    while (query_row(&q)) {
        BUG_ON(count == TABLES_MAX);
        tables[count++] =
            (struct table){.name = arena_str(&c->arena, query_text(&q, 0)), .counts = query_int(&q, 1) != 0};
    }
    for (size_t i = 0; i < count; i++)
        read_columns(c, &tables[i]);
    return count;
}

/* -- rows */

/* The key of the last row of a page, kept for the next one. */
struct key {
    struct db_value values[1 + COLUMNS_MAX]; /* from 1, as statements take them */
    struct buf texts[COLUMNS_MAX];
};

static struct db_value value_of(const struct query *q, const struct table *t, size_t i) {
    const struct column *column = &t->columns[i];
    if (column->number)
        return DB_I(query_int(q, (int)i));
    return column->bytes ? DB_B(query_text(q, (int)i)) : DB_T(query_text(q, (int)i));
}

static void keep_key(struct key *k, const struct table *t, const struct db_value *row) {
    for (size_t i = 0; i < t->keys; i++) {
        const struct db_value *v = &row[1 + (size_t)(key_column(t, i) - t->columns)];
        k->values[1 + i] = *v;
        if (v->kind == DB_INT)
            continue;
        buf_reset(&k->texts[i]);
        buf_add(&k->texts[i], v->bytes);
        k->values[1 + i].bytes = buf_view(&k->texts[i]);
    }
}

/* One page in a transaction of the target; the number of rows. */
static size_t copy_page(struct copy *c, const struct table *t, struct key *k, bool first) {
    struct query q;
    size_t rows = 0;
    if (!db_begin(c->to, DURABLE_SOON))
        return 0;
    if (first)
        db_query_values(c->from, &q, t->first, k->values, 1);
    else
        db_query_values(c->from, &q, t->next, k->values, 1 + t->keys);
    for (; query_row(&q) && !db_error(c->to); rows++) {
        struct db_value row[1 + COLUMNS_MAX];
        for (size_t i = 0; i < t->count; i++) {
            row[1 + i] = value_of(&q, t, i);
            if (query_is_null(&q, (int)i))
                db_set_error(c->to, ERR_STORE, "a column that is never empty is empty");
        }
        db_run_values(c->to, t->insert, row, 1 + t->count);
        keep_key(k, t, row);
    }
    query_done(&q);
    if (!db_commit(c->to))
        db_rollback(c->to);
    return db_error(c->to) || db_error(c->from) ? 0 : rows;
}

static void copy_table(struct copy *c, const struct table *t) {
    struct key k;
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        buf_init(&k.texts[i], ARENA_BYTES);
    size_t rows = 1;
    for (bool first = true; rows > 0; first = false) {
        rows = copy_page(c, t, &k, first);
        c->rows += (int64_t)rows;
        if (c->progress)
            c->progress(c->rows, 0, c->ctx);
    }
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        buf_done(&k.texts[i]);
}

/* -- ids are given out behind the last one, though its row may be gone */

static void copy_sequence(struct copy *c, const struct table *t) {
    view name = view_of(t->name);
    if (c->sqlite == c->from) {
        int64_t last = db_number(c->from, 0, "SELECT seq FROM sqlite_sequence WHERE name = $1", DB_T(name));
        if (last > 0)
            db_number(c->to, 0,
                      "SELECT setval(pg_get_serial_sequence('postroad.' || $1, 'id')::regclass, $2)",
                      DB_T(name), DB_I(last));
        return;
    }
    int64_t last =
        db_number(c->from, 0,
                  "SELECT pg_sequence_last_value(pg_get_serial_sequence('postroad.' || $1, 'id')::regclass)",
                  DB_T(name));
    if (db_change(c->to, "UPDATE sqlite_sequence SET seq = max(seq, $2) WHERE name = $1", DB_T(name),
                  DB_I(last)) == 0)
        db_run(c->to, "INSERT INTO sqlite_sequence(name, seq) VALUES($1, $2)", DB_T(name), DB_I(last));
}

static void copy_sequences(struct copy *c, const struct table *tables, size_t count) {
    if (!db_begin(c->to, DURABLE_FULL))
        return;
    for (size_t i = 0; i < count; i++)
        if (tables[i].counts)
            copy_sequence(c, &tables[i]);
    if (!db_commit(c->to))
        db_rollback(c->to);
}

static bool ended_well(const struct copy *c, struct err *e) {
    const struct err *wrong = db_error(c->from) ? db_error(c->from) : db_error(c->to);
    if (wrong && e)
        *e = *wrong;
    return !wrong;
}

static void empty_target(struct copy *c) {
    if (!db_begin(c->to, DURABLE_SOON))
        return;
    db_run(c->to, "DELETE FROM instance"); /* what making the schema left */
    db_run(c->to, "DELETE FROM secret");
    if (!db_commit(c->to))
        db_rollback(c->to);
}

bool store_copy(struct db *from, struct db *to, snapshot_progress progress, void *ctx, struct err *e) {
    struct copy c = {.from = from, .to = to, .progress = progress, .ctx = ctx};
    FREE_AUTO struct table *tables = mem_alloc(TABLES_MAX * sizeof *tables);
    c.sqlite = db_engine(from) == DB_SQLITE ? from : to;
    BUG_ON(db_engine(c.sqlite) != DB_SQLITE);
    arena_init(&c.arena, ARENA_BYTES);
    size_t count = read_tables(&c, tables);
    BUG_ON(c.arena.failed);
    empty_target(&c);
    bool begun = ended_well(&c, e) && db_begin(from, DURABLE_READ);
    for (size_t i = 0; begun && i < count && ended_well(&c, e); i++)
        copy_table(&c, &tables[i]);
    if (begun && ended_well(&c, e))
        copy_sequences(&c, tables, count);
    bool ok = ended_well(&c, e);
    if (begun)
        db_rollback(from);
    arena_done(&c.arena);
    return ok;
}
