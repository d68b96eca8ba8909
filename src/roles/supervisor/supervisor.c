/* supervisor.c: the process behind `postroad run`.
 *
 * Trusts: the configuration. May touch: ports, DIR/data/run/supervisor.pid, its own children. Never: mail or
 * network data; it opens listening sockets and never accepts from them. When it dies: the kernel asks every
 * role to stop (PR_SET_PDEATHSIG), they drain as on SIGTERM, and mail waits.
 *
 * One thread, one loop: start what is due, move a drain or a renewal on, wait for the next signal, report of
 * a role, or moment. Signals are blocked and read from a descriptor, so no handler runs and none is missed.
 */
#include "roles/supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listen.h"
#include "net/notify.h"
#include "roles/supervisor/supervisor_private.h"

enum {
    PORT_RETRY_MS = 50, /* while roles of a supervisor that was killed still hold a port */
    PID_FILE_MODE = 0644,
    EX_CONFIG_STATUS = 78, /* sysexits.h, for roles that are not ours */
    NOTIFY_BYTES = 4096,
    CHECK_MS = 10000,
};

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
                           "no role %.60s: stored, smtpd, router, deliver, archived or httpd is wanted",
                           roles[i]);
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

bool choose_children(struct supervisor *s, const char *const *roles, size_t count, struct err *e) {
    bool sqlite = strcmp(s->config->store, "sqlite") == 0;
    if (!check_names(roles, count, sqlite, e) || !user_find(s->config, &s->user, e))
        return false;
    FREE_AUTO char *folder = libexec_folder();
    for (size_t i = 0; i < ROLE_KINDS; i++) {
        const struct role_kind *kind = &role_kinds[i];
        if (kind->sqlite_only ? !sqlite : !is_named(roles, count, kind->name))
            continue;
        if (kind->http_only && count == 0 && s->config->http_listen.count == 0)
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
    if (!file_mkdirs(run, 0750, e) || !user_own(&s->user, run, e))
        return false;
    s->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, PID_FILE_MODE);
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

static bool take_signals(struct supervisor *s, struct err *e) {
    static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR2};
    sigemptyset(&s->signals);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        sigaddset(&s->signals, wanted[i]);
    sigprocmask(SIG_BLOCK, &s->signals, &s->before);
    /* An ignored SIGCHLD, inherited from whoever started us, would take the exit statuses away. */
    signal(SIGCHLD, SIG_DFL);
    s->signal_fd = signalfd(-1, &s->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signal_fd >= 0 || err_errno(e, ERR_SYSTEM, "cannot wait for signals");
}

/* Handed over by whoever started us (systemd), else our own. After a killed supervisor its smtpd may hold the
 * port until it has drained. */
int open_port(void *supervisor, const char *name, const struct sockaddr_any *addr, struct err *e) {
    struct supervisor *s = supervisor;
    int fd = listen_inherited(name, addr);
    int64_t patience = s->unclean ? s->config->drain_timeout + KILL_AFTER_MS : 0;
    int64_t until = supervisor_now_ms() + patience;
    while (fd < 0) {
        fd = listen_open(addr, e);
        if (fd >= 0 || supervisor_now_ms() >= until)
            break;
        struct pollfd p = {.fd = s->signal_fd, .events = POLLIN};
        struct signalfd_siginfo info;
        if (poll(&p, 1, PORT_RETRY_MS) <= 0 || read(s->signal_fd, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            err_set(e, ERR_STOPPING, "stopped while waiting for %s", sockaddr_format(addr).s);
            break;
        }
    }
    return fd;
}

/* Those of a supervisor before the upgrade are kept; what its configuration has not had is opened. */
static bool open_ports(struct supervisor *s, struct err *e) {
    bool wanted = false, changed;
    struct ports have = s->ports, got;
    for (size_t i = 0; i < s->count; i++)
        wanted = wanted || s->children[i].kind->listens;
    if (!wanted || !ports_open(&have, s->config, open_port, s, &got, &changed, e))
        return !wanted;
    s->ports = got;
    s->old_ports = have;
    return true;
}

/* smtpd alone may hold thousands of connections; the soft limit of a login is often 1,024. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool open_notify(struct supervisor *s, struct err *e) {
    if (s->notify_fd < 0 && (s->notify_fd = notify_listen(e)) < 0)
        return false;
    return notify_address(s->notify_fd, s->notify, sizeof s->notify) ||
           err_errno(e, ERR_SYSTEM, "the socket that roles report to has no address");
}

/* The path this program was started by, not what a link in it leads to today: an upgrade puts another program
 * there. Caller frees. */
static char *own_path(void) {
    char word[4096];
    FREE_AUTO char *folder = getcwd(NULL, 0);
    CLOSE_AUTO int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, word, sizeof word - 1);
    word[n > 0 ? n : 0] = '\0';
    if (word[0] == '/')
        return mem_str(word);
    if (strchr(word, '/') && folder)
        return mem_printf("%s/%s", folder, word);
    FREE_AUTO char *real = realpath("/proc/self/exe", NULL);
    return mem_str(real ? real : "");
}

int64_t supervisor_now_ms(void) {
    return clock_real_us() / 1000;
}

struct child_gift supervisor_gift(const struct supervisor *s) {
    return (struct child_gift){
        .dir = s->config->dir, .ports = &s->ports, .notify = s->notify, .user = &s->user};
}

/* -- running */

static void start_child(struct supervisor *s, struct child *c, int64_t now) {
    struct err e = {.code = ERR_OK};
    struct child_gift gift = supervisor_gift(s);
    if (child_start(c, &gift, now, &e)) {
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

struct log_field how_it_ended(int status) {
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
    c->ready = false;
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
        drain_begin(s, "a role refused its configuration");
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
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        int64_t now = supervisor_now_ms();
        if (renew_ended(s, pid, status, now))
            continue;
        for (size_t i = 0; i < s->count; i++)
            if (s->children[i].pid == pid) {
                child_ended(s, &s->children[i], status, now);
                break;
            }
    }
}

/* -- the loop */

static void take_signal(struct supervisor *s, uint32_t number) {
    switch (number) {
    case SIGCHLD:
        reap(s);
        break;
    case SIGHUP:
        s->reload_wanted = true;
        break;
    case SIGUSR2:
        s->upgrade_wanted = true;
        break;
    case SIGINT:
        if (s->draining)
            drain_hurry(s);
        drain_begin(s, "SIGINT");
        break;
    case SIGTERM:
        drain_begin(s, "SIGTERM");
        break;
    default:
        break;
    }
}

static void hear(struct supervisor *s) {
    char text[NOTIFY_BYTES];
    pid_t pid;
    while (notify_receive(s->notify_fd, text, sizeof text, &pid))
        renew_heard(s, pid, view_of(text), supervisor_now_ms());
}

/* Whoever started us waits for this: every role runs and those that listen do. */
static void say_ready(struct supervisor *s) {
    if (s->ready || s->renewing)
        return;
    for (size_t i = 0; i < s->count; i++)
        if (!s->children[i].ready)
            return;
    s->ready = true;
    notify_send("READY=1\nSTATUS=running");
    log_line(LOG_INFO, "ready");
}

/* One thing after the other; a second wish waits until the first is done. */
static void do_what_is_asked(struct supervisor *s) {
    if (s->draining || s->renewing)
        return;
    if (s->upgrade_wanted) {
        s->upgrade_wanted = false;
        upgrade(s);
    } else if (s->reload_wanted) {
        s->reload_wanted = false;
        reload(s);
    }
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void wait_for_something(struct supervisor *s, int64_t watchdog_ms) {
    int64_t now = supervisor_now_ms();
    int64_t next = least(drain_moment(s, now), renew_moment(s, now));
    int64_t wait = next == CHILD_NEVER ? INT32_MAX : least(next - now, INT32_MAX);
    struct pollfd p[] = {{.fd = s->signal_fd, .events = POLLIN}, {.fd = s->notify_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    if ((s->upgrade_wanted || s->reload_wanted) && !s->renewing && !s->draining)
        wait = 0;
    if (watchdog_ms > 0)
        wait = least(wait, watchdog_ms);
    poll(p, 2, next == CHILD_NEVER && wait == INT32_MAX ? -1 : (int)wait);
    hear(s); /* before what ended is taken note of: it may have spoken first */
    while (read(s->signal_fd, &info, sizeof info) == sizeof info)
        take_signal(s, info.ssi_signo);
}

static void loop(struct supervisor *s) {
    int64_t watchdog_ms = notify_watchdog_ms();
    for (;;) {
        int64_t now = supervisor_now_ms();
        do_what_is_asked(s);
        if (s->draining)
            drain_step(s, now);
        else
            renew_step(s, now);
        start_due(s, now);
        if (s->draining && !any_running(s, DRAIN_STORE))
            return;
        say_ready(s);
        if (watchdog_ms > 0)
            notify_send("WATCHDOG=1");
        wait_for_something(s, watchdog_ms);
    }
}

static void end(struct supervisor *s) {
    ports_close(&s->ports);
    ports_close(&s->old_ports);
    for (size_t i = 0; i < s->count; i++)
        free(s->children[i].program);
    if (s->locked && ftruncate(s->pid_fd, 0) < 0)
        log_line(LOG_WARN, "pid-file-not-emptied");
    int *const fds[] = {&s->pid_fd, &s->notify_fd, &s->signal_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (*fds[i] >= 0)
            mem_close_fd(fds[i]);
    sigprocmask(SIG_SETMASK, &s->before, NULL);
    config_free(s->own_config);
    free(s->self);
}

/* What the supervisor before held, or all of it anew. */
static bool begin(struct supervisor *s, struct err *e) {
    bool resumed;
    if (!choose_children(s, s->roles, s->role_count, e) || !upgrade_resume(s, &resumed, e))
        return false;
    if (!resumed && !take_pid_file(s, e))
        return false;
    if (!open_ports(s, e) || !open_notify(s, e))
        return false;
    if (resumed) {
        reap(s);
        s->renewing = s->upgrading = s->ready = true;
        renew_all(s);
    }
    return true;
}

bool supervisor_run(const struct config *c, const char *const *roles, size_t count, int *ret_status,
                    struct err *e) {
    struct supervisor s = {.config = c, .roles = roles, .role_count = count};
    s.pid_fd = s.notify_fd = s.signal_fd = -1;
    s.self = own_path();
    notify_open();
    bool ok = take_signals(&s, e) && begin(&s, e);
    if (ok) {
        raise_file_limit();
        log_line(LOG_INFO, "started", LOG_I("pid", getpid()), LOG_S("dir", c->dir),
                 LOG_S("version", POSTROAD_VERSION));
        loop(&s);
        log_line(LOG_INFO, "stopped", LOG_I("status", s.status));
        *ret_status = s.status;
    }
    end(&s);
    return ok;
}

bool supervisor_check(const struct config *c, const char *const *roles, size_t count, struct err *e) {
    struct supervisor s = {.config = c};
    bool ok = choose_children(&s, roles, count, e);
    for (size_t i = 0; i < s.count; i++) {
        char *argv[] = {s.children[i].program, (char[]){"--version"}, NULL};
        ok = ok && child_try(argv, CHECK_MS, e);
        free(s.children[i].program);
    }
    return ok;
}
