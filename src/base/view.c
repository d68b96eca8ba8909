/* view.c: the byte-string functions everything above is written with.
 *
 * They guard the empty view by hand: memcmp() and pointer arithmetic on NULL are undefined even for no bytes,
 * and an empty view may well have a NULL pointer. Case and character classes are ASCII tests of our own, as
 * those of <ctype.h> change with the locale. */
#include "base/view.h"

#include <string.h>

view view_of(const char *s) {
    return s ? (view){s, strlen(s)} : VIEW_NULL;
}

view view_from(const void *ptr, size_t len) {
    return (view){ptr, len};
}

bool view_eq(view a, view b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool view_eq_nocase(view a, view b) {
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

bool view_starts_with(view v, view prefix) {
    return v.len >= prefix.len && view_eq(view_slice(v, 0, prefix.len), prefix);
}

bool view_starts_with_nocase(view v, view prefix) {
    return v.len >= prefix.len && view_eq_nocase(view_slice(v, 0, prefix.len), prefix);
}

bool view_ends_with(view v, view suffix) {
    return v.len >= suffix.len && view_eq(view_skip(v, v.len - suffix.len), suffix);
}

int view_cmp(view a, view b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t view_find(view v, char c) {
    const char *at = v.len > 0 ? memchr(v.ptr, c, v.len) : NULL;
    return at ? at - v.ptr : -1;
}

ptrdiff_t view_rfind(view v, char c) {
    const char *at = v.len > 0 ? memrchr(v.ptr, c, v.len) : NULL;
    return at ? at - v.ptr : -1;
}

ptrdiff_t view_search(view v, view needle) {
    if (needle.len == 0)
        return 0;
    const char *at = v.len > 0 ? memmem(v.ptr, v.len, needle.ptr, needle.len) : NULL;
    return at ? at - v.ptr : -1;
}

view view_skip(view v, size_t from) {
    if (from > v.len)
        from = v.len;
    return from == 0 ? v : (view){v.ptr + from, v.len - from};
}

view view_slice(view v, size_t from, size_t len) {
    view rest = view_skip(v, from);
    return (view){rest.ptr, len < rest.len ? len : rest.len};
}

view view_trim(view v) {
    while (v.len > 0 && ascii_is_space(v.ptr[0]))
        v = view_skip(v, 1);
    while (v.len > 0 && ascii_is_space(v.ptr[v.len - 1]))
        v.len--;
    return v;
}

bool view_split(view *v, char sep, view *ret_piece) {
    if (v->len == 0)
        return false;
    ptrdiff_t at = view_find(*v, sep);
    size_t len = at < 0 ? v->len : (size_t)at;
    *ret_piece = view_slice(*v, 0, len);
    *v = view_skip(*v, at < 0 ? len : len + 1);
    return true;
}

bool view_to_i64(view v, int64_t *ret_n) {
    bool negative = v.len > 0 && v.ptr[0] == '-';
    view digits = view_skip(v, negative);
    int64_t n = 0;
    if (digits.len == 0)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        int digit = digits.ptr[i] - '0';
        if (!ascii_is_digit(digits.ptr[i]) || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, negative ? -digit : digit, &n))
            return false;
    }
    *ret_n = n;
    return true;
}

bool view_is_ascii(view v) {
    for (size_t i = 0; i < v.len; i++)
        if (!(v.ptr[i] >= ' ' && v.ptr[i] <= '~') && !ascii_is_space(v.ptr[i]))
            return false;
    return true;
}

/* The rows of RFC 3629 section 4: what the first byte may be, how many follow, and the range of the second,
 * which is where overlong forms, surrogates and what lies beyond U+10FFFF are kept out. */
static const struct utf8_row {
    unsigned char first_low, first_high, more, second_low, second_high;
} utf8_rows[] = {
    {0x01, 0x7f, 0, 0x00, 0x00}, {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static const struct utf8_row *utf8_row_of(unsigned char first) {
    for (size_t i = 0; i < sizeof utf8_rows / sizeof *utf8_rows; i++)
        if (first >= utf8_rows[i].first_low && first <= utf8_rows[i].first_high)
            return &utf8_rows[i];
    return NULL;
}

/* Length of the well-formed character at the front, or 0. */
static size_t utf8_char(view v) {
    const struct utf8_row *row = utf8_row_of((unsigned char)v.ptr[0]);
    if (!row || v.len <= row->more)
        return 0;
    for (size_t i = 1; i <= row->more; i++) {
        unsigned char c = (unsigned char)v.ptr[i];
        if (c < (i == 1 ? row->second_low : 0x80) || c > (i == 1 ? row->second_high : 0xbf))
            return 0;
    }
    return row->more + 1u;
}

bool view_is_utf8(view v) {
    while (v.len > 0) {
        size_t len = utf8_char(v);
        if (len == 0)
            return false;
        v = view_skip(v, len);
    }
    return true;
}

bool view_is_all(view v, bool (*fine)(char c)) {
    for (size_t i = 0; i < v.len; i++)
        if (!fine(v.ptr[i]))
            return false;
    return v.len > 0;
}
