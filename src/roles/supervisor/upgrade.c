/* upgrade.c: the supervisor becomes a new program without letting go of anything: the process stays, and with
 * it its children, the listening sockets, the lock of the instance and the socket its roles report to. What
 * belongs to which descriptor and process is written into a memory file that the new program inherits; its
 * number is in POSTROAD_STATE. Then every role is renewed from the new folder.
 *
 * Which program: the one that asked (`NEW/postroad -C DIR upgrade` leaves its path in data/run/upgrade), else
 * the path this one was started by, where a package upgrade or a changed link has put another one. Before
 * that the new program must say that it would start here: `run --check`. */
#include "roles/supervisor/supervisor_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/notify.h"

#define STATE_ENV "POSTROAD_STATE"
enum { TRY_MS = 30000, STATE_BYTES = 256 * 1024 };

/* The path somebody asked for; only the owner of this process and root may ask. Caller frees; NULL: none. */
static char *asked_for(const struct supervisor *s) {
    FREE_AUTO char *path = config_path(s->config, "data/run/upgrade");
    CLOSE_AUTO int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char text[4096];
    unlink(path);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 022))
        return NULL;
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return NULL;
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n <= 1 || text[0] != '/')
        return NULL;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return mem_str(text);
}

/* `program -C dir run [--check] ROLE...`. Caller frees the array; its strings are the supervisor's. */
static char **words(const struct supervisor *s, char *program, bool check) {
    char **argv = mem_resize(NULL, s->role_count + 6, sizeof *argv);
    size_t n = 0;
    argv[n++] = program;
    argv[n++] = (char *)(uintptr_t) "-C";
    argv[n++] = s->config->dir;
    argv[n++] = (char *)(uintptr_t) "run";
    if (check)
        argv[n++] = (char *)(uintptr_t) "--check";
    for (size_t i = 0; i < s->role_count; i++)
        argv[n++] = (char *)(uintptr_t)s->roles[i];
    argv[n] = NULL;
    return argv;
}

static bool would_start(const struct supervisor *s, char *program, struct err *e) {
    char **argv = words(s, program, true);
    bool ok = child_try(argv, TRY_MS, e);
    free(argv);
    return ok;
}

/* ---- what is handed on */

static void write_state(const struct supervisor *s, struct buf *out) {
    buf_printf(out, "pidfile %d\nnotify %d\n", s->pid_fd, s->notify_fd);
    for (size_t i = 0; i < s->ports.count; i++)
        buf_printf(out, "port %s %d %s\n", s->ports.items[i].name, s->ports.items[i].fd,
                   s->ports.items[i].text);
    for (size_t i = 0; i < s->count; i++) {
        const struct child *c = &s->children[i];
        if (c->pid != 0)
            buf_printf(out, "child %s %d %lld\n", c->kind->name, (int)c->pid, (long long)c->started_ms);
    }
    for (size_t i = 0; i < s->retired_count; i++) {
        const struct retired *r = &s->retired[i];
        buf_printf(out, "retired %s %d %lld\n", r->kind->name, (int)r->pid, (long long)r->since_ms);
    }
}

static void keep_over_exec(const struct supervisor *s, bool keep) {
    int flags = keep ? 0 : FD_CLOEXEC;
    fcntl(s->pid_fd, F_SETFD, flags);
    fcntl(s->notify_fd, F_SETFD, flags);
    for (size_t i = 0; i < s->ports.count; i++)
        fcntl(s->ports.items[i].fd, F_SETFD, flags);
}

static int make_state(const struct supervisor *s, struct err *e) {
    struct buf text = BUF_INIT(STATE_BYTES);
    int fd = memfd_create("postroad-state", 0);
    write_state(s, &text);
    bool ok =
        fd >= 0 && !text.failed && file_write_all(fd, buf_view(&text), e) && lseek(fd, 0, SEEK_SET) == 0;
    buf_done(&text);
    if (ok)
        return fd;
    err_errno(e, ERR_SYSTEM, "cannot hand over the state of the supervisor");
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool become(struct supervisor *s, char *program, struct err *e) {
    char number[16], **argv;
    int fd = make_state(s, e);
    if (fd < 0)
        return false;
    snprintf(number, sizeof number, "%d", fd);
    setenv(STATE_ENV, number, 1);
    keep_over_exec(s, true);
    argv = words(s, program, false);
    execv(program, argv);
    err_errno(e, ERR_SYSTEM, "cannot run %s", program);
    free(argv);
    keep_over_exec(s, false);
    unsetenv(STATE_ENV);
    close(fd);
    return false;
}

void upgrade(struct supervisor *s) {
    struct err e = {.code = ERR_OK};
    char *asked = asked_for(s);
    FREE_AUTO char *program = asked ? asked : mem_str(s->self);
    s->deed = "upgrade";
    log_line(LOG_INFO, "upgrading", LOG_S("program", program));
    notify_send("STATUS=upgrading");
    if (!would_start(s, program, &e) || !become(s, program, &e))
        renew_outcome(s, s->deed, e.text);
}

/* ---- what is taken over */

static bool number(view *line, int64_t *ret) {
    view word;
    return view_split(line, ' ', &word) && view_to_i64(word, ret);
}

static bool take_descriptor(int64_t fd, int *to) {
    *to = (int)fd;
    return fd >= 0 && fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool take_port(struct supervisor *s, view line) {
    view name;
    int64_t fd;
    if (!view_split(&line, ' ', &name) || !number(&line, &fd) || s->ports.count == PORTS_MAX)
        return false;
    struct port *p = &s->ports.items[s->ports.count];
    *p = (struct port){.name = ports_name(name)};
    if (!take_descriptor(fd, &p->fd))
        return false;
    if (!p->name) { /* this release has no such listener */
        close(p->fd);
        return true;
    }
    p->text = mem_view(line);
    s->ports.count++;
    return true;
}

static struct child *child_named(struct supervisor *s, view name) {
    for (size_t i = 0; i < s->count; i++)
        if (view_eq(name, view_of(s->children[i].kind->name)))
            return &s->children[i];
    return NULL;
}

/* A process of a role this release has not is told to stop; it is reaped like any other. */
static bool take_process(struct supervisor *s, view line, bool retired) {
    view name;
    int64_t pid, ms;
    if (!view_split(&line, ' ', &name) || !number(&line, &pid) || !number(&line, &ms))
        return false;
    struct child *c = child_named(s, name);
    if (!c) {
        kill((pid_t)pid, SIGTERM);
    } else if (!retired) {
        c->pid = (pid_t)pid;
        c->started_ms = ms;
        c->restart_at_ms = CHILD_NEVER;
        c->ready = c->ran_before = true;
    } else if (s->retired_count < RETIRED_MAX) {
        s->retired[s->retired_count++] = (struct retired){.kind = c->kind, .pid = (pid_t)pid, .since_ms = ms};
    }
    return true;
}

static bool take_line(struct supervisor *s, view line) {
    view word;
    int64_t fd;
    if (!view_split(&line, ' ', &word))
        return false;
    if (view_eq(word, VIEW("pidfile")))
        return s->locked = number(&line, &fd) && take_descriptor(fd, &s->pid_fd);
    if (view_eq(word, VIEW("notify")))
        return number(&line, &fd) && take_descriptor(fd, &s->notify_fd);
    if (view_eq(word, VIEW("port")))
        return take_port(s, line);
    if (view_eq(word, VIEW("child")))
        return take_process(s, line, false);
    return view_eq(word, VIEW("retired")) ? take_process(s, line, true) : true; /* of a later release */
}

bool upgrade_resume(struct supervisor *s, bool *ret_resumed, struct err *e) {
    int64_t fd;
    char name[32];
    struct buf text = BUF_INIT(STATE_BYTES);
    *ret_resumed = view_to_i64(view_of(getenv(STATE_ENV)), &fd);
    if (!*ret_resumed)
        return true;
    unsetenv(STATE_ENV);
    snprintf(name, sizeof name, "/proc/self/fd/%d", (int)fd);
    bool ok = file_read(name, &text, e);
    close((int)fd);
    view rest = buf_view(&text);
    for (view line; ok && view_split(&rest, '\n', &line);)
        ok = line.len == 0 || take_line(s, line) ||
             err_set(e, ERR_SYSTEM, "the state of the supervisor before cannot be read");
    buf_done(&text);
    s->deed = "upgrade";
    return ok;
}
