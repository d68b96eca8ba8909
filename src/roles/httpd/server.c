/* server.c: libmicrohttpd's side of a request. */
#include "roles/httpd/server.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "roles/httpd/httpd.h"

enum {
    THREADS = 4,
    CONNECTIONS_MOST = 1000,
    IDLE_SECONDS = 60,
    BODY_MOST = 64 * 1024 * 1024, /* octets: 50,000 members in one request, and a message */
    STRANGER_MOST = 64 * 1024,    /* of somebody without a key */
    ARENA_MOST = 256 * 1024 * 1024,
    SLICE_MOST = 16 * 1024 * 1024,
    BLOCK = 32 * 1024
};

struct server {
    struct role *role;
    struct MHD_Daemon *daemon;
    struct sockaddr_text address;
};

/* A request from its first octet to the last of its answer. */
struct exchange {
    struct call call;
    struct arena arena, slice;
    struct buf body;
    size_t taken; /* of call.out */
    bool begun;
    view name;  /* whose key came with it; empty: nobody's, and then its body is not looked at */
    bool away;  /* the store, where keys are */
    view click; /* LIST/MEMBER/KEY as it came, of an address that ends a membership */
};

static struct exchange *begin(struct server *s, view uri) {
    struct exchange *x = mem_alloc(sizeof *x);
    arena_init(&x->arena, ARENA_MOST);
    arena_init(&x->slice, SLICE_MOST);
    x->body = BUF_INIT(STRANGER_MOST);
    x->call =
        (struct call){.role = s->role, .arena = &x->arena, .slice = &x->slice, .out = BUF_INIT(ARENA_MOST)};
    view path = uri;
    ptrdiff_t query = view_find(uri, '?');
    if (query >= 0)
        path = view_slice(uri, 0, (size_t)query);
    if (view_starts_with(path, VIEW(UNSUBSCRIBE_PATH)))
        x->click = arena_view(&x->arena, view_skip(path, sizeof UNSUBSCRIBE_PATH - 1));
    return x;
}

static void end(struct exchange *x) {
    EVP_MD_CTX_free(x->call.digest);
    buf_done(&x->call.out);
    buf_done(&x->body);
    arena_done(&x->slice);
    arena_done(&x->arena);
    free(x);
}

/* ---- the request ---- */

static const struct {
    const char *name;
    enum method method;
} methods[] = {{"DELETE", METHOD_DELETE},
               {"GET", METHOD_GET},
               {"PATCH", METHOD_PATCH},
               {"POST", METHOD_POST},
               {"PUT", METHOD_PUT}};

static enum method method_of(const char *name) {
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    return 0;
}

static view header(struct MHD_Connection *m, const char *name) {
    return view_of(MHD_lookup_connection_value(m, MHD_HEADER_KIND, name));
}

/* The name the client knows this server by goes into links; what is no name does not. */
static view host_of(struct server *s, struct MHD_Connection *m) {
    view host = header(m, MHD_HTTP_HEADER_HOST);
    for (size_t i = 0; i < host.len; i++)
        if (!ascii_is_alnum(host.ptr[i]) && !strchr(".-:[]_", host.ptr[i]))
            host.len = 0;
    return host.len > 0 && host.len <= LIMIT_DOMAIN ? host : view_of(s->address.s);
}

static enum MHD_Result take_argument(void *ctx, enum MHD_ValueKind kind, const char *key, size_t key_size,
                                     const char *value, size_t value_size) {
    struct buf *query = ctx;
    (void)kind;
    const char *parts[2] = {key, value};
    size_t sizes[2] = {key_size, value ? value_size : 0};
    for (int k = 0; k < 2; k++) {
        buf_add_char(query, k ? '=' : '&');
        for (size_t i = 0; i < sizes[k]; i++)
            buf_printf(query, "%%%02x", (unsigned char)parts[k][i]);
    }
    return MHD_YES;
}

/* "3.1/lists/x/" is version and path. */
static bool set_path(struct exchange *x, struct server *s, struct MHD_Connection *m, const char *url) {
    view path = view_of(url), version = VIEW_NULL;
    while (path.len > 0 && path.ptr[0] == '/')
        path = view_skip(path, 1);
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    view_split(&path, '/', &version);
    x->call.old = view_eq(version, VIEW("3.0"));
    x->call.path = arena_view(&x->arena, path);
    x->call.base = arena_printf(&x->arena, "http://%.*s/%.*s", VIEW_ARG(host_of(s, m)), VIEW_ARG(version));
    return x->call.old || view_eq(version, VIEW("3.1"));
}

static bool read_given(struct exchange *x, struct MHD_Connection *m) {
    struct buf query = BUF_INIT(BODY_MOST);
    MHD_get_connection_values_n(m, MHD_GET_ARGUMENT_KIND, take_argument, &query);
    bool ok = !query.failed && params_add_form(&x->call, buf_view(&query));
    buf_done(&query);
    view type = header(m, MHD_HTTP_HEADER_CONTENT_TYPE);
    view body = buf_view(&x->body);
    if (!ok || body.len == 0)
        return ok;
    return view_starts_with_nocase(type, VIEW("application/json")) ? params_add_json(&x->call, body)
                                                                   : params_add_form(&x->call, body);
}

/* ---- one click (RFC 8058) ---- */

static void answer_click(struct exchange *x, struct MHD_Connection *m, const char *method) {
    struct call *c = &x->call;
    c->method = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 ? METHOD_GET : method_of(method);
    if (x->body.failed)
        page_say(c, 413, "This is too much", "More was sent than leaving a mailing list takes.");
    else
        unsubscribe_answer(c, x->click,
                           unsubscribe_said(c, header(m, MHD_HTTP_HEADER_CONTENT_TYPE), buf_view(&x->body)));
    if (c->arena->failed || c->out.failed)
        page_say(c, 500, "Not now", "This cannot be done.");
}

/* Nobody else learns the address, which is as good as the key in it; nothing of a page is run or fetched. */
static void add_page_headers(struct MHD_Response *r) {
    static const char *const fields[][2] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, "text/html; charset=utf-8"},
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy",
         "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        MHD_add_response_header(r, fields[i][0], fields[i][1]);
}

/* ---- the answer ---- */

static ssize_t give_piece(void *ctx, uint64_t pos, char *out, size_t most) {
    struct exchange *x = ctx;
    struct buf *b = &x->call.out;
    bool failed = false;
    (void)pos;
    if (x->taken == b->len) {
        buf_reset(b);
        x->taken = 0;
        if (!rest_more(&x->call, &failed))
            return failed ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    }
    size_t n = b->len - x->taken < most ? b->len - x->taken : most;
    memcpy(out, b->data + x->taken, n);
    x->taken += n;
    return (ssize_t)n;
}

static struct MHD_Response *response_of(struct exchange *x) {
    struct call *c = &x->call;
    if (c->entries)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, give_piece, x, NULL);
    return MHD_create_response_from_buffer(c->out.len, c->out.data, MHD_RESPMEM_MUST_COPY);
}

/* Which methods there are is said where one was asked for that is not, and where just that was asked. */
static void add_allow(const struct call *c, struct MHD_Response *r) {
    char allow[64] = "";
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (c->allow & methods[i].method)
            snprintf(allow + strlen(allow), sizeof allow - strlen(allow), "%s%s", *allow ? ", " : "",
                     methods[i].name);
    if (c->status == 405)
        strcat(allow, ", OPTIONS");
    MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
}

static void add_headers(struct exchange *x, struct MHD_Response *r) {
    const struct call *c = &x->call;
    if (c->page)
        add_page_headers(r);
    else if (c->status != 204)
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
                                c->described ? "application/json; charset=UTF-8" : "application/json");
    if (c->location.len > 0)
        MHD_add_response_header(r, MHD_HTTP_HEADER_LOCATION, arena_str(&x->arena, c->location));
    if (c->status == 401)
        MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Basic realm=\"mailman3-rest\",charset=\"utf-8\"");
    else if (!c->page) /* strangers need not know */
        MHD_add_response_header(r, MHD_HTTP_HEADER_SERVER, "Postroad/" POSTROAD_VERSION);
    if (c->allow && !c->route && c->status != 401)
        add_allow(c, r);
}

static enum MHD_Result send_answer(struct exchange *x, struct MHD_Connection *m) {
    struct MHD_Response *r = response_of(x);
    if (!r)
        return MHD_NO;
    add_headers(x, r);
    enum MHD_Result result = MHD_queue_response(m, (unsigned)x->call.status, r);
    MHD_destroy_response(r);
    return result;
}

static void answer(struct exchange *x, struct server *s, struct MHD_Connection *m, const char *url,
                   const char *method) {
    struct call *c = &x->call;
    c->method = method_of(method);
    if (x->click.ptr)
        answer_click(x, m, method);
    else if (!set_path(x, s, m, url))
        reply_title(c, 404);
    else if (x->away)
        reply_error(c, 503, "The keys cannot be looked at now: please try again later");
    else if (x->body.failed)
        reply_error(c, 413, "The body of a request has at most %zu octets", x->body.limit);
    else if (x->name.len == 0 || read_given(x, m))
        rest_answer(c, x->name);
    if (c->status == 405 && strcmp(method, "OPTIONS") == 0) {
        buf_reset(&c->out);
        c->status = 200;
    }
}

/* The header is here, the body is not: who has a key may send a large one. */
static void meet(struct exchange *x, struct MHD_Connection *m) {
    x->begun = true;
    if (!x->click.ptr &&
        keys_know(x->call.role, header(m, MHD_HTTP_HEADER_AUTHORIZATION), &x->arena, &x->name, &x->away))
        x->body.limit = BODY_MOST;
    else
        x->name = VIEW("");
}

/* The first to see a request, and the only one to see its path as it came. */
static void *came(void *ctx, const char *uri, struct MHD_Connection *m) {
    (void)m;
    return begin(ctx, view_of(uri));
}

static enum MHD_Result take(void *ctx, struct MHD_Connection *m, const char *url, const char *method,
                            const char *version, const char *data, size_t *len, void **of_request) {
    struct server *s = ctx;
    struct exchange *x = *of_request;
    (void)version;
    if (!x->begun) {
        meet(x, m);
        return MHD_YES;
    }
    if (*len > 0) {
        buf_add(&x->body, view_from(data, *len));
        *len = 0;
        return MHD_YES;
    }
    answer(x, s, m, url, method);
    log_line(LOG_DEBUG, "request", LOG_S("method", method), LOG_V("path", x->call.path),
             LOG_V("by", x->call.who), LOG_I("status", x->call.status));
    return send_answer(x, m);
}

static void completed(void *ctx, struct MHD_Connection *m, void **of_request,
                      enum MHD_RequestTerminationCode code) {
    (void)ctx;
    (void)m;
    (void)code;
    if (*of_request)
        end(*of_request);
    *of_request = NULL;
}

struct server *server_start(struct role *r, int fd, const struct sockaddr_any *addr, struct err *e) {
    struct server *s = mem_alloc(sizeof *s);
    s->role = r;
    s->address = sockaddr_format(addr);
    s->daemon = MHD_start_daemon(
        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, take, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MOST, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_URI_LOG_CALLBACK, came, s, MHD_OPTION_END);
    if (!s->daemon) {
        free(s);
        err_errno(e, ERR_SYSTEM, "cannot serve HTTP");
        return NULL;
    }
    return s;
}

void server_stop(struct server **s) {
    if (!*s)
        return;
    MHD_stop_daemon((*s)->daemon);
    free(*s);
    *s = NULL;
}
