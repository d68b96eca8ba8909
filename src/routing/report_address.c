/* report_address.c: see report_address.h. */
#include "routing/report_address.h"

void route_turn_to_reports(view address, view reports_to, struct arena *a, struct route *route) {
    view normal;
    if (reports_to.len == 0 || !route->local || !address_normalise_text(reports_to, a, &normal, NULL) ||
        !view_eq(normal, address))
        return;
    struct route_target *target = arena_new(a, struct route_target);
    if (!target)
        return;
    *target = (struct route_target){.kind = ROUTE_REPORT, .address = address};
    *route = (struct route){.local = true, .targets = target, .count = 1};
}
