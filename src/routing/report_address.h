/* report_address.h: the address that takes reports of others about our domains (setting reports_to). */
#ifndef ROUTING_REPORT_ADDRESS_H
#define ROUTING_REPORT_ADDRESS_H

#include "routing/route.h"

/* Where `address` (normalised) is that one, of a domain whose mail is taken here, the route leads to a
 * ROUTE_REPORT, whatever else has that name. reports_to empty: there is none. */
void route_turn_to_reports(view address, view reports_to, struct arena *a, struct route *route);

#endif
