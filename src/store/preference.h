/* preference.h: what people prefer, and on which level. The nearest level that says something holds: the
 * membership, the address, the user, else the default (Mailman's cascade). */
#ifndef STORE_PREFERENCE_H
#define STORE_PREFERENCE_H

#include "store/op.h"

/* English first, the others as Mailman knows them. */
#define LANGUAGE_WORDS                                                                                       \
    "en ar ast bg ca cs da de el es et eu fi fr gl he hr hu ia it ja ko lt nl no pl pt pt_BR ro ru sk sl "   \
    "sr "                                                                                                    \
    "sv tr uk vi zh_CN zh_TW"

enum preference {
#define PREFERENCE(id, number, name, values, help) PREFERENCE_##id = (number),
#include "store/preference.def"
#undef PREFERENCE
};

/* Whose preference it is: the id of a membership, an address or a user. */
enum preference_level { LEVEL_MEMBER = 1, LEVEL_ADDRESS = 2, LEVEL_USER = 3 };

#define STATUS_ENABLED    0 /* of DELIVERY_STATUS */
#define STATUS_BY_BOUNCES 2

#define PREFERENCE_UNSET (-1) /* what the next level says */

/* There is such a preference, with such a value, or UNSET. The functions below want one that is there. */
bool preference_is_valid(int64_t number, int64_t value);
const char *preference_name(enum preference p);
/* "delivery_status hide_address ...": for messages. */
const char *preference_names(void);
bool preference_find(view name, enum preference *ret);
/* "by_user" <-> 1. False when the preference has no such value. */
bool preference_parse(enum preference p, view text, int64_t *ret_value);
/* Empty for UNSET. */
view preference_text(enum preference p, int64_t value);
/* "enabled, by_user, ...": for messages. */
const char *preference_values(enum preference p);

#endif
