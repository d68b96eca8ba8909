/* op_list_test.c: lists as programs see them. */
#include "testing/store.h"

#include "base/clock.h"
#include "store/event.h"
#include "store/list_setting.h"
#include "store/role.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static void set(struct unit_store *s, const char *scope, const char *name, const char *value) {
    must(s, OP_SETTING_SET, S(scope), S("me"), N(1), S(name), N(SETTING_REPLACE), S(value));
}

static void make_lists(struct unit_store *s, int64_t ret[4]) {
    ret[1] = make_list(s, "ant1@here.example");
    ret[0] = make_list(s, "ant@here.example");
    must(s, OP_DOMAIN_ADD, S("two.example"));
    ret[3] = make_list(s, "bee@two.example");
    ret[2] = make_list(s, "bee@here.example");
}

static void test_list_ids__by_list_id_in_pages(struct unit_store *s) {
    int64_t ids[4];
    make_lists(s, ids);
    must(s, OP_LIST_IDS, S(""), N(0), N(0), N(10));
    expect(s, N(4), N(ids[0]), N(ids[1]), N(ids[2]), N(ids[3]));
    expect_end(s);
    must(s, OP_LIST_IDS, S("here.example"), N(0), N(1), N(1));
    expect(s, N(3), N(ids[1]));
    expect_end(s);
    must(s, OP_LIST_IDS, S("ere.example"), N(0), N(0), N(10));
    expect(s, N(0));
    expect_end(s);
}

static void test_list_ids__those_that_are_advertised(struct unit_store *s) {
    int64_t ids[4];
    make_lists(s, ids);
    set(s, "", "advertised", "false");
    set(s, "@two.example", "advertised", "true");
    set(s, "ant1@here.example", "advertised", "true");
    must(s, OP_LIST_IDS, S(""), N(1), N(0), N(10));
    expect(s, N(2), N(ids[1]), N(ids[3]));
    expect_end(s);
}

static void test_list_rows__what_counts_for_each(struct unit_store *s) {
    int64_t ids[4];
    make_lists(s, ids);
    add_members(s, "bee@two.example", 0, 3, 1);
    set(s, "@two.example", "display_name", "The Bees");
    set(s, "bee@two.example", "advertised", "false");
    set(s, "ant@here.example", "description", "About ants");
    must(s, OP_LIST_ROWS, N(3), N(ids[3]), N(-1), N(ids[0]));
    expect(s, N(ids[3]), S("bee@two.example"), N(3), N(1), N(0), S("The Bees"), S(""));
    expect(s, N(ids[0]), S("ant@here.example"), N(0), N(1), N(1), S(""), S("About ants"));
    expect_end(s);
}

static void test_list_of__an_address_and_a_user(struct unit_store *s) {
    int64_t ids[4];
    make_lists(s, ids);
    add_member(s, "bee@here.example", "ada@x.example");
    add_member(s, "ant@here.example", "ada@x.example");
    must(s, OP_MEMBER_ADD, S("ant@here.example"), S("me"), N(ROLE_OWNER), N(1), S("ada@x.example"));
    must(s, OP_LIST_OF, S("ada@x.example"), N(0), N(ROLE_ANY));
    expect(s, N(ids[0]), N(ids[0]), N(ids[2]));
    expect_end(s);
    must(s, OP_LIST_OF, S("ada@x.example"), N(0), N(ROLE_OWNER));
    expect(s, N(ids[0]));
    expect_end(s);
    int64_t user = number(
        s, "SELECT b.userid FROM mailbox b JOIN address a ON a.id = b.addr WHERE a.text = 'ada@x.example'");
    must(s, OP_LIST_OF, S(""), N(user), N(ROLE_MEMBER));
    expect(s, N(ids[0]), N(ids[2]));
    expect_end(s);
    must(s, OP_LIST_OF, S("no@x.example"), N(0), N(ROLE_ANY));
    expect_end(s);
}

static void test_list_create__with_settings_or_not_at_all(struct unit_store *s) {
    make_list(s, "other@here.example");
#define CREATE(value)                                                                                        \
    S("news@here.example"), S(""), S(""), S("private"), N(1), S("rest:x"), N(1), S("advertised"),            \
        N(SETTING_REPLACE), S(value)
    refused(s, ERR_USAGE, OP_LIST_CREATE, CREATE("perhaps"));
    assert_number(s, 1, "SELECT count(*) FROM list");
    must(s, OP_LIST_CREATE, CREATE("false"));
    assert_number(s, 1, "SELECT count(*) FROM list WHERE archive = 'private'");
    assert_number(s, 1, "SELECT count(*) FROM setting WHERE name = 'advertised' AND value = 'false'");
    assert_number(s, 1, "SELECT count(*) FROM event WHERE detail = 'by=rest:x created'");
    must(s, OP_LIST_DELETE, S("news@here.example"), S("rest:x"));
    assert_number(s, 1, "SELECT count(*) FROM event WHERE detail = 'by=rest:x deleted'");
}

static void test_list_set__all_or_nothing(struct unit_store *s) {
    make_list(s, "news@here.example");
#define LIST_SET(archive, name, value)                                                                       \
    S("news@here.example"), S("me"), S(archive), N(1), S(name), N(SETTING_REPLACE), S(value)
    refused(s, ERR_USAGE, OP_LIST_SET, LIST_SET("none", "emergency", "perhaps"));
    refused(s, ERR_USAGE, OP_LIST_SET, LIST_SET("hidden", "emergency", "true"));
    refused(s, ERR_NOT_FOUND, OP_LIST_SET, S("no@here.example"), S("me"), S("none"), N(0));
    assert_number(s, 1, "SELECT count(*) FROM list WHERE archive = 'public'");
    must(s, OP_LIST_SET, LIST_SET("none", "emergency", "true"));
    assert_number(s, 1, "SELECT count(*) FROM list WHERE archive = 'none'");
    assert_number(s, 1, "SELECT count(*) FROM setting WHERE name = 'emergency' AND value = 'true'");
    assert_number(s, 2, "SELECT count(*) FROM event WHERE kind = $1 AND detail LIKE 'by=me %'",
                  N(EVENT_CONFIGURED));
    must(s, OP_LIST_SET, LIST_SET("", "emergency", "false"));
    assert_number(s, 1, "SELECT count(*) FROM list WHERE archive = 'none'");
}

static void archive(struct unit_store *s, const char *how) {
    must(s, OP_LIST_SET, S("news@here.example"), S("me"), S(how), N(0));
}

static void test_list_set__what_came_while_the_archive_was_off(struct unit_store *s) {
    int64_t list = make_list(s, "news@here.example");
    static const char *const steps[] = {"none", "public", "none", "private"};
    route_mail(s, "0", list, NULL);
    for (int i = 0; i < 4; i++) {
        archive(s, steps[i]);
        route_mail(s, i == 0 ? "1" : i == 1 ? "2" : i == 2 ? "3" : "4", list, NULL);
    }
    must(s, OP_ARCHIVE_LISTS, S(""), N(10));
    expect(s, S("news@here.example"), S("private"));
    expect_end(s);
    assert_number(s, 2, "SELECT count(*) FROM post_kept WHERE size = 0 AND uid IN (2, 4)");
    assert_number(s, 2, "SELECT count(*) FROM post_kept");
}

static void bump(struct unit_store *s, int64_t want_volume, int64_t want_issue) {
    must(s, OP_LIST_BUMP, S("news@here.example"), S("me"));
    expect(s, N(want_volume), N(want_issue));
    expect_end(s);
}

/* When the last digest was sent decides: back to the day before, the year before. */
static void test_list_bump__volumes_by_their_frequency(struct unit_store *s) {
    make_list(s, "news@here.example");
    bump(s, 1, 2);
    bump(s, 1, 3);
    set(s, "news@here.example", "digest_volume_frequency", "daily");
    bump(s, 1, 4);
    change(s, "UPDATE list SET digest_sent = digest_sent - $1", N(DAY_MS));
    bump(s, 2, 1);
    static const char *const frequencies[] = {"yearly", "monthly", "quarterly", "weekly"};
    for (int i = 0; i < 4; i++) {
        set(s, "news@here.example", "digest_volume_frequency", frequencies[i]);
        bump(s, 2 + i, 2);
        change(s, "UPDATE list SET digest_sent = digest_sent - $1", N(INT64_C(367) * DAY_MS));
        bump(s, 3 + i, 1);
    }
    refused(s, ERR_NOT_FOUND, OP_LIST_BUMP, S("no@here.example"), S("me"));
}

/* Arguments of one of several operations. */
static void add_ban(struct buf *out, const char *list, const char *pattern) {
    struct buf args = BUF_INIT(1000);
    add_values(&args, S(list), S("me"), S(pattern));
    add_values(out, N(OP_BAN_ADD), DB_B(buf_view(&args)));
    buf_done(&args);
}

static void test_together__all_or_nothing(struct unit_store *s) {
    make_list(s, "news@here.example");
    for (int wrong = 1; wrong >= 0; wrong--) {
        struct buf args = BUF_INIT(4000);
        add_values(&args, N(2));
        add_ban(&args, "news@here.example", "a@x.example");
        add_ban(&args, wrong ? "no@here.example" : "news@here.example", "b@x.example");
        check((unit_call_args(s, OP_TOGETHER, &args) == ERR_OK) == !wrong, "wrong: %d", wrong);
        buf_done(&args);
        assert_number(s, wrong ? 0 : 2, "SELECT count(*) FROM ban");
    }
    refused(s, ERR_USAGE, OP_TOGETHER, N(1), N(OP_LIST_DELETE), V(VIEW("")));
    check(call(s, OP_TOGETHER, N(1), N(OP_BAN_ADD), V(VIEW(""))) != ERR_OK, "malformed arguments");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_list_ids__by_list_id_in_pages),
        STORE_CASE(test_list_ids__those_that_are_advertised),
        STORE_CASE(test_list_rows__what_counts_for_each),
        STORE_CASE(test_list_of__an_address_and_a_user),
        STORE_CASE(test_list_create__with_settings_or_not_at_all),
        STORE_CASE(test_list_set__all_or_nothing),
        STORE_CASE(test_list_set__what_came_while_the_archive_was_off),
        STORE_CASE(test_list_bump__volumes_by_their_frequency),
        STORE_CASE(test_together__all_or_nothing),
    };
    return RUN_STORE_CASES("store/op_list", cases);
}
