/* server.h: HTTP, by libmicrohttpd: requests come whole, answers leave in pieces as they are made. */
#ifndef ROLES_HTTPD_SERVER_H
#define ROLES_HTTPD_SERVER_H

#include "net/sockaddr.h"
#include "roles/role.h"

struct server;

/* Serve what connects to the listening socket, which it takes. */
struct server *server_start(struct role *r, int fd, const struct sockaddr_any *addr, struct err *e);
/* Requests that are under way are answered. NULL is allowed. */
void server_stop(struct server **s);

#endif
