/* recipe.h: a message made from the octets of another: runs of them, texts between, and places that are
 * filled for each copy. What a list sends is kept as such a recipe beside the post it was made from (ADR 20):
 * small, and it says by itself that all the rest is as it came. */
#ifndef LISTS_RECIPE_H
#define LISTS_RECIPE_H

#include "base/arena.h"
#include "base/buf.h"

/* What a copy says of the one it goes to. Numbers are kept in the store: never reused. */
enum slot {
    SLOT_EMAIL = 1, /* the address it goes to */
    SLOT_NAME = 2,  /* the member's name, may be empty */
    SLOT_NAME_OR_EMAIL = 3,
    SLOT_MAILBOX = 4, /* both, as To wants it (RFC 5322 3.4) */
    SLOT_UNSUBSCRIBE =
        5 /* the key of unsubscribe.h for address and list, made with the list's key in `text` */
};

/* What fills it has the member's name in it. */
bool recipe_slot_names(enum slot slot);

enum piece_kind { PIECE_COPY = 0, PIECE_TEXT = 1, PIECE_SLOT = 2 };
/* UTF-8 as it is; quoted-printable; a segment of a URI's path (RFC 3986 2.1). */
enum slot_form { FORM_TEXT = 0, FORM_QP = 1, FORM_URI = 2 };

struct piece {
    enum piece_kind kind;
    size_t from, len; /* COPY: of the source */
    view text;        /* TEXT; of a SLOT what it is made with */
    enum slot slot;
    enum slot_form form;
};

struct recipe {
    struct piece *pieces;
    size_t count, room;
    struct arena *arena; /* owns the pieces; texts are borrowed unless said otherwise */
};

struct recipe recipe_in(struct arena *a);

/* Append. Runs that go on where the last one ended become one; empty ones are left out. A full arena shows in
 * its `failed`. */
void recipe_copy(struct recipe *r, size_t from, size_t len);
void recipe_text(struct recipe *r, view text); /* borrowed */
void recipe_printf(struct recipe *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void recipe_slot(struct recipe *r, enum slot slot, enum slot_form form, view text);
void recipe_add(struct recipe *r, const struct recipe *more);

/* The source as it is. */
bool recipe_is_whole(const struct recipe *r, size_t source_len);

/* Texts that were borrowed become its own. */
void recipe_own(struct recipe *r);

/* `second`, a recipe over what `first` makes, as one over the source of `first`. `first` has no slots. */
void recipe_compose(const struct recipe *first, const struct recipe *second, struct recipe *ret);

/* Octets of texts in it; and at most so many of its form in the store. */
size_t recipe_text_len(const struct recipe *r);
size_t recipe_stored_len(const struct recipe *r);
/* Pieces up to and with the last slot: only they differ from copy to copy. */
size_t recipe_differs(const struct recipe *r);

/* Its form in the store, and back; borrows from `stored`. False: not one over a source of so many octets. */
void recipe_write(const struct recipe *r, struct buf *out);
bool recipe_read(view stored, size_t source_len, struct arena *a, struct recipe *ret);

/* Append v as it stands in a segment of a URI's path. */
void uri_add(view v, struct buf *out);

struct copy_to {
    view address, name; /* name: printable, may be empty */
};

/* Append what pieces [from, to) make. `who` NULL: there are no slots among them. */
void recipe_render(const struct recipe *r, size_t from, size_t to, view source, const struct copy_to *who,
                   struct buf *out);

#endif
