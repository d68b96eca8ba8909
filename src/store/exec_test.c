/* exec_test.c: group commit: each call has its own result, whatever the others of its group do. */
#include "testing/store.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/metrics.h"

enum { GROUP_MAX = LIMIT_STORE_GROUP };

/* A group under construction. */
struct group {
    struct exec_call calls[GROUP_MAX];
    struct buf args[GROUP_MAX], outs[GROUP_MAX];
    size_t n;
};

static void add_call(struct group *g, enum op op, const struct db_value *values, size_t count) {
    size_t i = g->n++;
    g->args[i] = BUF_INIT(LIMIT_STORE_PACKET);
    g->outs[i] = BUF_INIT(LIMIT_STORE_PACKET);
    unit_values(&g->args[i], values, count);
    g->calls[i] = (struct exec_call){.op = op, .args = buf_view(&g->args[i]), .out = &g->outs[i]};
}
#define ADD(g, op, ...) add_call((g), (op), DB_ARGS(__VA_ARGS__))

static void run(struct unit_store *s, struct group *g) {
    exec_group(s->db, g->calls, g->n);
}

static void assert_code(const struct group *g, size_t i, enum err_code want) {
    check(g->calls[i].err.code == want, "call %zu: %s (%s), expected %s", i,
          err_info(g->calls[i].err.code)->name, g->calls[i].err.text, err_info(want)->name);
}

static void end(struct group *g) {
    for (size_t i = 0; i < g->n; i++) {
        buf_done(&g->args[i]);
        buf_done(&g->outs[i]);
    }
    g->n = 0;
}

static int64_t metric(enum metric m) {
    return metric_get(m);
}

static void test_group__is_one_commit(struct unit_store *s) {
    struct group g = {0};
    for (int i = 0; i < GROUP_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d.example", i);
        ADD(&g, OP_DOMAIN_ADD, S(name));
    }
    int64_t commits = metric(METRIC_STORE_COMMITS), syncs = metric(METRIC_STORE_SYNCS);
    run(s, &g);
    for (size_t i = 0; i < g.n; i++)
        assert_code(&g, i, ERR_OK);
    assert_int_equal(metric(METRIC_STORE_COMMITS) - commits, 1);
    assert_int_equal(metric(METRIC_STORE_SYNCS) - syncs, 1);
    assert_number(s, GROUP_MAX, "SELECT count(*) FROM domain");
    end(&g);
}

static void test_group__a_refusal_takes_no_other_down(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("two.example"));
    struct group g = {0};
    ADD(&g, OP_DOMAIN_ADD, S("one.example"));
    ADD(&g, OP_DOMAIN_ADD, S("two.example"));
    ADD(&g, OP_DOMAIN_ADD, S("three.example"));
    ADD(&g, OP_DOMAIN_REMOVE, S("four.example"));
    ADD(&g, OP_LIST_CREATE, S("x@one.example"), S(""), S(""), S("none"), N(1));
    run(s, &g);
    static const enum err_code want[] = {ERR_OK, ERR_EXISTS, ERR_OK, ERR_NOT_FOUND, ERR_OK};
    for (size_t i = 0; i < COUNT(want); i++)
        assert_code(&g, i, want[i]);
    assert_number(s, 3, "SELECT count(*) FROM domain");
    assert_number(s, 1, "SELECT count(*) FROM list");
    end(&g);
}

static void test_group__malformed_arguments_are_refused_and_undone(struct unit_store *s) {
    struct group g = {0};
    ADD(&g, OP_DOMAIN_ADD, S("one.example"));
    ADD(&g, OP_DOMAIN_ADD, N(5));
    ADD(&g, OP_DOMAIN_ADD);
    run(s, &g);
    assert_code(&g, 0, ERR_OK);
    assert_code(&g, 1, ERR_SYNTAX);
    assert_code(&g, 2, ERR_SYNTAX);
    assert_number(s, 1, "SELECT count(*) FROM domain");
    end(&g);
}

/* Every operation refuses arguments that are missing or of the wrong kind, and changes nothing. */
static void test_operations__refuse_malformed_arguments(struct unit_store *s) {
    static const view rows[] = {OCTETS(""), OCTETS("x"), OCTETS("v\xff\xff\xff\xff"),
                                OCTETS("i\1\0\0\0\0\0\0")};
    for (unsigned op = 0; op < OP_COUNT; op++) {
        if (op == OP_EXPANSIONS || op == OP_QUEUE_PENDING || op == OP_QUEUE_FROZEN ||
            op == OP_ALIAS_SOURCES || op == OP_INBOX_AGE)
            continue; /* they take none */
        for (size_t i = 0; i < COUNT(rows); i++) {
            struct buf args = BUF_INIT(1000);
            buf_add(&args, rows[i]);
            enum err_code code = unit_call_args(s, op, &args);
            check(code != ERR_OK && code != ERR_STORE && code != ERR_STORE_BUSY, "%s, row %zu: %s",
                  op_info(op)->name, i, code == ERR_OK ? "is content" : s->err.text);
        }
    }
    assert_number(
        s, 0,
        "SELECT (SELECT count(*) FROM body) + (SELECT count(*) FROM message) + (SELECT count(*) FROM event)"
        " + (SELECT count(*) FROM domain) + (SELECT count(*) FROM archive_node) + (SELECT count(*) FROM work)"
        " + (SELECT count(*) FROM hold) + (SELECT count(*) FROM follower)");
}

/* A constraint of the database that an operation runs into is that call's failure only. */
static void test_group__a_constraint_failure_is_its_own(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    route_mail(s, "first", list, NULL);
    change(s, "UPDATE list SET uid_last = 0"); /* damaged: the next UID is taken */
    int64_t message = accept_mail(s, "a@there.example", "second", "news@here.example");
    must(s, OP_ROUTE_TAKE, S("router"), N(77), N(10), N(60000));
    struct group g = {0};
    ADD(&g, OP_DOMAIN_ADD, S("one.example"));
    ADD(&g, OP_ROUTE_COMMIT, N(message), N(77), S("other"), S(""), S(""), S(""), N(1), POST_TO(list), N(0),
        N(0), N(0), N(0));
    ADD(&g, OP_DOMAIN_ADD, S("two.example"));
    run(s, &g);
    assert_code(&g, 0, ERR_OK);
    assert_code(&g, 1, ERR_CONFLICT);
    assert_code(&g, 2, ERR_OK);
    end(&g);
    assert_number(s, 1, "SELECT count(*) FROM inbox WHERE message = $1", N(message));
    assert_number(s, 3, "SELECT count(*) FROM domain");
}

static void test_answer__too_large(struct unit_store *s) {
    struct group g = {0};
    int64_t message =
        accept_mail(s, "a@there.example", "a body that is longer than its buffer", "x@here.example");
    ADD(&g, OP_MESSAGE_READ, N(message), N(0));
    ADD(&g, OP_MESSAGE_INFO, N(message));
    g.outs[0].limit = 20;
    run(s, &g);
    assert_code(&g, 0, ERR_LIMIT);
    assert_code(&g, 1, ERR_OK);
    end(&g);
}

/* A change whose answer does not fit has not happened. */
static void test_answer__too_large_undoes_the_change(struct unit_store *s) {
    accept_mail(s, "a@there.example", "body", "x@here.example");
    struct group g = {0};
    ADD(&g, OP_ROUTE_TAKE, S("router"), N(5), N(10), N(60000));
    g.outs[0].limit = 10;
    run(s, &g);
    assert_code(&g, 0, ERR_LIMIT);
    end(&g);
    assert_number(s, 0, "SELECT count(*) FROM inbox WHERE batch = 5");
}

static void test_group__results_are_only_of_the_last_run(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("one.example"));
    struct group g = {0};
    ADD(&g, OP_DOMAIN_LS, S(""), N(10));
    ADD(&g, OP_DOMAIN_REMOVE, S("nothing.example")); /* makes the first run twice */
    run(s, &g);
    assert_code(&g, 0, ERR_OK);
    struct vals v = vals_of(buf_view(&g.outs[0]));
    assert_view(vals_get_view(&v), "one.example");
    vals_get_int(&v);
    assert_false(vals_more(&v) || v.failed);
    end(&g);
}

static void test_group__is_as_durable_as_its_most_demanding_call(struct unit_store *s) {
    int64_t commits = metric(METRIC_STORE_COMMITS), syncs = metric(METRIC_STORE_SYNCS);
    struct group g = {0};
    ADD(&g, OP_DOMAIN_LS, S(""), N(10)); /* READ */
    run(s, &g);
    end(&g);
    assert_int_equal(metric(METRIC_STORE_COMMITS), commits);
    ADD(&g, OP_BODY_STAGE, N(id_new()), N(0), S("bytes")); /* SOON */
    ADD(&g, OP_LEASE_RENEW, S("node"), N(1000));
    run(s, &g);
    end(&g);
    assert_int_equal(metric(METRIC_STORE_COMMITS), commits + 1);
    assert_int_equal(metric(METRIC_STORE_SYNCS), syncs);
    ADD(&g, OP_BODY_STAGE, N(id_new()), N(0), S("bytes"));
    ADD(&g, OP_DOMAIN_ADD, S("one.example")); /* FULL */
    run(s, &g);
    end(&g);
    assert_int_equal(metric(METRIC_STORE_COMMITS), commits + 2);
    assert_int_equal(metric(METRIC_STORE_SYNCS), syncs + 1);
}

static void test_read__of_everything_of_an_empty_store(struct unit_store *s) {
    struct group g = {0};
    ADD(&g, OP_LOOKUP, S("x@here.example"));
    ADD(&g, OP_EXPANSIONS);
    ADD(&g, OP_QUEUE_LS, N(0), N(10), S(""), S(""), N(-1), S(""), N(0), N(0));
    ADD(&g, OP_MESSAGE_READ, N(5), N(0));
    ADD(&g, OP_MESSAGE_INFO, N(5));
    run(s, &g);
    for (size_t i = 0; i < 4; i++)
        assert_code(&g, i, ERR_OK);
    assert_code(&g, 4, ERR_NOT_FOUND);
    assert_int_equal(g.outs[1].len + g.outs[3].len, 0);
    struct vals listed = vals_of(buf_view(&g.outs[2]));
    assert_int_equal(vals_get_int(&listed), 0); /* the end */
    assert_false(vals_more(&listed));
    end(&g);
}

/* -- PostgreSQL: what is cured by running it again */

static void cut(struct unit_store *s) {
    int64_t pid = number(s, "SELECT pg_backend_pid()::bigint");
    struct db *other = unit_store_connect(s);
    assert_int_equal(db_number(other, 0, "SELECT count(pg_terminate_backend($1::int))", DB_I(pid)), 1);
    while (db_number(other, -1, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", DB_I(pid)) != 0)
        assert_null(db_error(other));
    db_close(&other);
}

static void test_rerun__after_a_lost_connection(struct unit_store *s) {
    if (s->engine == DB_SQLITE)
        return;
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d.example", i);
        cut(s);
        struct group g = {0};
        ADD(&g, OP_DOMAIN_ADD, S(name));
        ADD(&g, OP_DOMAIN_LS, S(""), N(10));
        run(s, &g);
        assert_code(&g, 0, ERR_OK);
        assert_code(&g, 1, ERR_OK);
        end(&g);
    }
    assert_number(s, 3, "SELECT count(*) FROM domain");
}

struct blocked {
    struct unit_store *s;
    struct group group;
};

static void *run_blocked(void *arg) {
    struct blocked *b = arg;
    run(b->s, &b->group);
    return NULL;
}

/* The connection is cut while the operation runs. */
static void test_rerun__after_a_connection_lost_within(struct unit_store *s) {
    if (s->engine == DB_SQLITE)
        return;
    int64_t pid = number(s, "SELECT pg_backend_pid()::bigint");
    struct db *other = unit_store_connect(s);
    assert_true(db_begin(other, DURABLE_SOON));
    db_script(other, "LOCK TABLE domain IN ACCESS EXCLUSIVE MODE");
    struct blocked b = {.s = s};
    ADD(&b.group, OP_BODY_STAGE, N(7), N(0), S("bytes"));
    ADD(&b.group, OP_DOMAIN_ADD, S("one.example"));
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run_blocked, &b), 0);
    while (db_number(other, 0, "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted", DB_I(pid)) ==
           0)
        assert_null(db_error(other));
    assert_int_equal(db_number(other, 0, "SELECT count(pg_terminate_backend($1::int))", DB_I(pid)), 1);
    assert_true(db_commit(other));
    pthread_join(t, NULL);
    assert_code(&b.group, 0, ERR_OK);
    assert_code(&b.group, 1, ERR_OK);
    end(&b.group);
    db_close(&other);
    assert_number(s, 1, "SELECT count(*) FROM domain");
    assert_number(s, 1, "SELECT count(*) FROM body");
}

/* Two transactions that wait for each other: PostgreSQL ends one, which is run again. */
static void test_rerun__after_a_deadlock(struct unit_store *s) {
    if (s->engine == DB_SQLITE)
        return;
    int64_t one = make_list(s, "one@here.example"), two = make_list(s, "two@here.example");
    int64_t message = accept_mail(s, "a@there.example", "x", "one@here.example");
    must(s, OP_ROUTE_TAKE, S("router"), N(77), N(10), N(60000));
    int64_t pid = number(s, "SELECT pg_backend_pid()::bigint");
    struct db *other = unit_store_connect(s);
    assert_true(db_begin(other, DURABLE_SOON));
    db_script(other,
              "SET LOCAL deadlock_timeout = '1h'"); /* so that the other side is the one that is ended */
    assert_int_equal(db_change(other, "UPDATE list SET archive = 'none' WHERE id = $1", DB_I(two)), 1);
    struct blocked b = {.s = s};
    ADD(&b.group, OP_ROUTE_COMMIT, N(message), N(77), S("sha"), S(""), S(""), S(""), N(2), POST_TO(one),
        POST_TO(two), N(0), N(0), N(0), N(0));
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run_blocked, &b), 0);
    while (db_number(other, 0, "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted", DB_I(pid)) ==
           0)
        assert_null(db_error(other));
    assert_int_equal(db_change(other, "UPDATE list SET archive = 'none' WHERE id = $1", DB_I(one)), 1);
    assert_true(db_commit(other));
    pthread_join(t, NULL);
    db_close(&other);
    assert_code(&b.group, 0, ERR_OK);
    end(&b.group);
    assert_number(s, 2, "SELECT count(*) FROM expansion");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_group__is_one_commit),
        STORE_CASE(test_group__a_refusal_takes_no_other_down),
        STORE_CASE(test_group__malformed_arguments_are_refused_and_undone),
        STORE_CASE(test_operations__refuse_malformed_arguments),
        STORE_CASE(test_group__a_constraint_failure_is_its_own),
        STORE_CASE(test_answer__too_large),
        STORE_CASE(test_answer__too_large_undoes_the_change),
        STORE_CASE(test_group__results_are_only_of_the_last_run),
        STORE_CASE(test_group__is_as_durable_as_its_most_demanding_call),
        STORE_CASE(test_read__of_everything_of_an_empty_store),
        STORE_CASE(test_rerun__after_a_lost_connection),
        STORE_CASE(test_rerun__after_a_connection_lost_within),
        STORE_CASE(test_rerun__after_a_deadlock),
    };
    return RUN_STORE_CASES("store/exec", cases);
}
