/* alias_file.h: tables of aliases as text: what aliases(5) and Postfix's virtual(5) have in common.
 *
 *     # a comment
 *     info@lists.example: ada@example.net, bo@example.com
 *     info@lists.example  ada@example.net, bo@example.com
 *     @lists.example: rest@example.net
 *         and@example.net
 *
 * A line that begins with a space goes on with the one before. Commands ("|..."), files, :include: and names
 * without a domain are refused: what an address means must stand in the table. */
#ifndef MAIL_ALIAS_FILE_H
#define MAIL_ALIAS_FILE_H

#include "base/arena.h"
#include "base/err.h"

struct alias_entry {
    view address; /* normalised; or "@domain" */
    view target;  /* normalised */
    size_t line;  /* from 1 */
};

struct alias_entries {
    struct alias_entry *list;
    size_t count, room;
};

/* The next entry; its views lie in the text or in the arena. */
void alias_entries_add(struct alias_entries *a, const struct alias_entry *e);
void alias_entries_done(struct alias_entries *a);

/* Append the entries of a text, in its order, repetitions too; at most LIMIT_ALIAS_ENTRIES in all. The first
 * thing that is wrong is a SYNTAX error that names its line. The entries borrow from text and arena. */
bool alias_file_parse(view text, struct arena *a, struct alias_entries *out, struct err *e);

/* An address, or "@domain", in the form by which aliases are kept. */
bool alias_address_normalise(view text, struct arena *a, view *ret_address, struct err *e);

/* Sort by address, then target, by octets as the store does; of entries that are the same the first stays. */
void alias_entries_sort(struct alias_entries *a);
int alias_entry_cmp(const struct alias_entry *a, const struct alias_entry *b);

#endif
