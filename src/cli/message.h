/* message.h: stored messages, as the commands about the queue read them. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include "cli/cli.h"

/* Operation MESSAGE_INFO; the texts live in the command's arena. */
struct message_info {
    int64_t id;
    view sender, msgid, sha256, fields, origin, envid;
    view first; /* message_info_first: the first piece of the body */
    int64_t size, flags;
    bool gone; /* the body was deleted after its last use */
};

/* NOT_FOUND when there is none. */
bool message_info(struct cli *c, int64_t id, struct message_info *ret, struct err *e);

/* With the first piece of its body, which holds the header. */
bool message_info_first(struct cli *c, int64_t id, struct message_info *ret, struct err *e);

/* Where a message stands (operation QUEUE_LS): "accepted", "expanding", "delivering", "archiving", "held",
 * and why it waits. "done" for a message that is finished. */
bool message_state(struct cli *c, int64_t id, view *ret_state, view *ret_reason, struct err *e);

#endif
