/* authres_parse_fuzz.c: an Authentication-Results field of strangers; its first octet says how it is read.
 * What is read strictly is read the same way by who is relaxed, and names its own server. */
#include "auth/authres.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct arena arena;
    struct authres strict, relaxed;
    struct authres_reading how = {.utf8 = size > 0 && data[0] & 1};
    view value = view_skip(view_from(data, size), 1);
    arena_init(&arena, 8 << 20);
    bool is_strict = authres_parse(value, &how, &arena, &strict);
    how.relaxed = true;
    bool is_relaxed = authres_parse(value, &how, &arena, &relaxed);
    BUG_ON(is_strict && (!is_relaxed || relaxed.count != strict.count || !view_eq(relaxed.id, strict.id)));
    BUG_ON(is_relaxed && relaxed.count > AUTHRES_RESULTS_MOST);
    if (is_strict) { /* what is written can be read */
        struct buf written = BUF_INIT(1 << 20);
        how.relaxed = false;
        how.utf8 = true;
        authres_write(&strict, &written);
        BUG_ON(
            !written.failed &&
            (!authres_parse(buf_view(&written), &how, &arena, &relaxed) || relaxed.count != strict.count) &&
            !arena.failed);
        buf_done(&written);
    }
    (void)authres_claims(value, VIEW("example.org"));
    arena_done(&arena);
    return 0;
}
