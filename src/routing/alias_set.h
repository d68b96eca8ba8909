/* alias_set.h: what an import of aliases has to change, and whether it may. Pure: sets in, differences out.
 *
 * Every set is sorted as alias_entries_sort() leaves it. */
#ifndef ROUTING_ALIAS_SET_H
#define ROUTING_ALIAS_SET_H

#include "mail/alias_file.h"
#include "store/alias.h"

/* What the store has of one entry of the source: some of these. */
enum { HAS_LIVE = 1, HAS_END = 2, HAS_STAGED = 4 };

struct alias_had {
    struct alias_entry entry;
    unsigned state;
};

struct alias_change {
    enum alias_action action;
    const struct alias_entry *entry;
};

struct alias_diff {
    struct alias_change *changes; /* what to stage, in order; free with alias_diff_done() */
    size_t count;
    size_t live;           /* entries seen now */
    size_t added, removed; /* what will be seen of it, whatever a stopped import has staged already */
    size_t same;
};

/* From what the store has to what is wanted. `had` is sorted, with one element for each key. Borrows both. */
void alias_diff(const struct alias_had *had, size_t had_count, const struct alias_entries *wanted,
                struct alias_diff *ret);
void alias_diff_done(struct alias_diff *d);

/* Names, sorted by octets. */
struct alias_names {
    view *list;
    size_t count;
};

/* The whole set may be taken: its domains are here, no address is a list's, none has more than
 * LIMIT_ALIAS_TARGETS targets, none leads back to itself or deeper than LIMIT_ALIAS_DEPTH, `others`, the
 * entries of other sources, included. The first reason against it is in *e with its line: NOT_FOUND, EXISTS,
 * USAGE, LOOP. */
bool alias_set_check(const struct alias_entries *wanted, const struct alias_entries *others,
                     const struct alias_names *domains, const struct alias_names *lists, struct err *e);

#endif
