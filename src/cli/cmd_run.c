/* cmd_run.c: postroad run: this process becomes the supervisor of the instance; reload and upgrade ask the
 * one that runs for something and wait until it is done. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "roles/supervisor/supervisor.h"
#include "store/durability.h"

/* A store that cannot keep what 250 promises is not run on; one that is only away is waited for by the roles.
 */
static bool may_promise(const struct config *c, struct err *e) {
    struct buf text = BUF_INIT(1024);
    enum durability_kept kept = DURABILITY_KEPT;
    bool ok = store_durability(c, &kept, &text, e);
    if (ok && kept == DURABILITY_WEAK)
        log_line(LOG_WARN, "durability", LOG_S("promise", text.data));
    buf_done(&text);
    return ok || e->code != ERR_CONFIG;
}

enum { LOOK_MS = 20, PATIENCE_MS = 10 * 60 * 1000, RESULT_BYTES = 1024 };

bool cmd_run(struct cli *c, struct err *e) {
    enum log_level level = LOG_INFO;
    if (!cli_config(c, e))
        return false;
    if (!log_level_parse(view_of(c->config->log_level), &level))
        return err_set(e, ERR_CONFIG, "log_level = %.60s: debug, info, warn or error is wanted",
                       c->config->log_level);
    log_init("supervisor", level);
    if (args_has(&c->args, "--check"))
        return supervisor_check(c->config, c->args.words, c->args.count, e);
    return may_promise(c->config, e) &&
           supervisor_run(c->config, c->args.words, c->args.count, &c->status, e);
}

/* Whoever runs holds the lock of its file; the number in it alone proves nothing. */
bool cli_supervisor(struct cli *c, pid_t *ret_pid, struct err *e) {
    FREE_AUTO char *path = config_path(c->config, "data/run/supervisor.pid");
    CLOSE_AUTO int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[32] = "";
    int64_t pid;
    bool runs = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    ssize_t n = runs ? read(fd, text, sizeof text - 1) : 0;
    if (n <= 0 || !view_to_i64(view_trim(view_from(text, (size_t)n)), &pid) || pid <= 1)
        return err_set(e, ERR_NOT_FOUND, "%.150s does not run: start it with postroad run", c->config->dir);
    *ret_pid = (pid_t)pid;
    return true;
}

/* "TIME DEED done|failed REASON"; empty when there is none. */
static void read_result(struct cli *c, struct buf *out) {
    FREE_AUTO char *path = config_path(c->config, "data/run/supervisor.result");
    struct err ignored;
    buf_reset(out);
    if (!file_read(path, out, &ignored))
        buf_reset(out);
}

static bool say_result(struct cli *c, const char *deed, view result, struct err *e) {
    view word, rest = view_trim(result);
    view_split(&rest, ' ', &word);
    view_split(&rest, ' ', &word);
    view_split(&rest, ' ', &word);
    if (!view_eq(word, VIEW("done")))
        return err_set(e, ERR_CONFIG, "%s: %.*s", deed, VIEW_ARG(view_slice(rest, 0, LIMIT_ERR_TEXT / 2)));
    cli_done(c, json_pack("{ssss}", "what", deed, "result", "done"), "%s: done", deed);
    return true;
}

static bool ask(struct cli *c, pid_t pid, int number, const char *deed, struct err *e) {
    struct buf before = BUF_INIT(RESULT_BYTES), now = BUF_INIT(RESULT_BYTES);
    read_result(c, &before);
    bool ok = kill(pid, number) == 0 ||
              err_errno(e, ERR_SYSTEM, "cannot signal the supervisor, process %ld", (long)pid);
    int64_t until = clock_real_us() / 1000 + PATIENCE_MS;
    bool there = false;
    while (ok && !there) {
        poll(NULL, 0, LOOK_MS);
        read_result(c, &now);
        there = now.len > 0 && !view_eq(buf_view(&now), buf_view(&before));
        if (!there && kill(pid, 0) < 0)
            ok = err_set(e, ERR_SYSTEM, "%s: the supervisor has ended; its log says why", deed);
        else if (!there && clock_real_us() / 1000 >= until)
            ok = err_set(e, ERR_SYSTEM, "%s: not done after 10 minutes; the log says how far it is", deed);
    }
    ok = ok && say_result(c, deed, buf_view(&now), e);
    buf_done(&before);
    buf_done(&now);
    return ok;
}

bool cmd_reload(struct cli *c, struct err *e) {
    pid_t pid;
    return cli_config(c, e) && cli_supervisor(c, &pid, e) && ask(c, pid, SIGHUP, "reload", e);
}

/* The supervisor becomes this very program. */
bool cmd_upgrade(struct cli *c, struct err *e) {
    pid_t pid;
    FREE_AUTO char *self = realpath("/proc/self/exe", NULL);
    if (!cli_config(c, e) || !cli_supervisor(c, &pid, e))
        return false;
    FREE_AUTO char *path = config_path(c->config, "data/run/upgrade");
    if (!self)
        return err_errno(e, ERR_SYSTEM, "cannot tell where this program is");
    return file_replace(path, view_of(self), 0644, e) && ask(c, pid, SIGUSR2, "upgrade", e);
}
