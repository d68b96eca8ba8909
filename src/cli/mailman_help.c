/* mailman_help.c: what `--help` shows, and the first lines of a usage error. */
#include <stdio.h>
#include <string.h>

#include "cli/mailman.h"

enum { WIDTH = 78, NAMES_WIDTH = 26 };

void mailman_usage(struct buf *out, const char *program, const struct mailman_row *command) {
    if (!command)
        buf_printf(out, "Usage: %s [OPTIONS] COMMAND [ARGS]...\n", program);
    else if (command->kind == MAILMAN_ELSEWHERE)
        buf_printf(out, "Usage: %s %s\n", program, command->name);
    else
        buf_printf(out, "Usage: %s %s [OPTIONS]%s%s\n", program, command->name, *command->value ? " " : "",
                   command->value);
}

/* Words, in lines that are not too long; each but the first begins with that many blanks. */
static void add_words(struct buf *out, view text, size_t at, size_t indent) {
    view word;
    size_t from = at;
    while (view_split(&text, ' ', &word)) {
        if (at > from && at + 1 + word.len > WIDTH) {
            buf_printf(out, "\n%*s", (int)indent, "");
            at = from = indent;
        } else if (at > from) {
            buf_add_char(out, ' ');
            at++;
        }
        buf_add(out, word);
        at += word.len;
    }
    buf_add_char(out, '\n');
}

static void add_row(struct buf *out, const char *names, const char *help) {
    size_t len = strlen(names);
    buf_printf(out, "  %-*s", NAMES_WIDTH, names);
    if (len >= NAMES_WIDTH)
        buf_printf(out, "\n  %*s", NAMES_WIDTH, "");
    add_words(out, view_of(help), NAMES_WIDTH + 2, NAMES_WIDTH + 2);
}

static void add_option(struct buf *out, const struct mailman_row *row) {
    char names[160];
    bool plain = row->kind == MAILMAN_FLAG || row->kind == MAILMAN_PAIR, choice = row->kind == MAILMAN_CHOICE;
    snprintf(names, sizeof names, "%s%s%s%s%s%s%s", row->brief, *row->brief ? ", " : "", row->name,
             plain ? "" : " ", choice ? "[" : "", plain ? "" : row->value, choice ? "]" : "");
    add_row(out, names, row->help);
}

static void add_options(struct buf *out, const struct mailman_row *row) {
    buf_add_str(out, "\nOptions:\n");
    for (; row->name && !mailman_is_command(row); row++)
        add_option(out, row);
    for (row = mailman_options; row->name; row++)
        if (strcmp(row->name, "--help") == 0)
            add_option(out, row);
}

void mailman_help(struct buf *out, const char *program, const struct mailman_row *command) {
    mailman_usage(out, program, command);
    buf_add_str(out, "\n  ");
    if (command) {
        add_words(out, view_of(command->help), 2, 2);
        if (command->kind == MAILMAN_ELSEWHERE)
            buf_printf(out, "  Not here: %s.\n", command->value);
        add_options(out, command + 1);
        return;
    }
    add_words(out, VIEW("The command line of Mailman 3.3, for the lists of Postroad " POSTROAD_VERSION "."),
              2, 2);
    buf_add_str(out, "\nOptions:\n");
    for (const struct mailman_row *row = mailman_options; row->name; row++)
        add_option(out, row);
    buf_add_str(out, "\nCommands:\n");
    for (const struct mailman_row *row = mailman_rows; row->name; row++)
        if (mailman_is_command(row))
            add_row(out, row->name, row->help);
}
