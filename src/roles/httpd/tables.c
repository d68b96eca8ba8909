/* tables.c: every table of resources, in the order they are looked at. */
#include "roles/httpd/resources.h"

/* One a line. */
const struct routes *const rest_tables[] = {
    &system_routes,         /**/
    &configuration_routes,  /**/
    &queue_routes,          /**/
    &openapi_routes,        /**/
    &domain_routes,         /**/
    &list_routes,           /**/
    &config_routes,         /**/
    &archiver_routes,       /**/
    &ban_routes,            /**/
    &header_match_routes,   /**/
    &held_routes,           /**/
    &uri_routes,            /**/
    &member_routes,         /**/
    &member_one_routes,     /**/
    &roster_routes,         /**/
    &user_routes,           /**/
    &address_routes,        /**/
    &address_user_routes,   /**/
    &preference_routes,     /**/
    &request_routes,        /**/
    &member_by_role_routes, /* the last: its path fits what others have words for */
    NULL};
