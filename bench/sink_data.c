/* Message text: between DATA and the final dot (RFC 5321 section 4.5.2, only CRLF ends a line), or in chunks.
 */
#include "sink.h"

#include <string.h>
#include <strings.h>

void data_begin(struct data *d) {
    d->line_start = d->in_header = true;
    d->last_cr = d->id_follows = false;
    d->bytes = 0;
    d->copy.len = d->id.len = d->header.len = 0;
}

void data_free(struct data *d) {
    buf_free(&d->copy);
    buf_free(&d->id);
    buf_free(&d->header);
}

/* Keep what stands between the angle brackets, or the bare word when there are none. */
static void take_id(struct data *d, const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '<'))
        p++;
    const char *stop = p;
    while (stop < end && *stop != '>' && *stop > ' ')
        stop++;
    if (stop > p)
        buf_add(&d->id, p, (size_t)(stop - p));
    d->id_follows = stop == p; /* nothing here: the field is folded */
}

/* d->header holds a whole header line without its line end. */
static void header_line(struct data *d) {
    static const char name[] = "message-id:";
    const char *p = d->header.data;
    const char *end = p + d->header.len;
    if (d->header.len == 0) {
        d->in_header = false;
    } else if (*p == ' ' || *p == '\t') {
        if (d->id_follows)
            take_id(d, p, end);
    } else {
        d->id_follows = false;
        if (d->id.len == 0 && d->header.len >= sizeof name - 1 && strncasecmp(p, name, sizeof name - 1) == 0)
            take_id(d, p + sizeof name - 1, end);
    }
    d->header.len = 0;
}

/* Part of a line, or the rest of it when line_end. */
static void header_part(struct data *d, const char *p, size_t len, bool line_end) {
    size_t room = HEADER_LINE - d->header.len;
    buf_add(&d->header, p, len < room ? len : room);
    if (!line_end)
        return;
    while (d->header.len > 0 &&
           (d->header.data[d->header.len - 1] == '\n' || d->header.data[d->header.len - 1] == '\r'))
        d->header.len--;
    header_line(d);
}

/* A dot at the start of a line. */
enum dot {
    DOT_STUFFED,
    DOT_END,     /* with its CRLF, the end of the message */
    DOT_UNKNOWN, /* more is needed to tell */
};

static enum dot look_at_dot(const char *p, size_t left) {
    static const char end[] = ".\r\n";
    size_t n = left < sizeof end - 1 ? left : sizeof end - 1;
    if (memcmp(p, end, n) != 0)
        return DOT_STUFFED;
    return n == sizeof end - 1 ? DOT_END : DOT_UNKNOWN;
}

/* Text up to its next line end, or the end of what there is. Returns its length. */
static size_t take_line(struct data *d, const char *from, size_t len, bool want_id, bool want_copy) {
    const char *lf = memchr(from, '\n', len);
    size_t n = lf != NULL ? (size_t)(lf - from) + 1 : len;
    bool cr_before = n >= 2 ? from[n - 2] == '\r' : d->last_cr;
    bool line_end = lf != NULL && cr_before;
    if (want_id && d->in_header)
        header_part(d, from, n, line_end);
    if (want_copy)
        buf_add(&d->copy, from, n);
    d->bytes += n;
    d->last_cr = from[n - 1] == '\r';
    d->line_start = line_end;
    return n;
}

void data_take_chunk(struct data *d, const char *p, size_t len, bool want_id, bool want_copy) {
    for (size_t pos = 0; pos < len;)
        pos += take_line(d, p + pos, len - pos, want_id, want_copy);
}

size_t data_take(struct data *d, const char *p, size_t len, bool want_id, bool want_copy, bool *end) {
    size_t pos = 0;
    *end = false;
    while (pos < len) {
        if (d->line_start && p[pos] == '.') {
            enum dot dot = look_at_dot(p + pos, len - pos);
            if (dot == DOT_UNKNOWN)
                return pos;
            *end = dot == DOT_END;
            if (*end)
                return pos + 3;
            pos++;
        }
        pos += take_line(d, p + pos, len - pos, want_id, want_copy);
    }
    return pos;
}
