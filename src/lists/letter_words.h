/* letter_words.h: the words of a letter of a list: the text that people have given for it, or the shipped one
 * in the language of whom it goes to, with the values of its variables.
 *
 * Every text has $listname ($fqdn_listname), $list_id, $display_name, $short_listname, $domain, $description,
 * $info, $request_email, $owner_email, $join_email, $leave_email, $site_email, $language, and of the person
 * it is about $user_email ($user_delivered_to), $user_name, $user_name_or_email; some have more
 * (store/template.def). What is no variable stays as it is written. */
#ifndef LISTS_LETTER_WORDS_H
#define LISTS_LETTER_WORDS_H

#include "base/arena.h"
#include "store/vals.h"

struct letter_variable {
    const char *name;
    view value; /* NULL: it has none here */
};

struct letter_words {
    view list, person, name;              /* addresses, normalised; the person's name, or empty */
    view display_name, description, info; /* settings of the list; may be empty */
    view languages;                       /* the best first; empty: English */
    view text;                            /* as people have given it; empty: the shipped one */
    const struct letter_variable *more;
    size_t more_count;
};

/* What LETTER_TEXT answers, about whom it was asked. Borrows. */
struct letter_words letter_words_read(view results, view list, view person);

/* A text of people. */
view letter_words_expand(const struct letter_words *w, view text, struct arena *a);

struct letter_made {
    view subject, text;
};
/* Subject and text of a letter; `shipped`: its name in letters_en.def. A given text may begin with a line
 * "Subject: ..." and an empty one. */
struct letter_made letter_words_make(const struct letter_words *w, const char *shipped, struct arena *a);
/* "words:no-reason" and the like in the letter's language. */
view letter_words_phrase(const struct letter_words *w, const char *shipped);

/* The first variable of a text of that template that has no value ever; empty: there is none. *rest goes on
 * behind it. */
view letter_words_unknown(view name, view *rest);

#endif
