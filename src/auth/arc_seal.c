/* arc_seal.c: see arc.h. Tags are written in the order of their names, as the public suite wants them. */
#include <string.h>

#include "auth/arc_private.h"
#include "base/limits.h"
#include "mail/transfer.h"

struct sealing {
    const struct arc_sealing *how;
    const struct arc_text *text;
    const struct header *header;
    const unsigned char *body_sha256;
    const struct arc_chain *chain;
    struct arc_set set; /* the new one */
    int instance;
    const char *status; /* cv= */
};

static struct header_field field_of(view raw, const char *name) {
    view value = view_skip(raw, strlen(name) + 1);
    return (struct header_field){.name = view_of(name), .raw = raw, .value = value};
}

/* As the caller names them, each time the lowest that is left. */
static void collect_named(const struct header *h, view names, struct arena *a, struct dkim_collected *c) {
    bool *taken = arena_array(a, bool, h->count + 1);
    view name;
    for (size_t n = 0; taken && n < DKIM_NAMES_MOST && view_split(&names, ':', &name); n++) {
        name = view_trim(name);
        const struct header_field *f = dkim_take_field(h, NULL, name, taken);
        dkim_add_name(c, name);
        if (f)
            canon_field(CANON_RELAXED, f, &c->fields);
    }
}

/* A field with what the key signs in its b=: it stands between `head`, which ends in "b=", and `tail`.
 * before: what is signed before it. */
static void add_signed_field(const struct sealing *s, const char *name, const struct buf *before, view head,
                             view tail, struct buf *out) {
    struct buf what = BUF_INIT(4 * LIMIT_HEADER_BYTES), bare = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    buf_add(&bare, head);
    buf_add(&bare, tail);
    const struct header_field own = field_of(buf_view(&bare), name);
    buf_add(&what, buf_view(before));
    canon_field(CANON_RELAXED, &own, &what);
    if (what.failed || bare.failed)
        out->failed = true;
    else {
        buf_add(out, head);
        (s->text->unfolded ? signing_key_sign
                           : dkim_add_signed)(s->how->key, view_slice(buf_view(&what), 0, what.len - 2), out);
        buf_add(out, tail);
    }
    buf_done(&bare);
    buf_done(&what);
}

static void add_signature(const struct sealing *s, struct arena *a, struct buf *out) {
    const struct signing_key *k = s->how->key;
    struct dkim_collected c;
    struct buf tail = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    dkim_collected_init(&c);
    if (s->how->fields.len > 0)
        collect_named(s->header, s->how->fields, a, &c);
    else
        dkim_collect(s->header, true, &c);
    buf_add_str(&tail, ";\r\n\tbh=");
    transfer_add_base64(&tail, view_from(s->body_sha256, 32));
    buf_printf(&tail, ";\r\n\tc=relaxed/relaxed; d=%.*s;\r\n\th=", VIEW_ARG(k->domain));
    buf_add(&tail, buf_view(&c.names));
    buf_printf(&tail, ";\r\n\ti=%d; s=%.*s; t=%lld\r\n", s->instance, VIEW_ARG(k->selector),
               (long long)s->how->now_s);
    add_signed_field(s, ARC_SIGNATURE_NAME, &c.fields, VIEW(ARC_SIGNATURE_NAME ": a=rsa-sha256; b="),
                     buf_view(&tail), out);
    out->failed |= tail.failed || c.names.failed || c.fields.failed;
    buf_done(&tail);
    dkim_collected_done(&c);
}

/* A chain that is broken is not sealed with the rest (RFC 8617 5.1.2). */
static void add_seal(const struct sealing *s, struct buf *out) {
    const struct signing_key *k = s->how->key;
    struct buf before = BUF_INIT(2 * LIMIT_HEADER_BYTES), tail = BUF_INIT(1024);
    for (int i = 0; i + 1 < s->instance && strcmp(s->status, "pass") == 0; i++)
        arc_add_set(&s->chain->sets[i], true, &before);
    arc_add_set(&s->set, false, &before);
    buf_printf(&tail, ";\r\n\tcv=%s; d=%.*s; i=%d;\r\n\ts=%.*s; t=%lld\r\n", s->status, VIEW_ARG(k->domain),
               s->instance, VIEW_ARG(k->selector), (long long)s->how->now_s);
    add_signed_field(s, ARC_SEAL_NAME, &before, VIEW(ARC_SEAL_NAME ": a=rsa-sha256; b="), buf_view(&tail),
                     out);
    out->failed |= before.failed || tail.failed;
    buf_done(&tail);
    buf_done(&before);
}

/* What cv= says; NULL: nothing is sealed. A chain that was good, and is not what is sent, is broken. */
static const char *status_of(const struct arc_sealing *s, const struct arc_chain *chain, bool whole) {
    if (s->chain == ARC_TEMPERROR || s->chain == ARC_WAITS)
        return NULL;
    if (s->chain == ARC_FAIL)
        return "fail";
    if (!chain->any)
        return "none";
    return s->chain == ARC_PASS && whole ? "pass" : "fail";
}

static void add_set(struct sealing *s, struct arena *a, struct buf *out) {
    struct buf results = BUF_INIT(LIMIT_HEADER_BYTES), signature = BUF_INIT(2 * LIMIT_HEADER_BYTES),
               seal = BUF_INIT(LIMIT_HEADER_BYTES);
    buf_printf(&results, ARC_RESULTS_NAME ": i=%d; ", s->instance);
    buf_add(&results, s->text->found);
    add_signature(s, a, &signature);
    struct header_field first = field_of(buf_view(&results), ARC_RESULTS_NAME),
                        second = field_of(buf_view(&signature), ARC_SIGNATURE_NAME);
    s->set = (struct arc_set){.results = &first, .signature = &second};
    if (!results.failed && !signature.failed)
        add_seal(s, &seal);
    if (results.failed || signature.failed || seal.failed)
        out->failed = true;
    buf_add(out, buf_view(&seal));
    buf_add(out, buf_view(&signature));
    buf_add(out, buf_view(&results));
    buf_done(&results);
    buf_done(&signature);
    buf_done(&seal);
}

void arc_seal_text(const struct arc_sealing *s, const struct arc_text *text, view header,
                   const unsigned char body_sha256[32], struct arena *a, struct buf *out) {
    struct header h;
    struct arc_chain *chain = arena_new(a, struct arc_chain);
    header_parse(header, a, &h);
    if (!chain || h.truncated)
        return;
    bool whole = *arc_collect(&h, chain) == '\0';
    struct sealing now = {.how = s,
                          .text = text,
                          .header = &h,
                          .body_sha256 = body_sha256,
                          .chain = chain,
                          .instance = chain->count + 1,
                          .status = status_of(s, chain, whole)};
    if (!now.status || chain->failed || now.instance > ARC_SETS_MOST || s->key->ed25519 || a->failed)
        return;
    add_set(&now, a, out);
}

void arc_seal(const struct arc_sealing *s, view header, const unsigned char body_sha256[32], struct arena *a,
              struct buf *out) {
    struct buf found = BUF_INIT(LIMIT_HEADER_BYTES);
    authres_write(s->found, &found);
    if (found.failed)
        out->failed = true;
    else
        arc_seal_text(s, &(struct arc_text){.found = buf_view(&found)}, header, body_sha256, a, out);
    buf_done(&found);
}
