/* mailboxes_fuzz.c: whatever a field holds, the reading ends, and no address has white space outside of
 * quotes. */
#include <stddef.h>
#include <stdint.h>

#include "mail/mailboxes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    struct err e;
    view rest = view_from(data, size), address;
    size_t before = rest.len + 1;
    if (size > 100000)
        return 0;
    arena_init(&a, 1 << 20);
    while (mailboxes_next(&rest, &a, &address, &e)) {
        BUG_ON(rest.len >= before);
        before = rest.len;
        BUG_ON(address.len == 0 || address.len > size);
        BUG_ON(view_find(address, '"') < 0 && view_find(address, '[') < 0 &&
               (view_find(address, ' ') >= 0 || view_find(address, '\n') >= 0));
    }
    arena_done(&a);
    return 0;
}
