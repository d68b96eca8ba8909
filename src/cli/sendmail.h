/* sendmail.h: a message that a program of this machine hands in, as sendmail(1) takes it.
 *
 *   cmd_sendmail.c  the options, the exit statuses
 *   compose.c       from what a program wrote to a message ready for the queue
 *   submit.c        into the queue: straight into the store, or over SMTP where the instance is another
 * user's */
#ifndef CLI_SENDMAIL_H
#define CLI_SENDMAIL_H

#include "cli/cli.h"
#include "store/accept.h"

struct submission {
    struct cli *cli;
    bool recipients_from_header; /* -t */
    bool dots_are_text;          /* -i: a line with a dot alone ends nothing */
    view sender;                 /* envelope sender; empty: <> */
    view full_name;              /* for a From that is missing */
    view user;                   /* who runs it */
    view host;                   /* our name, and the domain of names without one */
    view smtp;                   /* host:port to use when the store is not ours */
    int64_t size_max;
    struct accept_recipient *recipients;
    size_t count, room;
    /* compose() */
    struct buf body; /* CRLF line ends */
    view message_id;
    int64_t flags; /* enum message_flags */
};

/* A recipient or sender as given: "ada@hill.example", "<ada@hill.example>", or a local name. */
bool submission_address(struct submission *s, view given, view *ret_address, struct err *e);
bool submission_add(struct submission *s, view given, struct err *e);

/* Read standard input to its end (or to the line with a dot alone). */
bool submission_read(struct submission *s, struct buf *text, struct err *e);
/* Make a message of it: CRLF line ends, no Bcc, and Date, Message-ID and From where they are missing. With -t
 * its recipients are added. */
bool submission_compose(struct submission *s, view text, struct err *e);
/* Hand it over; when this says true it is on stable storage. */
bool submission_submit(struct submission *s, struct err *e);
/* -bs: SMTP on standard input and output is joined with the instance's own port. */
bool submission_join(struct submission *s, struct err *e);

#endif
