/* verp.h: variable envelope return paths. A copy of a post to LIST@DOMAIN for the member USER@HOST leaves
 * with the envelope sender LIST-bounces+USER=HOST@DOMAIN, so that a bounce names the member by itself. */
#ifndef MAIL_VERP_H
#define MAIL_VERP_H

#include "base/buf.h"
#include "mail/address.h"

/* Append the envelope sender of `member`'s copy. `list` and `member` are normalised addresses. '+' and '=' in
 * the member's local part are kept: only the last '=' separates. */
void verp_format(view list, view member, struct buf *out);

/* The same with a key in front: LIST-bounces+KEY+USER=HOST@DOMAIN, of letters that try an address. */
void verp_format_keyed(view list, view key, view member, struct buf *out);

/* Decode the detail part ("user=host") of a bounce address. False when it has no '='. */
bool verp_parse(view detail, struct arena *a, view *ret_member);

#endif
