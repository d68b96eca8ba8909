/* preference.c: see preference.h. */
#include "store/preference.h"

#include "base/words.h"
#include "store/moderation.h"

static const struct {
    enum preference number;
    const char *name, *values;
} table[] = {
#define PREFERENCE(id, number, name, values, help) {PREFERENCE_##id, name, values},
#include "store/preference.def"
#undef PREFERENCE
};

enum { PREFERENCES = sizeof table / sizeof table[0] };

static size_t row_of(enum preference p) {
    for (size_t i = 0; i < PREFERENCES; i++)
        if (table[i].number == p)
            return i;
    BUG("no such preference");
}

bool preference_is_valid(int64_t number, int64_t value) {
    for (size_t i = 0; i < PREFERENCES; i++)
        if ((int64_t)table[i].number == number)
            return value == PREFERENCE_UNSET || words_has(table[i].values, value);
    return false;
}

const char *preference_name(enum preference p) {
    return table[row_of(p)].name;
}

const char *preference_names(void) {
    static const char names[] =
#define PREFERENCE(id, number, name, values, help) " " name
#include "store/preference.def"
#undef PREFERENCE
        ;
    return &names[1];
}

bool preference_find(view name, enum preference *ret) {
    for (size_t i = 0; i < PREFERENCES; i++)
        if (view_eq(name, view_of(table[i].name))) {
            *ret = table[i].number;
            return true;
        }
    return false;
}

bool preference_parse(enum preference p, view text, int64_t *ret_value) {
    return words_find(table[row_of(p)].values, text, ret_value);
}

view preference_text(enum preference p, int64_t value) {
    if (value == PREFERENCE_UNSET)
        return VIEW("");
    return words_at(table[row_of(p)].values, value);
}

const char *preference_values(enum preference p) {
    return table[row_of(p)].values;
}
