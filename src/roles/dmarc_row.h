/* dmarc_row.h: what is counted of a message for the report to the domain of its author (RFC 9990), as the
 * store keeps it: messages that are alike in all of this are one row. */
#ifndef ROLES_DMARC_ROW_H
#define ROLES_DMARC_ROW_H

#include "auth/check.h"
#include "auth/dmarc_report.h"

struct dmarc_row {
    view published; /* what the domain has published, as one text: rows of one report have the same */
    struct dmarc_report policy; /* the same: p, sp, np, adkim, aspf, testing */
    view rua;                   /* as written */
    struct dmarc_report_record record;
};

/* Append one. ip: the client's; rejected: the message was not taken. False: nobody wants to hear of it, or it
 * cannot be told. */
bool dmarc_row_write(const struct auth_query *q, const struct auth_verdict *v, view ip, bool rejected,
                     struct arena *a, struct buf *out);
/* False: no row. Views are borrowed. */
bool dmarc_row_read(view row, struct arena *a, struct dmarc_row *ret);

#endif
