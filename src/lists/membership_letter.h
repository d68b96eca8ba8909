/* membership_letter.h: the letters about memberships that lists owe (store/owed.h): who is asked, welcomed,
 * warned or told, and in what words. */
#ifndef LISTS_MEMBERSHIP_LETTER_H
#define LISTS_MEMBERSHIP_LETTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "lists/letter_words.h"
#include "store/owed.h"

struct membership_letter {
    enum letter_kind kind;
    view detail; /* of the note */
    struct letter_words words;
    view secret; /* the list's: for WARNING and PROBE */
    view hostname;
};

/* Append it as ACCEPT takes it. */
bool membership_letter_args(const struct membership_letter *l, struct arena *a, int64_t now_ms,
                            struct buf *args, struct err *e);

/* Keys, computed with the list's secret (unsubscribe.h): of LIST-confirm+KEY, to which a member answers whose
 * delivery was switched off; and of LIST-bounces+KEY+USER=HOST, to which a letter comes back that tried an
 * address. */
view membership_enable_key(view secret, view person, struct arena *a);
/* False when `detail`, what stands behind LIST-bounces+, is no such one of anybody. */
bool membership_probe_is(view secret, view detail, struct arena *a, view *ret_person);

#endif
