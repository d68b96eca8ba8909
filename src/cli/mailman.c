/* mailman.c: postroad mailman, see mailman.h: finds the subcommand, runs it, and turns the result into what
 * Mailman's command would say. */
#include "cli/mailman.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "lists/mailman_configuration.h"

#define DEFAULT_DIR "/etc/postroad"
enum { HELP_BYTES = 1 << 20 };

const struct mailman_row mailman_rows[] = {
#define COMMAND(name, function, arguments, help)                                                             \
    {MAILMAN_COMMAND, name, "", arguments, help, mailman_cmd_##function},
#define OPTION(name, brief, kind, value, help) {MAILMAN_##kind, name, brief, value, help, NULL},
#define ELSEWHERE(name, help, instead)         {MAILMAN_ELSEWHERE, name, "", instead, help, NULL},
#include "cli/mailman.def"
#undef COMMAND
#undef OPTION
#undef ELSEWHERE
    {.name = NULL},
};

const struct mailman_row mailman_options[] = {
    {MAILMAN_VALUE, "--config", "-C", "DIR", "The instance; without it $POSTROAD_DIR, or " DEFAULT_DIR ".",
     NULL},
    {MAILMAN_FLAG, "--run-as-root", "", "", "Taken, and not needed.", NULL},
    {MAILMAN_FLAG, "--version", "", "", "Show the version and exit.", NULL},
    {MAILMAN_FLAG, "--help", "-h", "", "Show this message and exit.", NULL},
    {.name = NULL},
};

bool mailman_is_command(const struct mailman_row *row) {
    return row->kind == MAILMAN_COMMAND || row->kind == MAILMAN_ELSEWHERE;
}

const struct mailman_row *mailman_command(view name) {
    for (const struct mailman_row *row = mailman_rows; row->name; row++)
        if (mailman_is_command(row) && view_eq(name, view_of(row->name)))
            return row;
    return NULL;
}

/* ---- what is shown ---- */

/* The name by which people ran it. */
static const char *program(const struct cli *c) {
    return strcmp(c->called, "postroad") == 0 ? "postroad mailman" : c->called;
}

static bool show_help(struct cli *c, const struct mailman_row *command) {
    struct buf text = BUF_INIT(HELP_BYTES);
    mailman_help(&text, program(c), command);
    cli_write(c, buf_view(&text));
    buf_done(&text);
    return true;
}

bool mailman_cmd_help(struct cli *c, struct err *e) {
    (void)e;
    return show_help(c, NULL);
}

bool mailman_cmd_version(struct cli *c, struct err *e) {
    (void)e;
    cli_print(c, MAILMAN_VERSION "\n");
    return true;
}

/* Wrong usage is told as click does: with the usage in front, but for what is wrong with one option's value
 * (PARAMETER). */
static void say_error(struct cli *c, const struct mailman_row *command, const struct err *e) {
    struct buf text = BUF_INIT(HELP_BYTES);
    cli_progress_end(c);
    cli_flush(c, NULL);
    c->status = err_info(e->code)->exit;
    if (e->code == ERR_USAGE) {
        mailman_usage(&text, program(c), command);
        buf_printf(&text, "Try '%s%s%s -h' for help.\n\n", program(c), command ? " " : "",
                   command ? command->name : "");
    }
    buf_printf(&text, "Error: %s\n", e->text);
    fwrite(text.data, 1, text.len, stderr);
    buf_done(&text);
}

/* ---- running ---- */

static bool find_instance(struct cli *c, const struct args *front, struct err *e) {
    const char *environment = getenv("POSTROAD_DIR"), *given = args_get(front, "--config");
    struct stat st;
    if (given && stat(given, &st) < 0)
        return err_set(e, ERR_USAGE,
                       "Invalid value for '-C' / '--config': Directory '%.150s' does not exist.", given);
    if (given && !S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE,
                       "Invalid value for '-C' / '--config': '%.150s' is a file; the directory of a Postroad "
                       "instance is wanted.",
                       given);
    c->dir = given ? given : c->dir ? c->dir : environment && *environment ? environment : DEFAULT_DIR;
    return true;
}

static bool run_command(struct cli *c, const struct mailman_row *command, char *const *argv, size_t argc,
                        struct err *e) {
    struct mailman_row options[ARGS_RULES_MAX + 1];
    size_t n = 0, used;
    if (command->kind == MAILMAN_ELSEWHERE && !(argc == 1 && strcmp(argv[0], "--help") == 0))
        return err_set(e, ERR_REFUSED, "mailman %s does nothing here: %.200s.", command->name,
                       command->value);
    for (const struct mailman_row *row = command + 1; row->name && !mailman_is_command(row); row++) {
        BUG_ON(n + 2 > ARGS_RULES_MAX);
        options[n++] = *row;
    }
    options[n++] = (struct mailman_row){MAILMAN_FLAG, "--help", "-h", "", "", NULL};
    options[n] = (struct mailman_row){.name = NULL};
    bool ok = mailman_parse(options, command->kind == MAILMAN_ELSEWHERE ? "" : command->value, argv, argc,
                            &c->args, &used, e);
    if (ok && args_has(&c->args, "--help"))
        return show_help(c, command);
    return ok && command->run(c, e);
}

static bool run(struct cli *c, const struct mailman_row **ret_command, struct err *e) {
    struct args front;
    size_t used;
    bool ok = mailman_parse(mailman_options, NULL, c->argv, c->argc, &front, &used, e);
    bool version = args_has(&front, "--version"), help = args_has(&front, "--help") || used == c->argc;
    ok = ok && (version || help || find_instance(c, &front, e));
    args_done(&front);
    if (!ok)
        return false;
    if (version)
        return mailman_cmd_version(c, e);
    if (help)
        return show_help(c, NULL);
    const struct mailman_row *command = mailman_command(view_of(c->argv[used]));
    if (!command)
        return err_set(e, ERR_USAGE, "No such command '%.100s'.", c->argv[used]);
    *ret_command = command;
    return run_command(c, command, c->argv + used + 1, c->argc - used - 1, e);
}

/* With its own exit statuses. */
bool cmd_mailman(struct cli *c, struct err *e) {
    const struct mailman_row *command = NULL;
    struct err why = {.code = ERR_OK};
    (void)e;
    if (!run(c, &command, &why))
        say_error(c, command, &why);
    return true;
}
