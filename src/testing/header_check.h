/* header_check.h: what must be true of every parsed header and every field that is written, whatever the
 * input. Used by unit tests over public mail and by fuzz targets; aborts where it is not so. */
#ifndef TESTING_HEADER_CHECK_H
#define TESTING_HEADER_CHECK_H

#include <string.h>

#include "mail/header.h"
#include "testing/decode.h"

/* Fields + empty line + body are the message; each field is its name, a colon and its value. */
static inline void header_check_parsed(const struct header *h, view message) {
    BUG_ON(h->section.len > 0 && h->section.ptr != message.ptr);
    view rest = view_skip(message, h->section.len);
    view empty =
        view_slice(rest, 0, view_starts_with(rest, VIEW("\r\n")) ? 2 : view_starts_with(rest, VIEW("\n")));
    rest = view_skip(rest, empty.len);
    BUG_ON(h->body.len != rest.len || (rest.len > 0 && h->body.ptr != rest.ptr));
    BUG_ON(h->count > LIMIT_HEADER_FIELDS);
    size_t at = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct header_field *f = &h->fields[i];
        BUG_ON(f->raw.ptr != message.ptr + at || f->raw.len == 0);
        at += f->raw.len;
        BUG_ON(f->name.ptr != f->raw.ptr || f->name.len == 0);
        for (size_t k = 0; k < f->name.len; k++) /* ftext of RFC 5322 3.6.8 */
            BUG_ON(f->name.ptr[k] < 33 || f->name.ptr[k] > 126 || f->name.ptr[k] == ':');
        BUG_ON(f->value.ptr + f->value.len != f->raw.ptr + f->raw.len);
        view between = view_slice(f->raw, f->name.len, f->raw.len - f->name.len - f->value.len);
        BUG_ON(view_trim(between).len != 1 || view_trim(between).ptr[0] != ':');
        bool ends = view_ends_with(f->raw, VIEW("\n"));
        BUG_ON(!ends && at != message.len); /* only the last line of a message may lack its end */
        for (size_t k = 0; k + 1 < f->raw.len; k++)
            BUG_ON(f->raw.ptr[k] == '\n' && f->raw.ptr[k + 1] != ' ' && f->raw.ptr[k + 1] != '\t');
        if (at < message.len) /* nothing that continues it is left behind */
            BUG_ON(message.ptr[at] == ' ' || message.ptr[at] == '\t');
    }
    BUG_ON(h->truncated ? at > h->section.len : at != h->section.len);
}

/* Unfolded: no line end is left that was a fold, and no other octet is missing. */
static inline void header_check_value(const struct header_field *f, view value) {
    BUG_ON(view_find(value, '\n') >= 0);
    BUG_ON(view_trim(value).len != value.len);
    view raw = view_trim(f->value);
    size_t at = 0;
    for (size_t i = 0; i < value.len; i++, at++) {
        at += view_starts_with(view_skip(raw, at), VIEW("\r\n")) ? 2 : 0;
        at += at < raw.len && raw.ptr[at] == '\n';
        BUG_ON(at >= raw.len || raw.ptr[at] != value.ptr[i]);
    }
    BUG_ON(at != raw.len);
}

/* One field as header_add() writes it: one field for any reader, lines that RFC 5322 2.1.1 allows, and the
 * words of the value in their order. */
static inline void header_check_added(view raw, const char *name, view value) {
    struct arena a;
    struct header h;
    arena_init(&a, 4 * (raw.len + value.len) + 1000);
    header_parse(raw, &a, &h);
    BUG_ON(h.count != 1 || !view_eq(h.fields[0].raw, raw) || !view_eq(h.fields[0].name, view_of(name)));
    BUG_ON(!view_ends_with(raw, VIEW("\r\n")));
    for (view rest = raw, line; view_split(&rest, '\n', &line);) {
        BUG_ON(!view_ends_with(line, VIEW("\r")) || line.len > 999);
        line.len--;
        BUG_ON(view_find(line, '\r') >= 0 || view_find(line, '\0') >= 0);
        BUG_ON(line.ptr[0] == ' ' &&
               view_trim(line).len == 0); /* RFC 5322 3.2.2: no line of white space alone */
        BUG_ON(line.ptr[0] == '\t' && view_trim(line).len == 0);
    }
    /* Compare without white space; a word that no line can hold is broken, which adds some. */
    view got = h.fields[0].value;
    size_t i = 0, k = 0;
    for (;; i++, k++) {
        while (i < got.len && ascii_is_space(got.ptr[i]))
            i++;
        while (k < value.len && ascii_is_space(value.ptr[k]))
            k++;
        if (i == got.len || k == value.len)
            break;
        BUG_ON(got.ptr[i] != (value.ptr[k] ? value.ptr[k] : '?'));
    }
    BUG_ON(i != got.len || k != value.len);
    arena_done(&a);
}

/* Decode what header_encode_text() made: encoded words of at most 75 octets, separated by single spaces, each
 * whole characters (RFC 2047 2, 5). */
static inline void header_decode_words(view text, struct buf *out) {
    for (view word; view_split(&text, ' ', &word);) {
        BUG_ON(word.len > 75 || !view_starts_with(word, VIEW("=?utf-8?B?")) ||
               !view_ends_with(word, VIEW("?=")));
        struct buf one = BUF_INIT(100);
        decode_base64(view_slice(word, 10, word.len - 12), &one);
        BUG_ON(one.len == 0 || !view_is_utf8(buf_view(&one)));
        buf_add(out, buf_view(&one));
        buf_done(&one);
    }
}

#endif
