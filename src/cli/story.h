/* story.h: everything the store knows of one message, read once: its events, the notifications about it, and
 * what is still to do; and what that comes to in one sentence. */
#ifndef CLI_STORY_H
#define CLI_STORY_H

#include "cli/message.h"

struct story_row {
    int64_t time_ms; /* of what is still to do: the next try */
    view event;      /* a name of event.def, or "notice", or "pending" */
    view recipient, list, host, detail;
    view reason; /* pending: why it waits */
    bool pending, frozen, active;
};

struct story {
    struct message_info message;
    view state, state_reason; /* message_state() */
    struct story_row *rows;   /* events in order, then notifications, then what is still to do */
    size_t count, room;
    struct {
        int64_t delivered, failed, deleted, waiting, dropped;
    } n; /* copies */
};

/* `only`: rows of this recipient or list, and of the message as a whole; empty: all. Texts live in the
 * command's arena; free with story_done(), after a failure too. */
bool story_read(struct cli *c, int64_t message, view only, struct story *ret, struct err *e);
void story_done(struct story *s);

/* Copies the story is about. */
int64_t story_copies(const struct story *s);
/* "Delivered to all 12 recipients.", "Waiting: …", "Returned to …"; in the command's arena. */
view story_verdict(struct cli *c, const struct story *s);
/* 9812 as "9,812". */
struct story_number {
    char s[32];
};
struct story_number story_number(int64_t n);

#endif
