/* stored: the only process that opens the store file (SQLite). It runs operations for the other roles.
 *
 * Trusts: nothing but its own file; a caller may run only the operations of the role whose socket it came in
 * by. May touch: DIR/data/store.db and its log, DIR/data/run. Never the network. When it dies: nothing
 * acknowledged is lost (every answer came after the commit). Roles connect again and send their unanswered
 * requests once more.
 *
 * One thread. A round takes at most one request of each client after another, until a group is full or
 * nothing is there: no client can crowd out another. Reads of a round are answered first; its writes share
 * one commit. While the disk syncs, the next group gathers in the sockets; under load it is waited for (ADR
 * 16). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "roles/role.h"
#include "store/exec.h"
#include "store/schema.h"
#include "store/wire.h"

#define SYNC_WITHIN_MS 150 /* DESIGN 1.1: results are on stable storage within 200 ms */
#define GATHER_MS      4   /* at most, for others that come to share a sync */
#define GATHER_TRIES   32  /* one in so many waits for a larger crowd than the last one */
#define WAL_BYTES_MAX  (64 << 20)

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

struct answer {
    struct answer *next;
    size_t len;
    char bytes[];
};

struct request {
    struct client *client;
    struct wire_request head;
    struct buf args, out;
};

struct server {
    struct db *db;
    int epoll;
    struct client *clients;
    size_t client_count;
    struct request requests[LIMIT_STORE_GROUP];
    char *packet;
    int64_t unsynced_since; /* 0: nothing */
    size_t crowd;           /* calls that were there to share the last syncs */
    unsigned gathers;
};

static void send_answer(struct client *c, const char *bytes, size_t len) {
    if (!c->first && send(c->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
        return;
    struct answer *a = mem_alloc(sizeof *a + len);
    memcpy(a->bytes, bytes, len);
    a->len = len;
    *c->last = a;
    c->last = &a->next;
}

static void watch(struct server *s, struct client *c) {
    struct epoll_event ev = {.events = c->first ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

/* An answer behind what is in the packet already. False: there is no room. */
static bool add_answer(struct server *s, size_t *len, const struct request *q, const struct err *e) {
    view body = e->code == ERR_OK ? buf_view(&q->out) : view_of(e->text);
    struct wire_answer head = {.number = q->head.number, .code = e->code, .len = (uint32_t)body.len};
    if (*len > 0 && *len + sizeof head + body.len > LIMIT_STORE_PACKET)
        return false;
    memcpy(s->packet + *len, &head, sizeof head);
    if (body.len)
        memcpy(s->packet + *len + sizeof head, body.ptr, body.len);
    *len += sizeof head + body.len;
    return true;
}

static void send_packet(struct server *s, struct client *c, size_t len) {
    bool had_unsent = c->first != NULL;
    send_answer(c, s->packet, len);
    if (!had_unsent && c->first)
        watch(s, c);
}

/* Each client's answers together: what it had asked together wakes it up once. */
static void answer_all(struct server *s, struct request **from, const struct exec_call *calls, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct client *c = from[i] ? from[i]->client : NULL;
        size_t len = 0;
        for (size_t k = i; c && k < n; k++) {
            if (!from[k] || from[k]->client != c)
                continue;
            if (!add_answer(s, &len, from[k], &calls[k].err))
                break;
            from[k] = NULL;
        }
        if (c)
            send_packet(s, c, len);
    }
}

static void send_unsent(struct server *s, struct client *c) {
    while (c->first) {
        struct answer *a = c->first;
        ssize_t n = send(c->fd, a->bytes, a->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        c->first = a->next;
        free(a);
    }
    c->last = &c->first;
    watch(s, c);
}

/* The packet with the client's next request: the rest of its last one, or what the socket has. */
static view next_packet(struct server *s, struct client *c) {
    if (c->more_at < c->more.len)
        return view_skip(buf_view(&c->more), c->more_at);
    ssize_t n = recv(c->fd, s->packet, LIMIT_STORE_PACKET, MSG_DONTWAIT);
    if (n > 0)
        return view_from(s->packet, (size_t)n);
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
static bool take_request(struct server *s, struct client *c, struct request *slot) {
    view packet, args;
    while ((packet = next_packet(s, c)).len > 0) {
        if (!wire_take_request(&packet, &slot->head, &args)) {
            c->gone = true;
            c->readable = false;
            break;
        }
        slot->client = c;
        buf_reset(&slot->args);
        buf_add(&slot->args, args);
        keep_rest(c, packet);
        struct exec_call refusal = {.err.code = ERR_OK};
        struct request *from = slot;
        if (may_call(c, &slot->head, &refusal.err))
            return true;
        answer_all(s, &from, &refusal, 1);
    }
    return false;
}

/* A round over the readable clients, one request each, until the group is full or nothing is left. */
static size_t take_group(struct server *s, size_t n) {
    for (bool more = true; more && n < LIMIT_STORE_GROUP;) {
        more = false;
        for (struct client *c = s->clients; c && n < LIMIT_STORE_GROUP; c = c->next)
            if (c->readable && !c->first && take_request(s, c, &s->requests[n])) {
                n++;
                more = true;
            }
    }
    return n;
}

/* The calls of one kind among the requests from..n: run, and answer each. */
static void run_group(struct server *s, size_t first, size_t n, bool reads) {
    struct exec_call calls[LIMIT_STORE_GROUP];
    struct request *from[LIMIT_STORE_GROUP];
    enum durability most = DURABLE_READ;
    size_t count = 0;
    for (size_t i = first; i < n; i++) {
        struct request *q = &s->requests[i];
        enum durability d = op_info(q->head.op)->durability;
        if ((d == DURABLE_READ) != reads)
            continue;
        most = d > most ? d : most;
        from[count] = q;
        calls[count++] = (struct exec_call){.op = q->head.op, .args = buf_view(&q->args), .out = &q->out};
    }
    if (count == 0)
        return;
    exec_group(s->db, calls, count);
    bool synced = false; /* a full commit carries along what was committed before it */
    for (size_t i = 0; i < count; i++)
        synced |= calls[i].err.code == ERR_OK && op_info(calls[i].op)->durability == DURABLE_FULL;
    if (synced)
        s->unsynced_since = 0;
    else if (most != DURABLE_READ && s->unsynced_since == 0)
        s->unsynced_since = clock_real_us() / 1000;
    answer_all(s, from, calls, count);
}

static void keep_promises(struct server *s) {
    if (s->unsynced_since != 0 && clock_real_us() / 1000 - s->unsynced_since >= SYNC_WITHIN_MS) {
        if (!db_sync(s->db))
            log_line(LOG_ERROR, "sync-failed", LOG_S("reason", strerror(errno)));
        s->unsynced_since = 0;
    }
    if (db_wal_bytes(s->db) > WAL_BYTES_MAX)
        db_checkpoint(s->db);
}

static void add_client(struct server *s, int fd, enum store_role role, bool is_listener) {
    struct client *c = mem_alloc(sizeof *c);
    *c = (struct client){.fd = fd, .role = role, .is_listener = is_listener, .next = s->clients};
    buf_init(&c->more, LIMIT_STORE_PACKET);
    c->last = &c->first;
    s->clients = c;
    s->client_count++;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    BUG_ON(epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) < 0);
}

static void accept_client(struct server *s, struct client *listener) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (s->client_count >= LIMIT_STORE_CLIENTS) {
        log_line(LOG_ERROR, "too-many-clients", LOG_S("role", store_role_name(listener->role)));
        close(fd);
        return;
    }
    wire_set_buffers(fd);
    add_client(s, fd, listener->role, false);
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

static void drop_gone_clients(struct server *s) {
    for (struct client **at = &s->clients, *c; (c = *at);) {
        if (c->gone) {
            *at = c->next;
            s->client_count--;
            free_client(c);
        } else {
            at = &c->next;
        }
    }
}

static bool listen_on(struct server *s, const struct config *config, enum store_role role, struct err *e) {
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
    add_client(s, fd, role, true);
    return true;
}

static void handle_events(struct server *s, int timeout_ms) {
    struct epoll_event events[64];
    int n = epoll_wait(s->epoll, events, 64, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;
        if (c->is_listener)
            accept_client(s, c);
        else if (events[i].events & EPOLLOUT)
            send_unsent(s, c);
        else
            c->readable = true;
    }
}

static size_t full_calls(const struct server *s, size_t first, size_t n) {
    size_t count = 0;
    for (size_t i = first; i < n; i++)
        count += op_info(s->requests[i].head.op)->durability == DURABLE_FULL;
    return count;
}

/* Calls that wait for a sync share it: as many as last time are waited for, though not long. One that is
 * alone finds a crowd of one. Reads that come meanwhile are answered. */
static size_t gather(struct server *s, size_t n) {
    size_t full = full_calls(s, 0, n), wanted = s->crowd;
    int64_t until = clock_mono_ms() + GATHER_MS, left = GATHER_MS;
    if (full > 1 && ++s->gathers % GATHER_TRIES == 0)
        wanted += wanted / 4 + 1;
    for (; full > 0 && full < wanted && n < LIMIT_STORE_GROUP && left > 0; left = until - clock_mono_ms()) {
        handle_events(s, (int)left);
        size_t now = take_group(s, n);
        run_group(s, n, now, true);
        full += full_calls(s, n, now);
        n = now;
    }
    if (full > s->crowd || (full > 0 && left <= 0))
        s->crowd = full;
    return n;
}

static bool has_clients(const struct server *s) {
    for (const struct client *c = s->clients; c; c = c->next)
        if (!c->is_listener)
            return true;
    return false;
}

/* When a successor waits it leaves at once: the others send it what was not answered. Told to stop, it serves
 * those that are connected to their end: they stop, too, and need the store for it.
 */
static bool goes_on(struct server *s, int64_t patience_ms) {
    static int64_t until_ms;
    if (role_leaving())
        return false;
    if (!role_stopping())
        return true;
    int64_t now = clock_real_us() / 1000;
    if (until_ms == 0)
        until_ms = now + patience_ms;
    return has_clients(s) && now < until_ms;
}

static void serve(struct server *s, int64_t patience_ms) {
    size_t n = 0;
    while (goes_on(s, patience_ms)) {
        int timeout = n > 0 ? 0 : s->unsynced_since ? SYNC_WITHIN_MS / 3 : role_stopping() ? 50 : 1000;
        handle_events(s, timeout);
        n = take_group(s, 0);
        run_group(s, 0, n, true);
        n = gather(s, n);
        run_group(s, 0, n, false);
        drop_gone_clients(s);
        keep_promises(s);
    }
}

static bool open_server(struct server *s, const struct config *config, struct err *e) {
    static const enum store_role roles[] = {R_SMTPD, R_ROUTER, R_DELIVER, R_ARCHIVED, R_CLI};
    FREE_AUTO char *path = config_path(config, "data/store.db");
    FREE_AUTO char *run = config_path(config, "data/run/store");
    s->db = db_open_sqlite(path, config->store_sync, e);
    if (!s->db || !schema_migrate(s->db, e) || !file_mkdirs(run, 0700, e))
        return false;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->packet = mem_alloc(LIMIT_STORE_PACKET);
    for (size_t i = 0; i < LIMIT_STORE_GROUP; i++) {
        buf_init(&s->requests[i].args, LIMIT_STORE_PACKET);
        buf_init(&s->requests[i].out, LIMIT_STORE_PACKET - sizeof(struct wire_answer));
    }
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (!listen_on(s, config, roles[i], e))
            return false;
    return true;
}

static void close_server(struct server *s) {
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        free_client(c);
    }
    for (size_t i = 0; i < LIMIT_STORE_GROUP; i++) {
        buf_done(&s->requests[i].args);
        buf_done(&s->requests[i].out);
    }
    if (s->db) {
        db_sync(s->db);
        db_checkpoint(s->db);
    }
    db_close(&s->db);
    free(s->packet);
    if (s->epoll > 0)
        close(s->epoll);
}

int main(int argc, char **argv) {
    static const struct role_needs needs = {.name = "stored", .store_role = R_STORED};
    static struct server server;
    struct role role;
    struct err e;
    int status = 0;
    if (!role_start(argc, argv, &needs, &role, &status))
        return status;
    if (open_server(&server, role.config, &e)) {
        role_ready(&role);
        serve(&server, role.config->drain_timeout);
    } else {
        log_line(LOG_ERROR, "cannot-start", LOG_S("reason", e.text));
        status = err_info(e.code)->exit;
    }
    close_server(&server);
    role_end(&role);
    return status;
}
