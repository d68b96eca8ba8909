/* tls.h: the only place that knows OpenSSL's SSL objects. TLS 1.2 or newer (RFC 9325). */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buf.h"
#include "base/err.h"

struct tls_context; /* counted, immutable, shared by threads */
struct tls;         /* one connection */

/* For servers: certificate chain and key, PEM files. */
struct tls_context *tls_server_context(const char *certificate_path, const char *key_path, struct err *e);
/* Use another certificate for clients that ask for `name` (SNI, RFC 6066 3); for all others that of the
 * context. While the context is not yet in use. */
bool tls_server_add_name(struct tls_context *c, const char *name, const char *certificate_path,
                         const char *key_path, struct err *e);
/* A new P-256 key and a certificate for `name` signed with it, both in PEM, appended to `out`: for
 * opportunistic TLS, where nobody checks who the other side is. */
bool tls_self_signed(const char *name, struct buf *out, struct err *e);
/* For opportunistic clients (RFC 7435): no certificate is asked for. */
struct tls_context *tls_client_context(struct err *e);
/* For clients that want to know who the other side is: `authorities` is a PEM file of certificates; NULL or
 * empty: those of the system. */
struct tls_context *tls_proving_context(const char *authorities, struct err *e);
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context **c);

enum tls_want { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_FAILED };

/* Attach to a connected non-blocking socket; `sni` for clients, may be NULL. */
struct tls *tls_new(struct tls_context *c, int fd, const char *sni);
void tls_free(struct tls **t);
enum tls_want tls_handshake(struct tls *t, struct err *e);
/* Like read(2)/write(2) with the wants above; *ret_n is set with TLS_DONE; 0 read means the other side
 * closed. */
enum tls_want tls_read(struct tls *t, void *p, size_t len, size_t *ret_n, struct err *e);
enum tls_want tls_write(struct tls *t, const void *p, size_t len, size_t *ret_n, struct err *e);
void tls_shutdown(struct tls *t); /* best effort close_notify */

/* What may prove who the other side is, of a connection of tls_proving_context that has not begun yet. The
 * handshake does not fail for it: what came of it is asked afterwards. */
enum { TLSA_USAGE_ANCHOR = 2, TLSA_USAGE_ENTITY = 3, TLS_NAMES_MAX = 3 };
struct tls_tlsa { /* RFC 6698 2.1 */
    uint8_t usage, selector, matching;
    view data;
};
struct tls_proof {
    const char *names[TLS_NAMES_MAX]; /* the certificate is for one of them; NULL behind the last */
    const struct tls_tlsa *records;   /* and of these (DANE, RFC 7671) … */
    size_t record_count;              /* … or, without any, by one of the authorities */
};
bool tls_expect(struct tls *t, const struct tls_proof *p, struct err *e);
enum tls_proved { TLS_PROVED, TLS_EXPIRED, TLS_OTHER_NAME, TLS_NOT_TRUSTED };
enum tls_proved tls_proved(const struct tls *t, const char **ret_why);

const char *tls_version(const struct tls *t); /* "TLS1.3" */
const char *tls_cipher(const struct tls *t);

#endif
