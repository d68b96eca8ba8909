/* unit.h: what every unit test starts with: cmocka in its order, and checks that name the row that failed.
 *
 * Tests are tables of rows where they can be; check() prints the row, so that a failure says which one. */
#ifndef TESTING_UNIT_H
#define TESTING_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/view.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A view in a table: octets of a literal, NUL among them. */
#define OCTETS(literal)                                                                                      \
    { "" literal, sizeof(literal) - 1 }

/* assert_true() with a text of one's own: check(ok, "row %zu: %s", i, what). */
#define check(condition, ...)                                                                                \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_msg(__VA_ARGS__);                                                                           \
    } while (0)

/* The view holds exactly the octets of the C string. */
#define assert_view(v, text)                                                                                 \
    do {                                                                                                     \
        view unit_got = (v);                                                                                 \
        check(view_eq(unit_got, view_of(text)), "got \"%.*s\" (%zu octets), expected \"%s\"",                \
              VIEW_ARG(unit_got), unit_got.len, (text));                                                     \
    } while (0)

/* True when the function aborts, as BUG_ON() does; it runs in a process of its own. */
static inline bool unit_aborts(void (*function)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        signal(SIGABRT, SIG_DFL); /* cmocka would catch it */
        function();
        _exit(0);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* Makes a folder for this test and goes into it; files are named without a path then. */
static inline int unit_enter_folder(void **state) {
    const char *base = getenv("TMPDIR");
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/postroad-unit-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(name) || chdir(name) < 0)
        return -1;
    *state = strdup(name);
    return 0;
}

/* Removes it with all that is in it. */
static inline int unit_leave_folder(void **state) {
    char *name = *state;
    pid_t pid = chdir("/") == 0 ? fork() : -1;
    if (pid == 0) {
        execlp("rm", "rm", "-rf", "--", name, (char *)NULL);
        _exit(127);
    }
    free(name);
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

#endif
