/* report_in.h: a report of others, from a mail or a file into the store: router does so with what comes to
 * reports_to, the command line with what it is given. */
#ifndef ROLES_REPORT_IN_H
#define ROLES_REPORT_IN_H

#include "base/arena.h"
#include "store/store.h"

enum {
    REPORT_IN_MOST = 32 << 20, /* octets of the mail, and of what is packed in it */
    REPORT_IN_ARENA = 512 << 20
};

/* How the store is asked. */
struct report_in_store {
    bool (*call)(void *context, struct store_request *q, struct err *e);
    void *context;
};

struct report_in {
    bool is_tls;
    bool is_single; /* about one message: nothing of it is in the store; rows is 0, the program that wrote it
                       `organization` and `id` what it says */
    view organization, id, domain; /* as the store has them, fit to be shown; in the arena */
    int64_t messages;              /* sessions, of TLS */
    size_t rows;                   /* kept of it */
    bool is_new;                   /* something of it was not there before */
    bool is_other;                 /* the store has another one of that name, which stays */
};

/* False: USAGE or LIMIT say why it is no report that can be read or kept; else the store could not be asked.
 */
bool report_in(view message, const struct report_in_store *store, struct arena *a, struct report_in *ret,
               struct err *e);

#endif
