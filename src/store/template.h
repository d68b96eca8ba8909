/* template.h: texts that people get from lists, by Mailman's names. They stand in scopes as settings do
 * (list_setting.h); in a scope a text can have a language, or be for all people. What nobody has said is
 * shipped (lists/shipped.h). */
#ifndef STORE_TEMPLATE_H
#define STORE_TEMPLATE_H

#include "store/op.h"

/* Languages in which every letter is shipped; another is one of PREFERENCE_PREFERRED_LANGUAGE. */
#define SHIPPED_LANGUAGES "en de"

#define TEMPLATE_FRESH_MS (7LL * 24 * 3600 * 1000) /* a text behind a URI is asked for again after that */
#define TEMPLATE_RETRY_MS (3600LL * 1000)          /* where that failed */

/* What TEMPLATE_SET does. */
enum template_how { TEMPLATE_REMOVE, TEMPLATE_BY_URI, TEMPLATE_BY_TEXT };

/* "list:user:notice:welcome" */
bool template_name_is_valid(view name);
/* The i-th of them; NULL: there are no more. */
const char *template_name_at(size_t i);
/* The variables of a text of that (valid) name beside those that every text has. */
const char *template_variables(view name);
/* A language of people, or empty. */
bool template_language_is_valid(view language);

/* For operations. The text of that name that counts for a person of the list: the list's, its domain's, the
 * site's; in that person's `language` (empty: the list's), else the list's, else the one for all people.
 * Empty: the shipped text counts. */
view template_text_of(struct op_run *r, view list, const char *name, view language);
/* The languages that somebody wants letters of the list in, the best first, with spaces in between. addr 0:
 * those who look after the list. */
view languages_of(struct op_run *r, int64_t list, view list_address, int64_t addr);

#endif
