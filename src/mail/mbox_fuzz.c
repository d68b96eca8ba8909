/* mbox_fuzz.c: any octets come back from the archive as they were; and an entry that decodes is exactly what
 * encoding would have written for its message.
 *
 * The first octet chooses: an even one encodes the rest; an odd one takes the rest, up to the first NUL, as a
 * note and what follows as an entry. */
#include <stddef.h>
#include <stdint.h>

#include "mail/mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES = 8 << 20 };

static view without_from_line(view entry) {
    return view_skip(entry, (size_t)(view_find(entry, '\n') + 1));
}

static void check_message(view message) {
    struct buf out = BUF_INIT(BYTES), note = BUF_INIT(BYTES), back = BUF_INIT(BYTES);
    mbox_encode(message, view_slice(message, 0, 10), 0, &out, &note);
    BUG_ON(!mbox_decode(buf_view(&out), buf_view(&note), &back, NULL));
    BUG_ON(!view_eq(buf_view(&back), message));
    view entry = buf_view(&out);
    BUG_ON(!view_starts_with(entry, VIEW("From ")) || !view_ends_with(entry, VIEW("\n\n")));
    BUG_ON(view_search(entry, VIEW("\nFrom ")) >= 0); /* another reader would see a second message */
    for (size_t i = 0; i < note.len; i++)             /* it goes into a field of the journal */
        BUG_ON(note.data[i] <= ' ' || note.data[i] > '~');
    BUG_ON(note.len == 0);
    buf_done(&out);
    buf_done(&note);
    buf_done(&back);
}

static void check_entry(view entry, view note) {
    struct buf message = BUF_INIT(BYTES), out = BUF_INIT(BYTES), again = BUF_INIT(BYTES);
    struct err e = {0};
    if (mbox_decode(entry, note, &message, &e)) {
        mbox_encode(buf_view(&message), VIEW("s"), 0, &out, &again);
        BUG_ON(!view_eq(buf_view(&again), note));
        BUG_ON(!view_eq(without_from_line(buf_view(&out)), without_from_line(entry)));
    } else {
        BUG_ON(e.code != ERR_DAMAGED || message.len != 0);
    }
    buf_done(&message);
    buf_done(&out);
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > 1000000)
        return 0;
    view rest = view_from(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        check_message(rest);
        return 0;
    }
    ptrdiff_t nul = view_find(rest, '\0');
    if (nul >= 0)
        check_entry(view_skip(rest, (size_t)nul + 1), view_slice(rest, 0, (size_t)nul));
    return 0;
}
