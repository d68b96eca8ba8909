/* place.h: folders of lists whose archive policy has changed. */
#ifndef ROLES_ARCHIVED_PLACE_H
#define ROLES_ARCHIVED_PLACE_H

#include "roles/archived/shelf.h"
#include "roles/role.h"

/* Look through all lists. What fails is logged, and tried again the next time. */
void place_all(struct role *r, struct shelf *shelf);

#endif
