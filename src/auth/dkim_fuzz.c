/* dkim_fuzz.c: a message of strangers, and behind the first NUL the record that every selector has; and that
 * record as a policy of DMARC. What was verified once is verified the same way again. */
#include <string.h>

#include "auth/dkim.h"
#include "auth/dmarc.h"
#include "base/err.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void answer_all(struct answers *a, struct record *record) {
    struct answer *to;
    for (size_t at = 0; (to = answers_next(a, &at)) != NULL;)
        answers_set(a, to, ANSWER_FOUND, record, 1);
}

/* Of 1, 2, 3 and so on octets. */
static void hash_in_pieces(view message, struct dkim_bodies *b) {
    struct arena arena;
    struct header h;
    arena_init(&arena, 4 << 20);
    header_parse(message, &arena, &h);
    dkim_bodies_begin(b, message);
    for (size_t piece = 1; h.body.len > 0; piece++) {
        dkim_bodies_add(b, view_slice(h.body, 0, piece));
        h.body = view_skip(h.body, piece);
    }
    dkim_bodies_end(b);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct arena arena;
    struct answers answers;
    struct dkim_verdict v, again;
    struct dmarc_verdict d;
    struct dkim_bodies bodies;
    view message = view_from(data, size), text = VIEW("");
    ptrdiff_t nul = view_find(message, '\0');
    if (nul >= 0) {
        text = view_skip(message, (size_t)nul + 1);
        message = view_slice(message, 0, (size_t)nul);
    }
    arena_init(&arena, 16 << 20);
    answers_init(&answers, &arena);
    struct record record = {.data = text};
    for (dkim_verify(message, NULL, 1700000000, &answers, &v); v.result == DKIM_WAITS;
         dkim_verify(message, NULL, 1700000000, &answers, &v))
        answer_all(&answers, &record);
    hash_in_pieces(message, &bodies);
    dkim_verify(message, &bodies, 1700000000, &answers, &again);
    BUG_ON(v.result != again.result && v.result != DKIM_TEMPERROR && again.result != DKIM_TEMPERROR &&
           bodies.count < DKIM_BODIES_MOST);
    struct dmarc_query q = {.author_domain = VIEW("a.b.example"), .spf = {VIEW("c.example"), true}};
    for (dmarc_check(&q, &answers, &d); d.result == DMARC_WAITS; dmarc_check(&q, &answers, &d))
        answer_all(&answers, &record);
    arena_done(&arena);
    return 0;
}
