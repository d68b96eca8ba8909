/* schema_test.c: an empty store is brought to this release's schema, once; a newer one is left alone. */
#include "testing/store.h"

#include <stdio.h>

#include "base/mem.h"
#include "store/schema.h"

static const char *const tables[] = {
    "instance",      "domain",         "list",         "list_past",     "destination",     "address",
    "member",        "alias",          "message",      "body",          "recipient",       "inbox",
    "expansion",     "delivery",       "site",         "orcpt",         "event",           "work",
    "hold",          "feed",           "ban",          "header_match",  "held_post",       "archive_node",
    "follower",      "post",           "alias_source", "alias_version", "relay_recipient", "users",
    "mailbox",       "preference",     "setting",      "request",       "expansion_skip",  "edition",
    "secret",        "autoresponse",   "post_kept",    "api_key",       "domain_owner",    "template",
    "bounce",        "owed_letter",    "digest",       "last_digest",   "autoreply",       "sender_set",
    "sender",        "expansion_list", "report_row",   "report_day",    "report_batch",    "report",
    "report_source", "sts_policy"};

static int64_t count_tables(struct unit_store *s) {
    return s->engine == DB_SQLITE ? number(s, "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
                                              " AND name NOT LIKE 'sqlite_%'")
                                  : number(s, "SELECT count(*) FROM pg_tables WHERE schemaname = 'postroad'");
}

static void test_migrate__from_empty(struct unit_store *s) {
    struct err e = {0};
    assert_int_equal(schema_version(s->db), 0);
    check(schema_migrate(s->db, &e), "%s", e.text);
    assert_int_equal(schema_version(s->db), SCHEMA_VERSION);
    assert_int_equal(count_tables(s), COUNT(tables));
    for (size_t i = 0; i < COUNT(tables); i++) {
        char *sql = mem_printf("INSERT INTO list_past SELECT address, uid_last FROM list_past WHERE"
                               " EXISTS (SELECT 1 FROM %s)",
                               tables[i]);
        db_script(s->db, sql); /* only if the table is there */
        check(!db_error(s->db), "%s: %s", tables[i], db_error(s->db)->text);
        free(sql);
    }
}

static void test_migrate__twice_changes_nothing(struct unit_store *s) {
    struct err e = {0};
    check(schema_migrate(s->db, &e), "%s", e.text);
    must(s, OP_DOMAIN_ADD, S("here.example"));
    check(schema_migrate(s->db, &e), "%s", e.text);
    assert_int_equal(schema_version(s->db), SCHEMA_VERSION);
    assert_int_equal(count_tables(s), COUNT(tables));
    assert_number(s, 1, "SELECT count(*) FROM domain");
}

static void test_migrate__refuses_a_newer_store(struct unit_store *s) {
    struct err e = {0};
    check(schema_migrate(s->db, &e), "%s", e.text);
    change(s, "UPDATE instance SET value = $1 WHERE name = 'schema'", DB_I(SCHEMA_VERSION + 1));
    assert_int_equal(schema_version(s->db), SCHEMA_VERSION + 1);
    assert_false(schema_migrate(s->db, &e));
    check(e.code == ERR_CONFIG && strstr(e.text, "newer release"), "%s", e.text);
    assert_int_equal(schema_version(s->db), SCHEMA_VERSION + 1);
}

/* Lists, members and owners of the first schema are there in the second, as memberships of registered
 * addresses. */
static void test_migrate__lists_of_the_first_schema(struct unit_store *s) {
    struct err e = {0};
    check(schema_migrate_to(s->db, 1, &e), "%s", e.text);
    change(s, "INSERT INTO site(name, transport, frozen) VALUES('one.example', '', 0)");
    change(s, "INSERT INTO address(text, site) SELECT 'a@one.example', id FROM site");
    change(s, "INSERT INTO list(address, title, owner, archive, class, created, feed_last, uid_last) VALUES"
              "('x@here.example', '', 'b@two.example', 'none', 1, 5, 0, 0),"
              "('y@here.example', '', 'a@one.example', 'none', 1, 5, 0, 0),"
              "('z@here.example', '', '', 'none', 1, 5, 0, 0)");
    change(s,
           "INSERT INTO member(list, site, addr, since) SELECT l.id, a.site, a.id, 7 FROM list l, address a");
    check(schema_migrate(s->db, &e), "%s", e.text);
    assert_number(s, 3, "SELECT count(*) FROM member WHERE role = 1 AND since = 7 AND status = 0");
    assert_number(s, 2, "SELECT count(*) FROM member WHERE role = 2");
    assert_number(s, 5, "SELECT count(DISTINCT id) FROM member");
    assert_number(s, 2, "SELECT count(*) FROM mailbox b JOIN users u ON u.id = b.userid");
    must(s, OP_LIST_LS, S("x@here.example"), S(""), N(1));
    expect(s, S("x@here.example"), S(""), S("b@two.example"));
    must(s, OP_MEMBER_ADD, S("x@here.example"), S("me"), N(1), N(1), S("c@one.example")); /* new ids */
    expect(s, N(1));
    assert_number(s, 6, "SELECT count(DISTINCT id) FROM member");
}

/* A migration that fails leaves nothing behind, so that it can be run again. */
static void test_migrate__a_failure_leaves_the_store_as_it_was(struct unit_store *s) {
    struct err e = {0};
    if (s->engine == DB_POSTGRESQL)
        db_script(s->db, "CREATE SCHEMA postroad");
    db_script(s->db, "CREATE TABLE post(in_the_way {int})");
    assert_false(schema_migrate(s->db, &e));
    check(strstr(e.text, "migrating the store"), "%s", e.text);
    assert_int_equal(count_tables(s), 1);
    assert_int_equal(schema_version(s->db), 0);
    db_script(s->db, "DROP TABLE post");
    check(schema_migrate(s->db, &e), "%s", e.text);
    assert_int_equal(schema_version(s->db), SCHEMA_VERSION);
}

/* Ids of lists and addresses are never given out twice: events and deliveries name them. */
static void test_schema__ids_are_not_used_again(struct unit_store *s) {
    struct err e = {0};
    check(schema_migrate(s->db, &e), "%s", e.text);
    int64_t first = make_list(s, "one@here.example");
    must(s, OP_LIST_DELETE, S("one@here.example"));
    expect(s, N(1), N(1)); /* its owner */
    assert_true(make_list(s, "one@here.example") > first);
}

/* Texts sort by their octets on both engines, as cursors that page by key need. */
static void test_schema__texts_sort_by_octets(struct unit_store *s) {
    static const char *const sorted[] = {"A.example",  "Z.example", "a-b.example",     "a.example",
                                         "ab.example", "z.example", "\xc3\xa9.example"};
    struct err e = {0};
    check(schema_migrate(s->db, &e), "%s", e.text);
    for (size_t i = 0; i < COUNT(sorted); i++)
        must(s, OP_DOMAIN_ADD, S(sorted[(i * 3 + 2) % COUNT(sorted)]));
    must(s, OP_DOMAIN_LS, S(""), N(100));
    for (size_t i = 0; i < COUNT(sorted); i++) {
        expect(s, S(sorted[i]));
        next_int(s);
    }
    expect_end(s);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        EMPTY_STORE_CASE(test_migrate__from_empty),
        EMPTY_STORE_CASE(test_migrate__twice_changes_nothing),
        EMPTY_STORE_CASE(test_migrate__refuses_a_newer_store),
        EMPTY_STORE_CASE(test_migrate__lists_of_the_first_schema),
        EMPTY_STORE_CASE(test_migrate__a_failure_leaves_the_store_as_it_was),
        EMPTY_STORE_CASE(test_schema__ids_are_not_used_again),
        EMPTY_STORE_CASE(test_schema__texts_sort_by_octets),
    };
    return RUN_STORE_CASES("store/schema", cases);
}
