/* log.h: one key=value line per thing that happened, written with one write(2) to standard error.
 *
 *   2026-11-24T05:06:07.123Z info smtpd accepted queue=0C5W... from=a@example.org size=5120
 *
 * Values with spaces, quotes, '=' or control characters are quoted and escaped, so a line is always one line
 * and can be parsed back. Only role code and main() log; libraries return errors. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/view.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_FIELD_VIEW, LOG_FIELD_INT } kind;
    view text;
    int64_t number;
};

#define LOG_V(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_VIEW, .text = (v)})
#define LOG_S(k, s) ((struct log_field){.key = (k), .kind = LOG_FIELD_VIEW, .text = view_of(s)})
#define LOG_I(k, i) ((struct log_field){.key = (k), .kind = LOG_FIELD_INT, .number = (int64_t)(i)})

/* log_line(LOG_INFO, "accepted", LOG_S("queue", id), LOG_I("size", n)); an empty text field is left out
 * unless it is the value of from= (the null sender, written as from=<>). */
#define log_line(level, event, ...)                                                                          \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* `role` is kept, not copied. Lines below `min` are dropped. */
void log_init(const char *role, enum log_level min);
/* "debug", "info", "warn", "error". False when unknown. */
bool log_level_parse(view v, enum log_level *ret_level);

#endif
