/* header.c: where the fields of a header section begin and end, and how a field is written.
 *
 * Every message passes header_parse(), so it only looks for line ends (memchr) and at the few octets of each
 * name. Two passes over the section, one to count and one to note, need no memory that has to grow. The "From
 * " line of an mbox has a space before its first colon and so is no field by itself. */
#include "mail/header.h"

#include <string.h>

#include "mail/text.h"
#include "mail/transfer.h"

enum {
    FOLD_COLUMN = 76,  /* RFC 5322 2.1.1: a line should not pass 78; with encoded words 76 (RFC 2047 2) … */
    LAST_COLUMN = 990, /* … and must not pass 998 */
    WORD_OCTETS = 36   /* octets in an encoded word: it then takes 60 of the 75 columns RFC 2047 2 gives it */
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_name_char(char c) { /* ftext */
    return c > ' ' && c <= '~' && c != ':';
}

/* Length of the line at the front, its line end included. */
static size_t line_len(view v) {
    const char *lf = v.len ? memchr(v.ptr, '\n', v.len) : NULL;
    return lf ? (size_t)(lf - v.ptr) + 1 : v.len;
}

/* The field at the front of `v`. False when that line is no field. */
static bool field_at(view v, struct header_field *ret_field) {
    size_t name = 0;
    while (name < v.len && is_name_char(v.ptr[name]))
        name++;
    size_t colon = name;
    while (colon < v.len && is_blank(v.ptr[colon]))
        colon++;
    if (!name || colon == v.len || v.ptr[colon] != ':')
        return false;
    size_t len = line_len(v);
    while (len < v.len && is_blank(v.ptr[len]))
        len += line_len(view_skip(v, len));
    ret_field->name = view_slice(v, 0, name);
    ret_field->raw = view_slice(v, 0, len);
    ret_field->value = view_skip(ret_field->raw, colon + 1);
    return true;
}

static view body_at(view rest) {
    if (view_starts_with(rest, VIEW("\r\n")))
        return view_skip(rest, 2);
    return view_skip(rest, view_starts_with(rest, VIEW("\n")));
}

void header_parse(view message, struct arena *a, struct header *ret_header) {
    struct header h = {0};
    struct header_field f;
    size_t end = 0, count = 0;
    while (field_at(view_skip(message, end), &f)) {
        end += f.raw.len;
        if (count == LIMIT_HEADER_FIELDS || end > LIMIT_HEADER_BYTES)
            h.truncated = true;
        count += !h.truncated;
    }
    h.section = view_slice(message, 0, end);
    h.body = body_at(view_skip(message, end));
    if (count)
        h.fields = arena_array(a, struct header_field, count);
    if (count && !h.fields) {
        h.truncated = true;
        count = 0;
    }
    for (view rest = h.section; h.count < count && field_at(rest, &f); rest = view_skip(rest, f.raw.len))
        h.fields[h.count++] = f;
    *ret_header = h;
}

static const struct header_field *find_from(const struct header *h, size_t from, view name) {
    for (size_t i = from; i < h->count; i++)
        if (view_eq_nocase(h->fields[i].name, name))
            return &h->fields[i];
    return NULL;
}

const struct header_field *header_find(const struct header *h, const char *name) {
    return find_from(h, 0, view_of(name));
}

size_t header_count(const struct header *h, const char *name) {
    size_t count = 0;
    const struct header_field *f = header_find(h, name);
    for (; f; f = find_from(h, (size_t)(f - h->fields) + 1, view_of(name)))
        count++;
    return count;
}

view header_value(const struct header_field *f, struct arena *a) {
    view v = view_trim(f->value);
    if (view_find(v, '\n') < 0)
        return v;
    char *p = arena_alloc(a, v.len);
    if (!p)
        return VIEW_NULL;
    size_t len = 0;
    view line;
    while (v.len) {
        line = view_slice(v, 0, line_len(v));
        v = view_skip(v, line.len);
        size_t keep = line.len;
        keep -= keep && line.ptr[keep - 1] == '\n';
        keep -= keep < line.len && keep && line.ptr[keep - 1] == '\r';
        memcpy(p + len, line.ptr, keep);
        len += keep;
    }
    return view_from(p, len);
}

/* Index of the first '<' outside comments, or -1. */
static ptrdiff_t find_msg_id(view v) {
    size_t depth = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] == '\\')
            i++;
        else if (v.ptr[i] == '(')
            depth++;
        else if (v.ptr[i] == ')' && depth)
            depth--;
        else if (v.ptr[i] == '<' && !depth)
            return (ptrdiff_t)i;
    }
    return -1;
}

view header_message_id(const struct header *h, struct arena *a) {
    const struct header_field *f = header_find(h, "Message-ID");
    if (!f)
        return VIEW_NULL;
    view id = header_value(f, a);
    ptrdiff_t open = find_msg_id(id);
    if (open >= 0) {
        id = view_skip(id, (size_t)open + 1);
        ptrdiff_t close = view_find(id, '>');
        if (close >= 0)
            id = view_slice(id, 0, (size_t)close);
        id = view_trim(id);
    }
    return view_slice(id, 0, LIMIT_MESSAGE_ID);
}

static bool is_gap(char c) {
    return is_blank(c) || c == '\r' || c == '\n';
}

/* White space between words. So much of it that it would make a line by itself is no text any more. */
static size_t add_gap(struct buf *out, view gap) {
    if (gap.len >= FOLD_COLUMN)
        gap = view_slice(gap, 0, 1);
    for (size_t i = 0; i < gap.len; i++)
        buf_add_char(out, gap.ptr[i] == '\t' ? '\t' : ' ');
    return gap.len;
}

/* A word, broken only where the line would become illegal, and then between characters. Returns the column.
 */
static size_t add_word(struct buf *out, view word, size_t column) {
    for (size_t i = 0; i < word.len; i++, column++) {
        bool inside_char = ((unsigned char)word.ptr[i] & 0xc0) == 0x80;
        if (column >= LAST_COLUMN && (!inside_char || column >= LAST_COLUMN + 3)) {
            buf_add(out, VIEW("\r\n "));
            column = 1;
        }
        buf_add_char(out, word.ptr[i] ? word.ptr[i] : '?');
    }
    return column;
}

void header_add(struct buf *out, const char *name, view value) {
    size_t column = strlen(name) + 2;
    buf_add_str(out, name);
    buf_add(out, VIEW(": "));
    value = view_trim(value);
    while (value.len) {
        size_t gap = 0;
        while (is_gap(value.ptr[gap])) /* it is trimmed: a word follows */
            gap++;
        size_t word = gap;
        while (word < value.len && !is_gap(value.ptr[word]))
            word++;
        if (gap && column + word > FOLD_COLUMN) {
            buf_add(out, VIEW("\r\n"));
            column = 0;
        }
        column += add_gap(out, view_slice(value, 0, gap));
        column = add_word(out, view_slice(value, gap, word - gap), column);
        value = view_skip(value, word);
    }
    buf_add(out, VIEW("\r\n"));
}

/* One encoded word from the front of *text: whole characters only (RFC 2047 5). */
static void add_encoded_word(struct buf *out, view *text) {
    static const view unknown = {"\xef\xbf\xbd", 3}; /* U+FFFD */
    char word[WORD_OCTETS + 4];
    size_t len = 0;
    while (text->len && len < WORD_OCTETS - 3) {
        size_t n = text_char_len(*text);
        view one = n ? view_slice(*text, 0, n) : unknown;
        if (!n && is_gap(text->ptr[0]))
            one = VIEW(" ");
        memcpy(word + len, one.ptr, one.len);
        len += one.len;
        *text = view_skip(*text, n ? n : 1);
    }
    buf_add(out, VIEW("=?utf-8?B?"));
    transfer_add_base64(out, view_from(word, len));
    buf_add(out, VIEW("?="));
}

void header_encode_text(struct buf *out, view text) {
    if (view_is_ascii(text)) {
        buf_add(out, text);
        return;
    }
    while (text.len) {
        add_encoded_word(out, &text);
        if (text.len)
            buf_add_char(out, ' ');
    }
}
