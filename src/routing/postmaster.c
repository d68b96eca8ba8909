/* postmaster.c: which recipients the setting `postmaster` stands in for. */
#include "routing/postmaster.h"

#include "mail/address.h"

bool postmaster_is_for(view address, bool bare, const struct route *route) {
    view local = address_split(address).local;
    if (!view_eq(local, VIEW("postmaster")) && !view_eq(local, VIEW("abuse")))
        return false;
    const struct err *why = route_refusal(route);
    return route->local ? why && why->code == ERR_NO_SUCH_USER : bare;
}
