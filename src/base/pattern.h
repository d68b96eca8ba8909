/* pattern.h: regular expressions that people write into settings, run over text that strangers send (PCRE2).
 * Case is ignored, text is UTF-8 where it is (broken UTF-8 never matches and is no error), and what a match
 * may cost is bounded: an expression that explodes fails, it does not hang. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include "base/err.h"
#include "base/view.h"

enum pattern_answer { PATTERN_NO, PATTERN_YES, PATTERN_FAILED };

#define LIMIT_PATTERN 1000 /* octets of an expression */

/* The expression can be used. USAGE says what is wrong and where. */
bool pattern_check(view expression, struct err *e);

/* Found anywhere in the text; "^" ties it to the start. FAILED: it cannot be used or costs too much; *e (not
 * NULL) says which. */
enum pattern_answer pattern_match(view expression, view text, struct err *e);

#endif
