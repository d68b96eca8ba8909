/* translation.h: letters of lists in a language, as a file that people translate:
 *
 *     # lines like this one, up to the first section, are for people
 *     [list:user:notice:welcome]
 *     Subject: Bienvenue
 *
 *     Bienvenue à la liste $listname !
 *
 * A section goes up to the next; empty lines at its end do not count. A line of a text that would begin with
 * "[" or a backslash has a backslash in front. */
#ifndef LISTS_TRANSLATION_H
#define LISTS_TRANSLATION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct translation {
    view rest;
    size_t line; /* the next one's number */
    struct arena *arena;
    struct err err; /* sticky: what is wrong, and where */
};

struct translation_item {
    view name, text;
    size_t line; /* of its name */
};

struct translation translation_of(view file, struct arena *a);
/* The next section. False: at the end, or err says what is wrong. */
bool translation_next(struct translation *t, struct translation_item *ret);

/* Append a section. `text` ends with a newline and has no empty lines at its end. */
void translation_write(struct buf *out, view name, view text);

#endif
