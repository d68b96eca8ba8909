/* wrap_test.c: what the vectors of wrapped addresses do not ask: there and back through what hosts do to
 * local parts, limits, memory. */
#include "auth/wrap.h"

#include "mail/address.h"
#include "testing/unit.h"

static struct arena arena;

/* The case of every letter may change on the way. */
static void test_tag__survives_hosts(void **state) {
    (void)state;
    static const char *const rows[] = {"ada@example.org",
                                       "Ada.Lovelace@example.org",
                                       "\"John \\\"Q\\\" Smith\"@Example.org",
                                       "x=40y=_abc@example.org",
                                       "JOS\xc3\xa9@EX\xc3\xa4MPLE.org",
                                       "jose@ex\xc3\x84mple.org",
                                       "a=_@example.org",
                                       "ada@[192.0.2.1]"};
    const view keys[] = {VIEW("another"), VIEW("key")};
    for (size_t i = 0; i < COUNT(rows); i++) {
        view wrapped, got, older, wanted, normal;
        assert_true(wrap_address(view_of(rows[i]), VIEW("d.example"), keys[1], &arena, &wrapped));
        assert_true(address_normalise_text(view_of(rows[i]), &arena, &wanted, NULL));
        for (int lower = 0; lower < 2; lower++) {
            if (lower)
                wrapped = arena_lower(&arena, wrapped);
            check(wrap_read(wrapped, keys, 2, &arena, &got, &older) == WRAP_KEYED, "%.*s", VIEW_ARG(wrapped));
            assert_true(address_normalise_text(got, &arena, &normal, NULL));
            check(view_eq(normal, wanted), "%.*s", VIEW_ARG(normal));
            assert_int_equal(older.len, 0);
            check(wrap_read(wrapped, keys, 1, &arena, &got, &older) == WRAP_NONE && got.len == 0, "row %zu",
                  i);
        }
        arena_reset(&arena);
    }
}

/* A tag is good for one address alone, and what looks wrapped in an address gets none. */
static void test_tag__of_an_author_who_has_one(void **state) {
    (void)state;
    const view key = VIEW("key");
    view inner, outer, got, older;
    assert_true(wrap_address(VIEW("mallory@example.org"), VIEW("d.example"), key, &arena, &inner));
    ptrdiff_t tag = view_search(inner, VIEW("=_"));
    view wanted = arena_printf(&arena, "ada=40example.org%.*s@d.example", 2 + WRAP_TAG_LEN, inner.ptr + tag);
    assert_int_equal(wrap_read(wanted, &key, 1, &arena, &got, &older), WRAP_NONE);
    assert_true(
        wrap_address(VIEW("ada=40example.org@mallory.example"), VIEW("d.example"), key, &arena, &outer));
    assert_int_equal(wrap_read(outer, &key, 1, &arena, &got, &older), WRAP_KEYED);
    assert_view(got, "ada=40example.org@mallory.example");
}

static void test_limits__lengths_and_memory(void **state) {
    (void)state;
    struct arena small;
    view got, older;
    char text[400];
    snprintf(text, sizeof text, "%0102d@example.org", 1); /* with "=40", "=_" and a tag: 128 */
    assert_true(wrap_address(view_of(text), VIEW("d.example"), VIEW("k"), &arena, &got));
    snprintf(text, sizeof text, "%0103d@example.org", 1);
    assert_false(wrap_address(view_of(text), VIEW("d.example"), VIEW("k"), &arena, &got));
    snprintf(text, sizeof text, "%0300d@example.org", 1);
    assert_false(wrap_address(view_of(text), VIEW("d.example"), VIEW("k"), &arena, &got));
    arena_init(&small, 40);
    assert_false(wrap_address(VIEW("ada@example.org"), VIEW("d.example"), VIEW("k"), &small, &got));
    assert_int_equal(wrap_read(VIEW("ada=40example.org@d.example"), NULL, 0, &small, &got, &older),
                     WRAP_NONE);
    arena_done(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tag__survives_hosts),
        cmocka_unit_test(test_tag__of_an_author_who_has_one),
        cmocka_unit_test(test_limits__lengths_and_memory),
    };
    arena_init(&arena, 1 << 20);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return status;
}
