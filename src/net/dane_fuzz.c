/* dane_fuzz.c: data of TLSA records. */
#include "net/dane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct tls_tlsa r;
    if (dane_record(view_from((const char *)data, size), &r))
        BUG_ON(r.data.len == 0 || r.data.len + 3 != size || (r.usage != 2 && r.usage != 3));
    return 0;
}
