/* config_text.h: configuration of lists as text: a part of TOML 1.0 that is read here and written here.
 *
 *     ["news@example.org"]                  # a section: what follows is said for that scope
 *     description = "About \"news\""
 *     max_message_size = 100                # a bare word: letters, digits and .+-_
 *     info = """
 *     Several
 *     lines."""
 *     bans = ["x@y.example", '^.*@z\.example$']
 *     [["news@example.org".header_match]]   # one of several
 *     header = "x-spam"
 *
 * Texts are basic, literal and multi-line basic strings. Pure: what names and values mean is for the reader.
 */
#ifndef LISTS_CONFIG_TEXT_H
#define LISTS_CONFIG_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum config_text_kind { CONFIG_TEXT_SECTION, CONFIG_TEXT_MATCH, CONFIG_TEXT_VALUE };

struct config_text_item {
    enum config_text_kind kind;
    size_t line;
    view name;  /* of a section: its scope */
    bool many;  /* the value is an array: */
    view value; /* its values, one a line */
};

struct config_text {
    view rest;
    size_t line;
    bool begun;
    struct arena *arena; /* where names and values live */
    struct err err;      /* SYNTAX: "line 3: ...". OK: none so far */
};

struct config_text config_text_of(view text, struct arena *a);
/* False: that was the last, or t->err says what is wrong. */
bool config_text_next(struct config_text *t, struct config_text_item *ret);

/* ---- writing ---- */

void config_text_section(struct buf *out, view scope, enum config_text_kind kind);
enum config_text_form { CONFIG_TEXT_BARE, CONFIG_TEXT_STRING, CONFIG_TEXT_LINES };
void config_text_value(struct buf *out, const char *name, view value, enum config_text_form form);
/* A value alone, on one line. */
void config_text_literal(struct buf *out, view value);

#endif
