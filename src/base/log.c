/* log.c: builds one line in a fixed buffer and hands it to the kernel in one write(2).
 *
 * A write of at most PIPE_BUF bytes is never mixed with another's, so threads and roles that share a standard
 * error need no lock. A line that would get longer is cut inside a value and marked truncated=yes. Bytes that
 * could end the line, forge a field or reach a terminal as a command are escaped. */
#include "base/log.h"

#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(LIMIT_LOG_LINE <= PIPE_BUF, "a log line must be written whole");

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};
enum { LEVELS = sizeof level_names / sizeof *level_names };

static _Atomic(const char *) log_role = "-";
static _Atomic(int) log_min = LOG_INFO;

#define TRUNCATED_MARK " truncated=yes\n"

struct line {
    char text[LIMIT_LOG_LINE];
    size_t len;
    bool truncated;
};

void log_init(const char *role, enum log_level min) {
    atomic_store(&log_role, role);
    atomic_store(&log_min, (int)min);
}

bool log_level_parse(view v, enum log_level *ret_level) {
    for (int i = 0; i < LEVELS; i++)
        if (view_eq(v, view_of(level_names[i]))) {
            *ret_level = (enum log_level)i;
            return true;
        }
    return false;
}

/* All of `v` or nothing, and `spare` bytes stay free behind it. After the first refusal nothing is added. */
static void line_add(struct line *l, view v, size_t spare) {
    size_t room = LIMIT_LOG_LINE - l->len - (sizeof TRUNCATED_MARK - 1);
    if (l->truncated || v.len + spare > room) {
        l->truncated = true;
        return;
    }
    memcpy(l->text + l->len, v.ptr, v.len);
    l->len += v.len;
}

/* C1 controls are two bytes in UTF-8, and some terminals obey them. */
static bool has_c1_control(view v) {
    for (size_t i = 0; i + 1 < v.len; i++)
        if ((unsigned char)v.ptr[i] == 0xc2 && (unsigned char)v.ptr[i + 1] < 0xa0)
            return true;
    return false;
}

static bool is_control(char c) {
    return (c >= 0 && c < ' ') || c == 0x7f;
}

static bool is_quoted_only(char c) {
    return c == ' ' || c == '"' || c == '=' || c == '\\' || is_control(c);
}

static bool needs_quotes(view v, bool keep_high) {
    for (size_t i = 0; i < v.len; i++)
        if (is_quoted_only(v.ptr[i]) || (v.ptr[i] < 0 && !keep_high))
            return true;
    return false;
}

/* Bytes of the well-formed UTF-8 character that begins with `c`. */
static size_t utf8_len(char c) {
    unsigned char first = (unsigned char)c;
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static void add_escaped(struct line *l, char c) {
    static const struct {
        char c, letter;
    } short_forms[] = {{'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}, {'"', '"'}, {'\\', '\\'}};
    for (size_t i = 0; i < sizeof short_forms / sizeof *short_forms; i++)
        if (short_forms[i].c == c) {
            line_add(l, (view){(char[]){'\\', short_forms[i].letter}, 2}, 1);
            return;
        }
    char hex[5];
    snprintf(hex, sizeof hex, "\\x%02x", (unsigned)(unsigned char)c);
    line_add(l, view_of(hex), 1);
}

static void add_text(struct line *l, view v) {
    bool keep_high = view_is_utf8(v) && !has_c1_control(v);
    bool quoted = needs_quotes(v, keep_high);
    if (quoted)
        line_add(l, VIEW("\""), 1);
    bool opened = !l->truncated;
    for (size_t i = 0, len; i < v.len && !l->truncated; i += len) {
        char c = v.ptr[i];
        len = keep_high ? utf8_len(c) : 1;
        if (is_control(c) || c == '"' || c == '\\' || (c < 0 && !keep_high))
            add_escaped(l, c);
        else
            line_add(l, view_slice(v, i, len), 1);
    }
    if (quoted && opened)
        l->text[l->len++] = '"'; /* every addition above left one byte for it */
}

static void add_field(struct line *l, const struct log_field *f) {
    char number[24];
    view value = f->text;
    if (f->kind == LOG_FIELD_INT) {
        snprintf(number, sizeof number, "%" PRId64, f->number);
        value = view_of(number);
    } else if (value.len == 0) {
        if (strcmp(f->key, "from") != 0)
            return;
        value = VIEW("<>");
    }
    char key[64];
    int len = snprintf(key, sizeof key, " %s=", f->key);
    line_add(l, (view){key, len < (int)sizeof key ? (size_t)len : sizeof key - 1}, 2);
    if (!l->truncated)
        add_text(l, value);
}

/* 2026-11-24T05:06:07.123Z. Years are counted from March, which puts the leap day last. */
static void add_time(struct line *l, int64_t now_ms) {
    int64_t seconds = now_ms / 1000, days = seconds / 86400;
    int second = (int)(seconds % 86400);
    int64_t from_march = days + 719468;                                  /* since 0000-03-01 */
    int64_t era = from_march / 146097, day_of_era = from_march % 146097; /* 400 years are 146097 days */
    int64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day = day_of_era - (year * 365 + year / 4 - year / 100);
    int64_t month = (5 * day + 2) / 153; /* from March */
    int64_t civil_month = month < 10 ? month + 3 : month - 9;
    char text[64];
    snprintf(text, sizeof text, "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02d:%02d:%02d.%03dZ",
             era * 400 + year + (civil_month <= 2), civil_month, day - (153 * month + 2) / 5 + 1,
             second / 3600, second / 60 % 60, second % 60, (int)(now_ms % 1000));
    line_add(l, view_of(text), 0);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields) {
    if ((int)level < atomic_load(&log_min))
        return;
    struct line l;
    l.len = 0;
    l.truncated = false;
    add_time(&l, clock_now_ms());
    const char *const words[] = {level_names[level], atomic_load(&log_role), event};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        line_add(&l, VIEW(" "), 0);
        line_add(&l, view_of(words[i]), 0);
    }
    for (const struct log_field *f = fields; f->key; f++)
        add_field(&l, f);
    view end = l.truncated ? VIEW(TRUNCATED_MARK) : VIEW("\n");
    memcpy(l.text + l.len, end.ptr, end.len);
    l.len += end.len;
    ssize_t n;
    do
        n = write(STDERR_FILENO, l.text, l.len);
    while (n < 0 && errno == EINTR); /* any other failure: there is nowhere left to say so */
}
