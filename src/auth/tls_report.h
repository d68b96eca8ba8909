/* tls_report.h: reports about TLS (TLSRPT, RFC 8460): where they go, what stands in them, sent and received.
 */
#ifndef AUTH_TLS_REPORT_H
#define AUTH_TLS_REPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    TLS_REPORT_BYTES_MOST = 8 << 20, /* of JSON */
    TLS_REPORT_PLACES_MOST = 10,
    TLS_REPORT_POLICIES_MOST = 1000,
    TLS_REPORT_FAILURES_MOST = 1000, /* of one policy */
    TLS_REPORT_LINES_MOST = 1000     /* of a policy, and as many patterns of hosts */
};
#define TLS_REPORT_SESSIONS_MOST INT64_C(1000000000000) /* of one number; the sum of all has room */

/* Of the TXT records at _smtp._tls.DOMAIN: where reports go ("mailto:…", "https:…"). Count; 0: nobody wants
 * any, or the record is malformed (RFC 8460 3). */
size_t tls_report_record(const view *records, size_t count, struct arena *a,
                         view ret[TLS_REPORT_PLACES_MOST]);

/* RFC 8460 4.2. */
enum tls_policy_kind { TLS_POLICY_TLSA, TLS_POLICY_STS, TLS_POLICY_NONE };
#define TLS_POLICY_KINDS "tlsa sts no-policy-found"

struct tls_failure {
    view type; /* "certificate-expired" and so on (RFC 8460 4.3) */
    view sending_ip, receiving_mx, receiving_helo, receiving_ip, info, reason; /* any may be empty */
    int64_t sessions;
};
struct tls_policy_report {
    enum tls_policy_kind kind;
    view domain;
    const view *policy, *mx_hosts; /* lines of the policy, patterns of hosts */
    size_t policy_count, mx_host_count;
    int64_t success, failure; /* sessions */
    const struct tls_failure *failures;
    size_t failure_count;
};
struct tls_report {
    view organization, contact, id;
    int64_t begin_s, end_s; /* seconds since 1970 */
    const struct tls_policy_report *policies;
    size_t policy_count;
};

/* Append its JSON (not compressed). */
void tls_report_write(const struct tls_report *r, struct buf *out);
/* From JSON, leniently as others write it. False: see e, USAGE or LIMIT. */
bool tls_report_read(view json, struct arena *a, struct tls_report *ret, struct err *e);

#endif
