/* translation_fuzz.c: whatever a file says, reading it ends, and a section that was read is read again from
 * what is written of it. */
#include <stddef.h>
#include <stdint.h>

#include "lists/translation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct translation_item *item, struct arena *a) {
    struct buf out = BUF_INIT(1 << 20);
    struct translation_item again;
    translation_write(&out, item->name, item->text);
    struct translation t = translation_of(buf_view(&out), a);
    BUG_ON(!translation_next(&t, &again) || !view_eq(again.name, item->name));
    BUG_ON(!view_eq(again.text, item->text) || translation_next(&t, &again) || t.err.code != ERR_OK);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct translation_item item;
    size_t line = 0;
    arena_init(&arena, 1 << 26);
    struct translation t = translation_of(view_from(data, size), &arena);
    while (translation_next(&t, &item)) {
        BUG_ON(item.line <= line || item.name.len == 0);
        line = item.line;
        write_again(&item, &arena);
    }
    BUG_ON(t.err.code == ERR_OK && t.rest.len > 0);
    arena_done(&arena);
    return 0;
}
