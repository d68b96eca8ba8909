#include "lists/mitigation.h"

#include "base/limits.h"
#include "testing/unit.h"

#define KEY VIEW("0123456789abcdef")

static struct arena arena;

static int setup(void **state) {
    (void)state;
    arena_init(&arena, LIMIT_DECISION_ARENA);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

/* The From that stands in place of this one; empty: none can. */
static view wrapped(const char *from) {
    struct header h;
    struct buf out = BUF_INIT(LIMIT_HEADER_BYTES);
    view message = arena_printf(&arena, "From: %s\r\n\r\n", from), made = VIEW("");
    header_parse(message, &arena, &h);
    if (mitigation_wrap_from(&h, VIEW("dmarc.example"), KEY, &arena, &out)) {
        view octets = arena_view(&arena, buf_view(&out));
        header_parse(octets, &arena, &h);
        made = header_value(header_find(&h, "From"), &arena);
    }
    buf_done(&out);
    return made;
}

static void assert_written(const char *from, const char *before, const char *behind) {
    view made = wrapped(from);
    assert_true(view_starts_with(made, arena_printf(&arena, "%sada=40our.example=_", before)));
    assert_true(view_ends_with(made, arena_printf(&arena, "@dmarc.example%s", behind)));
    assert_int_equal(view_search(made, VIEW("ada@our.example")), -1);
}

static void test_wrap__names_and_comments_stay(void **state) {
    (void)state;
    assert_written("ada@our.example", "", "");
    assert_written("\"Ada, of <L>\" <ada@our.example> (at home)", "\"Ada, of <L>\" <", "> (at home)");
    assert_written("Ada <@a.example:ada@our.example>", "Ada <@a.example:", ">");
    view two = wrapped("Ada <ada@our.example>, bo@far.example");
    assert_true(view_starts_with(two, VIEW("Ada <ada=40our.example=_")));
    assert_true(view_search(two, VIEW(">, bo=40far.example=_")) > 0);
}

/* What only looks like the address is not what is wrapped. */
static void test_wrap__an_address_in_a_comment_is_none(void **state) {
    (void)state;
    assert_written("<ada@our.example> (<ada@our.example>)", "", "");
    assert_written("ada@our.example (<ada@our.example)", "", "");
    assert_written("(ada@our.example) ada@our.example", "", "");
    assert_written("(\") <ada@our.example> (\"<ada@our.example>)", "", "");
    view two = wrapped("ada@our.example (<ada@our.example>), bo@far.example");
    assert_true(view_starts_with(two, VIEW("ada=40our.example=_")));
    assert_true(view_search(two, VIEW("@dmarc.example, bo=40far.example=_")) > 0);
}

static void test_wrap__what_cannot_be_read_is_not_kept(void **state) {
    (void)state;
    assert_int_equal(wrapped("bo@far.example, \"x <ada@our.example>").len, 0);
    assert_int_equal(wrapped("bo@far.example, ada@our.example>").len, 0);
    assert_int_equal(wrapped("nobody").len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wrap__names_and_comments_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrap__an_address_in_a_comment_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrap__what_cannot_be_read_is_not_kept, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
