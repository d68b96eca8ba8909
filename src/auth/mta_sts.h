/* mta_sts.h: MTA-STS (RFC 8461): a domain says by DNS and HTTPS which hosts take its mail, and that TLS is
 * needed. */
#ifndef AUTH_MTA_STS_H
#define AUTH_MTA_STS_H

#include "base/arena.h"

/* Of the TXT records at _mta-sts.DOMAIN: the id of the policy. False: there is not exactly one (RFC
 * 8461 3.1). */
bool mta_sts_record(const view *records, size_t count, view *ret_id);

enum mta_sts_mode { MTA_STS_NONE, MTA_STS_TESTING, MTA_STS_ENFORCE };
#define MTA_STS_MODES "none testing enforce" /* as base/words.h reads it */
enum { MTA_STS_HOSTS_MOST = 64, MTA_STS_BYTES_MOST = 64 * 1024, MTA_STS_AGE_MOST_S = 31557600 };

struct mta_sts_policy {
    enum mta_sts_mode mode;
    int64_t max_age_s;
    view hosts[MTA_STS_HOSTS_MOST]; /* "mx.example.org" or "*.example.org", lower case */
    size_t count;
};
/* Borrows or lives in the arena. False: malformed (RFC 8461 3.2), in *ret_why. */
bool mta_sts_policy_read(view text, struct arena *a, struct mta_sts_policy *ret, const char **ret_why);
/* RFC 8461 4.1: the host is one of them; "*" stands for exactly one label. */
bool mta_sts_allows(const struct mta_sts_policy *p, view host);

#endif
