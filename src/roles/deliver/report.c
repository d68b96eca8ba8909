/* report.c: reports to others: once a day, what was counted for a domain (roles/tally.h) goes to whom it
 * names. One thread takes what is due from the store, under a lease; the commit that deletes what was counted
 * is the one that takes the mail in, so that each report is sent once, whichever node makes it. */
#include "roles/deliver/report.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/text.h"
#include "roles/deliver/web.h"
#include "store/accept.h"

enum {
    LEASE_MS_OF_REPORT = 900000, /* what DNS did not say is asked for again after that */
    ROWS_AT_ONCE = 500,
    ROWS_MOST = 50000, /* of one report; the rest is left off */
    ARENA_MOST = 256 << 20,
    POST_MS = 30000,
    MAIL_MOST = 48 << 20
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t stop;
    pthread_t thread;
    bool stopping;
} reports = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool reports_stopping(void) {
    pthread_mutex_lock(&reports.lock);
    bool stopping = reports.stopping;
    pthread_mutex_unlock(&reports.lock);
    return stopping;
}

/* ---- what was counted ---- */

/* *ret_more: there may be more. */
static bool read_page(struct report *r, char after[32], bool *ret_more, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_REPORT_ROWS);
    vals_int(&q.args, r->kind);
    vals_int(&q.args, r->day);
    vals_view(&q.args, r->domain);
    vals_view(&q.args, r->count ? view_from(after, 32) : VIEW(""));
    vals_int(&q.args, ROWS_AT_ONCE);
    bool ok = store_call(deliver.role.store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    *ret_more = ok && vals_more(&v);
    while (ok && vals_more(&v) && r->count < ROWS_MOST) {
        view digest = vals_get_view(&v);
        struct report_row *row = &r->rows[r->count++];
        row->what = arena_view(&r->arena, vals_get_view(&v));
        row->n = vals_get_int(&v);
        if (digest.len == 32)
            memcpy(after, digest.ptr, 32);
    }
    store_request_done(&q);
    return (ok && !v.failed) || (ok && err_set(e, ERR_STORE, "report-rows: malformed answer"));
}

static bool read_rows(struct report *r, struct err *e) {
    char after[32];
    bool more = true, ok = true;
    r->rows = arena_array(&r->arena, struct report_row, ROWS_MOST);
    while (ok && more && r->rows && r->count < ROWS_MOST && !reports_stopping())
        ok = read_page(r, after, &more, e);
    return ok && ((r->rows && !r->arena.failed) || err_set(e, ERR_LIMIT, "too much was counted"));
}

/* ---- out by mail ---- */

static bool stage(int64_t message, view body, struct err *e) {
    bool ok = true;
    for (int64_t seq = 0; ok && body.len > 0; seq++) {
        struct store_request q;
        view piece = view_slice(body, 0, LIMIT_BODY_CHUNK);
        store_request_init(&q, OP_BODY_STAGE);
        vals_int(&q.args, message);
        vals_int(&q.args, seq);
        vals_view(&q.args, piece);
        ok = store_call(deliver.role.store, &q, e);
        store_request_done(&q);
        body = view_skip(body, piece.len);
    }
    return ok;
}

/* Who does not take as much gets none (RFC 9990 3.5). */
static size_t choose(const struct report *r, const struct report_file *f, const struct report_place *places,
                     size_t count, struct accept_recipient *ret, struct buf *to) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t size = (int64_t)f->document.len;
        if (places[i].address.len == 0)
            continue;
        if (places[i].most > 0 && size > places[i].most) {
            log_line(LOG_INFO, "report-place-skipped", LOG_V("domain", r->domain),
                     LOG_V("uri", places[i].uri), LOG_S("reason", "the report is larger than it takes"),
                     LOG_I("octets", size));
            continue;
        }
        buf_add_str(to, n ? ",\r\n " : "");
        text_add_printable(to, places[i].address, true);
        ret[n++] = (struct accept_recipient){.address = places[i].address, .notify = NOTIFY_NEVER};
    }
    return n;
}

/* Append the arguments of ACCEPT. *ret_made: there is somebody to send it to. */
static bool make_mail(struct report *r, const struct report_file *f, const struct report_place *places,
                      size_t count, struct buf *args, bool *ret_made, struct err *e) {
    struct accept_recipient recipients[REPORT_PLACES_MOST];
    struct buf to = BUF_INIT(LIMIT_HEADER_BYTES), text = BUF_INIT(MAIL_MOST);
    int64_t id = id_new();
    size_t n = choose(r, f, places, count, recipients, &to);
    view message_id = arena_printf(&r->arena, "report.%s@%s", id_format(id).s, deliver.role.config->hostname);
    *ret_made = n > 0 && f->document.len > 0;
    if (*ret_made)
        report_mail(r, f, buf_view(&to), message_id, &text);
    bool ok = !text.failed || err_set(e, ERR_LIMIT, "the report is too large");
    ok = ok && (!*ret_made || stage(id, buf_view(&text), e));
    if (ok && *ret_made) {
        unsigned char sha256[32];
        EVP_Digest(text.data, text.len, sha256, NULL, EVP_sha256(), NULL);
        view origin =
            arena_printf(&r->arena, "report=%s domain=%.*s id=%.*s", r->kind == REPORT_TLS ? "tls" : "dmarc",
                         VIEW_ARG(r->domain), VIEW_ARG(f->id));
        accept_args(
            &(struct accept){.id = id,
                             .message_id = message_id,
                             .size = (int64_t)text.len,
                             .sha256 = view_from(sha256, sizeof sha256),
                             .origin = origin,
                             .flags = MESSAGE_NOTICE |
                                      (text_is_7bit(buf_view(&text)) ? 0 : MESSAGE_8BIT | MESSAGE_UTF8),
                             .recipients = recipients,
                             .recipient_count = n},
            args);
    }
    buf_done(&to);
    buf_done(&text);
    return ok;
}

/* ---- out by HTTPS (RFC 8460 5.4) ---- */

/* Once; what is answered is not looked at, and no other place is gone to than the one that is named. */
static void post(const struct report *r, const struct report_file *f, view uri) {
    static const struct web web = {.protocols = "https", .most_ms = POST_MS, .stopping = reports_stopping};
    FREE_AUTO char *text = mem_view(uri);
    CURL *curl = curl_easy_init();
    struct curl_slist *fields = curl_slist_append(NULL, "Content-Type: application/tlsrpt+gzip");
    if (!curl || !fields)
        return;
    web_prepare(curl, text, &web);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, f->document.ptr);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->document.len);
    CURLcode code = curl_easy_perform(curl);
    log_line(code == CURLE_OK ? LOG_INFO : LOG_WARN, code == CURLE_OK ? "report-posted" : "report-not-posted",
             LOG_V("domain", r->domain), LOG_V("uri", uri), LOG_S("reason", curl_easy_strerror(code)));
    curl_slist_free_all(fields);
    curl_easy_cleanup(curl);
}

/* ---- one report ---- */

struct sending {
    struct report_file files[REPORT_FILES_MOST];
    struct report_place places[REPORT_FILES_MOST][REPORT_PLACES_MOST];
    size_t place_counts[REPORT_FILES_MOST], count;
};

static bool find_places(struct report *r, struct sending *s, struct err *e) {
    for (size_t i = 0; i < s->count; i++) {
        bool ok = r->kind == REPORT_DMARC
                      ? report_places_dmarc(r, s->files[i].rua, s->places[i], &s->place_counts[i])
                      : report_places_tls(r, s->places[i], &s->place_counts[i]);
        if (!ok)
            return err_set(e, ERR_DNS, "name servers do not say where it goes");
    }
    return true;
}

/* False: it is tried again. */
static bool hand_over(struct report *r, struct sending *s, int64_t *ret_mails, bool *ret_ours,
                      struct err *e) {
    struct buf mails = BUF_INIT(LIMIT_STORE_PACKET);
    struct store_request q;
    bool ok = true, made;
    *ret_mails = 0;
    for (size_t i = 0; ok && i < s->count; i++) {
        ok = make_mail(r, &s->files[i], s->places[i], s->place_counts[i], &mails, &made, e);
        *ret_mails += ok && made;
    }
    store_request_init(&q, OP_REPORT_SENT);
    vals_int(&q.args, r->kind);
    vals_int(&q.args, r->day);
    vals_view(&q.args, r->domain);
    vals_int(&q.args, r->owner);
    vals_int(&q.args, *ret_mails);
    buf_add(&q.args, buf_view(&mails));
    ok = ok && store_call(deliver.role.store, &q, e);
    struct vals out = vals_of(buf_view(&q.out));
    *ret_ours = ok && vals_get_int(&out) != 0;
    store_request_done(&q);
    buf_done(&mails);
    return ok;
}

static void post_all(const struct report *r, const struct sending *s) {
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->place_counts[i] && r->kind == REPORT_TLS; k++)
            if (s->places[i][k].address.len == 0 && s->files[i].document.len > 0)
                post(r, &s->files[i], s->places[i][k].uri);
}

static bool send_report(struct report *r, struct err *e) {
    struct sending *s = arena_new(&r->arena, struct sending);
    int64_t mails = 0;
    bool ours = false;
    if (!s)
        return err_set(e, ERR_LIMIT, NULL);
    if (!read_rows(r, e))
        return false;
    s->count = report_make(r, s->files);
    if (!find_places(r, s, e) || reports_stopping())
        return false;
    if (r->arena.failed)
        return err_set(e, ERR_LIMIT, "too much was counted");
    if (!hand_over(r, s, &mails, &ours, e))
        return false;
    log_line(LOG_INFO, "report", LOG_S("kind", r->kind == REPORT_TLS ? "tls" : "dmarc"),
             LOG_V("domain", r->domain), LOG_I("rows", r->count), LOG_I("mails", mails));
    if (ours)
        post_all(r, s);
    if (mails > 0)
        hint_send(deliver.role.config->dir, "router");
    return true;
}

static bool lease(struct report *r, struct err *e) {
    struct store_request q;
    store_request_init(&q, OP_REPORT_LEASE);
    vals_int(&q.args, LEASE_MS_OF_REPORT);
    bool ok = store_call(deliver.role.store, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    bool any = ok && vals_more(&v);
    if (any) {
        r->kind = (enum report_kind)vals_get_int(&v);
        r->day = vals_get_int(&v);
        r->domain = arena_view(&r->arena, vals_get_view(&v));
        r->owner = vals_get_int(&v);
    }
    store_request_done(&q);
    return any;
}

/* ---- the thread ---- */

/* One report. False: none is due. */
static bool send_one(void) {
    struct report r = {.count = 0};
    struct err e = {.code = ERR_OK};
    arena_init(&r.arena, ARENA_MOST);
    bool any = lease(&r, &e);
    if (!any && e.code != ERR_OK && !role_store_is_away(e.code))
        log_line(LOG_ERROR, "reports-not-looked-up", LOG_S("reason", e.text));
    if (any && !send_report(&r, &e) && !reports_stopping())
        log_line(LOG_WARN, "report-not-sent", LOG_V("domain", r.domain), LOG_S("reason", e.text));
    arena_done(&r.arena);
    return any;
}

/* False: it is time to stop. */
static bool pause_a_little(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ROLE_LOOK_MS / 1000;
    int rc = 0;
    pthread_mutex_lock(&reports.lock);
    while (!reports.stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&reports.stop, &reports.lock, &until);
    bool stopping = reports.stopping;
    pthread_mutex_unlock(&reports.lock);
    return !stopping;
}

static void *run(void *unused) {
    (void)unused;
    while (pause_a_little())
        while (deliver.role.config->reports_out && !reports_stopping() && send_one())
            continue;
    return NULL;
}

bool reports_start(struct err *e) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reports.stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int rc = pthread_create(&reports.thread, NULL, run, NULL);
    return rc == 0 || err_set(e, ERR_SYSTEM, "no thread for reports: %s", strerrordesc_np(rc));
}

void reports_stop(void) {
    pthread_mutex_lock(&reports.lock);
    reports.stopping = true;
    pthread_cond_signal(&reports.stop);
    pthread_mutex_unlock(&reports.lock);
    pthread_join(reports.thread, NULL);
}
