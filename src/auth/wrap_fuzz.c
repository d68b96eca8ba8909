/* wrap_fuzz.c: addresses of strangers, wrapped and to be unwrapped: what comes out is an address, and what
 * was wrapped leads back. */
#include "auth/wrap.h"
#include "base/err.h"
#include "mail/address.h"

static void check_there_and_back(view text, view key, struct arena *a) {
    view wrapped, got, older, one, two;
    struct address parts;
    if (!wrap_address(text, VIEW("d.example"), key, a, &wrapped))
        return;
    BUG_ON(!address_parse(wrapped, PATH_ALLOW_UTF8, &parts, NULL));
    enum wrap_kind kind = wrap_read(wrapped, &key, 1, a, &got, &older);
    BUG_ON(kind != (key.len > 0 ? WRAP_KEYED : WRAP_OLD));
    if (address_normalise_text(text, a, &one, NULL))
        BUG_ON(!address_normalise_text(got, a, &two, NULL) || !view_eq(one, two));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    const view key = VIEW("k");
    struct arena arena;
    struct address parts;
    view text = view_from(data, size), got, older;
    arena_init(&arena, 1 << 20);
    check_there_and_back(text, key, &arena);
    check_there_and_back(text, VIEW(""), &arena);
    enum wrap_kind kind = wrap_read(text, &key, 1, &arena, &got, &older);
    BUG_ON((kind == WRAP_NONE) != (got.len == 0));
    BUG_ON(kind != WRAP_NONE && !address_parse(got, PATH_ALLOW_UTF8, &parts, NULL));
    BUG_ON(older.len > 0 && (kind != WRAP_OLD || !address_parse(older, PATH_ALLOW_UTF8, &parts, NULL)));
    arena_done(&arena);
    return 0;
}
