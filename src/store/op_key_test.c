/* op_key_test.c: keys that programs show. */
#include "testing/store.h"

static void test_key__is_set_kept_replaced_and_removed(struct unit_store *s) {
    must(s, OP_KEY_KEPT, S("postorius"));
    expect(s, S(""));
    must(s, OP_KEY_SET, S("me"), S("postorius"), S("one"));
    must(s, OP_KEY_SET, S("me"), S("postorius"), S("two"));
    must(s, OP_KEY_KEPT, S("postorius"));
    expect(s, S("two"));
    must(s, OP_KEY_LS, S(""), N(10));
    assert_true(view_eq(next_view(s), VIEW("postorius")));
    must(s, OP_KEY_REMOVE, S("me"), S("postorius"));
    refused(s, ERR_NOT_FOUND, OP_KEY_REMOVE, S("me"), S("postorius"));
    must(s, OP_KEY_KEPT, S("postorius"));
    expect(s, S(""));
    assert_number(s, 3, "SELECT count(*) FROM event WHERE detail LIKE 'by=me key postorius %'");
}

static void test_domain__has_owners_who_may_be_new(struct unit_store *s) {
    must(s, OP_DOMAIN_ADD, S("here.example"), S("me"), S("what"), S("alias.example"), N(2),
         S("a@one.example"), S("b@one.example"));
    refused(s, ERR_EXISTS, OP_DOMAIN_ADD, S("here.example"), S("me"), S(""), S(""), N(1), S("c@one.example"));
    assert_number(s, 2, "SELECT count(*) FROM users");
    assert_number(s, 2, "SELECT count(*) FROM domain_owner WHERE domain = 'here.example'");
    must(s, OP_DOMAIN_OWNER_SET, S("here.example"), S("me"), N(1), N(1), S("b@one.example"));
    assert_number(s, 1, "SELECT count(*) FROM domain_owner");
    must(s, OP_DOMAIN_SET, S("here.example"), S("me"), S("else"), S(""));
    assert_number(s, 1, "SELECT count(*) FROM domain WHERE description = 'else' AND alias_domain = ''");
    refused(s, ERR_NOT_FOUND, OP_DOMAIN_SET, S("gone.example"), S("me"), S("else"), S(""));
    must(s, OP_USER_REMOVE, S("me"), S("b@one.example"));
    assert_number(s, 0, "SELECT count(*) FROM domain_owner");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_key__is_set_kept_replaced_and_removed),
        STORE_CASE(test_domain__has_owners_who_may_be_new),
    };
    return RUN_STORE_CASES("store/op_key", cases);
}
