/* mailman_configuration.h: what programs written for Mailman 3.3 find where they look for its configuration,
 * over REST and on the command line. */
#ifndef LISTS_MAILMAN_CONFIGURATION_H
#define LISTS_MAILMAN_CONFIGURATION_H

#include "base/arena.h"
#include "base/config.h"

/* Clients that look for Mailman find the version whose interface this is, and its queues. */
#define MAILMAN_VERSION "GNU Mailman 3.3.8 (Tom Sawyer)"
#define MAILMAN_QUEUES  "archive bad bounces command digest in nntp out pipeline retry shunt virgin"

enum { CONFIGURATION_KEYS_MAX = 64 }; /* of a section */

/* Their names, with blanks between. */
extern const char configuration_sections[];
bool configuration_has(view section);

struct configuration_value {
    view key, value;
};
/* Those of a section, by their keys; in the arena (NULL: it is full). */
struct configuration_value *configuration_of(const struct config *config, view section, struct arena *a,
                                             size_t *ret_count);

#endif
