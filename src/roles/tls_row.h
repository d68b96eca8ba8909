/* tls_row.h: what is counted of a session for the report to the domain it was for (RFC 8460), as the store
 * keeps it: sessions that are alike in all of this are one row. */
#ifndef ROLES_TLS_ROW_H
#define ROLES_TLS_ROW_H

#include "auth/tls_report.h"

struct tls_row {
    enum tls_policy_kind kind;
    const view *policy, *mx_hosts;
    size_t policy_count, mx_host_count;
    view failure; /* its type (RFC 8460 4.3); empty: success */
    view sending_ip, receiving_mx, receiving_ip, info;
};

void tls_row_write(const struct tls_row *r, struct buf *out);
/* False: no row. Views are borrowed. */
bool tls_row_read(view row, struct arena *a, struct tls_row *ret);

#endif
