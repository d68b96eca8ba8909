/* router.h: what the files of this role share. main.c: the loop, expansions, the reaper; batch.c: a batch of
 * messages from the inbox to committed decisions; edition.c: what a list makes of a post; command.c: mail
 * that asks a list for something. */
#ifndef ROLES_ROUTER_ROUTER_H
#define ROLES_ROUTER_ROUTER_H

#include "lists/command.h"
#include "roles/role.h"

/* Take, decide and commit up to LIMIT_ROUTE_BATCH messages. The number routed, or -1: see e. */
int route_some(struct role *r, int64_t lease_ms, struct err *e);

/* A list's edition of a message that is to be made. */
struct edition_job {
    int64_t message, list;
    struct err err; /* set: it is tried again */
};
/* Make and keep them, before the first copies are due. */
void editions_keep(struct role *r, struct edition_job *jobs, size_t count);

/* A mail to one of a list's addresses for commands, and which. */
struct command_mail {
    int64_t id;
    view sender, message_id; /* of the envelope; without brackets */
    view subject;            /* one printable line */
    const struct post *post;
};
struct command_to {
    view list_address, detail;
    enum list_part part;
};
/* One more letter may go to that address today. */
bool letter_may_go(struct role *role, view address);

/* Do what it asks for and append the letters about it, each as ACCEPT takes it. *ret_said: what was done, for
 * the event. False: the store could not do it now; it is tried again. */
bool command_run(struct role *role, const struct command_mail *mail, const struct command_to *to,
                 struct arena *a, struct buf *letters, int64_t *letter_count, view *ret_said, struct err *e);

#endif
