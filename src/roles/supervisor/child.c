/* child.c: starts a role's process. */
#include "roles/supervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/config.h"
#include "base/mem.h"
#include "net/listen.h"

const struct role_kind role_kinds[ROLE_KINDS] = {
    {.name = "stored", .sqlite_only = true, .drain_phase = DRAIN_STORE},
    {.name = "smtpd", .listens = true, .drain_phase = DRAIN_INTAKE},
    {.name = "router", .drain_phase = DRAIN_WORK},
    {.name = "deliver", .drain_phase = DRAIN_WORK},
    {.name = "archived", .drain_phase = DRAIN_WORK},
};

const struct role_kind *role_kind_find(const char *name) {
    for (size_t i = 0; i < ROLE_KINDS; i++)
        if (strcmp(role_kinds[i].name, name) == 0)
            return &role_kinds[i];
    return NULL;
}

static bool hand_over(const int *fds, const char *const *names, size_t count, struct err *e) {
    if (count > 0 && !listen_hand_over(fds, names, count, e))
        return false;
    if (count == 0) {
        unsetenv("LISTEN_FDNAMES");
        unsetenv("LISTEN_FDS"); /* what a supervisor above this one handed over is not for this role */
        unsetenv("LISTEN_PID");
    }
    return true;
}

/* In the new process; returns only when it cannot become the role. */
static void become(const struct child *c, const char *dir, const int *fds, const char *const *names,
                   size_t fd_count, pid_t parent) {
    struct err e = {.code = ERR_OK};
    sigset_t none;
    setpgid(0, 0); /* Ctrl-C in a terminal is for the supervisor, which knows the order */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died before that */
        return;
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
        return;
    if (!hand_over(fds, names, fd_count, &e)) {
        dprintf(STDERR_FILENO, "postroad: %s: %s\n", c->kind->name, e.text);
        return;
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char *const argv[] = {c->program, (char[]){"-C"}, mem_str(dir), NULL};
    execv(c->program, argv);
    dprintf(STDERR_FILENO, "postroad: cannot run %s: %s\n", c->program, strerrordesc_np(errno));
}

bool child_start(struct child *c, const char *dir, const int *fds, const char *const *names, size_t fd_count,
                 int64_t now_ms, struct err *e) {
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return err_errno(e, ERR_SYSTEM, "cannot start %s", c->kind->name);
    if (pid == 0) {
        become(c, dir, fds, names, fd_count, parent);
        _exit(err_info(ERR_SYSTEM)->exit);
    }
    c->pid = pid;
    c->started_ms = now_ms;
    c->restart_at_ms = CHILD_NEVER;
    c->term_ms = 0;
    c->killed = false;
    return true;
}
