/* clients.h: the sockets by which the other roles ask stored, and the way back. */
#ifndef ROLES_STORED_CLIENTS_H
#define ROLES_STORED_CLIENTS_H

#include "base/config.h"
#include "store/exec.h"
#include "store/wire.h"

struct client;

struct request {
    struct client *client;
    struct wire_request head;
    struct buf args, out;
    uint64_t after; /* the answer leaves when commits up to this number are on stable storage */
};

struct clients {
    int epoll;
    struct client *first;
    size_t count;
    char *packet;
    struct held *held, **held_last;
};

void clients_init(struct clients *cs);
/* The socket of a role. False: it cannot be had. */
bool clients_listen(struct clients *cs, const struct config *config, enum store_role role, struct err *e);
/* clients_wait() ends when this descriptor is readable, too, and says so by true. */
void clients_watch(struct clients *cs, int fd);
/* Waits for something to happen: new clients, requests, room for answers. */
bool clients_wait(struct clients *cs, int timeout_ms);
/* Requests into slots n..max, at most one of each client in turn; returns how many slots are full then. */
size_t clients_take(struct clients *cs, struct request *slots, size_t n, size_t max);
/* Who asked. */
enum store_role client_role(const struct client *c);

/* Answers requests from what their calls gave, each client's together: now, or when `after` of the latest is
 * reached. `from` is used up. */
void clients_answer(struct clients *cs, struct request **from, const struct exec_call *calls, size_t n,
                    uint64_t synced);
/* Commits up to this number are on stable storage: what waited for them goes. */
void clients_release(struct clients *cs, uint64_t synced);

/* Clients without a connection are forgotten, with what was held for them. */
void clients_drop_gone(struct clients *cs);
/* Anybody is connected. */
bool clients_any(const struct clients *cs);
void clients_done(struct clients *cs);

#endif
