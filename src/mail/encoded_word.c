/* encoded_word.c: see encoded_word.h. */
#include "mail/encoded_word.h"

#include "mail/charset.h"

struct word {
    view charset;
    char encoding; /* 'q' or 'b' */
    view text;
};

enum { WORD_MOST = 1000 }; /* octets; 75 by the RFC. What never ends is not looked at again and again. */

/* The charset of a word, without the language behind it (RFC 2231 5). False for one that is not known. */
static bool take_charset(view name, view *ret) {
    ptrdiff_t language = view_find(name, '*');
    *ret = language >= 0 ? view_slice(name, 0, (size_t)language) : name;
    struct buf nothing = BUF_INIT(0);
    return charset_to_utf8(*ret, VIEW_NULL, &nothing);
}

/* "=?charset?encoding?text?=" at the front of *rest, which then begins behind it. */
static bool take_word(view *rest, struct word *ret) {
    view v = view_slice(*rest, 2, WORD_MOST), charset, encoding;
    if (!view_starts_with(*rest, VIEW("=?")) || !view_split(&v, '?', &charset) ||
        !view_split(&v, '?', &encoding))
        return false;
    ptrdiff_t end = view_search(v, VIEW("?="));
    if (end < 0 || encoding.len != 1 || !take_charset(charset, &ret->charset))
        return false;
    ret->encoding = ascii_lower(encoding.ptr[0]);
    ret->text = view_slice(v, 0, (size_t)end);
    for (size_t i = 0; i < ret->text.len; i++)
        if (ret->text.ptr[i] == ' ' || ret->text.ptr[i] == '?')
            return false;
    *rest = view_skip(*rest, (size_t)(v.ptr + end + 2 - rest->ptr));
    return ret->encoding == 'q' || ret->encoding == 'b';
}

static int hex_digit(char c) {
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_q(const struct word *w, struct buf *octets) {
    view t = w->text;
    for (size_t i = 0; i < t.len; i++) {
        int high = i + 2 < t.len ? hex_digit(t.ptr[i + 1]) : -1;
        int low = i + 2 < t.len ? hex_digit(t.ptr[i + 2]) : -1;
        if (t.ptr[i] == '=' && high >= 0 && low >= 0) {
            buf_add_char(octets, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_add_char(octets, t.ptr[i] == '_' ? ' ' : t.ptr[i]);
        }
    }
}

static int sextet(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return (int)view_find(view_of(digits), c);
}

/* Octets that are no base64 are stepped over (RFC 2045 6.8); padding may be missing. */
static void decode_b(const struct word *w, struct buf *octets) {
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < w->text.len && w->text.ptr[i] != '='; i++) {
        int value = sextet(w->text.ptr[i]);
        if (value < 0)
            continue;
        bits = (bits << 6 | (unsigned)value) & 0xffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_add_char(octets, (char)(bits >> count & 0xff));
        }
    }
}

/* Words behind each other, of one charset. */
struct run {
    view charset;
    struct buf octets;
};

static void end_run(struct run *r, struct buf *out) {
    if (r->octets.len > 0)
        charset_to_utf8(r->charset, buf_view(&r->octets), out);
    buf_reset(&r->octets);
}

static void add_word(struct run *r, const struct word *w, struct buf *out) {
    if (!view_eq_nocase(r->charset, w->charset))
        end_run(r, out);
    r->charset = w->charset;
    if (w->encoding == 'q')
        decode_q(w, &r->octets);
    else
        decode_b(w, &r->octets);
}

/* The octets of a run are decoded at once: many programs cut a character in two at the end of a word, though
 * they must not (RFC 2047 5). */
void encoded_words_decode(view value, struct buf *out) {
    struct run run = {.octets = BUF_INIT(value.len)};
    bool after_word = false;
    while (value.len > 0) {
        view rest = value;
        while (after_word && rest.len > 0 && ascii_is_space(rest.ptr[0]))
            rest = view_skip(rest, 1);
        struct word w;
        after_word = take_word(&rest, &w);
        if (after_word) {
            add_word(&run, &w, out);
            value = rest;
            continue;
        }
        end_run(&run, out);
        buf_add_char(out, value.ptr[0]);
        value = view_skip(value, 1);
    }
    end_run(&run, out);
    buf_done(&run.octets);
}
