/* text_fill.h: plain text to read, filled from words: lines of at most 72 columns that end in CRLF, each with
 * the prefix of the quotations and lists it stands in, and empty lines between paragraphs.
 *
 * Text is UTF-8. Whatever is fed, the output has no control character but CRLF, and TAB in verbatim text; no
 * line end at its beginning, and one line end at its end. A column is a character, wide or narrow. */
#ifndef MAIL_TEXT_FILL_H
#define MAIL_TEXT_FILL_H

#include "base/buf.h"

enum {
    TEXT_FILL_COLUMNS = 72,
    TEXT_FILL_PREFIX_MOST = 40, /* octets; what is nested deeper stays at that */
};

struct text_fill {
    struct buf *out;
    struct buf word; /* read, but it may go on */
    size_t word_columns;
    size_t blanks; /* between what is on the line and the next word */
    size_t breaks; /* line ends that come before the next word, that of an open line among them */
    size_t column;
    bool line_open, started;
    size_t lines;             /* ended by a break, not because they were full */
    struct buf prefix, first; /* of a line, and of the next line; always equally long */
    size_t empty_prefix_len;  /* what an empty line would share with the lines around it */
};

/* `out` must outlive it; done() frees what it holds, and ends the last line. Out of the limit of `out` or of
 * memory for one word: `out` has failed. */
void text_fill_init(struct text_fill *f, struct buf *out);
void text_fill_done(struct text_fill *f);

/* Words with white space between them, which is one blank in the end; so is a no-break space. A word goes on
 * where the text before ended without white space. Control characters and characters that only say where a
 * word may be broken are left out. */
void text_fill_words(struct text_fill *f, view text);
/* Text as it is, with its white space; "\n" ends a line. */
void text_fill_verbatim(struct text_fill *f, view text);

/* End the line; an empty one if it has ended already. More than one empty line never follow each other. */
void text_fill_break(struct text_fill *f);
/* What follows begins on a line of its own, behind an empty one if `gap`. Only at the start of a cell of a
 * table that continues a line this does nothing: a cell's paragraph need not break its row. */
void text_fill_block(struct text_fill *f, bool gap);
/* The same without a gap, there too. */
void text_fill_line(struct text_fill *f);

/* Put `prefix` (ASCII) before all lines from here on, behind the prefixes there are already, and `first`,
 * which is as long, before the next one instead. Begins a line. Returns what outdent() needs to undo it, and
 * everything after it. */
size_t text_fill_indent(struct text_fill *f, view prefix, view first);
void text_fill_outdent(struct text_fill *f, size_t indent);

/* A row of a table begins, on a line of its own. Returns what its cells need. */
size_t text_fill_row(struct text_fill *f);
/* A cell begins: behind two blanks if all of its row is on one line so far, else on a line of its own. */
void text_fill_cell(struct text_fill *f, size_t row);

#endif
