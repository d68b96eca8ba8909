/* op_secret_test.c: secrets that roles share. */
#include "store/secret.h"
#include "testing/store.h"

static void test_secret__is_made_once_and_followed_by_others(struct unit_store *s) {
    struct buf first = BUF_INIT(100);
    must(s, OP_SECRETS, S(SECRET_WRAP));
    buf_add(&first, next_view(s));
    expect_end(s);
    assert_int_equal(first.len, SECRET_OCTETS);
    must(s, OP_SECRETS, S(SECRET_WRAP));
    assert_true(view_eq(next_view(s), buf_view(&first)));
    must(s, OP_SECRET_ADD, S("me"), S(SECRET_WRAP));
    must(s, OP_SECRETS, S(SECRET_WRAP));
    assert_false(view_eq(next_view(s), buf_view(&first)));
    assert_true(view_eq(next_view(s), buf_view(&first)));
    expect_end(s);
    must(s, OP_SECRETS, S(SECRET_SRS)); /* is another */
    assert_false(view_eq(next_view(s), buf_view(&first)));
    expect_end(s);
    refused(s, ERR_NOT_FOUND, OP_SECRETS, S("unsubscribe"));
    refused(s, ERR_NOT_FOUND, OP_SECRET_ADD, S("me"), S("x"));
    buf_done(&first);
}

static void test_address__is_known_by_a_membership(struct unit_store *s) {
    must(s, OP_ADDRESS_KNOWN, S("a@one.example"));
    expect(s, N(0));
    make_list(s, "news@here.example");
    add_member(s, "news@here.example", "a@one.example");
    must(s, OP_ADDRESS_KNOWN, S("a@one.example"));
    expect(s, N(1));
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_secret__is_made_once_and_followed_by_others),
        STORE_CASE(test_address__is_known_by_a_membership),
    };
    return RUN_STORE_CASES("store/op_secret", cases);
}
