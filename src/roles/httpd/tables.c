/* tables.c: every table of resources, in the order they are looked at. */
#include "roles/httpd/resources.h"

const struct routes *const rest_tables[] = {&system_routes, &domain_routes, &list_routes, NULL};
