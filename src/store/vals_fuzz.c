/* vals_fuzz.c: whatever bytes come over a socket, reading them stays inside of them; what was read and is
 * written again gives the very same bytes. The first byte chooses how the rest is read. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "store/vals.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Values read by what they are, and copied. */
static void copy_all(view bytes) {
    struct buf copy = BUF_INIT(1 << 20);
    struct vals v = vals_of(bytes);
    size_t taken = 0;
    while (vals_more(&v)) {
        size_t before = v.rest.len;
        if (v.rest.ptr[0] == 'i') {
            int64_t n = vals_get_int(&v);
            if (!v.failed)
                vals_int(&copy, n);
        } else {
            view text = vals_get_view(&v);
            BUG_ON(text.len > bytes.len || (v.failed && text.ptr));
            if (!v.failed)
                vals_view(&copy, text);
        }
        BUG_ON(!v.failed && v.rest.len >= before);
        if (!v.failed)
            taken = bytes.len - v.rest.len;
    }
    BUG_ON(copy.len != taken || memcmp(copy.data, bytes.ptr, taken) != 0);
    buf_done(&copy);
}

/* Read as an operation would that expects something else: a count, and so many pairs. */
static void read_pairs(view bytes) {
    struct vals v = vals_of(bytes);
    size_t count = vals_get_count(&v), sum = 0;
    BUG_ON(count > bytes.len);
    for (size_t i = 0; i < count; i++) {
        view text = vals_get_view(&v);
        for (size_t k = 0; k < text.len; k++)
            sum += (unsigned char)text.ptr[k];
        sum += (size_t)(vals_get_int(&v) & 1);
    }
    BUG_ON(v.failed && vals_more(&v));
    BUG_ON(sum > 256 * bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    view bytes = view_from(data + 1, size - 1);
    if (data[0] & 1)
        read_pairs(bytes);
    else
        copy_all(bytes);
    return 0;
}
