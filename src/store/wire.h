/* wire.h: what a role and stored say to each other: one SEQPACKET datagram per request and per answer,
 * numbers in the machine's order. The role is the socket the client came in by. */
#ifndef STORE_WIRE_H
#define STORE_WIRE_H

#include "base/config.h"
#include "store/op.h"

struct wire_request { /* followed by the arguments */
    uint64_t number;
    uint32_t op;
    uint32_t version; /* WIRE_VERSION: both ends are of one release, or the call is refused */
};

struct wire_answer { /* followed by the results, or by the text of the error */
    uint64_t number;
    uint32_t code; /* enum err_code */
    uint32_t unused;
};

#define WIRE_VERSION 1

/* The socket of a role: DIR/data/run/store/<role>.sock. False when the path is too long for a socket. */
struct sockaddr_un;
bool wire_address(const struct config *c, enum store_role role, struct sockaddr_un *ret_addr, struct err *e);
/* Room for the largest packet on that socket. */
void wire_set_buffers(int fd);

#endif
