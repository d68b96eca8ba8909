/* worker.c: a thread that delivers: takes a site, a connection, and job after job, one dialogue at a time,
 * read top to bottom. What differs per copy is made here: the VERP sender and the list's fields; stored bytes
 * are sent as they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/text.h"
#include "mail/verp.h"
#include "roles/deliver/deliver.h"
#include "routing/notice.h"
#include "store/accept.h"

#define JOBS_IN_A_ROW 50 /* then others may have the connection's place */

/* A list's own fields (RFC 2369, 2919). */
static void add_list_fields(view list, struct buf *out) {
    struct address parts = address_split(list);
    buf_printf(out, "List-Id: <%.*s.%.*s>\r\n", VIEW_ARG(parts.local), VIEW_ARG(parts.domain));
    buf_printf(out, "List-Post: <mailto:%.*s>\r\n", VIEW_ARG(list));
    buf_printf(out, "List-Owner: <mailto:%.*s-owner@%.*s>\r\n", VIEW_ARG(parts.local),
               VIEW_ARG(parts.domain));
    buf_add_str(out, "Precedence: list\r\n");
}

static struct result result_of(const struct smtp_recipient *to, const struct row *row, const char *host,
                               int64_t now) {
    const struct config *c = deliver.role.config;
    struct result r = {.kind = EVENT_DELIVERED, .host = view_of(host), .detail = view_of(to->reply)};
    if (to->err.code == ERR_OK)
        return r;
    if (err_is_temporary(&to->err) && !backoff_expired(c, row->message, now)) {
        r.kind = EVENT_DEFERRED;
        r.next_due = now + backoff_ms(c, row->tries);
    } else {
        r.kind = EVENT_BOUNCED;
    }
    return r;
}

/* The notification about the failed ones of a job, as arguments of ACCEPT; nothing when none is due. */
static void format_notice(const struct job *job, const struct smtp_recipient *to,
                          const struct result *results, const char *host, const struct content *content,
                          int64_t now, struct buf *out) {
    struct dsn_recipient failed[LIMIT_JOB_ROWS];
    size_t n = 0;
    if (!notice_wanted(job->rows[0].sender, job->rows[0].list))
        return;
    for (size_t i = 0; i < job->count; i++)
        if (results[i].kind == EVENT_BOUNCED)
            failed[n++] = (struct dsn_recipient){
                .address = job->rows[i].address,
                .action = DSN_FAILED,
                .status = err_is_temporary(&to[i].err) ? VIEW("5.4.7") : view_of(to[i].status),
                .remote_host = view_of(host),
                .diagnostic = view_of(to[i].reply),
                .diagnostic_smtp =
                    to[i].err.code == ERR_REMOTE_PERMANENT || to[i].err.code == ERR_REMOTE_TEMPORARY};
    struct err e;
    if (n > 0 && !notice_args(&(struct notice){.hostname = view_of(deliver.role.config->hostname),
                                               .message = job->rows[0].message,
                                               .sender = job->rows[0].sender,
                                               .fields = content->fields,
                                               .body = content->body,
                                               .recipients = failed,
                                               .recipient_count = n},
                              now, out, &e))
        log_line(LOG_ERROR, "no-notice", LOG_S("queue", id_format(job->rows[0].message).s),
                 LOG_S("reason", e.text));
}

static void report(struct site *s, const struct job *job, const struct smtp_recipient *to, const char *host,
                   const struct content *content) {
    struct result results[LIMIT_JOB_ROWS];
    struct buf notice = BUF_INIT(LIMIT_STORE_PACKET);
    int64_t now = clock_now_ms();
    for (size_t i = 0; i < job->count; i++) {
        results[i] = result_of(&to[i], &job->rows[i], host, now);
        if (results[i].kind != EVENT_DELIVERED)
            log_line(LOG_INFO, event_name(results[i].kind), LOG_S("queue", id_format(job->rows[i].message).s),
                     LOG_V("rcpt", job->rows[i].address), LOG_S("host", host), LOG_S("reply", to[i].reply));
    }
    format_notice(job, to, results, host, content, now, &notice);
    results_add(s, job, results, buf_view(&notice));
    buf_done(&notice);
}

/* What the other side must be able to take; it is asked before the dialogue, not found out in it. */
static bool fits(const struct smtp *c, const struct smtp_mail *mail, struct err *e) {
    if (mail->utf8 && !c->utf8)
        return err_set(e, ERR_NO_UTF8, "%s does not offer SMTPUTF8, which the message needs", c->host);
    if (c->size_max > 0 && mail->size > c->size_max)
        return err_set(e, ERR_LIMIT_MESSAGE, "%s takes at most %lld octets", c->host, (long long)c->size_max);
    return true;
}

static bool needs_utf8(const struct job *job, const struct content *content) {
    bool utf8 =
        ((content->flags & MESSAGE_UTF8) && content->utf8_header) || !text_is_7bit(job->rows[0].sender);
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

/* One job over one connection. False: the connection is of no more use. */
static bool run_job(struct hop *hop, struct smtp *c, const struct job *job, const struct content *content,
                    struct smtp_recipient *to, bool *ret_untouched) {
    const struct smtp_settings set = hop_settings(hop);
    const struct row *row = &job->rows[0];
    struct buf fields = BUF_INIT(8192), sender = BUF_INIT(2 * LIMIT_ADDRESS + 64);
    struct err e;
    bool usable = true;
    if (row->list) {
        add_list_fields(row->list_address, &fields);
        verp_format(row->list_address, row->address, &sender);
    } else {
        buf_add(&sender, row->sender);
    }
    for (size_t i = 0; i < job->count; i++)
        to[i] = (struct smtp_recipient){.address = job->rows[i].address};
    struct smtp_mail mail = {.sender = buf_view(&sender),
                             .recipients = to,
                             .recipient_count = job->count,
                             .parts = {buf_view(&fields), content->fields, content->stuffed},
                             .size = (int64_t)(fields.len + content->fields.len + content->body.len),
                             .utf8 = needs_utf8(job, content),
                             .eightbit = (content->flags & (MESSAGE_8BIT | MESSAGE_UTF8)) != 0};
    *ret_untouched = false;
    if (!fits(c, &mail, &e))
        set_all(to, job->count, &e);
    else
        usable = smtp_send(c, &mail, &set, ret_untouched);
    buf_done(&fields);
    buf_done(&sender);
    return usable;
}

/* One job. Returns the connection to go on with, or NULL. */
static struct smtp *deliver_job(struct site *s, struct smtp *c, bool reused, const struct job *job) {
    struct smtp_recipient to[LIMIT_JOB_ROWS];
    struct err e;
    bool untouched = false;
    role_works_on(job->rows[0].message);
    struct content *content = content_get(job->rows[0].message);
    bool usable = true;
    if (content->err.code != ERR_OK) {
        set_all(to, job->count, &content->err);
    } else {
        role_planted_crash(&deliver.role, content->body);
        usable = run_job(s->hop, c, job, content, to, &untouched);
        if (untouched && reused) { /* a kept connection that had ended: once more over a new one */
            hop_give_back(s->hop, c, false);
            while ((c = hop_connect(s, &reused, &e)) && reused)
                hop_give_back(s->hop, c, false);
            usable = c && run_job(s->hop, c, job, content, to, &untouched);
        }
    }
    if (c)
        report(s, job, to, c->host, content);
    else /* not tried: whether the site is down is for the next job to find out */
        site_put_back(s, job);
    content_put(content);
    role_works_on(0);
    if (c && !usable) {
        hop_give_back(s->hop, c, false);
        c = NULL;
    }
    return c;
}

static void work_on(struct site *s) {
    struct err e = {.code = ERR_OK};
    struct job job;
    bool reused = false;
    struct smtp *c = NULL;
    for (int i = 0; i < JOBS_IN_A_ROW && site_next_job(s, &job); i++) {
        if (!c && !(c = hop_connect(s, &reused, &e))) {
            if (role_stopping() || (err_is_temporary(&e) && !site_has_failed(s) && hop_is_at_limit(s->hop)))
                site_put_back(s, &job);
            else
                site_fail(s, &job, &e);
            break;
        }
        c = deliver_job(s, c, reused, &job);
        reused = false;
    }
    if (c)
        hop_give_back(s->hop, c, true);
    hop_waited();
}

void *worker_run(void *unused) {
    (void)unused;
    pthread_mutex_lock(&deliver.lock);
    while (!deliver.stopping) {
        struct site *s = site_pick();
        if (!s) {
            pthread_cond_wait(&deliver.work, &deliver.lock);
            continue;
        }
        pthread_cond_signal(&deliver.work); /* who has found work wakes the next one */
        pthread_mutex_unlock(&deliver.lock);
        work_on(s);
        pthread_mutex_lock(&deliver.lock);
        site_leave(s);
    }
    pthread_mutex_unlock(&deliver.lock);
    return NULL;
}
