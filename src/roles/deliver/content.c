/* content.c: message texts in memory. A fan-out of 50,000 copies reads its message once. Texts nobody uses
 * stay while there is room, newest first. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/text.h"
#include "roles/deliver/deliver.h"
#include "store/message.h"

#define KEEP_BYTES (32 << 20)
#define USE_BYTES  (256 << 20) /* texts in use; more is loaded when some has gone, but always at least one */
#define KEEP_TEXTS 32          /* the list stays short enough to be searched */

static struct content *cache; /* newest first; under deliver.lock */
static pthread_cond_t loaded = PTHREAD_COND_INITIALIZER;

/* RFC 5321 4.5.2: a dot more where a line begins with one. */
static void stuff(view body, struct buf *out) {
    while (body.len > 0) {
        const char *lf = memchr(body.ptr, '\n', body.len);
        size_t len = lf ? (size_t)(lf - body.ptr) + 1 : body.len;
        if (body.ptr[0] == '.')
            buf_add_char(out, '.');
        buf_add(out, view_slice(body, 0, len));
        body = view_skip(body, len);
    }
    if (out->len > 0 && !view_ends_with(buf_view(out), VIEW("\r\n")))
        buf_add_str(out, "\r\n");
}

static void load(struct content *c) {
    struct store_request q;
    store_request_init(&q, OP_MESSAGE_INFO);
    vals_int(&q.args, c->message);
    if (store_call(deliver.role.store, &q, &c->err)) {
        struct message_info m = message_info_of(c->message, buf_view(&q.out));
        buf_init(&c->store, (size_t)m.size + LIMIT_HEADER_BYTES);
        buf_add(&c->store, m.fields);
        buf_add(&c->store, m.first);
        c->flags = m.flags;
        buf_init(&c->envid_text, LIMIT_SMTP_LINE);
        buf_add(&c->envid_text, m.envid);
        c->envid = buf_view(&c->envid_text);
        if (role_read_rest(&deliver.role, c->message, 1, (size_t)m.size + m.fields.len, &c->store, &c->err)) {
            c->fields = view_slice(buf_view(&c->store), 0, m.fields.len);
            c->body = view_skip(buf_view(&c->store), m.fields.len);
            buf_init(&c->wire, 2 * c->body.len + 16);
            stuff(c->body, &c->wire);
            c->stuffed = buf_view(&c->wire);
            ptrdiff_t header = view_search(c->body, VIEW("\r\n\r\n"));
            c->utf8_header = !text_is_7bit(view_slice(c->body, 0, header < 0 ? c->body.len : (size_t)header));
        }
    }
    store_request_done(&q);
}

static void free_content(struct content *c) {
    buf_done(&c->store);
    buf_done(&c->wire);
    buf_done(&c->envid_text);
    free(c);
}

/* Under the lock: forget what nobody uses beyond KEEP_TEXTS and KEEP_BYTES. */
static void trim(void) {
    size_t bytes = 0, unused = 0;
    for (struct content **at = &cache, *c; (c = *at);) {
        bytes += c->bytes;
        unused += c->refs == 0;
        if (c->refs == 0 && (unused > KEEP_TEXTS || bytes > KEEP_BYTES || c->err.code != ERR_OK)) {
            *at = c->next;
            bytes -= c->bytes;
            free_content(c);
        } else {
            at = &c->next;
        }
    }
}

static size_t bytes_in_use(void) {
    size_t bytes = 0;
    for (const struct content *c = cache; c; c = c->next)
        bytes += c->refs > 0 ? c->bytes : 0;
    return bytes;
}

/* A thread uses one text at a time, so whoever waits for room holds none. */
struct content *content_get(int64_t message) {
    pthread_mutex_lock(&deliver.lock);
    struct content **at = &cache, *c;
    while ((c = *at) && c->message != message)
        at = &c->next;
    if (c) {
        c->refs++;
        *at = c->next; /* to the front */
        c->next = cache;
        cache = c;
        while (!c->ready)
            pthread_cond_wait(&loaded, &deliver.lock);
        pthread_mutex_unlock(&deliver.lock);
        return c;
    }
    while (bytes_in_use() > USE_BYTES)
        pthread_cond_wait(&loaded, &deliver.lock);
    c = mem_alloc(sizeof *c);
    *c = (struct content){.message = message, .refs = 1, .next = cache};
    buf_init(&c->store, 0);
    buf_init(&c->wire, 0);
    buf_init(&c->envid_text, 0);
    cache = c;
    pthread_mutex_unlock(&deliver.lock);
    load(c);
    pthread_mutex_lock(&deliver.lock);
    c->bytes = c->store.cap + c->wire.cap;
    c->ready = true;
    pthread_cond_broadcast(&loaded);
    trim();
    pthread_mutex_unlock(&deliver.lock);
    return c;
}

void content_put(struct content *c) {
    pthread_mutex_lock(&deliver.lock);
    c->refs--;
    if (c->refs == 0) {
        trim();
        pthread_cond_broadcast(&loaded);
    }
    pthread_mutex_unlock(&deliver.lock);
}
