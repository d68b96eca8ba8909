/* addresses.h: very many addresses given to one command, as words or as lines. All are read and checked
 * before the first is sent: a mistake on line 40,000 changes nothing. They travel in slices, each one
 * transaction; a run that was stopped is run again and passes over what is done. The caller frees with
 * addresses_done(), after a failure too. */
#ifndef CLI_ADDRESSES_H
#define CLI_ADDRESSES_H

#include "cli/cli.h"

struct addresses {
    view *list; /* normalised; their octets in the command's arena */
    size_t count, room;
};

struct addresses_rule {
    view domain; /* each must be of it; empty: any */
    bool map;    /* lines as of a Postfix map: the first word counts, "#" begins a comment */
};

void addresses_add(struct addresses *a, view address);
void addresses_done(struct addresses *a);
/* By octets, each once. */
void addresses_sort(struct addresses *a);
/* One address a line; "-" is standard input. */
bool addresses_read(struct cli *c, const char *file, const struct addresses_rule *rule, struct addresses *a,
                    struct err *e);
/* The command's words behind the first; "-" alone: the lines of standard input. */
bool addresses_read_words(struct cli *c, const struct addresses_rule *rule, struct addresses *a,
                          struct err *e);
/* `op` takes some values, then addresses, and answers how many it changed: *ret_changed is the sum. */
bool addresses_send(struct cli *c, enum op op, const struct buf *before, const struct addresses *a,
                    int64_t *ret_changed, struct err *e);

#endif
