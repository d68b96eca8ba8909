/* held_letter.h: letters about a post that is held: to its sender, that the moderators refuse it; to somebody
 * else, who is asked for advice; and the token that its moderators are given. */
#ifndef LISTS_HELD_LETTER_H
#define LISTS_HELD_LETTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "lists/letter_words.h"

struct held_letter {
    view hostname, list, sender, subject, reason, msgid; /* of the post, as HELD_SHOW answers */
    int64_t message, size;
    view first;                /* the first piece of its body */
    view to;                   /* who is asked; empty: the post is refused */
    view said;                 /* what the moderators say; empty: nothing */
    struct letter_words words; /* of a post that is refused */
};

/* The arguments of LETTER_TEXT, whose answer are the words. */
void held_letter_ask(view list, view sender, struct buf *args);

/* Append the arguments of ACCEPT. LIMIT: too large. */
bool held_letter_args(const struct held_letter *h, struct arena *a, int64_t now_ms, struct buf *args,
                      struct err *e);

/* What a mail to LIST-confirm has to give that decides about the post: only the list's moderators are told.
 * A key alone, since 64 octets are all that a name may have before the "@" (RFC 5321 4.5.3.1.1). */
view held_token(view list_secret, int64_t message, struct arena *a);
/* It looks like one. */
bool held_token_is(view token);

#endif
