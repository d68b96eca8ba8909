/* outcome.c: what becomes of a job's rows. A dialogue says it of each recipient; a site that cannot be
 * reached says it of all. Each row gets one result; senders who want to hear of it get one notification a
 * job, committed with the results (RFC 3461 for what they asked, RFC 3464 for what it says). */
#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "mail/bounce.h"
#include "roles/deliver/deliver.h"
#include "routing/notice.h"
#include "store/accept.h"

/* The results of a job while they are put together. */
struct outcome {
    const struct job *job;
    const struct content *content; /* of a dialogue */
    struct result results[LIMIT_JOB_ROWS];
    struct dsn_recipient told[LIMIT_JOB_ROWS]; /* what the sender hears */
    size_t told_count;
};

/* The sender hears of row i, if it wants to. Returns what it hears, to be completed; or NULL. */
static struct dsn_recipient *tell(struct outcome *o, size_t i, enum dsn_action action, view status) {
    const struct row *row = &o->job->rows[i];
    if (!notice_wanted(row->sender, row->list) || !notice_wants(row->flags, action))
        return NULL;
    struct dsn_recipient *to = &o->told[o->told_count++];
    *to = (struct dsn_recipient){
        .address = row->address, .original = row->orcpt, .action = action, .status = status};
    return to;
}

/* A row that stays, and whose sender was not told yet that it takes longer. */
static struct dsn_recipient *tell_delay(struct outcome *o, size_t i, view status, int64_t now) {
    const struct config *c = deliver.role.config;
    const struct row *row = &o->job->rows[i];
    if ((row->flags & DELIVERY_WARNED) || !backoff_is_late(c, row->message, now))
        return NULL;
    struct dsn_recipient *to = tell(o, i, DSN_DELAYED, status);
    if (to) {
        to->will_retry_until_ms = id_time_ms(row->message) + c->queue_lifetime;
        o->results[i].flags |= DELIVERY_WARNED;
    }
    return to;
}

static void add_notice(const struct outcome *o, const struct content *content, int64_t now, struct buf *out) {
    const struct row *row = &o->job->rows[0];
    struct err e;
    if (o->told_count == 0)
        return;
    if (!notice_args(&(struct notice){.hostname = view_of(deliver.role.config->hostname),
                                      .message = row->message,
                                      .sender = row->sender,
                                      .fields = content->fields,
                                      .body = content->body,
                                      .envid = content->envid,
                                      .whole = (content->flags & MESSAGE_RET_FULL) != 0,
                                      .recipients = o->told,
                                      .recipient_count = o->told_count},
                     now, out, &e))
        log_line(LOG_ERROR, "no-notice", LOG_S("queue", id_format(row->message).s), LOG_S("reason", e.text));
}

static void finish(struct queue *q, const struct outcome *o, const struct content *content, int64_t now) {
    struct buf notice = BUF_INIT(LIMIT_STORE_PACKET);
    for (size_t i = 0; i < o->job->count; i++)
        if (o->results[i].kind != EVENT_DELIVERED)
            log_line(LOG_INFO, event_name(o->results[i].kind),
                     LOG_S("queue", id_format(o->job->rows[i].message).s),
                     LOG_V("rcpt", o->job->rows[i].address), LOG_V("host", o->results[i].host),
                     LOG_V("reply", o->results[i].detail));
    add_notice(o, content, now, &notice);
    results_add(q, o->job, o->results, buf_view(&notice));
    buf_done(&notice);
}

/* RFC 3461 5.2: who asked to hear of success hears it from the last server that can tell. */
static void tell_success(struct outcome *o, size_t i, const struct smtp_recipient *to, const struct smtp *c) {
    if (c->lmtp || !c->dsn)
        tell(o, i, c->lmtp ? DSN_DELIVERED : DSN_RELAYED, view_of(to->status));
}

/* No mail at all goes there, or nobody answers; not: something is wrong on our side, or the site will not
 * talk to us, which no member can help. */
static bool is_of_the_site(enum err_code code) {
    return code == ERR_HOST_UNKNOWN || code == ERR_NULL_MX || code == ERR_CONNECT ||
           code == ERR_CONNECTION_LOST || code == ERR_TIMEOUT || code == ERR_EXPIRED;
}

/* A copy that came to nothing says something about its member, unless the message was refused for what it is;
 * also when the server put us off until the time was up. */
static bool counts(const struct row *row, const struct smtp_recipient *to, bool temporary) {
    view text = view_of(to->reply);
    int64_t code = 0;
    if (row->list == 0 || (to->err.code != ERR_REMOTE_PERMANENT && to->err.code != ERR_REMOTE_TEMPORARY))
        return row->list != 0 && is_of_the_site(to->err.code);
    view_to_i64(view_slice(text, 0, 3), &code);
    if (temporary)
        return !view_starts_with(view_of(to->status), VIEW("4.7."));
    return bounce_of_reply((int)code, view_of(to->status), view_skip(text, 4)) == BOUNCE_PERMANENT;
}

enum content_form outcome_form(const struct queue *q, const struct job *job) {
    if (job->rows[0].flags & DELIVERY_MITIGATED)
        return FORM_MITIGATED;
    return job->rows[0].list == 0 && *q->transport ? FORM_PASSED_ON : FORM_USUAL;
}

/* It failed for its author's domain's sake, and can be had with another From: that is tried at once. */
static bool is_to_be_mitigated(const struct outcome *o, size_t i, const struct smtp_recipient *to) {
    const struct content *c = o->content;
    if (c->mitigated || !c->can_be_otherwise || (o->job->rows[i].flags & DELIVERY_MITIGATED) ||
        (to->err.code != ERR_REMOTE_PERMANENT && to->err.code != ERR_REMOTE_TEMPORARY))
        return false;
    return bounce_is_of_dmarc(view_of(to->status), view_of(to->reply));
}

static void judge(struct outcome *o, size_t i, const struct smtp_recipient *to, const struct smtp *c,
                  int64_t now) {
    const struct config *config = deliver.role.config;
    const struct row *row = &o->job->rows[i];
    struct result *r = &o->results[i];
    struct dsn_recipient *told = NULL;
    bool temporary = err_is_temporary(&to->err);
    r->flags = row->flags;
    r->detail = view_of(to->reply);
    if (to->err.code == ERR_OK) {
        r->kind = EVENT_DELIVERED;
        tell_success(o, i, to, c);
    } else if (is_to_be_mitigated(o, i, to)) {
        r->kind = EVENT_DEFERRED;
        r->flags |= DELIVERY_MITIGATED;
        r->next_due = now;
    } else if (temporary && !backoff_expired(config, row->message, now)) {
        r->kind = EVENT_DEFERRED;
        r->next_due = now + backoff_ms(config, row->tries);
        told = tell_delay(o, i, view_of(to->status), now);
    } else {
        r->kind = EVENT_BOUNCED;
        r->counts = counts(row, to, temporary);
        told = tell(o, i, DSN_FAILED, temporary ? VIEW("5.4.7") : view_of(to->status));
    }
    if (told) {
        told->remote_host = view_of(c->host);
        told->diagnostic = r->detail;
        told->diagnostic_smtp = to->err.code == ERR_REMOTE_PERMANENT || to->err.code == ERR_REMOTE_TEMPORARY;
    }
}

void outcome_of_dialogue(struct queue *q, const struct job *job, const struct smtp_recipient *to,
                         const struct smtp *c, const struct content *content) {
    struct outcome o = {.job = job, .content = content};
    char host[sizeof c->host + 32];
    int64_t now = clock_now_ms();
    int len = snprintf(host, sizeof host, "%s%s%s%s", c->host, c->tls ? " " : "",
                       c->tls ? tls_version(c->stream.tls) : "", content->mitigated ? " rewritten" : "");
    for (size_t i = 0; i < job->count; i++) {
        o.results[i].host = view_from(host, (size_t)len);
        judge(&o, i, &to[i], c, now);
    }
    finish(q, &o, content, now);
}

bool outcome_of_failure(struct queue *q, const struct job *job, const struct err *why, int64_t now_ms) {
    struct outcome o = {.job = job};
    bool permanent = err_info(why->code)->class == ERR_CLASS_PERMANENT;
    bool give_up = permanent || backoff_expired(deliver.role.config, job->rows[0].message, now_ms);
    view status = give_up && !permanent ? VIEW("5.4.7") : view_of(err_info(why->code)->enhanced);
    for (size_t i = 0; i < job->count; i++) {
        const struct row *row = &job->rows[i];
        o.results[i] = (struct result){.kind = give_up ? EVENT_BOUNCED : EVENT_DEFERRED,
                                       .flags = row->flags,
                                       .counts = give_up && row->list != 0 && is_of_the_site(why->code),
                                       .next_due = row->due, /* it waits for the site as before */
                                       .host = view_of(q->domain),
                                       .detail = view_of(why->text)};
        struct dsn_recipient *told =
            give_up ? tell(&o, i, DSN_FAILED, status) : tell_delay(&o, i, status, now_ms);
        if (told)
            told->diagnostic = view_of(why->text);
    }
    if (!give_up && o.told_count == 0)
        return false;
    struct content *content =
        content_get(job->rows[0].message, job->rows[0].list, job->rows[0].list_address, outcome_form(q, job));
    finish(q, &o, content, now_ms);
    content_put(content);
    return true;
}
