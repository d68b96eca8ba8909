/* queue_rows.h: which messages of the queue a command is about: those it names, or all that fit its options.
 */
#ifndef CLI_QUEUE_ROWS_H
#define CLI_QUEUE_ROWS_H

#include "cli/cli.h"

/* The options that every command about the queue takes (commands.def). */
struct queue_filter {
    view site, list, sender; /* empty: any */
    int64_t class;           /* -1: any */
    int64_t before_ms;       /* accepted before; 0: any */
    bool held;               /* only what is held */
    bool any_given;
};

/* One message; views until the next one. */
struct queue_row {
    int64_t id, size, left;
    view sender, msgid, state, reason;
};

typedef bool (*queue_row_function)(void *context, const struct queue_row *row, struct err *e);

/* From the command's options. USAGE names what cannot be. */
bool queue_filter_read(struct cli *c, struct queue_filter *ret, struct err *e);
/* Every message that fits and is not done, the oldest first, until `row` says false. */
bool queue_each(struct cli *c, const struct queue_filter *f, queue_row_function row, void *context,
                struct err *e);
/* Arguments that row_filter_read() of the store takes. */
void queue_filter_args(const struct queue_filter *f, struct buf *args);

/* A word as a queue id. */
bool queue_id(const char *word, int64_t *ret_id, struct err *e);

/* One recipient that a message is still to be delivered to; views until the next one. */
struct pending {
    int64_t dest, due, list_id, rcpt; /* the key of its row */
    view address, list, error, orcpt;
    int64_t tries, flags, next_ms;
    bool frozen, active; /* its site is; deliver is at it now */
};
typedef bool (*pending_function)(void *context, const struct pending *p, struct err *e);
/* What is still to deliver of a message, of those rows that fit; at most `most` (0: all). */
bool queue_pending_each(struct cli *c, int64_t message, const struct queue_filter *f, size_t most,
                        pending_function row, void *context, struct err *e);

/* "SENDING IS FROZEN …" and a line for every frozen site, where that is so; with --json to standard error. */
bool queue_show_frozen(struct cli *c, struct err *e);
/* What is frozen: *ret_all since *ret_since (0: not known), by whom. */
bool queue_is_frozen(struct cli *c, bool *ret_all, int64_t *ret_since_ms, view *ret_who, struct err *e);

#endif
