/* zone.h: DNS for tests: names and records from JSON, as the suites of mail authentication have them
 * (name -> list of {TYPE: value}; MX is [preference, host]; TXT may be a list of strings; "TIMEOUT": no
 * answer for what does not stand before it). */
#ifndef TESTING_ZONE_H
#define TESTING_ZONE_H

#include <jansson.h>

#include "auth/answers.h"

/* Answer all that is wanted. */
void zone_answer(const json_t *zone, struct answers *a);
/* "192.0.2.1" or "2001:db8::1" as octets; empty: neither. */
view zone_address(struct arena *a, const char *text);
view zone_text(const char *text); /* of a JSON string, NULL: empty */

#endif
