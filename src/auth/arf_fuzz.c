/* arf_fuzz.c: a report of strangers: what is read keeps to its limits, and is the same each time. */
#include "auth/arf.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_list(const struct arf_list *list) {
    BUG_ON(list->count > ARF_LIST_MOST);
    for (size_t i = 0; i < list->count; i++)
        BUG_ON(list->items[i].len == 0 || list->items[i].len > ARF_TEXT_MOST);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct arena arena;
    struct arf_report r, again;
    arena_init(&arena, 64 << 20);
    if (arf_read(view_from(data, size), &arena, &r)) {
        check_list(&r.rcpt_to);
        check_list(&r.domains);
        check_list(&r.uris);
        check_list(&r.results);
        check_list(&r.spf_dns);
        BUG_ON(r.type.len == 0 || r.type.len > ARF_TEXT_MOST || r.user_agent.len > ARF_TEXT_MOST);
        BUG_ON(r.original.len > size || r.incidents < 0 || r.source_port < 0 || r.source_port > 65535);
        BUG_ON(!arf_read(view_from(data, size), &arena, &again));
        BUG_ON(!view_eq(r.original, again.original) || !view_eq(r.type, again.type));
    }
    arena_done(&arena);
    return 0;
}
