/* template.h: texts with $variables, as Mailman's templates have them (Python's string.Template): $name,
 * ${name}, and $$ for a dollar sign. What is no variable stays as it is written. */
#ifndef LISTS_TEMPLATE_H
#define LISTS_TEMPLATE_H

#include "base/view.h"

struct template_piece {
    view text; /* as written; of "$$" one dollar sign */
    view name; /* of a variable, else empty */
};

/* The next piece of *rest, which begins behind it then. False at the end. */
bool template_next(view *rest, struct template_piece *ret);

#endif
