/* err.h: an error carries mail meaning from birth. Every code is a row of err.def: temporary or permanent,
 * SMTP reply code, enhanced status code (RFC 3463), exit status of the command line, and a text.
 *
 * Functions that can fail return false (or NULL, or a negative count) and fill `struct err *e`; outputs are
 * untouched then. Bugs are not errors: they BUG_ON() and the supervisor restarts the role. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/limits.h"
#include "base/view.h"

enum err_class { ERR_CLASS_NONE, ERR_CLASS_TEMPORARY, ERR_CLASS_PERMANENT };

enum err_code {
#define ERR(code, class, smtp, enhanced, exit, text) ERR_##code,
#include "base/err.def"
#undef ERR
    ERR_CODES
};

struct err {
    enum err_code code;
    char text[LIMIT_ERR_TEXT]; /* for people, without a trailing full stop or newline */
};

struct err_info {
    const char *name;
    enum err_class class;
    int smtp;             /* reply code, RFC 5321 4.2 */
    const char *enhanced; /* RFC 3463 */
    int exit;             /* of the command line */
    const char *text;     /* the default text */
};

const struct err_info *err_info(enum err_code code);

/* Set code and text; always returns false so that `return err_set(…)` reads well. A NULL format takes the
 * default text of the code's row. A NULL `e` is allowed: the caller does not want to know. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set, with ": <strerror(errno)>" appended; call it before errno can change. */
bool err_errno(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Put context in front of the text: "reading x.conf: <text>". Returns false. */
bool err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool err_is_temporary(const struct err *e);

/* A bug: says where on standard error and aborts, in release builds too. */
_Noreturn void bug(const char *file, int line, const char *what);
#define BUG(what) bug(__FILE__, __LINE__, what)
#define BUG_ON(cond)                                                                                         \
    do {                                                                                                     \
        if (__builtin_expect(!!(cond), 0))                                                                   \
            bug(__FILE__, __LINE__, #cond);                                                                  \
    } while (0)

#endif
