/* restart.h: when a role that died is started again. Pure. */
#ifndef ROLES_SUPERVISOR_RESTART_H
#define ROLES_SUPERVISOR_RESTART_H

#include <stdint.h>

#define RESTART_CALM_MS 60000 /* a role that lived this long starts with a clean record */
#define RESTART_MOST_MS 30000

struct restart {
    unsigned count; /* deaths in a row, each soon after the start */
};

/* A role died after `lived_ms`: the wait until its next start. The first three restarts are immediate (DESIGN
 * 2), then 1, 2, 4 … 30 s. */
int64_t restart_delay_ms(struct restart *r, int64_t lived_ms);

#endif
