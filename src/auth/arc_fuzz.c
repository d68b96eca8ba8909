/* arc_fuzz.c: a message of strangers, and behind the first NUL the record that their selectors have. What it
 * came to is the same a second time. Then it is sealed: with one set more than before, and what had no chain
 * has one that passes. */
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "auth/arc_private.h"
#include "base/err.h"
#include "mail/transfer.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { NOW = 1700000000 };

static struct signing_key key = {.domain = {"ours.example", 12}, .selector = {"arc", 3}};
static struct buf key_record = BUF_INIT(4096);

static void make_key(void) {
    unsigned char *der = NULL;
    key.key = EVP_RSA_gen(1024);
    int len = i2d_PUBKEY(key.key, &der);
    buf_add_str(&key_record, "p=");
    transfer_add_base64(&key_record, view_from(der, (size_t)len));
    OPENSSL_free(der);
}

static struct arc_verdict verify(view message, view record, struct arena *arena) {
    struct answers answers;
    struct answer *to;
    struct arc_verdict v;
    struct record *theirs = arena_new(arena, struct record), *ours = arena_new(arena, struct record);
    answers_init(&answers, arena);
    for (;;) {
        arc_verify(message, NULL, NOW, &answers, &v);
        if (v.result != ARC_WAITS || !theirs || !ours)
            return v;
        theirs->data = record;
        ours->data = buf_view(&key_record);
        for (size_t at = 0; (to = answers_next(&answers, &at)) != NULL;)
            answers_set(&answers, to, ANSWER_FOUND,
                        view_eq(to->name, VIEW("arc._domainkey.ours.example")) ? ours : theirs, 1);
    }
}

static void seal(view message, enum arc_result chain, struct arena *arena, struct buf *out) {
    struct authres found = {.id = VIEW("mx.ours.example"), .version = 1};
    struct arc_sealing s = {.key = &key, .found = &found, .now_s = NOW, .chain = chain};
    struct header h;
    unsigned char digest[32];
    header_parse(message, arena, &h);
    canon_body_digest(CANON_RELAXED, h.body, -1, digest);
    arc_seal(&s, message, digest, arena, out);
}

static int count_of(view message, struct arena *arena) {
    struct header h;
    struct arc_chain *chain = arena_new(arena, struct arc_chain);
    header_parse(message, arena, &h);
    if (chain)
        (void)arc_collect(&h, chain);
    return chain ? chain->count : 0;
}

static void check_sealing(view message, const struct arc_verdict *v, struct arena *arena) {
    struct buf out = BUF_INIT(16 << 20);
    seal(message, v->result, arena, &out);
    bool sealed = out.len > 0;
    buf_add(&out, message);
    if (!arena->failed && !out.failed && sealed) {
        BUG_ON(count_of(buf_view(&out), arena) != count_of(message, arena) + 1);
        BUG_ON(v->result == ARC_NONE && verify(buf_view(&out), VIEW(""), arena).result != ARC_PASS &&
               !arena->failed);
    }
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct arena arena;
    struct buf message = BUF_INIT(16 << 20);
    view text = view_from(data, size), record = VIEW("");
    ptrdiff_t nul = view_find(text, '\0');
    if (nul >= 0) {
        record = view_skip(text, (size_t)nul + 1);
        text = view_slice(text, 0, (size_t)nul);
    }
    if (!key.key)
        make_key();
    arena_init(&arena, 32 << 20);
    buf_add_str(&message, "Received: by mx.ours.example\r\n"); /* as there always is; a fold has a field */
    buf_add(&message, text);
    struct arc_verdict v = verify(buf_view(&message), record, &arena),
                       again = verify(buf_view(&message), record, &arena);
    BUG_ON(v.result != again.result && !arena.failed);
    if (!arena.failed)
        check_sealing(buf_view(&message), &v, &arena);
    buf_done(&message);
    arena_done(&arena);
    return 0;
}
