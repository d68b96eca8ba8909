/* list_setting.c: see list_setting.h. */
#include "store/list_setting.h"

#include "base/words.h"

static const struct {
    const char *name, *values;
    int64_t initial;
    const char *help;
} table[LIST_SETTING_COUNT] = {
#define LIST_SETTING(id, name, values, initial, help) {name, values, initial, help},
#include "store/list_setting.def"
#undef LIST_SETTING
};

const char *list_setting_name(enum list_setting s) {
    return table[s].name;
}

const char *list_setting_values(enum list_setting s) {
    return table[s].values;
}

const char *list_setting_help(enum list_setting s) {
    return table[s].help;
}

int64_t list_setting_default(enum list_setting s) {
    return table[s].initial;
}

bool list_setting_find(view name, enum list_setting *ret) {
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        if (view_eq(name, view_of(table[i].name))) {
            *ret = (enum list_setting)i;
            return true;
        }
    return false;
}

bool list_setting_parse(enum list_setting s, view text, int64_t *ret_value) {
    return words_find(table[s].values, text, ret_value);
}

view list_setting_text(enum list_setting s, int64_t value) {
    return words_at(table[s].values, value);
}

int64_t list_setting_of(struct op_run *r, view list, enum list_setting s) {
    ptrdiff_t at = view_rfind(list, '@');
    int64_t value = table[s].initial;
    struct query q; /* a list's address is longer than "@" and its domain */
    db_query(r->db, &q,
             "SELECT value FROM setting WHERE name = $1 AND scope IN ($2, $3, '')"
             " ORDER BY length(scope) DESC LIMIT 1",
             DB_T(view_of(table[s].name)), DB_T(list), DB_T(view_skip(list, (size_t)(at < 0 ? 0 : at))));
    if (query_row(&q) && !list_setting_parse(s, query_text(&q, 0), &value))
        value = table[s].initial;
    query_done(&q);
    return value;
}
