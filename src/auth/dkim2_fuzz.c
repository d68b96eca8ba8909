/* dkim2_fuzz.c: a message of strangers; behind the first NUL the record that every selector has; behind the
 * second what becomes of the message. A verdict is the same again, an instance that is added leads back to
 * what was, and a signature that is added is well-formed. */
#include <string.h>

#include "auth/dkim2_private.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { NOW = 1790000000 };

static struct arena arena;

static view take_part(view *rest) {
    view part;
    return view_split(rest, '\0', &part) ? part : VIEW("");
}

static void try_verify(view message, view record_text) {
    static const view to[] = {{"wg@lists.example", 16}};
    static const struct dkim2_envelope e = {
        .sender = {"ada@author.example", 18}, .recipients = to, .recipient_count = 1};
    struct answers answers;
    struct dkim2_verdict v, again;
    struct record record = {.data = record_text};
    answers_init(&answers, &arena);
    for (dkim2_verify(message, &e, NOW, &answers, &v); v.result == DKIM2_WAITS;
         dkim2_verify(message, &e, NOW, &answers, &v)) {
        struct answer *asked;
        for (size_t at = 0; (asked = answers_next(&answers, &at)) != NULL;)
            answers_set(&answers, asked, ANSWER_FOUND, &record, 1);
    }
    dkim2_verify(message, &e, NOW, &answers, &again);
    BUG_ON(v.result != again.result && v.result != DKIM2_TEMPERROR && again.result != DKIM2_TEMPERROR);
}

static void digest_of(view message, unsigned char header[DKIM2_DIGEST_MOST],
                      unsigned char body[DKIM2_DIGEST_MOST]) {
    struct header h;
    struct dkim2_form form;
    header_parse(message, &arena, &h);
    dkim2_form_of(&h, &arena, &form);
    dkim2_header_digest(&form, EVP_sha256(), header);
    dkim2_body_digest(form.body, EVP_sha256(), body);
}

/* The field, the instances before, and what became of the message. */
static void join(view field, view before, view after, struct buf *out) {
    struct header h;
    header_parse(before, &arena, &h);
    buf_add(out, field);
    for (size_t i = 0; i < h.count; i++)
        if (view_eq_nocase(h.fields[i].name, VIEW("Message-Instance")) ||
            view_eq_nocase(h.fields[i].name, VIEW("DKIM2-Signature"))) {
            buf_add(out, h.fields[i].raw);
            buf_add(out, view_ends_with(h.fields[i].raw, VIEW("\n")) ? VIEW("") : VIEW("\r\n"));
        }
    buf_add(out, after);
}

static void try_instance(view before, view after) {
    struct buf field = BUF_INIT(1 << 20), made = BUF_INIT(8 << 20), rebuilt = BUF_INIT(8 << 20);
    struct header was, is;
    struct dkim2_chain chain;
    struct dkim2_fault fault = {.arena = &arena};
    unsigned char header[2][DKIM2_DIGEST_MOST], body[2][DKIM2_DIGEST_MOST];
    bool header_only;
    header_parse(before, &arena, &was);
    header_parse(after, &arena, &is);
    if (!header_find(&is, "Message-Instance") && !header_find(&is, "DKIM2-Signature") && is.count > 0 &&
        dkim2_chain_read(&was, false, &arena, &fault, &chain) && chain.instance_count > 0 &&
        dkim2_add_instance(before, after, &arena, &field) == DKIM2_INSTANCE_ADDED) {
        join(buf_view(&field), before, after, &made);
        bool whole = dkim2_rebuild(buf_view(&made), chain.instance_count, &arena, &rebuilt, &header_only);
        digest_of(before, header[0], body[0]);
        digest_of(buf_view(&rebuilt), header[1], body[1]);
        BUG_ON(!arena.failed && !whole && !header_only);
        BUG_ON(!arena.failed && memcmp(header[0], header[1], 32) != 0);
        BUG_ON(!arena.failed && whole && memcmp(body[0], body[1], 32) != 0);
    }
    buf_done(&field);
    buf_done(&made);
    buf_done(&rebuilt);
}

static void try_sign(view message) {
    static const unsigned char secret[32] = {1};
    struct signing_key key = {.domain = VIEW("a.example"), .selector = VIEW("s"), .ed25519 = true};
    struct dkim2_signing s = {.keys = {&key, NULL}, .now_s = NOW, .flags = 31, .next_domain = VIEW("")};
    view to[] = {VIEW("b@b.example"), VIEW("c@c.example")};
    struct dkim2_envelope e = {.sender = VIEW(""), .recipients = to, .recipient_count = 2};
    struct dkim2_prepared p;
    struct buf made = BUF_INIT(8 << 20);
    if (!dkim2_prepare(message, &arena, &p))
        return;
    key.key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof secret);
    dkim2_sign(&p, &s, &e, &made);
    buf_add(&made, message);
    BUG_ON(!dkim2_prepare(buf_view(&made), &arena, &p) && p.next_hop < DKIM2_HOPS_MOST && !arena.failed);
    EVP_PKEY_free(key.key);
    buf_done(&made);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    view rest = view_from(data, size), message = take_part(&rest), record = take_part(&rest);
    struct buf out = BUF_INIT(8 << 20);
    bool header_only;
    arena_init(&arena, 64 << 20);
    try_verify(message, record);
    for (int m = 1; m <= 4; m++)
        dkim2_rebuild(message, m, &arena, &out, &header_only);
    try_instance(message, rest);
    try_sign(message);
    buf_done(&out);
    arena_done(&arena);
    return 0;
}
