/* sandbox_probe.c: in builds for tests a role that has locked itself in tries what it must not be able to do.
 * Release builds contain none of this. */
#include "roles/sandbox.h"

#ifdef POSTROAD_TEST_HOOKS

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "net/sockaddr.h"

static bool try_exec(const char *what) {
    char *argv[] = {(char[]){"true"}, NULL};
    (void)what;
    return execv("/bin/true", argv) == 0;
}

static bool try_socket(const char *what) {
    (void)what;
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool try_packet(const char *what) {
    (void)what;
    return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0;
}

static bool try_listen(const char *what) {
    (void)what;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sa_family_t family = AF_UNIX;
    return fd >= 0 && bind(fd, (const struct sockaddr *)&family, sizeof family) == 0 && listen(fd, 1) == 0;
}

static bool try_connect(const char *where) {
    struct sockaddr_any a;
    struct err e;
    if (!sockaddr_parse(view_of(where), &a, &e)) {
        errno = EINVAL;
        return false;
    }
    int fd = socket(a.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&a.storage, a.len) == 0;
}

static bool try_read(const char *path) {
    return open(path, O_RDONLY | O_CLOEXEC) >= 0;
}

static bool try_write(const char *path) {
    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0;
}

static bool try_unlink(const char *path) {
    return unlink(path) == 0;
}

static bool try_kill(const char *what) {
    (void)what;
    return kill(getppid(), 0) == 0;
}

static bool try_io_uring(const char *what) {
    char params[256] = {0};
    (void)what;
    return syscall(SYS_io_uring_setup, 1, params) >= 0;
}

static bool try_namespace(const char *what) {
    (void)what;
    return unshare(CLONE_NEWUSER) == 0;
}

static bool try_fork(const char *what) {
    (void)what;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

bool sandbox_probe(const char *what) {
    static const struct {
        const char *name;
        bool (*attempt)(const char *argument);
    } deeds[] = {
        {"exec", try_exec},     {"socket", try_socket},     {"packet", try_packet},
        {"listen", try_listen}, {"connect", try_connect},   {"read", try_read},
        {"write", try_write},   {"unlink", try_unlink},     {"kill", try_kill},
        {"fork", try_fork},     {"io_uring", try_io_uring}, {"namespace", try_namespace},
    };
    size_t len = strcspn(what, " ");
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        if (strlen(deeds[i].name) != len || strncmp(what, deeds[i].name, len) != 0)
            continue;
        bool could = deeds[i].attempt(what[len] ? what + len + 1 : "");
        printf("%s: %s\n", what, could ? "possible" : strerrorname_np(errno));
        fflush(stdout);
        return could;
    }
    printf("%s: no such deed\n", what);
    return true;
}

#else

bool sandbox_probe(const char *what) {
    (void)what;
    return true;
}

#endif
