/* report_part.h: where reports stand in what comes: DMARC's (RFC 9990 3.5, RFC 7489 7.2.1) and TLS's (RFC
 * 8460 5). Sizes are bounded before anything is unpacked. */
#ifndef AUTH_REPORT_PART_H
#define AUTH_REPORT_PART_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* The part of a mail that holds a report: the octets, decoded, of the first attachment that can be one
 * (application/gzip, zip, x-zip-compressed, tlsrpt+gzip, tlsrpt+json, json, text/xml, application/xml,
 * octet-stream with a name that ends so) and begins like one. A text that is no mail is itself the part.
 * False: there is none, or it does not fit (out->failed). */
bool report_part_find(view message, struct arena *a, struct buf *out);

/* XML or JSON as it is, gzip, or a zip file with one member, told apart by the first octets. Appends it.
 * False, with nothing appended: see e; LIMIT: it unpacks to more than `most` octets, or to so many times its
 * own that no report does; else USAGE. */
bool report_part_unpack(view packed, size_t most, struct buf *out, struct err *e);
/* gzip (RFC 1952), for sending. */
void report_part_gzip(view text, struct buf *out);

#endif
