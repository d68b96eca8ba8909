/* address.h: mail addresses as SMTP writes them: paths, mailboxes, domains (RFC 5321 4.1.2, 4.1.3; UTF-8 by
 * RFC 6531 3.3). Everything is pure: views in, views out; what is returned borrows from the input or lives in
 * the arena that was given. */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* A mailbox taken apart. Both parts as written; a quoted local part keeps its quotes. */
struct address {
    view local;
    view domain; /* empty only for the special recipient <postmaster> and for the null path */
};

enum { PATH_ALLOW_NULL = 1, PATH_ALLOW_POSTMASTER = 2, PATH_ALLOW_UTF8 = 4 };

/* Parse "<local@domain>", also "<@route:local@domain>" (the route is ignored, RFC 5321 appendix F.2), at the
 * front of *line; on success *line begins behind it. The null path gives two empty parts. Errors:
 * SYNTAX_ADDRESS, NO_UTF8 (an 8-bit address without PATH_ALLOW_UTF8). */
bool address_parse_path(view *line, unsigned flags, struct address *ret_address, struct err *e);

/* Parse a bare "local@domain" that fills the view. Dot-atom or quoted string; domain, or address literal in
 * brackets. Lengths in octets: domain LIMIT_DOMAIN, the whole LIMIT_ADDRESS; a local part may be longer than
 * the 64 octets that RFC 5321 4.5.3.1 wants taken at least, for VERP addresses are. */
bool address_parse(view text, unsigned flags, struct address *ret_address, struct err *e);

/* The form by which addresses are compared and stored: domain in lower-case A-labels (RFC 5891), local part
 * in lower case (this server treats local parts as case-insensitive, RFC 5321 2.4 leaves it to the owner of
 * the domain), quotes removed where they are not needed. SYNTAX_ADDRESS when the domain is no IDN. */
bool address_normalise(const struct address *in, struct arena *a, view *ret_text, struct err *e);
/* As above from text; the usual way in for the command line. */
bool address_normalise_text(view text, struct arena *a, view *ret_text, struct err *e);

/* Domain alone, same form. Refuses empty labels, labels over 63 octets, and addresses (mail or IP, bracketed
 * or not). */
bool domain_normalise(view domain, struct arena *a, view *ret_domain, struct err *e);

/* Split a normalised address at its last '@'. */
struct address address_split(view normalised);

/* "user+detail" -> user, detail, at the first '+'; without one detail is empty. Of a quoted local part the
 * quotes are left off and quoted pairs kept; it is not split when the user alone would need the quotes. */
void address_detail(view local, view *ret_user, view *ret_detail);

/* Append what a local part stands for, without quotes and quoted pairs; and the reverse: append text as a
 * dot-atom where it is one, else as a quoted string. */
void address_local_decode(view local, struct buf *out);
void address_local_encode(view text, struct buf *out);

/* Take an address apart, its local part as what it stands for; and put such parts together, quoted again
 * where they must be. False: it is none. Both live in the arena. */
bool address_open(view text, struct arena *a, struct address *ret_parts);
bool address_close(const struct address *parts, struct arena *a, view *ret_text);

bool address_is_utf8(const struct address *a); /* has a byte >= 0x80 */

#endif
