/* op_together.c: several changes in one transaction. */
#include "store/op.h"

/* What may be done so; the grants of OP_TOGETHER are theirs. */
static bool may_be_done(int64_t op) {
    return op == OP_LIST_SET || op == OP_SETTING_SET || op == OP_BAN_ADD || op == OP_BAN_REMOVE ||
           op == OP_HEADER_MATCH_ADD || op == OP_HEADER_MATCH_REMOVE;
}

/* in: count of (operation, its arguments). All of them are done, in their order, or nothing is. */
void op_run_TOGETHER(struct op_run *r) {
    for (size_t count = vals_get_count(&r->in); count > 0 && r->err.code == ERR_OK && !db_error(r->db);
         count--) {
        int64_t op = vals_get_int(&r->in);
        view args = vals_get_view(&r->in);
        struct buf out = BUF_INIT(r->out->limit);
        if (r->in.failed || !may_be_done(op)) {
            op_refuse(r, ERR_USAGE, "together: operation %lld is not done so", (long long)op);
            return;
        }
        struct op_run one = *r;
        one.in = vals_of(args);
        one.out = &out;
        op_info((enum op)op)->run(&one);
        r->err = one.err;
        r->in.failed = one.in.failed;
        buf_done(&out);
    }
}
