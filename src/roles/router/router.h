/* router.h: what the files of this role share. main.c: the loop, expansions, the reaper; batch.c: a batch of
 * messages from the inbox to committed decisions; edition.c: what a list makes of a post; command.c: mail
 * that asks a list for something; bounce.c: mail that comes back; letter.c: letters that lists owe; held.c:
 * letters about held posts; digest.c: digests; autoreply.c: what a list answers to everybody; report.c:
 * reports of others. */
#ifndef ROLES_ROUTER_ROUTER_H
#define ROLES_ROUTER_ROUTER_H

#include "lists/command.h"
#include "lists/letter_words.h"
#include "roles/role.h"
#include "routing/route.h"
#include "store/list_setting.h"
#include "store/owed.h"

/* Take, decide and commit up to LIMIT_ROUTE_BATCH messages. The number routed, or -1: see e. */
int route_some(struct role *r, int64_t lease_ms, struct err *e);

/* A list's edition of a message that is to be made. */
struct edition_job {
    int64_t message, list;
    struct err err; /* set: it is tried again */
};
/* Text of strangers as the store keeps it: its first line, without control characters, of a length that
 * events have. */
view one_line(view text, struct arena *a);
/* Make and keep them, before the first copies are due. */
void editions_keep(struct role *r, struct edition_job *jobs, size_t count);

/* A mail to one of a list's addresses for commands, and which. */
struct command_mail {
    int64_t id;
    view sender, message_id; /* of the envelope; without brackets */
    view subject;            /* one printable line */
    view text;               /* its first piece */
    bool is_whole;           /* that is all of it */
    const struct post *post;
};
struct command_to {
    view list_address, detail;
    enum list_part part;
};
/* A mail to LIST-bounces. */
struct counted {
    view person;
    struct store_request q; /* OP_BOUNCE */
};
struct returned {
    const struct route_target *target;
    struct bounce_report *report;
    struct counted *counted; /* against whom it counts */
    size_t count;
};
/* Read it, and have counted what counts: answered when `wait` is over. Then bounce_tell, or bounce_done. */
bool bounce_ask(struct role *role, const struct route_target *t, view message, struct arena *a,
                struct store_wait *wait, struct returned *ret, struct err *e);
/* As command_run(). */
bool bounce_tell(struct role *role, const struct command_mail *mail, struct returned *r, struct arena *a,
                 struct buf *letters, int64_t *letter_count, view *ret_said, struct err *e);
void bounce_done(struct returned *r);

/* The list's answer to whoever writes, if it gives one (store/owed.h). *ret_discard: and the mail goes no
 * further. Letters as command_run. */
bool autoreply(struct role *role, const struct command_mail *mail, view list, enum autoreply_kind kind,
               struct arena *a, struct buf *letters, int64_t *letter_count, bool *ret_discard, struct err *e);

/* A post that a list holds. */
struct held_post {
    int64_t id;
    view list, sender, subject, reason, message_id;
    view original; /* its octets, or its header */
    bool whole;
};
/* Append the letter to those who can say what becomes of it, to the member whose post it is, as ACCEPT takes
 * it. False: there is none. */
bool held_tell_moderators(struct role *role, const struct held_post *p, struct arena *a, struct buf *args);
bool held_tell_member(struct role *role, const struct held_post *p, view member, struct arena *a,
                      struct buf *args);

/* Mail to reports_to, of so many octets: kept in the store. *ret_said: what it was, or why it is none that
 * can be read, for the event. False: the store could not do it now; it is tried again. */
bool report_keep(struct role *role, const struct command_mail *mail, int64_t size, struct arena *a,
                 bool *ret_kept, view *ret_said, struct err *e);

/* Write letters that lists owe. True when there were any. */
bool letters_write(struct role *role);
/* Send the digests that are due. True when there were any. */
bool digests_send(struct role *role);
/* Values of a list's settings, in the arena. *ret_found: there is such a list. */
bool list_settings(struct role *role, view list, const enum list_setting *names, size_t count,
                   struct arena *a, view *values, bool *ret_found, struct err *e);
/* The list's own secret, for keys. */
bool list_secret(struct role *role, view list, struct arena *a, view *ret, struct err *e);

/* What a letter of that name (store/template.def) is made of. person empty: it goes to those who look after
 * the list. Where the store does not say, the shipped words are good enough: what comes next finds out
 * whether it is away. */
struct letter_words letter_words_find(struct role *role, const char *name, view list, view person,
                                      struct arena *a);
/* One more letter may go to that address today. */
bool letter_may_go(struct role *role, view address);

/* Do what it asks for and append the letters about it, each as ACCEPT takes it. *ret_said: what was done, for
 * the event. False: the store could not do it now; it is tried again. */
bool command_run(struct role *role, const struct command_mail *mail, const struct command_to *to,
                 struct arena *a, struct buf *letters, int64_t *letter_count, view *ret_said, struct err *e);

#endif
