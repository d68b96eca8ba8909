/* site.c: leased destinations in memory. A site's rows are fetched page by page in the order of their key and
 * cut into jobs. A site is finished when nothing is left to fetch, to take or in flight; then its lease ends.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "roles/deliver/deliver.h"
#include "routing/notice.h"

#define PAGE_ROWS 500
#define LINGER_MS 200
#define LOOK_BACK_MS                                                                                         \
    5000 /* how often a cursor is set back, for rows it has passed by (commits out of order) */

/* Held already: look for what is new, now and then from the start; in a site that failed it waits with the
 * rest. */
static bool refresh(int64_t dest, int64_t batch) {
    for (struct site *s = deliver.sites; s; s = s->next)
        if (s->dest == dest) {
            int64_t now = clock_real_us() / 1000;
            s->batch = batch;
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

void site_link(struct site *s) {
    struct site **at = &deliver.sites; /* at the end: who came first is served first */
    while (*at)
        at = &(*at)->next;
    s->next = NULL;
    *at = s;
    deliver.site_count++;
}

void site_add(int64_t dest, int64_t batch, int64_t tries, view domain) {
    if (refresh(dest, batch)) {
        pthread_cond_signal(&deliver.work);
        return;
    }
    struct site *s = mem_alloc(sizeof *s);
    *s = (struct site){
        .dest = dest, .batch = batch, .tries = tries, .domain = mem_view(domain), .hop = hop_get(domain)};
    s->last = &s->first;
    s->looked_back_ms = clock_real_us() / 1000;
    site_link(s);
    pthread_cond_signal(&deliver.work);
}

static bool has_rows(const struct site *s) {
    return s->first != NULL;
}

static bool has_work(const struct site *s) {
    return !s->failed && (has_rows(s) || (!s->exhausted && !s->fetching));
}

struct site *site_pick(void) {
    struct site *best = NULL;
    if (deliver.paused)
        return NULL;
    for (struct site *s = deliver.sites; s; s = s->next)
        if (has_work(s) && hop_may_start(s->hop) && (!best || s->workers < best->workers))
            best = s; /* the one with fewest threads on it: nobody is starved by a large neighbour */
    if (best) {
        best->workers++;
        best->hop->active++;
    }
    return best;
}

static bool is_finished(const struct site *s) {
    return s->workers == 0 && s->in_flight == 0 && !s->fetching &&
           (s->failed || (s->exhausted && !has_rows(s)));
}

/* A failed site ends now; one that ran dry stays a moment, since mail for a site often comes in a row. */
static void note_if_finished(struct site *s) {
    if (!is_finished(s))
        return;
    s->idle_since_ms = clock_real_us() / 1000;
    if (s->failed)
        hint_interrupt(deliver.role.hint);
}

void site_leave(struct site *s) {
    s->workers--;
    s->hop->active--;
    note_if_finished(s);
    pthread_cond_signal(&deliver.work);
}

static void free_page(struct site *s, struct page *p) {
    for (struct page **at = &s->alive; *at; at = &(*at)->alive_next)
        if (*at == p) {
            *at = p->alive_next;
            break;
        }
    arena_done(&p->arena);
    free(p);
}

/* Fetched before and not finished. Only looked for behind a cursor that was set back. */
static bool is_ours(const struct site *s, const struct row *r) {
    for (const struct page *p = s->alive; p; p = p->alive_next)
        for (size_t i = 0; i < p->count; i++) {
            const struct row *o = &p->rows[i];
            if (!o->done && o->rcpt == r->rcpt && o->message == r->message && o->list == r->list)
                return true;
        }
    return false;
}

/* All rows of an answer; the number that was in it. */
static size_t read_rows(struct site *s, struct page *p, view bytes) {
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
static bool adopt_page(struct site *s, struct page *p) {
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
static struct page *fetch_page(struct site *s, bool *ret_last, bool *ret_failed) {
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

/* Under the lock, which is given up meanwhile. */
static void fetch(struct site *s) {
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

static bool take_job(struct site *s, struct job *ret_job) {
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

bool site_next_job(struct site *s, struct job *ret_job) {
    pthread_mutex_lock(&deliver.lock);
    bool taken = false;
    while (!deliver.stopping && !deliver.paused && !s->failed) {
        taken = take_job(s, ret_job);
        if (taken || s->exhausted || s->fetching)
            break;
        fetch(s);
    }
    pthread_mutex_unlock(&deliver.lock);
    return taken;
}

void site_rows_done(struct site *s, struct page *page, struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++)
        rows[i].done = true;
    page->unfinished -= n;
    s->in_flight -= n;
    if (page->unfinished == 0)
        free_page(s, page);
    note_if_finished(s);
}

void site_put_back(struct site *s, const struct job *job) {
    pthread_mutex_lock(&deliver.lock);
    site_rows_done(s, job->page, job->rows, job->count);
    pthread_mutex_unlock(&deliver.lock);
}

/* Arguments of a notification about all recipients of a job, or nothing. */
static void format_notice(const struct job *job, const struct err *why, view status, int64_t now,
                          struct buf *out) {
    struct dsn_recipient failed[LIMIT_JOB_ROWS];
    const struct row *row = &job->rows[0];
    if (!notice_wanted(row->sender, row->list))
        return;
    struct content *content = content_get(row->message);
    for (size_t i = 0; i < job->count; i++)
        failed[i] = (struct dsn_recipient){.address = job->rows[i].address,
                                           .action = DSN_FAILED,
                                           .status = status,
                                           .diagnostic = view_of(why->text)};
    notice_args(&(struct notice){.hostname = view_of(deliver.role.config->hostname),
                                 .message = row->message,
                                 .sender = row->sender,
                                 .fields = content->fields,
                                 .body = content->body,
                                 .recipients = failed,
                                 .recipient_count = job->count},
                now, out, NULL);
    content_put(content);
}

/* A job of a site that cannot be reached: returned when it is time, else left. True: it was returned. */
static bool give_up_job(struct site *s, const struct job *job, const struct err *why, int64_t now) {
    bool permanent = err_info(why->code)->class == ERR_CLASS_PERMANENT;
    struct result results[LIMIT_JOB_ROWS];
    if (!permanent && !backoff_expired(deliver.role.config, job->rows[0].message, now)) {
        site_put_back(s, job);
        return false;
    }
    for (size_t i = 0; i < job->count; i++)
        results[i] =
            (struct result){.kind = EVENT_BOUNCED, .host = view_of(s->domain), .detail = view_of(why->text)};
    struct buf notice = BUF_INIT(LIMIT_STORE_PACKET);
    format_notice(job, why, permanent ? view_of(err_info(why->code)->enhanced) : VIEW("5.4.7"), now, &notice);
    results_add(s, job, results, buf_view(&notice));
    buf_done(&notice);
    return true;
}

/* All rows of one page that nobody has taken. The number of jobs returned to their senders. */
static size_t give_up_page(struct site *s, struct page *p, const struct err *why) {
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

bool site_has_failed(struct site *s) {
    pthread_mutex_lock(&deliver.lock);
    bool failed = s->failed;
    pthread_mutex_unlock(&deliver.lock);
    return failed;
}

/* True for the first to say so: it looks after all rows, also those that other threads have put back. */
static bool note_failure(struct site *s, const struct err *why) {
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

void site_fail(struct site *s, const struct job *in_hand, const struct err *why) {
    bool first = note_failure(s, why);
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
        log_line(LOG_WARN, "site-failed", LOG_S("site", s->domain), LOG_S("reason", why->text));
}

struct site *site_take_finished(void) {
    int64_t now = clock_real_us() / 1000;
    for (struct site **at = &deliver.sites, *s; (s = *at); at = &s->next)
        if (is_finished(s) && (s->failed || deliver.stopping || now - s->idle_since_ms >= LINGER_MS)) {
            *at = s->next;
            deliver.site_count--;
            return s;
        }
    return NULL;
}

void site_free(struct site *s) {
    while (s->first) {
        struct page *p = s->first;
        s->first = p->next;
        free_page(s, p);
    }
    hop_put(s->hop);
    free(s->domain);
    free(s);
}
