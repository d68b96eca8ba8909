#include "roles/stored/clients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

struct answer {
    struct answer *next;
    size_t len;
    char bytes[];
};

struct client {
    int fd;
    enum store_role role;
    bool is_listener;
    bool readable, gone;
    struct buf more; /* requests of its last packet behind the one that was taken */
    size_t more_at;
    struct answer *first, **last; /* the socket was full */
    struct client *next;
};

/* An answer that waits for the disk. */
struct held {
    struct held *next;
    struct client *client;
    uint64_t after;
    struct answer *answer;
};

void clients_init(struct clients *cs) {
    *cs = (struct clients){.epoll = epoll_create1(EPOLL_CLOEXEC), .packet = mem_alloc(LIMIT_STORE_PACKET)};
    BUG_ON(cs->epoll < 0);
    cs->held_last = &cs->held;
}

enum store_role client_role(const struct client *c) {
    return c->role;
}

/* ---- who is there ---- */

static void add_client(struct clients *cs, int fd, enum store_role role, bool is_listener) {
    struct client *c = mem_alloc(sizeof *c);
    *c = (struct client){.fd = fd, .role = role, .is_listener = is_listener, .next = cs->first};
    buf_init(&c->more, LIMIT_STORE_PACKET);
    c->last = &c->first;
    cs->first = c;
    cs->count++;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    BUG_ON(epoll_ctl(cs->epoll, EPOLL_CTL_ADD, fd, &ev) < 0);
}

static void accept_client(struct clients *cs, struct client *listener) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (cs->count >= LIMIT_STORE_CLIENTS) {
        log_line(LOG_ERROR, "too-many-clients", LOG_S("role", store_role_name(listener->role)));
        close(fd);
        return;
    }
    wire_set_buffers(fd);
    add_client(cs, fd, listener->role, false);
}

bool clients_listen(struct clients *cs, const struct config *config, enum store_role role, struct err *e) {
    struct sockaddr_un addr;
    if (!wire_address(config, role, &addr, e))
        return false;
    unlink(addr.sun_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || chmod(addr.sun_path, 0600) < 0 ||
        listen(fd, 128) < 0) {
        err_errno(e, ERR_SYSTEM, "cannot listen on %s", addr.sun_path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    add_client(cs, fd, role, true);
    return true;
}

void clients_watch(struct clients *cs, int fd) {
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    BUG_ON(epoll_ctl(cs->epoll, EPOLL_CTL_ADD, fd, &ev) < 0);
}

bool clients_any(const struct clients *cs) {
    for (const struct client *c = cs->first; c; c = c->next)
        if (!c->is_listener)
            return true;
    return false;
}

static void free_client(struct client *c) {
    close(c->fd);
    buf_done(&c->more);
    for (struct answer *a = c->first, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(c);
}

static void forget_held(struct clients *cs, const struct client *c) {
    cs->held_last = &cs->held;
    for (struct held *h; (h = *cs->held_last);) {
        if (h->client != c) {
            cs->held_last = &h->next;
            continue;
        }
        *cs->held_last = h->next;
        free(h->answer);
        free(h);
    }
}

void clients_drop_gone(struct clients *cs) {
    for (struct client **at = &cs->first, *c; (c = *at);) {
        if (c->gone) {
            *at = c->next;
            cs->count--;
            forget_held(cs, c);
            free_client(c);
        } else {
            at = &c->next;
        }
    }
}

void clients_done(struct clients *cs) {
    for (struct client *c = cs->first; c; c = c->next)
        c->gone = true;
    clients_drop_gone(cs);
    free(cs->packet);
    close(cs->epoll);
}

/* ---- answers ---- */

static void watch(struct clients *cs, struct client *c) {
    struct epoll_event ev = {.events = c->first ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(cs->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static struct answer *copy_answer(const char *bytes, size_t len) {
    struct answer *a = mem_alloc(sizeof *a + len);
    memcpy(a->bytes, bytes, len);
    a->len = len;
    return a;
}

/* What the socket has no room for is kept, and nothing more is taken from the client until it has gone. */
static void keep_unsent(struct clients *cs, struct client *c, struct answer *a) {
    bool had_unsent = c->first != NULL;
    *c->last = a;
    c->last = &a->next;
    if (!had_unsent)
        watch(cs, c);
}

static bool send_now(struct client *c, const char *bytes, size_t len) {
    return !c->first && send(c->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static void send_unsent(struct clients *cs, struct client *c) {
    while (c->first) {
        struct answer *a = c->first;
        ssize_t n = send(c->fd, a->bytes, a->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        c->first = a->next;
        free(a);
    }
    c->last = &c->first;
    watch(cs, c);
}

static void hold(struct clients *cs, struct client *c, size_t len, uint64_t after) {
    struct held *h = mem_alloc(sizeof *h);
    *h = (struct held){.client = c, .after = after, .answer = copy_answer(cs->packet, len)};
    *cs->held_last = h;
    cs->held_last = &h->next;
}

void clients_release(struct clients *cs, uint64_t synced) {
    for (struct held *h; (h = cs->held) && h->after <= synced;) {
        cs->held = h->next;
        if (!cs->held)
            cs->held_last = &cs->held;
        if (send_now(h->client, h->answer->bytes, h->answer->len))
            free(h->answer);
        else
            keep_unsent(cs, h->client, h->answer);
        free(h);
    }
}

/* An answer behind what is in the packet already. False: there is no room. */
static bool add_answer(struct clients *cs, size_t *len, const struct request *q, const struct err *e) {
    view body = e->code == ERR_OK ? buf_view(&q->out) : view_of(e->text);
    struct wire_answer head = {.number = q->head.number, .code = e->code, .len = (uint32_t)body.len};
    if (*len > 0 && *len + sizeof head + body.len > LIMIT_STORE_PACKET)
        return false;
    memcpy(cs->packet + *len, &head, sizeof head);
    if (body.len)
        memcpy(cs->packet + *len + sizeof head, body.ptr, body.len);
    *len += sizeof head + body.len;
    return true;
}

static void send_packet(struct clients *cs, struct client *c, size_t len, uint64_t after, uint64_t synced) {
    if (after > synced)
        hold(cs, c, len, after);
    else if (!send_now(c, cs->packet, len))
        keep_unsent(cs, c, copy_answer(cs->packet, len));
}

/* What a client had asked together wakes it up once. */
void clients_answer(struct clients *cs, struct request **from, const struct exec_call *calls, size_t n,
                    uint64_t synced) {
    for (size_t i = 0; i < n; i++) {
        struct client *c = from[i] ? from[i]->client : NULL;
        size_t len = 0;
        uint64_t after = 0;
        for (size_t k = i; c && k < n; k++) {
            if (!from[k] || from[k]->client != c)
                continue;
            if (!add_answer(cs, &len, from[k], &calls[k].err))
                break;
            after = from[k]->after > after ? from[k]->after : after;
            from[k] = NULL;
        }
        if (c)
            send_packet(cs, c, len, after, synced);
    }
}

/* ---- requests ---- */

/* The packet with the client's next request: the rest of its last one, or what the socket has. */
static view next_packet(struct clients *cs, struct client *c) {
    if (c->more_at < c->more.len)
        return view_skip(buf_view(&c->more), c->more_at);
    ssize_t n = recv(c->fd, cs->packet, LIMIT_STORE_PACKET, MSG_DONTWAIT);
    if (n > 0)
        return view_from(cs->packet, (size_t)n);
    c->readable = false;
    c->gone = n == 0 || (errno != EAGAIN && errno != EINTR);
    return VIEW("");
}

/* What a packet has behind the request that was taken is kept. */
static void keep_rest(struct client *c, view rest) {
    if (rest.len == 0) {
        buf_done(&c->more);
        c->more_at = 0;
    } else if (c->more_at < c->more.len) {
        c->more_at = c->more.len - rest.len;
    } else {
        buf_reset(&c->more);
        c->more_at = 0;
        buf_add(&c->more, rest);
    }
}

static bool may_call(const struct client *c, const struct wire_request *head, struct err *e) {
    if (head->version != WIRE_VERSION)
        return err_set(e, ERR_STORE_DENIED, "this process and stored are of different releases: restart it");
    return (head->op < OP_COUNT && (op_info(head->op)->roles & c->role)) ||
           err_set(e, ERR_STORE_DENIED, "%s may not call that operation", store_role_name(c->role));
}

/* One request of a client into a slot. False: nothing there now. */
static bool take_request(struct clients *cs, struct client *c, struct request *slot) {
    view packet, args;
    while ((packet = next_packet(cs, c)).len > 0) {
        if (!wire_take_request(&packet, &slot->head, &args)) {
            c->gone = true;
            c->readable = false;
            break;
        }
        slot->client = c;
        slot->after = 0;
        buf_reset(&slot->args);
        buf_add(&slot->args, args);
        keep_rest(c, packet);
        struct exec_call refusal = {.err.code = ERR_OK};
        struct request *from = slot;
        if (may_call(c, &slot->head, &refusal.err))
            return true;
        clients_answer(cs, &from, &refusal, 1, 0);
    }
    return false;
}

size_t clients_take(struct clients *cs, struct request *slots, size_t n, size_t max) {
    for (bool more = true; more && n < max;) {
        more = false;
        for (struct client *c = cs->first; c && n < max; c = c->next)
            if (c->readable && !c->first && take_request(cs, c, &slots[n])) {
                n++;
                more = true;
            }
    }
    return n;
}

bool clients_wait(struct clients *cs, int timeout_ms) {
    struct epoll_event events[64];
    int n = epoll_wait(cs->epoll, events, 64, timeout_ms);
    bool watched = false;
    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;
        if (!c)
            watched = true;
        else if (c->is_listener)
            accept_client(cs, c);
        else if (events[i].events & EPOLLOUT)
            send_unsent(cs, c);
        else
            c->readable = true;
    }
    return watched;
}
