/* report.h: what the files about reports to others share. report.c: a thread that makes what is due;
 * report_place.c: where a report goes; report_make.c: what stands in it. */
#ifndef ROLES_DELIVER_REPORT_H
#define ROLES_DELIVER_REPORT_H

#include "roles/deliver/deliver.h"
#include "store/report.h"

/* Where a report goes. */
struct report_place {
    view uri;     /* as written, without its limit of size */
    view address; /* of mailto:; else empty */
    int64_t most; /* octets that are taken there; 0: no limit is said */
};
enum { REPORT_PLACES_MOST = 10 };

/* Of a kind and a day for a domain. */
struct report {
    enum report_kind kind;
    int64_t day, owner;
    view domain;
    struct arena arena;
    struct report_row *rows;
    size_t count;
};
struct report_row {
    view what;
    int64_t n;
};

/* The role is about to stop: nothing more is waited for. */
bool reports_stopping(void);

/* One file of a report: of the rows that have the same policy. */
struct report_file {
    view rua;                /* DMARC: as written there; TLS: empty */
    view id, name, document; /* name: of the file; document: packed */
};
enum { REPORT_FILES_MOST = 8 }; /* a domain that changes its policy more often hears of some only */

/* Where reports of that rua= go (RFC 9990 4): places that have agreed to take those of the domain. False: DNS
 * does not say now. */
bool report_places_dmarc(struct report *r, view rua, struct report_place *ret, size_t *ret_count);
/* By the domain's own record (RFC 8460 3). */
bool report_places_tls(struct report *r, struct report_place *ret, size_t *ret_count);

/* Files from the rows; none where no row can be read. */
size_t report_make(struct report *r, struct report_file ret[REPORT_FILES_MOST]);
/* Append the mail that brings it. */
void report_mail(const struct report *r, const struct report_file *f, view to, view message_id,
                 struct buf *out);

#endif
