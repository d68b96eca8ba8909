/* accept.c: writes what accept_one in op_accept.c reads. */
#include "store/accept.h"

void accept_args(const struct accept *a, struct buf *args) {
    vals_int(args, a->id);
    vals_view(args, a->sender);
    vals_view(args, a->message_id);
    vals_int(args, a->size);
    vals_view(args, a->sha256);
    vals_view(args, a->fields);
    vals_view(args, a->origin);
    vals_int(args, a->flags);
    vals_view(args, a->envid);
    vals_view(args, a->body);
    vals_int(args, (int64_t)a->recipient_count);
    for (size_t i = 0; i < a->recipient_count; i++) {
        vals_view(args, a->recipients[i].address);
        vals_int(args, a->recipients[i].notify);
        vals_view(args, a->recipients[i].orcpt);
    }
}
