/* config_text_fuzz.c: whatever a file says, reading it ends, and what was read is read again from what is
 * written of it. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "lists/config_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct config_text_item *item, struct arena *arena) {
    struct buf out = BUF_INIT(1 << 22);
    struct config_text_item again;
    if (item->kind == CONFIG_TEXT_VALUE)
        config_text_value(&out, "name", item->value, item->many ? CONFIG_TEXT_LINES : CONFIG_TEXT_STRING);
    else
        config_text_section(&out, item->name, item->kind);
    struct config_text t = config_text_of(buf_view(&out), arena);
    BUG_ON(!config_text_next(&t, &again) || again.kind != item->kind);
    BUG_ON(item->kind == CONFIG_TEXT_VALUE ? !view_eq(again.value, item->value)
                                           : !view_eq(again.name, item->name));
    BUG_ON(config_text_next(&t, &again) || t.err.code != ERR_OK);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct config_text_item item;
    arena_init(&arena, 1 << 26);
    struct config_text t = config_text_of(view_from(data, size), &arena);
    size_t line = 1;
    while (config_text_next(&t, &item)) {
        BUG_ON(item.line < line || item.name.len == 0 || !view_is_utf8(item.name));
        line = item.line;
        write_again(&item, &arena);
    }
    BUG_ON(t.err.code == ERR_OK && t.rest.len > 0);
    arena_done(&arena);
    return 0;
}
