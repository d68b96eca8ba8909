/* backoff.c: the retry schedule: retry_first, doubled with every try up to retry_most, a tenth more or less
 * at random so that what failed together does not come back together. */
#include "base/clock.h"
#include "base/id.h"
#include "roles/deliver/deliver.h"

int64_t backoff_ms(const struct config *c, int64_t tries) {
    int64_t wait = c->retry_first;
    for (int64_t i = 0; i < tries && wait < c->retry_most; i++)
        wait *= 2;
    if (wait > c->retry_most)
        wait = c->retry_most;
    int64_t tenth = wait / 10;
    return wait - tenth + (int64_t)(random_u64() % (uint64_t)(2 * tenth + 1));
}

bool backoff_is_late(const struct config *c, int64_t message, int64_t now_ms) {
    return c->delay_warning > 0 && now_ms - id_time_ms(message) >= c->delay_warning;
}

bool backoff_expired(const struct config *c, int64_t message, int64_t now_ms) {
    return now_ms - id_time_ms(message) >= c->queue_lifetime;
}
