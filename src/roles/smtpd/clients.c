/* clients.c: how many sessions each client address has. A small chained hash; an address without sessions has
 * no entry, so the table is bounded by the number of sessions. */
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "base/id.h"
#include "base/mem.h"
#include "roles/smtpd/smtpd.h"

enum { BUCKETS = 1024 };

struct client {
    struct client *next;
    unsigned char ip[16];
    size_t sessions;
};

struct clients {
    pthread_mutex_t lock;
    size_t per_client_max;
    uint64_t seed; /* a stranger must not be able to choose his bucket */
    struct client *buckets[BUCKETS];
};

struct clients *clients_new(size_t per_client_max) {
    struct clients *c = mem_alloc(sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    c->per_client_max = per_client_max;
    c->seed = random_u64();
    return c;
}

void clients_set_most(struct clients *c, size_t per_client_max) {
    pthread_mutex_lock(&c->lock);
    c->per_client_max = per_client_max;
    pthread_mutex_unlock(&c->lock);
}

void clients_free(struct clients **c) {
    for (size_t i = 0; *c && i < BUCKETS; i++)
        while ((*c)->buckets[i]) {
            struct client *first = (*c)->buckets[i];
            (*c)->buckets[i] = first->next;
            free(first);
        }
    free(*c);
    *c = NULL;
}

static void ip_bytes(const struct sockaddr_any *peer, unsigned char ip[16]) {
    memset(ip, 0, 16);
    if (peer->storage.ss_family == AF_INET6)
        memcpy(ip, &((const struct sockaddr_in6 *)&peer->storage)->sin6_addr, 16);
    else
        memcpy(ip + 12, &((const struct sockaddr_in *)&peer->storage)->sin_addr, 4);
}

static struct client **find(struct clients *c, const unsigned char ip[16]) {
    uint64_t hash = c->seed;
    for (int i = 0; i < 16; i++)
        hash = (hash ^ ip[i]) * UINT64_C(0x100000001b3);
    struct client **at = &c->buckets[(hash >> 20) % BUCKETS];
    while (*at && memcmp((*at)->ip, ip, 16) != 0)
        at = &(*at)->next;
    return at;
}

bool clients_enter(struct clients *c, const struct sockaddr_any *peer) {
    unsigned char ip[16];
    ip_bytes(peer, ip);
    pthread_mutex_lock(&c->lock);
    struct client **at = find(c, ip);
    if (!*at) {
        *at = mem_alloc(sizeof **at);
        memcpy((*at)->ip, ip, 16);
    }
    bool welcome = (*at)->sessions < c->per_client_max;
    (*at)->sessions += welcome;
    pthread_mutex_unlock(&c->lock);
    return welcome;
}

void clients_leave(struct clients *c, const struct sockaddr_any *peer) {
    unsigned char ip[16];
    ip_bytes(peer, ip);
    pthread_mutex_lock(&c->lock);
    struct client **at = find(c, ip), *client = *at;
    if (client && --client->sessions == 0) {
        *at = client->next;
        free(client);
    }
    pthread_mutex_unlock(&c->lock);
}
