/* sockaddr_fuzz.c: whatever is taken as an address or a network can be written and read again. */
#include <stdint.h>
#include <string.h>

#include "net/sockaddr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const struct sockaddr_any *a) {
    struct sockaddr_any again;
    struct sockaddr_text text = sockaddr_format(a), ip = sockaddr_ip(a);
    struct cidr c;
    BUG_ON(!sockaddr_parse(view_of(text.s), &again, NULL));
    BUG_ON(strcmp(sockaddr_format(&again).s, text.s) != 0 || sockaddr_port(&again) != sockaddr_port(a));
    BUG_ON(!sockaddr_from_ip(view_of(ip.s), sockaddr_port(a), &again, NULL));
    BUG_ON(strcmp(sockaddr_format(&again).s, text.s) != 0);
    BUG_ON(!cidr_parse(view_of(ip.s), &c, NULL) || c.bits != 128 || !cidr_match(&c, a));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    view v = view_from(data, size);
    struct sockaddr_any a;
    struct cidr c;
    struct err e = {0};
    if (sockaddr_parse(v, &a, &e))
        check_address(&a);
    else
        BUG_ON(e.code != ERR_SYNTAX);
    if (sockaddr_from_ip(v, 25, &a, NULL))
        check_address(&a);
    if (cidr_parse(v, &c, &e)) {
        ptrdiff_t slash = view_find(v, '/');
        BUG_ON(c.bits < 0 || c.bits > 128);
        BUG_ON(!sockaddr_from_ip(slash < 0 ? v : view_slice(v, 0, (size_t)slash), 0, &a, NULL));
        BUG_ON(!cidr_match(&c, &a)); /* a network takes in the address it is written with */
    }
    return 0;
}
