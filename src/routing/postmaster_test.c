/* postmaster_test.c */
#include "routing/postmaster.h"

#include "testing/unit.h"

static void test_postmaster__whom_it_stands_in_for(void **state) {
    (void)state;
    static const struct err unknown = {.code = ERR_NO_SUCH_USER}, loop = {.code = ERR_LOOP};
    static const struct {
        const char *address;
        bool bare, local;
        const struct err *why; /* NULL: it leads somewhere */
        bool wanted;
    } rows[] = {
        {"postmaster@a.example", false, true, &unknown, true},
        {"abuse@a.example", false, true, &unknown, true},
        {"postmaster@a.example", false, true, NULL, false},
        {"postmaster@a.example", false, true, &loop, false}, /* an alias of that name, with a mistake in it */
        {"postmaster@far.example", false, false, NULL, false},
        {"postmaster@mx.example", true, false, NULL, true},
        {"postmaster@mx.example", true, true, NULL, false},
        {"hostmaster@a.example", false, true, &unknown, false},
        {"postmaster+x@a.example", false, true, &unknown, false},
        {"xpostmaster@a.example", false, true, &unknown, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct route_target target = {.kind = rows[i].why ? ROUTE_REFUSED : ROUTE_ADDRESS,
                                      .why = rows[i].why};
        struct route route = {.local = rows[i].local, .targets = &target, .count = 1};
        check(postmaster_is_for(view_of(rows[i].address), rows[i].bare, &route) == rows[i].wanted, "row %zu",
              i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_postmaster__whom_it_stands_in_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
