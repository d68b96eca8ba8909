/* durability_test.c: which promise holds on which store. */
#include "store/durability.h"
#include "testing/store.h"

static void test_filesystem_kind(struct unit_store *s) {
    static const struct {
        int64_t type;
        enum filesystem_kind kind;
    } rows[] = {{0xEF53, FILESYSTEM_LOCAL},
                {0x6969, FILESYSTEM_NETWORK},
                {0x01021994, FILESYSTEM_MEMORY},
                {0xFF534D42, FILESYSTEM_NETWORK},
                {0x65735546, FILESYSTEM_UNKNOWN},
                {12345, FILESYSTEM_UNKNOWN},
                {(int64_t)(int32_t)0xFE534D42, FILESYSTEM_NETWORK} /* as a 32-bit kernel says it */};
    (void)s;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *name = NULL;
        assert_int_equal(filesystem_kind(rows[i].type, &name), rows[i].kind);
        assert_non_null(name);
    }
}

static bool look(struct unit_store *s, bool sync, enum durability_kept *ret_kept, struct buf *text,
                 struct err *e) {
    struct config c = s->config;
    c.store_sync = sync;
    buf_reset(text);
    return store_durability(&c, ret_kept, text, e);
}

static void test_durability__of_a_store(struct unit_store *s) {
    struct err e = {0};
    struct buf text = BUF_INIT(1000);
    enum durability_kept kept;
    check(look(s, true, &kept, &text, &e), "%s", e.text);
    check(strstr(text.data, s->engine == DB_SQLITE ? "SQLite" : "fsync = on"), "%s", text.data);
    check(look(s, false, &kept, &text, &e), "%s", e.text);
    assert_int_equal(kept, DURABILITY_WEAK);
    check(strstr(text.data, "store_sync"), "%s", text.data);
    buf_done(&text);
}

static void test_durability__postgresql_that_loses_mail(struct unit_store *s) {
    struct err e = {0};
    struct buf text = BUF_INIT(1000);
    enum durability_kept kept;
    if (s->engine == DB_SQLITE)
        return;
    db_script(s->db, "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) ||"
                     " ' SET synchronous_commit = off'; END $$");
    assert_null(db_error(s->db));
    assert_false(look(s, true, &kept, &text, &e));
    check(e.code == ERR_CONFIG && strstr(e.text, "synchronous_commit"), "%s", e.text);
    buf_done(&text);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_filesystem_kind),
        STORE_CASE(test_durability__of_a_store),
        STORE_CASE(test_durability__postgresql_that_loses_mail),
    };
    return RUN_STORE_CASES("store/durability", cases);
}
