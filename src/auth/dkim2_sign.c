/* dkim2_sign.c: the signature of a copy (draft 9.6). What all copies share is prepared once; a copy then
 * costs one signature over a few kB. */
#include <stdio.h>

#include "auth/dkim2_private.h"
#include "mail/transfer.h"

enum { LINE = 72, VALUE_MOST = 2048 /* of a signature in base64 */ };

/* ---- folding ---- */

static void break_line(struct dkim2_folding *f) {
    buf_add_str(f->out, "\r\n\t");
    f->column = 1;
}

void dkim2_fold_tight(struct dkim2_folding *f, view text) {
    buf_add(f->out, text);
    f->column += text.len;
}

void dkim2_fold_word(struct dkim2_folding *f, view word) {
    if (f->column + 1 + word.len > LINE)
        break_line(f);
    else
        dkim2_fold_tight(f, VIEW(" "));
    dkim2_fold_tight(f, word);
}

static void fold_text(struct dkim2_folding *f, view text) {
    while (text.len > 0) {
        if (f->column >= LINE)
            break_line(f);
        view part = view_slice(text, 0, LINE - f->column);
        dkim2_fold_tight(f, part);
        text = view_skip(text, part.len);
    }
}

void dkim2_fold_base64(struct dkim2_folding *f, view octets) {
    struct buf text = BUF_INIT(octets.len * 2 + 4);
    transfer_add_base64(&text, octets);
    fold_text(f, buf_view(&text));
    buf_done(&text);
}

void dkim2_squeeze_field(view raw, struct buf *out) {
    ptrdiff_t colon = view_find(raw, ':');
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        bool fold = c == '\n' || (c == '\r' && i + 1 < raw.len && raw.ptr[i + 1] == '\n');
        if (!fold && c != ' ' && c != '\t')
            buf_add_char(out, (ptrdiff_t)i < colon ? ascii_lower(c) : c);
    }
    buf_add(out, VIEW("\r\n"));
}

/* ---- signing ---- */

bool dkim2_prepare(view header, struct arena *a, struct dkim2_prepared *ret) {
    struct header h;
    struct dkim2_chain chain;
    struct dkim2_fault fault = {.arena = a};
    struct buf fields = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    header_parse(header, a, &h);
    if (!dkim2_chain_read(&h, false, a, &fault, &chain) || chain.instance_count == 0 ||
        chain.hop_count == DKIM2_HOPS_MOST)
        return false;
    dkim2_chain_signed(&chain, chain.instance_count, chain.hop_count, 0, &fields);
    *ret = (struct dkim2_prepared){.signed_fields = arena_view(a, buf_view(&fields)),
                                   .next_hop = chain.hop_count + 1,
                                   .last_instance = chain.instance_count};
    buf_done(&fields);
    return !a->failed;
}

static void add_path(struct dkim2_folding *f, view address) {
    struct buf path = BUF_INIT(address.len + 2);
    buf_add_char(&path, '<');
    buf_add(&path, address);
    buf_add_char(&path, '>');
    dkim2_fold_base64(f, buf_view(&path));
    buf_done(&path);
}

static void add_envelope(struct dkim2_folding *f, const struct dkim2_envelope *e) {
    dkim2_fold_word(f, VIEW("mf="));
    add_path(f, e->sender);
    dkim2_fold_tight(f, VIEW(";"));
    dkim2_fold_word(f, VIEW("rt="));
    for (size_t i = 0; i < e->recipient_count; i++) {
        dkim2_fold_tight(f, i > 0 ? VIEW(",") : VIEW(""));
        add_path(f, e->recipients[i]);
    }
    dkim2_fold_tight(f, VIEW(";"));
}

/* On one line. */
static void add_tag(struct dkim2_folding *f, const char *tag, view value, const char *end) {
    struct buf word = BUF_INIT(LIMIT_HEADER_BYTES);
    buf_add_str(&word, tag);
    buf_add(&word, value);
    buf_add_str(&word, end);
    dkim2_fold_word(f, buf_view(&word));
    buf_done(&word);
}

static void add_flags(struct dkim2_folding *f, unsigned flags) {
    view rest = VIEW(DKIM2_FLAG_WORDS), word;
    bool begun = false;
    for (unsigned bit = 1; view_split(&rest, ' ', &word); bit <<= 1) {
        if (!(flags & bit))
            continue;
        if (begun)
            dkim2_fold_tight(f, VIEW(","));
        dkim2_fold_word(f, begun ? VIEW("") : VIEW("f="));
        dkim2_fold_tight(f, word);
        begun = true;
    }
    if (begun)
        dkim2_fold_tight(f, VIEW(";"));
}

/* Everything before s=. */
static void add_tags(struct dkim2_folding *f, const struct dkim2_prepared *p, const struct dkim2_signing *s,
                     const struct dkim2_envelope *e) {
    char numbers[96];
    int len = snprintf(numbers, sizeof numbers, "DKIM2-Signature: i=%d; m=%d; t=%lld;", p->next_hop,
                       p->last_instance, (long long)s->now_s);
    dkim2_fold_tight(f, view_from(numbers, (size_t)len));
    add_tag(f, "d=", s->keys[0]->domain, ";");
    if (s->next_domain.len > 0)
        add_tag(f, "nd=", s->next_domain, ";");
    else
        add_envelope(f, e);
    add_flags(f, s->flags);
}

/* "selector:algorithm:" of key k, in the list of s=. */
static void add_key(struct dkim2_folding *f, const struct dkim2_signing *s, size_t k) {
    const char *algorithm = s->keys[k]->ed25519 ? ":ed25519-sha256:" : ":rsa-sha256:";
    if (k == 0) {
        add_tag(f, "s=", s->keys[k]->selector, algorithm);
        return;
    }
    dkim2_fold_tight(f, VIEW(",")); /* no white space may stand behind it */
    dkim2_fold_tight(f, s->keys[k]->selector);
    dkim2_fold_tight(f, view_of(algorithm));
}

void dkim2_sign(const struct dkim2_prepared *p, const struct dkim2_signing *s, const struct dkim2_envelope *e,
                struct buf *out) {
    size_t start = out->len, keys = s->keys[1] ? 2 : 1;
    struct buf what = BUF_INIT(2 * LIMIT_HEADER_BYTES), bare = BUF_INIT(LIMIT_HEADER_BYTES);
    struct dkim2_folding shown = {.out = out}, empty = {.out = &bare};
    add_tags(&shown, p, s, e);
    buf_add(&bare, view_skip(buf_view(out), start));
    for (size_t k = 0; k < keys; k++)
        add_key(&empty, s, k);
    buf_add_str(&bare, ";");
    buf_add(&what, p->signed_fields);
    dkim2_squeeze_field(buf_view(&bare), &what);
    for (size_t k = 0; k < keys; k++) {
        struct buf value = BUF_INIT(VALUE_MOST);
        signing_key_sign(s->keys[k], buf_view(&what), &value);
        add_key(&shown, s, k);
        fold_text(&shown, buf_view(&value));
        buf_done(&value);
    }
    buf_add_str(out, ";\r\n");
    buf_done(&what);
    buf_done(&bare);
}
