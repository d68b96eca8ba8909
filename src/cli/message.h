/* message.h: stored messages, as the commands about the queue read them. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include "cli/cli.h"
#include "store/message.h"

/* Operation MESSAGE_INFO; the texts live in the command's arena, `first` is empty. NOT_FOUND when there is
 * none. */
bool message_info(struct cli *c, int64_t id, struct message_info *ret, struct err *e);

/* With the first piece of its body. */
bool message_info_first(struct cli *c, int64_t id, struct message_info *ret, struct err *e);

/* Where a message stands (operation QUEUE_LS): "accepted", "expanding", "delivering", "archiving", "held",
 * "moderation", and why it waits. "done" for a message that is finished. */
bool message_state(struct cli *c, int64_t id, view *ret_state, view *ret_reason, struct err *e);

#endif
