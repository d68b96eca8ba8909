/* exec.h: runs operations on a database: a group of calls in one transaction (group commit, DESIGN 3). */
#ifndef STORE_EXEC_H
#define STORE_EXEC_H

#include "store/op.h"

struct exec_call {
    enum op op;
    view args;
    struct buf *out;
    struct err err; /* result; code OK when done */
};

/* Run n calls with one commit, as durable as the most demanding of them (but see db_sync_apart). A call that
 * fails does not take the others down: the group is rolled back and every call runs again alone. Busy,
 * serialization failures and lost connections are run again. When it returns every call has its result. */
void exec_group(struct db *db, struct exec_call *calls, size_t n);

#endif
