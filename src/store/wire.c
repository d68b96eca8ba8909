/* wire.c: where the sockets between roles and stored are. */
#include "store/wire.h"

#include <stdio.h>
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

void wire_set_buffers(int fd) {
    int bytes = 2 * LIMIT_STORE_PACKET;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes,
                   sizeof bytes); /* the kernel doubles its own maximum: enough */
}
