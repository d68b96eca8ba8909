/* dkim2_private.h: what the files of DKIM2 share. */
#ifndef AUTH_DKIM2_PRIVATE_H
#define AUTH_DKIM2_PRIVATE_H

#include <openssl/evp.h>

#include "auth/dkim2.h"
#include "mail/header.h"

/* enum dkim2_flags: the first is bit 0. */
#define DKIM2_FLAG_WORDS "exploded donotexplode donotmodify feedback feedhere"

enum {
    DKIM2_HASHES_MOST = 8, /* hash-sets of an instance, unknown ones among them */
    DKIM2_VALUES_MOST = 8, /* signature values of a hop, unknown ones among them */
    DKIM2_RECIPIENTS_MOST = 10000,
    DKIM2_NONCE_MOST = 64
};

/* What is wrong, in the words of the draft. */
struct dkim2_fault {
    struct arena *arena; /* where `why` lives */
    enum dkim2_result result;
    int hop;
    const char *why;
};
/* Always false. What others wrote may be among the arguments. */
bool dkim2_wrong(struct dkim2_fault *f, enum dkim2_result result, int hop, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- dkim2_fields.c: what the two fields say ---- */

struct dkim2_hash {
    view name;
    const EVP_MD *kind; /* NULL: unknown */
    view header, body;  /* octets */
};

struct dkim2_instance {
    int m;
    const struct header_field *field;
    view said; /* h=, without white space */
    struct dkim2_hash hashes[DKIM2_HASHES_MOST];
    size_t count;
    struct dkim2_recipe *recipe; /* NULL: none */
};

enum dkim2_algorithm { DKIM2_UNKNOWN, DKIM2_RSA, DKIM2_ED25519 };
struct dkim2_value {
    view selector, name; /* of the algorithm */
    enum dkim2_algorithm algorithm;
    view octets;
};

struct dkim2_hop {
    int i, m;
    int64_t signed_s;
    const struct header_field *field;
    view domain, next; /* d=, nd=; lower case; next empty: there are mf= and rt= */
    view sender;       /* without brackets; empty: "<>" */
    view *recipients;
    size_t recipient_count;
    unsigned flags;
    struct dkim2_value values[DKIM2_VALUES_MOST];
    size_t count;
    view values_raw; /* s= as it stands in the field */
};

struct dkim2_chain {
    struct dkim2_instance *instances; /* m= 1, 2, … */
    struct dkim2_hop *hops;           /* i= 1, 2, … */
    int instance_count, hop_count;
};

/* bare_paths: mf= and rt= without angle brackets are taken, too, as drafts before this one had them. False:
 * see the fault. Both counts may be 0. Recipes are parsed, not applied. */
bool dkim2_chain_read(const struct header *h, bool bare_paths, struct arena *a, struct dkim2_fault *f,
                      struct dkim2_chain *ret);
/* All instances up to m and all hops up to i, as they are signed (9.6). The values of hop `bare` are left
 * out; 0: of none. */
void dkim2_chain_signed(const struct dkim2_chain *c, int m, int i, int bare, struct buf *out);

/* ---- dkim2_form.c: a message as the hashes see it ---- */

struct dkim2_field {
    view line; /* "name:value\r\n", canonical */
    view name;
    view raw;      /* as it stood in the message; empty: a recipe made it */
    size_t place;  /* from the top of the message */
    size_t number; /* among those of its name, from the bottom: 1, 2, … */
};

struct dkim2_form {
    struct dkim2_field *fields; /* by name, then number */
    size_t count;
    view body;
    bool body_lost;   /* nobody can rebuild it */
    struct buf owned; /* the body, where a recipe made it */
};

/* Borrows the message. The arena's failure is to be checked by the caller. */
void dkim2_form_of(const struct header *h, struct arena *a, struct dkim2_form *ret);
void dkim2_form_done(struct dkim2_form *f);
/* Canonical field of a form. */
struct dkim2_field dkim2_field_of(const struct header_field *f, struct arena *a);
void dkim2_form_sort(struct dkim2_form *f);
/* The field is part of the hash (4). */
bool dkim2_is_hashed(view name);
/* Those of a name: the index of the first, and how many. */
size_t dkim2_form_find(const struct dkim2_form *f, view name, size_t *ret_count);
/* The next line without its CRLF; the last one may have none. */
view dkim2_next_line(view *rest);
/* Without the line ends at its end: what is hashed is that and one CRLF. */
view dkim2_body_trim(view body);

enum { DKIM2_DIGEST_MOST = 64 };
const EVP_MD *dkim2_hash_named(view name); /* NULL: unknown */
void dkim2_header_digest(const struct dkim2_form *f, const EVP_MD *kind,
                         unsigned char ret[DKIM2_DIGEST_MOST]);
void dkim2_body_digest(view body, const EVP_MD *kind, unsigned char ret[DKIM2_DIGEST_MOST]);

/* ---- dkim2_recipe.c: how the form before is made of the form after ---- */

struct dkim2_step {
    size_t from, to; /* copied; 0: `lines` are inserted */
    view *lines;
    size_t count;
};
struct dkim2_steps {
    struct dkim2_step *list;
    size_t count;
};
struct dkim2_recipe_field {
    view name;
    struct dkim2_steps steps;
};
struct dkim2_recipe {
    struct dkim2_recipe_field *fields;
    size_t field_count;
    struct dkim2_steps body;
    bool has_header, has_body, body_lost; /* body_lost: "b" is null */
};

/* From JSON. False: it is no recipe. One without "h" and "b" is read here; fields refuse it. */
bool dkim2_recipe_read(view json, struct arena *a, struct dkim2_recipe *ret);
/* In place. False: it copies what is not there, or makes more than LIMIT_HEADER_FIELDS fields. */
bool dkim2_recipe_apply(const struct dkim2_recipe *r, struct arena *a, struct dkim2_form *form);

/* ---- dkim2_diff.c: make one ---- */

/* Items of the old list out of those of the new one; order is kept. */
void dkim2_diff(const view *old, size_t old_count, const view *now, size_t now_count, struct arena *a,
                struct dkim2_steps *ret);
/* The recipe that makes `old` of `now`. Its body is null where JSON cannot say it (no UTF-8, a CR or LF
 * alone), or more than half of the old body would stand in it. False: a field that was changed is no UTF-8.
 */
bool dkim2_recipe_make(const struct dkim2_form *old, const struct dkim2_form *now, struct arena *a,
                       struct dkim2_recipe *ret);
/* Append its JSON. */
void dkim2_recipe_write(const struct dkim2_recipe *r, struct buf *out);

/* ---- dkim2_sign.c: fields that we write ---- */

/* Words are kept whole; base64 is broken wherever a line is full. */
struct dkim2_folding {
    struct buf *out;
    size_t column;
};
void dkim2_fold_word(struct dkim2_folding *f, view word);
void dkim2_fold_base64(struct dkim2_folding *f, view octets);
void dkim2_fold_tight(struct dkim2_folding *f, view text); /* never before it */
/* The field as it is signed: name in lower case, no white space at all, CRLF. */
void dkim2_squeeze_field(view raw, struct buf *out);

/* dkim2_verify() for those who need the leniency of dkim2_chain_read(). */
void dkim2_verify_paths(view message, bool bare_paths, const struct dkim2_envelope *e, int64_t now_s,
                        struct answers *a, struct dkim2_verdict *ret);

#endif
