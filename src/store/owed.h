/* owed.h: letters that a list owes somebody. The operation that makes one due notes it in its own
 * transaction; router writes it, and the note goes with the commit that takes the letter in: each is written
 * once, by one hand, whatever the change came from. */
#ifndef STORE_OWED_H
#define STORE_OWED_H

#include "store/op.h"

/* LETTER(id, number in the store: never reused, Mailman's template, whom it goes to) */
enum letter_kind {
#define LETTER(id, number, template, to) LETTER_##id = (number),
#include "store/letter.def"
#undef LETTER
};

enum letter_to { LETTER_TO_PERSON, LETTER_TO_OWNERS };

/* Answers that a list gives to whoever writes (settings autorespond_*), each once in a while. */
enum autoreply_kind { AUTOREPLY_OWNER = 1, AUTOREPLY_POSTINGS = 2, AUTOREPLY_REQUESTS = 3 };

/* False when there is no such kind. */
bool letter_kind_is_valid(int64_t kind);
enum letter_to letter_kind_to(enum letter_kind kind);
const char *letter_kind_template(enum letter_kind kind);

/* `addr`: whom it is about. detail: what it tells (a token, a reason). */
void letter_owe(struct op_run *r, enum letter_kind kind, int64_t list, int64_t addr, view detail);

#endif
