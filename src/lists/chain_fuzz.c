/* chain_fuzz.c: whatever a post and the facts are, a verdict ends, stays inside its limits and is one of
 * four. The input is the facts as LIST_RULES gives them, a line "=== " alone, and the post; without that
 * line, the facts are those of a list as it comes. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "lists/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static view default_facts(struct arena *a, const struct post *p) {
    struct buf b = BUF_INIT(LIMIT_STORE_PACKET);
    vals_view(&b, VIEW("news@here.example"));
    for (int i = 0; i < LIST_SETTING_COUNT; i++) {
        if (list_setting_part((enum list_setting)i) != SETTINGS_RULES)
            continue;
        vals_view(&b, i == LIST_SETTING_LOCKED_SUBJECTS ? VIEW("flames\nRe: [x] more")
                                                        : list_setting_default((enum list_setting)i, a));
        vals_int(&b, 0);
    }
    vals_view(&b, VIEW("^.*@bad\n^(a+)+$"));
    vals_int(&b, 1);
    for (size_t i = 0; i < p->sender_count; i++) {
        vals_int(&b, 0);
        vals_int(&b, i > 0);
        vals_int(&b, -1);
    }
    vals_int(&b, 0);
    vals_view(&b, VIEW("Subject"));
    vals_view(&b, VIEW("(x+x+)+y"));
    vals_int(&b, MODERATION_DISCARD);
    vals_view(&b, VIEW(""));
    view facts = arena_view(a, buf_view(&b));
    buf_done(&b);
    return facts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const view separator = {"=== \n", 5};
    view text = view_from(data, size), facts = VIEW("");
    ptrdiff_t at = view_search(text, separator);
    struct arena arena;
    struct post post;
    struct facts f;
    struct verdict v;
    struct err e;
    if (at >= 0) {
        facts = view_slice(text, 0, (size_t)at);
        text = view_skip(text, (size_t)at + separator.len);
    }
    arena_init(&arena, LIMIT_STEP_ARENA);
    if (post_read(VIEW("envelope@x.example"), text, (int64_t)text.len, &arena, &post)) {
        BUG_ON(post.sender_count > LIMIT_POST_SENDERS);
        if (facts_read(at >= 0 ? facts : default_facts(&arena, &post), &post, &arena, &f)) {
            chain_decide(&post, &f, &arena, &v);
            BUG_ON(v.action < MODERATION_HOLD || v.action > MODERATION_ACCEPT);
            BUG_ON(v.action != MODERATION_ACCEPT && (!*v.rule || v.reason.len == 0) && !arena.failed);
            chain_refusal(&v, f.list, &e);
        }
    }
    arena_done(&arena);
    return 0;
}
