/* pattern.h: regular expressions that people write into settings, run over text that strangers send (PCRE2).
 * Case is ignored, text is UTF-8 where it is (broken UTF-8 never matches and is no error), and what a match
 * may cost is bounded: an expression that explodes fails, it does not hang. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include "base/err.h"
#include "base/view.h"

enum pattern_answer { PATTERN_NO, PATTERN_YES, PATTERN_FAILED };

#define LIMIT_PATTERN     1000   /* octets of an expression */
#define PATTERN_BUDGET_US 250000 /* of processor time, for one expression or for many */

/* The expression can be used. USAGE says what is wrong and where. */
bool pattern_check(view expression, struct err *e);

/* Found anywhere in the text; "^" ties it to the start. FAILED: it cannot be used or costs too much; *e (not
 * NULL) says which. */
enum pattern_answer pattern_match(view expression, view text, struct err *e);

/* The same, for many expressions that share what they may cost: *left_us of processor time, of which what
 * this one takes is subtracted. One that began ends at its own bounds, so it may take a little more. With
 * nothing left it fails. */
enum pattern_answer pattern_match_within(view expression, view text, int64_t *left_us, struct err *e);

#endif
