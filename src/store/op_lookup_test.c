/* op_lookup_test.c: what the tables say about an address. */
#include "testing/store.h"

#include <stdio.h>

#include "store/domain.h"

static void make_world(struct unit_store *s) {
    make_list(s, "news@here.example");
    make_list(s, "home-owner@here.example");
    must(s, OP_LIST_CREATE, S("lost@here.example"), S(""), S(""), S("none"), N(1));
    must(s, OP_ALIAS_SET, S("info@here.example"), S("me"), N(2), S("a@there.example"),
         S("news@here.example"));
    must(s, OP_ALIAS_SET, S("chain@here.example"), S("me"), N(1), S("info@here.example"));
    must(s, OP_ALIAS_SET, S("news-owner@other.example"), S("me"), N(0));
}

static void expect_fact(struct unit_store *s, const char *address, int local, int64_t list,
                        const char *list_address, int targets) {
    expect(s, S(address), N(local), N(list), S(list_address), N(targets));
}

/* Every address of the domain, in its other name: a list and its parts, aliases, and who is unknown. */
static void test_lookup__a_domain_by_its_other_name(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("other.example"));
    make_world(s);
    must(s, OP_DOMAIN_SET, S("here.example"), S("me"), S(""), S("old.example"), N(0));
    int64_t news = number(s, "SELECT id FROM list WHERE address = 'news@here.example'");
    must(s, OP_LOOKUP, S("news@old.example"));
    expect_fact(s, "news@old.example", 1, 0, "", 1);
    expect(s, S("news@here.example"));
    expect_fact(s, "news@here.example", 1, news, "news@here.example", 0);
    expect_end(s);
    must(s, OP_LOOKUP, S("nobody@old.example"));
    expect_fact(s, "nobody@old.example", 1, 0, "", 1);
    expect(s, S("nobody@here.example"));
    expect_fact(s, "nobody@here.example", 1, 0, "", 0);
    must(s, OP_DOMAIN_ADD, S("old.example")); /* a domain of its own comes first */
    must(s, OP_LOOKUP, S("news@old.example"));
    expect_fact(s, "news@old.example", 1, 0, "", 0);
    expect_end(s);
    refused(s, ERR_REFUSED, OP_DOMAIN_SET, S("here.example"), S("me"), S(""), S("here.example"), N(0));
}

static void test_lookup__lists_aliases_and_strangers(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("other.example"));
    make_world(s);
    int64_t news = number(s, "SELECT id FROM list WHERE address = 'news@here.example'");
    int64_t home = number(s, "SELECT id FROM list WHERE address = 'home-owner@here.example'");
    int64_t lost = number(s, "SELECT id FROM list WHERE address = 'lost@here.example'");
    must(s, OP_LOOKUP, S("news@here.example"));
    expect_fact(s, "news@here.example", 1, news, "news@here.example", 0);
    expect_end(s);
    must(s, OP_LOOKUP, S("nobody@here.example"));
    expect_fact(s, "nobody@here.example", 1, 0, "", 0);
    expect_end(s);
    must(s, OP_LOOKUP, S("news@there.example"));
    expect_fact(s, "news@there.example", 0, 0, "", 0);
    expect_end(s);
    must(s, OP_LOOKUP, S("news-bounces+m=there.example@here.example"));
    expect_fact(s, "news-bounces+m=there.example@here.example", 1, news, "news@here.example", 0);
    expect_end(s);
    must(s, OP_LOOKUP, S("news-owner@here.example"));
    expect_fact(s, "news-owner@here.example", 1, news, "news@here.example", 1);
    expect(s, S("owner@there.example"));
    expect_fact(s, "owner@there.example", 0, 0, "", 0);
    expect_end(s);
    must(s, OP_LOOKUP, S("lost-owner@here.example")); /* a list without an owner */
    expect_fact(s, "lost-owner@here.example", 1, lost, "lost@here.example", 0);
    expect_end(s);
    must(s, OP_LOOKUP, S("home-owner@here.example")); /* a list that is called so */
    expect_fact(s, "home-owner@here.example", 1, home, "home-owner@here.example", 0);
    expect_end(s);
}

static void test_lookup__follows_aliases_once_each(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("other.example"));
    make_world(s);
    must(s, OP_ALIAS_SET, S("loop@here.example"), S("me"), N(2), S("there@there.example"),
         S("chain@here.example"));
    change(s, "UPDATE alias SET target = 'loop@here.example' WHERE target = 'there@there.example'");
    int64_t news = number(s, "SELECT id FROM list WHERE address = 'news@here.example'");
    must(s, OP_LOOKUP, S("loop@here.example"));
    expect_fact(s, "loop@here.example", 1, 0, "", 2);
    expect(s, S("chain@here.example"), S("loop@here.example"));
    expect_fact(s, "chain@here.example", 1, 0, "", 1);
    expect(s, S("info@here.example"));
    expect_fact(s, "info@here.example", 1, 0, "", 2);
    expect(s, S("a@there.example"), S("news@here.example"));
    expect_fact(s, "a@there.example", 0, 0, "", 0);
    expect_fact(s, "news@here.example", 1, news, "news@here.example", 0);
    expect_end(s);
}

static void test_lookup__the_catch_all_is_the_last_choice(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("other.example"));
    make_world(s);
    must(s, OP_ALIAS_SET, S("@here.example"), S("me"), N(1), S("all@there.example"));
    must(s, OP_LOOKUP, S("anybody@here.example"));
    expect_fact(s, "anybody@here.example", 1, 0, "", 1);
    expect(s, S("all@there.example"));
    must(s, OP_LOOKUP, S("info@here.example"));
    expect_fact(s, "info@here.example", 1, 0, "", 2);
    int64_t news = number(s, "SELECT id FROM list WHERE address = 'news@here.example'");
    must(s, OP_LOOKUP, S("news@here.example"));
    expect_fact(s, "news@here.example", 1, news, "news@here.example", 0);
    must(s, OP_LOOKUP, S("anybody@other.example")); /* another domain's catch-all is none */
    expect_fact(s, "anybody@other.example", 1, 0, "", 0);
}

/* What comes in is normalised, but the operation must stand anything. */
static void test_lookup__odd_addresses(struct unit_store *s) {
    make_list(s, "news@here.example");
    static const char *const rows[] = {"@here.example",
                                       "x@",
                                       "@",
                                       "-owner@here.example",
                                       "+@here.example",
                                       "a@b@here.example",
                                       "\"a b\"@here.example",
                                       "%@here.example",
                                       "\"@here.example"};
    must(s, OP_LOOKUP, S(""));
    expect_end(s);
    must(s, OP_LOOKUP, S("no-at"));
    expect_end(s);
    for (size_t i = 0; i < COUNT(rows); i++) {
        must(s, OP_LOOKUP, S(rows[i]));
        assert_view(next_view(s), rows[i]);
        next_int(s);
        check(next_int(s) == 0, "%s is a list", rows[i]);
    }
}

static void test_lookup__an_alias_with_very_many_targets_ends(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"));
    struct buf args = BUF_INIT(LIMIT_STORE_PACKET);
    enum { MANY = LIMIT_ALIAS_TARGETS + 50 };
    add_values(&args, S("many@here.example"), S("me"), N(MANY));
    for (int i = 0; i < MANY; i++) {
        char target[40];
        snprintf(target, sizeof target, "t%d@there.example", i);
        add_values(&args, S(target));
    }
    must_args(s, OP_ALIAS_SET, &args);
    must(s, OP_LOOKUP, S("many@here.example"));
    expect_fact(s, "many@here.example", 1, 0, "", LIMIT_ALIAS_TARGETS);
    for (int i = 0; i < LIMIT_ALIAS_TARGETS; i++)
        next_view(s);
    int facts = 1;
    for (; vals_more(&s->results); facts++) {
        next_view(s);
        expect(s, N(0), N(0), S(""), N(0));
    }
    check(facts >= LIMIT_ALIAS_TARGETS && facts <= LIMIT_ALIAS_TARGETS + 1, "%d", facts);
}

/* user+detail leads where user leads, unless it has an entry of its own. */
static void test_lookup__detail(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("other.example"));
    make_world(s);
    must(s, OP_ALIAS_SET, S("@here.example"), S("me"), N(1), S("all@there.example"));
    must(s, OP_ALIAS_SET, S("info+own@here.example"), S("me"), N(1), S("own@there.example"));
    int64_t news = number(s, "SELECT id FROM list WHERE address = 'news@here.example'");
    must(s, OP_LOOKUP, S("chain+x@here.example"));
    expect_fact(s, "chain+x@here.example", 1, 0, "", 1);
    expect(s, S("chain@here.example"));
    expect_fact(s, "chain@here.example", 1, 0, "", 1);
    must(s, OP_LOOKUP, S("info+own@here.example"));
    expect_fact(s, "info+own@here.example", 1, 0, "", 1);
    expect(s, S("own@there.example"));
    must(s, OP_LOOKUP, S("news+x+y@here.example"));
    expect_fact(s, "news+x+y@here.example", 1, 0, "", 1);
    expect(s, S("news@here.example"));
    expect_fact(s, "news@here.example", 1, news, "news@here.example", 0);
    must(s, OP_LOOKUP, S("nobody+x@here.example")); /* then the catch-all */
    expect_fact(s, "nobody+x@here.example", 1, 0, "", 1);
    expect(s, S("all@there.example"));
    must(s, OP_LOOKUP, S("news-owner+x@here.example"));
    expect_fact(s, "news-owner+x@here.example", 1, news, "news@here.example", 1);
    expect(s, S("owner@there.example"));
}

static void test_lookup__relay_domains(struct unit_store *s) {
    make_list(s, "news@here.example");
    must(s, OP_DOMAIN_RELAY, S("any.example"), N(0), S("mx"));
    must(s, OP_DOMAIN_RELAY, S("listed.example"), N(1), S("lmtp:127.0.0.1:24"));
    must(s, OP_RECIPIENT_ADD, S("listed.example"), N(1), S("known@listed.example"));
    must(s, OP_ALIAS_SET, S("here@any.example"), S("me"), N(1), S("news@here.example"));
    must(s, OP_ALIAS_SET, S("@listed.example"), S("me"), N(1), S("rest@there.example"));
    must(s, OP_LOOKUP, S("x@any.example"));
    expect_fact(s, "x@any.example", DOMAIN_RELAY, 0, "", 0);
    expect_end(s);
    must(s, OP_LOOKUP, S("here@any.example"));
    expect_fact(s, "here@any.example", DOMAIN_RELAY, 0, "", 1);
    must(s, OP_LOOKUP, S("known@listed.example"));
    expect_fact(s, "known@listed.example", DOMAIN_RELAY, 0, "", 0);
    must(s, OP_LOOKUP, S("known+x@listed.example"));
    expect_fact(s, "known+x@listed.example", DOMAIN_RELAY, 0, "", 0);
    must(s, OP_LOOKUP, S("nobody@listed.example"));
    expect_fact(s, "nobody@listed.example", DOMAIN_RELAY_UNKNOWN, 0, "", 1);
    must(s, OP_ALIAS_REMOVE, S("@listed.example"), S("me"));
    must(s, OP_LOOKUP, S("nobody@listed.example"));
    expect_fact(s, "nobody@listed.example", DOMAIN_RELAY_UNKNOWN, 0, "", 0);
    expect_end(s);
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_lookup__a_domain_by_its_other_name),
        STORE_CASE(test_lookup__lists_aliases_and_strangers),
        STORE_CASE(test_lookup__follows_aliases_once_each),
        STORE_CASE(test_lookup__the_catch_all_is_the_last_choice),
        STORE_CASE(test_lookup__odd_addresses),
        STORE_CASE(test_lookup__an_alias_with_very_many_targets_ends),
        STORE_CASE(test_lookup__detail),
        STORE_CASE(test_lookup__relay_domains),
    };
    return RUN_STORE_CASES("store/op_lookup", cases);
}
