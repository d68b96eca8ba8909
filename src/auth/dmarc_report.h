/* dmarc_report.h: aggregate reports of DMARC (RFC 9990; RFC 7489's form is read, too): who sent mail with an
 * author of a domain, and what became of it. */
#ifndef AUTH_DMARC_REPORT_H
#define AUTH_DMARC_REPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    DMARC_REPORT_BYTES_MOST = 32 << 20, /* of XML; a container that holds more is refused */
    DMARC_REPORT_RECORDS_MOST = 100000,
    DMARC_REPORT_AUTH_MOST = 100 /* results of one record, of DKIM and of SPF */
};
#define DMARC_REPORT_COUNT_MOST INT64_C(1000000000000) /* messages of one record; the sum of all has room */

/* What SPF or DKIM said. */
struct dmarc_report_auth {
    view domain, selector, result, scope, human; /* selector: DKIM; scope: SPF, "mfrom" or "helo" */
};
struct dmarc_report_record {
    view source_ip;
    int64_t count;        /* messages; 0 where that cannot be read */
    view disposition;     /* none, quarantine, reject; RFC 9990 knows pass, too */
    view dkim, spf;       /* aligned: pass or fail */
    view reason, comment; /* why the policy was overridden: the first one; or empty */
    view header_from, envelope_from, envelope_to;
    const struct dmarc_report_auth *dkim_results, *spf_results;
    size_t dkim_count, spf_count;
};
struct dmarc_report {
    view organization, email, contact, id, generator;
    int64_t begin_s, end_s; /* seconds since 1970 */
    view domain, p, sp, np, adkim, aspf, pct, fo, testing,
        discovery;     /* what was published; any but domain may be empty */
    view namespace;    /* of XML; empty: none */
    const char *error; /* a fault its maker reports; or NULL */
    const struct dmarc_report_record *records;
    size_t count;
};

/* Append the XML of RFC 9990 (namespace urn:ietf:params:xml:ns:dmarc-2.0), valid whatever is given, as long
 * as there is a record: octets of others are escaped, what XML cannot have becomes "?", and what RFC 9990
 * does not know is left out (pct, the scope "helo", a second result of SPF) or becomes the word that says
 * least (reason "other", result "none"). */
void dmarc_report_write(const struct dmarc_report *r, struct buf *out);

/* From XML, leniently: unknown elements are passed over, elements in any order, without or with whatever
 * namespace; of what stands twice, the first counts. No DTD and no entities but XML's own. False: see e,
 * USAGE or LIMIT. */
bool dmarc_report_read(view xml, struct arena *a, struct dmarc_report *ret, struct err *e);

#endif
