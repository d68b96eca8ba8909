/* report.h: reports about mail: what is counted for those to others (roles/tally.h), and what others have
 * reported (auth/dmarc_report.h, auth/tls_report.h). */
#ifndef STORE_REPORT_H
#define STORE_REPORT_H

#include "store/op.h"

/* Numbers are kept in the store: never reused. */
enum report_kind { REPORT_DMARC = 1, REPORT_TLS = 2 };

/* A report is made soon after its day (UTC), each domain's at a time of its own within an hour: receivers
 * would get all at once else. */
#define REPORT_PAUSE_MS INT64_C(300000)
#define REPORT_SPREAD_S 3300
/* What could not be reported by then is dropped (RFC 8460 5.2 gives up after a day). */
#define REPORT_DAYS_MOST 3

enum {
    REPORT_ROW_MOST = 8192,     /* octets of what is counted */
    REPORT_NAME_MOST = 255,     /* of an organization, the name of its report, a domain */
    REPORT_TEXT_MOST = 1000,    /* of what else is kept as text */
    REPORT_TOTAL_MOST = 20001,  /* rows of a report that are kept */
    REPORTS_A_DAY_MOST = 20000, /* that are taken */
    REPORT_MESSAGES_MOST = 1000000000
};

/* How a summary is grouped. source: the host that sent. name: the author's domain (DMARC), the host that
 * received (TLS). */
enum report_by { REPORT_BY_SOURCE, REPORT_BY_NAME, REPORT_BY_DETAIL };

#endif
