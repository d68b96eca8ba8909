/* op_template_test.c: where texts are that people get. */
#include "testing/store.h"

#include "store/event.h"

static const char *const news = "news@here.example";

static void test_template__set_and_forget(struct unit_store *s) {
    make_list(s, news);
    must(s, OP_TEMPLATE_SET, S(news), S("me"), N(2), S("list:user:notice:welcome"), S("http://a/1"), S("u"),
         S("p"), S("list:user:notice:goodbye"), S("http://a/2"), S(""), S(""));
    must(s, OP_TEMPLATE_SET, S(news), S("me"), N(1), S("list:user:notice:goodbye"), S("http://a/3"), S(""),
         S(""));
    must(s, OP_TEMPLATE_LS, S(news));
    expect(s, S("list:user:notice:goodbye"), S("http://a/3"), S(""), S(""));
    expect(s, S("list:user:notice:welcome"), S("http://a/1"), S("u"), S("p"));
    expect_end(s);
    must(s, OP_TEMPLATE_SET, S(news), S("me"), N(1), S("list:user:notice:welcome"), S(""), S(""), S(""));
    assert_number(s, 1, "SELECT count(*) FROM template");
    assert_number(s, 4, "SELECT count(*) FROM event WHERE kind = $1", N(EVENT_CONFIGURED));
}

static void test_template__each_scope_has_its_own(struct unit_store *s) {
    static const char *const scopes[] = {"", "@here.example", "news@here.example"};
    make_list(s, news);
    for (size_t i = 0; i < COUNT(scopes); i++)
        must(s, OP_TEMPLATE_SET, S(scopes[i]), S("me"), N(1), S("x"), S(scopes[i]), S(""), S(""));
    must(s, OP_TEMPLATE_SET, S(""), S("me"), N(1), S("x"), S("site"), S(""), S(""));
    must(s, OP_TEMPLATE_LS, S("@here.example"));
    expect(s, S("x"), S("@here.example"), S(""), S(""));
    expect_end(s);
    refused(s, ERR_NOT_FOUND, OP_TEMPLATE_SET, S("no@here.example"), S("me"), N(0));
    refused(s, ERR_NOT_FOUND, OP_TEMPLATE_LS, S("no@here.example"));
    must(s, OP_LIST_DELETE, S(news));
    must(s, OP_DOMAIN_REMOVE, S("here.example"));
    assert_number(s, 1, "SELECT count(*) FROM template");
}

int main(void) {
    static const struct unit_store_case cases[] = {
        STORE_CASE(test_template__set_and_forget),
        STORE_CASE(test_template__each_scope_has_its_own),
    };
    return RUN_STORE_CASES("store/op_template", cases);
}
