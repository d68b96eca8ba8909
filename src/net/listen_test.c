/* listen_test.c: sockets that listen, and their way into another program.
 *
 * The hand-over is tested as it is used: fork, listen_hand_over, exec. The program executed is this one; its
 * first argument says what it shall find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/listen.h"

static struct sockaddr_any address(const char *text) {
    struct sockaddr_any a;
    assert_true(sockaddr_parse(view_of(text), &a, NULL));
    return a;
}

static struct sockaddr_any bound_address(int fd) {
    struct sockaddr_any a = {.len = sizeof a.storage};
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a.storage, &a.len), 0);
    return a;
}

static int open_listener(const char *text) {
    struct sockaddr_any a = address(text);
    struct err e = {0};
    int fd = listen_open(&a, &e);
    if (fd < 0)
        fail_msg("%s", e.text);
    return fd;
}

static bool can_connect(const struct sockaddr_any *to) {
    int fd = socket(to->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool fine = connect(fd, (const struct sockaddr *)&to->storage, to->len) == 0;
    close(fd);
    return fine;
}

static void flags_and_accept(void **state) {
    (void)state;
    int fd = open_listener("127.0.0.1:0");
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(accept(fd, NULL, NULL), -1); /* at once: non-blocking */
    struct sockaddr_any a = bound_address(fd);
    assert_true(can_connect(&a));
    int peer = accept(fd, NULL, NULL);
    assert_true(peer >= 0);
    close(peer);
    close(fd);
}

static void taken(void **state) {
    (void)state;
    int fd = open_listener("127.0.0.1:0");
    struct sockaddr_any a = bound_address(fd);
    struct err e = {0};
    assert_int_equal(listen_open(&a, &e), -1);
    assert_int_equal(e.code, ERR_SYSTEM);
    assert_non_null(strstr(e.text, sockaddr_format(&a).s));
    close(fd);
    fd = listen_open(&a, &e); /* free again */
    assert_true(fd >= 0);
    close(fd);
}

static bool has_ipv6(void) {
    struct sockaddr_any a = address("[::1]:0");
    int fd = listen_open(&a, NULL);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* "*" takes both families, another IPv6 address does not stand in the way of IPv4's. */
static void both_families(void **state) {
    (void)state;
    int fd = open_listener("*:0");
    struct sockaddr_any to = bound_address(fd);
    int port = sockaddr_port(&to);
    assert_true(sockaddr_from_ip(VIEW("127.0.0.1"), port, &to, NULL));
    assert_true(can_connect(&to));
    if (has_ipv6()) {
        assert_true(sockaddr_from_ip(VIEW("::1"), port, &to, NULL));
        assert_true(can_connect(&to));
    }
    close(fd);
}

static void ipv6_only(void **state) {
    (void)state;
    if (!has_ipv6())
        skip();
    int fd = open_listener("[::1]:0"), on = 0;
    socklen_t len = sizeof on;
    assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, &len), 0);
    assert_int_equal(on, 1);
    close(fd);
}

/* Run this program again with the descriptors handed over; it ends with 0 when it found what `mode` says. */
static void hand_over(const int *fds, const char *const *names, size_t count, const char *mode) {
    char first[64], second[64];
    struct sockaddr_any a = bound_address(fds[0]), b = bound_address(fds[1]);
    snprintf(first, sizeof first, "%s", sockaddr_format(&a).s);
    snprintf(second, sizeof second, "%s", sockaddr_format(&b).s);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (listen_hand_over(fds, names, count, NULL))
            execl("/proc/self/exe", "listen-test", mode, first, second, (char *)NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_null(getenv("LISTEN_FDS")); /* nothing has changed here */
}

static void over_exec(void **state) {
    (void)state;
    static const char *const names[] = {"smtp", "lmtp"};
    int a = open_listener("127.0.0.1:0"), b = open_listener("127.0.0.1:0");
    hand_over((int[]){a, b}, names, 2, "names");
    hand_over((int[]){b, a}, names, 2, "names");
    hand_over((int[]){a, b}, names, 2, "addresses");
    hand_over((int[]){a, b}, names, 2, "other-process");
    hand_over((int[]){a, b}, names, 2, "nonsense");
    hand_over((int[]){a, b}, names, 2, "unit-names");
    static const char *const same[] = {"smtp", "smtp"};
    hand_over((int[]){a, b}, same, 2, "same-name");
    close(a);
    close(b);
}

/* The descriptors lie on each other's targets, in the child of a child, where 3 and 4 may be lost. */
static void overlapping(void **state) {
    (void)state;
    static const char *const names[] = {"smtp", "lmtp"};
    int a = open_listener("127.0.0.1:0"), b = open_listener("127.0.0.1:0");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int a_high = fcntl(a, F_DUPFD_CLOEXEC, 20), b_high = fcntl(b, F_DUPFD_CLOEXEC, 20);
        struct sockaddr_any first = bound_address(a), second = bound_address(b);
        dup3(a_high, 4, O_CLOEXEC);
        dup3(b_high, 3, O_CLOEXEC);
        if (listen_hand_over((int[]){4, 3}, names, 2, NULL))
            execl("/proc/self/exe", "listen-test", "names", sockaddr_format(&first).s,
                  sockaddr_format(&second).s, (char *)NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(a);
    close(b);
}

static void wrong_names(void **state) {
    (void)state;
    struct err e = {0};
    int fd = open_listener("127.0.0.1:0");
    assert_false(listen_hand_over(&fd, (const char *const[]){"a:b"}, 1, &e));
    assert_int_equal(e.code, ERR_USAGE);
    assert_false(listen_hand_over(&fd, (const char *const[]){""}, 1, &e));
    assert_null(getenv("LISTEN_FDS"));
    close(fd);
}

static void nothing_inherited(void **state) {
    (void)state;
    struct sockaddr_any a = address("127.0.0.1:25");
    assert_int_equal(listen_inherited("smtp", &a), -1);
}

/* The executed side. Every step that fails ends with its own status. */

static bool listens_on(int fd, const char *text) {
    struct sockaddr_any a = {.len = sizeof a.storage};
    int accepting = 0;
    socklen_t len = sizeof accepting;
    return getsockname(fd, (struct sockaddr *)&a.storage, &a.len) == 0 &&
           strcmp(sockaddr_format(&a).s, text) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &len) == 0 && accepting == 1 &&
           (fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static int executed(const char *mode, const char *first, const char *second) {
    struct sockaddr_any a, b;
    if (!sockaddr_parse(view_of(first), &a, NULL) || !sockaddr_parse(view_of(second), &b, NULL))
        return 10;
    /* Only the two targets have passed exec. */
    if (fcntl(3, F_GETFD) != 0 || fcntl(4, F_GETFD) != 0 || fcntl(5, F_GETFD) != -1)
        return 11;
    if (strcmp(mode, "names") == 0) {
        if (!listens_on(listen_inherited("smtp", NULL), first) ||
            !listens_on(listen_inherited("lmtp", &a), second))
            return 12;
        return listen_inherited("imap", &a) == -1 ? 0 : 13;
    }
    if (strcmp(mode, "same-name") == 0)
        return listens_on(listen_inherited("smtp", &b), second) &&
                       listens_on(listen_inherited("smtp", &a), first)
                   ? 0
                   : 14;
    if (strcmp(mode, "addresses") == 0) {
        unsetenv("LISTEN_FDNAMES");
        if (!listens_on(listen_inherited("any", &b), second) ||
            !listens_on(listen_inherited("any", &a), first))
            return 15;
        return sockaddr_parse(VIEW("127.0.0.1:1"), &a, NULL) && listen_inherited("smtp", &a) == -1 ? 0 : 16;
    }
    if (strcmp(mode, "other-process") == 0) {
        setenv("LISTEN_PID", "1", 1);
        return listen_inherited("smtp", &a) == -1 ? 0 : 17;
    }
    if (strcmp(mode, "unit-names") == 0) { /* what systemd gives when FileDescriptorName= is not set */
        setenv("LISTEN_FDNAMES", "postroad.socket:postroad.socket", 1);
        if (!listens_on(listen_inherited("smtp", &b), second) ||
            !listens_on(listen_inherited("lmtp", &a), first))
            return 20;
        return listen_inherited("imap", &a) == -1 ? 0 : 21; /* that one is taken */
    }
    if (!sockaddr_parse(VIEW("127.0.0.1:1"), &a, NULL))
        return 10;
    setenv("LISTEN_FDNAMES", "x:y:smtp:lmtp", 1); /* more names and numbers than descriptors */
    setenv("LISTEN_FDS", "99999999999", 1);
    if (listen_inherited("smtp", &a) != -1)
        return 18;
    setenv("LISTEN_FDS", "-2", 1);
    return listen_inherited("x", &a) == -1 ? 0 : 19;
}

int main(int argc, char **argv) {
    if (argc == 4)
        return executed(argv[1], argv[2], argv[3]);
    close_range(3, ~0u, 0); /* what this program was started with would be taken for leaks */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_accept), cmocka_unit_test(taken),
        cmocka_unit_test(both_families),    cmocka_unit_test(ipv6_only),
        cmocka_unit_test(over_exec),        cmocka_unit_test(overlapping),
        cmocka_unit_test(wrong_names),      cmocka_unit_test(nothing_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
