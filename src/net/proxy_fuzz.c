/* proxy_fuzz.c: a header is the same whatever comes behind it, no shorter piece of it is whole, and what it
 * names is an address. */
#include <stdint.h>
#include <string.h>

#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    view v = view_from(data, size);
    struct proxy p, again;
    size_t len = 0, ignored;
    if (proxy_parse(v, &p, &len) != PROXY_WHOLE)
        return 0;
    BUG_ON(len == 0 || len > size || len > LIMIT_PROXY_HEADER);
    BUG_ON(!p.own && strcmp(sockaddr_ip(&p.source).s, "unknown") == 0);
    for (size_t cut = 0; cut < len; cut++)
        BUG_ON(proxy_parse(view_slice(v, 0, cut), &again, &ignored) != PROXY_MORE);
    BUG_ON(proxy_parse(view_slice(v, 0, len), &again, &ignored) != PROXY_WHOLE || ignored != len);
    return 0;
}
