/* notify.c: sd_notify(3) without libsystemd: one datagram a message.
 *
 * The sending socket is connected once and kept: a process that has locked itself in may open no other, and a
 * signal handler may use it. Who sent a datagram is what the kernel says (SO_PASSCRED), not what it claims.
 */
#include "net/notify.h"

#include "base/clock.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int out_fd = -1;

/* A path, or an abstract address whose first octet is NUL. */
static bool address_of(const char *text, struct sockaddr_un *un, socklen_t *ret_len) {
    size_t len = strlen(text);
    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len < 2 || len >= sizeof un->sun_path || (text[0] != '/' && text[0] != '@'))
        return false;
    memcpy(un->sun_path, text, len);
    bool abstract = text[0] == '@';
    if (abstract)
        un->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !abstract);
    return true;
}

void notify_open(void) {
    const char *where = getenv("NOTIFY_SOCKET");
    struct sockaddr_un un;
    socklen_t len;
    if (out_fd >= 0)
        mem_close_fd(&out_fd);
    if (!where || !address_of(where, &un, &len))
        return;
    out_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out_fd >= 0 && connect(out_fd, (const struct sockaddr *)&un, len) < 0)
        mem_close_fd(&out_fd);
}

void notify_send(const char *lines) {
    ssize_t ignored = out_fd >= 0 ? send(out_fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    (void)ignored;
}

void notify_reloading(void) {
    char text[64];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_real_us());
    notify_send(text);
}

int64_t notify_watchdog_ms(void) {
    const char *pid = getenv("WATCHDOG_PID");
    int64_t us, owner;
    if (!view_to_i64(view_of(getenv("WATCHDOG_USEC")), &us) || us <= 0)
        return 0;
    if (pid && (!view_to_i64(view_of(pid), &owner) || owner != getpid()))
        return 0;
    return us / 2000 > 0 ? us / 2000 : 1;
}

int notify_listen(struct err *e) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int one = 1, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* An address of the family's length alone: the kernel chooses an abstract one (unix(7), autobind). */
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0 &&
        bind(fd, (const struct sockaddr *)&un, sizeof un.sun_family) == 0)
        return fd;
    err_errno(e, ERR_SYSTEM, "cannot make the socket that roles report to");
    if (fd >= 0)
        close(fd);
    return -1;
}

bool notify_address(int fd, char ret_text[], size_t room) {
    struct sockaddr_un un;
    socklen_t len = sizeof un;
    size_t prefix = offsetof(struct sockaddr_un, sun_path);
    if (getsockname(fd, (struct sockaddr *)&un, &len) < 0 || len < prefix + 2 || un.sun_path[0] != '\0' ||
        len - prefix >= room)
        return false;
    memcpy(ret_text, un.sun_path, len - prefix);
    ret_text[0] = '@';
    ret_text[len - prefix] = '\0';
    return true;
}

bool notify_receive(int fd, char ret_text[], size_t room, pid_t *ret_pid) {
    struct iovec iov = {.iov_base = ret_text, .iov_len = room - 1};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control = {.bytes = {0}};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return false;
    ret_text[n] = '\0';
    *ret_pid = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(c), sizeof sender);
            *ret_pid = sender.pid;
        }
    return true;
}

view notify_value(view lines, const char *name) {
    size_t len = strlen(name);
    for (view line; view_split(&lines, '\n', &line);)
        if (view_starts_with(line, view_of(name)) && line.len > len && line.ptr[len] == '=')
            return view_skip(line, len + 1);
    return VIEW_NULL;
}
