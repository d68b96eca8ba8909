/* What is kept of an accepted message: counters, the log of recipients, and dumps. */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LOG_FLUSH = 256 * 1024,
};

static void add_log(struct worker *w, const struct session *s, double now) {
    const struct buf *id = &s->data.id;
    const char *end = s->rcpts.data + s->rcpts.len;
    for (const char *r = s->rcpts.data; r < end; r += strlen(r) + 1)
        buf_addf(&w->log, "%.3f\t%s\t%s\t%.*s\n", now, s->sender.data, r, (int)id->len,
                 id->len > 0 ? id->data : "");
    if (w->log.len >= LOG_FLUSH)
        record_flush(w);
}

void record_flush(struct worker *w) {
    if (w->log.len > 0 && !write_all(w->sink->log_fd, w->log.data, w->log.len))
        die("cannot write %s: %s", w->sink->opt.log_file, strerror(errno));
    w->log.len = 0;
}

static void write_file(const char *path, const struct buf *content) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || !write_all(fd, content->data, content->len) || close(fd) != 0)
        die("%s: %s", path, strerror(errno));
}

static void dump(struct worker *w, const struct session *s) {
    long number = atomic_fetch_add(&w->sink->dump_next, 1) + 1;
    struct buf path = {0}, env = {0};
    buf_adds(&env, s->sender.data);
    buf_adds(&env, "\n");
    const char *end = s->rcpts.data + s->rcpts.len;
    for (const char *r = s->rcpts.data; r < end; r += strlen(r) + 1)
        buf_addf(&env, "%s\n", r);
    buf_addf(&path, "%s/%06ld.eml", w->sink->opt.dump_dir, number);
    write_file(path.data, &s->data.copy);
    /* The envelope comes second: who sees it may rely on the message being complete. */
    memcpy(path.data + path.len - 3, "env", 3);
    write_file(path.data, &env);
    buf_free(&path);
    buf_free(&env);
}

void record_message(struct worker *w, struct session *s) {
    struct sink *k = w->sink;
    double now = now_unix();
    w->stats.transactions++;
    w->stats.rcpts += s->n_rcpts;
    w->stats.bytes += (long)s->data.bytes;
    if (w->stats.first_unix == 0)
        w->stats.first_unix = now;
    w->stats.last_unix = now;
    if (k->opt.log_file != NULL)
        add_log(w, s, now);
    if (k->opt.dump_dir != NULL)
        dump(w, s);
    if (k->opt.expect > 0) {
        long before = atomic_fetch_add(&k->rcpts, s->n_rcpts);
        if (before < k->opt.expect && before + s->n_rcpts >= k->opt.expect)
            kill(getpid(), SIGTERM);
    }
}
