/* restart.c: back-off between restarts of a role. */
#include "roles/supervisor/restart.h"

enum { AT_ONCE = 3, FIRST_WAIT_MS = 1000 };

int64_t restart_delay_ms(struct restart *r, int64_t lived_ms) {
    if (lived_ms >= RESTART_CALM_MS)
        r->count = 0;
    r->count++;
    if (r->count <= AT_ONCE)
        return 0;
    int64_t wait = FIRST_WAIT_MS;
    for (unsigned n = AT_ONCE + 1; n < r->count && wait < RESTART_MOST_MS; n++)
        wait *= 2;
    return wait < RESTART_MOST_MS ? wait : RESTART_MOST_MS;
}
