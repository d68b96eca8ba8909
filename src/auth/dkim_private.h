/* dkim_private.h: what signatures of a message have in common, in whatever field they stand: DKIM-Signature,
 * ARC-Message-Signature and ARC-Seal. A function that says no leaves the reason in the signature's `why`. */
#ifndef AUTH_DKIM_PRIVATE_H
#define AUTH_DKIM_PRIVATE_H

#include "auth/dkim.h"
#include "auth/dkim_canon.h"
#include "auth/dkim_key.h"
#include "auth/dkim_sign.h"
#include "auth/tags.h"

/* A message whose signatures are checked. */
struct dkim_message {
    struct header header;
    int64_t now_s;
    struct answers *answers;
    struct arena *arena;
    const struct dkim_bodies *bodies; /* that were hashed before; or `own`, hashed as they are needed */
    struct dkim_bodies *own;
};
/* As dkim_verify() is given it. False: the arena is full. */
bool dkim_message_init(struct dkim_message *m, view message, const struct dkim_bodies *bodies, int64_t now_s,
                       struct answers *a);

/* One signature while it is checked. */
struct dkim_reading {
    struct tags tags;
    const struct header_field *field;
    enum canon header, body;
    int64_t limit; /* l=; -1: none */
    bool ed25519, sha1;
    const unsigned char *hash, *signature; /* bh=, b= */
    size_t hash_len, signature_len;
};

/* PERMERROR, for that reason. */
enum dkim_result dkim_wrong(struct dkim_signature *s, const char *why);
bool dkim_read_number(view text, int64_t *ret);
bool dkim_read_canon(const struct tags *t, struct dkim_reading *r); /* c= */
/* The body as it is looked at; NULL: it was not hashed that way. */
const struct dkim_body *dkim_find_body(const struct dkim_bodies *b, const struct dkim_reading *r);

/* ---- to check one, in this order ---- */

/* All tags; a=, b=, d= and s= among them. */
enum dkim_result dkim_read_signer(const struct dkim_message *m, struct dkim_reading *r,
                                  struct dkim_signature *s);
/* What is signed, how it is looked at and how long that holds: bh=, c=, h=, l=, t=, x=. */
enum dkim_result dkim_read_scope(const struct dkim_message *m, struct dkim_reading *r,
                                 struct dkim_signature *s);
enum dkim_result dkim_find_key(const struct dkim_message *m, const struct dkim_reading *r,
                               struct dkim_signature *s, struct dkim_key *ret);
enum dkim_result dkim_check_body(struct dkim_message *m, const struct dkim_reading *r,
                                 struct dkim_signature *s);
enum dkim_result dkim_check_header(const struct dkim_message *m, const struct dkim_reading *r,
                                   const struct dkim_key *key, struct dkim_signature *s);

/* What stands in b= is the key's signature of `what`. */
enum dkim_result dkim_check_signed(const struct dkim_message *m, const struct dkim_reading *r,
                                   const struct dkim_key *key, view what, struct dkim_signature *s);
/* The signature's own field, without what b= says and without its line end (RFC 6376 3.7). */
void dkim_add_own(const struct dkim_reading *r, struct buf *out);

/* ---- header fields ---- */

enum { DKIM_NAMES_MOST = 1000 }; /* that h= is read for */
/* The field of that name that stands lowest and was not taken before; never `own`. taken: one for each. */
const struct header_field *dkim_take_field(const struct header *h, const struct header_field *own, view name,
                                           bool *taken);

/* Signed fields as they are collected. */
struct dkim_collected {
    struct buf names;  /* h=, folded */
    struct buf fields; /* canonical, relaxed */
    size_t column;
};
void dkim_collected_init(struct dkim_collected *c);
void dkim_collected_done(struct dkim_collected *c);
void dkim_add_name(struct dkim_collected *c, view name);
/* What we sign; and the DKIM-Signature fields, or not. */
void dkim_collect(const struct header *h, bool signatures, struct dkim_collected *c);

/* The key's signature of `what`, each line of it behind a fold. */
void dkim_add_signed(const struct signing_key *k, view what, struct buf *out);

#endif
