/* date.h: dates of RFC 5322 3.3, as written and as found in the wild. */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/buf.h"

/* "Tue, 24 Nov 2026 05:06:07 +0000" (always UTC). */
void date_format(int64_t unix_ms, struct buf *out);
/* "Tue Nov 24 05:06:07 2026" (UTC): the form of C's asctime(), which mbox files use. */
void date_format_asctime(int64_t unix_ms, struct buf *out);
/* "2026-11-24T05:06:07.123Z" (RFC 3339). */
void date_format_iso(int64_t unix_ms, struct buf *out);

/* RFC 5322 date-time with the obsolete forms (two-digit years, named zones, comments, no day name, missing
 * seconds), also asctime(). A missing or unknown zone counts as UTC (RFC 5322 4.3); what stands behind the
 * zone is not looked at. False when it is no date, or one before 1900 or after 9999. */
bool date_parse(view text, int64_t *ret_unix_ms);

/* RFC 3339 5.6, also without seconds, or the day alone; zones and false as above, and false, too, when
 * anything stands behind it. */
bool date_parse_iso(view text, int64_t *ret_unix_ms);

/* Year and month (1..12) in UTC. */
void date_month(int64_t unix_ms, int *ret_year, int *ret_month);

#endif
