/* tally.c: see tally.h. What is alike is one entry of a hash table, which goes to the store and is emptied
 * every few seconds. Strangers choose what is counted, so all of it has a limit: entries in memory, and new
 * rows of a day in the store. */
#include "roles/tally.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/report.h"

#define DAY_MS        INT64_C(86400000)
#define FLUSH_MS      10000
#define PACKET_OCTETS (LIMIT_STORE_PACKET / 2)
enum { ENTRIES_MOST = 50000, FRESH_A_DAY_MOST = 200000, BUCKETS = 1 << 16 };
_Static_assert((int)TALLY_DMARC == (int)REPORT_DMARC && (int)TALLY_TLS == (int)REPORT_TLS,
               "the store's numbers");

struct entry {
    struct entry *next; /* of the bucket */
    uint64_t hash;
    int64_t kind, day, n;
    view domain, row; /* behind the entry */
    char octets[];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t stop;
    pthread_t thread;
    struct role *role;
    struct entry **buckets;
    size_t count;
    bool started, stopping;
    uint64_t seed; /* so that nobody can choose what falls into one bucket */
    /* Of the thread that writes. */
    int64_t fresh_day, fresh;
} tally = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- entries ---- */

/* FNV-1a. */
static uint64_t hash_add(uint64_t hash, view v) {
    for (size_t i = 0; i < v.len; i++)
        hash = (hash ^ (unsigned char)v.ptr[i]) * UINT64_C(1099511628211);
    return hash;
}

static struct entry *find(struct entry **bucket, const struct entry *like) {
    for (struct entry *e = *bucket; e; e = e->next)
        if (e->hash == like->hash && e->kind == like->kind && e->day == like->day &&
            view_eq(e->domain, like->domain) && view_eq(e->row, like->row))
            return e;
    return NULL;
}

static void link_new(struct entry **bucket, const struct entry *like) {
    struct entry *e = mem_alloc(sizeof *e + like->domain.len + like->row.len);
    *e = *like;
    memcpy(e->octets, like->domain.ptr, like->domain.len);
    memcpy(e->octets + like->domain.len, like->row.ptr, like->row.len);
    e->domain = view_from(e->octets, like->domain.len);
    e->row = view_from(e->octets + like->domain.len, like->row.len);
    e->next = *bucket;
    *bucket = e;
    tally.count++;
}

void tally_add(enum tally_kind kind, view domain, view row) {
    struct entry like = {.kind = kind, .day = clock_now_ms() / DAY_MS, .n = 1, .domain = domain, .row = row};
    if (domain.len == 0 || domain.len > REPORT_NAME_MOST || row.len == 0 || row.len > REPORT_ROW_MOST)
        return;
    pthread_mutex_lock(&tally.lock);
    like.hash = hash_add(hash_add(tally.seed ^ (uint64_t)kind, domain), row);
    struct entry **bucket = tally.started ? &tally.buckets[like.hash % BUCKETS] : NULL;
    struct entry *same = bucket ? find(bucket, &like) : NULL;
    bool dropped = bucket && !same && tally.count >= ENTRIES_MOST;
    if (same)
        same->n++;
    else if (bucket && !dropped)
        link_new(bucket, &like);
    pthread_mutex_unlock(&tally.lock);
    metric_add(METRIC_TALLY_DROPPED, dropped);
}

/* ---- to the store ---- */

/* A site that is flooded with mail of ever other names goes on counting what it knows. */
static bool is_full(void) {
    int64_t day = clock_now_ms() / DAY_MS;
    if (day != tally.fresh_day)
        tally.fresh = 0;
    tally.fresh_day = day;
    return tally.fresh >= FRESH_A_DAY_MOST;
}

static void send(const struct buf *rows, int64_t count) {
    struct store_request q;
    struct err e;
    if (count == 0)
        return;
    store_request_init(&q, OP_TALLY);
    vals_int(&q.args, id_new());
    vals_int(&q.args, is_full());
    vals_int(&q.args, count);
    buf_add(&q.args, buf_view(rows));
    if (store_call(tally.role->store, &q, &e)) {
        struct vals out = vals_of(buf_view(&q.out));
        tally.fresh += vals_get_int(&out);
    } else {
        metric_add(METRIC_TALLY_DROPPED, count);
        log_line(LOG_WARN, "tally-lost", LOG_I("rows", count), LOG_S("reason", e.text));
    }
    store_request_done(&q);
}

static void send_all(struct entry **buckets) {
    struct buf rows = BUF_INIT(LIMIT_STORE_PACKET);
    int64_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry *e = buckets[i], *next; e; e = next) {
            next = e->next;
            vals_int(&rows, e->kind);
            vals_int(&rows, e->day);
            vals_view(&rows, e->domain);
            vals_view(&rows, e->row);
            vals_int(&rows, e->n);
            count++;
            free(e);
            if (rows.len < PACKET_OCTETS)
                continue;
            send(&rows, count);
            buf_reset(&rows);
            count = 0;
        }
    send(&rows, count);
    buf_done(&rows);
}

static void flush(void) {
    struct entry **other = mem_alloc(BUCKETS * sizeof(struct entry *));
    pthread_mutex_lock(&tally.lock);
    if (tally.count > 0) {
        struct entry **full = tally.buckets;
        tally.buckets = other;
        tally.count = 0;
        other = full;
    }
    pthread_mutex_unlock(&tally.lock);
    send_all(other);
    free(other);
}

/* False: it is time to stop. */
static bool pause_a_little(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    pthread_mutex_lock(&tally.lock);
    int rc = 0;
    while (!tally.stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&tally.stop, &tally.lock, &until);
    bool stopping = tally.stopping;
    pthread_mutex_unlock(&tally.lock);
    return !stopping;
}

static void *run(void *unused) {
    (void)unused;
    int64_t next_ms = clock_mono_ms() + FLUSH_MS;
    while (pause_a_little()) {
        if (clock_mono_ms() < next_ms)
            continue;
        flush();
        next_ms = clock_mono_ms() + FLUSH_MS;
    }
    flush();
    return NULL;
}

void tally_start(struct role *r) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&tally.stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    tally.role = r;
    tally.seed = random_u64();
    tally.buckets = mem_alloc(BUCKETS * sizeof(struct entry *));
    tally.started = pthread_create(&tally.thread, NULL, run, NULL) == 0;
    if (!tally.started)
        log_line(LOG_WARN, "no-tally", LOG_S("reason", "no thread for it"));
}

void tally_stop(void) {
    if (!tally.started)
        return;
    pthread_mutex_lock(&tally.lock);
    tally.stopping = true;
    pthread_cond_signal(&tally.stop);
    pthread_mutex_unlock(&tally.lock);
    pthread_join(tally.thread, NULL);
    tally.started = false;
}
