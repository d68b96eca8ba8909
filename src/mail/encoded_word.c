/* encoded_word.c: see encoded_word.h. */
#include "mail/encoded_word.h"

enum charset { CHARSET_UTF8, CHARSET_LATIN1, CHARSET_WINDOWS };

struct word {
    enum charset charset;
    char encoding; /* 'q' or 'b' */
    view text;
};

static bool find_charset(view name, enum charset *ret) {
    static const struct {
        const char *name;
        enum charset charset;
    } known[] = {{"utf-8", CHARSET_UTF8},
                 {"utf8", CHARSET_UTF8},
                 {"us-ascii", CHARSET_UTF8},
                 {"iso-8859-1", CHARSET_LATIN1},
                 {"windows-1252", CHARSET_WINDOWS}};
    ptrdiff_t language = view_find(name, '*'); /* RFC 2231 5 */
    if (language >= 0)
        name = view_slice(name, 0, (size_t)language);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (view_eq_nocase(name, view_of(known[i].name))) {
            *ret = known[i].charset;
            return true;
        }
    return false;
}

enum { WORD_MOST = 1000 }; /* octets; 75 by the RFC. What never ends is not looked at again and again. */

/* "=?charset?encoding?text?=" at the front of *rest, which then begins behind it. */
static bool take_word(view *rest, struct word *ret) {
    view v = view_slice(*rest, 2, WORD_MOST), charset, encoding;
    if (!view_starts_with(*rest, VIEW("=?")) || !view_split(&v, '?', &charset) ||
        !view_split(&v, '?', &encoding))
        return false;
    ptrdiff_t end = view_search(v, VIEW("?="));
    if (end < 0 || encoding.len != 1 || !find_charset(charset, &ret->charset))
        return false;
    ret->encoding = ascii_lower(encoding.ptr[0]);
    ret->text = view_slice(v, 0, (size_t)end);
    for (size_t i = 0; i < ret->text.len; i++)
        if (ret->text.ptr[i] == ' ' || ret->text.ptr[i] == '?')
            return false;
    *rest = view_skip(*rest, (size_t)(v.ptr + end + 2 - rest->ptr));
    return ret->encoding == 'q' || ret->encoding == 'b';
}

/* One octet of a text, in UTF-8. */
static void add_octet(struct buf *out, enum charset charset, unsigned char c) {
    static const uint16_t windows[32] = {0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                         0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d,   0x017d, 0x8f,
                                         0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                         0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,   0x017e, 0x0178};
    unsigned point = c;
    if (charset == CHARSET_UTF8 || c < 0x80) {
        buf_add_char(out, (char)c);
        return;
    }
    if (charset == CHARSET_WINDOWS && c < 0xa0)
        point = windows[c - 0x80];
    if (point >= 0x800) {
        buf_add_char(out, (char)(0xe0 | point >> 12));
        buf_add_char(out, (char)(0x80 | (point >> 6 & 0x3f)));
    } else {
        buf_add_char(out, (char)(0xc0 | point >> 6));
    }
    buf_add_char(out, (char)(0x80 | (point & 0x3f)));
}

static int hex_digit(char c) {
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_q(const struct word *w, struct buf *out) {
    view t = w->text;
    for (size_t i = 0; i < t.len; i++) {
        int high = i + 2 < t.len ? hex_digit(t.ptr[i + 1]) : -1;
        int low = i + 2 < t.len ? hex_digit(t.ptr[i + 2]) : -1;
        if (t.ptr[i] == '=' && high >= 0 && low >= 0) {
            add_octet(out, w->charset, (unsigned char)(high << 4 | low));
            i += 2;
        } else {
            add_octet(out, w->charset, t.ptr[i] == '_' ? ' ' : (unsigned char)t.ptr[i]);
        }
    }
}

static int sextet(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return (int)view_find(view_of(digits), c);
}

/* Octets that are no base64 are stepped over (RFC 2045 6.8); padding may be missing. */
static void decode_b(const struct word *w, struct buf *out) {
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < w->text.len && w->text.ptr[i] != '='; i++) {
        int value = sextet(w->text.ptr[i]);
        if (value < 0)
            continue;
        bits = (bits << 6 | (unsigned)value) & 0xffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            add_octet(out, w->charset, (unsigned char)(bits >> count & 0xff));
        }
    }
}

void encoded_words_decode(view value, struct buf *out) {
    bool after_word = false;
    while (value.len > 0) {
        view rest = value;
        while (after_word && rest.len > 0 && ascii_is_space(rest.ptr[0]))
            rest = view_skip(rest, 1);
        struct word w;
        if (take_word(&rest, &w)) {
            if (w.encoding == 'q')
                decode_q(&w, out);
            else
                decode_b(&w, out);
            value = rest;
            after_word = true;
            continue;
        }
        after_word = false;
        buf_add_char(out, value.ptr[0]);
        value = view_skip(value, 1);
    }
}
