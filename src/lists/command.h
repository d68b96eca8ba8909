/* command.h: what a mail to LIST-request, LIST-join and the like asks for. */
#ifndef LISTS_COMMAND_H
#define LISTS_COMMAND_H

#include "lists/post.h"
#include "mail/list_address.h"

enum command_kind {
    COMMAND_JOIN,
    COMMAND_LEAVE,
    COMMAND_CONFIRM,
    COMMAND_HELP,
    COMMAND_ECHO,
    COMMAND_WHO,
    COMMAND_UNKNOWN
};

struct command {
    enum command_kind kind;
    view line;     /* as it was written, printable */
    view argument; /* CONFIRM: the token; LEAVE: the key, or empty; ECHO: what to say; WHO: which members */
};

enum { COMMANDS_MOST = 11 }; /* the subject and ten lines, as in Mailman */

/* The commands of a mail to that part of a list, in order. `end` and `stop` end them. Returns how many. */
size_t commands_read(enum list_part part, view detail, const struct post *p, struct arena *a,
                     struct command ret[COMMANDS_MOST]);

/* A post whose subject, or one of the first ten lines, is such a command went to the wrong address. */
bool command_is_in_post(const struct post *p, struct arena *a);

#endif
