/* wire.h: what a role and stored say to each other: SEQPACKET datagrams of requests, or of answers, one
 * behind the other, as many as were there; numbers in the machine's order. The role is the socket the client
 * came in by. */
#ifndef STORE_WIRE_H
#define STORE_WIRE_H

#include "base/config.h"
#include "store/op.h"

struct wire_request {
    uint64_t number;
    uint32_t op;
    uint32_t version; /* WIRE_VERSION: both ends are of one release, or the call is refused */
    uint32_t len;     /* of the arguments, which follow */
    uint32_t unused;
};

struct wire_answer {
    uint64_t number;
    uint32_t code; /* enum err_code */
    uint32_t len;  /* of the results, or of the error's text, which follow */
};

#define WIRE_VERSION 7

/* Take the next request, or answer, with what follows it off a packet. False: there is no whole one. */
bool wire_take_request(view *packet, struct wire_request *ret, view *ret_args);
bool wire_take_answer(view *packet, struct wire_answer *ret, view *ret_results);

/* The socket of a role: DIR/data/run/store/<role>.sock. False when the path is too long for a socket. */
struct sockaddr_un;
bool wire_address(const struct config *c, enum store_role role, struct sockaddr_un *ret_addr, struct err *e);
/* Room for the largest packet on that socket. */
void wire_set_buffers(int fd);

#endif
