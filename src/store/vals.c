/* vals.c: tag 'i' and eight bytes, or tag 'v', four bytes of length and the bytes; in the machine's order,
 * since both ends are on this machine. */
#include "store/vals.h"

#include <string.h>

void vals_int(struct buf *b, int64_t n) {
    char *p = buf_reserve(b, 9);
    if (!p)
        return;
    p[0] = 'i';
    memcpy(p + 1, &n, 8);
    buf_commit(b, 9);
}

void vals_view(struct buf *b, view v) {
    char *p = v.len <= UINT32_MAX ? buf_reserve(b, 5 + v.len) : NULL;
    if (!p) {
        b->failed = true;
        return;
    }
    uint32_t len = (uint32_t)v.len;
    p[0] = 'v';
    memcpy(p + 1, &len, 4);
    if (len)
        memcpy(p + 5, v.ptr, len);
    buf_commit(b, 5 + v.len);
}

struct vals vals_of(view bytes) {
    return (struct vals){.rest = bytes};
}

bool vals_more(const struct vals *v) {
    return !v->failed && v->rest.len > 0;
}

int64_t vals_get_int(struct vals *v) {
    int64_t n = 0;
    if (v->failed || v->rest.len < 9 || v->rest.ptr[0] != 'i') {
        v->failed = true;
        return 0;
    }
    memcpy(&n, v->rest.ptr + 1, 8);
    v->rest = view_skip(v->rest, 9);
    return n;
}

view vals_get_view(struct vals *v) {
    uint32_t len = 0;
    if (!v->failed && v->rest.len >= 5 && v->rest.ptr[0] == 'v') {
        memcpy(&len, v->rest.ptr + 1, 4);
        if (v->rest.len - 5 >= len) {
            view out = view_slice(v->rest, 5, len);
            v->rest = view_skip(v->rest, 5 + (size_t)len);
            return out;
        }
    }
    v->failed = true;
    return VIEW_NULL;
}

size_t vals_get_count(struct vals *v) {
    int64_t n = vals_get_int(v);
    if (n < 0 || (uint64_t)n > v->rest.len / 5 + 1)
        v->failed = true;
    return v->failed ? 0 : (size_t)n;
}
