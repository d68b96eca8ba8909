/* err.c: the table of errors and the functions that fill a `struct err`.
 *
 * Every text is formatted into a buffer of its own first, since callers like to pass the old text of the same
 * error as an argument. What does not fit is cut at a whole UTF-8 character: error texts end up in SMTP
 * replies and logs, where half a character would be ill-formed. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct err_info infos[] = {
#define ERR(code, class, smtp, enhanced, exit, text)                                                         \
    [ERR_##code] = {#code, ERR_CLASS_##class, smtp, enhanced, exit, text},
#include "base/err.def"
#undef ERR
};
_Static_assert(sizeof infos / sizeof *infos == ERR_CODES, "err.def and enum err_code differ");

const struct err_info *err_info(enum err_code code) {
    BUG_ON((unsigned)code >= ERR_CODES);
    return &infos[code];
}

static void cut_at_character(char *text, size_t len) {
    size_t start = len;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0 && !view_is_utf8(view_of(text + start - 1)))
        text[start - 1] = '\0';
}

__attribute__((format(printf, 2, 0))) static void format_text(char text[LIMIT_ERR_TEXT], const char *fmt,
                                                              va_list ap) {
    if (vsnprintf(text, LIMIT_ERR_TEXT, fmt, ap) >= LIMIT_ERR_TEXT)
        cut_at_character(text, LIMIT_ERR_TEXT - 1);
}

__attribute__((format(printf, 3, 0))) static void
format_or_default(char text[LIMIT_ERR_TEXT], enum err_code code, const char *fmt, va_list ap) {
    if (fmt)
        format_text(text, fmt, ap);
    else
        snprintf(text, LIMIT_ERR_TEXT, "%s", err_info(code)->text);
}

/* "<a>: <b>", cut to the limit. */
static void join_text(char out[LIMIT_ERR_TEXT], const char *a, const char *b) {
    if (snprintf(out, LIMIT_ERR_TEXT, "%s: %s", a, b) >= LIMIT_ERR_TEXT)
        cut_at_character(out, LIMIT_ERR_TEXT - 1);
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...) {
    if (!e)
        return false;
    char text[LIMIT_ERR_TEXT];
    va_list ap;
    va_start(ap, fmt);
    format_or_default(text, code, fmt, ap);
    va_end(ap);
    e->code = code;
    strcpy(e->text, text); /* both are LIMIT_ERR_TEXT */
    return false;
}

bool err_errno(struct err *e, enum err_code code, const char *fmt, ...) {
    char reason[LIMIT_ERR_TEXT], text[LIMIT_ERR_TEXT];
    snprintf(reason, sizeof reason, "%m"); /* first, while errno is fresh; safe among threads */
    if (!e)
        return false;
    va_list ap;
    va_start(ap, fmt);
    format_or_default(text, code, fmt, ap);
    va_end(ap);
    e->code = code;
    join_text(e->text, text, reason);
    return false;
}

bool err_prefix(struct err *e, const char *fmt, ...) {
    if (!e)
        return false;
    char prefix[LIMIT_ERR_TEXT], joined[LIMIT_ERR_TEXT];
    va_list ap;
    va_start(ap, fmt);
    format_text(prefix, fmt, ap);
    va_end(ap);
    join_text(joined, prefix, e->text);
    strcpy(e->text, joined);
    return false;
}

bool err_is_temporary(const struct err *e) {
    return err_info(e->code)->class == ERR_CLASS_TEMPORARY;
}

_Noreturn void bug(const char *file, int line, const char *what) {
    dprintf(STDERR_FILENO, "%s:%d: bug: %s\n", file, line, what);
    abort();
}
