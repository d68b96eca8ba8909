/* moderation.h: what becomes of a post. DEFAULT: as the list's setting says, whose
 * values have no DEFAULT and so begin with HOLD. */
#ifndef STORE_MODERATION_H
#define STORE_MODERATION_H

enum moderation {
    MODERATION_DEFAULT = 0,
    MODERATION_HOLD = 1,
    MODERATION_REJECT = 2,
    MODERATION_DISCARD = 3,
    MODERATION_ACCEPT = 4,
    MODERATION_DEFER = 5 /* the rules that follow say */
};
#define MODERATION_WORDS "list_default hold reject discard accept defer" /* as base/words.h reads it */

#endif
