/* buf.c: the growing buffer with a limit and a sticky error.
 *
 * An empty buffer points at a shared static string and owns nothing, so BUF_INIT costs nothing and `data` is
 * never NULL. That string is shared by all threads and therefore never written, not even with its own NUL. */
#include "base/buf.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_CAP = 63 };

char buf_empty[1];

void buf_init(struct buf *b, size_t limit_bytes) {
    *b = BUF_INIT(limit_bytes);
}

void buf_done(struct buf *b) {
    if (!b)
        return;
    if (b->cap > 0)
        free(b->data);
    *b = BUF_INIT(b->limit);
}

static void set_len(struct buf *b, size_t len) {
    b->len = len;
    if (b->cap > 0)
        b->data[len] = '\0';
}

void buf_reset(struct buf *b) {
    set_len(b, 0);
    b->failed = false;
}

static void grow(struct buf *b, size_t needed) {
    size_t cap = b->cap > 0 ? b->cap * 2 : BUF_FIRST_CAP;
    if (cap < needed)
        cap = needed;
    if (cap > b->limit)
        cap = b->limit;
    b->data = mem_resize(b->cap > 0 ? b->data : NULL, cap + 1, 1);
    b->cap = cap;
    b->data[b->len] = '\0';
}

char *buf_reserve(struct buf *b, size_t len) {
    if (b->failed || len > b->limit - b->len) {
        b->failed = true;
        return NULL;
    }
    if (len > b->cap - b->len)
        grow(b, b->len + len);
    return b->data + b->len;
}

void buf_commit(struct buf *b, size_t len) {
    BUG_ON(len > b->cap - b->len);
    set_len(b, b->len + len);
}

void buf_add(struct buf *b, view v) {
    if (v.len == 0)
        return;
    char *to = buf_reserve(b, v.len);
    if (!to)
        return;
    memcpy(to, v.ptr, v.len);
    buf_commit(b, v.len);
}

void buf_add_str(struct buf *b, const char *s) {
    buf_add(b, view_of(s));
}

void buf_add_char(struct buf *b, char c) {
    buf_add(b, (view){&c, 1});
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    BUG_ON(len < 0);
    char *to = buf_reserve(b, (size_t)len);
    if (to && len > 0) {
        vsnprintf(to, (size_t)len + 1, fmt, again);
        buf_commit(b, (size_t)len);
    }
    va_end(again);
    va_end(ap);
}

void buf_consume(struct buf *b, size_t len) {
    BUG_ON(len > b->len);
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len);
    set_len(b, b->len - len);
}

void buf_truncate(struct buf *b, size_t len) {
    BUG_ON(len > b->len);
    set_len(b, len);
}

view buf_view(const struct buf *b) {
    return (view){b->data, b->len};
}

char *buf_take(struct buf *b, size_t *ret_len) {
    char *data = b->cap > 0 ? b->data : mem_alloc(1);
    if (ret_len)
        *ret_len = b->len;
    *b = BUF_INIT(b->limit);
    return data;
}
