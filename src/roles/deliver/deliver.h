/* deliver.h: what the files of this role share.
 *
 *   main.c     start, the scheduler: leases destinations, releases finished ones
 *   site.c     leased destinations in memory: pages of rows, jobs, who works on what
 *   worker.c   a thread: takes jobs of a site, one dialogue after the other
 *   hop.c      where a site's mail goes: smart host or MX; kept connections
 *   smtp.c     the dialogue
 *   content.c  message texts, read once, shared by the threads
 *   results.c  results on their way to the store, up to 50 or 20 ms in one commit
 *   backoff.c  when to try again
 *
 * One lock (deliver.lock) guards sites, hops and the content cache; it is never held over I/O. */
#ifndef ROLES_DELIVER_DELIVER_H
#define ROLES_DELIVER_DELIVER_H

#include <pthread.h>

#include "net/dns.h"
#include "roles/deliver/smtp.h"
#include "roles/role.h"
#include "store/event.h"

/* One delivery row: one recipient of one message. */
struct row {
    int64_t due, message, list, rcpt, tries;
    int64_t flags; /* enum delivery_flags */
    view address, list_address, sender, orcpt;
    bool done; /* has its result, or was put back: no longer ours */
};

/* Rows fetched together; freed when the last of them has its result. */
struct page {
    struct arena arena;
    struct row *rows;
    size_t count, taken, unfinished;
    struct page *next;       /* with rows to take */
    struct page *alive_next; /* of the site, unfinished */
};

/* Rows that share one transaction: one list copy, or recipients of one message. */
struct job {
    struct page *page;
    struct row *rows;
    size_t count;
};

struct hop {
    char *name;       /* "relay" or the domain */
    size_t active;    /* threads that use or make a connection */
    size_t connected; /* of them, those that have one */
    size_t limit;     /* connections the other side was seen to allow; 0: not known */
    int64_t limited_ms;
    int64_t slow_until_ms; /* it let a thread wait for long */
    struct smtp *idle;
    size_t sites;
    struct hop *next;
};

struct site {
    int64_t dest, batch, tries;
    char *domain;
    struct hop *hop;
    struct page *first, **last, *alive;
    int64_t cursor[4]; /* due, message, list, rcpt of the last row fetched */
    bool fetching, exhausted, failed;
    bool again;       /* something new came while a page was being fetched */
    struct err why;   /* failed */
    size_t workers;   /* threads on it */
    size_t in_flight; /* rows taken whose results are not committed */
    int64_t looked_back_ms;
    bool looking_back;     /* the cursor was set back: rows of ours may come again */
    int64_t idle_since_ms; /* finished then, waiting whether something new comes */
    struct site *next;
};

struct deliver {
    struct role role;
    struct dns *dns;
    struct tls_context *tls; /* NULL: STARTTLS is not used */
    pthread_mutex_t lock;
    pthread_cond_t work; /* something for a worker, or stopping */
    struct site *sites;
    size_t site_count;
    struct hop *hops;
    size_t slow_threads; /* of them all, those that wait for slow sites */
    bool paused;         /* results cannot be committed, or leases not be renewed: nothing new is begun */
    int64_t stop_ms;     /* when to end dialogues under way; 0: not stopping */
    bool stopping;
};
extern struct deliver deliver;

/* ---- site.c (under the lock unless said otherwise) ---- */
/* A destination was leased; one that is held already has something new. */
void site_add(int64_t dest, int64_t batch, int64_t tries, view domain);
void site_link(struct site *s);
/* A site that has work and whose hop has room for one more connection; the caller is counted in. NULL: none.
 */
struct site *site_pick(void);
void site_leave(struct site *s);
/* Without the lock: the next job; fetches a page when needed. False: nothing left, or the site failed. */
bool site_next_job(struct site *s, struct job *ret_job);
/* Without the lock: a job that was not tried. Its rows stay in the store and are fetched with the next lease.
 */
void site_put_back(struct site *s, const struct job *job);
/* Without the lock: the whole site cannot be reached, and the job in hand was not tried. Temporary: expired
 * messages are returned, the rest waits. Permanent: everything is returned. */
bool site_has_failed(struct site *s);
void site_fail(struct site *s, const struct job *in_hand, const struct err *why);
/* n rows of the page have their results in the store, or are put back. */
void site_rows_done(struct site *s, struct page *page, struct row *rows, size_t n);
/* A site that has had nothing to do for LINGER_MS, or failed, unlinked; or NULL. */
struct site *site_take_finished(void);
void site_free(struct site *s);

/* ---- worker.c ---- */
void *worker_run(void *unused);

/* ---- hop.c ---- */
struct hop *hop_get(view domain); /* under the lock */
void hop_put(struct hop *h);      /* under the lock */
/* An idle connection or a new one. NULL: see e; a permanent error means the site takes no mail at all. */
struct smtp_settings hop_settings(struct hop *h);
struct smtp *hop_connect(struct site *s, bool *ret_reused, struct err *e);
/* Under the lock: one more thread may go there now. */
bool hop_may_start(const struct hop *h);
/* A dialogue of this thread has waited `waited_ms` for the other side. False: it must not wait on, since the
 * process stops, or because a quarter of the threads wait for slow sites already (DESIGN 5). */
bool hop_keep_waiting(struct hop *h, int64_t waited_ms);
/* The dialogue is over. */
void hop_waited(void);
/* A connection was refused. True: others to that hop work, so it just allows no more; their number is noted.
 */
bool hop_is_at_limit(struct hop *h);
/* Keep for others, or end it. */
void hop_give_back(struct hop *h, struct smtp *c, bool usable);
void hop_close_idle(void);

/* ---- content.c ---- */
struct content {
    int64_t message;
    struct err err; /* could not be read */
    view fields;    /* put on top */
    view stuffed;   /* dot-stuffed, with a final line end */
    view body;      /* as received */
    int64_t flags;
    bool utf8_header; /* header fields in UTF-8 as they stand (RFC 6532) */
    size_t refs, bytes;
    bool ready;
    struct buf store, wire;
    struct content *next;
};
/* Without the lock. Never NULL; check err. */
struct content *content_get(int64_t message);
void content_put(struct content *c);

/* ---- results.c ---- */
struct result {
    enum event_kind kind;
    int64_t next_due; /* DEFERRED */
    view host, detail;
};
bool results_start(struct err *e);
void results_stop(void); /* after everything is committed */
/* Take over the results of a job's rows, and with them, in the same commit, the arguments of ACCEPT of a
 * notification about those that failed (empty: none). */
void results_add(struct site *s, const struct job *job, const struct result *results, view notice);

/* ---- backoff.c ---- */
/* Milliseconds to wait after `tries` failures, with jitter. */
int64_t backoff_ms(const struct config *c, int64_t tries);
bool backoff_expired(const struct config *c, int64_t message, int64_t now_ms);

#endif
