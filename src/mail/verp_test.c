/* verp_test.c: a return path names its member, whatever the member's address looks like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/verp.h"

static void round_trip(void **state) {
    (void)state;
    static const char *const members[] = {"user@example.org", "a+b@example.org", "x=y@example.org"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct buf out = BUF_INIT(1024);
        struct arena a;
        arena_init(&a, 4096);
        view list = VIEW("dev@lists.example"), prefix = VIEW("dev-bounces+"), suffix = VIEW("@lists.example");
        verp_format(list, view_of(members[i]), &out);
        view path = buf_view(&out), member;
        assert_true(view_starts_with(path, prefix));
        assert_true(view_ends_with(path, suffix));
        view detail = view_slice(path, prefix.len, path.len - prefix.len - suffix.len);
        assert_true(verp_parse(detail, &a, &member));
        assert_true(view_eq(member, view_of(members[i])));
        arena_done(&a);
        buf_done(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
