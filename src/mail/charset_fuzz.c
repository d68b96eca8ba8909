/* charset_fuzz.c: a line that names the charset, then the text: it becomes UTF-8 of at most three octets for
 * each of its own. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "mail/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    view text = view_from(data, size), name = VIEW_NULL;
    struct buf out = BUF_INIT(3 * size);
    view_split(&text, '\n', &name);
    bool known = charset_to_utf8(name, text, &out);
    BUG_ON(out.failed || (!known && (out.len > 0 || charset_is_ascii_compatible(name))));
    for (size_t i = 0; i < out.len; i++)
        if (out.data[i] == '\0') /* which is no UTF-8 for view_is_utf8() */
            out.data[i] = ' ';
    BUG_ON(!view_is_utf8(buf_view(&out)));
    buf_done(&out);
    return 0;
}
