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

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_key__is_set_kept_replaced_and_removed),
    };
    return RUN_STORE_CASES("store/op_key", cases);
}
