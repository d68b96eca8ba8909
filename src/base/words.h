/* words.h: the values of an enumeration as one text, "open confirm moderate": the first word is 0. */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include "base/view.h"

bool words_find(const char *words, view word, int64_t *ret_value);
bool words_has(const char *words, int64_t value);
/* "?" when there is no such value. */
view words_at(const char *words, int64_t value);

#endif
