/* rest_system.c: what this server is. */
#include "roles/httpd/resources.h"

/* Clients that look for Mailman find the version whose interface this is. */
#define MAILMAN_VERSION "GNU Mailman 3.3.8 (Tom Sawyer)"

static void versions(struct call *c) {
    json_t *o = json_object();
    json_object_set_new(o, "api_version", json_string(c->old ? "3.0" : "3.1"));
    json_object_set_new(o, "mailman_version", json_string(MAILMAN_VERSION));
    json_object_set_new(o, "postroad_version", json_string(POSTROAD_VERSION));
    json_object_set_new(o, "python_version", json_string("3.11"));
    json_object_set_new(o, "self_link", json_link(c, "system/versions"));
    reply_object(c, 200, o);
}

static const struct route table[] = {
    {METHOD_GET, "system", versions, "The versions of this server"},
    {METHOD_GET, "system/versions", versions, "The versions of this server"},
};
ROUTES(system_routes, table);
