/* journal_fuzz.c: any bytes as a journal line, and as one whose check is right: nothing but what
 * journal_format writes is accepted, and it is written back octet for octet. */
#include "archive/digest.h"
#include "archive/journal.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE_MAX_BYTES = 1 << 20 };

static bool parse_and_compare(view line) {
    struct arena a;
    struct journal_line l;
    struct err e = {.code = ERR_OK};
    struct buf again = BUF_INIT(2 * LINE_MAX_BYTES);
    arena_init(&a, 2 * LINE_MAX_BYTES);
    bool ok = journal_parse(line, &a, &l, &e);
    if (ok) {
        journal_format(&l, &again);
        BUG_ON(again.len != line.len + 1 || !view_eq(view_slice(buf_view(&again), 0, line.len), line));
        BUG_ON(l.uid < 1 || l.generation < 0 || l.offset < 0 || l.length < 1 ||
               l.offset > INT64_MAX - l.length);
    } else {
        BUG_ON(e.code != ERR_DAMAGED || !e.text[0]);
    }
    buf_done(&again);
    arena_done(&a);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > LINE_MAX_BYTES)
        return 0;
    view line = view_from(data, size);
    unsigned char digest[DIGEST_BYTES];
    parse_and_compare(line);
    /* Most inputs would end at the check; so give this one the right one. */
    struct buf with_check = BUF_INIT(LINE_MAX_BYTES + 16);
    buf_add(&with_check, line);
    buf_add_char(&with_check, ' ');
    digest_sha256(buf_view(&with_check), digest);
    for (size_t i = 0; i < 4; i++)
        buf_printf(&with_check, "%02x", digest[i]);
    parse_and_compare(buf_view(&with_check));
    buf_done(&with_check);
    return 0;
}
