/* postmaster.h: postmaster and abuse exist for every domain (RFC 5321 4.5.1, RFC 2142): what no alias or list
 * of that name takes goes to the address in the setting `postmaster`. */
#ifndef ROUTING_POSTMASTER_H
#define ROUTING_POSTMASTER_H

#include "routing/route.h"

/* `address` (normalised) is such a name, and nobody here takes it: it was refused as unknown, or it was given
 * without a domain (`bare`) and the host's name is no domain of ours. */
bool postmaster_is_for(view address, bool bare, const struct route *route);

#endif
