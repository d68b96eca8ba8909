/* post.h: what the rules of lists look at in a post, found once for all lists it goes to. */
#ifndef LISTS_POST_H
#define LISTS_POST_H

#include "base/arena.h"
#include "base/limits.h"
#include "mail/header.h"
#include "mail/mime.h"

struct post {
    view senders[LIMIT_POST_SENDERS]; /* From, envelope, Reply-To, Sender: normalised, each once, in this
                                         order */
    size_t sender_count;
    bool senders_cut; /* there are more, or a field cannot be read to its end */
    view *recipients; /* To, Cc, Resent-To, Resent-Cc: normalised */
    size_t recipient_count;
    size_t named;   /* how many addresses stand in To and Cc */
    bool named_cut; /* one of them cannot be read to its end */
    view subject;   /* unfolded and decoded */
    int64_t size;
    struct header header;
};

/* `sender`: of the envelope; `head`: the message, or its first piece with the whole header. Lives in the
 * arena and borrows from both. What is no address there is left off. False: the arena is full. */
bool post_read(view sender, view head, int64_t size, struct arena *a, struct post *ret);

/* "Approved" and its like, which give the moderators' password. */
bool post_field_is_approval(view name);

/* The same as the first line of a text: "Approved: PASSWORD". Borrows from it. */
struct post_approval {
    view name, password;
};
bool post_approval(view text, struct post_approval *ret);

/* The part of a message that is looked at for it: its first plain text that says anything. Its octets,
 * decoded, are in the arena; no other character set is made of them, so that what is found can be left out.
 * NULL: it does not begin so. */
const struct mime_part *post_approval_part(const struct mime *m, struct arena *a, struct post_approval *ret);

/* What a mail says of the moderators' password: in the first such field alone, or where there is none in the
 * first line of its text, since to look costs time (base/password.h). `kept`: what is kept of it, or empty.
 */
enum approval { APPROVAL_NONE, APPROVAL_WRONG, APPROVAL_RIGHT };
enum approval post_approved(const struct post *p, view kept, struct arena *a);

/* A field's value, unfolded and with its encoded words decoded. */
view post_value(const struct header_field *f, struct arena *a);

/* With each run of white space as one blank. */
view post_line(view text, struct arena *a);

/* The first part of it that is plain text, decoded, in UTF-8: as much as is looked at for commands. Empty:
 * there is none. */
view post_text(const struct post *p, struct arena *a);
/* A program wrote it (RFC 3834 2, and Precedence unless X-Ack asks for an answer): it gets none, and nothing
 * that it asks for is done. */
bool post_is_of_a_robot(const struct post *p, view envelope_sender);
/* Its sender asks for no automatic answer (X-Ack: no). */
bool post_wants_no_answer(const struct post *p);
/* Of a thread: without "Re:" and the like, blanks and "[prefixes]" in front, so that answers are the same. */
view post_thread(view subject);

#endif
