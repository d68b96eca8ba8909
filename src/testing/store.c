/* store.c: see store.h. SQLite gets a new file for each test. PostgreSQL gets one database for each program
 * and a new schema for each test, which is much cheaper than a new database. */
#include "testing/store.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "mail/address.h"
#include "store/accept.h"
#include "store/class.h"
#include "store/edition.h"
#include "store/moderation.h"
#include "store/role.h"
#include "store/schema.h"
#include "testing/pg.h"

struct started_case {
    const struct unit_store_case *case_;
    enum db_engine engine;
    struct unit_store *store;
    char *name;
    void *folder;
};

static const char *const engine_names[] = {[DB_SQLITE] = "sqlite", [DB_POSTGRESQL] = "postgresql"};

/* The URL of the program's database, with no schema in it; NULL: no PostgreSQL, and why. */
static const char *empty_postgresql(struct err *e) {
    static char *url;
    if (!url && !(url = pg_database("unit", e)))
        return NULL;
    struct db *db = db_open_postgresql(url, true, e);
    if (!db)
        return NULL;
    /* What a failed test left open must not be in the way. */
    db_number(
        db, 0,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()");
    db_script(db, "DROP SCHEMA IF EXISTS postroad CASCADE");
    bool ok = !db_error(db);
    if (!ok)
        *e = *db_error(db);
    db_close(&db);
    return ok ? url : NULL;
}

static struct unit_store *open_store(const struct started_case *c, struct err *e) {
    const char *url = c->engine == DB_POSTGRESQL ? empty_postgresql(e) : "sqlite";
    if (!url)
        return NULL;
    struct unit_store *s = mem_alloc(sizeof *s);
    s->engine = c->engine;
    s->config = (struct config){.dir = mem_str(c->folder), .store = mem_str(url), .store_sync = true};
    s->out = BUF_INIT(LIMIT_STORE_PACKET - 64);
    FREE_AUTO char *path = config_path(&s->config, "data/store.db");
    check(file_mkdirs("data", 0755, e), "%s", e->text);
    s->db = s->engine == DB_SQLITE ? db_open_sqlite(path, true, e) : db_open_postgresql(url, true, e);
    check(s->db != NULL, "%s", e->text);
    check(c->case_->empty || schema_migrate(s->db, e), "%s", e->text);
    return s;
}

static void close_store(struct unit_store *s) {
    db_close(&s->db);
    buf_done(&s->out);
    free(s->config.dir);
    free(s->config.store);
    free(s);
}

static void run_case(void **state) {
    struct started_case *c = *state;
    struct err e = {0};
    c->store = open_store(c, &e);
    if (!c->store) {
        printf("skipped: %s: %s\n", c->name, e.text);
        skip();
    }
    c->case_->run(c->store);
}

static int enter(void **state) {
    struct started_case *c = *state;
    return unit_enter_folder(&c->folder);
}

static int leave(void **state) {
    struct started_case *c = *state;
    if (c->store)
        close_store(c->store);
    c->store = NULL;
    return unit_leave_folder(&c->folder);
}

/* The clock only ever goes forward; one file for the whole program is enough. */
static void attach_clock(void) {
    char path[] = "/tmp/postroad-clock-XXXXXX";
    struct err e;
    CLOSE_AUTO int fd = mkstemp(path);
    BUG_ON(fd < 0 || !clock_attach(path, &e));
    unlink(path);
}

int unit_store_run(const char *name, const struct unit_store_case *cases, size_t count) {
    struct CMUnitTest *tests = mem_alloc(2 * count * sizeof *tests);
    struct started_case *started = mem_alloc(2 * count * sizeof *started);
    attach_clock();
    for (size_t i = 0; i < 2 * count; i++) {
        enum db_engine engine = i < count ? DB_SQLITE : DB_POSTGRESQL;
        const struct unit_store_case *c = &cases[i % count];
        started[i] = (struct started_case){
            .case_ = c, .engine = engine, .name = mem_printf("%s [%s]", c->name, engine_names[engine])};
        tests[i] = (struct CMUnitTest){.name = started[i].name,
                                       .test_func = run_case,
                                       .setup_func = enter,
                                       .teardown_func = leave,
                                       .initial_state = &started[i]};
    }
    int failed = _cmocka_run_group_tests(name, tests, 2 * count, NULL, NULL);
    for (size_t i = 0; i < 2 * count; i++)
        free(started[i].name);
    free(started);
    free(tests);
    return failed;
}

struct db *unit_store_connect(struct unit_store *s) {
    struct err e = {0};
    struct db *db = db_open_postgresql(s->config.store, true, &e);
    check(db != NULL, "%s", e.text);
    return db;
}

void unit_values(struct buf *b, const struct db_value *values, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (values[i].kind == DB_INT)
            vals_int(b, values[i].number);
        else
            vals_view(b, values[i].bytes);
}

enum err_code unit_call_args(struct unit_store *s, enum op op, struct buf *args) {
    struct exec_call c = {.op = op, .args = buf_view(args), .out = &s->out};
    check(!args->failed, "arguments too large");
    exec_group(s->db, &c, 1);
    buf_done(args);
    s->err = c.err;
    s->results = vals_of(buf_view(&s->out));
    if (s->err.code == ERR_OK)
        s->err.text[0] = '\0';
    return s->err.code;
}

enum err_code unit_call(struct unit_store *s, enum op op, const struct db_value *values, size_t count) {
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET - 64);
    unit_values(&args, values, count);
    return unit_call_args(s, op, &args);
}

void unit_expect(struct unit_store *s, const char *file, int line, const struct db_value *values,
                 size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (values[i].kind == DB_INT) {
            int64_t got = vals_get_int(&s->results);
            check(!s->results.failed, "%s:%d: result %zu is no number or missing", file, line, i);
            check(got == values[i].number, "%s:%d: result %zu is %lld, expected %lld", file, line, i,
                  (long long)got, (long long)values[i].number);
        } else {
            view got = vals_get_view(&s->results);
            check(!s->results.failed, "%s:%d: result %zu is no text or missing", file, line, i);
            check(view_eq(got, values[i].bytes), "%s:%d: result %zu is \"%.*s\", expected \"%.*s\"", file,
                  line, i, VIEW_ARG(got), VIEW_ARG(values[i].bytes));
        }
    }
}

int64_t next_int(struct unit_store *s) {
    int64_t n = vals_get_int(&s->results);
    check(!s->results.failed, "no number among the results");
    return n;
}

view next_view(struct unit_store *s) {
    view v = vals_get_view(&s->results);
    check(!s->results.failed, "no text among the results");
    return v;
}

static void end_transaction(struct unit_store *s, const char *sql) {
    if (!db_commit(s->db)) {
        struct err e = *db_error(s->db);
        db_rollback(s->db);
        fail_msg("%s: %s", sql, e.text);
    }
}

int64_t unit_number(struct unit_store *s, const char *sql, const struct db_value *values, size_t count) {
    check(db_begin(s->db, DURABLE_READ), "%s", sql);
    int64_t n = db_number_values(s->db, -1, sql, values, count);
    end_transaction(s, sql);
    return n;
}

int64_t unit_change(struct unit_store *s, const char *sql, const struct db_value *values, size_t count) {
    check(db_begin(s->db, DURABLE_SOON), "%s", sql);
    int64_t n = db_change_values(s->db, sql, values, count);
    end_transaction(s, sql);
    return n;
}

bool is_clock_movable(void) {
#ifdef POSTROAD_TEST_HOOKS
    return true;
#else
    return false;
#endif
}

void advance(int64_t ms) {
    struct err e = {0};
    if (!is_clock_movable()) {
        printf("skipped: the clock can only be moved in a build with -Dtest_hooks=true\n");
        skip();
    }
    check(clock_advance(ms, &e), "%s", e.text);
}

int64_t accept_mail(struct unit_store *s, const char *sender, const char *body, const char *recipient) {
    struct accept_recipient to = {.address = view_of(recipient)};
    char sha256[32] = "";
    snprintf(sha256, sizeof sha256, "%s", body); /* the store takes it as it is */
    struct accept a = {.id = id_new(),
                       .sender = view_of(sender),
                       .message_id = VIEW("id@there.example"),
                       .size = (int64_t)strlen(body),
                       .sha256 = view_from(sha256, sizeof sha256),
                       .fields = VIEW("Received: by test\r\n"),
                       .origin = VIEW("peer=test"),
                       .body = view_of(body),
                       .recipients = &to,
                       .recipient_count = 1};
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET - 64);
    accept_args(&a, &args);
    must_args(s, OP_ACCEPT, &args);
    return a.id;
}

int64_t route_mail(struct unit_store *s, const char *body, int64_t list, const char *address) {
    int64_t message = accept_mail(s, "author@there.example", body, "to@here.example");
    int64_t batch = id_new();
    char sha256[32] = "";
    snprintf(sha256, sizeof sha256, "%s", body);
    must(s, OP_ROUTE_TAKE, S("router"), N(batch), N(10), N(60000));
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET - 64);
    add_values(&args, N(message), N(batch), V(view_from(sha256, sizeof sha256)), S("id@there.example"),
               S("author@there.example"), S("subject"));
    add_values(&args, N(list ? 1 : 0));
    if (list)
        add_values(&args, POST_TO(list));
    add_values(&args, N(CLASS_DIRECT), N(address ? 1 : 0));
    if (address)
        add_values(&args, S(address), N(0), S(""));
    add_values(&args, N(0), N(0));
    must_args(s, OP_ROUTE_COMMIT, &args);
    assert_number(s, 0, "SELECT count(*) FROM inbox WHERE message = $1", N(message));
    return message;
}

void keep_edition(struct unit_store *s, int64_t message, int64_t list) {
    must(s, OP_EDITION_KEEP, N(message), N(list), N(MODERATION_ACCEPT), S(""), N(KEPT_POST), N(0), S(""),
         N(0), S("recipe"), S(""), S("hello"), N(0), N(0), N(0));
}

int64_t make_list(struct unit_store *s, const char *address) {
    view domain = address_split(view_of(address)).domain;
    if (number(s, "SELECT count(*) FROM domain WHERE name = $1", DB_T(domain)) == 0)
        must(s, OP_DOMAIN_ADD, DB_T(domain));
    must(s, OP_LIST_CREATE, S(address), S(""), S("owner@there.example"), S("public"), N(1));
    return number(s, "SELECT id FROM list WHERE address = $1", S(address));
}

void add_member(struct unit_store *s, const char *list, const char *address) {
    must(s, OP_MEMBER_ADD, S(list), S("me"), N(ROLE_MEMBER), N(1), S(address));
}

void add_members(struct unit_store *s, const char *list, int from, int n, int domains) {
    for (int at = from; at < from + n;) {
        struct buf args = BUF_INIT(LIMIT_STORE_PACKET - 64);
        int many = from + n - at < 500 ? from + n - at : 500;
        add_values(&args, S(list), S("me"), N(ROLE_MEMBER), N(many));
        for (int i = 0; i < many; i++, at++) {
            char address[64];
            snprintf(address, sizeof address, "m%d@d%d.example", at, at % domains);
            add_values(&args, S(address));
        }
        must_args(s, OP_MEMBER_ADD, &args);
        expect(s, N(many));
    }
}

int64_t address_of(struct unit_store *s, const char *address) {
    return number(s, "SELECT id FROM address WHERE text = $1", S(address));
}

int64_t site_of(struct unit_store *s, const char *domain) {
    return number(s, "SELECT id FROM site WHERE name = $1", S(domain));
}

int64_t destination_of(struct unit_store *s, const char *domain) {
    return number(s, "SELECT max(d.id) FROM destination d JOIN site s ON s.id = d.id / 4 WHERE s.name = $1",
                  S(domain));
}
