/* store.c: which way into the store a role takes, and the waiting form of a call. */
#include "store/store.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "store/schema.h"
#include "store/store_private.h"
#include "store/wire.h"

bool store_is_postgresql(const struct config *c) {
    view v = view_of(c->store);
    return view_starts_with(v, VIEW("postgresql:")) || view_starts_with(v, VIEW("postgres:"));
}

struct db *store_open_db(const struct config *c, struct err *e) {
    if (store_is_postgresql(c))
        return db_open_postgresql(c->store, c->store_sync, e);
    if (strcmp(c->store, "sqlite") != 0) {
        err_set(e, ERR_CONFIG, "store = %s: sqlite or postgresql://... is wanted", c->store);
        return NULL;
    }
    FREE_AUTO char *path = config_path(c, "data/store.db");
    return db_open_sqlite(path, c->store_sync, e);
}

struct store *store_open(const struct config *c, enum store_role role, unsigned threads, struct err *e) {
    if (store_is_postgresql(c))
        return store_open_threads(c, role, threads, e);
    if (role != R_CLI)
        return store_open_socket(c, role, STORE_PATIENCE_MS, e);
    /* Nobody listens: the store is ours as long as we hold it. Whoever took it in between is asked again. */
    struct store *s = NULL;
    for (int try = 0; !s && try < 50; try++) {
        s = store_open_socket(c, role, 0, e);
        if (!s)
            s = store_open_threads(c, role, 1, e);
        if (!s && (!e || e->code != ERR_STORE_BUSY))
            break;
    }
    return s;
}

void store_close(struct store **s) {
    if (*s)
        (*s)->close(*s);
    *s = NULL;
}

void store_request_init(struct store_request *r, enum op op) {
    *r = (struct store_request){.op = op};
    buf_init(&r->args, LIMIT_STORE_PACKET - 64);
    buf_init(&r->out, LIMIT_STORE_PACKET - 64);
}

void store_request_done(struct store_request *r) {
    buf_done(&r->args);
    buf_done(&r->out);
}

static void submit(struct store *s, struct store_request *r) {
    r->err.code = ERR_OK;
    buf_reset(&r->out);
    if (r->args.failed)
        store_finish(r, ERR_LIMIT, "the request is too large for the store");
    else
        s->submit(s, r);
}

void store_submit(struct store *s, struct store_request *r) {
    submit(s, r);
    s->flush(s);
}

static bool is_last(struct store_wait *w) {
    return atomic_fetch_sub(&w->left, 1) == 1;
}

static void wake_caller(struct store_request *r) {
    struct store_wait *w = r->waiter;
    if (is_last(w))
        sem_post(&w->answered);
}

void store_wait_init(struct store_wait *w) {
    sem_init(&w->answered, 0, 0);
    w->store = NULL;
    atomic_init(&w->left, 1);
}

void store_wait_submit(struct store_wait *w, struct store *s, struct store_request *r) {
    r->done = wake_caller;
    r->waiter = w;
    w->store = s;
    atomic_fetch_add(&w->left, 1);
    submit(s, r);
}

void store_wait_all(struct store_wait *w) {
    if (w->store)
        w->store->flush(w->store);
    if (!is_last(w))
        while (sem_wait(&w->answered) < 0 && errno == EINTR)
            ;
    atomic_store(&w->left, 1);
}

void store_wait_done(struct store_wait *w) {
    sem_destroy(&w->answered);
}

bool store_call(struct store *s, struct store_request *r, struct err *e) {
    struct store_wait wait;
    store_wait_init(&wait);
    store_wait_submit(&wait, s, r);
    store_wait_all(&wait);
    store_wait_done(&wait);
    if (r->err.code != ERR_OK && e)
        *e = r->err;
    return r->err.code == ERR_OK;
}

/* Every role of the table becomes a PostgreSQL role without login, granted just what its operations need; the
 * connecting user becomes a member, so that each process can take it on (SET ROLE). */
static void prepare_roles(struct db *db) {
    static const enum store_role roles[] = {R_SMTPD, R_ROUTER, R_DELIVER, R_ARCHIVED, R_CLI, R_HTTPD};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        struct buf sql = BUF_INIT(1 << 16);
        FREE_AUTO char *name = mem_printf(STORE_PG_ROLE "%s", store_role_name(roles[i]));
        buf_printf(&sql,
                   "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '%s') THEN"
                   " CREATE ROLE %s NOLOGIN; END IF; END $$;\n",
                   name, name);
        buf_printf(&sql, "GRANT %s TO CURRENT_USER;\n", name);
        op_grants(roles[i], name, &sql);
        db_script(db, sql.data);
        buf_done(&sql);
    }
}

bool store_prepare(const struct config *c, struct err *e) {
    struct sockaddr_un longest;
    if (!store_is_postgresql(c) && !wire_address(c, R_ARCHIVED, &longest, e))
        return false; /* better now than when stored cannot listen */
    struct db *db = store_open_db(c, e);
    if (!db)
        return false;
    bool ok = schema_migrate(db, e);
    if (ok && store_is_postgresql(c) &&
        db_number(db, 0,
                  "SELECT (rolsuper OR rolcreaterole)::int FROM pg_roles WHERE rolname = current_user")) {
        prepare_roles(db);
        if (db_error(db)) {
            *e = *db_error(db);
            ok = err_prefix(e, "making the roles of the database");
        }
    }
    db_close(&db);
    return ok;
}
