/* tables.c: every table of resources, in the order they are looked at. */
#include "roles/httpd/resources.h"

const struct routes *const rest_tables[] = {&system_routes,
                                            &domain_routes,
                                            &list_routes,
                                            &member_routes,
                                            &member_one_routes,
                                            &roster_routes,
                                            &user_routes,
                                            &address_routes,
                                            &address_user_routes,
                                            &preference_routes,
                                            &request_routes,
                                            &member_by_role_routes,
                                            NULL};
