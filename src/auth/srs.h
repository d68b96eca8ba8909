/* srs.h: the Sender Rewriting Scheme. Who forwards mail sends it with a sender of its own domain, so that SPF
 * passes there, and a notification to it finds its way back: SRS0=hash=day=domain=local, and for what another
 * has forwarded before SRS1=hash=forwarder=…. The hash is keyed: nobody else can make such an address, so it
 * relays nothing. */
#ifndef AUTH_SRS_H
#define AUTH_SRS_H

#include "base/arena.h"

enum { SRS_KEYS_MOST = 8, SRS_AGE_DAYS = 21 };

/* The first makes addresses, all are accepted: a new key goes to the front, the last goes when SRS_AGE_DAYS
 * are over. */
struct srs_keys {
    view list[SRS_KEYS_MOST];
    size_t count;
};

bool srs_is_one(view address); /* SRS0 or SRS1 by its look */
/* Sender of the copy that is forwarded. False: it cannot be rewritten (no domain, or too long). */
bool srs_forward(view sender, view forwarder, const struct srs_keys *keys, int64_t now_s, struct arena *a,
                 view *ret);
/* Where a notification to that address goes. False: not of ours, or too old. Case of the hash does not
 * matter: some hosts change it. */
bool srs_reverse(view address, const struct srs_keys *keys, int64_t now_s, int age_days, struct arena *a,
                 view *ret);

#endif
