/* srs_fuzz.c: senders and recipients of strangers: what comes out is an address, and what was made leads
 * back. */
#include "auth/srs.h"
#include "base/err.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    const struct srs_keys keys = {.list = {{"k", 1}, {"", 0}}, .count = 2};
    const int64_t now_s = 1700000000;
    struct arena arena;
    struct address parts;
    view text = view_from(data, size), made, back, again;
    arena_init(&arena, 1 << 20);
    srs_is_one(text);
    if (srs_forward(text, VIEW("fwd.example"), &keys, now_s, &arena, &made)) {
        BUG_ON(!address_parse(made, PATH_ALLOW_UTF8, &parts, NULL));
        BUG_ON(!view_eq_nocase(parts.domain, VIEW("fwd.example")));
        bool changed = !view_eq(made, text);
        BUG_ON(changed && !srs_is_one(made));
        BUG_ON(changed && !srs_reverse(made, &keys, now_s, SRS_AGE_DAYS, &arena, &back));
        BUG_ON(changed &&
               !srs_reverse(arena_lower(&arena, made), &keys, now_s, SRS_AGE_DAYS, &arena, &again));
        BUG_ON(changed && !view_eq_nocase(back, again));
    }
    if (srs_reverse(text, &keys, now_s, SRS_AGE_DAYS, &arena, &back))
        BUG_ON(!address_parse(back, PATH_ALLOW_UTF8, &parts, NULL));
    arena_done(&arena);
    return 0;
}
