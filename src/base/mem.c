/* mem.c: allocation that aborts when memory runs out.
 *
 * No caller could do anything sensible with a NULL, and code that is never run is never right. What outside
 * data may allocate is bounded by the limits of arenas and buffers instead. */
#include "base/mem.h"

#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *mem_alloc(size_t size) {
    void *p = calloc(1, size > 0 ? size : 1);
    if (!p)
        BUG("out of memory");
    return p;
}

void *mem_resize(void *p, size_t n, size_t size) {
    /* Resizing to nothing would free: one byte keeps the pointer the caller's. */
    void *resized = n > 0 && size > 0 ? reallocarray(p, n, size) : realloc(p, 1);
    if (!resized)
        BUG("out of memory");
    return resized;
}

char *mem_view(view v) {
    char *copy = mem_alloc(v.len + 1);
    if (v.len > 0)
        memcpy(copy, v.ptr, v.len);
    return copy;
}

char *mem_str(const char *s) {
    return s ? mem_view(view_of(s)) : NULL;
}

char *mem_printf(const char *fmt, ...) {
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0)
        BUG("out of memory");
    return text;
}

void mem_free_ptr(void *pp) {
    void *p;
    memcpy(&p, pp, sizeof p); /* the pointer's own type is not known here */
    free(p);
    p = NULL;
    memcpy(pp, &p, sizeof p);
}

void mem_close_fd(int *fd) {
    int saved = errno; /* runs on the way out of a function whose caller may still look at errno */
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}
