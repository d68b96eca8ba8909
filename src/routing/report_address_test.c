/* report_address_test.c */
#include "routing/report_address.h"

#include "testing/unit.h"

static void test_reports__whose_mail_is_read(void **state) {
    (void)state;
    static const struct {
        const char *address, *setting;
        bool local, is_report;
    } rows[] = {
        {"dmarc@here.example", "dmarc@here.example", true, true},
        {"dmarc@here.example", "DMARC@Here.Example", true, true},
        {"dmarc@here.example", "", true, false},
        {"dmarc@here.example", "not an address", true, false},
        {"dmarc@here.example", "dmarc@here.example", false, false},
        {"other@here.example", "dmarc@here.example", true, false},
    };
    static const struct err unknown = {.code = ERR_NO_SUCH_USER};
    struct arena a;
    arena_init(&a, LIMIT_STEP_ARENA);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct route_target target = {.kind = ROUTE_REFUSED, .why = &unknown};
        struct route route = {.local = rows[i].local, .targets = &target, .count = 1};
        route_turn_to_reports(view_of(rows[i].address), view_of(rows[i].setting), &a, &route);
        check((route.targets[0].kind == ROUTE_REPORT) == rows[i].is_report, "row %zu", i);
        check((route_refusal(&route) == NULL) == rows[i].is_report, "row %zu", i);
    }
    arena_done(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reports__whose_mail_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
