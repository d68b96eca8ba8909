/* sender_set.h: named sets of senders that lists share: where a list says whose posts pass, wait or are
 * refused (SETTING_SENDERS), a line "@NAME" stands for all who are in that set. What is in a set is an
 * address, "@" and a domain, or a regular expression "^...". */
#ifndef STORE_SENDER_SET_H
#define STORE_SENDER_SET_H

#include "store/op.h"

enum { SENDER_SET_NAME_MOST = 64, SENDER_SET_PATTERNS_MOST = LIMIT_SETTING_TEXT / 4 };

/* Small letters, digits, hyphens and dots; it begins with a letter. */
bool sender_set_name_is_valid(view name);
/* As it is kept: "Ada@Example.ORG" becomes "ada@example.org". USAGE says what is wanted. */
bool sender_normalise(view text, struct arena *a, view *ret, struct err *e);

/* For operations. The line "@NAME" of a setting names a set; else it is refused. */
bool need_sender_sets(struct op_run *r, view lines);
/* Whether the address stands in the set, itself or by its domain. Its expressions, one a line, are appended
 * to `patterns`. */
bool sender_set_has(struct op_run *r, view set, view address);
void sender_set_patterns(struct op_run *r, view set, struct buf *patterns);
/* "@news@example.org" is a list, "@trusted" is a set: its name, or empty. */
view sender_set_of(view line);

#endif
