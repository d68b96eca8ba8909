/* notify_test.c: what is sent arrives, from whom the kernel says, over a path and an abstract address. */
#include "testing/unit.h"

#include "base/mem.h"
#include "net/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 256 };

static void reaches_the_abstract_socket(void **state) {
    (void)state;
    char address[ROOM], text[ROOM];
    struct err e;
    pid_t from = 0;
    int fd = notify_listen(&e);
    assert_true(fd >= 0 && notify_address(fd, address, sizeof address));
    assert_int_equal(address[0], '@');
    assert_false(notify_receive(fd, text, sizeof text, &from));
    setenv("NOTIFY_SOCKET", address, 1);
    pid_t child = fork();
    if (child == 0) {
        notify_open();
        notify_send("READY=1\nSTATUS=fine");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    assert_true(notify_receive(fd, text, sizeof text, &from));
    assert_int_equal(from, child);
    assert_string_equal(text, "READY=1\nSTATUS=fine");
    close(fd);
}

static void reaches_a_path(void **state) {
    (void)state;
    char folder[] = "/tmp/notify-XXXXXX", text[ROOM];
    assert_non_null(mkdtemp(folder));
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s/s", folder);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    setenv("NOTIFY_SOCKET", un.sun_path, 1);
    notify_open();
    notify_reloading();
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    view got = view_from(text, (size_t)n);
    assert_true(view_eq(notify_value(got, "RELOADING"), VIEW("1")));
    int64_t us;
    assert_true(view_to_i64(notify_value(got, "MONOTONIC_USEC"), &us) && us > 0);
    close(fd);
    unlink(un.sun_path);
    rmdir(folder);
}

static void nobody_listens(void **state) {
    (void)state;
    static const char *const where[] = {"/nowhere/at/all", "@postroad-no-such-socket", "relative", "", "@"};
    for (size_t i = 0; i < COUNT(where); i++) {
        setenv("NOTIFY_SOCKET", where[i], 1);
        notify_open();
        notify_send("READY=1");
    }
    unsetenv("NOTIFY_SOCKET");
    notify_open();
    notify_send("READY=1");
}

static void values(void **state) {
    (void)state;
    view v = VIEW("READY=1\nREADYISH=2\nSTATUS=a=b\nEMPTY=");
    assert_true(view_eq(notify_value(v, "READY"), VIEW("1")));
    assert_true(view_eq(notify_value(v, "READYISH"), VIEW("2")));
    assert_true(view_eq(notify_value(v, "STATUS"), VIEW("a=b")));
    assert_int_equal(notify_value(v, "EMPTY").len, 0);
    assert_null(notify_value(v, "REA").ptr);
}

static void watchdog(void **state) {
    (void)state;
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "3000000", 1);
    assert_int_equal(notify_watchdog_ms(), 1500);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_ms(), 1500);
    setenv("WATCHDOG_USEC", "rubbish", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_the_abstract_socket),
        cmocka_unit_test(reaches_a_path),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(values),
        cmocka_unit_test(watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
