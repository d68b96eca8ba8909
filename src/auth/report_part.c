/* report_part.c: see report_part.h. Nothing of what a strange archive says about sizes is believed: what
 * counts is where its octets end, and how many have come out. */
#include "auth/report_part.h"

#define ZLIB_CONST /* next_in is const */
#include <zlib.h>

#include "mail/mime.h"

enum {
    RATIO_MOST = 250,      /* reports are a tenth to a hundredth when packed; a bomb is a thousandth */
    RATIO_FREE = 1 << 20,  /* octets that may come out at whatever ratio */
    STEP = 16 << 10,       /* octets unpacked at once */
    PACKED_MOST = 1 << 30, /* octets; zlib counts with 32 bits */
    GZIP = 15 + 16,        /* window bits: zlib reads and writes the header of gzip; */
    DEFLATED = -15,        /* or none */
    MEMORY = 8             /* zlib's default */
};

enum container { CONTAINER_NONE, CONTAINER_PLAIN, CONTAINER_GZIP, CONTAINER_ZIP };

/* By the first octets; UTF-16 has a mark or a NUL there. */
static enum container container_of(view v) {
    if (view_starts_with(v, VIEW("\x1f\x8b")))
        return CONTAINER_GZIP;
    if (view_starts_with(v, VIEW("PK\3\4")) || view_starts_with(v, VIEW("PK\5\6")))
        return CONTAINER_ZIP;
    if (view_starts_with(v, VIEW("\xff\xfe")) || view_starts_with(v, VIEW("\xfe\xff")) ||
        view_starts_with(v, VIEW("\0<")))
        return CONTAINER_PLAIN;
    v = view_trim(view_skip(v, view_starts_with(v, VIEW("\xef\xbb\xbf")) ? 3 : 0));
    return view_starts_with(v, VIEW("<")) || view_starts_with(v, VIEW("{")) ? CONTAINER_PLAIN
                                                                            : CONTAINER_NONE;
}

/* ---- where it stands ---- */

static bool has_report_name(const struct mime_part *p) {
    static const char *const ends[] = {".xml", ".xml.gz", ".json", ".json.gz", ".gz", ".zip"};
    struct buf name = BUF_INIT(LIMIT_MIME_PARAMETER);
    bool found = false;
    for (size_t i = 0; i < p->filename.len; i++)
        buf_add_char(&name, ascii_lower(p->filename.ptr[i]));
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        found |= view_ends_with(buf_view(&name), view_of(ends[i]));
    buf_done(&name);
    return found;
}

static bool may_be_report(const struct mime_part *p) {
    static const char *const types[] = {"application/gzip",
                                        "application/x-gzip",
                                        "application/zip",
                                        "application/x-zip",
                                        "application/x-zip-compressed",
                                        "application/tlsrpt+gzip",
                                        "application/tlsrpt+json",
                                        "application/json",
                                        "application/xml",
                                        "text/xml"};
    if (p->children > 0)
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (mime_is(p, types[i]))
            return true;
    return mime_is(p, "application/octet-stream") && has_report_name(p);
}

bool report_part_find(view message, struct arena *a, struct buf *out) {
    struct mime m;
    size_t start = out->len;
    if (container_of(message) != CONTAINER_NONE) {
        buf_add(out, message);
        return !out->failed;
    }
    if (!mime_parse(message, a, &m))
        return false;
    for (size_t i = 0; i < m.count && !out->failed; i++) {
        const struct mime_part *p = &m.parts[i];
        if (!may_be_report(p) || !mime_decode(p->encoding, p->body, out) || out->failed)
            continue;
        if (container_of(view_skip(buf_view(out), start)) != CONTAINER_NONE)
            return true;
        buf_truncate(out, start);
    }
    return false;
}

/* ---- gzip and deflate ---- */

static size_t allowed(size_t packed, size_t most) {
    size_t by_ratio = packed > SIZE_MAX / RATIO_MOST ? SIZE_MAX : packed * RATIO_MOST;
    by_ratio = by_ratio < RATIO_FREE ? RATIO_FREE : by_ratio;
    return by_ratio < most ? by_ratio : most;
}

static bool too_large(struct err *e) {
    return err_set(e, ERR_LIMIT, "the report is too large when it is unpacked");
}

/* Z_STREAM_END: all of it is there. Z_OK: more comes out than is allowed. Else it is damaged. */
static int inflate_all(z_stream *z, size_t most, struct buf *out) {
    char piece[STEP];
    int got = Z_OK;
    while (got == Z_OK && z->total_out <= most && !out->failed) {
        z->next_out = (Bytef *)piece;
        z->avail_out = STEP;
        got = inflate(z, Z_NO_FLUSH);
        buf_add(out, view_from(piece, STEP - z->avail_out));
    }
    return z->total_out > most || out->failed ? Z_OK : got;
}

static bool unpack(view packed, int window_bits, size_t most, struct buf *out, struct err *e) {
    size_t start = out->len;
    z_stream z = {.next_in = (const Bytef *)packed.ptr, .avail_in = (uInt)packed.len};
    BUG_ON(inflateInit2(&z, window_bits) != Z_OK);
    int got = inflate_all(&z, allowed(packed.len, most), out);
    inflateEnd(&z);
    if (got == Z_STREAM_END)
        return true;
    buf_truncate(out, start);
    return got == Z_OK ? too_large(e) : err_set(e, ERR_USAGE, "the report cannot be unpacked: it is damaged");
}

/* ---- zip (APPNOTE.TXT of PKWARE, 4.3): the directory at its end says what is in it ---- */

enum {
    END_LEN = 22, /* of the record that ends it, without a comment */
    COMMENT_MOST = 0xffff,
    ENTRY_LEN = 46, /* of a directory's entry, and of what stands before a member, without names */
    LOCAL_LEN = 30,
    ENCRYPTED = 1,
    STORED = 0,
    METHOD_DEFLATED = 8
};

struct member {
    view packed;
    uint32_t crc, size;
    bool deflated;
};

/* Little-endian, `len` of at most 4 octets. The caller has seen that they are there. */
static uint32_t number_at(view v, size_t at, size_t len) {
    uint32_t n = 0;
    for (size_t i = len; i-- > 0;)
        n = n << 8 | (unsigned char)v.ptr[at + i];
    return n;
}

static bool has_mark(view v, size_t at, const char *mark, size_t len) {
    view there = view_skip(v, at);
    return there.len >= len && view_starts_with(there, view_from(mark, 4));
}

/* The last that is one; behind it only its comment, and what transports add. */
static bool find_end(view zip, size_t *ret_at) {
    size_t lowest = zip.len > END_LEN + COMMENT_MOST ? zip.len - END_LEN - COMMENT_MOST : 0;
    for (size_t at = zip.len < END_LEN ? 0 : zip.len - END_LEN + 1; at-- > lowest;)
        if (has_mark(zip, at, "PK\5\6", END_LEN) && at + END_LEN + number_at(zip, at + 20, 2) <= zip.len) {
            *ret_at = at;
            return true;
        }
    return false;
}

/* Between what is said of it at its beginning and the directory, by the size the directory has. The size at
 * the beginning is 0 when it was written in one go, with the size behind the member (a data descriptor). */
static bool find_packed(view zip, size_t entry, struct member *m) {
    size_t at = number_at(zip, entry + 42, 4), len = number_at(zip, entry + 20, 4);
    if (at >= entry || !has_mark(zip, at, "PK\3\4", LOCAL_LEN))
        return false;
    at += LOCAL_LEN + number_at(zip, at + 26, 2) + number_at(zip, at + 28, 2);
    if (at > entry || len > entry - at)
        return false;
    m->packed = view_slice(zip, at, len);
    return true;
}

static bool find_member(view zip, struct member *m, struct err *e) {
    size_t end;
    if (!find_end(zip, &end))
        return err_set(e, ERR_USAGE, "the zip file has no end");
    if (number_at(zip, end + 10, 2) != 1 || number_at(zip, end + 8, 2) != 1)
        return err_set(e, ERR_USAGE, "the zip file has not one member");
    size_t entry = number_at(zip, end + 16, 4);
    if (entry > end || end - entry < ENTRY_LEN || !has_mark(zip, entry, "PK\1\2", ENTRY_LEN) ||
        !find_packed(zip, entry, m))
        return err_set(e, ERR_USAGE, "the zip file is damaged");
    uint32_t method = number_at(zip, entry + 10, 2);
    if (number_at(zip, entry + 8, 2) & ENCRYPTED || (method != STORED && method != METHOD_DEFLATED))
        return err_set(e, ERR_USAGE, "the zip file is encrypted, or packed in a way that is not known");
    m->deflated = method == METHOD_DEFLATED;
    m->crc = number_at(zip, entry + 16, 4);
    m->size = number_at(zip, entry + 24, 4);
    return true;
}

static bool unpack_zip(view zip, size_t most, struct buf *out, struct err *e) {
    struct member m = {.deflated = false}; /* gcc does not see that it is found first */
    size_t start = out->len;
    if (!find_member(zip, &m, e))
        return false;
    if (m.deflated) {
        if (!unpack(m.packed, DEFLATED, most, out, e))
            return false;
    } else {
        if (m.packed.len > most)
            return too_large(e);
        buf_add(out, m.packed);
    }
    view got = view_skip(buf_view(out), start);
    if (got.len == m.size && crc32(0, (const Bytef *)got.ptr, (uInt)got.len) == m.crc)
        return true;
    buf_truncate(out, start);
    return out->failed ? too_large(e) : err_set(e, ERR_USAGE, "the zip file is damaged");
}

/* ---- the whole ---- */

static bool unpack_any(view packed, size_t most, struct buf *out, struct err *e) {
    switch (container_of(packed)) {
    case CONTAINER_GZIP:
        return unpack(packed, GZIP, most, out, e);
    case CONTAINER_ZIP:
        return unpack_zip(packed, most, out, e);
    case CONTAINER_PLAIN:
        if (packed.len <= most)
            buf_add(out, packed);
        return packed.len <= most && !out->failed ? true : too_large(e);
    case CONTAINER_NONE:
        break;
    }
    return err_set(e, ERR_USAGE, "this is no XML, JSON, gzip or zip");
}

bool report_part_unpack(view packed, size_t most, struct buf *out, struct err *e) {
    size_t start = out->len;
    if (packed.len > PACKED_MOST)
        return too_large(e);
    if (!unpack_any(packed, most, out, e))
        return false;
    if (container_of(view_skip(buf_view(out), start)) == CONTAINER_PLAIN)
        return true;
    buf_truncate(out, start);
    return err_set(e, ERR_USAGE, "what is packed is no XML or JSON");
}

void report_part_gzip(view text, struct buf *out) {
    z_stream z = {.next_in = (const Bytef *)text.ptr, .avail_in = (uInt)text.len};
    BUG_ON(text.len > PACKED_MOST);
    BUG_ON(deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK);
    size_t room = deflateBound(&z, (uLong)text.len);
    char *to = buf_reserve(out, room);
    if (to) {
        z.next_out = (Bytef *)to;
        z.avail_out = (uInt)room;
        BUG_ON(deflate(&z, Z_FINISH) != Z_STREAM_END);
        buf_commit(out, room - z.avail_out);
    }
    deflateEnd(&z);
}
