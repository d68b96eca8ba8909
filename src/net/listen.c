/* listen.c: listening sockets, opened here or handed over by whoever started this process.
 *
 * The hand-over is the one of systemd (sd_listen_fds(3)): descriptors from 3 on, counted and named in the
 * environment, meant only for the process whose id LISTEN_PID gives. */
#include "net/listen.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3, HAND_OVER_MAX = 1024 };

static bool is_ipv6_any(const struct sockaddr_any *a) {
    struct sockaddr_in6 in6;
    memcpy(&in6, &a->storage, sizeof in6);
    return in6.sin6_family == AF_INET6 && memcmp(&in6.sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
}

static bool set_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static int open_socket(const struct sockaddr_any *a) {
    int family = a->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    /* A restarted role must get its port back while old connections linger in TIME_WAIT. */
    bool fine = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family == AF_INET6)
        fine = fine && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !is_ipv6_any(a));
    if (fine && bind(fd, (const struct sockaddr *)&a->storage, a->len) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    mem_close_fd(&fd);
    return -1;
}

int listen_open(const struct sockaddr_any *addr, struct err *e) {
    int fd = open_socket(addr);
    if (fd < 0 && is_ipv6_any(addr) && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        /* A kernel without IPv6: "*" then means every IPv4 address. */
        struct sockaddr_any ipv4;
        BUG_ON(!sockaddr_from_ip(VIEW("0.0.0.0"), sockaddr_port(addr), &ipv4, NULL));
        fd = open_socket(&ipv4);
    }
    if (fd < 0)
        err_errno(e, ERR_SYSTEM, "cannot listen on %s", sockaddr_format(addr).s);
    return fd;
}

static int64_t env_number(const char *name) {
    int64_t n;
    return view_to_i64(view_of(getenv(name)), &n) ? n : -1;
}

/* Texts tell two addresses apart, so equal texts are equal addresses. */
static bool is_bound_to(int fd, const struct sockaddr_any *addr) {
    struct sockaddr_any own = {.len = sizeof own.storage};
    return addr && getsockname(fd, (struct sockaddr *)&own.storage, &own.len) == 0 &&
           strcmp(sockaddr_format(&own).s, sockaddr_format(addr).s) == 0;
}

static bool is_taken(int fd) {
    int flags = fcntl(fd, F_GETFD);
    return flags < 0 || (flags & FD_CLOEXEC);
}

/* Of several descriptors with the name, the one bound to `addr`, else the first that was not taken yet (what
 * is handed over stays open over exec; taking it sets FD_CLOEXEC). */
static int find_named(view names, int end, const char *name, const struct sockaddr_any *addr) {
    int first = -1;
    view piece;
    for (int fd = FIRST_FD; fd < end && view_split(&names, ':', &piece); fd++) {
        if (!view_eq(piece, view_of(name)) || fcntl(fd, F_GETFD) < 0)
            continue;
        if (is_bound_to(fd, addr))
            return fd;
        if (first < 0 && !is_taken(fd))
            first = fd;
    }
    return first;
}

static int find_bound(int end, const struct sockaddr_any *addr, bool taken_too) {
    for (int fd = FIRST_FD; fd < end; fd++)
        if (is_bound_to(fd, addr) && (taken_too || !is_taken(fd)))
            return fd;
    return -1;
}

int listen_inherited(const char *name, const struct sockaddr_any *addr) {
    int64_t count = env_number("LISTEN_FDS");
    if (env_number("LISTEN_PID") != getpid() || count <= 0)
        return -1;
    int end = FIRST_FD + (int)(count < HAND_OVER_MAX ? count : HAND_OVER_MAX);
    view names = view_of(getenv("LISTEN_FDNAMES"));
    int fd = find_named(names, end, name, addr);
    if (fd < 0) /* no names, or those of systemd's units */
        fd = find_bound(end, addr, names.len == 0);
    int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -1;
    return fd;
}

/* First everything away from the target numbers, as one descriptor's target may be another one's place. The
 * copies close themselves at exec. What else lies on the target numbers is closed. */
static bool move_to_targets(const int *fds, size_t count) {
    int high[HAND_OVER_MAX];
    for (size_t i = 0; i < count; i++)
        if ((high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + (int)count)) < 0)
            return false;
    for (size_t i = 0; i < count; i++)
        if (dup2(high[i], FIRST_FD + (int)i) < 0) /* leaves FD_CLOEXEC clear */
            return false;
    return true;
}

/* "a:b". False when a name cannot be told from the separator. */
static bool join_names(const char *const *names, size_t count, struct buf *out) {
    for (size_t i = 0; i < count; i++) {
        if (names[i][0] == '\0' || strchr(names[i], ':'))
            return false;
        if (i > 0)
            buf_add_char(out, ':');
        buf_add_str(out, names[i]);
    }
    return !out->failed;
}

bool listen_hand_over(const int *fds, const char *const *names, size_t count, struct err *e) {
    struct buf joined = BUF_INIT(LIMIT_CONFIG_LINE);
    char pid[16], number[16];
    if (count > HAND_OVER_MAX || !join_names(names, count, &joined)) {
        buf_done(&joined);
        return err_set(e, ERR_USAGE, "these names of listening sockets cannot be handed over");
    }
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    snprintf(number, sizeof number, "%zu", count);
    bool fine = move_to_targets(fds, count) && setenv("LISTEN_PID", pid, 1) == 0 &&
                setenv("LISTEN_FDS", number, 1) == 0 && setenv("LISTEN_FDNAMES", joined.data, 1) == 0;
    if (!fine)
        err_errno(e, ERR_SYSTEM, "cannot hand over the listening sockets");
    buf_done(&joined);
    return fine;
}
