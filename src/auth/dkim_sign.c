/* dkim_sign.c: see dkim_sign.h. Fields are walked once, from the bottom: in that order h= names those that
 * are there several times (RFC 6376 5.4.2). */
#include "auth/dkim_sign.h"

#include <string.h>

#include "auth/dkim_private.h"
#include "base/limits.h"
#include "base/mem.h"
#include "mail/transfer.h"

enum { LINE = 72, SIGNATURE_MOST = 1024 /* octets: RSA of 8192 bits */ };

/* Signed as often as they are there and once more: a second one would be what is shown or answered. */
static const view closed[] = {VIEW("From"),         VIEW("Subject"),
                              VIEW("Date"),         VIEW("Reply-To"),
                              VIEW("To"),           VIEW("Cc"),
                              VIEW("Message-ID"),   VIEW("MIME-Version"),
                              VIEW("Content-Type"), VIEW("Content-Transfer-Encoding")};
/* Signed as often as they are there. List-*: closed, too, where there are any; on mail that is not a list's
 * yet they are a list's to add. */
static const view open_ended[] = {
    VIEW("Sender"),           VIEW("Author"),        VIEW("In-Reply-To"),
    VIEW("References"),       VIEW("Content-ID"),    VIEW("Content-Disposition"),
    VIEW("Resent-From"),      VIEW("Resent-Sender"), VIEW("Content-Description"),
    VIEW("Resent-To"),        VIEW("Resent-Cc"),     VIEW("Resent-Date"),
    VIEW("Archived-At"),      VIEW("CFBL-Address"),  VIEW("Resent-Message-ID"),
    VIEW("CFBL-Feedback-ID"), VIEW("Auto-Submitted")};

static bool is_one_of(view name, const view *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (view_eq_nocase(name, names[i]))
            return true;
    return false;
}

static bool is_of_a_list(view name) {
    return view_starts_with_nocase(name, VIEW("List-"));
}

static bool is_signed(view name) {
    return is_of_a_list(name) || is_one_of(name, closed, COUNT_OF(closed)) ||
           is_one_of(name, open_ended, COUNT_OF(open_ended));
}

/* ---- one key ---- */

void signing_key_sign(const struct signing_key *k, view what, struct buf *out) {
    unsigned char signature[SIGNATURE_MOST], digest[32];
    size_t len = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    BUG_ON(!context);
    if (k->ed25519) {
        BUG_ON(!EVP_Digest(what.ptr, what.len, digest, NULL, EVP_sha256(), NULL) ||
               EVP_DigestSignInit(context, NULL, NULL, NULL, k->key) != 1 ||
               EVP_DigestSign(context, signature, &len, digest, sizeof digest) != 1);
    } else {
        BUG_ON(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, k->key) != 1 ||
               EVP_DigestSign(context, signature, &len, (const unsigned char *)what.ptr, what.len) != 1);
    }
    EVP_MD_CTX_free(context);
    transfer_add_base64(out, view_from(signature, len));
}

/* ---- a message ---- */

void dkim_collected_init(struct dkim_collected *c) {
    *c = (struct dkim_collected){.names = BUF_INIT(LIMIT_HEADER_BYTES),
                                 .fields = BUF_INIT(2 * LIMIT_HEADER_BYTES)};
}

void dkim_collected_done(struct dkim_collected *c) {
    buf_done(&c->names);
    buf_done(&c->fields);
}

void dkim_add_name(struct dkim_collected *c, view name) {
    if (c->names.len > 0)
        buf_add_char(&c->names, ':');
    c->column += name.len + 1;
    if (c->column > LINE) {
        buf_add_str(&c->names, "\r\n\t");
        c->column = name.len + 1;
    }
    buf_add(&c->names, name);
}

void dkim_collect(const struct header *h, bool signatures, struct dkim_collected *c) {
    for (size_t i = h->count; i-- > 0;) {
        view name = h->fields[i].name;
        if (!is_signed(name) && !(signatures && view_eq_nocase(name, VIEW("DKIM-Signature"))))
            continue;
        dkim_add_name(c, name);
        canon_field(CANON_RELAXED, &h->fields[i], &c->fields);
    }
    for (size_t i = 0; i < COUNT_OF(closed); i++)
        dkim_add_name(c, closed[i]);
    for (size_t i = 0; i < h->count; i++)
        if (is_of_a_list(h->fields[i].name))
            dkim_add_name(c, h->fields[i].name);
}

/* In lines; white space in it says nothing. */
void dkim_add_signed(const struct signing_key *k, view what, struct buf *out) {
    struct buf base64 = BUF_INIT(2 * SIGNATURE_MOST);
    signing_key_sign(k, what, &base64);
    for (view rest = buf_view(&base64); rest.len > 0; rest = view_skip(rest, LINE)) {
        buf_add_str(out, "\r\n\t");
        buf_add(out, view_slice(rest, 0, LINE));
    }
    buf_done(&base64);
}

static void add_signature(const struct dkim_signing *s, const struct signing_key *k,
                          const struct dkim_collected *c, const unsigned char body_sha256[32],
                          struct buf *out) {
    size_t start = out->len;
    struct buf what = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    buf_printf(out, "DKIM-Signature: v=1; a=%s-sha256; c=relaxed/relaxed;\r\n\td=%.*s; s=%.*s;\r\n\tt=%lld;",
               k->ed25519 ? "ed25519" : "rsa", VIEW_ARG(k->domain), VIEW_ARG(k->selector),
               (long long)s->now_s);
    if (s->life_s > 0)
        buf_printf(out, " x=%lld;", (long long)(s->now_s + s->life_s));
    buf_add_str(out, "\r\n\tbh=");
    transfer_add_base64(out, view_from(body_sha256, 32));
    buf_add_str(out, ";\r\n\th=");
    buf_add(out, buf_view(&c->names));
    buf_add_str(out, ";\r\n\tb=");
    view raw = view_skip(buf_view(out), start);
    const struct header_field own = {.name = VIEW("DKIM-Signature"), .raw = raw, .value = view_skip(raw, 15)};
    buf_add(&what, buf_view(&c->fields));
    canon_field(CANON_RELAXED, &own, &what);
    dkim_add_signed(k, view_slice(buf_view(&what), 0, what.len - 2), out);
    buf_add_str(out, "\r\n");
    buf_done(&what);
}

void dkim_sign(const struct dkim_signing *s, view header, const unsigned char body_sha256[32],
               struct buf *out) {
    struct dkim_collected c;
    struct arena arena;
    struct header h;
    arena_init(&arena, LIMIT_STEP_ARENA);
    header_parse(header, &arena, &h);
    dkim_collected_init(&c);
    dkim_collect(&h, false, &c);
    for (size_t i = 0; i < s->key_count; i++)
        add_signature(s, s->keys[i], &c, body_sha256, out);
    dkim_collected_done(&c);
    arena_done(&arena);
}
