/* edition.h: what a list makes of a post before it is sent: the list's edition. In the order of Mailman's
 * pipeline: parts the list does not want are taken out, fields that are not for others (passwords, requests
 * for receipts), the poster where the list is anonymous; Reply-To and Subject as the list is set; the list's
 * own fields (RFC 2369, 2919, 5064, 8058); a text above and one below. The result is a recipe (recipe.h), and
 * a list that asks for none of this has every octet of the post in it. Pure: no I/O. */
#ifndef LISTS_EDITION_H
#define LISTS_EDITION_H

#include "base/err.h"
#include "base/limits.h"
#include "lists/recipe.h"
#include "store/edition.h"
#include "store/list_setting.h"
#include "store/vals.h"

/* What the store says about a list and its post (operation LIST_EDITION). */
struct edition_facts {
    view list;      /* its address; empty: it is gone */
    view archive;   /* "public", "private" or "none" */
    int64_t number; /* of the post on the list, for a %d in the subject's prefix */
    view settings[LIST_SETTING_COUNT];
    view secret;    /* the list's, for unsubscribe.h */
    bool approvals; /* a list of the post has a moderator_password, which posts may give */
};

/* Borrows from `results`. False: malformed. take: from the front of them. */
bool edition_facts_take(struct vals *v, struct edition_facts *ret);
bool edition_facts_read(view results, struct edition_facts *ret);

struct edition_post {
    view source;  /* trace fields as they stand in the store, and the message as received */
    size_t trace; /* octets of the trace fields */
    int64_t message;
    view wrap_domain, wrap_key; /* for rewrite (mitigation.h); empty: there is none here */
    bool untouchable; /* its signature forbids changes (DKIM2 donotmodify): fields are added, no more */
    bool forbidden;   /* what smtpd found: the author's domain wants what fails quarantined or rejected */
};

struct edition {
    struct recipe recipe;    /* over the source */
    bool nothing_left;       /* the list's content filter leaves nothing, for the reason in `what`: see
                                filter_action */
    bool filtered;           /* parts are missing */
    bool approved;           /* the line that gave the moderators' password is missing */
    enum edition_kept kept;  /* the archive must not show what the list took out */
    bool names;              /* copies need the members' names */
    bool dkim2;              /* copies are signed with DKIM2 */
    bool own_from;           /* From of the recipe is the list's making */
    bool hides;              /* others must not learn of fields that the list took out */
    struct recipe mitigated; /* where the author's domain forbids the first (DMARC): count 0: there is none */
    enum {
        EDITION_GOES,
        EDITION_REFUSED,
        EDITION_DROPPED
    } dmarc;                     /* the list does not take it for its domain's sake */
    char what[LIMIT_EVENT_TEXT]; /* what was done, beside the list's own fields; empty: nothing */
};

/* Texts live in the arena or are borrowed. LIMIT: what the list adds is too large. */
bool edition_make(const struct edition_facts *l, const struct edition_post *p, struct arena *a,
                  struct edition *ret, struct err *e);

/* Append a post as it came, but for what others wrote in our name, with the few fields on top that tell
 * others it is a list's: where there is no edition. `trace` as in edition_post. */
void edition_plain(view list, view source, size_t trace, struct recipe *ret);

/* A digest that the list has made: with the fields that say whose it is on top. */
void edition_of_digest(const struct edition_facts *l, size_t source_len, struct arena *a, struct recipe *ret);

/* The edition as the archive of the list keeps it: what differs from copy to copy says the list. */
void edition_render_kept(const struct recipe *recipe, view source, view list, struct buf *out);

#endif
