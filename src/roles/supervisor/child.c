/* child.c: starts a role's process. */
#include "roles/supervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "net/listen.h"

enum { TRY_LOOK_MS = 10 };

const struct role_kind role_kinds[ROLE_KINDS] = {
    {.name = "stored", .sqlite_only = true, .drain_phase = DRAIN_STORE},
    {.name = "smtpd", .listens = true, .drain_phase = DRAIN_INTAKE},
    {.name = "router", .drain_phase = DRAIN_WORK},
    {.name = "deliver", .drain_phase = DRAIN_WORK},
    {.name = "archived", .drain_phase = DRAIN_WORK},
    {.name = "httpd", .listens = true, .http_only = true, .drain_phase = DRAIN_INTAKE},
};

const struct role_kind *role_kind_find(const char *name) {
    for (size_t i = 0; i < ROLE_KINDS; i++)
        if (strcmp(role_kinds[i].name, name) == 0)
            return &role_kinds[i];
    return NULL;
}

/* What this process got from above is not for the role: it gets its own. */
static bool hand_over(const struct child *c, const struct child_gift *gift, struct err *e) {
    static const char *const mine[] = {"LISTEN_FDNAMES", "LISTEN_FDS",   "LISTEN_PID",
                                       "WATCHDOG_USEC",  "WATCHDOG_PID", "NOTIFY_SOCKET"};
    for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++)
        unsetenv(mine[i]);
    if (setenv("NOTIFY_SOCKET", gift->notify, 1) < 0)
        return err_errno(e, ERR_SYSTEM, "cannot set NOTIFY_SOCKET");
    return !c->kind->listens || ports_hand_over(gift->ports, e);
}

static bool no_input(void) {
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0;
}

/* In the new process; returns only when it cannot become the role. */
static void become(const struct child *c, const struct child_gift *gift, pid_t parent) {
    struct err e = {.code = ERR_OK};
    sigset_t none;
    setpgid(0, 0); /* Ctrl-C in a terminal is for the supervisor, which knows the order */
    bool ok = user_become(gift->user, &e);
    prctl(PR_SET_PDEATHSIG, SIGTERM);       /* after the change of user, which takes it back */
    if (getppid() != parent || !no_input()) /* it died before that */
        return;
    if (!ok || !hand_over(c, gift, &e)) {
        dprintf(STDERR_FILENO, "postroad: %s: %s\n", c->kind->name, e.text);
        return;
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char *const argv[] = {c->program, (char[]){"-C"}, mem_str(gift->dir), NULL};
    execv(c->program, argv);
    dprintf(STDERR_FILENO, "postroad: cannot run %s: %s\n", c->program, strerrordesc_np(errno));
}

pid_t child_spawn(const struct child *c, const struct child_gift *gift, struct err *e) {
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        err_errno(e, ERR_SYSTEM, "cannot start %s", c->kind->name);
    if (pid == 0) {
        become(c, gift, parent);
        _exit(err_info(ERR_SYSTEM)->exit);
    }
    return pid;
}

bool child_start(struct child *c, const struct child_gift *gift, int64_t now_ms, struct err *e) {
    pid_t pid = child_spawn(c, gift, e);
    if (pid < 0)
        return false;
    c->pid = pid;
    c->started_ms = now_ms;
    c->restart_at_ms = CHILD_NEVER;
    c->term_ms = 0;
    c->killed = c->ready = c->reloads = c->reloading = false;
    return true;
}

static void become_trial(char *const argv[]) {
    sigset_t none;
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (!no_input() || null_fd < 0 || dup2(null_fd, STDOUT_FILENO) < 0)
        return;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "postroad: cannot run %s: %s\n", argv[0], strerrordesc_np(errno));
}

bool child_try(char *const argv[], int64_t timeout_ms, struct err *e) {
    int status = 0;
    pid_t pid = fork(), got = 0;
    if (pid < 0)
        return err_errno(e, ERR_SYSTEM, "cannot start %s", argv[0]);
    if (pid == 0) {
        become_trial(argv);
        _exit(err_info(ERR_SYSTEM)->exit);
    }
    int64_t until = clock_real_us() / 1000 + timeout_ms;
    while ((got = waitpid(pid, &status, WNOHANG)) == 0 && clock_real_us() / 1000 < until)
        poll(NULL, 0, TRY_LOOK_MS);
    if (got == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return err_set(e, ERR_SYSTEM, "%.150s does not end", argv[0]);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    return err_set(e, ERR_SYSTEM, "%.150s does not start here: it ended with %s %d", argv[0],
                   WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}
