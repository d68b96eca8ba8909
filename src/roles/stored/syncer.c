#include "roles/stored/syncer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

struct syncer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wanting;
    uint64_t wanted, done;
    bool stopping;
    int fd, event_fd;
};

static void sync_log(int fd) {
    if (fd < 0 || fdatasync(fd) == 0)
        return;
    log_line(LOG_ERROR, "sync-failed", LOG_S("reason", strerror(errno)),
             LOG_S("way_out", "look at the disk: the kernel's log says what it reported"));
    _exit(err_info(ERR_STORE)->exit);
}

static void *work(void *context) {
    struct syncer *s = context;
    pthread_mutex_lock(&s->lock);
    while (s->wanted > s->done || !s->stopping) {
        uint64_t number = s->wanted;
        if (number == s->done) {
            pthread_cond_wait(&s->wanting, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        sync_log(s->fd);
        metric_add(METRIC_STORE_SYNCS, 1);
        pthread_mutex_lock(&s->lock);
        s->done = number;
        eventfd_write(s->event_fd, 1);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

struct syncer *syncer_start(int fd, struct err *e) {
    struct syncer *s = mem_alloc(sizeof *s);
    s->fd = fd;
    s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wanting, NULL);
    if (s->event_fd >= 0 && pthread_create(&s->thread, NULL, work, s) == 0)
        return s;
    err_errno(e, ERR_SYSTEM, "cannot start a thread");
    if (s->event_fd >= 0)
        close(s->event_fd);
    if (fd >= 0)
        close(fd);
    free(s);
    return NULL;
}

void syncer_want(struct syncer *s, uint64_t number) {
    pthread_mutex_lock(&s->lock);
    s->wanted = number > s->wanted ? number : s->wanted;
    pthread_cond_signal(&s->wanting);
    pthread_mutex_unlock(&s->lock);
}

uint64_t syncer_done(struct syncer *s) {
    pthread_mutex_lock(&s->lock);
    uint64_t done = s->done;
    pthread_mutex_unlock(&s->lock);
    return done;
}

int syncer_fd(const struct syncer *s) {
    return s->event_fd;
}

void syncer_heard(struct syncer *s) {
    eventfd_t ignored;
    eventfd_read(s->event_fd, &ignored);
}

void syncer_stop(struct syncer **s) {
    if (!*s)
        return;
    pthread_mutex_lock(&(*s)->lock);
    (*s)->stopping = true;
    pthread_cond_signal(&(*s)->wanting);
    pthread_mutex_unlock(&(*s)->lock);
    pthread_join((*s)->thread, NULL);
    close((*s)->event_fd);
    if ((*s)->fd >= 0)
        close((*s)->fd);
    free(*s);
    *s = NULL;
}
