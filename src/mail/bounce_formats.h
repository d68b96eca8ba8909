/* bounce_formats.h: the ways of programs that write of mail that came back and know no notifications. */
#ifndef MAIL_BOUNCE_FORMATS_H
#define MAIL_BOUNCE_FORMATS_H

#include "base/view.h"

enum bounce_place {
    PLACE_ALONE,    /* the line has nothing else, but quotes, bullets and brackets */
    PLACE_FIRST,    /* it begins the line */
    PLACE_ANGLE,    /* it begins the line, in angle brackets */
    PLACE_ANYWHERE, /* the first of the line */
    PLACE_BEHIND,   /* the first behind the words `before` */
    PLACE_REPLY,    /* behind the code of a refusal that begins the line */
    PLACE_KNOWN,    /* the addresses are known from elsewhere */
    PLACE_NAME      /* the first word of an indented line, without its domain: see `domains` */
};

/* All words are in lower case; "|" separates alternatives; "^" in front: at the beginning of a line. */
struct bounce_format {
    const char *begin; /* the line from which on addresses may come */
    const char *end;   /* the line that ends it, besides the header of a message; NULL: the end of the text */
    enum bounce_place place;
    const char *before;  /* see PLACE_BEHIND */
    const char *with;    /* what the text must have somewhere, or NULL */
    const char *domains; /* see PLACE_NAME: of the program, which writes from the first of them */
    bool delayed;        /* it goes on trying */
};

/* In the order in which they are tried. */
extern const struct bounce_format bounce_formats[];
extern const size_t bounce_format_count;

/* Offset of the first of the alternatives that the text in lower case has, and where it ends; or -1. */
ptrdiff_t bounce_find_words(view low, const char *words, size_t *ret_end);

#endif
