/* ports.h: the listening sockets the supervisor owns for the roles: opened here or handed over by whoever
 * started it (systemd), kept while roles come and go. */
#ifndef ROLES_SUPERVISOR_PORTS_H
#define ROLES_SUPERVISOR_PORTS_H

#include "base/config.h"
#include "net/sockaddr.h"

enum { PORTS_MAX = 4 * LIMIT_LIST_SETTING };

struct port {
    const char *name; /* in LISTEN_FDNAMES */
    char *text;       /* as in the configuration */
    int fd;
};

struct ports {
    struct port items[PORTS_MAX];
    size_t count;
};

/* What a port is opened with: the descriptor, or -1 with *e filled. */
typedef int (*port_opener)(void *ctx, const char *name, const struct sockaddr_any *addr, struct err *e);

/* The addresses the configuration wants: those in `have` are taken over, the others opened with `open`. On
 * failure nothing has changed and what was opened is closed. *ret_changed: an address came or went. What is
 * left in `have` is no longer wanted; ports_close it when nobody accepts there. */
bool ports_open(struct ports *have, const struct config *c, port_opener open, void *ctx, struct ports *ret,
                bool *ret_changed, struct err *e);
void ports_close(struct ports *p);
/* In a new process, before exec. */
bool ports_hand_over(const struct ports *p, struct err *e);
/* The setting that names the addresses of `name`, as a constant; NULL: there is none. */
const char *ports_name(view name);

#endif
