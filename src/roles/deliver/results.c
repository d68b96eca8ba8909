/* results.c: results on their way to the store. Threads append; one thread commits what has come together, at
 * the latest 20 ms after the first or as soon as there are 50 (DESIGN 1.1). A result is never dropped: while
 * the store is away its commit is tried again and again, and the rows stay in flight. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "roles/deliver/deliver.h"

#define GROUP_ROWS  50
#define GROUP_NANOS 20000000
#define GROUP_BYTES (LIMIT_STORE_PACKET - 4096)

struct done_row {
    struct queue *queue;
    struct page *page;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t some, room;
    pthread_t thread;
    struct buf rows, notices; /* arguments of RESULTS */
    struct done_row done[4 * GROUP_ROWS + LIMIT_JOB_ROWS];
    size_t count, notice_count;
    bool stopping;
} pending = {.lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER};
enum { MOST_ROWS = sizeof pending.done / sizeof pending.done[0] };

static void format_result(const struct queue *s, const struct row *row, const struct result *r,
                          struct buf *b) {
    const int64_t numbers[] = {s->dest,    row->due, row->message, row->list,   row->rcpt,
                               row->tries, r->flags, r->kind,      r->next_due, r->counts};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        vals_int(b, numbers[i]);
    vals_view(b, view_slice(r->host, 0, LIMIT_EVENT_TEXT));
    vals_view(b, view_slice(r->detail, 0, LIMIT_EVENT_TEXT));
    metric_add(METRIC_DELIVER_SENT, r->kind == EVENT_DELIVERED);
    metric_add(METRIC_DELIVER_DEFERRED, r->kind == EVENT_DEFERRED);
    metric_add(METRIC_DELIVER_BOUNCED, r->kind == EVENT_BOUNCED);
}

void results_add(struct queue *s, const struct job *job, const struct result *results, view notice) {
    struct buf rows = BUF_INIT(LIMIT_STORE_PACKET);
    for (size_t i = 0; i < job->count; i++)
        format_result(s, &job->rows[i], &results[i], &rows);
    pthread_mutex_lock(&pending.lock);
    while (pending.count > 0 &&
           (pending.count + job->count > MOST_ROWS ||
            pending.rows.len + pending.notices.len + rows.len + notice.len > GROUP_BYTES))
        pthread_cond_wait(&pending.room, &pending.lock);
    buf_add(&pending.rows, buf_view(&rows));
    buf_add(&pending.notices, notice);
    pending.notice_count += notice.len > 0;
    for (size_t i = 0; i < job->count; i++)
        pending.done[pending.count++] = (struct done_row){s, job->page};
    if (pending.count == job->count || pending.count >= GROUP_ROWS)
        pthread_cond_signal(&pending.some);
    pthread_mutex_unlock(&pending.lock);
    buf_done(&rows);
}

/* Under the lock: wait for a group. False: stopping, and nothing is left. */
static bool wait_for_group(void) {
    while (pending.count == 0 && !pending.stopping)
        pthread_cond_wait(&pending.some, &pending.lock);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GROUP_NANOS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int rc = 0;
    while (pending.count < GROUP_ROWS && !pending.stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&pending.some, &pending.lock, &until);
    return pending.count > 0;
}

/* While results do not get through, more sending would only mean more mail sent twice. */
static void set_paused(bool paused) {
    pthread_mutex_lock(&deliver.lock);
    deliver.paused = paused;
    if (!paused)
        pthread_cond_broadcast(&deliver.work);
    pthread_mutex_unlock(&deliver.lock);
}

static void commit(struct store_request *q, size_t rows) {
    struct err e;
    struct timespec pause = {.tv_nsec = 200000000};
    while (!store_call(deliver.role.store, q, &e)) {
        set_paused(true);
        log_line(LOG_ERROR, "results-not-committed", LOG_I("rows", rows), LOG_S("reason", e.text));
        if (role_stopping())
            return; /* the rows are still in the store and will be tried again */
        nanosleep(&pause, NULL);
    }
    if (deliver.paused)
        set_paused(false);
}

static void *run(void *unused) {
    (void)unused;
    struct store_request q;
    store_request_init(&q, OP_RESULTS);
    pthread_mutex_lock(&pending.lock);
    while (wait_for_group()) {
        struct done_row done[MOST_ROWS];
        size_t count = pending.count;
        bool notices = pending.notice_count > 0;
        buf_reset(&q.args);
        vals_int(&q.args, (int64_t)count);
        buf_add(&q.args, buf_view(&pending.rows));
        vals_int(&q.args, (int64_t)pending.notice_count);
        buf_add(&q.args, buf_view(&pending.notices));
        for (size_t i = 0; i < count; i++)
            done[i] = pending.done[i];
        buf_reset(&pending.rows);
        buf_reset(&pending.notices);
        pending.count = pending.notice_count = 0;
        pthread_cond_broadcast(&pending.room);
        pthread_mutex_unlock(&pending.lock);
        commit(&q, count);
        if (notices)
            hint_send(deliver.role.config->dir, "router");
        pthread_mutex_lock(&deliver.lock);
        for (size_t i = 0; i < count; i++)
            queue_rows_done(done[i].queue, done[i].page, 1);
        pthread_mutex_unlock(&deliver.lock);
        pthread_mutex_lock(&pending.lock);
    }
    pthread_mutex_unlock(&pending.lock);
    store_request_done(&q);
    return NULL;
}

bool results_start(struct err *e) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pending.some, &monotonic);
    pthread_condattr_destroy(&monotonic);
    buf_init(&pending.rows, LIMIT_STORE_PACKET);
    buf_init(&pending.notices, LIMIT_STORE_PACKET);
    return pthread_create(&pending.thread, NULL, run, NULL) == 0 ||
           err_errno(e, ERR_SYSTEM, "cannot start a thread");
}

void results_stop(void) {
    pthread_mutex_lock(&pending.lock);
    pending.stopping = true;
    pthread_cond_signal(&pending.some);
    pthread_mutex_unlock(&pending.lock);
    pthread_join(pending.thread, NULL);
    buf_done(&pending.rows);
    buf_done(&pending.notices);
}
