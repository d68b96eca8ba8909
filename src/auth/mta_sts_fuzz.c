/* mta_sts_fuzz.c: what strangers publish: a policy, and records of MTA-STS and of reports about TLS. */
#include "auth/mta_sts.h"
#include "auth/tls_report.h"
#include "base/err.h"

static void check_policy(const struct mta_sts_policy *p) {
    BUG_ON(p->count > MTA_STS_HOSTS_MOST || (p->count == 0 && p->mode != MTA_STS_NONE));
    BUG_ON(p->max_age_s < 0 || p->max_age_s > MTA_STS_AGE_MOST_S);
    for (size_t i = 0; i < p->count; i++) {
        BUG_ON(!mta_sts_allows(p, p->hosts[i]));
        BUG_ON(!view_is_ascii(p->hosts[i]) || view_find(p->hosts[i], ' ') >= 0);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct arena arena;
    struct mta_sts_policy policy;
    const char *why;
    view text = view_from(data, size), id, places[TLS_REPORT_PLACES_MOST];
    arena_init(&arena, 1 << 20);
    if (mta_sts_policy_read(text, &arena, &policy, &why))
        check_policy(&policy);
    else
        BUG_ON(!why);
    if (mta_sts_record(&text, 1, &id))
        BUG_ON(id.len == 0 || !view_is_ascii(id));
    size_t count = tls_report_record(&text, 1, &arena, places);
    for (size_t i = 0; i < count; i++)
        BUG_ON(!view_is_ascii(places[i]) || view_find(places[i], '\n') >= 0);
    arena_done(&arena);
    return 0;
}
