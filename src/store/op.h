/* op.h: operations: named, parameterised transactions, values in, values out. One table (op.def) says who may
 * call each and how durable its commit is; the functions in op_*.c are the only places with SQL beside
 * schema.c.
 *
 * An operation states its preconditions as compare-and-set and is idempotent by a natural key: it may be run
 * again after a lost answer. */
#ifndef STORE_OP_H
#define STORE_OP_H

#include "base/arena.h"
#include "store/db.h"
#include "store/vals.h"

enum store_role {
    R_STORED = 1,
    R_SMTPD = 2,
    R_ROUTER = 4,
    R_DELIVER = 8,
    R_ARCHIVED = 16,
    R_CLI = 32,
    R_HTTPD = 64
};

enum op {
#define OP(id, name, durability, roles, grants) OP_##id,
#include "store/op.def"
#undef OP
    OP_COUNT
};

/* One run of an operation. */
struct op_run {
    struct db *db;
    struct vals in;
    struct buf *out;
    struct err err; /* set by op_refuse: the operation's own "no"; its changes are rolled back */
    int64_t now_ms;
    struct arena *arena; /* until the end of the transaction */
};

typedef void (*op_function)(struct op_run *r);

struct op_info {
    const char *name;
    enum durability durability;
    unsigned roles;
    const char *grants;
    op_function run;
};

const struct op_info *op_info(enum op op);
/* "smtpd", "router" … */
const char *store_role_name(enum store_role role);

/* Refuse, unless something went wrong before. */
void op_refuse(struct op_run *r, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The statements GRANT … TO <user> for one role, from the table. */
void op_grants(enum store_role role, const char *user, struct buf *out);

#define OP(id, name, durability, roles, grants) void op_run_##id(struct op_run *r);
#include "store/op.def"
#undef OP

#endif
