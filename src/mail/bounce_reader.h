/* bounce_reader.h: what the files of bounce.c share: bounce_dsn.c reads notifications of RFC 3464,
 * bounce_text.c what programs write to people, bounce_kind.c says what a refusal means. */
#ifndef MAIL_BOUNCE_READER_H
#define MAIL_BOUNCE_READER_H

#include "mail/bounce.h"

struct bounce_reader {
    struct arena *arena;
    struct bounce_report *report;
    view from;           /* From of the message */
    struct caught *room; /* of bounce_text.c */
};

/* Note what was found; an address that is known already keeps the worse of the two. */
void bounce_add(struct bounce_reader *r, const struct bounce *b);

/* The address that a word is, without quotes and dots around it, or empty: one "@", printable, something like
 * a domain behind it. */
view bounce_address(view word);

/* Text of any kind as one printable line that is not too long, without white space around it. */
view bounce_line(view text, struct arena *a);

/* The first reply code of a text, and its enhanced code: the first of those that say most. */
struct bounce_codes {
    int code;      /* 0: none */
    view enhanced; /* or empty */
    size_t at;     /* where the reply code stands */
};
struct bounce_codes bounce_find_codes(view text);

/* What the text of a refusal makes of a bounce whose status, where one was declared, is set: its status, kind
 * and reason. */
void bounce_judge(struct bounce *b, bool delayed, view text, struct arena *a);

/* Length of "5.1.1" at the front, or 0. */
size_t bounce_status_len(view text);

/* Read the fields of a message/delivery-status. True when they settle what happened: an address was noted, or
 * mail arrived. */
bool bounce_read_status(struct bounce_reader *r, view fields);

/* Read the text of a program that knows no notifications. True when an address was noted; *ret_copy is then
 * what is behind the line where the text ends, the returned message mostly. */
bool bounce_read_text(struct bounce_reader *r, view text, view *ret_copy);

/* Look in a text for the reasons of what was noted without. */
void bounce_explain(struct bounce_reader *r, view text);

/* As above for the addresses of an X-Failed-Recipients field; the text says why. */
void bounce_read_failed(struct bounce_reader *r, view addresses, view text, view *ret_copy);

#endif
