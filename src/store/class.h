/* class.h: classes of traffic (class.def), and the number of a destination: a site in a class. */
#ifndef STORE_CLASS_H
#define STORE_CLASS_H

#include <stdint.h>

#include "base/view.h"

enum mail_class {
#define CLASS(id, number, name, weight, help) CLASS_##id = (number),
#include "store/class.def"
#undef CLASS
};

#define CLASS_COUNT 4

/* Ids of rows: destination.id of a site's queue, and back. */
#define DESTINATION(site, class) ((site)*CLASS_COUNT + (class))
#define DESTINATION_SITE(dest)   ((dest) / CLASS_COUNT)
#define DESTINATION_CLASS(dest)  ((enum mail_class)((dest) % CLASS_COUNT))
/* As SQL writes them. */
#define SQL_DESTINATION(site, class) "(" site ") * 4 + (" class ")"
#define SQL_SITE(dest)               "(" dest ") / 4"
_Static_assert(CLASS_COUNT == 4, "the SQL above");

const char *class_name(enum mail_class class);
unsigned class_weight(enum mail_class class);
bool class_parse(view name, enum mail_class *ret_class);

#endif
