/* templates.c: texts of letters that are behind URIs (store/template.h) are fetched here, since this is the
 * role that may connect out. One thread looks every few seconds for what is due and fetches one text after
 * the other; letters have the text that came last until a newer one is there. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/charset.h"
#include "roles/deliver/deliver.h"
#include "roles/deliver/web.h"

enum { AT_ONCE = 10, FETCH_MS = 10000, REDIRECTS_MOST = 5 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t stop;
    pthread_t thread;
    bool stopping;
} templates = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct due {
    view scope, name, language, uri, username, password;
};

static bool is_stopping(void) {
    pthread_mutex_lock(&templates.lock);
    bool stopping = templates.stopping;
    pthread_mutex_unlock(&templates.lock);
    return stopping;
}

/* ---- one text ---- */

/* Only http and https, also where a redirect leads; what a proxy in the environment would see is nobody's
 * business. User name and password go to the host of the URI alone. */
static void set_options(CURL *curl, const struct due *d, const struct web *web) {
    FREE_AUTO char *uri = mem_view(d->uri), *username = mem_view(d->username),
                   *password = mem_view(d->password);
    web_prepare(curl, uri, web);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, web->protocols);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MOST);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    if (d->username.len > 0) { /* apart from each other: either may have a colon */
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, username);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, password);
    }
}

/* The charset of "text/plain; charset=iso-8859-15"; that of HTTP where it says none (RFC 2616 3.7.1). */
static view charset_of(const char *type) {
    view rest = view_of(type), value;
    ptrdiff_t at = view_search(rest, VIEW("charset="));
    if (at < 0)
        return VIEW("iso-8859-1");
    rest = view_skip(rest, (size_t)at + strlen("charset="));
    view_split(&rest, ';', &value);
    value = view_trim(value);
    bool quoted = value.len >= 2 && value.ptr[0] == '"';
    return quoted ? view_slice(value, 1, value.len - 2) : value;
}

/* In place, as UTF-8. */
static bool decode(const char *type, struct buf *text, struct err *e) {
    struct buf decoded = BUF_INIT(LIMIT_TEMPLATE_TEXT);
    if (!view_is_utf8(buf_view(text)) && charset_to_utf8(charset_of(type), buf_view(text), &decoded)) {
        buf_reset(text);
        buf_add(text, buf_view(&decoded));
    }
    bool too_long = decoded.failed;
    buf_done(&decoded);
    if (too_long)
        return err_set(e, ERR_LIMIT, "more than %d octets", LIMIT_TEMPLATE_TEXT);
    return (view_is_utf8(buf_view(text)) && view_find(buf_view(text), '\0') < 0) ||
           err_set(e, ERR_SYNTAX, "no text of a known charset");
}

static bool perform(CURL *curl, struct buf *text, struct err *e) {
    char *type = NULL;
    long status = 0;
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    if (text->failed)
        return err_set(e, ERR_LIMIT, "more than %d octets", LIMIT_TEMPLATE_TEXT);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return err_set(e, ERR_NOT_FOUND, "status %ld", status);
    if (code != CURLE_OK)
        return err_set(e, ERR_CONNECT, "%s", curl_easy_strerror(code));
    return decode(type ? type : "", text, e);
}

static bool fetch(const struct due *d, struct buf *text, struct err *e) {
    const struct web web = {
        .protocols = "http,https", .most_ms = FETCH_MS, .stopping = is_stopping, .answer = text};
    CURL *curl = curl_easy_init();
    if (!curl)
        return err_set(e, ERR_LIMIT, NULL);
    set_options(curl, d, &web);
    bool ok = perform(curl, text, e);
    curl_easy_cleanup(curl);
    return ok;
}

/* ---- all that are due ---- */

static void keep(const struct due *d, bool ok, view text) {
    struct store_request q;
    struct err e;
    store_request_init(&q, OP_TEMPLATE_FETCHED);
    vals_view(&q.args, d->scope);
    vals_view(&q.args, d->name);
    vals_view(&q.args, d->language);
    vals_view(&q.args, d->uri);
    vals_int(&q.args, ok);
    vals_view(&q.args, text);
    if (!store_call(deliver.role.store, &q, &e))
        log_line(LOG_WARN, "template-not-kept", LOG_V("scope", d->scope), LOG_V("template", d->name),
                 LOG_S("reason", e.text));
    store_request_done(&q);
}

static void fetch_and_keep(const struct due *d) {
    struct buf text = BUF_INIT(LIMIT_TEMPLATE_TEXT);
    struct err e = {.code = ERR_OK};
    bool ok = fetch(d, &text, &e);
    if (ok)
        log_line(LOG_INFO, "template-fetched", LOG_V("scope", d->scope), LOG_V("template", d->name),
                 LOG_I("octets", text.len));
    else if (!is_stopping())
        log_line(LOG_WARN, "template-not-fetched", LOG_V("scope", d->scope), LOG_V("template", d->name),
                 LOG_S("reason", e.text));
    if (ok || !is_stopping())
        keep(d, ok, ok ? buf_view(&text) : VIEW(""));
    buf_done(&text);
}

static void fetch_due(void) {
    struct store_request q;
    struct err e;
    store_request_init(&q, OP_TEMPLATES_DUE);
    vals_int(&q.args, AT_ONCE);
    struct vals v = vals_of(VIEW(""));
    if (store_call(deliver.role.store, &q, &e))
        v = vals_of(buf_view(&q.out));
    else if (!role_store_is_away(e.code))
        log_line(LOG_ERROR, "templates-not-looked-up", LOG_S("reason", e.text));
    while (vals_more(&v) && !is_stopping()) {
        struct due d;
        view *const parts[] = {&d.scope, &d.name, &d.language, &d.uri, &d.username, &d.password};
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            *parts[i] = vals_get_view(&v);
        fetch_and_keep(&d);
    }
    store_request_done(&q);
}

/* False: it is time to stop. */
static bool pause_a_little(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ROLE_LOOK_MS / 1000;
    int rc = 0;
    pthread_mutex_lock(&templates.lock);
    while (!templates.stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&templates.stop, &templates.lock, &until);
    bool stopping = templates.stopping;
    pthread_mutex_unlock(&templates.lock);
    return !stopping;
}

static void *run(void *unused) {
    (void)unused;
    do
        fetch_due();
    while (pause_a_little());
    return NULL;
}

bool templates_start(struct err *e) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&templates.stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_SYSTEM, "libcurl cannot be used");
    int rc = pthread_create(&templates.thread, NULL, run, NULL);
    return rc == 0 || err_set(e, ERR_SYSTEM, "no thread for templates: %s", strerrordesc_np(rc));
}

void templates_stop(void) {
    pthread_mutex_lock(&templates.lock);
    templates.stopping = true;
    pthread_cond_signal(&templates.stop);
    pthread_mutex_unlock(&templates.lock);
    pthread_join(templates.thread, NULL);
    curl_global_cleanup();
}
