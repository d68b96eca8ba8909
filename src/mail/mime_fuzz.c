/* mime_fuzz.c: whatever a message is, its parts lie in it, in order, and inside the part they stand in. */
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(view inner, view outer) {
    return inner.len == 0 || (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    view text = view_from(data, size);
    struct arena arena;
    struct mime m;
    struct buf out = BUF_INIT(2 * size + 1);
    arena_init(&arena, LIMIT_DECISION_ARENA);
    if (mime_parse(text, &arena, &m)) {
        BUG_ON(m.count == 0 || m.count > LIMIT_MIME_PARTS || m.parts[0].after != m.count);
        for (size_t i = 0; i < m.count; i++) {
            const struct mime_part *p = &m.parts[i];
            view around = p->parent < 0 ? text : m.parts[p->parent].body;
            BUG_ON(!is_inside(p->span, around) || !is_inside(p->head, p->span) ||
                   !is_inside(p->body, p->span));
            BUG_ON(p->depth > LIMIT_MIME_DEPTH || p->parent >= (int)i || p->after <= i || p->after > m.count);
            buf_reset(&out);
            mime_decode(p->encoding, p->body, &out);
            BUG_ON(out.len > p->body.len);
        }
    }
    buf_done(&out);
    arena_done(&arena);
    return 0;
}
