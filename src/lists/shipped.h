/* shipped.h: the letters of lists as they are shipped, in each of SHIPPED_LANGUAGES (store/template.h):
 * letters_<language>.def. */
#ifndef LISTS_SHIPPED_H
#define LISTS_SHIPPED_H

#include "base/view.h"

struct shipped {
    const char *subject, *text; /* with variables */
};

/* In the first of the languages (words with spaces in between) in which there is one, else in English. False:
 * nothing is shipped under that name. */
bool shipped_find(view name, view languages, struct shipped *ret);

#endif
