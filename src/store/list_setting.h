/* list_setting.h: what lists can be told (list_setting.def). Settings stand in scopes: a list's address, "@"
 * and its domain, or "" for all lists; the nearest counts. Only those that are not the default are stored. */
#ifndef STORE_LIST_SETTING_H
#define STORE_LIST_SETTING_H

#include "store/op.h"

enum list_setting {
#define LIST_SETTING(id, name, values, default, help) LIST_SETTING_##id,
#include "store/list_setting.def"
#undef LIST_SETTING
    LIST_SETTING_COUNT
};

const char *list_setting_name(enum list_setting s);
const char *list_setting_values(enum list_setting s);
const char *list_setting_help(enum list_setting s);
int64_t list_setting_default(enum list_setting s);
bool list_setting_find(view name, enum list_setting *ret);
bool list_setting_parse(enum list_setting s, view text, int64_t *ret_value);
view list_setting_text(enum list_setting s, int64_t value);

/* For operations: what holds for a list. */
int64_t list_setting_of(struct op_run *r, view list, enum list_setting s);

#endif
