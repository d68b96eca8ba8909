/* supervisor.c: the process behind `postroad run`.
 *
 * Trusts: the configuration. May touch: ports, DIR/data/run/supervisor.pid, its own children. Never: mail or
 * network data; it opens listening sockets and never accepts from them. When it dies: the kernel asks every
 * role to stop (PR_SET_PDEATHSIG), they drain as on SIGTERM, and mail waits.
 *
 * One thread, one loop: start what is due, move the drain on, wait for the next signal or moment. Signals are
 * blocked and fetched with sigtimedwait, so no handler runs and none is missed. */
#include "roles/supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listen.h"
#include "roles/supervisor/child.h"

enum {
    KILL_AFTER_MS = 5000,  /* behind drain_timeout */
    PORT_RETRY_MS = 50,    /* while roles of a supervisor that was killed still hold a port */
    START_RETRY_MS = 1000, /* when fork fails */
    PID_FILE_MODE = 0644,
    EX_CONFIG_STATUS = 78, /* sysexits.h, for roles that are not ours */
};

struct supervisor {
    const struct config *config;
    struct child children[ROLE_KINDS];
    size_t count;
    int fds[2 * LIMIT_LIST_SETTING];
    const char *fd_names[2 * LIMIT_LIST_SETTING]; /* smtp, lmtp */
    size_t fd_count;
    int pid_fd;
    bool locked;
    bool unclean; /* the supervisor before us was killed */
    sigset_t signals, before;
    bool draining;
    int status;
};

static int64_t now_ms(void) {
    return clock_real_us() / 1000;
}

/* -- beginning */

static bool is_named(const char *const *roles, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(roles[i], name) == 0)
            return true;
    return count == 0;
}

static bool check_names(const char *const *roles, size_t count, bool sqlite, struct err *e) {
    for (size_t i = 0; i < count; i++) {
        const struct role_kind *kind = role_kind_find(roles[i]);
        if (!kind)
            return err_set(e, ERR_USAGE,
                           "no role %.60s: stored, smtpd, router, deliver or archived is wanted", roles[i]);
        if (kind->sqlite_only && !sqlite)
            return err_set(e, ERR_USAGE, "%s is only for store = sqlite: PostgreSQL needs none", kind->name);
    }
    return true;
}

/* Where the roles' executables are: where POSTROAD_LIBEXEC says, else beside this program (a build folder),
 * else where they are installed. Caller frees. */
static char *libexec_folder(void) {
    static const char *const places[] = {"", "/../libexec/postroad"};
    const char *given = getenv("POSTROAD_LIBEXEC");
    if (given && *given)
        return mem_str(given);
    FREE_AUTO char *self = realpath("/proc/self/exe", NULL);
    char *slash = self ? strrchr(self, '/') : NULL;
    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++) {
        char *folder = mem_printf("%s%s", self, places[i]);
        FREE_AUTO char *probe = mem_printf("%s/postroad-%s", folder, role_kinds[0].name);
        if (access(probe, X_OK) == 0)
            return folder;
        free(folder);
    }
    return mem_str("/usr/libexec/postroad");
}

static bool choose_children(struct supervisor *s, const char *const *roles, size_t count, struct err *e) {
    bool sqlite = strcmp(s->config->store, "sqlite") == 0;
    if (!check_names(roles, count, sqlite, e))
        return false;
    FREE_AUTO char *folder = libexec_folder();
    for (size_t i = 0; i < ROLE_KINDS; i++) {
        const struct role_kind *kind = &role_kinds[i];
        if (kind->sqlite_only ? !sqlite : !is_named(roles, count, kind->name))
            continue;
        struct child *c = &s->children[s->count++];
        *c = (struct child){.kind = kind, .program = mem_printf("%s/postroad-%s", folder, kind->name)};
        if (access(c->program, X_OK) < 0)
            return err_errno(e, ERR_CONFIG, "the program of the role %s cannot be run: %s", kind->name,
                             c->program);
    }
    return true;
}

/* The lock, not the file, says that the instance runs; the number in it is for people. A file that still has
 * one while nobody holds the lock is from a supervisor that was killed. */
static bool take_pid_file(struct supervisor *s, struct err *e) {
    FREE_AUTO char *run = config_path(s->config, "data/run");
    FREE_AUTO char *path = mem_printf("%s/supervisor.pid", run);
    char text[32] = "";
    if (!file_mkdirs(run, 0750, e))
        return false;
    s->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, PID_FILE_MODE);
    if (s->pid_fd < 0)
        return err_errno(e, ERR_IO, "cannot open %s", path);
    ssize_t len = pread(s->pid_fd, text, sizeof text - 1, 0);
    view pid = view_trim(view_from(text, len > 0 ? (size_t)len : 0));
    if (flock(s->pid_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_errno(e, ERR_IO, "cannot lock %s", path);
        return err_set(e, ERR_EXISTS, "%.120s runs already, as process %.*s: stop that one first",
                       s->config->dir, VIEW_ARG(pid));
    }
    s->locked = true;
    s->unclean = pid.len > 0;
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(s->pid_fd, 0) < 0 || pwrite(s->pid_fd, text, (size_t)n, 0) != n)
        return err_errno(e, ERR_IO, "cannot write %s", path);
    return true;
}

static void take_signals(struct supervisor *s) {
    static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    sigemptyset(&s->signals);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        sigaddset(&s->signals, wanted[i]);
    sigprocmask(SIG_BLOCK, &s->signals, &s->before);
    /* An ignored SIGCHLD, inherited from whoever started us, would take the exit statuses away. */
    signal(SIGCHLD, SIG_DFL);
}

/* 0: none came within the time. */
static int wait_for_signal(const struct supervisor *s, int64_t most_ms) {
    struct timespec wait = {.tv_sec = most_ms / 1000, .tv_nsec = most_ms % 1000 * 1000000};
    int number = sigtimedwait(&s->signals, NULL, most_ms == CHILD_NEVER ? NULL : &wait);
    return number > 0 ? number : 0;
}

/* Handed over by whoever started us (systemd), else our own. After a killed supervisor its smtpd may hold the
 * port until it has drained. */
static int open_port(struct supervisor *s, const char *name, const struct sockaddr_any *addr,
                     int64_t patience_ms, struct err *e) {
    int fd = listen_inherited(name, addr);
    int64_t until = now_ms() + patience_ms;
    while (fd < 0) {
        fd = listen_open(addr, e);
        if (fd >= 0 || now_ms() >= until)
            break;
        int number = wait_for_signal(s, PORT_RETRY_MS);
        if (number == SIGTERM || number == SIGINT) {
            err_set(e, ERR_STOPPING, "stopped while waiting for %s", sockaddr_format(addr).s);
            break;
        }
    }
    return fd;
}

static bool open_list(struct supervisor *s, const char *name, const struct config_list *list,
                      int64_t patience, struct err *e) {
    for (size_t i = 0; i < list->count; i++) {
        struct sockaddr_any addr;
        if (!sockaddr_parse(view_of(list->items[i]), &addr, e)) {
            e->code = ERR_CONFIG;
            return err_prefix(e, "%s_listen = %.60s", name, list->items[i]);
        }
        int fd = open_port(s, name, &addr, patience, e);
        if (fd < 0)
            return err_prefix(e, "%s_listen", name);
        s->fd_names[s->fd_count] = name;
        s->fds[s->fd_count++] = fd;
    }
    return true;
}

static bool open_ports(struct supervisor *s, struct err *e) {
    bool wanted = false;
    for (size_t i = 0; i < s->count; i++)
        wanted = wanted || s->children[i].kind->listens;
    int64_t patience = s->unclean ? s->config->drain_timeout + KILL_AFTER_MS : 0;
    return !wanted || (open_list(s, "smtp", &s->config->smtp_listen, patience, e) &&
                       open_list(s, "lmtp", &s->config->lmtp_listen, patience, e));
}

/* smtpd alone may hold thousands of connections; the soft limit of a login is often 1,024. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* -- running */

static bool any_running(const struct supervisor *s, int last_phase) {
    for (size_t i = 0; i < s->count; i++)
        if (s->children[i].pid != 0 && s->children[i].kind->drain_phase <= last_phase)
            return true;
    return false;
}

static void start_child(struct supervisor *s, struct child *c, int64_t now) {
    struct err e = {.code = ERR_OK};
    size_t fds = c->kind->listens ? s->fd_count : 0;
    if (child_start(c, s->config->dir, s->fds, s->fd_names, fds, now, &e)) {
        log_line(LOG_INFO, "role-started", LOG_S("role", c->kind->name), LOG_I("pid", c->pid));
        return;
    }
    c->restart_at_ms = now + START_RETRY_MS;
    log_line(LOG_ERROR, "role-not-started", LOG_S("role", c->kind->name), LOG_S("reason", e.text));
}

static void start_due(struct supervisor *s, int64_t now) {
    for (size_t i = 0; i < s->count; i++)
        if (s->children[i].pid == 0 && s->children[i].restart_at_ms <= now)
            start_child(s, &s->children[i], now);
}

static void begin_drain(struct supervisor *s, const char *why) {
    if (s->draining)
        return;
    s->draining = true;
    log_line(LOG_INFO, "draining", LOG_S("reason", why), LOG_I("timeout_ms", s->config->drain_timeout));
    for (size_t i = 0; i < s->count; i++)
        s->children[i].restart_at_ms = CHILD_NEVER;
}

static struct log_field how_it_ended(int status) {
    if (WIFSIGNALED(status))
        return LOG_S("signal", sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "unknown");
    return LOG_I("status", WEXITSTATUS(status));
}

static bool is_config_error(int status) {
    return WIFEXITED(status) &&
           (WEXITSTATUS(status) == err_info(ERR_CONFIG)->exit || WEXITSTATUS(status) == EX_CONFIG_STATUS);
}

static void child_ended(struct supervisor *s, struct child *c, int status, int64_t now) {
    int64_t lived = now - c->started_ms;
    bool first = !c->ran_before;
    pid_t pid = c->pid;
    c->pid = 0;
    c->ran_before = true;
    /* The others cannot finish without the store. */
    bool needed = !s->draining || (c->kind->drain_phase == DRAIN_STORE && !c->term_ms &&
                                   any_running(s, DRAIN_WORK) && !is_config_error(status));
    if (!needed) {
        log_line(LOG_INFO, "role-stopped", LOG_S("role", c->kind->name), LOG_I("pid", pid),
                 how_it_ended(status));
        return;
    }
    if (first && !s->draining && is_config_error(status)) {
        log_line(LOG_ERROR, "role-refused", LOG_S("role", c->kind->name), how_it_ended(status));
        s->status = WEXITSTATUS(status);
        begin_drain(s, "a role refused its configuration");
        return;
    }
    int64_t delay = restart_delay_ms(&c->restart, lived);
    c->restart_at_ms = now + delay;
    log_line(LOG_WARN, "role-died", LOG_S("role", c->kind->name), LOG_I("pid", pid), how_it_ended(status),
             LOG_I("lived_ms", lived), LOG_I("restart_in_ms", delay));
}

static void reap(struct supervisor *s) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < s->count; i++)
            if (s->children[i].pid == pid) {
                child_ended(s, &s->children[i], status, now_ms());
                break;
            }
}

/* -- draining */

static void kill_child(struct child *c) {
    c->killed = true;
    log_line(LOG_WARN, "role-killed", LOG_S("role", c->kind->name), LOG_I("pid", c->pid));
    kill(c->pid, SIGKILL);
}

/* Smtpd gets its time first; then the workers, whether it has gone or not; the store when all have gone. */
static bool phase_begun(const struct supervisor *s, int phase, int64_t now) {
    if (phase == DRAIN_INTAKE)
        return true;
    if (phase == DRAIN_STORE)
        return !any_running(s, DRAIN_WORK);
    for (size_t i = 0; i < s->count; i++) {
        const struct child *c = &s->children[i];
        if (c->pid != 0 && c->kind->drain_phase == DRAIN_INTAKE &&
            (!c->term_ms || now - c->term_ms < s->config->drain_timeout))
            return false;
    }
    return true;
}

static void drain_step(struct supervisor *s, int64_t now) {
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (c->pid == 0 || c->killed || !phase_begun(s, c->kind->drain_phase, now))
            continue;
        if (!c->term_ms) {
            c->term_ms = now;
            kill(c->pid, SIGTERM);
        } else if (now - c->term_ms >= s->config->drain_timeout + KILL_AFTER_MS) {
            kill_child(c);
        }
    }
}

/* A second Ctrl-C: nobody wants to wait any longer. Nothing acknowledged is lost by it. */
static void hurry(struct supervisor *s) {
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (c->pid == 0 || c->killed)
            continue;
        c->term_ms = c->term_ms ? c->term_ms : now_ms(); /* not to be started again, the store too */
        kill_child(c);
    }
}

/* -- the loop */

static void earlier(int64_t *next, int64_t at, int64_t now) {
    if (at > now && at < *next)
        *next = at;
}

static int64_t next_moment(const struct supervisor *s, int64_t now) {
    int64_t next = CHILD_NEVER;
    for (size_t i = 0; i < s->count; i++) {
        const struct child *c = &s->children[i];
        if (c->pid == 0) {
            earlier(&next, c->restart_at_ms, now);
        } else if (c->term_ms) {
            earlier(&next, c->term_ms + s->config->drain_timeout, now);
            earlier(&next, c->term_ms + s->config->drain_timeout + KILL_AFTER_MS, now);
        }
    }
    return next;
}

static void take_signal(struct supervisor *s, int number) {
    switch (number) {
    case SIGCHLD:
        reap(s);
        break;
    case SIGHUP:
        log_line(LOG_WARN, "reload-not-possible-yet", LOG_S("way_out", "stop and start"));
        break;
    case SIGINT:
        if (s->draining)
            hurry(s);
        begin_drain(s, "SIGINT");
        break;
    case SIGTERM:
        begin_drain(s, "SIGTERM");
        break;
    default:
        break;
    }
}

static void loop(struct supervisor *s) {
    for (;;) {
        int64_t now = now_ms();
        start_due(s, now);
        if (s->draining)
            drain_step(s, now);
        if (s->draining && !any_running(s, DRAIN_STORE))
            return;
        int64_t next = next_moment(s, now);
        take_signal(s, wait_for_signal(s, next == CHILD_NEVER ? CHILD_NEVER : next - now));
    }
}

static void end(struct supervisor *s) {
    for (size_t i = 0; i < s->fd_count; i++)
        close(s->fds[i]);
    for (size_t i = 0; i < s->count; i++)
        free(s->children[i].program);
    if (s->locked && ftruncate(s->pid_fd, 0) < 0)
        log_line(LOG_WARN, "pid-file-not-emptied");
    if (s->pid_fd >= 0)
        close(s->pid_fd);
    sigprocmask(SIG_SETMASK, &s->before, NULL);
}

bool supervisor_run(const struct config *c, const char *const *roles, size_t count, int *ret_status,
                    struct err *e) {
    struct supervisor s = {.config = c, .pid_fd = -1};
    take_signals(&s);
    bool ok = choose_children(&s, roles, count, e) && take_pid_file(&s, e) && open_ports(&s, e);
    if (ok) {
        raise_file_limit();
        log_line(LOG_INFO, "started", LOG_I("pid", getpid()), LOG_S("dir", c->dir));
        loop(&s);
        log_line(LOG_INFO, "stopped", LOG_I("status", s.status));
        *ret_status = s.status;
    }
    end(&s);
    return ok;
}
