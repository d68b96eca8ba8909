/* reply.c: what a request gets. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "mail/text.h"
#include "roles/httpd/httpd.h"

/* ---- values ---- */

json_t *json_text(view v) {
    if (view_is_utf8(v))
        return json_stringn(v.ptr ? v.ptr : "", v.len);
    struct buf b = BUF_INIT(v.len + 1);
    for (size_t i = 0; i < v.len; i++)
        buf_add_char(&b, (unsigned char)v.ptr[i] < 0x80 && v.ptr[i] ? v.ptr[i] : '?');
    json_t *text = json_stringn(b.data, b.len);
    buf_done(&b);
    return text;
}

/* What may stand in a path stays, the rest is escaped. */
static void add_path(struct buf *out, view path) {
    for (size_t i = 0; i < path.len; i++) {
        char ch = path.ptr[i];
        if (ascii_is_alnum(ch) || (ch && strchr("/-._~@+=&?:'!$*", ch)))
            buf_add_char(out, ch);
        else
            buf_printf(out, "%%%02X", (unsigned char)ch);
    }
}

static view link_of(struct call *c, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static view link_of(struct call *c, const char *fmt, va_list args) {
    char path[2 * LIMIT_SMTP_LINE];
    vsnprintf(path, sizeof path, fmt, args);
    struct buf link = BUF_INIT(8 * LIMIT_SMTP_LINE);
    buf_printf(&link, "%.*s/", VIEW_ARG(c->base));
    add_path(&link, view_of(path));
    view made = arena_view(c->slice, buf_view(&link));
    buf_done(&link);
    return made;
}

json_t *json_link(struct call *c, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    view link = link_of(c, fmt, args);
    va_end(args);
    return json_text(link);
}

view text_of_id(struct call *c, int64_t id) {
    return arena_printf(c->slice, c->old ? "%lld" : "%032llx", (long long)id);
}

json_t *json_id(struct call *c, int64_t id) {
    return c->old ? json_integer(id) : json_text(text_of_id(c, id));
}

bool id_of_text(struct call *c, view text, int64_t *ret) {
    if (c->old)
        return view_to_i64(text, ret) && *ret > 0;
    int64_t id = 0;
    for (size_t i = 0; i < text.len; i++) {
        char ch = ascii_lower(text.ptr[i]);
        if (!(ascii_is_digit(ch) || (ch >= 'a' && ch <= 'f')))
            return false;
        /* what another server called somebody is nobody here, and well-formed */
        id = id >> 58 ? INT64_MAX : id * 16 + (ascii_is_digit(ch) ? ch - '0' : ch - 'a' + 10);
    }
    *ret = id;
    return text.len == 32 && id > 0;
}

json_t *json_time(int64_t ms) {
    time_t at = (time_t)(ms / 1000);
    struct tm tm;
    char text[40];
    if (ms <= 0)
        return json_string("0001-01-01T00:00:00"); /* as Mailman says: never */
    gmtime_r(&at, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (ms % 1000)
        snprintf(text + n, sizeof text - n, ".%03d000", (int)(ms % 1000));
    return json_string(text);
}

/* ---- objects ---- */

/* 15 digits: a decimal fraction is written as it was given. */
#define DUMP (JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15))

/* Its end, as a member of an object: hexadecimal, in quotes. Takes the context. */
static void add_etag(struct buf *out, EVP_MD_CTX *context) {
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    BUG_ON(!EVP_DigestFinal_ex(context, digest, &len));
    EVP_MD_CTX_free(context);
    buf_add_str(out, "\"http_etag\": \"\\\"");
    for (unsigned i = 0; i < len; i++) {
        buf_add_char(out, digits[digest[i] >> 4]);
        buf_add_char(out, digits[digest[i] & 15]);
    }
    buf_add_str(out, "\\\"\"}");
}

static EVP_MD_CTX *begin_etag(void) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    BUG_ON(!context || !EVP_DigestInit_ex(context, EVP_sha1(), NULL));
    return context;
}

/* With an etag behind its members. Clients take it as it is and compare nothing: it names what the object
 * says. */
static void dump_tagged(struct buf *out, const json_t *object) {
    char *text = json_dumps(object, DUMP);
    BUG_ON(!text);
    size_t len = strlen(text);
    EVP_MD_CTX *context = begin_etag();
    EVP_DigestUpdate(context, text, len);
    buf_add(out, view_from(text, len - 1)); /* without its brace */
    buf_add_str(out, json_object_size(object) > 0 ? ", " : "");
    add_etag(out, context);
    free(text);
}

static void dump(struct buf *out, const json_t *object) {
    char *text = json_dumps(object, DUMP);
    BUG_ON(!text);
    buf_add_str(out, text);
    free(text);
}

void reply_object(struct call *c, int status, json_t *object) {
    buf_reset(&c->out);
    c->status = status;
    c->described = false;
    if (status < 400)
        dump_tagged(&c->out, object);
    else
        dump(&c->out, object);
    json_decref(object);
}

enum { DESCRIPTION_MOST = 4096 }; /* the names of all settings have 1600 octets */

static const char *reason(int status) {
    static const struct {
        int status;
        const char *words;
    } reasons[] = {{400, "400 Bad Request"},       {401, "401 Unauthorized"},       {403, "403 Forbidden"},
                   {404, "404 Not Found"},         {405, "405 Method Not Allowed"}, {409, "409 Conflict"},
                   {413, "413 Payload Too Large"}, {503, "503 Service Unavailable"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].words;
    return "500 Internal Server Error";
}

void reply_title(struct call *c, int status) {
    reply_object(c, status, json_pack("{ss}", "title", reason(status)));
}

void reply_error(struct call *c, int status, const char *fmt, ...) {
    char text[DESCRIPTION_MOST];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    reply_object(c, status,
                 json_pack("{ssso}", "title", reason(status), "description", json_text(view_of(text))));
    c->described = status != 401;
}

void reply_empty(struct call *c) {
    buf_reset(&c->out);
    c->status = 204;
}

void reply_created(struct call *c, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    c->location = link_of(c, fmt, args);
    va_end(args);
    buf_reset(&c->out);
    c->status = 201;
}

/* ---- collections ---- */

static bool page_number(struct call *c, const char *name, int64_t *ret) {
    view text = view_trim(param_text(c, name));
    if (!view_to_i64(text, ret)) {
        reply_object(
            c, 400,
            json_pack("{ssso}", "title", "Invalid parameter", "description",
                      json_sprintf("The \"%s\" parameter is invalid. The value must be an integer.", name)));
        return false;
    }
    bool page = strcmp(name, "page") == 0;
    if (*ret < page) {
        reply_object(
            c, 400,
            json_pack("{ssso}", "title", "Invalid parameter", "description",
                      json_sprintf("The \"%s should be %s.\" parameter is invalid. %lld", name,
                                   page ? "greater than 0" : "a positive integer", (long long)*ret)));
        return false;
    }
    return true;
}

bool page_wanted(struct call *c, int64_t *ret_start, int64_t *ret_most) {
    int64_t count = 0, page = 1;
    bool counts = param_given(c, "count"), pages = param_given(c, "page");
    *ret_start = *ret_most = 0;
    if (!counts && !pages)
        return true;
    if (counts != pages) {
        reply_error(c, 400, "count and page are given together");
        return false;
    }
    if (!page_number(c, "count", &count) || !page_number(c, "page", &page))
        return false;
    count =
        count < INT32_MAX ? count : INT32_MAX; /* clients that want all give the largest number they know */
    page = page < INT32_MAX ? page : INT32_MAX;
    *ret_most = count;
    *ret_start = page > 0 ? (page - 1) * count : 0;
    return true;
}

static void begin(struct call *c, int64_t start, int64_t total) {
    buf_reset(&c->out);
    c->status = 200;
    c->digest = begin_etag();
    buf_printf(&c->out, "{\"start\": %lld, \"total_size\": %lld", (long long)start, (long long)total);
    EVP_DigestUpdate(c->digest, c->out.data, c->out.len);
}

static void end(struct call *c) {
    buf_add_str(&c->out, c->sent > 0 ? "]" : "");
    if (c->self_link.len > 0)
        buf_printf(&c->out, ", \"self_link\": \"%.*s/%.*s\"", VIEW_ARG(c->base), VIEW_ARG(c->self_link));
    buf_add_str(&c->out, ", ");
    add_etag(&c->out, c->digest);
    c->digest = NULL;
}

void entry_add(struct call *c, json_t *entry) {
    buf_add_str(&c->out, c->sent++ ? ", " : ", \"entries\": [");
    size_t before = c->out.len;
    dump_tagged(&c->out, entry);
    EVP_DigestUpdate(c->digest, c->out.data + before, c->out.len - before);
    json_decref(entry);
}

void reply_array(struct call *c, json_t *entries) {
    int64_t start, most, total = (int64_t)json_array_size(entries);
    if (page_wanted(c, &start, &most)) {
        begin(c, start, total);
        int64_t last = most > 0 && start + most < total ? start + most : total;
        if (most == 0 && param_given(c, "count"))
            last = start;
        for (int64_t i = start; i < last; i++)
            entry_add(c, json_incref(json_array_get(entries, (size_t)i)));
        end(c);
    }
    json_decref(entries);
}

void reply_rows(struct call *c, int64_t total, int64_t start, const int64_t *ids, size_t count,
                bool (*entries)(struct call *c, const int64_t *ids, size_t count)) {
    begin(c, start, total);
    c->entries = entries;
    c->ids = ids;
    c->id_count = count;
    if (count == 0) {
        c->entries = NULL;
        end(c);
    }
}

size_t ids_of(struct call *c, view out, int64_t **ret) {
    size_t n = 0;
    *ret = arena_array(c->arena, int64_t, out.len + 1); /* each takes an octet at least */
    for (struct vals v = vals_of(out); *ret && vals_more(&v);)
        (*ret)[n++] = vals_get_int(&v);
    return n;
}

bool rest_more(struct call *c, bool *ret_failed) {
    *ret_failed = false;
    if (!c->entries)
        return false;
    size_t most = c->step > 0 ? c->step : REST_SLICE, n = c->id_count < most ? c->id_count : most;
    arena_reset(c->slice);
    if (!c->entries(c, c->ids, n) || c->out.failed) {
        *ret_failed = true;
        return false;
    }
    c->ids += n;
    c->id_count -= n;
    if (c->id_count == 0) {
        end(c);
        c->entries = NULL;
    }
    return true;
}
