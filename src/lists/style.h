/* style.h: what a new list can be like (style.def). */
#ifndef LISTS_STYLE_H
#define LISTS_STYLE_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/list_address.h"
#include "store/class.h"

struct list_style {
    const char *name, *description, *archive;
    enum mail_class class;
    const char *settings;
};
#define LIST_STYLE_DEFAULT "legacy-default"

extern const struct list_style list_styles[];
extern const size_t list_style_count;

/* NULL: there is none of that name. */
const struct list_style *list_style_find(view name);
/* Of a list in that style, what it is told itself, as OP_LIST_CREATE wants it: count of (name, how, value).
 */
void list_style_add(const struct list_style *style, view address, struct arena *a, struct buf *args);

#endif
