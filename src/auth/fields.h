/* fields.h: "v=NAME; name=value; name=value", as the records of MTA-STS (RFC 8461 3.1) and of reports about
 * TLS (RFC 8460 3) are written: the same grammar, stricter than that of tags.h. */
#ifndef AUTH_FIELDS_H
#define AUTH_FIELDS_H

#include "base/view.h"

/* Of those TXT records, the one that begins with that version ("v=STSv1"); *ret is what stands behind. False:
 * there is none, or more than one. */
bool fields_choose(const view *records, size_t count, view version, view *ret);

enum fields_state { FIELDS_END, FIELDS_NEXT, FIELDS_MALFORMED };
/* Take the next from *rest. Its value is not looked at. */
enum fields_state fields_next(view *rest, view *ret_name, view *ret_value);

/* A letter or digit, and up to 31 of these, "_", "-" and ".". */
bool fields_name_is_valid(view name);
/* What the value of a field that nobody knows may be. */
bool fields_value_is_valid(view value);

#endif
