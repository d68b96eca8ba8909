/* op_domain_test.c: domains, those that are passed on, and transports. */
#include "testing/store.h"

#include <stdio.h>

#include "base/clock.h"

static void test_domain__add_list_remove(struct unit_store *s) {
    int64_t before = clock_now_ms();
    must(s, OP_DOMAIN_ADD, S("b.example"));
    must(s, OP_DOMAIN_ADD, S("a.example"));
    refused(s, ERR_EXISTS, OP_DOMAIN_ADD, S("a.example"));
    must(s, OP_DOMAIN_LS, S(""), N(10));
    expect(s, S("a.example"));
    assert_true(next_int(s) >= before);
    expect(s, S("b.example"));
    must(s, OP_DOMAIN_REMOVE, S("a.example"));
    refused(s, ERR_NOT_FOUND, OP_DOMAIN_REMOVE, S("a.example"));
    must(s, OP_DOMAIN_LS, S(""), N(10));
    expect(s, S("b.example"));
    next_int(s);
    expect_end(s);
}

static void test_domain__stays_while_something_lives_in_it(struct unit_store *s) {
    make_list(s, "news@here.example");
    must(s, OP_DOMAIN_ADD, S("other.example"));
    must(s, OP_ALIAS_SET, S("@other.example"), S("me"), N(1), S("x@there.example"));
    refused(s, ERR_EXISTS, OP_DOMAIN_REMOVE, S("here.example"));
    refused(s, ERR_EXISTS, OP_DOMAIN_REMOVE, S("other.example"));
    refused(s, ERR_EXISTS, OP_DOMAIN_REMOVE, S("other.example"), S("rest:x"), N(1)); /* only asked */
    must(s, OP_DOMAIN_REMOVE, S("here.example"), S("rest:x"), N(1));
    assert_number(s, 2, "SELECT count(*) FROM domain");
    must(s, OP_ALIAS_REMOVE, S("@other.example"), S("me"));
    must(s, OP_DOMAIN_REMOVE, S("other.example"));
    must(s, OP_LIST_DELETE, S("news@here.example"));
    must(s, OP_DOMAIN_REMOVE, S("here.example"), S("rest:x"), N(0));
    assert_number(s, 1,
                  "SELECT count(*) FROM event WHERE host = '@here.example' AND detail = 'by=rest:x removed'");
}

/* The domain's own addresses count, not those of one that merely looks like it. */
static void test_domain__its_name_is_no_pattern(struct unit_store *s) {
    make_list(s, "news@axb.example");
    make_list(s, "news@sub.here.example");
    must(s, OP_DOMAIN_ADD, S("a_b.example"));
    must(s, OP_DOMAIN_ADD, S("here.example"));
    must(s, OP_DOMAIN_REMOVE, S("a_b.example"));
    must(s, OP_DOMAIN_REMOVE, S("here.example"));
    refused(s, ERR_EXISTS, OP_DOMAIN_REMOVE, S("axb.example"));
}

static void test_domain__has_owners_who_may_be_new(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"), S("me"), S("what"), S("alias.example"), N(2),
         S("a@one.example"), S("b@one.example"));
    refused(s, ERR_EXISTS, OP_DOMAIN_ADD, S("here.example"), S("me"), S(""), S(""), N(1), S("c@one.example"));
    assert_number(s, 2, "SELECT count(*) FROM users");
    assert_number(s, 2, "SELECT count(*) FROM domain_owner WHERE domain = 'here.example'");
    must(s, OP_DOMAIN_OWNER_SET, S("here.example"), S("me"), N(1), N(1), S("b@one.example"));
    assert_number(s, 1, "SELECT count(*) FROM domain_owner");
    must(s, OP_DOMAIN_SET, S("here.example"), S("me"), S("else"), S(""), N(1), S("a@one.example"));
    assert_number(s, 2, "SELECT count(*) FROM domain_owner");
    assert_number(s, 1, "SELECT count(*) FROM domain WHERE description = 'else' AND alias_domain = ''");
    refused(s, ERR_NOT_FOUND, OP_DOMAIN_SET, S("gone.example"), S("me"), S("else"), S(""), N(0));
    must(s, OP_USER_REMOVE, S("me"), S("b@one.example"));
    assert_number(s, 1, "SELECT count(*) FROM domain_owner");
}

static void test_domain_ls__pages(struct unit_store *s) {
    enum { MANY = 25 };
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%02d.example", i);
        must(s, OP_DOMAIN_ADD, S(name));
    }
    char last[32] = "";
    int seen = 0;
    for (;;) {
        must(s, OP_DOMAIN_LS, S(last), N(10));
        if (!vals_more(&s->results))
            break;
        for (; vals_more(&s->results); seen++) {
            view name = next_view(s);
            check(view_cmp(name, view_of(last)) > 0, "in order");
            snprintf(last, sizeof last, "%.*s", VIEW_ARG(name));
            next_int(s);
        }
    }
    assert_int_equal(seen, MANY);
}

/* -- domains that are passed on */

static void expect_domain(struct unit_store *s, const char *name, int relay, int listed, int recipients,
                          const char *transport) {
    expect(s, S(name));
    assert_true(next_int(s) > 0);
    expect(s, N(relay), N(listed), N(recipients), S(transport), S(""), S(""));
}

static void test_relay__made_shown_changed_removed(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"));
    refused(s, ERR_EXISTS, OP_DOMAIN_RELAY, S("here.example"), N(0), S("mx"));
    must(s, OP_DOMAIN_RELAY, S("there.example"), N(1), S("lmtp:127.0.0.1:24"));
    refused(s, ERR_EXISTS, OP_DOMAIN_ADD, S("there.example"));
    must(s, OP_RECIPIENT_ADD, S("there.example"), N(2), S("a@there.example"), S("b@there.example"));
    must(s, OP_DOMAIN_SHOW, S(""), S(""), N(10));
    expect_domain(s, "here.example", 0, 0, 0, "");
    expect_domain(s, "there.example", 1, 1, 2, "lmtp:127.0.0.1:24");
    expect_end(s);
    must(s, OP_DOMAIN_RELAY, S("there.example"), N(0), S("smtp:127.0.0.1:25"));
    must(s, OP_DOMAIN_SHOW, S("there.example"), S(""), N(10));
    expect_domain(s, "there.example", 1, 0, 2, "smtp:127.0.0.1:25");
    refused(s, ERR_EXISTS, OP_DOMAIN_REMOVE, S("there.example"));
    must(s, OP_RECIPIENT_REMOVE, S("there.example"), N(2), S("a@there.example"), S("b@there.example"));
    must(s, OP_DOMAIN_REMOVE, S("there.example"));
    must(s, OP_TRANSPORT_LS, S(""), N(10));
    expect_end(s);
}

static void test_recipients__add_remove_page(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"));
    refused(s, ERR_NOT_FOUND, OP_RECIPIENT_ADD, S("here.example"), N(1), S("a@here.example"));
    refused(s, ERR_NOT_FOUND, OP_RECIPIENT_LS, S("no.example"), S(""), N(1));
    must(s, OP_DOMAIN_RELAY, S("there.example"), N(1), S("mx"));
    must(s, OP_RECIPIENT_ADD, S("there.example"), N(3), S("b@there.example"), S("a@there.example"),
         S("b@there.example"));
    expect(s, N(2));
    must(s, OP_RECIPIENT_LS, S("there.example"), S(""), N(1));
    expect(s, S("a@there.example"));
    expect_end(s);
    must(s, OP_RECIPIENT_LS, S("there.example"), S("a@there.example"), N(10));
    expect(s, S("b@there.example"));
    expect_end(s);
    must(s, OP_RECIPIENT_REMOVE, S("there.example"), N(2), S("b@there.example"), S("x@there.example"));
    expect(s, N(1));
}

static void test_transport__set_and_default(struct unit_store *s) {
    route_mail(s, "x", 0, "x@b.example");
    must(s, OP_TRANSPORT_SET, S("b.example"), S("smtp:127.0.0.1:25"));
    must(s, OP_TRANSPORT_SET, S("a.example"), S("mx"));
    must(s, OP_TRANSPORT_LS, S(""), N(10));
    expect(s, S("a.example"), S("mx"), S("b.example"), S("smtp:127.0.0.1:25"));
    expect_end(s);
    must(s, OP_TRANSPORT_SET, S("b.example"), S(""));
    must(s, OP_TRANSPORT_LS, S(""), N(10));
    expect(s, S("a.example"), S("mx"));
    expect_end(s);
    assert_number(s, 2, "SELECT count(*) FROM site");
}

/* What deliver leases says by what way the site's mail goes. */
static void test_transport__is_what_a_lease_tells(struct unit_store *s) {
    must(s, OP_DOMAIN_RELAY, S("there.example"), N(0), S("lmtp:127.0.0.1:24"));
    route_mail(s, "x", 0, "x@there.example");
    must(s, OP_LEASE, S("node"), N(1), N(10), N(60000));
    expect(s, N(0), N(destination_of(s, "there.example")), S("there.example"), N(0), S("lmtp:127.0.0.1:24"),
           N(0));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_domain__add_list_remove),
        STORE_CASE(test_domain__stays_while_something_lives_in_it),
        STORE_CASE(test_domain__its_name_is_no_pattern),
        STORE_CASE(test_domain__has_owners_who_may_be_new),
        STORE_CASE(test_domain_ls__pages),
        STORE_CASE(test_relay__made_shown_changed_removed),
        STORE_CASE(test_recipients__add_remove_page),
        STORE_CASE(test_transport__set_and_default),
        STORE_CASE(test_transport__is_what_a_lease_tells),
    };
    return RUN_STORE_CASES("store/op_domain", cases);
}
