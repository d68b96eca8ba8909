/* bounce.h: what a message that came back says: whom it did not reach, and why. It reads notifications of
 * RFC 3464 and what programs write that know none. */
#ifndef MAIL_BOUNCE_H
#define MAIL_BOUNCE_H

#include "base/arena.h"

enum bounce_kind {
    BOUNCE_PERMANENT, /* the address does not take mail */
    BOUNCE_TEMPORARY, /* it may take mail later; or the program goes on trying */
    BOUNCE_OF_MESSAGE /* this message was refused, for what is in it, its size, or whom it says it is from:
                         DMARC, SPF, spam, policy. It says nothing about the address */
};

struct bounce {
    view address; /* as written, without brackets */
    enum bounce_kind kind;
    view status; /* RFC 3463, as 5.1.1; or empty */
    view reason; /* printable, one line; or empty */
};

enum { BOUNCES_MOST = 64 };

struct bounce_report {
    struct bounce bounces[BOUNCES_MOST]; /* each address once: the worst that is said of it */
    size_t count;                        /* 0: it is no bounce that we can read */
    view envelope_id;                    /* RFC 3464 2.2.1, or empty */
    view message_id;                     /* of the message that came back, without brackets, or empty */
};

/* What the message, or as much of it as there is, says. All in ret lies in the message or the arena. */
void bounce_read(view message, struct arena *a, struct bounce_report *ret);

/* What a server's refusal means: its reply code, its enhanced code (or empty) and its text. A 552 and a full
 * mailbox are temporary, as the field has it. */
enum bounce_kind bounce_of_reply(int code, view enhanced, view text);

/* The refusal is for the policy of the author's domain (DMARC; RFC 7372 and what large sites say). */
bool bounce_is_of_dmarc(view enhanced, view text);

#endif
