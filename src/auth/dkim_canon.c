/* dkim_canon.c: see dkim_canon.h. */
#include "auth/dkim_canon.h"

#include <string.h>

enum { SLICE = 2048 };

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* ---- into the digest ---- */

static void flush(struct canon_body *b) {
    BUG_ON(!EVP_DigestUpdate(b->digest, b->buffer, b->filled));
    b->filled = 0;
}

static void give(struct canon_body *b, const char *octets, size_t len) {
    size_t counts = len;
    if (b->limit >= 0)
        counts = b->len >= b->limit                 ? 0
                 : (int64_t)len < b->limit - b->len ? len
                                                    : (size_t)(b->limit - b->len);
    b->len += (int64_t)len;
    if (counts > sizeof b->buffer - b->filled)
        flush(b);
    if (counts > sizeof b->buffer) {
        BUG_ON(!EVP_DigestUpdate(b->digest, octets, counts));
        return;
    }
    memcpy(b->buffer + b->filled, octets, counts);
    b->filled += counts;
}

/* The line has something that counts: so do the empty ones before it. */
static void begin_line(struct canon_body *b) {
    for (; b->empty > 0; b->empty--)
        give(b, "\r\n", 2);
    b->begun = true;
}

static void end_line(struct canon_body *b) {
    if (b->begun)
        give(b, "\r\n", 2);
    else
        b->empty++;
    b->begun = b->blank = false;
}

/* In each octet that is `c`, its highest bit. */
static uint64_t octets_that_are(uint64_t eight, unsigned char c) {
    const uint64_t ones = 0x0101010101010101, low = 0x7f7f7f7f7f7f7f7f;
    uint64_t differ = eight ^ (ones * c);
    return ~(((differ & low) + low) | differ | low);
}

/* Eight octets as they are: none is a tab, and no blank stands behind another. */
static bool is_relaxed(const char *octets, bool behind_blank) {
    uint64_t eight, spaces;
    memcpy(&eight, octets, sizeof eight);
    spaces = octets_that_are(eight, ' ');
    return !((spaces & spaces << 8) | octets_that_are(eight, '\t')) && !(behind_blank && octets[0] == ' ');
}

/* Each run of blanks as one; those at the end wait for what follows. */
static void give_relaxed(struct canon_body *b, view part) {
    char made[SLICE + 1];
    while (part.len > 0) {
        size_t n = 0, len = part.len < SLICE ? part.len : SLICE, i = 0;
        bool blank = b->blank;
        made[0] = ' ';
        n += blank;
        while (i < len) { /* this is where large bodies spend their time */
            if (len - i >= 8 && is_relaxed(part.ptr + i, blank)) {
                memcpy(made + n, part.ptr + i, 8);
                n += 8;
                i += 8;
                blank = part.ptr[i - 1] == ' ';
                continue;
            }
            for (size_t end = len - i < 8 ? len : i + 8; i < end; i++) {
                bool now = is_blank(part.ptr[i]);
                made[n] = now ? ' ' : part.ptr[i];
                n += !(now & blank);
                blank = now;
            }
        }
        b->blank = blank;
        give(b, made, n - blank);
        part = view_skip(part, len);
    }
}

/* Octets of one line, without its end. */
static void take(struct canon_body *b, view part) {
    if (b->how == CANON_RELAXED && !b->begun) {
        view before = part;
        while (part.len > 0 && is_blank(part.ptr[0]))
            part = view_skip(part, 1);
        b->blank |= part.len < before.len;
    }
    if (part.len == 0)
        return;
    if (!b->begun)
        begin_line(b);
    if (b->how == CANON_RELAXED)
        give_relaxed(b, part);
    else
        give(b, part.ptr, part.len);
}

/* As they are, but for the line ends at their end. */
static void take_simple(struct canon_body *b, view octets) {
    size_t ends = 0;
    b->cr = view_ends_with(octets, VIEW("\r"));
    octets.len -= b->cr;
    for (; view_ends_with(octets, VIEW("\r\n")); ends++)
        octets.len -= 2;
    take(b, octets);
    for (; ends > 0; ends--)
        end_line(b);
}

/* ---- a body ---- */

void canon_body_begin(struct canon_body *b, enum canon how, int64_t limit) {
    *b = (struct canon_body){.how = how, .limit = limit, .digest = EVP_MD_CTX_new()};
    BUG_ON(!b->digest || !EVP_DigestInit_ex(b->digest, EVP_sha256(), NULL));
}

void canon_body_add(struct canon_body *b, view octets) {
    while (octets.len > 0) {
        if (b->cr) { /* at the end of the last piece; alone it is no line end */
            b->cr = false;
            if (octets.ptr[0] == '\n') {
                end_line(b);
                octets = view_skip(octets, 1);
                continue;
            }
            take(b, VIEW("\r"));
        }
        if (b->how == CANON_SIMPLE) {
            take_simple(b, octets);
            return;
        }
        const char *cr = memchr(octets.ptr, '\r', octets.len);
        size_t len = cr ? (size_t)(cr - octets.ptr) : octets.len;
        take(b, view_slice(octets, 0, len));
        b->cr = cr != NULL;
        octets = view_skip(octets, len + b->cr);
    }
}

int64_t canon_body_end(struct canon_body *b, unsigned char ret[32]) {
    if (b->cr)
        take(b, VIEW("\r"));
    if (b->begun)
        end_line(b);
    if (b->len == 0 && b->how == CANON_SIMPLE)
        give(b, "\r\n", 2);
    flush(b);
    BUG_ON(!EVP_DigestFinal_ex(b->digest, ret, NULL));
    canon_body_drop(b);
    return b->len;
}

void canon_body_drop(struct canon_body *b) {
    EVP_MD_CTX_free(b->digest);
    b->digest = NULL;
}

int64_t canon_body_digest(enum canon how, view body, int64_t limit, unsigned char ret[32]) {
    struct canon_body b;
    canon_body_begin(&b, how, limit);
    canon_body_add(&b, body);
    return canon_body_end(&b, ret);
}

/* ---- a field ---- */

static void add_relaxed(const struct header_field *f, struct buf *out) {
    view value = f->value;
    char *to = buf_reserve(out, f->name.len + value.len + 3);
    size_t n = 0;
    if (!to)
        return;
    for (; n < f->name.len; n++)
        to[n] = ascii_lower(f->name.ptr[n]);
    to[n++] = ':';
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
            to[n++] = ' ';
        blank = false;
        begun = true;
        to[n++] = c;
    }
    to[n++] = '\r';
    to[n++] = '\n';
    buf_commit(out, n);
}

void canon_field(enum canon how, const struct header_field *f, struct buf *out) {
    if (how == CANON_RELAXED) {
        add_relaxed(f, out);
        return;
    }
    buf_add(out, f->raw);
    if (!view_ends_with(f->raw, VIEW("\r\n")))
        buf_add_str(out, "\r\n");
}
