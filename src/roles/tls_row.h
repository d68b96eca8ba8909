/* tls_row.h: what is counted of a session for reports about TLS (RFC 8460): the row of tally_add(TALLY_TLS).
 * Sessions whose rows are alike are counted together. */
#ifndef ROLES_TLS_ROW_H
#define ROLES_TLS_ROW_H

#include "auth/tls_report.h"

struct tls_row {
    enum tls_policy_kind kind;
    const view *policy, *mx_hosts; /* lines of the policy as it was found, patterns of hosts */
    size_t policy_count, mx_host_count;
    view domain;  /* that the policy is of, where it is not the one the report is for (RFC 8460 1.1); or empty
                   */
    view failure; /* "certificate-expired" and so on (RFC 8460 4.3); empty: success */
    view sending_ip, receiving_mx, receiving_ip, reason; /* of a failure; any may be empty */
};

/* At most TLS_ROW_MOST octets: of a policy that is longer, lines are left off, those that name hosts before
 * others; always the same ones, so that what is alike is still counted together. */
enum { TLS_ROW_MOST = 8000 };
void tls_row_write(const struct tls_row *r, struct buf *out);
/* Borrows, or lives in the arena. False: it is none. */
bool tls_row_read(view row, struct arena *a, struct tls_row *ret);

#endif
