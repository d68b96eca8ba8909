/* view.h: a view is a pointer and a length over bytes somebody else owns. It is passed by value, never
 * NUL-terminated by promise, and never freed. Text from outside travels as views from the socket to the
 * parser, so that no byte is measured with strlen(). */
#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct view {
    const char *ptr;
    size_t len;
} view;

#define VIEW_NULL ((view){NULL, 0})
/* A view over a string literal. */
#define VIEW(lit) ((view){"" lit, sizeof(lit) - 1})
/* For printf: printf("%.*s", VIEW_ARG(v)). */
#define VIEW_ARG(v) (int)(v).len, ((v).ptr ? (v).ptr : "")

/* A view over a NUL-terminated string; NULL gives the empty view. */
view view_of(const char *s);
view view_from(const void *ptr, size_t len);

bool view_eq(view a, view b);
/* ASCII case-insensitive: what RFC 5321 and 5322 mean by "case-insensitive". */
bool view_eq_nocase(view a, view b);
bool view_starts_with(view v, view prefix);
bool view_starts_with_nocase(view v, view prefix);
bool view_ends_with(view v, view suffix);
int view_cmp(view a, view b);

/* Index of the first/last `c`, or -1. */
ptrdiff_t view_find(view v, char c);
ptrdiff_t view_rfind(view v, char c);
/* Index of the first occurrence of `needle`, or -1. */
ptrdiff_t view_search(view v, view needle);

/* Bytes from `from` (clamped) on; and at most `len` of them. */
view view_skip(view v, size_t from);
view view_slice(view v, size_t from, size_t len);
/* Without leading and trailing spaces, tabs, CR and LF. */
view view_trim(view v);

/* Take everything up to (not including) the first `sep` off the front of *v and step over `sep`.
 * Returns false when *v is empty. The last piece has no separator behind it. */
bool view_split(view *v, char sep, view *ret_piece);

/* Decimal number that fills the whole view. False when empty, not a number or out of range. */
bool view_to_i64(view v, int64_t *ret_n);

/* ASCII only, as mail syntax is. Here, as parsers ask for each octet. */
static inline char ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool ascii_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_alnum(char c) {
    char lower = ascii_lower(c);
    return ascii_is_digit(c) || (lower >= 'a' && lower <= 'z');
}

static inline bool ascii_is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* True when all bytes are printable or white space ASCII (< 0x80). */
bool view_is_ascii(view v);
/* Not empty, and all of it is so. */
bool view_is_all(view v, bool (*fine)(char c));
/* Well-formed UTF-8 (RFC 3629), no surrogates, no overlong forms. NUL counts as ill-formed. */
bool view_is_utf8(view v);

#endif
