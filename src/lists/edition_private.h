/* edition_private.h: the steps of an edition, each a recipe over the octets the last one made. */
#ifndef LISTS_EDITION_PRIVATE_H
#define LISTS_EDITION_PRIVATE_H

#include "lists/edition.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/mime.h"

/* Values of settings, in the order of their words (list_setting.def). */
enum reply_goes_to { REPLY_UNCHANGED, REPLY_TO_LIST, REPLY_EXPLICIT, REPLY_EXPLICIT_ONLY };
enum mitigation {
    MITIGATE_NOT,
    MITIGATE_MUNGE,
    MITIGATE_WRAP,
    MITIGATE_REFUSE,
    MITIGATE_DROP,
    MITIGATE_REWRITE
};
enum personalize { PERSONALIZE_NONE, PERSONALIZE_INDIVIDUAL, PERSONALIZE_FULL };

struct making {
    const struct edition_facts *l;
    const struct edition_post *post;
    struct arena *arena;
    view source;          /* octets the step works on */
    size_t trace;         /* of them, of the trace fields in front */
    struct header header; /* of the message behind those */
    struct mime mime;
    struct recipe out;
    struct edition *edition;
    enum mitigation mitigation; /* of From, in this form of the edition */
    view rewritten;             /* the fields of REWRITE */
};

static inline int64_t making_number(const struct making *m, enum list_setting s) {
    return list_setting_number(s, m->l->settings[s]);
}

static inline size_t making_at(const struct making *m, view v) {
    return (size_t)(v.ptr - m->source.ptr);
}

/* A field that is about the body (RFC 2045), and goes where the body goes. */
static inline bool making_is_content(view name) {
    return view_starts_with_nocase(name, VIEW("Content-"));
}

static inline void making_copy(struct making *m, view v) {
    recipe_copy(&m->out, making_at(m, v), v.len);
}

/* For the event: one more thing that was done. */
void edition_note(struct making *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* edition_approval.c: without the line that gives the moderators' password. False: there is none. */
bool edition_approval(struct making *m);

/* edition_filter.c: without the parts the list does not want. False: nothing is left, see edition->why. */
bool edition_filter(struct making *m);

/* edition_fields.c: the header, the empty line behind it included. `body` is the plan for what follows. */
struct body_plan {
    enum { BODY_AS_IT_IS, BODY_APPEND, BODY_INSERT, BODY_WRAP } how;
    struct recipe header, footer; /* the list's texts, UTF-8, lines end in CRLF; empty: none */
    char boundary[64];            /* of WRAP */
};
void edition_fields(struct making *m, const struct body_plan *plan);
/* Those of RFC 2369, 2919 and 5064. */
void edition_list_fields(struct making *m);
/* The Message-ID it has then, without brackets. */
view edition_message_id(const struct making *m);

/* edition_mitigation.c: what a From that must not stand there becomes. */
/* What the list does about this post's author, and whether at once (else only where it is needed). */
enum mitigation edition_mitigation(struct making *m, bool *ret_always);
/* It is done in this form of the edition; once the header is looked at. */
void edition_mitigation_begin(struct making *m, enum mitigation how);
bool edition_mitigation_replaces(const struct making *m, view name);
void edition_mitigation_fields(struct making *m);
/* Of MITIGATE_WRAP: the body, with the fields about it and the empty line. */
void edition_mitigation_body(struct making *m);
void edition_boundary(const struct making *m, char *out, size_t size);

/* edition_body.c: the texts above and below. */
void edition_body_plan(struct making *m, struct body_plan *ret);
void edition_body(struct making *m, const struct body_plan *plan);

/* edition_subject.c: append the value of Subject, without name and line end. NULL: the post has no such
 * field. */
void edition_subject(struct making *m, const struct header_field *subject, view prefix);

/* edition_text.c: one of the list's texts with its variables filled in. `copies`: those of the copy's
 * receiver too. */
void edition_text(const struct making *m, view text, bool copies, struct recipe *ret);
view edition_variable(const struct making *m, view name); /* of the list; ptr NULL: there is none */

#endif
