/* authres_private.h: what ARC adds to Authentication-Results. */
#ifndef AUTH_AUTHRES_PRIVATE_H
#define AUTH_AUTHRES_PRIVATE_H

#include "base/view.h"

/* "i=1;" at the beginning (RFC 8617 4.1.1): what it says, and *value begins behind it. */
bool authres_take_instance(view *value, view *ret_instance);

#endif
