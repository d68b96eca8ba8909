/* store_test.c: the way into the store by threads of this process, and PostgreSQL's GRANTs: with the rights
 * of op.def each role can do all that it may, along the whole road of a message, and nothing else. */
#include "testing/store.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/list_setting.h"
#include "store/accept.h"
#include "store/alias.h"
#include "store/class.h"
#include "store/digest.h"
#include "store/event.h"
#include "store/people.h"
#include "store/preference.h"
#include "store/report.h"
#include "store/role.h"
#include "store/schema.h"
#include "store/store_private.h"
#include "store/subscription.h"
#include "store/template.h"
#include "store/wire.h"

static const enum store_role roles[] = {R_SMTPD, R_ROUTER, R_DELIVER, R_ARCHIVED, R_CLI, R_HTTPD};

/* Make the store as `postroad init` does, and give up the test's own connection. */
static void prepare(struct unit_store *s) {
    struct err e = {0};
    db_close(&s->db);
    check(store_prepare(&s->config, &e), "%s", e.text);
}

/* -- by threads */

enum { CALLERS = 8, CALLS = 40 };

struct caller {
    struct store *store;
    int number, failed;
};

static void *call_many(void *arg) {
    struct caller *c = arg;
    for (int i = 0; i < CALLS; i++) {
        struct store_request r;
        char name[32];
        snprintf(name, sizeof name, "d%d-%d.example", c->number, i);
        store_request_init(&r, i % 4 == 3 ? OP_DOMAIN_LS : OP_DOMAIN_ADD);
        vals_view(&r.args, view_of(i % 4 == 3 ? "" : name));
        if (i % 4 == 3)
            vals_int(&r.args, 5);
        c->failed += !store_call(c->store, &r, NULL);
        c->failed += i % 4 == 3 && r.out.len == 0;
        store_request_done(&r);
    }
    return NULL;
}

static void test_threads__many_callers(struct unit_store *s) {
    prepare(s);
    struct err e = {0};
    struct store *store = store_open_threads(&s->config, R_CLI, 4, &e);
    check(store != NULL, "%s", e.text);
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){store, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, call_many, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        check(callers[i].failed == 0, "caller %d: %d calls failed", i, callers[i].failed);
    }
    store_close(&store);
    assert_null(store);
    s->db = store_open_db(&s->config, &e);
    assert_number(s, CALLERS * CALLS * 3 / 4, "SELECT count(*) FROM domain");
}

static void test_threads__many_requests_at_once(struct unit_store *s) {
    prepare(s);
    struct err e = {0};
    enum { MANY = 3 * LIMIT_STORE_GROUP };
    struct store *store = store_open(&s->config, R_CLI, 2, &e);
    check(store != NULL, "%s", e.text);
    struct store_request *requests = mem_alloc(MANY * sizeof *requests);
    struct store_wait wait;
    store_wait_init(&wait);
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d.example", i / 2); /* every second one is refused */
        store_request_init(&requests[i], OP_DOMAIN_ADD);
        vals_view(&requests[i].args, view_of(name));
        store_wait_submit(&wait, store, &requests[i]);
    }
    store_wait_all(&wait);
    int denied = 0, made = 0;
    for (int i = 0; i < MANY; i++) {
        denied += requests[i].err.code == ERR_EXISTS;
        made += requests[i].err.code == ERR_OK;
        store_request_done(&requests[i]);
    }
    assert_int_equal(denied, MANY / 2);
    assert_int_equal(made, MANY / 2);
    store_wait_done(&wait);
    free(requests);
    store_close(&store);
}

static void test_call__what_fails(struct unit_store *s) {
    prepare(s);
    struct err e = {0};
    struct store *store = store_open_threads(&s->config, R_CLI, 1, &e);
    check(store != NULL, "%s", e.text);
    struct store_request r;
    store_request_init(&r, OP_DOMAIN_REMOVE);
    vals_view(&r.args, VIEW("nothing.example"));
    assert_false(store_call(store, &r, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    check(strstr(e.text, "nothing.example"), "%s", e.text);
    store_request_done(&r);
    store_request_init(&r, OP_BODY_STAGE); /* larger than any packet: refused before it is tried */
    FREE_AUTO char *bytes = mem_alloc(LIMIT_STORE_PACKET);
    vals_view(&r.args, view_from(bytes, LIMIT_STORE_PACKET));
    assert_false(store_call(store, &r, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    store_request_done(&r);
    store_close(&store);
    store_close(&store); /* closed already: fine */
}

static void test_open__needs_this_releases_schema(struct unit_store *s) {
    struct err e = {0};
    prepare(s);
    s->db = store_open_db(&s->config, &e);
    change(s, "UPDATE instance SET value = $1 WHERE name = 'schema'", N(SCHEMA_VERSION + 1));
    db_close(&s->db);
    assert_null(store_open_threads(&s->config, R_CLI, 2, &e));
    check(e.code == ERR_CONFIG && strstr(e.text, "migrate"), "%s", e.text);
    assert_false(store_prepare(&s->config, &e));
    assert_int_equal(e.code, ERR_CONFIG);
}

static void test_open__unknown_kinds_of_store(struct unit_store *s) {
    struct err e = {0};
    struct config c = s->config;
    c.store = (char *)(uintptr_t) "mysql://here/x";
    assert_null(store_open_db(&c, &e));
    check(e.code == ERR_CONFIG && strstr(e.text, "mysql://here/x"), "%s", e.text);
    assert_false(store_prepare(&c, &e));
    assert_null(store_open_threads(&c, R_CLI, 1, &e));
    assert_int_equal(store_is_postgresql(&s->config), s->engine == DB_POSTGRESQL);
    c.store = (char *)(uintptr_t) "postgres://x";
    assert_true(store_is_postgresql(&c));
}

static void test_wire__a_path_too_long_for_a_socket(struct unit_store *s) {
    struct sockaddr_un addr;
    struct err e = {0};
    check(wire_address(&s->config, R_ARCHIVED, &addr, &e), "%s", e.text);
    check(strstr(addr.sun_path, "data/run/store/archived.sock"), "%s", addr.sun_path);
    char name[200] = "/";
    memset(name + 1, 'x', sizeof name - 2);
    struct config c = {.dir = name};
    assert_false(wire_address(&c, R_ARCHIVED, &addr, &e));
    check(e.code == ERR_CONFIG && strstr(e.text, "too long"), "%s", e.text);
    assert_null(store_open_socket(&c, R_ARCHIVED, 0, &e));
}

/* -- GRANTs */

/* A connection for each role, and which operations each has done. */
struct actors {
    struct unit_store *s;
    struct db *dbs[COUNT(roles)];
    unsigned has_done[OP_COUNT];
};

static struct db *db_of(struct actors *a, enum store_role role) {
    for (size_t i = 0; i < COUNT(roles); i++)
        if (roles[i] == role)
            return a->dbs[i];
    fail_msg("no such role");
    return NULL;
}

/* What httpd may do the command line may do too, by the same grants: with httpd's, which has fewer others. */
static void act(struct actors *a, enum store_role role, enum op op, struct buf *args) {
    bool both = role == R_CLI && (op_info(op)->roles & R_HTTPD);
    a->s->db = db_of(a, both ? R_HTTPD : role);
    check(unit_call_args(a->s, op, args) == ERR_OK, "%s by %s: %s: %s", op_info(op)->name,
          store_role_name(role), err_info(a->s->err.code)->name, a->s->err.text);
    a->has_done[op] |= role | (both ? R_HTTPD : 0U);
}
#define ACT(a, role, op, ...)                                                                                \
    do {                                                                                                     \
        struct buf act_args = BUF_INIT(LIMIT_STORE_PACKET);                                                  \
        add_values(&act_args, __VA_ARGS__);                                                                  \
        act((a), (role), (op), &act_args);                                                                   \
    } while (0)

static void open_actors(struct actors *a, struct unit_store *s) {
    struct err e = {0};
    prepare(s);
    *a = (struct actors){.s = s};
    for (size_t i = 0; i < COUNT(roles); i++) {
        bool shared = s->engine == DB_SQLITE && i > 0; /* one connection, and roles are stored's business */
        a->dbs[i] = shared ? a->dbs[0] : store_open_db(&s->config, &e);
        check(a->dbs[i] && db_take_role(a->dbs[i], store_role_name(roles[i]), &e), "%s", e.text);
    }
    s->db = a->dbs[0];
}

static void close_actors(struct actors *a) {
    a->s->db = NULL;
    for (size_t i = 0; i < COUNT(roles); i++) {
        struct db *db = a->dbs[i];
        if (i == 0 || db != a->dbs[0])
            db_close(&db);
    }
}

static int64_t accept_as(struct actors *a, enum store_role role, const char *body) {
    struct accept_recipient to = {.address = VIEW("news@here.example")};
    struct accept m = {.id = id_new(),
                       .sender = VIEW("author@there.example"),
                       .size = (int64_t)strlen(body),
                       .sha256 = view_of(body),
                       .body = view_of(body),
                       .recipients = &to,
                       .recipient_count = 1};
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    accept_args(&m, &args);
    act(a, role, OP_ACCEPT, &args);
    return m.id;
}

/* A decision with everything in it: the list, an address, a refusal, a notification. */
static int64_t route_with(struct actors *a, const char *body, int64_t list, enum moderation action) {
    int64_t message = accept_as(a, R_SMTPD, body), batch = id_new();
    ACT(a, R_SMTPD, OP_INBOX_AGE);
    ACT(a, R_ROUTER, OP_ROUTE_TAKE, S("router"), N(batch), N(10), N(60000));
    struct accept_recipient to = {.address = VIEW("author@there.example")};
    struct accept notice = {
        .id = id_new(), .size = 3, .body = VIEW("dsn"), .recipients = &to, .recipient_count = 1};
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    add_values(&args, N(message), N(batch), S(body), S("id"), S("a@b"), S("subject"), N(1), N(list),
               N(action), S("emergency"), S("why"), N(CLASS_DIRECT), N(1), S("direct@one.example"),
               N(NOTIFY_SUCCESS), S("rfc822;x@y.example"), N(1), N(EVENT_BOUNCED), S("nobody@here.example"),
               S("no such recipient"), N(1));
    accept_args(&notice, &args);
    act(a, R_ROUTER, OP_ROUTE_COMMIT, &args);
    return message;
}

static int64_t route_as_router(struct actors *a, const char *body, int64_t list) {
    return route_with(a, body, list, MODERATION_ACCEPT);
}

static void moderate(struct actors *a, int64_t list) {
    route_with(a, "held", list, MODERATION_HOLD);
    int64_t id = number(a->s, "SELECT id FROM held_post");
    ACT(a, R_CLI, OP_HELD_LS, S(""), N(0), N(10));
    ACT(a, R_CLI, OP_HELD_SHOW, N(id));
    ACT(a, R_HTTPD, OP_HELD_IDS, S("news@here.example"));
    ACT(a, R_ROUTER, OP_HELD_ON, S("news@here.example"), N(0), N(10));
    struct accept_recipient to = {.address = VIEW("author@there.example")};
    struct accept letter = {
        .id = id_new(), .size = 3, .body = VIEW("no."), .recipients = &to, .recipient_count = 1};
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    add_values(&args, S("me"), N(MODERATION_HOLD), S("x@y"), N(1), N(1), N(id), N(1));
    accept_args(&letter, &args);
    act(a, R_CLI, OP_HELD_DECIDE, &args);
    ACT(a, R_ROUTER, OP_HELD_DECIDE, S("me"), N(MODERATION_HOLD), S(""), N(0), N(1), N(id), N(0));
    ACT(a, R_CLI, OP_HELD_DECIDE, S("me"), N(MODERATION_ACCEPT), S(""), N(0), N(1), N(id), N(0));
    ACT(a, R_ROUTER, OP_HELD_END, N(10));
    ACT(a, R_SMTPD, OP_LIST_RULES, N(list), N(1), S("m@one.example"));
    ACT(a, R_ROUTER, OP_LIST_RULES, N(list), N(0));
}

/* An edition of which something is left, and one of which nothing is, with a letter about it. */
static void edit(struct actors *a, int64_t message, int64_t list) {
    struct accept_recipient to = {.address = VIEW("author@there.example")};
    struct accept letter = {
        .id = id_new(), .size = 3, .body = VIEW("no."), .recipients = &to, .recipient_count = 1};
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    ACT(a, R_ROUTER, OP_LIST_EDITION, N(message), N(list));
    ACT(a, R_ROUTER, OP_EDITION_KEEP, N(message), N(list), N(MODERATION_ACCEPT), S("what"), N(1), N(1),
        S("sha"), N(0), S("recipe"), S(""), N(0), S("hello"), N(1), S("m@one.example"), N(1),
        S("m@one.example"), N(0));
    ACT(a, R_DELIVER, OP_EDITION, N(message), N(list));
    ACT(a, R_ARCHIVED, OP_EDITION, N(message), N(list));
    int64_t other = route_with(a, "filtered", list, MODERATION_ACCEPT);
    add_values(&args, N(other), N(list), N(MODERATION_HOLD), S("what"), N(1), N(0), S(""), N(0), S(""), S(""),
               N(0), S(""), N(0), N(0), N(1));
    accept_args(&letter, &args);
    act(a, R_ROUTER, OP_EDITION_KEEP, &args);
}

static void set_up_rules(struct actors *a) {
    for (int i = 0; i < 2; i++) {
        ACT(a, R_CLI, OP_BAN_ADD, S(""), S("me"), S("^x"));
        ACT(a, R_CLI, OP_HEADER_MATCH_ADD, S(""), S("me"), S("X-Spam"), S("yes"), N(0), S(""));
        if (i == 0) {
            ACT(a, R_CLI, OP_BAN_REMOVE, S(""), S("me"), S("^x"));
            ACT(a, R_CLI, OP_HEADER_MATCH_REMOVE, S(""), S("me"), N(0));
        }
    }
    ACT(a, R_CLI, OP_BAN_LS, S(""), S(""), N(10));
    ACT(a, R_HTTPD, OP_BAN_FIND, S(""), S("m@one.example"));
    ACT(a, R_CLI, OP_HEADER_MATCH_ADD, S(""), S("me"), S("X-Spam"), S("no"), N(0), S(""));
    ACT(a, R_HTTPD, OP_HEADER_MATCH_SET, S(""), S("me"), N(1), S(""), S(""), N(1), N(0), S(""), N(0));
    ACT(a, R_CLI, OP_HEADER_MATCH_REMOVE, S(""), S("me"), N(0));
    ACT(a, R_CLI, OP_HEADER_MATCH_LS, S(""));
    ACT(a, R_CLI, OP_BAN_REMOVE, S(""), S("me"), S("^x"));
}

/* One that goes to an address only. */
static void pass_as_router(struct actors *a) {
    int64_t message = accept_as(a, R_SMTPD, "passes"), batch = id_new();
    ACT(a, R_ROUTER, OP_ROUTE_TAKE, S("router"), N(batch), N(10), N(60000));
    ACT(a, R_ROUTER, OP_ROUTE_PASS, N(message), N(batch), S("sha"), S("id"), S(""), S(""), N(0),
        N(CLASS_DIRECT), N(1), S("pass@one.example"), N(0), S(""), N(0), N(0));
}

static void set_up_aliases(struct actors *a) {
    ACT(a, R_CLI, OP_ALIAS_SET, S("info@here.example"), S("me"), N(1), S("news@here.example"));
    ACT(a, R_CLI, OP_ALIAS_SET, S("info@here.example"), S("me"), N(1), S("x@there.example"));
    ACT(a, R_CLI, OP_ALIAS_REMOVE, S("info@here.example"), S("me"));
    for (int64_t live = 0; live < 2; live++) {
        ACT(a, R_CLI, OP_ALIAS_BEGIN, S("tracker"), N(7));
        ACT(a, R_CLI, OP_ALIAS_STAGE, S("tracker"), N(7), N(live), N(1), N(ALIAS_ADD), S("a@here.example"),
            S("news@here.example"));
        ACT(a, R_CLI, OP_ALIAS_STAGE, S("tracker"), N(7), N(live), N(1), N(ALIAS_FORGET), S("b@here.example"),
            S("x@there.example"));
        ACT(a, R_CLI, OP_ALIAS_STAGE, S("tracker"), N(7), N(live), N(1), N(ALIAS_END), S("b@here.example"),
            S("x@there.example"));
        ACT(a, R_CLI, OP_ALIAS_PUBLISH, S("tracker"), N(7), N(live), S("me"), S(""), N(1), N(0));
    }
    ACT(a, R_CLI, OP_ALIAS_LS, S("manual"), N(ALIAS_IMPORT), S(""), S(""), S(""), N(0), N(10));
    ACT(a, R_CLI, OP_ALIAS_SHOW, S("a@here.example"), N(0));
    ACT(a, R_CLI, OP_ALIAS_SHOW, S("a@here.example"), N(1));
    ACT(a, R_CLI, OP_ALIAS_HISTORY, S("a@here.example"), S(""), S(""), N(0), N(10));
    ACT(a, R_CLI, OP_ALIAS_SOURCES);
}

static void set_up_relay(struct actors *a) {
    ACT(a, R_CLI, OP_DOMAIN_RELAY, S("relay.example"), N(1), S("mx"));
    ACT(a, R_CLI, OP_DOMAIN_RELAY, S("relay.example"), N(1), S("smtp:127.0.0.1:25"));
    ACT(a, R_CLI, OP_RECIPIENT_ADD, S("relay.example"), N(1), S("a@relay.example"));
    ACT(a, R_CLI, OP_RECIPIENT_LS, S("relay.example"), S(""), N(10));
    ACT(a, R_SMTPD, OP_LOOKUP, S("a@relay.example"));
    ACT(a, R_CLI, OP_RECIPIENT_REMOVE, S("relay.example"), N(1), S("a@relay.example"));
    ACT(a, R_CLI, OP_DOMAIN_SHOW, S(""), S(""), N(10));
    ACT(a, R_CLI, OP_TRANSPORT_SET, S("other.example"), S("mx"));
    ACT(a, R_CLI, OP_TRANSPORT_LS, S(""), N(10));
    ACT(a, R_CLI, OP_DOMAIN_REMOVE, S("relay.example"));
}

static void set_up_templates(struct actors *a) {
    const char *const name = "list:user:notice:welcome", *const uri = "http://x/";
    for (int i = 0; i < 2; i++)
        ACT(a, i ? R_HTTPD : R_CLI, OP_TEMPLATE_SET, S(""), S("me"), N(1), S(name), S(""), N(TEMPLATE_BY_URI),
            S(uri), S(""), S(""));
    ACT(a, R_DELIVER, OP_TEMPLATES_DUE, N(10));
    ACT(a, R_DELIVER, OP_TEMPLATE_FETCHED, S(""), S(name), S(""), S(uri), N(1), S("Welcome"));
    ACT(a, R_CLI, OP_LETTER_TEXT, S("news@here.example"), S(name), S("b@one.example"));
    ACT(a, R_HTTPD, OP_LETTER_TEXT, S("news@here.example"), S(name), S("b@one.example"));
    ACT(a, R_ROUTER, OP_LETTER_TEXT, S("news@here.example"), S(name), S("b@one.example"));
    ACT(a, R_CLI, OP_TEMPLATE_LS, S(""));
    ACT(a, R_HTTPD, OP_TEMPLATE_LS, S(""));
    ACT(a, R_CLI, OP_TEMPLATE_SHOW, S(""), S(name), S(""));
    ACT(a, R_HTTPD, OP_TEMPLATE_SET, S(""), S("me"), N(1), S(name), S(""), N(TEMPLATE_REMOVE), S(""), S(""),
        S(""));
}

static void keep_policies(struct actors *a) {
    ACT(a, R_DELIVER, OP_STS_POLICY, S("one.example"));
    ACT(a, R_DELIVER, OP_STS_KEEP, S("one.example"), S("1"), S("version: STSv1"), N(1), N(2), N(3));
}

static void let_bounce(struct actors *a) {
    ACT(a, R_CLI, OP_MEMBER_ADD, S("news@here.example"), S("me"), N(ROLE_MEMBER), N(1), S("b@one.example"));
    ACT(a, R_CLI, OP_SETTING_SET, S("news@here.example"), S("me"), N(1), S("bounce_score_threshold"),
        N(SETTING_REPLACE), S("1"));
    ACT(a, R_ROUTER, OP_SETTING_OF, S("news@here.example"), N(1), S("bounce_score_threshold"));
    ACT(a, R_ROUTER, OP_BOUNCE, S("news@here.example"), S("b@one.example"), N(0), S("why"));
    ACT(a, R_ROUTER, OP_BOUNCES_STEP, N(10));
    ACT(a, R_ROUTER, OP_AUTOREPLY, S("news@here.example"), N(1), S("b@one.example"), N(0), N(1));
    ACT(a, R_ROUTER, OP_MEMBER_ENABLE, S("news@here.example"), S("me"), S("b@one.example"));
    ACT(a, R_CLI, OP_MEMBER_ENABLE, S("news@here.example"), S("me"), S("b@one.example"));
    ACT(a, R_ROUTER, OP_ROSTER_FOR, S("news@here.example"), N(-1), N(-1), N(10), N(1), S("b@one.example"));
    ACT(a, R_ROUTER, OP_OWED_LETTERS, N(10));
    int64_t id = next_int(a->s);
    struct accept_recipient to = {.address = VIEW("b@one.example")};
    struct accept letter = {
        .id = id_new(), .size = 3, .body = VIEW("hi."), .recipients = &to, .recipient_count = 1};
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    add_values(&args, N(id), N(1));
    accept_args(&letter, &args);
    act(a, R_ROUTER, OP_OWED_WRITTEN, &args);
}

static void send_digest(struct actors *a, int64_t list) {
    const char *news = "news@here.example";
    ACT(a, R_CLI, OP_PREFER, S("me"), N(LEVEL_MEMBER), S("m@one.example"), S(news), N(ROLE_MEMBER), N(0),
        N(1), N(PREFERENCE_DELIVERY_MODE), N(MODE_MIME));
    int64_t message = route_with(a, "for the digest", list, MODERATION_ACCEPT), digest = id_new();
    ACT(a, R_ROUTER, OP_EDITION_KEEP, N(message), N(list), N(MODERATION_ACCEPT), S(""), N(0), N(0), S(""),
        N(0), S("recipe"), S(""), N(0), S("hello"), N(0), N(0), N(0));
    ACT(a, R_CLI, OP_DIGEST_LS, S(""), N(10));
    ACT(a, R_CLI, OP_DIGEST_ASK, S(news), S("me"));
    ACT(a, R_ROUTER, OP_DIGESTS_DUE, N(0));
    expect(a->s, N(0), N(list));
    ACT(a, R_ROUTER, OP_DIGEST_TAKE, N(list));
    ACT(a, R_ROUTER, OP_EDITION, N(message), N(list));
    ACT(a, R_ROUTER, OP_BODY_STAGE, N(digest), N(0), S("all"));
    ACT(a, R_ROUTER, OP_DIGEST_SENT, N(list),
        N(number(a->s, "SELECT issue FROM list WHERE id = $1", N(list))), N(CLASS_LIST), N(1), N(message),
        N(1), N(MODE_MIME), N(digest), S("x@here.example"), S("id"), N(3), S("sha"), N(0), S("recipe"));
    ACT(a, R_ROUTER, OP_EXPAND, N(digest), N(list), N(LIMIT_EXPAND_SLICE));
    change(a->s, "INSERT INTO digest(list, message, size) VALUES($1, $2, 1)", N(list), N(message));
    ACT(a, R_ROUTER, OP_DIGEST_LEAVE_OUT, N(list), N(message), S("damaged"));
    ACT(a, R_CLI, OP_PREFER, S("me"), N(LEVEL_MEMBER), S("m@one.example"), S(news), N(ROLE_MEMBER), N(0),
        N(1), N(PREFERENCE_DELIVERY_MODE), N(PREFERENCE_UNSET));
}

static void set_up_senders(struct actors *a) {
    const char *news = "news@here.example";
    ACT(a, R_CLI, OP_SENDER_SET_ADD, S("me"), S("trusted"), S(""));
    ACT(a, R_CLI, OP_SENDER_SET_ADD, S("me"), S("trusted"), S("who may post"));
    ACT(a, R_CLI, OP_SENDERS_ADD, S("trusted"), S("me"), N(2), S("@trusted.example"), S("^.*@x"));
    ACT(a, R_CLI, OP_SENDER_SET_LS, S(""), N(10));
    ACT(a, R_CLI, OP_SENDERS_LS, S("trusted"), S(""), N(10));
    ACT(a, R_CLI, OP_SENDERS_FIND, S("a@trusted.example"));
    ACT(a, R_CLI, OP_SETTING_SET, S(news), S("me"), N(2), S("accept_these_nonmembers"), N(SETTING_ADD),
        S("@trusted"), S("regular_include_lists"), N(SETTING_ADD), S(news));
    ACT(a, R_CLI, OP_SENDERS_REMOVE, S("trusted"), S("me"), N(1), S("^.*@x"));
    ACT(a, R_CLI, OP_SENDER_SET_ADD, S("me"), S("other"), S(""));
    ACT(a, R_CLI, OP_SENDER_SET_REMOVE, S("me"), S("other"));
}

static void set_up_keys(struct actors *a) {
    ACT(a, R_CLI, OP_KEY_SET, S("me"), S("postorius"), S("kept"));
    ACT(a, R_CLI, OP_KEY_SET, S("me"), S("postorius"), S("kept"));
    ACT(a, R_CLI, OP_KEY_LS, S(""), N(10));
    ACT(a, R_HTTPD, OP_KEY_KEPT, S("postorius"));
    ACT(a, R_CLI, OP_KEY_REMOVE, S("me"), S("postorius"));
}

static void report(struct actors *a) {
    int64_t day = clock_now_ms() / 86400000 - 2, batch = id_new();
    for (int i = 0; i < 3; i++)
        ACT(a, i ? R_DELIVER : R_SMTPD, OP_TALLY, N(batch + i), N(i == 2), N(1), N(REPORT_DMARC), N(day),
            S("far.example"), S("what"), N(1));
    ACT(a, R_DELIVER, OP_REPORT_LEASE, N(60000));
    next_int(a->s), next_int(a->s), next_view(a->s);
    int64_t owner = next_int(a->s);
    ACT(a, R_DELIVER, OP_REPORT_ROWS, N(REPORT_DMARC), N(day), S("far.example"), S(""), N(10));
    ACT(a, R_DELIVER, OP_BODY_STAGE, N(id_new()), N(0), S("piece"));
    struct accept_recipient to = {.address = VIEW("rua@far.example")};
    struct accept letter = {
        .id = id_new(), .size = 3, .body = VIEW("hi."), .recipients = &to, .recipient_count = 1};
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    add_values(&args, N(REPORT_DMARC), N(day), S("far.example"), N(owner), N(1));
    accept_args(&letter, &args);
    act(a, R_DELIVER, OP_REPORT_SENT, &args);
    for (int i = 0; i < 2; i++)
        ACT(a, i ? R_CLI : R_ROUTER, OP_REPORT_TAKE, N(REPORT_DMARC), S("org"), S("1"), S("here.example"),
            S(""), N(1), N(2), S(""), N(1), N(0), N(1), S("192.0.2.1"), S("here.example"), S("none"), N(1),
            S(""), N(1));
    ACT(a, R_CLI, OP_REPORT_SUMMARY, N(REPORT_DMARC), S(""), N(0), N(REPORT_BY_SOURCE), N(10));
    ACT(a, R_ROUTER, OP_REPORTS_END, N(10), N(-1));
}

static void set_up_users(struct actors *a) {
    ACT(a, R_CLI, OP_USER_ADD, S("me"), S("u@one.example"), S("U@one.example"), S("U"));
    ACT(a, R_CLI, OP_USER_LINK, S("me"), S("u@one.example"), S("v@two.example"));
    ACT(a, R_CLI, OP_USER_VERIFY, S("me"), S("v@two.example"), N(1));
    ACT(a, R_CLI, OP_USER_PREFER, S("me"), S("v@two.example"));
    ACT(a, R_CLI, OP_PREFER, S("me"), N(LEVEL_USER), S("v@two.example"), S(""), N(0), N(1), N(1),
        N(PREFERENCE_HIDE_ADDRESS), N(1));
    ACT(a, R_CLI, OP_PREFERENCES, N(LEVEL_USER), S("v@two.example"), S(""), N(0));
    ACT(a, R_ROUTER, OP_PREFERENCES_END, N(10));
    expect(a->s, N(1));
    ACT(a, R_CLI, OP_USER_SHOW, S("v@two.example"));
    ACT(a, R_CLI, OP_USER_LS, S(""), N(10));
    ACT(a, R_CLI, OP_USER_UNLINK, S("me"), S("u@one.example"));
    ACT(a, R_CLI, OP_USER_REMOVE, S("me"), S("u@one.example"));
}

static void set_up_members(struct actors *a) {
    const char *list = "news@here.example";
    ACT(a, R_CLI, OP_MEMBER_ADD, S(list), S("me"), N(ROLE_MEMBER), N(2), S("m@one.example"),
        S("n@two.example"));
    ACT(a, R_CLI, OP_MEMBER_REMOVE, S(list), S("me"), N(ROLE_MEMBER), N(1), S("n@two.example"));
    ACT(a, R_CLI, OP_MEMBER_LS, S(list), N(ROLE_ANY), N(-1), N(0), N(0), N(0), N(10));
    ACT(a, R_CLI, OP_MEMBER_OF, S("m@one.example"));
    ACT(a, R_CLI, OP_MEMBER_HISTORY, S("m@one.example"), N(0), N(10));
    set_up_users(a);
    ACT(a, R_CLI, OP_SETTING_SET, S("@here.example"), S("me"), N(1), S("subscription_policy"),
        N(SETTING_REPLACE), S("confirm_then_moderate"));
    ACT(a, R_CLI, OP_SETTINGS, S(list));
    ACT(a, R_CLI, OP_SUBSCRIBE, S(list), S("me"), S("x@one.example"), S(""), S(""), N(0), N(0), S("token"));
    ACT(a, R_CLI, OP_REQUEST_LS, S(list), S(""), N(10));
    ACT(a, R_CLI, OP_REQUEST_CONFIRM, S("token"), S("me"), N(1), S(""));
    ACT(a, R_CLI, OP_REQUEST_MODERATE, S("token"), S("me"), N(1), S(""));
    ACT(a, R_CLI, OP_UNSUBSCRIBE, S(list), S("me"), S("x@one.example"), N(PROOF_CONFIRMED), S("token"));
    ACT(a, R_ROUTER, OP_SUBSCRIBE, S(list), S("mail"), S("y@one.example"), S(""), S(""), N(0), N(0),
        S("by-mail"));
    ACT(a, R_ROUTER, OP_REQUEST_CONFIRM, S("by-mail"), S("y@one.example"), N(1), S(""));
    ACT(a, R_CLI, OP_REQUEST_MODERATE, S("by-mail"), S("me"), N(1), S(""));
    ACT(a, R_ROUTER, OP_UNSUBSCRIBE, S(list), S("mail"), S("y@one.example"), N(0), S("by-mail"));
    ACT(a, R_ROUTER, OP_LIST_SECRET, S(list));
    ACT(a, R_HTTPD, OP_LIST_SECRET, S(list));
    for (int i = 0; i < 2; i++)
        ACT(a, R_ROUTER, OP_LETTER_COUNT, S("y@one.example"));
    ACT(a, R_ROUTER, OP_REQUESTS_END, N(10));
    ACT(a, R_CLI, OP_SUBSCRIBE_MANY, S(list), S("me"), N(PROOF_VERIFIED | PROOF_CONFIRMED | PROOF_APPROVED),
        N(1), N(-1), N(1), S("z@one.example"), S("Z@one.example"), S("Z"), S("of-many"));
    ACT(a, R_CLI, OP_REQUEST_FIND, S(list), N(REQUEST_SUBSCRIBE), N(-1), N(0), N(10));
    ACT(a, R_CLI, OP_HELD_IDS, S(list));
    ACT(a, R_CLI, OP_LIST_SHOW, S(list));
    ACT(a, R_CLI, OP_LIST_IDS, S(""), N(0), N(0), N(10));
    ACT(a, R_CLI, OP_LIST_ROWS, N(1), N(1));
    ACT(a, R_CLI, OP_MEMBER_FIND, N(FIND_BY_NOTHING), S(""), N(0), S(list), N(0), N(-1), N(-1), N(-1), N(0),
        N(0));
    ACT(a, R_CLI, OP_MEMBER_SHOW, N(1), N(1));
    ACT(a, R_CLI, OP_ADDRESS_GET, N(0), S("z@one.example"));
    ACT(a, R_CLI, OP_ADDRESS_CHANGE, S("me"), S("z@one.example"), S("z@two.example"), S("z@two.example"));
    ACT(a, R_CLI, OP_UNSUBSCRIBE_MANY, S(list), S("me"), N(OWNERS_TOLD), N(1), S("z@two.example"));
}

static void set_up_people(struct actors *a) {
    const char *list = "news@here.example", *address = "p@one.example";
    ACT(a, R_HTTPD, OP_USER_MAKE, S("me"), S(address), S(""), S("P"), S("kept"), N(1));
    int64_t user = next_int(a->s);
    ACT(a, R_HTTPD, OP_USER_SET, S("me"), N(user), N(USER_NAME), S("Q"), S(""), N(0));
    ACT(a, R_HTTPD, OP_USER_FIND, N(FIND_USER_TEXT), S("%q%"), N(0), N(0));
    ACT(a, R_HTTPD, OP_USER_GET, N(1), N(user));
    ACT(a, R_HTTPD, OP_ADDRESS_ADD, S("me"), N(user), S("q@one.example"), S(""), S(""), N(0));
    ACT(a, R_HTTPD, OP_ADDRESS_LINK, S("me"), S("q@one.example"), N(0), S("R"), S(""), N(0), N(1));
    ACT(a, R_HTTPD, OP_ADDRESS_ADD, S("me"), N(user), S("q@one.example"), S(""), S(""), N(1));
    ACT(a, R_HTTPD, OP_ADDRESS_SET, S("me"), S(address), S("P"));
    ACT(a, R_HTTPD, OP_ADDRESS_FIND, N(user), N(0), N(0));
    ACT(a, R_HTTPD, OP_ADDRESS_GET, N(0), S(address));
    ACT(a, R_HTTPD, OP_USER_UNPREFER, S("me"), N(user));
    ACT(a, R_HTTPD, OP_MEMBER_MAKE, S(list), S("me"), N(ROLE_OWNER), S(address), S(""), S(""), N(1), N(0));
    int64_t member = next_int(a->s);
    ACT(a, R_HTTPD, OP_MEMBER_FIND, N(FIND_BY_ADDRESS), S(address), N(0), S(list), N(0), N(0), N(1), N(0),
        N(0), N(0));
    ACT(a, R_HTTPD, OP_MEMBER_SHOW, N(1), N(member));
    ACT(a, R_HTTPD, OP_MEMBER_ON_LIST, S(list), N(ROLE_MEMBER), S(address));
    ACT(a, R_CLI, OP_USER_VERIFY, S("me"), S("q@one.example"), N(1));
    ACT(a, R_HTTPD, OP_MEMBER_SET, S("me"), N(member), S("q@one.example"), N(1), N(MODERATION_HOLD));
    ACT(a, R_HTTPD, OP_PREFER_OF, S("me"), N(LEVEL_MEMBER), N(member), N(1), N(1), N(PREFERENCE_HIDE_ADDRESS),
        N(1));
    ACT(a, R_HTTPD, OP_PREFERENCES_OF, N(LEVEL_MEMBER), N(member));
    ACT(a, R_HTTPD, OP_USER_FORGET, S("me"), N(user));
    ACT(a, R_HTTPD, OP_SUBSCRIBE, S(list), S("me"), S(address), S(""), S("P"), N(0), N(0), S("p"), N(1),
        N(1));
    ACT(a, R_HTTPD, OP_REQUEST_FIND, S(list), N(REQUEST_SUBSCRIBE), N(-1), N(0), N(10));
    ACT(a, R_HTTPD, OP_REQUEST_SHOW, S("p"));
    ACT(a, R_CLI, OP_REQUEST_CONFIRM, S("p"), S("me"), N(0), S(""));
    accept_as(a, R_HTTPD, "a letter");
}

static int64_t set_up_list(struct actors *a) {
    ACT(a, R_CLI, OP_LIST_NAMES, S(""), N(10));
    ACT(a, R_CLI, OP_DOMAIN_ADD, S("here.example"));
    ACT(a, R_CLI, OP_DOMAIN_ADD, S("gone.example"), S("me"), S(""), S(""), N(1), S("o@one.example"));
    ACT(a, R_CLI, OP_DOMAIN_SET, S("gone.example"), S("me"), S("what"), S(""), N(1), S("q@one.example"));
    ACT(a, R_CLI, OP_DOMAIN_OWNER_SET, S("gone.example"), S("me"), N(1), N(1), S("o@one.example"));
    ACT(a, R_CLI, OP_DOMAIN_OWNERS, S("gone.example"));
    ACT(a, R_CLI, OP_DOMAIN_REMOVE, S("gone.example"), S("me"), N(1));
    ACT(a, R_CLI, OP_DOMAIN_REMOVE, S("gone.example"), S("me"), N(0));
    ACT(a, R_CLI, OP_DOMAIN_LS, S(""), N(10));
    for (int i = 0; i < 2; i++) {
        ACT(a, R_CLI, OP_LIST_CREATE, S("news@here.example"), S(""), S("owner@there.example"), S("public"),
            N(1));
        if (i == 0)
            ACT(a, R_CLI, OP_LIST_DELETE, S("news@here.example"));
    }
    ACT(a, R_HTTPD, OP_LIST_IDS, S(""), N(1), N(0), N(10));
    next_int(a->s);
    int64_t first = next_int(a->s);
    ACT(a, R_HTTPD, OP_LIST_ROWS, N(1), N(first));
    ACT(a, R_HTTPD, OP_LIST_OF, S("owner@there.example"), N(0), N(0));
    ACT(a, R_CLI, OP_LIST_SET, S("news@here.example"), S("me"), S("none"), N(1), S("info"), N(0), S("x"));
    ACT(a, R_CLI, OP_LIST_SET, S("news@here.example"), S("me"), S("public"), N(0));
    struct buf part = BUF_INIT(1000);
    add_values(&part, S("news@here.example"), S("me"), S("someone@there.example"));
    ACT(a, R_CLI, OP_TOGETHER, N(2), N(OP_BAN_ADD), DB_B(buf_view(&part)), N(OP_BAN_REMOVE),
        DB_B(buf_view(&part)));
    buf_done(&part);
    ACT(a, R_CLI, OP_LIST_BUMP, S("news@here.example"), S("me"));
    static const enum store_role sharers[] = {R_SMTPD, R_ROUTER, R_DELIVER};
    for (size_t i = 0; i < COUNT(sharers); i++)
        ACT(a, sharers[i], OP_SECRETS, S("srs"));
    ACT(a, R_CLI, OP_SECRET_ADD, S("me"), S("wrap"));
    ACT(a, R_SMTPD, OP_ADDRESS_KNOWN, S("a@one.example"));
    set_up_members(a);
    set_up_people(a);
    set_up_rules(a);
    set_up_aliases(a);
    set_up_relay(a);
    ACT(a, R_CLI, OP_LIST_LS, S("news@here.example"), S(""), N(10));
    next_view(a->s), next_view(a->s), next_view(a->s), next_view(a->s);
    static const enum store_role askers[] = {R_SMTPD, R_ROUTER, R_CLI};
    int64_t list = 0;
    for (size_t i = 0; i < COUNT(askers); i++) {
        ACT(a, askers[i], OP_LOOKUP, S("news-owner@here.example"));
        next_view(a->s), next_int(a->s);
        list = next_int(a->s);
    }
    return list;
}

/* One destination. */
static void deliver_to(struct actors *a, int64_t dest, int64_t list, int64_t *sent) {
    ACT(a, R_DELIVER, OP_FETCH, N(dest), N(0), N(0), N(0), N(0), N(100));
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET), rows = BUF_INIT(LIMIT_STORE_PACKET);
    int64_t n = 0;
    for (; vals_more(&a->s->results); n++, ++*sent) {
        int64_t due = next_int(a->s), message = next_int(a->s), of = next_int(a->s), rcpt = next_int(a->s);
        expect(a->s, N(0));
        next_int(a->s), next_view(a->s), next_view(a->s), next_view(a->s), next_view(a->s);
        check(of == 0 || of == list, "a stranger's list");
        add_values(&rows, N(dest), N(due), N(message), N(of), N(rcpt), N(0), N(0),
                   N(*sent == 0   ? EVENT_DEFERRED
                     : *sent == 1 ? EVENT_BOUNCED
                                  : EVENT_DELIVERED),
                   N(STORE_NEVER), N(*sent == 1), S("mx"), S("250"));
    }
    struct accept_recipient to = {.address = VIEW("author@there.example")};
    struct accept notice = {
        .id = id_new(), .size = 3, .body = VIEW("dsn"), .recipients = &to, .recipient_count = 1};
    add_values(&args, N(n));
    buf_add(&args, buf_view(&rows));
    add_values(&args, N(1));
    accept_args(&notice, &args);
    act(a, R_DELIVER, OP_RESULTS, &args);
    buf_done(&rows);
    ACT(a, R_DELIVER, OP_RELEASE, N(dest), N(5), N(0), N(0), S(""));
}

static void deliver_everything(struct actors *a, int64_t list) {
    int64_t dests[4], sent = 0;
    size_t count = 0;
    ACT(a, R_DELIVER, OP_LEASE, S("deliver"), N(5), N(100), N(60000));
    expect(a->s, N(0));
    for (; vals_more(&a->s->results); count++) {
        check(count < COUNT(dests), "too many destinations");
        dests[count] = next_int(a->s);
        expect(a->s, S("one.example"), N(0), S(""), N(0));
    }
    assert_int_equal(count, 2); /* the list copies and the single address */
    ACT(a, R_DELIVER, OP_LEASE_RENEW, S("deliver"), N(60000));
    for (size_t i = 0; i < count; i++)
        deliver_to(a, dests[i], list, &sent);
    assert_true(sent >= 2);
    ACT(a, R_DELIVER, OP_LEASE_RESET, S("deliver"));
}

static void ask_about(struct actors *a, int64_t message) {
    static const enum store_role readers[] = {R_ROUTER, R_DELIVER, R_ARCHIVED, R_CLI};
    for (size_t i = 0; i < COUNT(readers); i++) {
        ACT(a, readers[i], OP_MESSAGE_INFO, N(message));
        ACT(a, readers[i], OP_MESSAGE_READ, N(message), N(0));
        ACT(a, readers[i], OP_MESSAGE_READ, N(message), N(1));
    }
    ACT(a, R_CLI, OP_QUEUE_LS, N(0), N(10), S(""), S(""), N(-1), S(""), N(0), N(0));
    ACT(a, R_CLI, OP_QUEUE_PENDING);
    ACT(a, R_HTTPD, OP_QUEUE_FILES, N(0), N(10));
    ACT(a, R_CLI, OP_TRACE_FIND, S("author@there.example"), N(0), N(0), N(10));
    ACT(a, R_CLI, OP_TRACE, N(message), N(0), N(10));
    ACT(a, R_CLI, OP_TRACE_PENDING, N(message), S(""), N(-1), S(""), N(0), N(0), N(0), N(0), N(10));
    ACT(a, R_CLI, OP_SNAPSHOT, N(1), N(1));
}

/* A list post, and a message that is not routed yet. */
static void operate(struct actors *a, int64_t message) {
    ACT(a, R_CLI, OP_QUEUE_SITES, N(0), S(""), N(-1));
    ACT(a, R_CLI, OP_QUEUE_FREEZE, S("one.example"), N(1), S("by ada"));
    ACT(a, R_CLI, OP_QUEUE_FREEZE, S(""), N(1), S("by ada"));
    ACT(a, R_CLI, OP_QUEUE_FROZEN);
    ACT(a, R_CLI, OP_QUEUE_FREEZE, S(""), N(0), S("by ada"));
    ACT(a, R_CLI, OP_QUEUE_FREEZE, S("one.example"), N(0), S("by ada"));
    ACT(a, R_CLI, OP_QUEUE_HOLD, N(message), S("by ada"));
    ACT(a, R_ARCHIVED, OP_CRASHED, S("archived"), N(message), N(1));
    ACT(a, R_ARCHIVED, OP_CRASHED, S("archived"), N(message), N(2));
    ACT(a, R_CLI, OP_QUEUE_RELEASE, N(message), S("by ada"));
    ACT(a, R_CLI, OP_QUEUE_RETRY, N(message), S("by ada"), S("one.example"), N(-1), S(""));
    ACT(a, R_CLI, OP_TRACE_NOTICES, N(message));
    int64_t fresh = accept_as(a, R_CLI, "not routed");
    ACT(a, R_CLI, OP_TRACE_ACCEPTED, N(fresh));
    struct accept_recipient to = {.address = VIEW("author@there.example")};
    struct accept notice = {
        .id = id_new(), .size = 3, .body = VIEW("dsn"), .recipients = &to, .recipient_count = 1};
    struct buf stop = BUF_INIT(1 << 16), drop = BUF_INIT(1 << 16);
    add_values(&stop, N(fresh), N(EVENT_BOUNCED), S("by ada"), S(""), N(1));
    accept_args(&notice, &stop);
    act(a, R_CLI, OP_QUEUE_STOP, &stop);
    notice.id = id_new();
    add_values(&drop, N(fresh), N(EVENT_BOUNCED), S("by ada"), N(0), N(1));
    accept_args(&notice, &drop);
    act(a, R_CLI, OP_QUEUE_DROP, &drop);
}

static void crash_everything(struct actors *a) {
    static const enum store_role workers[] = {R_ROUTER, R_DELIVER, R_ARCHIVED};
    for (size_t i = 0; i < COUNT(workers); i++) {
        int64_t message = accept_as(a, R_CLI, "poison");
        for (int times = 0; times < 2; times++)
            ACT(a, workers[i], OP_CRASHED, S(store_role_name(workers[i])), N(message), N(times + 1));
        expect(a->s, N(2), N(1));
    }
}

static void look_after_archive(struct actors *a) {
    char sha256[33];
    memset(sha256, 'x', 32);
    sha256[32] = '\0';
    ACT(a, R_CLI, OP_ARCHIVE_POSTS, S("news@here.example"), S("node"), N(0), N(10));
    ACT(a, R_CLI, OP_ARCHIVE_RECORD, S("news@here.example"), N(9), N(1), N(8), S(sha256),
        S("id@there.example"));
    ACT(a, R_CLI, OP_ARCHIVE_RECORD, S("gone@here.example"), N(9), N(0));
    ACT(a, R_CLI, OP_ARCHIVE_RECORD, S("gone@here.example"), N(10), N(0));
}

static void test_grants__suffice_for_the_whole_road(struct unit_store *s) {
    struct actors a;
    open_actors(&a, s);
    int64_t list = set_up_list(&a);
    ACT(&a, R_ARCHIVED, OP_ARCHIVE_JOIN, S("node"));
    ACT(&a, R_SMTPD, OP_BODY_STAGE, N(id_new()), N(0), S("piece"));
    ACT(&a, R_CLI, OP_BODY_STAGE, N(id_new()), N(1), S("piece"));
    ACT(&a, R_SMTPD, OP_BODY_DROP, N(id_new()));
    ACT(&a, R_CLI, OP_BODY_DROP, N(id_new()));
    int64_t message = route_as_router(&a, "first", list);
    route_as_router(&a, "first", list); /* the same bytes: a duplicate */
    moderate(&a, list);
    pass_as_router(&a);
    ask_about(&a, message);
    ACT(&a, R_ROUTER, OP_EXPANSIONS);
    edit(&a, message, list);
    ACT(&a, R_ROUTER, OP_EXPAND, N(message), N(list), N(LIMIT_EXPAND_SLICE));
    operate(&a, message);
    deliver_everything(&a, list);
    ACT(&a, R_ARCHIVED, OP_FEED_READ, S("node"), N(10), N(0));
    ACT(&a, R_ARCHIVED, OP_FEED_DONE, S("node"), N(list), N(1), N(1), N(message), S("2026-01:0"));
    look_after_archive(&a);
    set_up_senders(&a);
    set_up_keys(&a);
    report(&a);
    send_digest(&a, list);
    let_bounce(&a);
    keep_policies(&a);
    set_up_templates(&a);
    ACT(&a, R_ARCHIVED, OP_ARCHIVE_LISTS, S(""), N(10));
    ACT(&a, R_HTTPD, OP_LIST_SHOW, S("news.here.example"));
    ACT(&a, R_HTTPD, OP_MESSAGE_INFO, N(message));
    ACT(&a, R_HTTPD, OP_MESSAGE_READ, N(message), N(0));
    crash_everything(&a);
    ACT(&a, R_ROUTER, OP_ROUTE_RESET, S("router"));
    ACT(&a, R_ROUTER, OP_REAP, N(0), N(64), N(0), N(1));
    for (unsigned op = 0; op < OP_COUNT; op++)
        check(a.has_done[op] == op_info(op)->roles, "%s: done by roles %#x, of %#x in op.def",
              op_info(op)->name, a.has_done[op], op_info(op)->roles);
    close_actors(&a);
}

/* What op.def grants a role on a table, as letters among "racd". */
static bool is_granted(enum store_role role, view table, char right) {
    for (unsigned op = 0; op < OP_COUNT; op++) {
        view rest = view_of(op_info(op)->grants), piece;
        while ((op_info(op)->roles & role) && view_split(&rest, ' ', &piece)) {
            view rights, name;
            view_split(&piece, ':', &rights);
            while (view_split(&piece, ',', &name))
                if (view_eq(name, table) && view_find(rights, right) >= 0)
                    return true;
        }
    }
    return right == 'r' && view_eq(table, VIEW("instance"));
}

/* Every right on every table, as the database sees it. */
static void test_grants__are_those_of_the_table_and_no_more(struct unit_store *s) {
    static const struct {
        char letter;
        const char *right;
    } rights[] = {{'r', "SELECT"}, {'a', "INSERT"}, {'c', "UPDATE"}, {'d', "DELETE"}, {'t', "TRUNCATE"}};
    if (s->engine == DB_SQLITE)
        return;
    struct err e = {0};
    prepare(s);
    s->db = store_open_db(&s->config, &e);
    assert_true(db_begin(s->db, DURABLE_READ));
    struct query q;
    int tables = 0, granted = 0;
    for (db_query(s->db, &q, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'postroad'");
         query_row(&q); tables++)
        for (size_t i = 0; i < COUNT(roles); i++)
            for (size_t k = 0; k < COUNT(rights); k++) {
                FREE_AUTO char *role = mem_printf(STORE_PG_ROLE "%s", store_role_name(roles[i]));
                FREE_AUTO char *table = mem_printf("postroad.%.*s", VIEW_ARG(query_text(&q, 0)));
                bool has = db_number(s->db, -1, "SELECT has_table_privilege($1, $2, $3)::int", S(role),
                                     S(table), S(rights[k].right));
                check(has == is_granted(roles[i], query_text(&q, 0), rights[k].letter), "%s %s on %s", role,
                      has ? rights[k].right : "lacks", table);
                granted += has;
            }
    assert_true(db_commit(s->db));
    check(tables >= 20 && granted > 50, "%d tables, %d rights", tables, granted);
}

/* The same from the other side: an operation that is not a role's own fails, unless its rights happen to be
 * among those of the role's own operations. */
static void test_grants__another_roles_operations_are_denied(struct unit_store *s) {
    if (s->engine == DB_SQLITE)
        return;
    struct actors a;
    open_actors(&a, s);
    ACT(&a, R_CLI, OP_DOMAIN_ADD, S("here.example"));
    static const struct {
        enum store_role role;
        enum op op;
    } rows[] = {
        {R_SMTPD, OP_LEASE},

        {R_SMTPD, OP_EXPANSIONS},     {R_SMTPD, OP_DOMAIN_ADD},     {R_SMTPD, OP_ALIAS_BEGIN},
        {R_SMTPD, OP_CRASHED},        {R_SMTPD, OP_ROUTE_RESET},    {R_SMTPD, OP_ARCHIVE_JOIN},
        {R_ROUTER, OP_DOMAIN_ADD},    {R_ROUTER, OP_LIST_CREATE},   {R_ROUTER, OP_ARCHIVE_JOIN},
        {R_ROUTER, OP_ALIAS_BEGIN},   {R_DELIVER, OP_LOOKUP},       {R_DELIVER, OP_DOMAIN_ADD},
        {R_DELIVER, OP_EXPAND},       {R_DELIVER, OP_REAP},         {R_DELIVER, OP_ROUTE_RESET},
        {R_DELIVER, OP_ARCHIVE_JOIN}, {R_DELIVER, OP_FEED_READ},    {R_ARCHIVED, OP_LOOKUP},
        {R_ARCHIVED, OP_BODY_STAGE},  {R_ARCHIVED, OP_ACCEPT},      {R_ARCHIVED, OP_LEASE},
        {R_ARCHIVED, OP_REAP},        {R_ARCHIVED, OP_ROUTE_RESET}, {R_ARCHIVED, OP_DOMAIN_ADD},
        {R_CLI, OP_ROUTE_RESET},

        {R_CLI, OP_ARCHIVE_JOIN},     {R_CLI, OP_CRASHED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_false(op_info(rows[i].op)->roles & rows[i].role);
        struct accept_recipient to = {.address = VIEW("x@here.example")};
        struct accept m = {.id = id_new(), .recipients = &to, .recipient_count = 1};
        struct buf args = BUF_INIT(10000);
        if (rows[i].op == OP_ACCEPT)
            accept_args(&m, &args);
        else if (rows[i].op == OP_BODY_STAGE)
            add_values(&args, N(1), N(1), S("x"));
        else if (rows[i].op == OP_REAP)
            add_values(&args, N(0), N(1), N(0), N(1)); /* with orphans: deletes bodies */
        else
            add_values(&args, S("x@here.example"), N(id_new()), N(1), N(1));
        s->db = db_of(&a, rows[i].role);
        enum err_code code = unit_call_args(s, rows[i].op, &args);
        check(code == ERR_STORE_DENIED, "%s by %s: %s: %s", op_info(rows[i].op)->name,
              store_role_name(rows[i].role), err_info(code)->name, s->err.text);
    }
    close_actors(&a);
}

/* A role that may not log in is taken on by the instance's user only. */
static void test_grants__roles_cannot_log_in(struct unit_store *s) {
    if (s->engine == DB_SQLITE)
        return;
    struct err e = {0};
    prepare(s);
    prepare(s); /* again: fine */
    s->db = store_open_db(&s->config, &e);
    assert_number(s, COUNT(roles),
                  "SELECT count(*) FROM pg_roles WHERE rolname IN ('postroad_smtpd', 'postroad_router',"
                  " 'postroad_deliver', 'postroad_archived', 'postroad_cli', 'postroad_httpd') AND NOT "
                  "rolcanlogin AND NOT rolsuper");
    struct store *store = store_open(&s->config, R_SMTPD, 2, &e);
    check(store != NULL, "%s", e.text);
    struct store_request r;
    store_request_init(&r, OP_DOMAIN_ADD);
    vals_view(&r.args, VIEW("here.example"));
    assert_false(store_call(store, &r, &e));
    assert_int_equal(e.code, ERR_STORE_DENIED);
    store_request_done(&r);
    store_close(&store);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_threads__many_callers),
        STORE_CASE(test_threads__many_requests_at_once),
        STORE_CASE(test_call__what_fails),
        STORE_CASE(test_open__needs_this_releases_schema),
        STORE_CASE(test_open__unknown_kinds_of_store),
        STORE_CASE(test_wire__a_path_too_long_for_a_socket),
        EMPTY_STORE_CASE(test_grants__suffice_for_the_whole_road),
        EMPTY_STORE_CASE(test_grants__are_those_of_the_table_and_no_more),
        EMPTY_STORE_CASE(test_grants__another_roles_operations_are_denied),
        EMPTY_STORE_CASE(test_grants__roles_cannot_log_in),
    };
    return RUN_STORE_CASES("store/store", cases);
}
