/* message.c: reads what op_run_MESSAGE_INFO in op_accept.c writes. */
#include "store/message.h"

struct message_info message_info_of(int64_t id, view answer) {
    struct vals v = vals_of(answer);
    struct message_info m = {.id = id};
    m.sender = vals_get_view(&v);
    m.msgid = vals_get_view(&v);
    m.size = vals_get_int(&v);
    m.sha256 = vals_get_view(&v);
    m.fields = vals_get_view(&v);
    m.origin = vals_get_view(&v);
    m.flags = vals_get_int(&v);
    m.gone = vals_get_int(&v) != 0;
    m.first = vals_get_view(&v);
    m.envid = vals_get_view(&v);
    return m;
}
