/* authres.h: the field Authentication-Results (RFC 8601; RFC 8616 for UTF-8): what a server has found out
 * about a message, for those behind it. ARC keeps the same text under another name (RFC 8617 4.1.1). */
#ifndef AUTH_AUTHRES_H
#define AUTH_AUTHRES_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/header.h"

struct authres_property {
    view type, name, value; /* smtp, mailfrom, a@example.org */
};

enum { AUTHRES_PROPERTIES_MOST = 16, AUTHRES_RESULTS_MOST = 100 };
struct authres_result {
    view method;
    int64_t version; /* of the method; 1 where it is not said */
    view result;
    view reason; /* or empty */
    struct authres_property properties[AUTHRES_PROPERTIES_MOST];
    size_t property_count;
};

struct authres {
    view id;         /* who says so (authserv-id) */
    int64_t version; /* 1 where it is not said */
    struct authres_result *results;
    size_t count; /* 0: "none" */
};

/* How strictly others' fields are read. */
struct authres_reading {
    bool relaxed; /* as Outlook and others write it: no authserv-id, a last ";", "/" in a bare value */
    bool utf8;    /* values may be UTF-8 (RFC 8616 6) */
};

/* value: of the field, folds and comments included. Names are lower case in *ret. False: malformed, or more
 * than is looked at. */
bool authres_parse(view value, const struct authres_reading *how, struct arena *a, struct authres *ret);

/* Whether a field claims to be from `id`, however odd it is otherwise: such a field in mail from outside is
 * forged (RFC 8601 5). Case does not matter. */
bool authres_claims(view value, view id);

/* Whether a field of a message that was checked here is Authentication-Results that others wrote in our name.
 * trace: the fields put on top of it here, ours among them where it was checked; the name it claims is taken
 * from there. */
bool results_are_forged(view trace, const struct header_field *f);

/* Append what stands behind the name of the field: "id; method=result reason=... smtp.mailfrom=...", a fold
 * before each result, with CRLF at the end. Whatever stands in the values: they are quoted where they must
 * be, control characters and what is no UTF-8 become "?", and no line is longer than 998 octets. */
void authres_write(const struct authres *r, struct buf *out);

#endif
