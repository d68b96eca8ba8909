/* dkim_canon.c: see dkim_canon.h. */
#include "auth/dkim_canon.h"

#include <string.h>

/* What has been hashed of the body, up to a limit. */
struct sink {
    EVP_MD_CTX *digest;
    int64_t len, limit; /* of the canonical form; limit -1: none */
    unsigned char buffer[4096];
    size_t filled;
};

static void flush(struct sink *s) {
    BUG_ON(!EVP_DigestUpdate(s->digest, s->buffer, s->filled));
    s->filled = 0;
}

static void give(struct sink *s, const char *octets, size_t len) {
    size_t counts = len;
    if (s->limit >= 0)
        counts = s->len >= s->limit                 ? 0
                 : (int64_t)len < s->limit - s->len ? len
                                                    : (size_t)(s->limit - s->len);
    s->len += (int64_t)len;
    if (counts > sizeof s->buffer - s->filled)
        flush(s);
    if (counts > sizeof s->buffer) {
        BUG_ON(!EVP_DigestUpdate(s->digest, octets, counts));
        return;
    }
    memcpy(s->buffer + s->filled, octets, counts);
    s->filled += counts;
}

static void give_line_ends(struct sink *s, size_t count) {
    while (count-- > 0)
        give(s, "\r\n", 2);
}

/* The next line without its CRLF. *ret_ended: it had one. */
static view next_line(view *rest, bool *ret_ended) {
    for (size_t at = 0;;) {
        const char *cr = at < rest->len ? memchr(rest->ptr + at, '\r', rest->len - at) : NULL;
        *ret_ended = cr && (size_t)(cr - rest->ptr) + 1 < rest->len && cr[1] == '\n';
        size_t len = cr ? (size_t)(cr - rest->ptr) : rest->len;
        if (*ret_ended || !cr) {
            view line = view_slice(*rest, 0, len);
            *rest = view_skip(*rest, len + (*ret_ended ? 2 : 0));
            return line;
        }
        at = len + 1; /* a CR alone is no line end */
    }
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Each run of blanks as one, none at the end. */
static void give_relaxed(struct sink *s, view line) {
    while (line.len > 0 && is_blank(line.ptr[line.len - 1]))
        line.len--;
    for (size_t i = 0; i < line.len;) {
        size_t end = i;
        if (is_blank(line.ptr[i])) {
            while (is_blank(line.ptr[i])) /* it ends with none */
                i++;
            give(s, " ", 1);
            continue;
        }
        while (end < line.len && !is_blank(line.ptr[end]))
            end++;
        give(s, line.ptr + i, end - i);
        i = end;
    }
}

static bool is_empty(enum canon how, view line) {
    for (size_t i = 0; i < line.len; i++)
        if (how == CANON_SIMPLE || !is_blank(line.ptr[i]))
            return false;
    return true;
}

int64_t canon_body_digest(enum canon how, view body, int64_t limit, unsigned char ret[32]) {
    struct sink s = {.digest = EVP_MD_CTX_new(), .limit = limit};
    size_t empty = 0; /* lines that count only when another follows */
    bool any = false, ended;
    BUG_ON(!s.digest || !EVP_DigestInit_ex(s.digest, EVP_sha256(), NULL));
    while (body.len > 0) {
        view line = next_line(&body, &ended);
        if (is_empty(how, line)) {
            empty++;
            continue;
        }
        give_line_ends(&s, empty);
        empty = 0;
        if (how == CANON_RELAXED)
            give_relaxed(&s, line);
        else
            give(&s, line.ptr, line.len);
        give(&s, "\r\n", 2);
        any = true;
    }
    if (!any && how == CANON_SIMPLE)
        give(&s, "\r\n", 2);
    flush(&s);
    BUG_ON(!EVP_DigestFinal_ex(s.digest, ret, NULL));
    EVP_MD_CTX_free(s.digest);
    return s.len;
}

void canon_field(enum canon how, const struct header_field *f, struct buf *out) {
    view value = f->value;
    if (how == CANON_SIMPLE) {
        buf_add(out, f->raw);
        if (!view_ends_with(f->raw, VIEW("\r\n")))
            buf_add_str(out, "\r\n");
        return;
    }
    for (size_t i = 0; i < f->name.len; i++)
        buf_add_char(out, ascii_lower(f->name.ptr[i]));
    buf_add_char(out, ':');
    bool blank = false, begun = false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\n' || (c == '\r' && i + 1 < value.len && value.ptr[i + 1] == '\n'))
            continue; /* a fold */
        if (is_blank(c)) {
            blank = true;
            continue;
        }
        if (blank && begun)
            buf_add_char(out, ' ');
        blank = false;
        begun = true;
        buf_add_char(out, c);
    }
    buf_add_str(out, "\r\n");
}
