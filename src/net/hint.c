/* hint.c: wake-ups between roles over datagram sockets.
 *
 * A hint says nothing but "look": one octet, no answer, no queue worth keeping. A receiver that is gone or
 * whose socket is full costs the sender nothing, since everybody looks by himself every 2 s anyway. The
 * socket's file stays when a role ends: removing it could take away the ear of its successor. */
#include "net/hint.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HINT_FOLDER "data/run/hint"
enum {
    DRAIN_MAX = 1024, /* more than a socket queues; nobody can keep a waiter draining */
    FOLDER_MODE = 0770,
    SOCKET_MODE = 0660
};

struct hint {
    int fd;
    int interrupt_fd;
};

/* A socket's address takes 107 octets of path. A deeper instance is reached through an open folder, which
 * *ret_folder holds for as long as the address is used. */
static bool role_address(const char *dir, const char *role, struct sockaddr_un *un, int *ret_folder) {
    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(un->sun_path, sizeof un->sun_path, "%s/" HINT_FOLDER "/%s", dir, role);
    if (len > 0 && (size_t)len < sizeof un->sun_path)
        return true;
    FREE_AUTO char *folder = mem_printf("%s/" HINT_FOLDER, dir);
    *ret_folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*ret_folder < 0)
        return false;
    len = snprintf(un->sun_path, sizeof un->sun_path, "/proc/self/fd/%d/%s", *ret_folder, role);
    errno = ENAMETOOLONG;
    return len > 0 && (size_t)len < sizeof un->sun_path;
}

/* What an ended role left there goes first: bind(2) takes no path that exists. */
static bool bind_role(int fd, const char *dir, const char *role) {
    CLOSE_AUTO int folder = -1;
    struct sockaddr_un un;
    if (!role_address(dir, role, &un, &folder) || (unlink(un.sun_path) < 0 && errno != ENOENT))
        return false;
    return bind(fd, (const struct sockaddr *)&un, sizeof un) == 0 && chmod(un.sun_path, SOCKET_MODE) == 0;
}

struct hint *hint_open(const char *dir, const char *role, struct err *e) {
    FREE_AUTO char *folder = mem_printf("%s/" HINT_FOLDER, dir);
    if (!file_mkdirs(folder, FOLDER_MODE, e))
        return NULL;
    struct hint *h = mem_alloc(sizeof *h);
    h->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    h->interrupt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (h->fd < 0 || h->interrupt_fd < 0 || !bind_role(h->fd, dir, role)) {
        err_errno(e, ERR_SYSTEM, "cannot listen for hints on %s/%s", folder, role);
        hint_close(&h);
    }
    return h;
}

void hint_close(struct hint **h) {
    if (!*h)
        return;
    mem_close_fd(&(*h)->fd);
    mem_close_fd(&(*h)->interrupt_fd);
    free(*h);
    *h = NULL;
}

static bool drain(int fd) {
    char octet;
    int taken = 0;
    while (taken < DRAIN_MAX && recv(fd, &octet, sizeof octet, MSG_DONTWAIT) >= 0)
        taken++;
    return taken > 0;
}

bool hint_wait(struct hint *h, int timeout_ms) {
    struct pollfd fds[] = {{.fd = h->fd, .events = POLLIN}, {.fd = h->interrupt_fd, .events = POLLIN}};
    int64_t end_us = clock_real_us() + (int64_t)timeout_ms * 1000;
    for (;;) {
        int64_t left_us = end_us - clock_real_us();
        int n = poll(fds, 2, left_us > 0 ? (int)((left_us + 999) / 1000) : 0);
        if (n < 0 && errno == EINTR)
            continue; /* a signal that means this wait calls hint_interrupt */
        uint64_t times;
        if (read(h->interrupt_fd, &times, sizeof times) < 0)
            BUG_ON(errno != EAGAIN && errno != EINTR);
        return drain(h->fd);
    }
}

void hint_interrupt(struct hint *h) {
    int saved = errno; /* the code a signal interrupts may be about to read it */
    uint64_t one = 1;
    ssize_t n = write(h->interrupt_fd, &one, sizeof one);
    (void)n; /* full means: it will end anyway */
    errno = saved;
}

/* One for the life of the process: smtpd gives a hint for each message. */
static int sending_socket(void) {
    static _Atomic int kept = -1;
    int fd = atomic_load(&kept), none = -1;
    if (fd >= 0)
        return fd;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || atomic_compare_exchange_strong(&kept, &none, fd))
        return fd;
    close(fd); /* another thread was first */
    return none;
}

void hint_send(const char *dir, const char *role) {
    CLOSE_AUTO int folder = -1;
    int fd = sending_socket();
    struct sockaddr_un un;
    if (fd < 0 || !role_address(dir, role, &un, &folder))
        return;
    ssize_t n = sendto(fd, "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&un, sizeof un);
    (void)n;
}
