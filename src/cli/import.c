/* import.c: what `alias import` and `recipient import` have in common: a file, a question, and care about
 * what would be lost. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"

enum { READ_MOST = 256 * 1024, ANSWER_BYTES = 16 };

static bool read_stdin(struct buf *text, struct err *e) {
    for (;;) {
        size_t room = text->limit - text->len < READ_MOST ? text->limit - text->len : READ_MOST;
        char *to = room > 0 ? buf_reserve(text, room) : NULL;
        ssize_t n = to ? read(STDIN_FILENO, to, room) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_IO, "standard input");
        if (!to)
            return err_set(e, ERR_USAGE, "standard input: more than %zu bytes", text->limit);
        if (n == 0)
            return true;
        buf_commit(text, (size_t)n);
    }
}

bool import_read(const char *file, struct buf *text, struct err *e) {
    return strcmp(file, "-") == 0 ? read_stdin(text, e) : file_read(file, text, e);
}

bool import_check_loss(struct cli *c, size_t live, size_t removed, const char *what, struct err *e) {
    if (removed <= live / 2 || args_has(&c->args, "--force"))
        return true;
    return err_set(e, ERR_REFUSED,
                   "nothing was changed: it would remove %zu of the %zu %s, more than half; --force does it",
                   removed, live, what);
}

bool import_ask(struct cli *c, const char *file, struct err *e) {
    char answer[ANSWER_BYTES] = "";
    if (args_has(&c->args, "--yes") || strcmp(file, "-") == 0 || !isatty(STDIN_FILENO))
        return true;
    if (!cli_flush(c, e))
        return false;
    fprintf(stderr, "Make it so? [y/N] ");
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    return err_set(e, ERR_REFUSED, "nothing was changed");
}
