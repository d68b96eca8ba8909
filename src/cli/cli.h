/* cli.h: what every command of `postroad` works with. A command is a function cmd_<name> in cmd_<noun>.c and
 * a row of commands.def. It returns false with *e filled; main() prints the reason and exits with the status
 * of its code (err.def). Everything it shows goes through the functions here, so that --json works everywhere
 * and a full disk or a closed pipe behind standard output is noticed. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/config.h"
#include "base/mem.h"
#include "cli/args.h"
#include "store/store.h"

struct cli {
    const char *dir; /* of the instance, as given */
    bool json;
    struct args args;
    const char
        *called; /* the name this program was called by, for cmd_sendmail, which takes its words itself: */
    char *const *argv;
    size_t argc;
    int status;            /* exit status of a command that did its work */
    struct config *config; /* cli_config() */
    struct store *store;   /* cli_call() */
    struct arena arena;    /* until the end of the command */
    struct buf out;
    struct err out_err;  /* sticky: standard output failed */
    int64_t progress_us; /* when progress was shown last; 0: nothing is shown */
};

typedef bool (*cli_command)(struct cli *c, struct err *e);
#define COMMAND(noun, verb, function, arguments, help) bool cmd_##function(struct cli *c, struct err *e);
#include "cli/commands.def"
#undef COMMAND

/* The configuration of the instance, read at the first call; the instance's clock is attached with it. */
bool cli_config(struct cli *c, struct err *e);
/* Run one operation; the store is opened at the first call. */
bool cli_call(struct cli *c, struct store_request *r, struct err *e);
void cli_close_store(struct cli *c);
/* The process that runs the instance; NOT_FOUND: none does. After cli_config(). */
bool cli_supervisor(struct cli *c, pid_t *ret_pid, struct err *e);
/* What an answer is known by: 128 random bits, in hexadecimal. */
view cli_token(struct cli *c);
/* A word of the arguments as a normalised address, or domain. */
bool cli_address(struct cli *c, const char *text, view *ret_address, struct err *e);
bool cli_domain(struct cli *c, const char *text, view *ret_domain, struct err *e);

/* -- who and when (who.c) */
/* Who makes a change: --by, else the user behind sudo, else the user. */
bool cli_who(struct cli *c, view *ret_who, struct err *e);
/* A point in time as people write it, UTC unless it says otherwise; a day alone is the end of it. */
bool cli_date(const char *text, int64_t *ret_ms, struct err *e);
/* The name this server gives itself, as its roles do: the setting, or the machine's name. After cli_config().
 */
view cli_hostname(struct cli *c);

/* -- output (output.c) */
void cli_write(struct cli *c, view v);
void cli_print(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* False when standard output has failed; long listings ask now and then. */
bool cli_flush(struct cli *c, struct err *e);
/* One JSON value and a newline; takes the reference. */
void cli_json(struct cli *c, json_t *value);
/* A text that may come from strangers as a JSON string: what is no UTF-8 becomes '?'. */
json_t *cli_json_text(view v);
/* Members "encoding" and "content" for bytes of a message: "utf-8" as they are, else in "base64". */
void cli_json_bytes(json_t *object, view bytes);
/* "2026-11-24T05:06:07.123Z" */
struct cli_time {
    char s[40];
};
struct cli_time cli_time(int64_t ms);

/* How far long work is, on a line of its own that the next one replaces: standard error, only when it is a
 * terminal. */
void cli_progress(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Clears it. */
void cli_progress_end(struct cli *c);

/* What was done: a sentence for people, with --json the object (whose reference it takes). */
void cli_done(struct cli *c, json_t *object, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A listing: rows with aligned columns, or a JSON array of objects. Values are added one after the other, a
 * row is full when every column has its value. Long listings are printed piece by piece. */
struct column {
    const char *key;   /* of the JSON object */
    const char *title; /* for people; NULL: shown only with --json */
};

enum { TABLE_COLUMNS_MAX = 12 };

struct table {
    struct cli *cli;
    const struct column *columns;
    size_t count, at;
    bool single, any_row, titled;
    size_t width[TABLE_COLUMNS_MAX];
    char **cells; /* of rows not yet printed */
    size_t cell_count, cell_room;
    json_t *object;
};

void table_open(struct table *t, struct cli *c, const struct column *columns, size_t count);
/* One thing instead of many: a line a column, or one JSON object. */
void table_open_single(struct table *t, struct cli *c, const struct column *columns, size_t count);
void table_text(struct table *t, view v);
void table_int(struct table *t, int64_t n);
void table_time(struct table *t, int64_t ms);
/* Print what is left. False when standard output has failed. */
bool table_close(struct table *t, struct err *e);

/* -- what imports have in common (import.c) */
/* The text of FILE, or of standard input for "-". */
bool import_read(const char *file, struct buf *text, struct err *e);
/* Refuses to take away more than half of `live` without --force. */
bool import_check_loss(struct cli *c, size_t live, size_t removed, const char *what, struct err *e);
/* Asks on a terminal, unless --yes is given or standard input is the file. */
bool import_ask(struct cli *c, const char *file, struct err *e);

#endif
