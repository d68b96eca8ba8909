/* mime.c: see mime.h. A multipart is cut at its own delimiter lines, and each piece is read the same way; how
 * deep, and how many, is limited, since a message of strangers decides about both. */
#include "mail/mime.h"

#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "mail/charset.h"

struct walk {
    struct arena *arena;
    struct mime *mime;
    size_t room;
};

/* ---- field values ---- */

static bool is_token_char(char c) {
    return c > ' ' && c <= '~' && !strchr("()<>@,;:\\\"/[]?=", c);
}

/* White space and comments (RFC 5322 3.2.2). */
static view skip_blank(view v) {
    size_t depth = 0, i = 0;
    for (; i < v.len; i++) {
        if (v.ptr[i] == '(')
            depth++;
        else if (v.ptr[i] == ')' && depth > 0)
            depth--;
        else if (v.ptr[i] == '\\' && depth > 0)
            i++;
        else if (depth == 0 && !ascii_is_space(v.ptr[i]))
            break;
    }
    return view_skip(v, i);
}

static view take_token(view *v) {
    size_t n = 0;
    while (n < v->len && is_token_char(v->ptr[n]))
        n++;
    view token = view_slice(*v, 0, n);
    *v = view_skip(*v, n);
    return token;
}

/* What is between the quotes, without backslashes and line ends. */
static view take_quoted(view *v, struct arena *a) {
    size_t n = 0, i = 1, end = 1;
    while (end < v->len && v->ptr[end] != '"')
        end += v->ptr[end] == '\\' && end + 1 < v->len ? 2 : 1;
    char *p = arena_alloc(a, end);
    for (; p && i < end && i < v->len; i++) {
        if (v->ptr[i] == '\\' && i + 1 < v->len)
            i++;
        if (v->ptr[i] != '\r' && v->ptr[i] != '\n')
            p[n++] = v->ptr[i];
    }
    *v = view_skip(*v, end + 1);
    return p ? view_from(p, n) : VIEW_NULL;
}

/* A quoted string, or, as programs write them, everything up to the semicolon. */
static view take_value(view *v, struct arena *a) {
    if (view_starts_with(*v, VIEW("\"")))
        return take_quoted(v, a);
    ptrdiff_t end = view_find(*v, ';');
    view value = view_slice(*v, 0, end < 0 ? v->len : (size_t)end);
    *v = view_skip(*v, value.len);
    ptrdiff_t comment = view_find(value, '(');
    return view_trim(comment < 0 ? value : view_slice(value, 0, (size_t)comment));
}
static int hex_digit(char c) {
    return ascii_is_digit(c)      ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static int hex_octet(view v, size_t at) {
    int high = at + 1 < v.len ? hex_digit(v.ptr[at]) : -1,
        low = at + 1 < v.len ? hex_digit(v.ptr[at + 1]) : -1;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static void add_percent_decoded(view v, struct buf *out) {
    for (size_t i = 0; i < v.len; i++) {
        int octet = v.ptr[i] == '%' ? hex_octet(v, i + 1) : -1;
        buf_add_char(out, octet < 0 ? v.ptr[i] : (char)octet);
        i += octet < 0 ? 0 : 2;
    }
}

/* What is behind the name of a parameter: "*", "*3", "*3*" (RFC 2231 3, 4). */
struct section {
    int64_t number; /* -1: the whole value */
    bool extended;
};

static bool read_section(view rest, struct section *ret) {
    *ret = (struct section){.number = -1};
    if (rest.len == 0)
        return true;
    if (!view_starts_with(rest, VIEW("*")))
        return false;
    rest = view_skip(rest, 1);
    ret->extended = rest.len == 0 || view_ends_with(rest, VIEW("*"));
    rest = view_slice(rest, 0, rest.len - (rest.len > 0 && ret->extended));
    return rest.len == 0 || view_to_i64(rest, &ret->number);
}

/* Behind the type, or what the value begins with: `; name=value` each. False at the end. */
static bool next_parameter(view *rest, struct arena *a, view *ret_name, view *ret_value) {
    for (;;) {
        ptrdiff_t semicolon = view_find(*rest, ';');
        if (semicolon < 0)
            return false;
        *rest = skip_blank(view_skip(*rest, (size_t)semicolon + 1));
        *ret_name = take_token(rest);
        view v = skip_blank(*rest);
        if (ret_name->len == 0 || !view_starts_with(v, VIEW("=")))
            continue;
        *rest = skip_blank(view_skip(v, 1));
        *ret_value = take_value(rest, a);
        return true;
    }
}

struct parameter {
    struct buf *text;
    view charset; /* declared in an extended value's first section */
    int64_t next; /* section that is due */
};

static void add_value(struct parameter *p, const struct section *s, view value) {
    if (s->extended && s->number <= 0) { /* charset'language'text */
        view text = value, charset, language;
        if (view_split(&text, '\'', &charset) && view_split(&text, '\'', &language) &&
            language.ptr + language.len < value.ptr + value.len) {
            p->charset = charset;
            value = text;
        }
    }
    if (s->extended)
        add_percent_decoded(value, p->text);
    else
        buf_add(p->text, value);
}

/* One walk over the parameters for each section: sections may come in any order. */
static bool add_section(view value, view name, struct parameter *p, struct arena *a) {
    view found, text;
    while (next_parameter(&value, a, &found, &text)) {
        struct section s;
        if (view_starts_with_nocase(found, name) && read_section(view_skip(found, name.len), &s) &&
            s.number == p->next) {
            add_value(p, &s, text);
            return true;
        }
    }
    return false;
}

view mime_parameter(view value, const char *name, struct arena *a) {
    struct buf text = BUF_INIT(LIMIT_MIME_PARAMETER), utf8 = BUF_INIT(4 * LIMIT_MIME_PARAMETER);
    struct parameter p = {.text = &text, .next = -1};
    value = view_slice(value, 0, LIMIT_MIME_FIELD);
    if (!add_section(value, view_of(name), &p, a)) {
        p.next = 0;
        while (p.next < LIMIT_MIME_SECTIONS && add_section(value, view_of(name), &p, a))
            p.next++;
    }
    view octets = buf_view(&text);
    if (p.charset.len > 0 && charset_to_utf8(p.charset, octets, &utf8))
        octets = buf_view(&utf8);
    octets = arena_view(a, octets);
    buf_done(&text);
    buf_done(&utf8);
    return octets;
}

/* ---- transfer encodings ---- */

static bool is_line_end(view v, size_t at) {
    return at == v.len || v.ptr[at] == '\r' || v.ptr[at] == '\n';
}

/* Blanks at `at`, which are none of the text before the end of a line. Returns where they end. */
static size_t add_blanks(view v, size_t at, struct buf *out) {
    size_t end = at;
    while (end < v.len && (v.ptr[end] == ' ' || v.ptr[end] == '\t'))
        end++;
    buf_add(out, view_slice(v, at, is_line_end(v, end) ? 0 : end - at));
    return end;
}

/* What begins with '=': an octet, a soft line break, or, as broken mail has it, itself. Returns where it
 * ends. */
static size_t add_escape(view v, size_t at, struct buf *out) {
    int octet = hex_octet(v, at + 1);
    size_t end = at + 1;
    if (octet >= 0) {
        buf_add_char(out, (char)octet);
        return at + 3;
    }
    while (end < v.len && (v.ptr[end] == ' ' || v.ptr[end] == '\t' || v.ptr[end] == '\r'))
        end++;
    if (end == v.len || v.ptr[end] == '\n')
        return end + 1;
    buf_add_char(out, '=');
    return at + 1;
}

static void decode_qp(view v, struct buf *out) {
    for (size_t i = 0; i < v.len;) {
        if (v.ptr[i] == ' ' || v.ptr[i] == '\t')
            i = add_blanks(v, i, out);
        else if (v.ptr[i] == '=')
            i = add_escape(v, i, out);
        else
            buf_add_char(out, v.ptr[i++]);
    }
}

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    return ascii_is_digit(c) ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void decode_base64(view v, struct buf *out) {
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < v.len; i++) {
        int digit = base64_digit(v.ptr[i]);
        if (v.ptr[i] == '=') /* another text may follow: some programs join encoded pieces */
            have = 0;
        if (digit < 0)
            continue;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_add_char(out, (char)(bits >> have & 0xff));
        }
    }
}

bool mime_is_plain(view encoding) {
    return encoding.len == 0 || view_eq(encoding, VIEW("7bit")) || view_eq(encoding, VIEW("8bit")) ||
           view_eq(encoding, VIEW("binary"));
}

bool mime_decode(view encoding, view body, struct buf *out) {
    if (view_eq(encoding, VIEW("base64")))
        decode_base64(body, out);
    else if (view_eq(encoding, VIEW("quoted-printable")))
        decode_qp(body, out);
    else if (mime_is_plain(encoding))
        buf_add(out, body);
    else
        return false;
    return true;
}

/* ---- parts ---- */

bool mime_is(const struct mime_part *p, const char *type) {
    view want = view_of(type), main;
    view_split(&want, '/', &main);
    return view_eq(p->type, main) && (want.len == 0 || view_eq(p->subtype, want));
}

/* "type/subtype" at the front of a Content-Type. False: it is not fit to read (RFC 2045 5.2: then it is
 * text/plain). */
static bool read_type(view value, struct mime_part *p, struct arena *a) {
    view v = skip_blank(value), type = take_token(&v);
    v = skip_blank(v);
    if (type.len == 0 || !view_starts_with(v, VIEW("/")))
        return false;
    v = skip_blank(view_skip(v, 1));
    view subtype = take_token(&v);
    if (subtype.len == 0)
        return false;
    p->type = arena_lower(a, type);
    p->subtype = arena_lower(a, subtype);
    return true;
}

static view value_of(const struct header *h, const char *name, struct arena *a) {
    const struct header_field *f = header_find(h, name);
    return f ? header_value(f, a) : VIEW_NULL;
}

static void read_fields(struct mime_part *p, const struct header *h, bool in_digest, struct arena *a) {
    view type = value_of(h, "Content-Type", a);
    p->type = in_digest ? VIEW("message") : VIEW("text");
    p->subtype = in_digest ? VIEW("rfc822") : VIEW("plain");
    if (type.len > 0 && !read_type(type, p, a) && in_digest) {
        p->type = VIEW("text");
        p->subtype = VIEW("plain");
    }
    view encoding = skip_blank(value_of(h, "Content-Transfer-Encoding", a));
    p->encoding = arena_lower(a, take_token(&encoding));
    p->charset = arena_lower(a, mime_parameter(type, "charset", a));
    p->flowed = view_eq_nocase(mime_parameter(type, "format", a), VIEW("flowed"));
    p->filename = mime_parameter(value_of(h, "Content-Disposition", a), "filename", a);
    if (p->filename.len == 0)
        p->filename = mime_parameter(type, "name", a);
    if (view_eq(p->type, VIEW("multipart")))
        p->boundary = mime_parameter(type, "boundary", a);
}

static struct mime_part *add_part(struct walk *w, int parent, view span, view text) {
    struct mime *m = w->mime;
    if (m->count == w->room) {
        size_t room = w->room ? 2 * w->room : 8;
        struct mime_part *more = arena_array(w->arena, struct mime_part, room);
        if (!more)
            return NULL;
        if (m->count > 0)
            memcpy(more, m->parts, m->count * sizeof *more);
        m->parts = more;
        w->room = room;
    }
    struct mime_part *p = &m->parts[m->count++];
    struct header h;
    bool in_digest = parent >= 0 && mime_is(&m->parts[parent], "multipart/digest");
    header_parse(text, w->arena, &h);
    *p = (struct mime_part){.parent = parent, .span = span, .head = h.section, .body = h.body};
    if (h.section.len == 0 && h.body.len == 0) /* no field and no empty line: all of it is text */
        p->body = text;
    if (parent >= 0) {
        p->depth = m->parts[parent].depth + 1;
        m->parts[parent].children++;
    }
    m->cut |= h.truncated;
    read_fields(p, &h, in_digest, w->arena);
    return p;
}

static size_t line_len(view v) {
    const char *lf = v.len ? memchr(v.ptr, '\n', v.len) : NULL;
    return lf ? (size_t)(lf - v.ptr) + 1 : v.len;
}

enum delimiter { DELIMITER_NONE, DELIMITER_NEXT, DELIMITER_LAST };

/* RFC 2046 5.1.1: "--", the boundary, "--" behind the last part, white space. */
static enum delimiter delimiter_at(view line, view boundary) {
    if (!view_starts_with(line, VIEW("--")) || !view_starts_with(view_skip(line, 2), boundary))
        return DELIMITER_NONE;
    view rest = view_skip(line, 2 + boundary.len);
    bool last = view_starts_with(rest, VIEW("--"));
    if (view_trim(view_skip(rest, last ? 2 : 0)).len > 0)
        return DELIMITER_NONE;
    return last ? DELIMITER_LAST : DELIMITER_NEXT;
}

static bool walk_part(struct walk *w, int parent, view span, view text);

/* The next delimiter line at or behind `from`; its offset, or the end. */
static size_t find_delimiter(view body, size_t from, view boundary, enum delimiter *ret_kind) {
    for (size_t at = from, len; at < body.len; at += len) {
        view rest = view_skip(body, at);
        len = line_len(rest);
        if (rest.ptr[0] == '-' &&
            (*ret_kind = delimiter_at(view_slice(rest, 0, len), boundary)) != DELIMITER_NONE)
            return at;
    }
    *ret_kind = DELIMITER_NONE;
    return body.len;
}

/* Without the line end that belongs to the delimiter line behind it. */
static view without_line_end(view v) {
    v.len -= view_ends_with(v, VIEW("\n"));
    v.len -= view_ends_with(v, VIEW("\r"));
    return v;
}

static bool walk_multipart(struct walk *w, int self, view body, view boundary) {
    enum delimiter kind, next;
    size_t at = find_delimiter(body, 0, boundary, &kind);
    while (kind == DELIMITER_NEXT) {
        size_t start = at + line_len(view_skip(body, at));
        size_t end = find_delimiter(body, start, boundary, &next);
        view text = view_slice(body, start, end - start);
        if (next != DELIMITER_NONE)
            text = without_line_end(text);
        if (!walk_part(w, self, view_slice(body, at, end - at), text))
            return false;
        if (w->mime->count >= LIMIT_MIME_PARTS) {
            w->mime->cut = true;
            return true;
        }
        at = end;
        kind = next;
    }
    if (kind == DELIMITER_LAST)
        w->mime->parts[self].closing = view_slice(view_skip(body, at), 0, line_len(view_skip(body, at)));
    w->mime->odd |= kind != DELIMITER_LAST;
    return true;
}

static bool walk_content(struct walk *w, int self, const struct mime_part *p) {
    bool multipart = mime_is(p, "multipart");
    bool message =
        mime_is_plain(p->encoding) && (mime_is(p, "message/rfc822") || mime_is(p, "message/global"));
    if (!multipart && !message)
        return true;
    if (p->depth >= LIMIT_MIME_DEPTH || w->mime->count >= LIMIT_MIME_PARTS) {
        w->mime->cut = true;
        return true;
    }
    if (multipart && p->boundary.len == 0) {
        w->mime->odd = true;
        return true;
    }
    return message ? walk_part(w, self, p->body, p->body) : walk_multipart(w, self, p->body, p->boundary);
}

static bool walk_part(struct walk *w, int parent, view span, view text) {
    struct mime_part *p = add_part(w, parent, span, text);
    if (!p)
        return false;
    size_t self = w->mime->count - 1;
    struct mime_part part = *p; /* the array may move */
    bool ok = walk_content(w, (int)self, &part);
    w->mime->parts[self].after = w->mime->count;
    return ok;
}

bool mime_parse(view message, struct arena *a, struct mime *ret) {
    struct walk w = {.arena = a, .mime = ret};
    *ret = (struct mime){0};
    return walk_part(&w, -1, message, message) && !a->failed;
}

void mime_boundary(char ret[MIME_BOUNDARY]) {
    ret[0] = '=';
    ret[1] = '_';
    random_hex(16, ret + 2);
}
