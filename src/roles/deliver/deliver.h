/* deliver.h: what the files of this role share.
 *
 *   main.c     start, and the loop that leases destinations and releases finished ones
 *   sched.c    who goes next: shares of classes, connections of a site (pure)
 *   queue.c    leased destinations in memory: pages of rows, jobs, who works on what
 *   worker.c   a thread: takes jobs of a queue, one dialogue after the other
 *   hop.c      where mail goes: transport, smart host or MX; connections in use and kept
 *   policy.c   what TLS a host must show for mail, by DANE, MTA-STS and the message itself
 *   sts.c      policies of MTA-STS: fetched, kept, and looked up
 *   sessions.c what came of TLS, counted for reports
 *   smtp.c     the dialogue, SMTP or LMTP
 *   content.c  message texts, read once, shared by the threads
 *   dkim2.c    DKIM2 signatures
 *   direct.c   mail that is passed on to an address elsewhere
 *   outcome.c  what becomes of rows after a dialogue or a failure: events, retries, notifications
 *   results.c  results on their way to the store, up to 50 or 20 ms in one commit
 *   backoff.c  when to try again
 *   sign.c     DKIM signatures, and the keys they are made with
 *   templates.c  texts of letters that are behind URIs
 *   web.c      what requests by HTTP have in common (web.h)
 *
 * One lock (deliver.lock) guards queues, hops and the content cache; it is never held over I/O. */
#ifndef ROLES_DELIVER_DELIVER_H
#define ROLES_DELIVER_DELIVER_H

#include <pthread.h>

#include "auth/check.h"
#include "auth/dkim2.h"
#include "auth/dkim_sign.h"
#include "auth/mta_sts.h"
#include "auth/tls_report.h"
#include "lists/recipe.h"
#include "net/dane.h"
#include "roles/deliver/sched.h"
#include "roles/deliver/smtp.h"
#include "roles/role.h"
#include "store/event.h"

/* One delivery row: one recipient of one message. */
struct row {
    int64_t due, message, list, rcpt, tries;
    int64_t flags; /* enum delivery_flags */
    view address, list_address, sender, orcpt;
    view name;     /* the member's, of a copy that needs it */
    bool put_back; /* not tried: no longer ours, and still in the store as it was */
};

/* Rows fetched together; freed when the last of them has its result. */
struct page {
    struct arena arena;
    struct row *rows;
    size_t count, taken, unfinished;
    struct page *next;       /* with rows to take */
    struct page *alive_next; /* of the queue, unfinished */
};

/* Rows that share one transaction: one list copy, or recipients of one message. */
struct job {
    struct page *page;
    struct row *rows;
    size_t count;
};

/* What a message wants of TLS; what is enough for one is enough for those before it. */
enum tls_need {
    TLS_OPTIONAL, /* "TLS-Required: No": also where the domain's policy says otherwise (RFC 8689 3) */
    TLS_BY_POLICY,
    TLS_REQUIRED, /* MAIL with REQUIRETLS */
    TLS_NEEDS
};

/* What a domain says by MTA-STS. */
struct sts {
    struct arena arena;
    struct mta_sts_policy policy;
    view text; /* as it was fetched */
};

/* A receiving site: one or more hosts that take turns, for all the domains that name them. */
struct hop {
    char *name; /* "mx.example.org,mx2.example.org", "smtp:host:port"; and the class where it has its own
                   identity */
    bool lmtp;
    bool own;                /* the host is the domain itself */
    bool by_mx;              /* the hosts are exchangers that the domain names */
    const char *helo, *bind; /* of its classes; bind NULL: the system chooses */
    char **hosts;            /* in order of preference */
    size_t host_count;
    int port;        /* 0: the host is "unix:/path" */
    bool secure;     /* that mail goes to these hosts is said by DNSSEC, or by people here */
    struct sts *sts; /* what its domains demand of them; or NULL */
    struct {
        struct err err;
        int64_t until_ms;
    } refused[TLS_NEEDS]; /* what was missing for mail of that need, a moment ago */
    size_t active;        /* threads that use or make a connection */
    size_t connected;     /* of them, those that have one */
    struct window window;
    int64_t slow_until_ms; /* it let a thread wait for long */
    struct smtp *idle;
    size_t queues;
    struct hop *next;
};

/* A leased destination: what waits for one domain in one class of traffic. */
struct queue {
    int64_t dest, batch, tries;
    enum mail_class class;
    char *domain, *transport;
    bool frozen;     /* people said so */
    struct hop *hop; /* NULL: where it goes is not looked up yet */
    bool reports;    /* the domain wants reports about TLS */
    bool resolving;  /* a thread is doing that */
    struct page *first, **last, *alive;
    int64_t cursor[4]; /* due, message, list, rcpt of the last row fetched */
    bool fetching, exhausted, failed;
    bool again;       /* something new came while a page was being fetched */
    struct err why;   /* failed */
    size_t workers;   /* threads on it */
    size_t in_flight; /* rows taken whose results are not committed */
    uint64_t turn;    /* when it was last picked */
    int64_t looked_back_ms;
    bool looking_back;     /* the cursor was set back: rows of ours may come again */
    int64_t idle_since_ms; /* finished then, waiting whether something new comes */
    struct queue *next;
};

struct deliver {
    struct role role;
    struct dns *dns;
    struct tls_context *tls; /* NULL: STARTTLS is not used */
    struct tls_context *tls_proving;
    bool validates; /* DNSSEC is looked at */
    pthread_mutex_t lock;
    pthread_cond_t work; /* something for a worker, or stopping */
    struct queue *queues;
    size_t queue_count;
    uint64_t turns;
    struct fair fair;
    struct hop *hops;
    size_t resolving;    /* threads that look up where a queue goes */
    size_t slow_threads; /* of them all, those that wait for slow sites */
    bool paused;         /* results cannot be committed, or leases not be renewed: nothing new is begun */
    bool frozen;         /* people said so */
    int64_t stop_ms;     /* when to end dialogues under way; 0: not stopping */
    bool stopping;
};
extern struct deliver deliver;

/* ---- queue.c (under the lock unless said otherwise) ---- */
struct lease {
    int64_t dest, batch, tries;
    view domain, transport;
    bool frozen;
};
/* A destination was leased; one that is held already has something new. */
void queue_add(const struct lease *l);
void queue_link(struct queue *q);
/* A queue that has work and whose hop has room for one more connection, or whose hop is to be looked up; the
 * caller is counted in. The class that deserves it first, then the queue with the fewest threads. NULL: none.
 */
struct queue *queue_pick(void);
void queue_leave(struct queue *q);
/* Without the lock: the next job, the caller's `done`th in a row; fetches a page when needed. False: nothing
 * left, it is another's turn, or the queue failed. */
bool queue_next_job(struct queue *q, size_t done, struct job *ret_job);
/* Without the lock: a job that was not tried. Its rows stay in the store and are fetched with the next lease.
 */
void queue_put_back(struct queue *q, const struct job *job);
bool queue_has_failed(struct queue *q); /* without the lock */
/* Without the lock: the whole site cannot be reached. `in_hand`: a job that was not tried, or NULL.
 * Temporary: expired messages are returned, the rest waits. Permanent: everything is returned. */
void queue_fail(struct queue *q, const struct job *in_hand, const struct err *why);
/* n rows of the page have their results in the store, or are put back. */
void queue_rows_done(struct queue *q, struct page *page, size_t n);
/* A queue that has had nothing to do for a moment, or failed, unlinked; or NULL. */
struct queue *queue_take_finished(void);
void queue_free(struct queue *q);

/* ---- worker.c ---- */
/* Threads are made as work wants them, at most so many, and stay. */
void workers_start(size_t most);
/* Once deliver.stopping is set: wait until the last dialogue has ended. */
void workers_join(void);

/* ---- hop.c ---- */
/* Without the lock: look up where the queue goes and attach it there. False: see e; a permanent error means
 * that its domain takes no mail. */
bool hop_find(struct queue *q, struct err *e);
void hop_put(struct hop *h); /* under the lock */
/* An idle connection or a new one. NULL: see e. */
struct smtp_settings hop_settings(struct hop *h);
/* At the start: deliver_bind and deliver_helo are what they should be. */
bool hop_check_settings(const struct config *c, struct err *e);
struct smtp *hop_connect(struct queue *q, enum tls_need need, bool *ret_reused, struct err *e);
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
/* It said 421 instead of an answer: pause. False: too often in a row. */
bool hop_refused(struct hop *h);
void hop_succeeded(struct hop *h);
/* Keep for others, or end it. */
void hop_give_back(struct hop *h, struct smtp *c, bool usable);
/* Close what was kept too long, forget hops nobody needs, wake threads when a pause is over. */
void hop_tend(void);
size_t hop_most_slow_threads(void); /* a quarter of all */

/* ---- policy.c ---- */
struct target {
    view host;
    struct sockaddr_any addr;
    struct dns_host known;
};
struct policy {
    struct smtp_demand demand;
    struct tls_proof proof;
    enum tls_policy_kind kind;
    struct dane dane;
    bool allowed; /* by the domain's MTA-STS */
};
/* What the host must show for mail of the domain. False: such mail does not go to it; see e. */
bool policy_find(const struct hop *h, const char *domain, enum tls_need need, const struct target *t,
                 struct arena *a, struct policy *ret, struct err *e);
enum tls_need policy_need(const struct queue *q, const struct job *job);
/* The job has no connection, since what its mail or the domain demands cannot be had. True: its rows have a
 * result; others may still go there. */
bool policy_refused(struct queue *q, const struct job *job, const struct err *e);

/* ---- sts.c ---- */
/* Without the lock; waits for DNS and a web server. *ret: NULL where the domain demands nothing. False: what
 * it has demanded is not known, see e. */
bool sts_find(const char *domain, struct sts **ret, bool *ret_reports, struct err *e);
void sts_free(struct sts *s);

/* ---- sessions.c ---- */
/* `end`: what came of it; or an error before anybody was called. */
void session_count(const struct queue *q, const struct policy *p, const struct target *t,
                   const struct smtp_tls_end *end);
/* The policy itself could not be had. */
void session_count_sts(const char *domain, const char *failure, const char *info);

/* ---- sign.c ---- */
bool signing_start(struct err *e);
void signing_refresh(void); /* now and then: keys that were changed */
void signing_stop(void);
/* How the copies of a message are signed; zeroed: not at all. */
struct signing {
    struct dkim_signing dkim;
    unsigned char body_sha256[32];
    const struct signing_key *seal; /* for ARC, or NULL */
    struct authres found;           /* that is sealed */
    enum arc_result chain;
    bool shown;  /* the message is from whom it says, as far as is known here */
    view author; /* the domain it says; empty: not exactly one */
};
struct signed_mail {
    int64_t flags;  /* enum message_flags */
    view list;      /* its address, of a list's copies; or empty */
    view trace;     /* put on top by smtpd */
    view header;    /* as it leaves, as far as From goes */
    bool mitigated; /* From names an address of ours */
};
/* All but the body's digest. What it keeps lives in the arena. */
void signing_begin(struct signing *s, const struct signed_mail *m, struct arena *a);
void signing_hash(struct signing *s, view body);
/* The key does not make an author's domain of what was not shown to be from there. */
bool signing_may_use(const struct signing *s, const struct signing_key *key);
/* Append the fields for a copy with this header. */
void signing_add(const struct signing *s, view header, struct buf *out);
/* Keys in use for a domain (auth/keyring.h). */
size_t signing_keys_of(view domain, const struct signing_key *ret[SIGNING_KEYS_MOST]);

/* ---- content.c ---- */
/* USUAL: a list's edition, or mail that is passed on to an address elsewhere, as the author's domain wants
 * it. MITIGATED: as if that had forbidden it. PASSED_ON: to the server of a domain of ours, which is not
 * elsewhere. */
enum content_form { FORM_USUAL, FORM_MITIGATED, FORM_PASSED_ON };
struct content {
    int64_t message, list; /* list 0: the message as it came; else the list's edition of it */
    enum content_form form;
    bool mitigated;        /* From is not the author's as it was */
    bool can_be_otherwise; /* FORM_MITIGATED would differ */
    bool own_from;         /* the list's edition names nobody else anyway */
    struct err err;        /* could not be read */
    view fields;           /* put on top */
    view body;             /* all that is the same in every copy */
    view stuffed;          /* that, dot-stuffed, with a final line end */
    view source;           /* what the recipe is over */
    struct recipe recipe;
    size_t differs;     /* pieces at its front that every copy has made for itself … */
    bool differs_below; /* … and they reach into the body */
    view envid;         /* RFC 3461 */
    int64_t flags;
    bool utf8_header; /* header fields in UTF-8 as they stand (RFC 6532) */
    struct signing signing;
    bool dkim2;     /* copies are signed with DKIM2: what they share, where they are alike */
    bool new_chain; /* others must not see what was before */
    view dkim2_before;
    struct buf instances;
    struct dkim2_prepared dkim2_prepared;
    struct arena dkim2_arena;
    view shared_header; /* at the front of `body`, where copies differ above it */
    size_t refs, bytes;
    bool ready;
    struct buf store, made, wire, stored_recipe, envid_text, signature;
    struct arena arena; /* of the recipe */
    struct content *next;
};
/* Without the lock. Never NULL; check err. */
struct content *content_get(int64_t message, int64_t list, view list_address, enum content_form form);
/* What is different in the copy of a member: fields for the top, or the message as a whole, and that with
 * dots stuffed. Its first octets in `made`, `wire` empty: fields; else both. */
void content_copy(const struct content *c, const struct copy_to *who, struct buf *made, struct buf *wire);
void content_put(struct content *c);
/* All fields of a text, and what stands behind the empty line. */
view content_header(view text);
view content_body(view text);

/* ---- dkim2.c ---- */
/* before: the message as it came, or empty; copy: as it leaves, for anybody. Both live as long as the
 * content. */
void dkim2_begin(struct content *c, view before, view copy);
/* Append the fields of one copy. front: what is different in it, as content_copy() made it. */
void dkim2_add(const struct content *c, view front, const struct dkim2_envelope *e, struct buf *out);

/* ---- direct.c ---- */
/* Receivers would find that the author's domain forbids this, as far as DNS says; signatures of ours count.
 */
bool direct_is_forbidden(view octets, const struct signing *s);
/* From c->body to what leaves, in c->made where that differs. False: see c->err. */
bool direct_make(struct content *c, const struct signing *s);
/* The envelope sender it leaves with. */
bool direct_sender(const struct row *row, const struct content *c, struct arena *a, view *ret, struct err *e);

/* ---- outcome.c ---- */
/* What the dialogue over `c` said of each row of the job goes to the store, with the notifications that are
 * due. */
void outcome_of_dialogue(struct queue *q, const struct job *job, const struct smtp_recipient *to,
                         const struct smtp *c, const struct content *content);
/* The job was not tried, for a reason that is its own. */
void outcome_of_refusal(struct queue *q, const struct job *job, const struct err *why);
/* The site of the queue cannot be reached. True: the rows have a result, since it is permanent, or they are
 * too old to wait on, or their sender is told now that it takes longer. False: they wait for the site. */
bool outcome_of_failure(struct queue *q, const struct job *job, const struct err *why, int64_t now_ms);

/* In which form the job's rows are sent. */
enum content_form outcome_form(const struct queue *q, const struct job *job);

/* ---- results.c ---- */
struct result {
    enum event_kind kind;
    int64_t next_due; /* DEFERRED */
    int64_t flags;    /* of the row that stays */
    bool counts;      /* BOUNCED: against the member of the list */
    view host, detail;
};
bool results_start(struct err *e);
void results_stop(void); /* after everything is committed */
/* Take over the results of a job's rows, and with them, in the same commit, the arguments of ACCEPT of a
 * notification about them (empty: none). */
void results_add(struct queue *q, const struct job *job, const struct result *results, view notice);

/* ---- templates.c ---- */
bool templates_start(struct err *e);
void templates_stop(void);

/* ---- report.c ---- */
bool reports_start(struct err *e);
void reports_stop(void);

/* ---- backoff.c ---- */
/* Milliseconds to wait after `tries` failures, with jitter. */
int64_t backoff_ms(const struct config *c, int64_t tries);
bool backoff_expired(const struct config *c, int64_t message, int64_t now_ms);
/* The sender is to be told that it takes longer. */
bool backoff_is_late(const struct config *c, int64_t message, int64_t now_ms);

#endif
