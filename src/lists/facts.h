/* facts.h: what the store says about a list and the senders of a post (operation LIST_RULES): what the rules
 * decide from, so that smtpd and router come to the same verdict. */
#ifndef LISTS_FACTS_H
#define LISTS_FACTS_H

#include "lists/post.h"
#include "store/list_setting.h"
#include "store/moderation.h"
#include "store/vals.h"

struct sender_facts {
    bool banned;               /* by its address */
    int64_t member, nonmember; /* enum moderation; -1: is none */
};

struct header_match {
    view header, pattern;
    enum moderation action;
};

struct facts {
    view list; /* its address; empty: it is gone */
    struct {
        view value;      /* of lines of senders the expressions alone */
        int64_t senders; /* bit i: sender number i stands there */
    } settings[LIST_SETTING_COUNT];
    view banned;         /* expressions, one a line */
    bool has_moderators; /* somebody gets mail for LIST-owner */
    view alias_domain;   /* the list is known by it as well; or empty */
    struct sender_facts senders[LIMIT_POST_SENDERS];
    struct header_match *matches;
    size_t match_count;
};

/* The arguments of LIST_RULES. */
void facts_args(int64_t list, const struct post *p, struct buf *args);
/* Its results. Borrows from them. False: malformed, or the arena is full. */
bool facts_read(view results, const struct post *p, struct arena *a, struct facts *ret);

int64_t facts_number(const struct facts *f, enum list_setting s);

#endif
