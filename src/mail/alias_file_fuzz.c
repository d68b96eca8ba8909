/* alias_file_fuzz.c: any octets as a table of aliases. What is taken is in its normal form, and written down
 * again it is read as the same. */
#include <stddef.h>
#include <stdint.h>

#include "mail/address.h"
#include "mail/alias_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_normal(view address, bool may_be_domain, struct arena *a) {
    view again;
    struct err e;
    bool ok = may_be_domain ? alias_address_normalise(address, a, &again, &e)
                            : address_normalise_text(address, a, &again, &e);
    BUG_ON(!ok || !view_eq(again, address));
}

static void check_again(const struct alias_entries *first, struct arena *a) {
    struct buf text = BUF_INIT(1 << 24);
    struct alias_entries second = {.list = NULL};
    struct err e;
    for (size_t i = 0; i < first->count; i++)
        if (view_starts_with(first->list[i].address, VIEW("#"))) /* without its quotes: a comment */
            return;
    for (size_t i = 0; i < first->count; i++)
        buf_printf(&text, i % 2 ? "%.*s %.*s\r\n" : "%.*s: %.*s,\n", VIEW_ARG(first->list[i].address),
                   VIEW_ARG(first->list[i].target));
    BUG_ON(!alias_file_parse(buf_view(&text), a, &second, &e) || second.count != first->count);
    for (size_t i = 0; i < first->count; i++)
        BUG_ON(alias_entry_cmp(&first->list[i], &second.list[i]) != 0);
    alias_entries_sort(&second);
    for (size_t i = 1; i < second.count; i++)
        BUG_ON(alias_entry_cmp(&second.list[i - 1], &second.list[i]) >= 0);
    alias_entries_done(&second);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct alias_entries entries = {.list = NULL};
    struct err e = {.code = ERR_OK};
    arena_init(&arena, 1 << 26);
    if (alias_file_parse(view_from(data, size), &arena, &entries, &e)) {
        for (size_t i = 0; i < entries.count; i++) {
            check_normal(entries.list[i].address, true, &arena);
            check_normal(entries.list[i].target, false, &arena);
            BUG_ON(entries.list[i].line == 0);
        }
        check_again(&entries, &arena);
    } else {
        BUG_ON(e.code == ERR_OK);
    }
    alias_entries_done(&entries);
    arena_done(&arena);
    return 0;
}
