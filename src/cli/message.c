/* message.c: what the store knows of one message. */
#include "cli/message.h"

static bool read_info(struct cli *c, int64_t id, bool whole, struct message_info *ret, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_MESSAGE_INFO);
    vals_int(&r.args, id);
    bool ok = cli_call(c, &r, e);
    if (ok) {
        *ret = message_info_of(id, buf_view(&r.out));
        view *const texts[] = {&ret->sender, &ret->msgid, &ret->sha256, &ret->fields,
                               &ret->origin, &ret->envid, &ret->first};
        if (!whole)
            ret->first = VIEW("");
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            *texts[i] = arena_view(&c->arena, *texts[i]);
    }
    store_request_done(&r);
    return ok;
}

bool message_info(struct cli *c, int64_t id, struct message_info *ret, struct err *e) {
    return read_info(c, id, false, ret, e);
}

bool message_info_first(struct cli *c, int64_t id, struct message_info *ret, struct err *e) {
    return read_info(c, id, true, ret, e);
}

bool message_state(struct cli *c, int64_t id, view *ret_state, view *ret_reason, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_QUEUE_LS);
    vals_int(&r.args, id - 1);
    vals_int(&r.args, 1);
    for (int i = 0; i < 2; i++)
        vals_view(&r.args, VIEW("")); /* no filter */
    vals_int(&r.args, -1);
    vals_view(&r.args, VIEW(""));
    vals_int(&r.args, 0);
    vals_int(&r.args, 0);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    *ret_state = VIEW("done");
    *ret_reason = VIEW("");
    vals_get_int(&v);
    if (ok && vals_more(&v) && vals_get_int(&v) == id) {
        vals_get_view(&v);
        vals_get_view(&v);
        vals_get_int(&v);
        *ret_state = arena_view(&c->arena, vals_get_view(&v));
        *ret_reason = arena_view(&c->arena, vals_get_view(&v));
    }
    store_request_done(&r);
    return ok;
}
