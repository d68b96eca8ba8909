/* mailman.h: `postroad mailman`, also where this program is called postroad-mailman or mailman: the command
 * line of Mailman 3.3, so that scripts written for it go on. What it says and how it exits is Mailman's; what
 * it does are the operations of the other commands.
 *
 *   mailman.def          subcommands and their options
 *   mailman.c            finds the subcommand, runs it, says what went wrong
 *   mailman_args.c       takes words apart by the table
 *   mailman_help.c       the help texts, from the table
 *   mailman_common.c     lists and memberships, as several subcommands need them
 *   mailman_people.c     people as files and options name them
 *   mailman_mail.c       messages they bring in
 *   mailman_<what>.c     the subcommands
 *
 * A subcommand is a function that finds its words in c->args: options by their long names. It returns false
 * with *e filled; a code whose exit status is 2 is told with the usage in front. */
#ifndef CLI_MAILMAN_H
#define CLI_MAILMAN_H

#include "cli/cli.h"
#include "lists/letter_words.h"
#include "store/role.h"

enum mailman_kind {
    MAILMAN_COMMAND,
    MAILMAN_ELSEWHERE,
    MAILMAN_FLAG,
    MAILMAN_PAIR,
    MAILMAN_VALUE,
    MAILMAN_MANY,
    MAILMAN_INPUT,
    MAILMAN_OUTPUT,
    MAILMAN_FOLDER,
    MAILMAN_CHOICE
};

/* A row of the table. `name`: of a command, or the long name of an option, or both of a pair with "/". */
struct mailman_row {
    enum mailman_kind kind;
    const char *name, *brief; /* the short name of an option */
    const char *value;        /* of a command: its arguments; ELSEWHERE: what does it instead */
    const char *help;
    cli_command run;
};
/* By name, each followed by the rows of its options; ended by a row without a name. */
extern const struct mailman_row mailman_rows[];
extern const struct mailman_row mailman_options[]; /* in front of the command */
bool mailman_is_command(const struct mailman_row *row);
const struct mailman_row *mailman_command(view name); /* NULL: there is none */

/* -- mailman_args.c */
/* By the option rows at `options`. In front of a command (`arguments` NULL) the first word that is no option
 * ends it; *ret_used: how many words were read. Borrows; free *ret with args_done, after a failure too. */
bool mailman_parse(const struct mailman_row *options, const char *arguments, char *const *argv, size_t argc,
                   struct args *ret, size_t *ret_used, struct err *e);
/* Of a pair "--yes/--no": 1, 0, or -1 when neither is given; the last one counts. */
int mailman_pair(const struct args *a, const char *yes, const char *no);

/* -- mailman_help.c */
void mailman_usage(struct buf *out, const char *program, const struct mailman_row *command);
void mailman_help(struct buf *out, const char *program, const struct mailman_row *command);

/* -- mailman_common.c */
struct mailman_list {
    int64_t id; /* 0: there is none */
    view address;
    int64_t volume, issue; /* of its next digest */
};
/* By address or List-Id. False: the store failed. */
bool mailman_list(struct cli *c, const char *spec, struct mailman_list *ret, struct err *e);
/* As above; a usage error when there is none. */
bool mailman_need_list(struct cli *c, const char *spec, struct mailman_list *ret, struct err *e);

/* All lists, by List-Id; in the arena. */
struct mailman_listed {
    view address, display_name, description;
};
struct mailman_lists {
    struct mailman_listed *rows;
    size_t count;
};
bool mailman_lists(struct cli *c, bool advertised, struct mailman_lists *ret, struct err *e);
/* Those that --list names, in that order, or all; one that is not there is told on standard error. */
bool mailman_chosen(struct cli *c, struct mailman_lists *ret, struct err *e);

/* One membership; in the arena. */
struct mailman_member {
    view address, original, name;
    int64_t id, role, mode, status;
};
struct mailman_members {
    struct mailman_member *rows;
    size_t count, room;
};
/* In a role (ROLE_ANY: all), added to what is there. Free with free(ret->rows), after a failure too. */
bool mailman_members(struct cli *c, view list, enum member_role role, struct mailman_members *ret,
                     struct err *e);

/* Print it, or write it where --output says. */
bool mailman_show(struct cli *c, const struct buf *text, struct err *e);
/* A line on standard error, after what standard output has. */
void mailman_complain(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* -- mailman_people.c */
/* Somebody as a line or an option names them; in the arena. */
struct mailman_person {
    view text;              /* as given */
    view address, original; /* empty: it cannot be read */
    view name;
};
void mailman_person(struct cli *c, view text, struct mailman_person *ret);
/* Known as they write it, unless they are. */
bool mailman_register(struct cli *c, const struct mailman_person *p, view who, struct err *e);
/* "Name <address>", quoted where it has to be. */
view mailman_person_text(struct cli *c, view name, view address);

struct mailman_people {
    struct mailman_person *rows;
    size_t count, room;
};
void mailman_people_add(struct cli *c, view text, struct mailman_people *people);
/* The lines of a file that are neither blank nor comments. Free with free(people->rows). */
bool mailman_people_read(struct cli *c, const char *file, struct mailman_people *people, struct err *e);

/* -- mailman_mail.c */
/* Subject and text of a list's letter to those who look after it, by the name of its template. */
bool mailman_letter(struct cli *c, view list, const char *name, const struct letter_variable *more,
                    size_t count, struct letter_made *ret, struct err *e);
/* A letter of ours, with lines that end in LF, from nobody. */
bool mailman_send(struct cli *c, const char *const *to, size_t count, view from, view subject, view text,
                  struct err *e);

#define COMMAND(name, function, arguments, help) bool mailman_cmd_##function(struct cli *c, struct err *e);
#define OPTION(name, brief, kind, value, help)
#define ELSEWHERE(name, help, instead)
#include "cli/mailman.def"
#undef COMMAND
#undef OPTION
#undef ELSEWHERE

#endif
