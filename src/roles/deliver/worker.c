/* worker.c: a thread that delivers: takes a queue, a connection, and job after job, one dialogue at a time,
 * read top to bottom. What differs per copy is made here: the VERP sender, and what the list's edition says
 * of the member; all else is sent as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/text.h"
#include "mail/verp.h"
#include "roles/deliver/deliver.h"
#include "store/accept.h"

/* What the other side must be able to take; it is asked before the dialogue, not found out in it. */
static bool fits(const struct smtp *c, const struct smtp_mail *mail, struct err *e) {
    if (mail->utf8 && !c->utf8)
        return err_set(e, ERR_NO_UTF8, "%s does not offer SMTPUTF8, which the message needs", c->host);
    if (c->size_max > 0 && mail->size > c->size_max)
        return err_set(e, ERR_LIMIT_MESSAGE, "%s takes at most %lld octets", c->host, (long long)c->size_max);
    return true;
}

static bool needs_utf8(const struct job *job, const struct content *content, view sender) {
    bool utf8 = ((content->flags & MESSAGE_UTF8) && content->utf8_header) || !text_is_7bit(sender);
    for (size_t i = 0; i < job->count; i++)
        utf8 |= !text_is_7bit(job->rows[i].address);
    return utf8;
}

static void set_all(struct smtp_recipient *to, size_t n, const struct err *e) {
    BUG_ON(e->code == ERR_OK);
    for (size_t i = 0; i < n; i++) {
        to[i].err = *e;
        snprintf(to[i].status, sizeof to[i].status, "%s", err_info(e->code)->enhanced);
        snprintf(to[i].reply, sizeof to[i].reply, "%.*s", (int)sizeof to[i].reply - 1, e->text);
    }
}

static const char *ret_of(const struct content *content) {
    return content->flags & MESSAGE_RET_FULL ? "FULL" : content->flags & MESSAGE_RET_HEADERS ? "HDRS" : NULL;
}

/* The copy of one member. */
static void make_copy(const struct content *content, const struct row *row, struct smtp_mail *mail,
                      struct buf *made, struct buf *wire) {
    const struct copy_to who = {.address = row->address, .name = row->name};
    content_copy(content, &who, made, wire);
    if (content->differs_below) {
        mail->body = buf_view(made);
        mail->stuffed = buf_view(wire);
    } else {
        mail->fields[0] = buf_view(made);
    }
}

/* One job over one connection. */
static enum smtp_end run_job(struct hop *hop, struct smtp *c, const struct job *job,
                             const struct content *content, struct smtp_recipient *to) {
    const struct smtp_settings set = hop_settings(hop);
    const struct row *row = &job->rows[0];
    struct buf made = BUF_INIT(0), wire = BUF_INIT(0), sender = BUF_INIT(2 * LIMIT_ADDRESS + 64);
    struct arena arena;
    view forwarded;
    struct err e = {.code = ERR_OK};
    enum smtp_end end = SMTP_DONE;
    struct smtp_mail mail = {.recipients = to,
                             .recipient_count = job->count,
                             .fields = {VIEW(""), content->fields},
                             .body = content->body,
                             .stuffed = content->stuffed,
                             .envid = row->list ? VIEW("") : content->envid,
                             .ret = row->list ? NULL : ret_of(content),
                             .eightbit = (content->flags & (MESSAGE_8BIT | MESSAGE_UTF8)) != 0};
    for (size_t i = 0; i < job->count; i++)
        to[i] = (struct smtp_recipient){
            .address = job->rows[i].address, .notify = job->rows[i].flags, .orcpt = job->rows[i].orcpt};
    arena_init(&arena, LIMIT_STEP_ARENA);
    if (row->list) {
        verp_format(row->list_address, row->address, &sender);
        make_copy(content, row, &mail, &made, &wire);
    } else if (direct_sender(row, content, &arena, &forwarded, &e)) {
        buf_add(&sender, forwarded);
    }
    mail.sender = buf_view(&sender);
    mail.utf8 = needs_utf8(job, content, mail.sender);
    mail.size = (int64_t)(mail.fields[0].len + mail.fields[1].len + mail.body.len);
    if (e.code != ERR_OK || !fits(c, &mail, &e))
        set_all(to, job->count, &e);
    else
        end = smtp_send(c, &mail, &set);
    buf_done(&made);
    buf_done(&wire);
    buf_done(&sender);
    arena_done(&arena);
    return end;
}

/* A connection, and whether it had been kept. */
struct link {
    struct smtp *c;
    bool reused;
};

static void drop(struct queue *q, struct link *l) {
    hop_give_back(q->hop, l->c, false);
    l->c = NULL;
}

/* A new connection in place of kept ones that had ended. */
static bool reconnect(struct queue *q, struct link *l) {
    struct err e;
    do {
        drop(q, l);
        l->c = hop_connect(q->hop, &l->reused, &e);
    } while (l->c && l->reused);
    return l->c != NULL;
}

/* The host wants to be left alone; the job waits in the store. Said too often in a row, the site has failed.
 */
static void wait_for_site(struct queue *q, const struct job *job, const struct smtp *c) {
    struct err e;
    err_set(&e, ERR_REMOTE_TEMPORARY, "%s said: %d %s", c->host, c->reply.code, c->reply.text.data);
    if (hop_refused(q->hop))
        queue_put_back(q, job);
    else
        queue_fail(q, job, &e);
}

/* One job over the link; without a connection in it afterwards, it is of no more use. */
static void deliver_job(struct queue *q, struct link *l, const struct job *job) {
    struct smtp_recipient to[LIMIT_JOB_ROWS];
    enum smtp_end end = SMTP_DONE;
    role_works_on(job->rows[0].message);
    struct content *content =
        content_get(job->rows[0].message, job->rows[0].list, job->rows[0].list_address, outcome_form(q, job));
    bool untried = role_store_is_away(content->err.code);
    for (size_t i = 0; i < job->count; i++)
        to[i] = (struct smtp_recipient){.address = job->rows[i].address};
    if (content->err.code != ERR_OK) {
        set_all(to, job->count, &content->err);
    } else {
        role_planted_crash(&deliver.role, content->body);
        end = run_job(q->hop, l->c, job, content, to);
        if ((end == SMTP_ENDED || end == SMTP_REFUSED) && l->reused && reconnect(q, l))
            end = run_job(q->hop, l->c, job, content, to);
    }
    if (!l->c || untried) { /* whether the site is down is for the next job to find out */
        queue_put_back(q, job);
    } else if (end == SMTP_REFUSED) {
        wait_for_site(q, job, l->c);
    } else {
        outcome_of_dialogue(q, job, to, l->c, content);
        if (end == SMTP_DONE)
            hop_succeeded(q->hop);
        else if (l->c->reply.code == 421)
            hop_refused(q->hop);
    }
    content_put(content);
    role_works_on(0);
    if (l->c && end != SMTP_DONE)
        drop(q, l);
}

/* The job has no connection to go over. */
static void not_connected(struct queue *q, const struct job *job, const struct err *e) {
    bool temporary = err_is_temporary(e) && !queue_has_failed(q);
    if (role_stopping() || (temporary && hop_is_at_limit(q->hop)) ||
        (temporary && e->code == ERR_REMOTE_TEMPORARY && hop_refused(q->hop)))
        queue_put_back(q, job);
    else
        queue_fail(q, job, e);
}

static void work_on(struct queue *q) {
    struct err e = {.code = ERR_OK};
    struct job job;
    struct link l = {.c = NULL};
    for (size_t done = 0; queue_next_job(q, done, &job); done++) {
        if (!l.c && !(l.c = hop_connect(q->hop, &l.reused, &e))) {
            not_connected(q, &job, &e);
            break;
        }
        deliver_job(q, &l, &job);
        l.reused = false;
    }
    if (l.c)
        hop_give_back(q->hop, l.c, true);
    hop_waited();
}

/* Look up where the queue goes; whoever is free works on it then. */
static void find_way(struct queue *q) {
    struct err e = {.code = ERR_OK};
    if (!hop_find(q, &e))
        queue_fail(q, NULL, &e);
}

/* ---- threads ---- */

static struct {
    pthread_t *threads;
    size_t count, most;
    size_t free; /* threads that wait for work */
} workers;       /* under deliver.lock */

static void *run(void *unused);

/* Under the lock. A thread that cannot be made is missed by nobody: the others go on. */
static void make_thread(void) {
    if (workers.count < workers.most && pthread_create(&workers.threads[workers.count], NULL, run, NULL) == 0)
        workers.count++;
}

static void *run(void *unused) {
    (void)unused;
    pthread_mutex_lock(&deliver.lock);
    while (!deliver.stopping) {
        struct queue *q = queue_pick();
        if (!q) {
            workers.free++;
            pthread_cond_wait(&deliver.work, &deliver.lock);
            workers.free--;
            continue;
        }
        if (workers.free == 0)
            make_thread(); /* somebody looks whether there is more to do while this one works */
        bool known = q->hop != NULL;
        pthread_mutex_unlock(&deliver.lock);
        if (known)
            work_on(q);
        else
            find_way(q);
        pthread_mutex_lock(&deliver.lock);
        queue_leave(q);
    }
    pthread_mutex_unlock(&deliver.lock);
    return NULL;
}

void workers_start(size_t most) {
    pthread_mutex_lock(&deliver.lock);
    workers.most = most;
    workers.threads = mem_resize(NULL, most, sizeof *workers.threads);
    make_thread();
    BUG_ON(workers.count == 0);
    pthread_mutex_unlock(&deliver.lock);
}

void workers_join(void) {
    pthread_mutex_lock(&deliver.lock);
    size_t count = workers.count; /* stopping: no more are made */
    pthread_mutex_unlock(&deliver.lock);
    for (size_t i = 0; i < count; i++)
        pthread_join(workers.threads[i], NULL);
    free(workers.threads);
}
