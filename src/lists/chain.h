/* chain.h: what becomes of a post to a list: the rules of rule.def, in order. Pure: from a post and the facts
 * of the store, so that smtpd (before it answers the final dot) and router (which binds) say the same
 * (DESIGN 1.4). */
#ifndef LISTS_CHAIN_H
#define LISTS_CHAIN_H

#include "lists/facts.h"

struct verdict {
    enum moderation action; /* ACCEPT, HOLD, REJECT or DISCARD */
    const char *rule;       /* the first that hit, "" when none did */
    view reason;            /* for people; several are joined by "; " */
};

/* Lives in the arena. */
void chain_decide(const struct post *p, const struct facts *f, struct arena *a, struct verdict *ret);

/* The answer to the sender of a post that `list` refuses. */
void chain_refusal(const struct verdict *v, view list, struct err *e);

#endif
