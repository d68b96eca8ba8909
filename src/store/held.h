/* held.h: posts to lists: made, or held until a moderator says; for operations only. */
#ifndef STORE_HELD_H
#define STORE_HELD_H

#include "store/moderation.h"
#include "store/op.h"

struct list_post {
    int64_t message, list;
    view sha256, msgid;
    view sender, subject, rule, reason; /* of one that is held */
};

/* The list takes the post. One whose very bytes it has had is a redelivery: an event and no more. */
void list_post_add(struct op_run *r, const struct list_post *p);
/* It waits; the same bytes wait once. */
void list_post_hold(struct op_run *r, const struct list_post *p);

#endif
