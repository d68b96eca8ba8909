/* text.c: which characters of outside text may be shown.
 *
 * The check of UTF-8 itself is view_is_utf8(); here only one character at a time is cut off the front, by the
 * length that its first octet promises. */
#include "mail/text.h"

enum { C0_END = 0x20, DEL = 0x7f, C1_LEAD = 0xc2, C1_END = 0xa0 };

static size_t promised_len(unsigned char lead) {
    if (lead < 0x80)
        return 1;
    if (lead < 0xe0)
        return 2;
    return lead < 0xf0 ? 3 : 4;
}

size_t text_char_len(view v) {
    if (!v.len)
        return 0;
    unsigned char c = (unsigned char)v.ptr[0];
    if (c < 0x80)
        return c >= C0_END && c != DEL;
    view one = view_slice(v, 0, promised_len(c));
    if (!view_is_utf8(one))
        return 0;
    bool c1 = c == C1_LEAD && (unsigned char)one.ptr[1] < C1_END;
    return c1 ? 0 : one.len;
}

bool text_is_printable(view v) {
    while (v.len) {
        size_t n = text_char_len(v);
        if (!n)
            return false;
        v = view_skip(v, n);
    }
    return true;
}

bool text_is_7bit(view v) {
    for (size_t i = 0; i < v.len; i++)
        if ((unsigned char)v.ptr[i] >= 0x80)
            return false;
    return true;
}

void text_add_printable(struct buf *out, view v, bool utf8) {
    while (v.len) {
        size_t n = text_char_len(v);
        if (!n || (n > 1 && !utf8)) {
            buf_add_char(out, '?');
            v = view_skip(v, 1);
            continue;
        }
        buf_add(out, view_slice(v, 0, n));
        v = view_skip(v, n);
    }
}

void text_add_lines(struct buf *out, view lines) {
    view line;
    while (view_split(&lines, '\n', &line)) {
        if (view_ends_with(line, VIEW("\r")))
            line.len--;
        buf_add(out, line);
        buf_add_str(out, "\r\n");
    }
}
