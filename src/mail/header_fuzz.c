/* header_fuzz.c: the fields, the empty line and the body of any octets are those octets; and any value
 * written with header_add() is one field. */
#include <stddef.h>
#include <stdint.h>

#include "testing/header_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(view message) {
    struct arena a;
    struct header h;
    arena_init(&a, 64 << 20);
    header_parse(message, &a, &h);
    header_check_parsed(&h, message);
    for (size_t i = 0; i < h.count; i++)
        header_check_value(&h.fields[i], header_value(&h.fields[i], &a));
    view id = header_message_id(&h, &a);
    BUG_ON(id.len > LIMIT_MESSAGE_ID || view_find(id, '\n') >= 0);
    arena_done(&a);
}

static void check_added(view value) {
    struct buf out = BUF_INIT(8 << 20);
    header_add(&out, "X-Name", value);
    header_check_added(buf_view(&out), "X-Name", value);
    buf_done(&out);
}

/* Encoded text is ASCII, one legal field, and decodes to the same when it was text. */
static void check_encoded(view text) {
    struct buf out = BUF_INIT(8 << 20), back = BUF_INIT(8 << 20), field = BUF_INIT(16 << 20);
    header_encode_text(&out, text);
    BUG_ON(!view_is_ascii(buf_view(&out)));
    if (!view_is_ascii(text)) {
        header_decode_words(buf_view(&out), &back);
        BUG_ON(!view_is_utf8(buf_view(&back)));
        bool printable = view_is_utf8(text);
        for (size_t i = 0; i < text.len; i++)
            printable = printable && (unsigned char)text.ptr[i] >= ' ' && text.ptr[i] != 0x7f &&
                        (unsigned char)text.ptr[i] != 0xc2; /* C1 controls begin so */
        BUG_ON(printable && !view_eq(buf_view(&back), text));
    }
    header_add(&field, "Subject", buf_view(&out));
    header_check_added(buf_view(&field), "Subject", buf_view(&out));
    buf_done(&out);
    buf_done(&back);
    buf_done(&field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 100000)
        return 0;
    view v = view_from(data, size);
    check_message(v);
    check_added(v);
    check_encoded(v);
    return 0;
}
