/* role.c: start and end of every role, and the record of what it dies on.
 *
 * A bug ends the process (BUG_ON aborts, a wild pointer faults). The handler of those signals writes the id
 * of the message the thread was working on into DIR/data/run/crash/<role>, a file that is open already;
 * nothing else is safe there. One death blames one message: of threads that hit a bug at the same time the
 * first writes. The next process reads the file and tells the store. kill -9 and a power cut leave no record:
 * they are not the message's fault. */
#include "roles/role.h"

#include <errno.h>
#include <malloc.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/notify.h"
#include "roles/sandbox.h"
#include "store/message.h"

static _Atomic bool stopping; /* lock-free, so the handler may write it while threads read */
static void (*_Atomic stop_function)(void);
static void (*_Atomic reload_function)(void);
static void (*_Atomic leave_function)(void);
static _Atomic bool leaving;
static struct hint *stop_hint;
static const char *probe; /* test builds: what to try instead of working */
static int crash_fd = -1, id_source_fd = -1;
static int64_t this_process; /* its own id, so that a death is counted once, however often it is told */
static atomic_flag died = ATOMIC_FLAG_INIT;
static _Thread_local volatile int64_t message_at_work;

enum { ID_SOURCES = 31 };

struct crash_record {
    int64_t message, process;
};

static void on_stop_signal(int signal_number) {
    (void)signal_number;
    int saved = errno;
    if (!atomic_exchange(&stopping, true))
        notify_send("STOPPING=1");
    errno = saved;
    void (*function)(void) = atomic_load(&stop_function);
    if (function)
        function();
    if (stop_hint)
        hint_interrupt(stop_hint);
}

static void on_leave_signal(int signal_number) {
    void (*function)(void) = atomic_load(&leave_function);
    atomic_store(&leaving, true);
    if (function)
        function();
    else
        on_stop_signal(signal_number);
}

static void on_crash(int signal_number) {
    while (atomic_flag_test_and_set(&died))
        pause(); /* until the first has ended the process */
    struct crash_record record = {.message = message_at_work, .process = this_process};
    ssize_t ignored = record.message && crash_fd >= 0 ? write(crash_fd, &record, sizeof record) : 0;
    (void)ignored;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void install_handlers(void) {
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction stop = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};
    struct sigaction leave = {.sa_handler = on_leave_signal, .sa_flags = SA_RESTART};
    struct sigaction crash = {.sa_handler = on_crash, .sa_flags = SA_NODEFER};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGUSR1, &leave, NULL);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        sigaction(crashes[i], &crash, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigset_t reload;
    sigemptyset(&reload);
    sigaddset(&reload, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &reload, NULL); /* before there are threads: it is for reload_loop alone */
}

static pthread_t reload_thread;
static bool reload_running;

static void *reload_loop(void *unused) {
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    for (;;) {
        if (sigwait(&set, &got) != 0)
            continue;
        void (*function)(void) = atomic_load(&reload_function);
        if (!function)
            return unused;
        function();
    }
}

void role_on_reload(void (*on_reload)(void)) {
    atomic_store(&reload_function, on_reload);
    if (on_reload && !reload_running) {
        reload_running = pthread_create(&reload_thread, NULL, reload_loop, NULL) == 0;
    } else if (!on_reload && reload_running) {
        pthread_kill(reload_thread, SIGHUP);
        pthread_join(reload_thread, NULL);
        reload_running = false;
    }
}

void role_on_stop(void (*on_stop)(void)) {
    atomic_store(&stop_function, on_stop);
    if (stopping && on_stop)
        on_stop();
}

void role_on_leave(void (*on_leave)(void)) {
    atomic_store(&leave_function, on_leave);
    if (leaving && on_leave)
        on_leave();
}

bool role_leaving(void) {
    return leaving;
}

void role_reloaded(bool in_force) {
    notify_send(in_force ? "READY=1\nX_POSTROAD_RELOADED=1" : "READY=1\nX_POSTROAD_RELOADED=0");
}

void role_ready(struct role *r) {
    struct err e = {.code = ERR_OK};
    if ((!r->store && !sandbox_files(r->name, r->config, &e)) || !sandbox_calls(r->name, r->config, &e)) {
        log_line(LOG_ERROR, "cannot-start", LOG_S("reason", e.text));
        exit(err_info(e.code)->exit);
    }
    if (probe) { /* threads of libraries run: their clean-up at an exit is not what is tried */
        bool possible = sandbox_probe(probe);
        fflush(stdout);
        _exit(possible);
    }
    notify_send(atomic_load(&reload_function) ? "READY=1\nX_POSTROAD_RELOADS=1" : "READY=1");
}

bool role_stopping(void) {
    return stopping;
}

void role_works_on(int64_t message) {
    message_at_work = message;
}

void role_planted_crash(const struct role *r, view header) {
#ifdef POSTROAD_TEST_HOOKS
    char wanted[64];
    snprintf(wanted, sizeof wanted, "X-Postroad-Crash: %s\r\n", r->name);
    if (view_search(view_slice(header, 0, 4096), view_of(wanted)) >= 0)
        BUG("planted by the message under work");
#else
    (void)r, (void)header;
#endif
}

bool role_plants_crashes(void) {
#ifdef POSTROAD_TEST_HOOKS
    return true;
#else
    return false;
#endif
}

/* What the process before us died on. */
static bool report_crashes(struct role *r, struct err *e) {
    struct crash_record record;
    bool ok = true;
    for (off_t at = 0; ok && pread(crash_fd, &record, sizeof record, at) == sizeof record;
         at += sizeof record) {
        struct store_request q;
        store_request_init(&q, OP_CRASHED);
        vals_view(&q.args, view_of(r->name));
        vals_int(&q.args, record.message);
        vals_int(&q.args, record.process);
        ok = store_call(r->store, &q, e);
        struct vals out = vals_of(buf_view(&q.out));
        int64_t times = vals_get_int(&out), held = vals_get_int(&out);
        if (ok) {
            log_line(LOG_ERROR, "crashed", LOG_S("queue", id_format(record.message).s), LOG_I("times", times),
                     LOG_S("held", held ? "yes" : "no"));
            metric_add(METRIC_HELD_CRASHED, held);
        }
        store_request_done(&q);
    }
    return ok;
}

/* Before the process locks itself in. */
static bool open_crash_file(struct role *r, struct err *e) {
    FREE_AUTO char *dir = config_path(r->config, "data/run/crash");
    FREE_AUTO char *path = mem_printf("%s/%s", dir, r->name);
    if (!file_mkdirs(dir, 0700, e))
        return false;
    this_process = id_new();
    crash_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return crash_fd >= 0 || err_errno(e, ERR_IO, "cannot open %s", path);
}

static bool open_store(struct role *r, const struct role_needs *needs, struct err *e) {
    if (needs->store_threads == 0)
        return true;
    if (!sandbox_files(r->name, r->config, e))
        return false;
    r->store = store_open(r->config, needs->store_role, needs->store_threads, e);
    if (!r->store || !report_crashes(r, e))
        return false;
    return ftruncate(crash_fd, 0) == 0 || err_errno(e, ERR_IO, "cannot empty the record of crashes");
}

/* Sources of ids: 1..31, by the role's place and by node, so that two nodes hardly ever share one. */
static unsigned id_source_of(const struct role_needs *needs, const char *node) {
    unsigned hash = 0;
    for (const char *p = node; *p; p++)
        hash = hash * 31 + (unsigned char)*p;
    unsigned place = 0;
    for (unsigned bits = needs->store_role; bits > 1; bits >>= 1)
        place++;
    return (hash * 7 + place) % ID_SOURCES + 1;
}

/* No two processes of an instance share one, an old smtpd and its successor neither: the lock on the source's
 * file, held until the process ends, says whose it is. */
static bool claim_id_source(struct role *r, unsigned first, struct err *e) {
    FREE_AUTO char *dir = config_path(r->config, "data/run/ids");
    if (!file_mkdirs(dir, 0700, e))
        return false;
    for (unsigned i = 0; i < ID_SOURCES; i++) {
        unsigned source = (first - 1 + i) % ID_SOURCES + 1;
        FREE_AUTO char *path = mem_printf("%s/%u", dir, source);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_errno(e, ERR_IO, "cannot open %s", path);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            id_source_fd = fd;
            id_set_source(source);
            return true;
        }
        close(fd);
    }
    return err_set(e, ERR_SYSTEM, "more than %d processes of this instance run: every %s/* is taken",
                   ID_SOURCES, dir);
}

static bool open_all(const char *dir, const struct role_needs *needs, struct role *r, struct err *e) {
    if (!config_load(dir, &r->config, e))
        return false;
    enum log_level level = LOG_INFO;
    if (!log_level_parse(view_of(r->config->log_level), &level))
        return err_set(e, ERR_CONFIG, "log_level = %s: debug, info, warn or error is wanted",
                       r->config->log_level);
    log_init(needs->name, level);
    if (!*r->config->hostname) {
        free(r->config->hostname);
        r->config->hostname = mem_alloc(256);
        if (gethostname(r->config->hostname, 255) < 0 || !*r->config->hostname)
            strcpy(r->config->hostname, "localhost");
    }
    r->node = mem_printf("%s/%s", r->config->node, needs->name);
    if (!claim_id_source(r, id_source_of(needs, r->config->node), e))
        return false;
    FREE_AUTO char *metrics = config_path(r->config, "data/run/metrics");
    FREE_AUTO char *clock = config_path(r->config, "data/run/clock");
    if (!metrics_open(metrics, needs->name, e) || !clock_attach(clock, e))
        return false;
    if (needs->hint && !(r->hint = hint_open(r->config->dir, needs->name, e)))
        return false;
    stop_hint = r->hint;
    return open_crash_file(r, e) && open_store(r, needs, e);
}

/* What a message takes is free when it is done. Given back to the kernel each time and taken again it costs a
 * tenth of all that a message costs. */
static void keep_freed_memory(void) {
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    mallopt(M_TOP_PAD, 256 << 10);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

bool role_start(int argc, char **argv, const struct role_needs *needs, struct role *r, int *ret_status) {
    *r = (struct role){.name = needs->name};
    keep_freed_memory();
    log_init(needs->name, LOG_INFO);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("postroad-%s " POSTROAD_VERSION "\n", needs->name);
        *ret_status = 0;
        return false;
    }
#ifdef POSTROAD_TEST_HOOKS
    if (argc == 5 && strcmp(argv[3], "--sandbox-probe") == 0) {
        probe = argv[4];
        argc = 3;
    }
#endif
    if (argc != 3 || strcmp(argv[1], "-C") != 0) {
        fprintf(stderr, "usage: postroad-%s -C DIR\n", needs->name);
        *ret_status = err_info(ERR_USAGE)->exit;
        return false;
    }
    notify_open();
    install_handlers();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    struct err e = {.code = ERR_OK};
    if (open_all(argv[2], needs, r, &e)) {
        log_line(LOG_INFO, "started", LOG_I("pid", getpid()));
        return true;
    }
    log_line(LOG_ERROR, "cannot-start", LOG_S("reason", e.text));
    *ret_status = err_info(e.code)->exit;
    role_end(r);
    return false;
}

void role_end(struct role *r) {
    stop_hint = NULL;
    store_close(&r->store);
    hint_close(&r->hint);
    config_free(r->config);
    free((char *)(uintptr_t)r->node);
    if (crash_fd >= 0)
        close(crash_fd);
    crash_fd = -1;
    if (id_source_fd >= 0)
        mem_close_fd(&id_source_fd);
    r->config = NULL;
    r->node = NULL;
}

bool role_read_rest(struct role *r, int64_t message, int64_t seq, size_t len, struct buf *out,
                    struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_MESSAGE_READ);
    bool ok = true;
    for (; ok && out->len < len && !out->failed; seq++) {
        buf_reset(&q.args);
        vals_int(&q.args, message);
        vals_int(&q.args, seq);
        ok = store_call(r->store, &q, e);
        struct vals got = vals_of(buf_view(&q.out));
        if (ok && vals_more(&got))
            buf_add(out, vals_get_view(&got));
        else if (ok)
            ok = err_set(e, seq == 0 ? ERR_NOT_FOUND : ERR_DAMAGED,
                         "the body of %s is not whole in the store", id_format(message).s);
    }
    store_request_done(&q);
    if (ok && out->failed)
        return err_set(e, ERR_LIMIT, "message %s is larger than %zu bytes", id_format(message).s, out->limit);
    return ok;
}

bool role_store_is_away(enum err_code code) {
    return code == ERR_STORE || code == ERR_STORE_BUSY || code == ERR_STOPPING;
}

void role_ask_message(struct role *r, int64_t message, struct store_wait *wait, struct store_request *q) {
    store_request_init(q, OP_MESSAGE_INFO);
    vals_int(&q->args, message);
    store_wait_submit(wait, r->store, q);
}

static bool take(struct role *r, int64_t message, const struct store_request *q, bool trace, struct buf *out,
                 struct err *e) {
    if (q->err.code != ERR_OK) {
        *e = q->err;
        return false;
    }
    struct message_info m = message_info_of(message, buf_view(&q->out));
    size_t end = out->len + (trace ? m.fields.len : 0) + (size_t)m.size;
    if (m.gone)
        return err_set(e, ERR_NOT_FOUND, "the body of %s is no longer in the store", id_format(message).s);
    if (trace)
        buf_add(out, m.fields);
    buf_add(out, m.first);
    return role_read_rest(r, message, 1, end, out, e);
}

bool role_take_message(struct role *r, int64_t message, const struct store_request *q, struct buf *out,
                       struct err *e) {
    return take(r, message, q, false, out, e);
}

bool role_take_source(struct role *r, int64_t message, const struct store_request *q, struct buf *out,
                      size_t *ret_trace, struct err *e) {
    if (q->err.code == ERR_OK)
        *ret_trace = message_info_of(message, buf_view(&q->out)).fields.len;
    return take(r, message, q, true, out, e);
}
