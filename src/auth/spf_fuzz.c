/* spf_fuzz.c: a record of strangers, with a sender and a client of their choice; every other name has the
 * same record. */
#include <string.h>

#include "auth/spf.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct arena arena;
    struct answers answers;
    struct spf_verdict v;
    view all = view_from(data, size), client, sender = VIEW("");
    if (size < 17)
        return 0;
    client = view_slice(all, 1, data[0] & 1 ? 16 : 4);
    all = view_skip(all, 17);
    view_split(&all, '\n', &sender);
    arena_init(&arena, 8 << 20);
    answers_init(&answers, &arena);
    struct record record = {.preference = 1, .data = all};
    struct spf_query q = {.client = client, .helo = sender, .sender = sender, .receiver = VIEW("mx.example")};
    do {
        struct answer *to;
        for (size_t at = 0; (to = answers_next(&answers, &at)) != NULL;) {
            bool address = to->type == RECORD_A || to->type == RECORD_AAAA;
            if (address || all.len % 5 == 0)
                answers_set(&answers, to, ANSWER_NO_DATA, NULL, 0);
            else
                answers_set(&answers, to, ANSWER_FOUND, &record, 1);
        }
        spf_check(&q, &answers, &v);
    } while (v.result == SPF_WAITS);
    arena_done(&arena);
    return 0;
}
