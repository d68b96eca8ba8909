/* queue.c: leased destinations in memory. A queue's rows are fetched page by page in the order of their key
 * and cut into jobs. A queue is finished when nothing is left to fetch, to take or in flight; then its lease
 * ends. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "roles/deliver/deliver.h"
#include "store/accept.h"
#include "store/class.h"

#define PAGE_ROWS 250
#define LINGER_MS 200
#define LOOK_BACK_MS                                                                                         \
    5000 /* how often a cursor is set back, for rows it has passed by (commits out of order) */

/* Held already: look for what is new, now and then from the start; in a queue that failed it waits with the
 * rest. */
static bool refresh(const struct lease *l) {
    for (struct queue *q = deliver.queues; q; q = q->next)
        if (q->dest == l->dest) {
            int64_t now = clock_real_us() / 1000;
            q->batch = l->batch;
            q->frozen = l->frozen;
            q->again = q->fetching; /* a fetch under way may have missed it */
            q->exhausted = false;
            if (!q->fetching && now - q->looked_back_ms > LOOK_BACK_MS) {
                memset(q->cursor, 0, sizeof q->cursor);
                q->looked_back_ms = now;
                q->looking_back = true;
            }
            return true;
        }
    return false;
}

void queue_link(struct queue *q) {
    struct queue **at = &deliver.queues; /* at the end: who came first is served first */
    while (*at)
        at = &(*at)->next;
    q->next = NULL;
    *at = q;
    deliver.queue_count++;
}

void queue_add(const struct lease *l) {
    if (refresh(l)) {
        pthread_cond_signal(&deliver.work);
        return;
    }
    struct queue *q = mem_alloc(sizeof *q);
    *q = (struct queue){.dest = l->dest,
                        .batch = l->batch,
                        .tries = l->tries,
                        .class = DESTINATION_CLASS(l->dest),
                        .domain = mem_view(l->domain),
                        .transport = mem_view(l->transport),
                        .frozen = l->frozen};
    q->last = &q->first;
    q->looked_back_ms = clock_real_us() / 1000;
    queue_link(q);
    pthread_cond_signal(&deliver.work);
}

static bool has_rows(const struct queue *q) {
    return q->first != NULL;
}

static bool has_work(const struct queue *q) {
    return !q->failed && !q->frozen && (has_rows(q) || (!q->exhausted && !q->fetching));
}

static bool may_start(const struct queue *q) {
    if (q->hop)
        return hop_may_start(q->hop);
    return !q->resolving && deliver.resolving < hop_most_slow_threads(); /* names may be slow too */
}

/* Fewest threads first, then who waits longest: nobody is starved by a large neighbour. */
static bool goes_before(const struct queue *a, const struct queue *b) {
    return !b || a->workers < b->workers || (a->workers == b->workers && a->turn < b->turn);
}

static void take_up(struct queue *q) {
    q->workers++;
    q->turn = ++deliver.turns;
    if (q->hop) {
        q->hop->active++;
    } else {
        q->resolving = true;
        deliver.resolving++;
    }
}

struct queue *queue_pick(void) {
    struct queue *best[CLASS_COUNT] = {NULL};
    bool busy[CLASS_COUNT] = {false};
    size_t found = 0;
    enum mail_class order[CLASS_COUNT];
    if (deliver.paused || deliver.frozen)
        return NULL;
    for (struct queue *q = deliver.queues; q; q = q->next) {
        if (!has_work(q))
            continue;
        busy[q->class] = true;
        if (!may_start(q))
            continue;
        found++;
        if (goes_before(q, best[q->class]))
            best[q->class] = q;
    }
    if (found > 1) /* who finds work wakes the next one, if there is more */
        pthread_cond_signal(&deliver.work);
    for (int c = 0; c < CLASS_COUNT; c++)
        if (busy[c])
            fair_wake(&deliver.fair, (enum mail_class)c);
        else
            fair_idle(&deliver.fair, (enum mail_class)c);
    fair_order(&deliver.fair, order);
    for (int c = 0; c < CLASS_COUNT; c++)
        if (best[order[c]]) {
            take_up(best[order[c]]);
            return best[order[c]];
        }
    return NULL;
}

static bool is_finished(const struct queue *q) {
    return q->workers == 0 && q->in_flight == 0 && !q->fetching &&
           (q->failed || q->frozen || (q->exhausted && !has_rows(q)));
}

/* A failed queue ends now; one that ran dry stays a moment, since mail for a domain often comes in a row. */
static void note_if_finished(struct queue *q) {
    if (!is_finished(q))
        return;
    q->idle_since_ms = clock_real_us() / 1000;
    if (q->failed)
        hint_interrupt(deliver.role.hint);
}

void queue_leave(struct queue *q) {
    q->workers--;
    if (q->resolving) {
        q->resolving = false;
        deliver.resolving--;
    } else {
        q->hop->active--;
    }
    note_if_finished(q);
}

static void free_page(struct queue *q, struct page *p) {
    for (struct page **at = &q->alive; *at; at = &(*at)->alive_next)
        if (*at == p) {
            *at = p->alive_next;
            break;
        }
    arena_done(&p->arena);
    free(p);
}

/* Fetched before. Only looked for behind a cursor that was set back. A row that has its result counts too:
 * the answer in hand may have been read before that was committed. */
static bool is_ours(const struct queue *q, const struct row *r) {
    for (const struct page *p = q->alive; p; p = p->alive_next)
        for (size_t i = 0; i < p->count; i++) {
            const struct row *o = &p->rows[i];
            if (!o->put_back && o->rcpt == r->rcpt && o->message == r->message && o->list == r->list &&
                o->due == r->due)
                return true;
        }
    return false;
}

/* All rows of an answer; the number that was in it. */
static size_t read_rows(struct queue *q, struct page *p, view bytes) {
    struct vals v = vals_of(bytes);
    size_t n = 0;
    while (vals_more(&v) && n < PAGE_ROWS) {
        struct row *r = &p->rows[p->count];
        r->due = vals_get_int(&v);
        r->message = vals_get_int(&v);
        r->list = vals_get_int(&v);
        r->rcpt = vals_get_int(&v);
        r->tries = vals_get_int(&v);
        r->flags = vals_get_int(&v);
        r->address = arena_view(&p->arena, vals_get_view(&v));
        r->list_address = arena_view(&p->arena, vals_get_view(&v));
        r->sender = arena_view(&p->arena, vals_get_view(&v));
        *(r->flags & DELIVERY_NAME ? &r->name : &r->orcpt) = arena_view(&p->arena, vals_get_view(&v));
        if (v.failed || p->arena.failed)
            break;
        n++;
        p->count++;
        memcpy(q->cursor, (int64_t[4]){r->due, r->message, r->list, r->rcpt}, sizeof q->cursor);
    }
    return n;
}

/* Under the lock: leave out what is ours already, and make the page known. False: nothing is left of it. */
static bool adopt_page(struct queue *q, struct page *p) {
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++)
        if (!q->looking_back || !is_ours(q, &p->rows[i]))
            p->rows[kept++] = p->rows[i];
    p->count = p->unfinished = kept;
    if (kept == 0)
        return false;
    p->alive_next = q->alive;
    q->alive = p;
    return true;
}

/* Without the lock, by the one thread that set `fetching`. *ret_last: nothing lies behind these rows. */
static struct page *fetch_page(struct queue *q, bool *ret_last, bool *ret_failed) {
    struct store_request r;
    struct page *p = mem_alloc(sizeof *p);
    arena_init(&p->arena, 4 * LIMIT_STORE_PACKET);
    p->rows = arena_array(&p->arena, struct row, PAGE_ROWS);
    store_request_init(&r, OP_FETCH);
    vals_int(&r.args, q->dest);
    for (int i = 0; i < 4; i++)
        vals_int(&r.args, q->cursor[i]);
    vals_int(&r.args, PAGE_ROWS);
    struct err e;
    bool ok = store_call(deliver.role.store, &r, &e);
    *ret_failed = !ok;
    *ret_last = !ok || read_rows(q, p, buf_view(&r.out)) < PAGE_ROWS;
    if (!ok)
        log_line(LOG_ERROR, "fetch-failed", LOG_S("site", q->domain), LOG_S("reason", e.text));
    store_request_done(&r);
    return p;
}

/* Those that were finished while a page was being fetched. */
static void free_finished_pages(struct queue *q) {
    for (struct page *p = q->alive, *next; p; p = next) {
        next = p->alive_next;
        if (p->unfinished == 0)
            free_page(q, p);
    }
}

/* Under the lock, which is given up meanwhile. */
static void fetch(struct queue *q) {
    bool failed = false, last = false;
    q->fetching = true;
    pthread_mutex_unlock(&deliver.lock);
    struct page *p = fetch_page(q, &last, &failed);
    pthread_mutex_lock(&deliver.lock);
    q->fetching = false;
    if (adopt_page(q, p)) {
        *q->last = p;
        q->last = &p->next;
    } else {
        free_page(q, p);
    }
    free_finished_pages(q);
    q->exhausted = !q->again && (failed || last);
    q->looking_back &= !last; /* from here on all is new */
    q->again = false;
    note_if_finished(q);
}

/* A list copy goes alone (VERP); other recipients of one message go together. */
static size_t job_size(const struct row *rows, size_t most) {
    size_t n = 1;
    while (rows[0].list == 0 && n < most && n < LIMIT_JOB_ROWS && rows[n].message == rows[0].message &&
           rows[n].list == 0 && ((rows[n].flags ^ rows[0].flags) & DELIVERY_MITIGATED) == 0)
        n++;
    return n;
}

static bool take_job(struct queue *q, struct job *ret_job) {
    struct page *p = q->first;
    if (!p)
        return false;
    struct row *rows = &p->rows[p->taken];
    size_t n = job_size(rows, p->count - p->taken);
    *ret_job = (struct job){.page = p, .rows = rows, .count = n};
    p->taken += n;
    q->in_flight += n;
    if (p->taken == p->count) {
        q->first = p->next;
        if (!q->first)
            q->last = &q->first;
    }
    return true;
}

bool queue_next_job(struct queue *q, size_t done, struct job *ret_job) {
    pthread_mutex_lock(&deliver.lock);
    bool taken = false, my_turn = done < fair_run(&deliver.fair, q->class);
    while (my_turn && !deliver.stopping && !deliver.paused && !deliver.frozen && !q->failed && !q->frozen) {
        taken = take_job(q, ret_job);
        if (taken || q->exhausted || q->fetching)
            break;
        fetch(q);
    }
    if (taken)
        fair_charge(&deliver.fair, q->class);
    if (taken && has_rows(q) && may_start(q)) /* the site takes more than the threads on it send */
        pthread_cond_signal(&deliver.work);
    pthread_mutex_unlock(&deliver.lock);
    return taken;
}

void queue_rows_done(struct queue *q, struct page *page, size_t n) {
    page->unfinished -= n;
    q->in_flight -= n;
    if (page->unfinished == 0 && !q->fetching) /* else its rows may be in the answer that is under way */
        free_page(q, page);
    note_if_finished(q);
}

void queue_put_back(struct queue *q, const struct job *job) {
    pthread_mutex_lock(&deliver.lock);
    for (size_t i = 0; i < job->count; i++)
        job->rows[i].put_back = true;
    queue_rows_done(q, job->page, job->count);
    pthread_mutex_unlock(&deliver.lock);
}

/* A job of a site that cannot be reached. True: its rows have a result. */
static bool give_up_job(struct queue *q, const struct job *job, const struct err *why, int64_t now) {
    bool done = outcome_of_failure(q, job, why, now);
    if (!done)
        queue_put_back(q, job);
    return done;
}

/* All rows of one page that nobody has taken. The number of jobs that have a result. */
static size_t give_up_page(struct queue *q, struct page *p, const struct err *why) {
    int64_t now = clock_now_ms();
    size_t returned = 0, count = p->count, n;
    size_t first = p->taken;
    p->taken = count;
    for (size_t i = first; i < count;
         i += n) { /* the page is gone with its last row: nothing of it is read then */
        struct job job = {.page = p, .rows = &p->rows[i]};
        n = job.count = job_size(job.rows, count - i);
        returned += give_up_job(q, &job, why, now);
    }
    return returned;
}

bool queue_has_failed(struct queue *q) {
    pthread_mutex_lock(&deliver.lock);
    bool failed = q->failed;
    pthread_mutex_unlock(&deliver.lock);
    return failed;
}

/* True for the first to say so: it looks after all rows, also those that other threads have put back. */
static bool note_failure(struct queue *q, const struct err *why) {
    pthread_mutex_lock(&deliver.lock);
    bool first = !q->failed;
    if (first) {
        q->failed = true;
        q->why = *why;
        memset(q->cursor, 0, sizeof q->cursor);
        q->looking_back = true;
        q->exhausted = false;
    }
    pthread_mutex_unlock(&deliver.lock);
    return first;
}

void queue_fail(struct queue *q, const struct job *in_hand, const struct err *why) {
    bool first = note_failure(q, why);
    if (in_hand)
        give_up_job(q, in_hand, why, clock_now_ms());
    pthread_mutex_lock(&deliver.lock);
    while (first) {
        struct page *p = q->first;
        if (!p && !q->exhausted && !q->fetching) {
            fetch(q);
            p = q->first;
        }
        if (!p)
            break;
        q->first = p->next;
        if (!q->first)
            q->last = &q->first;
        q->in_flight += p->count - p->taken;
        pthread_mutex_unlock(&deliver.lock);
        size_t returned = give_up_page(q, p, why);
        pthread_mutex_lock(&deliver.lock);
        if (returned == 0 && !q->first)
            break; /* nothing on this page was old enough; the next try goes on from here */
    }
    note_if_finished(q);
    pthread_mutex_unlock(&deliver.lock);
    if (first)
        log_line(LOG_WARN, "site-failed", LOG_S("site", q->domain), LOG_S("class", class_name(q->class)),
                 LOG_S("reason", why->text));
}

struct queue *queue_take_finished(void) {
    int64_t now = clock_real_us() / 1000;
    for (struct queue **at = &deliver.queues, *q; (q = *at); at = &q->next)
        if (is_finished(q) && (q->failed || deliver.stopping || now - q->idle_since_ms >= LINGER_MS)) {
            *at = q->next;
            deliver.queue_count--;
            return q;
        }
    return NULL;
}

void queue_free(struct queue *q) {
    while (q->first) {
        struct page *p = q->first;
        q->first = p->next;
        free_page(q, p);
    }
    if (q->hop)
        hop_put(q->hop);
    free(q->domain);
    free(q->transport);
    free(q);
}
