/* dmarc_tally.h: from what became of single messages to the reports about them (RFC 9990 3.1): those of which
 * all is the same are one record, and what was published for a domain is one report. */
#ifndef AUTH_DMARC_TALLY_H
#define AUTH_DMARC_TALLY_H

#include "auth/dmarc_report.h"

enum { DMARC_TALLY_SECRET = 16 };

struct dmarc_tally {
    struct arena *arena; /* has copies of all that is added */
    struct dmarc_tally_node **table;
    struct dmarc_tally_sheet *first, *last; /* reports, in the order of their first message */
    size_t sheets;
    struct buf key;
    unsigned char
        secret[DMARC_TALLY_SECRET]; /* senders choose what is added, not where it goes in the table */
};

void dmarc_tally_init(struct dmarc_tally *t, struct arena *a);
void dmarc_tally_done(struct dmarc_tally *t);

/* A message (or as many as `message->count` says): of `published` only what stands in policy_published
 * counts. False, with nothing added: the arena is full, or the report has DMARC_REPORT_RECORDS_MOST records.
 */
bool dmarc_tally_add(struct dmarc_tally *t, const struct dmarc_report *published,
                     const struct dmarc_report_record *message);

/* All reports so far, in the arena; who reports, the id and the time are for the caller to set. False: the
 * arena is full. */
bool dmarc_tally_reports(const struct dmarc_tally *t, struct dmarc_report **ret, size_t *ret_count);

#endif
