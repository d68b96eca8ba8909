/* queue.c: leased destinations in memory. A queue's rows are fetched page by page in the order of their key
 * and cut into jobs. A queue is finished when nothing is left to fetch, to take or in flight; then its lease
 * ends. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "roles/deliver/deliver.h"
#include "store/class.h"

#define PAGE_ROWS 250
#define LINGER_MS 200
#define LOOK_BACK_MS                                                                                         \
    5000 /* how often a cursor is set back, for rows it has passed by (commits out of order) */

/* Held already: look for what is new, now and then from the start; in a queue that failed it waits with the
 * rest. */
static bool refresh(const struct lease *l) {
    for (struct queue *s = deliver.queues; s; s = s->next)
        if (s->dest == l->dest) {
            int64_t now = clock_real_us() / 1000;
            s->batch = l->batch;
            s->frozen = l->frozen;
            s->again = s->fetching; /* a fetch under way may have missed it */
            s->exhausted = false;
            if (!s->fetching && now - s->looked_back_ms > LOOK_BACK_MS) {
                memset(s->cursor, 0, sizeof s->cursor);
                s->looked_back_ms = now;
                s->looking_back = true;
            }
            return true;
        }
    return false;
}

void queue_link(struct queue *s) {
    struct queue **at = &deliver.queues; /* at the end: who came first is served first */
    while (*at)
        at = &(*at)->next;
    s->next = NULL;
    *at = s;
    deliver.queue_count++;
}

void queue_add(const struct lease *l) {
    if (refresh(l)) {
        pthread_cond_signal(&deliver.work);
        return;
    }
    struct queue *s = mem_alloc(sizeof *s);
    *s = (struct queue){.dest = l->dest,
                        .batch = l->batch,
                        .tries = l->tries,
                        .class = DESTINATION_CLASS(l->dest),
                        .domain = mem_view(l->domain),
                        .transport = mem_view(l->transport),
                        .frozen = l->frozen};
    s->last = &s->first;
    s->looked_back_ms = clock_real_us() / 1000;
    queue_link(s);
    pthread_cond_signal(&deliver.work);
}

static bool has_rows(const struct queue *s) {
    return s->first != NULL;
}

static bool has_work(const struct queue *s) {
    return !s->failed && !s->frozen && (has_rows(s) || (!s->exhausted && !s->fetching));
}

static bool may_start(const struct queue *s) {
    if (s->hop)
        return hop_may_start(s->hop);
    return !s->resolving && deliver.resolving < hop_most_slow_threads(); /* names may be slow too */
}

/* Fewest threads first, then who waits longest: nobody is starved by a large neighbour. */
static bool goes_before(const struct queue *a, const struct queue *b) {
    return !b || a->workers < b->workers || (a->workers == b->workers && a->turn < b->turn);
}

static void take_up(struct queue *s) {
    s->workers++;
    s->turn = ++deliver.turns;
    if (s->hop) {
        s->hop->active++;
    } else {
        s->resolving = true;
        deliver.resolving++;
    }
}

struct queue *queue_pick(void) {
    struct queue *best[CLASS_COUNT] = {NULL};
    bool busy[CLASS_COUNT] = {false};
    enum mail_class order[CLASS_COUNT];
    if (deliver.paused || deliver.frozen)
        return NULL;
    for (struct queue *s = deliver.queues; s; s = s->next) {
        if (!has_work(s))
            continue;
        busy[s->class] = true;
        if (goes_before(s, best[s->class]) && may_start(s))
            best[s->class] = s;
    }
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

static bool is_finished(const struct queue *s) {
    return s->workers == 0 && s->in_flight == 0 && !s->fetching &&
           (s->failed || s->frozen || (s->exhausted && !has_rows(s)));
}

/* A failed queue ends now; one that ran dry stays a moment, since mail for a domain often comes in a row. */
static void note_if_finished(struct queue *s) {
    if (!is_finished(s))
        return;
    s->idle_since_ms = clock_real_us() / 1000;
    if (s->failed)
        hint_interrupt(deliver.role.hint);
}

void queue_leave(struct queue *s) {
    s->workers--;
    if (s->resolving) {
        s->resolving = false;
        deliver.resolving--;
    } else {
        s->hop->active--;
    }
    note_if_finished(s);
    pthread_cond_signal(&deliver.work);
}

static void free_page(struct queue *s, struct page *p) {
    for (struct page **at = &s->alive; *at; at = &(*at)->alive_next)
        if (*at == p) {
            *at = p->alive_next;
            break;
        }
    arena_done(&p->arena);
    free(p);
}

/* Fetched before. Only looked for behind a cursor that was set back. A row that has its result counts too:
 * the answer in hand may have been read before that was committed. */
static bool is_ours(const struct queue *s, const struct row *r) {
    for (const struct page *p = s->alive; p; p = p->alive_next)
        for (size_t i = 0; i < p->count; i++) {
            const struct row *o = &p->rows[i];
            if (!o->put_back && o->rcpt == r->rcpt && o->message == r->message && o->list == r->list &&
                o->due == r->due)
                return true;
        }
    return false;
}

/* All rows of an answer; the number that was in it. */
static size_t read_rows(struct queue *s, struct page *p, view bytes) {
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
        r->orcpt = arena_view(&p->arena, vals_get_view(&v));
        if (v.failed || p->arena.failed)
            break;
        n++;
        p->count++;
        memcpy(s->cursor, (int64_t[4]){r->due, r->message, r->list, r->rcpt}, sizeof s->cursor);
    }
    return n;
}

/* Under the lock: leave out what is ours already, and make the page known. False: nothing is left of it. */
static bool adopt_page(struct queue *s, struct page *p) {
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++)
        if (!s->looking_back || !is_ours(s, &p->rows[i]))
            p->rows[kept++] = p->rows[i];
    p->count = p->unfinished = kept;
    if (kept == 0)
        return false;
    p->alive_next = s->alive;
    s->alive = p;
    return true;
}

/* Without the lock, by the one thread that set `fetching`. *ret_last: nothing lies behind these rows. */
static struct page *fetch_page(struct queue *s, bool *ret_last, bool *ret_failed) {
    struct store_request q;
    struct page *p = mem_alloc(sizeof *p);
    arena_init(&p->arena, 4 * LIMIT_STORE_PACKET);
    p->rows = arena_array(&p->arena, struct row, PAGE_ROWS);
    store_request_init(&q, OP_FETCH);
    vals_int(&q.args, s->dest);
    for (int i = 0; i < 4; i++)
        vals_int(&q.args, s->cursor[i]);
    vals_int(&q.args, PAGE_ROWS);
    struct err e;
    bool ok = store_call(deliver.role.store, &q, &e);
    *ret_failed = !ok;
    *ret_last = !ok || read_rows(s, p, buf_view(&q.out)) < PAGE_ROWS;
    if (!ok)
        log_line(LOG_ERROR, "fetch-failed", LOG_S("site", s->domain), LOG_S("reason", e.text));
    store_request_done(&q);
    return p;
}

/* Those that were finished while a page was being fetched. */
static void free_finished_pages(struct queue *s) {
    for (struct page *p = s->alive, *next; p; p = next) {
        next = p->alive_next;
        if (p->unfinished == 0)
            free_page(s, p);
    }
}

/* Under the lock, which is given up meanwhile. */
static void fetch(struct queue *s) {
    bool failed = false, last = false;
    s->fetching = true;
    pthread_mutex_unlock(&deliver.lock);
    struct page *p = fetch_page(s, &last, &failed);
    pthread_mutex_lock(&deliver.lock);
    s->fetching = false;
    if (adopt_page(s, p)) {
        *s->last = p;
        s->last = &p->next;
    } else {
        free_page(s, p);
    }
    free_finished_pages(s);
    s->exhausted = !s->again && (failed || last);
    s->looking_back &= !last; /* from here on all is new */
    s->again = false;
    note_if_finished(s);
    pthread_cond_signal(&deliver.work);
}

/* A list copy goes alone (VERP); other recipients of one message go together. */
static size_t job_size(const struct row *rows, size_t most) {
    size_t n = 1;
    while (rows[0].list == 0 && n < most && n < LIMIT_JOB_ROWS && rows[n].message == rows[0].message &&
           rows[n].list == 0)
        n++;
    return n;
}

static bool take_job(struct queue *s, struct job *ret_job) {
    struct page *p = s->first;
    if (!p)
        return false;
    struct row *rows = &p->rows[p->taken];
    size_t n = job_size(rows, p->count - p->taken);
    *ret_job = (struct job){.page = p, .rows = rows, .count = n};
    p->taken += n;
    s->in_flight += n;
    if (p->taken == p->count) {
        s->first = p->next;
        if (!s->first)
            s->last = &s->first;
    }
    return true;
}

bool queue_next_job(struct queue *s, size_t done, struct job *ret_job) {
    pthread_mutex_lock(&deliver.lock);
    bool taken = false, my_turn = done < fair_run(&deliver.fair, s->class);
    while (my_turn && !deliver.stopping && !deliver.paused && !deliver.frozen && !s->failed && !s->frozen) {
        taken = take_job(s, ret_job);
        if (taken || s->exhausted || s->fetching)
            break;
        fetch(s);
    }
    if (taken)
        fair_charge(&deliver.fair, s->class);
    pthread_mutex_unlock(&deliver.lock);
    return taken;
}

void queue_rows_done(struct queue *s, struct page *page, size_t n) {
    page->unfinished -= n;
    s->in_flight -= n;
    if (page->unfinished == 0 && !s->fetching) /* else its rows may be in the answer that is under way */
        free_page(s, page);
    note_if_finished(s);
}

void queue_put_back(struct queue *s, const struct job *job) {
    pthread_mutex_lock(&deliver.lock);
    for (size_t i = 0; i < job->count; i++)
        job->rows[i].put_back = true;
    queue_rows_done(s, job->page, job->count);
    pthread_mutex_unlock(&deliver.lock);
}

/* A job of a site that cannot be reached. True: its rows have a result. */
static bool give_up_job(struct queue *s, const struct job *job, const struct err *why, int64_t now) {
    bool done = outcome_of_failure(s, job, why, now);
    if (!done)
        queue_put_back(s, job);
    return done;
}

/* All rows of one page that nobody has taken. The number of jobs that have a result. */
static size_t give_up_page(struct queue *s, struct page *p, const struct err *why) {
    int64_t now = clock_now_ms();
    size_t returned = 0, count = p->count, n;
    size_t first = p->taken;
    p->taken = count;
    for (size_t i = first; i < count;
         i += n) { /* the page is gone with its last row: nothing of it is read then */
        struct job job = {.page = p, .rows = &p->rows[i]};
        n = job.count = job_size(job.rows, count - i);
        returned += give_up_job(s, &job, why, now);
    }
    return returned;
}

bool queue_has_failed(struct queue *s) {
    pthread_mutex_lock(&deliver.lock);
    bool failed = s->failed;
    pthread_mutex_unlock(&deliver.lock);
    return failed;
}

/* True for the first to say so: it looks after all rows, also those that other threads have put back. */
static bool note_failure(struct queue *s, const struct err *why) {
    pthread_mutex_lock(&deliver.lock);
    bool first = !s->failed;
    if (first) {
        s->failed = true;
        s->why = *why;
        memset(s->cursor, 0, sizeof s->cursor);
        s->looking_back = true;
        s->exhausted = false;
    }
    pthread_mutex_unlock(&deliver.lock);
    return first;
}

void queue_fail(struct queue *s, const struct job *in_hand, const struct err *why) {
    bool first = note_failure(s, why);
    if (in_hand)
        give_up_job(s, in_hand, why, clock_now_ms());
    pthread_mutex_lock(&deliver.lock);
    while (first) {
        struct page *p = s->first;
        if (!p && !s->exhausted && !s->fetching) {
            fetch(s);
            p = s->first;
        }
        if (!p)
            break;
        s->first = p->next;
        if (!s->first)
            s->last = &s->first;
        s->in_flight += p->count - p->taken;
        pthread_mutex_unlock(&deliver.lock);
        size_t returned = give_up_page(s, p, why);
        pthread_mutex_lock(&deliver.lock);
        if (returned == 0 && !s->first)
            break; /* nothing on this page was old enough; the next try goes on from here */
    }
    note_if_finished(s);
    pthread_mutex_unlock(&deliver.lock);
    if (first)
        log_line(LOG_WARN, "site-failed", LOG_S("site", s->domain), LOG_S("class", class_name(s->class)),
                 LOG_S("reason", why->text));
}

struct queue *queue_take_finished(void) {
    int64_t now = clock_real_us() / 1000;
    for (struct queue **at = &deliver.queues, *s; (s = *at); at = &s->next)
        if (is_finished(s) && (s->failed || deliver.stopping || now - s->idle_since_ms >= LINGER_MS)) {
            *at = s->next;
            deliver.queue_count--;
            return s;
        }
    return NULL;
}

void queue_free(struct queue *s) {
    while (s->first) {
        struct page *p = s->first;
        s->first = p->next;
        free_page(s, p);
    }
    if (s->hop)
        hop_put(s->hop);
    free(s->domain);
    free(s->transport);
    free(s);
}
