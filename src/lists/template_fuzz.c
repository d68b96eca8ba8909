/* template_fuzz.c: the pieces of a template are all of it, in order, but for the second dollar sign of two.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "lists/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    view all = view_from(data, size), rest = all;
    struct template_piece p;
    size_t at = 0;
    while (template_next(&rest, &p)) {
        BUG_ON(p.text.len == 0 || p.text.ptr != all.ptr + at);
        BUG_ON(p.name.len > 0 && p.text.ptr[0] != '$');
        at = size - rest.len;
        BUG_ON(at != (size_t)(p.text.ptr - all.ptr) + p.text.len && !view_eq(p.text, VIEW("$")));
    }
    BUG_ON(at != size);
    return 0;
}
