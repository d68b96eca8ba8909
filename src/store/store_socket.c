/* store_socket.c: the way into the store through stored. Callers append to one list of requests without an
 * answer and send what is on it; one thread sends what they had to leave, takes answers, and when stored goes
 * away connects again and sends everything once more: operations are idempotent. A request fails only when
 * stored stays away for STORE_PATIENCE_MS. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_private.h"
#include "store/wire.h"

enum { SENDS_MAX = 3, PACKET_REQUESTS = 32 };

struct store_socket {
    struct store base;
    struct sockaddr_un addr;
    pthread_mutex_t lock;
    struct store_request *first, **last; /* without an answer, in order of number */
    struct store_request *unsent;        /* the first of them that was not sent, and with it all behind */
    uint64_t next_number;
    int fd; /* -1: not connected */
    int wake;
    bool stopping;
    pthread_t thread;
    char *packet; /* LIMIT_STORE_PACKET, the thread's own */
};

/* Under the lock: a packet of what was not sent. False when the socket takes no more now; a broken one is
 * noticed by the thread. */
static bool send_packet(struct store_socket *s) {
    struct wire_request heads[PACKET_REQUESTS];
    struct iovec iov[2 * PACKET_REQUESTS];
    size_t n = 0, bytes = 0;
    for (struct store_request *r = s->unsent; r && n < PACKET_REQUESTS; r = r->next, n++) {
        bytes += sizeof heads[n] + r->args.len;
        if (n > 0 && bytes > LIMIT_STORE_PACKET)
            break;
        heads[n] = (struct wire_request){
            .number = r->number, .op = r->op, .version = WIRE_VERSION, .len = (uint32_t)r->args.len};
        iov[2 * n] = (struct iovec){&heads[n], sizeof heads[n]};
        iov[2 * n + 1] = (struct iovec){r->args.data, r->args.len};
    }
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2 * n};
    if (s->fd < 0 || sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return false;
    for (; n > 0; n--, s->unsent = s->unsent->next)
        s->unsent->sends++;
    return true;
}

static bool send_unsent(struct store_socket *s) {
    while (s->unsent && send_packet(s))
        ;
    return !s->unsent;
}

static void wake_thread(struct store_socket *s) {
    uint64_t one = 1;
    ssize_t ignored = write(s->wake, &one, sizeof one);
    (void)ignored;
}

static void socket_submit(struct store *base, struct store_request *r) {
    struct store_socket *s = (struct store_socket *)base;
    pthread_mutex_lock(&s->lock);
    r->number = s->next_number++;
    r->next = NULL;
    r->sends = 0;
    r->deadline_ms = clock_real_us() / 1000 + STORE_PATIENCE_MS;
    bool refused = s->stopping;
    if (!refused) {
        *s->last = r;
        s->last = &r->next;
        if (!s->unsent)
            s->unsent = r;
    }
    pthread_mutex_unlock(&s->lock);
    if (refused)
        store_finish(r, ERR_STOPPING, err_info(ERR_STOPPING)->text);
}

static void socket_flush(struct store *base) {
    struct store_socket *s = (struct store_socket *)base;
    pthread_mutex_lock(&s->lock);
    bool all = send_unsent(s);
    pthread_mutex_unlock(&s->lock);
    if (!all)
        wake_thread(s);
}

static int connect_to(const struct sockaddr_un *addr) {
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    wire_set_buffers(fd);
    if (connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct store_request *unlink_request(struct store_socket *s, uint64_t number) {
    pthread_mutex_lock(&s->lock);
    struct store_request **at = &s->first, *found = NULL;
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    if ((found = *at)) {
        *at = found->next;
        if (!found->next)
            s->last = at;
        if (s->unsent == found)
            s->unsent = found->next;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

static void take_answer(struct store_socket *s, const struct wire_answer *head, view results) {
    struct store_request *r = unlink_request(s, head->number);
    if (!r)
        return; /* failed meanwhile, or answered twice after a reconnection */
    if (head->code == ERR_OK)
        buf_add(&r->out, results);
    if (head->code == ERR_OK && r->out.failed)
        store_finish(r, ERR_LIMIT, "the answer of the store is too large");
    else if (head->code == ERR_OK)
        r->done(r);
    else
        err_set(&r->err, head->code < ERR_CODES ? head->code : ERR_STORE, "%.*s", VIEW_ARG(results)),
            r->done(r);
}

/* Read all that is there; false when the connection is gone. */
static bool take_answers(struct store_socket *s) {
    for (;;) {
        ssize_t n = recv(s->fd, s->packet, LIMIT_STORE_PACKET, MSG_DONTWAIT);
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        view packet = view_from(s->packet, (size_t)n), results;
        for (struct wire_answer head; wire_take_answer(&packet, &head, &results);)
            take_answer(s, &head, results);
    }
}

static void disconnect(struct store_socket *s) {
    pthread_mutex_lock(&s->lock);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->unsent = s->first;
    int64_t patience = clock_real_us() / 1000 + STORE_PATIENCE_MS;
    for (struct store_request *r = s->first; r; r = r->next)
        r->deadline_ms = r->sends < SENDS_MAX ? patience : 0; /* it may be what stored dies of */
    pthread_mutex_unlock(&s->lock);
}

/* Fail the requests whose patience has run out, or all of them. */
static void fail_requests(struct store_socket *s, int64_t now, enum err_code code, const char *text) {
    for (;;) {
        pthread_mutex_lock(&s->lock);
        struct store_request *r = s->first;
        while (r && now != 0 && r->deadline_ms > now)
            r = r->next;
        uint64_t number = r ? r->number : 0;
        pthread_mutex_unlock(&s->lock);
        if (!number || !(r = unlink_request(s, number)))
            return;
        store_finish(r, code, text);
    }
}

static void wait_for_stored(struct store_socket *s) {
    int fd = connect_to(&s->addr);
    if (fd < 0) {
        fail_requests(s, clock_real_us() / 1000, ERR_STORE, "the store does not answer");
        struct pollfd p = {.fd = -1};
        poll(&p, 1, 20);
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->fd = fd;
    pthread_mutex_unlock(&s->lock);
}

static bool is_stopping(struct store_socket *s) {
    pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

static void *run(void *arg) {
    struct store_socket *s = arg;
    while (!is_stopping(s)) {
        if (s->fd < 0) {
            wait_for_stored(s);
            continue;
        }
        pthread_mutex_lock(&s->lock);
        short out = send_unsent(s) ? 0 : POLLOUT;
        pthread_mutex_unlock(&s->lock);
        struct pollfd p[2] = {{.fd = s->fd, .events = (short)(POLLIN | out)},
                              {.fd = s->wake, .events = POLLIN}};
        poll(p, 2, -1);
        uint64_t count;
        ssize_t ignored = p[1].revents ? read(s->wake, &count, sizeof count) : 0;
        (void)ignored;
        if ((p[0].revents & (POLLIN | POLLHUP | POLLERR)) && !take_answers(s)) {
            disconnect(s);
            fail_requests(s, clock_real_us() / 1000, ERR_STORE, "the store did not answer, three times");
        }
    }
    fail_requests(s, 0, ERR_STOPPING, err_info(ERR_STOPPING)->text);
    return NULL;
}

static void socket_close(struct store *base) {
    struct store_socket *s = (struct store_socket *)base;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_mutex_unlock(&s->lock);
    wake_thread(s);
    pthread_join(s->thread, NULL);
    if (s->fd >= 0)
        close(s->fd);
    close(s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s->packet);
    free(s);
}

struct store *store_open_socket(const struct config *c, enum store_role role, int64_t patience_ms,
                                struct err *e) {
    struct sockaddr_un addr;
    if (!wire_address(c, role, &addr, e))
        return NULL;
    int fd;
    for (int64_t waited = 0; (fd = connect_to(&addr)) < 0 && waited < patience_ms; waited += 20) {
        struct timespec pause = {.tv_nsec = 20000000};
        nanosleep(&pause, NULL);
    }
    if (fd < 0) {
        err_errno(e, ERR_STORE, "no store at %s (is stored running?)", addr.sun_path);
        return NULL;
    }
    struct store_socket *s = mem_alloc(sizeof *s);
    s->base = (struct store){.submit = socket_submit, .flush = socket_flush, .close = socket_close};
    s->addr = addr;
    s->fd = fd;
    s->last = &s->first;
    s->next_number = 1;
    s->packet = mem_alloc(LIMIT_STORE_PACKET);
    s->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&s->lock, NULL);
    BUG_ON(s->wake < 0 || pthread_create(&s->thread, NULL, run, s) != 0);
    return &s->base;
}
