/* wire.c: where the sockets between roles and stored are. */
#include "store/wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mem.h"

bool wire_address(const struct config *c, enum store_role role, struct sockaddr_un *ret_addr, struct err *e) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    FREE_AUTO char *path = config_path(c, "data/run/store");
    int len = snprintf(addr.sun_path, sizeof addr.sun_path, "%s/%s.sock", path, store_role_name(role));
    if (len >= (int)sizeof addr.sun_path)
        return err_set(e, ERR_CONFIG,
                       "%s is too long a path: put the instance into a directory with a shorter name", path);
    *ret_addr = addr;
    return true;
}

static bool take(view *packet, void *ret_head, size_t head_len, const uint32_t *len, view *ret_rest) {
    if (packet->len < head_len)
        return false;
    memcpy(ret_head, packet->ptr, head_len);
    if (packet->len - head_len < *len)
        return false;
    *ret_rest = view_slice(*packet, head_len, *len);
    *packet = view_skip(*packet, head_len + *len);
    return true;
}

bool wire_take_request(view *packet, struct wire_request *ret, view *ret_args) {
    return take(packet, ret, sizeof *ret, &ret->len, ret_args);
}

bool wire_take_answer(view *packet, struct wire_answer *ret, view *ret_results) {
    return take(packet, ret, sizeof *ret, &ret->len, ret_results);
}

void wire_set_buffers(int fd) {
    int bytes = 2 * LIMIT_STORE_PACKET;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes,
                   sizeof bytes); /* the kernel doubles its own maximum: enough */
}
