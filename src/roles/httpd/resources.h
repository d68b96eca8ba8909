/* resources.h: the tables of routes, and what one file of resources uses of another. */
#ifndef ROLES_HTTPD_RESOURCES_H
#define ROLES_HTTPD_RESOURCES_H

#include "roles/httpd/httpd.h"

#define ROUTES(name, table) const struct routes name = {table, sizeof(table) / sizeof((table)[0])}
extern const struct routes domain_routes, list_routes, system_routes, config_routes, archiver_routes;
extern const struct routes member_routes, member_one_routes, roster_routes, user_routes, address_routes;
extern const struct routes address_user_routes, preference_routes, request_routes;
extern const struct routes member_by_role_routes; /* the last: its path fits what others have words for */
extern const struct routes ban_routes, header_match_routes, held_routes, uri_routes, configuration_routes;
extern const struct routes queue_routes, openapi_routes;

/* -- domains (rest_domain.c). False: answered, with 404 when there is none. */
bool find_domain(struct call *c, view name, view *ret_name);

/* -- lists (rest_list.c) */
struct list_row {
    int64_t id, class, created, posts, last_post, volume, issue, digest_sent;
    view address, list_id, archive; /* the arena's */
};
/* By address or List-Id. False: answered, with 404 when there is none. */
bool find_list(struct call *c, view name, struct list_row *ret);
/* All lists of a domain. False: answered. */
bool lists_remove(struct call *c, view domain);

/* -- users (rest_user.c) */
bool user_entries(struct call *c, const int64_t *ids, size_t count);

#endif
