/* html_text_fuzz.c: any HTML becomes lines of printable text that end in CRLF, or none at all; nothing is
 * nested so deep that the text grows beyond the prefixes of its lines. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "mail/html_text.h"
#include "mail/text.h"
#include "mail/text_fill.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(view line) {
    for (size_t len; line.len > 0; line = view_skip(line, len)) {
        len = line.ptr[0] == '\t' ? 1 : text_char_len(line);
        BUG_ON(len == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf out = BUF_INIT((TEXT_FILL_PREFIX_MOST + 10) * size + 100);
    bool written = html_text(view_from(data, size), &out);
    BUG_ON(out.failed || (!written && out.len > 0));
    view rest = buf_view(&out);
    while (rest.len > 0) {
        ptrdiff_t end = view_search(rest, VIEW("\r\n"));
        BUG_ON(end < 0);
        check_line(view_slice(rest, 0, (size_t)end));
        rest = view_skip(rest, (size_t)end + 2);
    }
    buf_done(&out);
    return 0;
}
