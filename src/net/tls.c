/* tls.c: TLS over a non-blocking socket, by OpenSSL.
 *
 * OpenSSL's own socket BIO uses write(2), which raises SIGPIPE when the other side is gone. A library must
 * not change what a signal does in the whole process, so a small BIO of ours reads and writes the socket
 * instead; it also keeps the errno that tells a lost connection from a protocol failure.
 *
 * OpenSSL reports through an error queue per thread; whatever an earlier call left there would be taken for
 * the reason of a later one, so each call starts with an empty queue. */
#include "net/tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/sockaddr.h"

struct tls_name {
    struct tls_name *next;
    SSL_CTX *ctx;
    char *name;
};

struct tls_context {
    SSL_CTX *ctx;
    bool server;
    atomic_int references;
    struct tls_name *names; /* certificates for other names */
};

struct tls {
    SSL *ssl;
    int fd;
    int io_errno; /* of the last failed read or write of the socket; 0: it did not fail */
    bool eof;
    bool broken; /* after a fatal error no close_notify may be sent */
};

/* The socket below a connection. */

static int socket_result(BIO *b, struct tls *t, ssize_t n) {
    BIO_clear_retry_flags(b);
    if (n >= 0)
        return (int)n;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return -1;
    t->io_errno = errno;
    return -2;
}

static int socket_read(BIO *b, char *p, int len) {
    struct tls *t = BIO_get_data(b);
    int n = socket_result(b, t, recv(t->fd, p, (size_t)len, MSG_DONTWAIT));
    if (n == 0 && len > 0)
        t->eof = true;
    if (n == -1)
        BIO_set_retry_read(b);
    return n < 0 ? -1 : n;
}

static int socket_write(BIO *b, const char *p, int len) {
    struct tls *t = BIO_get_data(b);
    int n = socket_result(b, t, send(t->fd, p, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL));
    if (n == -1)
        BIO_set_retry_write(b);
    return n < 0 ? -1 : n;
}

static long socket_control(BIO *b, int command, long number, void *p) {
    (void)number, (void)p;
    struct tls *t = BIO_get_data(b);
    if (command == BIO_CTRL_EOF)
        return t->eof;
    return command == BIO_CTRL_FLUSH; /* nothing is held back here */
}

/* Made once: OpenSSL can give out only some hundred types in the life of a process. */
static BIO_METHOD *socket_method;

static void make_socket_method(void) {
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
    if (!socket_method || !BIO_meth_set_read(socket_method, socket_read) ||
        !BIO_meth_set_write(socket_method, socket_write) || !BIO_meth_set_ctrl(socket_method, socket_control))
        BUG("no memory for TLS");
}

static BIO *new_socket(struct tls *t) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_socket_method);
    BIO *b = BIO_new(socket_method);
    if (!b)
        BUG("no memory for TLS");
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    return b;
}

/* The oldest entry of the error queue: the others say through which functions it came up. */
static bool tls_err(struct err *e, enum err_code code, const char *what) {
    unsigned long first = ERR_get_error();
    const char *reason = first ? ERR_reason_error_string(first) : NULL;
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(first)) {
        errno = ERR_GET_REASON(first);
        return err_errno(e, code, "%s", what);
    }
    return reason ? err_set(e, code, "%s: %s", what, reason) : err_set(e, code, "%s", what);
}

/* What servers and clients have in common. */
static struct tls_context *new_context(const SSL_METHOD *method, bool server, struct err *e) {
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION)) {
        tls_err(e, ERR_TLS, "cannot start OpenSSL");
        SSL_CTX_free(ctx);
        return NULL;
    }
    /* Mail protocols say by themselves where a message ends, and many peers just close: an end without
     * close_notify is an end. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* An idle session gives its 33 KiB of buffers back; the output buffer may move between two tries. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Sessions are resumed by tickets, which cost the server no memory. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    struct tls_context *c = mem_alloc(sizeof *c);
    c->ctx = ctx;
    c->server = server;
    c->references = 1;
    return c;
}

/* A key with a pass phrase must not make a server ask on the terminal. */
static int no_pass_phrase(char *out, int size, int writing, void *ctx) {
    (void)out, (void)size, (void)writing, (void)ctx;
    return 0;
}

static bool load_pair(SSL_CTX *ctx, const char *certificate_path, const char *key_path, struct err *e) {
    char what[LIMIT_ERR_TEXT];
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate_path) != 1) {
        snprintf(what, sizeof what, "cannot use the certificate %s", certificate_path);
        return tls_err(e, ERR_CONFIG, what);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        snprintf(what, sizeof what, "cannot use the key %s", key_path);
        return tls_err(e, ERR_CONFIG, what);
    }
    return true;
}

struct tls_context *tls_server_context(const char *certificate_path, const char *key_path, struct err *e) {
    struct tls_context *c = new_context(TLS_server_method(), true, e);
    if (!c)
        return NULL;
    SSL_CTX_set_options(c->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_dh_auto(c->ctx, 1);
    if (!load_pair(c->ctx, certificate_path, key_path, e))
        tls_context_unref(&c);
    return c;
}

static int choose_name(SSL *ssl, int *alert, void *context) {
    (void)alert;
    const struct tls_context *c = context;
    const char *wanted = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    for (const struct tls_name *n = c->names; n && wanted; n = n->next)
        if (strcasecmp(n->name, wanted) == 0) {
            SSL_set_SSL_CTX(ssl, n->ctx);
            break;
        }
    return SSL_TLSEXT_ERR_OK; /* an unknown name is no reason to do without TLS */
}

bool tls_server_add_name(struct tls_context *c, const char *name, const char *certificate_path,
                         const char *key_path, struct err *e) {
    struct tls_context *other = tls_server_context(certificate_path, key_path, e);
    if (!other)
        return false;
    struct tls_name *n = mem_alloc(sizeof *n);
    *n = (struct tls_name){.next = c->names, .ctx = other->ctx, .name = mem_str(name)};
    free(other);
    c->names = n;
    SSL_CTX_set_tlsext_servername_callback(c->ctx, choose_name);
    SSL_CTX_set_tlsext_servername_arg(c->ctx, c);
    return true;
}

static bool fill_certificate(X509 *x, EVP_PKEY *key, const char *name) {
    enum { YEARS_10 = 10 * 365 * 24 * 3600 };
    X509_NAME *subject = X509_get_subject_name(x);
    FREE_AUTO char *alternative = mem_printf("DNS:%s", name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    bool ok =
        X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) &&
        X509_gmtime_adj(X509_getm_notBefore(x), -3600) && X509_gmtime_adj(X509_getm_notAfter(x), YEARS_10) &&
        X509_set_pubkey(x, key) &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
        X509_set_issuer_name(x, subject) && extension && X509_add_ext(x, extension, -1) &&
        X509_sign(x, key, EVP_sha256());
    X509_EXTENSION_free(extension);
    return ok;
}

bool tls_self_signed(const char *name, struct buf *out, struct err *e) {
    ERR_clear_error();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *pem = BIO_new(BIO_s_mem());
    char *text;
    bool ok = key && x && pem && fill_certificate(x, key, name) && PEM_write_bio_X509(pem, x) &&
              PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
    if (ok) {
        long len = BIO_get_mem_data(pem, &text); /* it sets text: not in one expression with its use */
        buf_add(out, view_from(text, (size_t)len));
    } else {
        tls_err(e, ERR_TLS, "cannot make a certificate");
    }
    BIO_free(pem);
    X509_free(x);
    EVP_PKEY_free(key);
    return ok;
}

struct tls_context *tls_client_context(struct err *e) {
    struct tls_context *c = new_context(TLS_client_method(), false, e);
    /* Where the alternative is no encryption at all, a short key of the other side is better than none
     * (RFC 7435 section 3). The protocol version stays at 1.2. */
    if (c)
        SSL_CTX_set_security_level(c->ctx, 1);
    return c;
}

struct tls_context *tls_proving_context(const char *authorities, struct err *e) {
    struct tls_context *c = tls_client_context(e);
    bool own = authorities && *authorities;
    if (!c || (SSL_CTX_dane_enable(c->ctx) == 1 && (own ? SSL_CTX_load_verify_file(c->ctx, authorities)
                                                        : SSL_CTX_set_default_verify_paths(c->ctx)) == 1))
        return c;
    char what[LIMIT_ERR_TEXT];
    snprintf(what, sizeof what, "cannot use the certificates in %s",
             own ? authorities : "the system's folder");
    tls_err(e, ERR_CONFIG, what);
    tls_context_unref(&c);
    return NULL;
}

struct tls_context *tls_context_ref(struct tls_context *c) {
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
    return c;
}

void tls_context_unref(struct tls_context **c) {
    if (*c && atomic_fetch_sub_explicit(&(*c)->references, 1, memory_order_acq_rel) == 1) {
        for (struct tls_name *n = (*c)->names, *next; n; n = next) {
            next = n->next;
            SSL_CTX_free(n->ctx);
            free(n->name);
            free(n);
        }
        SSL_CTX_free((*c)->ctx);
        free(*c);
    }
    *c = NULL;
}

/* RFC 6066 3: names only, no addresses. */
static void set_sni(SSL *ssl, const char *sni) {
    struct sockaddr_any ignored;
    view v = view_of(sni);
    if (v.len == 0 || v.len > LIMIT_DOMAIN || sockaddr_from_ip(v, 0, &ignored, NULL))
        return;
    FREE_AUTO char *name = mem_view(v); /* OpenSSL's macro casts `const` away */
    SSL_set_tlsext_host_name(ssl, name);
}

/* The connection keeps what it needs of the context by OpenSSL's own counting. */
struct tls *tls_new(struct tls_context *c, int fd, const char *sni) {
    struct tls *t = mem_alloc(sizeof *t);
    ERR_clear_error();
    t->fd = fd;
    t->ssl = SSL_new(c->ctx);
    if (!t->ssl)
        BUG("no memory for TLS");
    BIO *b = new_socket(t);
    SSL_set_bio(t->ssl, b, b);
    if (c->server) {
        SSL_set_accept_state(t->ssl);
    } else {
        SSL_set_connect_state(t->ssl);
        set_sni(t->ssl, sni);
    }
    return t;
}

void tls_free(struct tls **t) {
    if (!*t)
        return;
    SSL_free((*t)->ssl);
    free(*t);
    *t = NULL;
}

static enum tls_want failed(struct tls *t, int why, const char *what, struct err *e) {
    t->broken = true;
    if (why == SSL_ERROR_SYSCALL && t->io_errno) {
        errno = t->io_errno;
        err_errno(e, ERR_CONNECTION_LOST, "%s", what);
    } else if (why == SSL_ERROR_SYSCALL || why == SSL_ERROR_ZERO_RETURN) {
        err_set(e, ERR_CONNECTION_LOST, "%s: the other side closed the connection", what);
    } else {
        tls_err(e, ERR_TLS, what);
    }
    ERR_clear_error();
    return TLS_FAILED;
}

/* What the result of a call of OpenSSL means. */
static enum tls_want want(struct tls *t, int result, const char *what, struct err *e) {
    int why = result > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, result);
    if (why == SSL_ERROR_NONE)
        return TLS_DONE;
    if (why == SSL_ERROR_WANT_READ)
        return TLS_WANT_READ;
    if (why == SSL_ERROR_WANT_WRITE)
        return TLS_WANT_WRITE;
    return failed(t, why, what, e);
}

enum tls_want tls_handshake(struct tls *t, struct err *e) {
    ERR_clear_error();
    return want(t, SSL_do_handshake(t->ssl), "TLS handshake failed", e);
}

enum tls_want tls_read(struct tls *t, void *p, size_t len, size_t *ret_n, struct err *e) {
    size_t n = 0;
    ERR_clear_error();
    int result = SSL_read_ex(t->ssl, p, len, &n);
    if (result <= 0 && SSL_get_error(t->ssl, result) == SSL_ERROR_ZERO_RETURN) {
        *ret_n = 0;
        return TLS_DONE;
    }
    enum tls_want w = want(t, result, "cannot read over TLS", e);
    if (w == TLS_DONE)
        *ret_n = n;
    return w;
}

enum tls_want tls_write(struct tls *t, const void *p, size_t len, size_t *ret_n, struct err *e) {
    size_t n = 0;
    ERR_clear_error();
    enum tls_want w = want(t, len > 0 ? SSL_write_ex(t->ssl, p, len, &n) : 1, "cannot write over TLS", e);
    if (w == TLS_DONE)
        *ret_n = n;
    return w;
}

/* A record that OpenSSL cannot use matches nothing; the others may. */
static bool add_records(SSL *ssl, const struct tls_proof *p) {
    bool ok = SSL_dane_enable(ssl, p->names[0]) == 1;
    for (size_t i = 0; ok && i < p->record_count; i++) {
        const struct tls_tlsa *r = &p->records[i];
        ok = SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching, (const unsigned char *)r->data.ptr,
                               r->data.len) >= 0;
    }
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 3.1.1 */
    return ok;
}

bool tls_expect(struct tls *t, const struct tls_proof *p, struct err *e) {
    ERR_clear_error();
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    bool ok = p->record_count > 0 ? add_records(t->ssl, p) : SSL_set1_host(t->ssl, p->names[0]) == 1;
    for (size_t i = 1; ok && i < TLS_NAMES_MAX && p->names[i]; i++)
        ok = SSL_add1_host(t->ssl, p->names[i]) == 1;
    return ok || tls_err(e, ERR_TLS, "cannot set up what the certificate must be");
}

enum tls_proved tls_proved(const struct tls *t, const char **ret_why) {
    long result = SSL_get_verify_result(t->ssl);
    *ret_why = X509_verify_cert_error_string(result);
    if (!SSL_get0_peer_certificate(t->ssl)) {
        *ret_why = "there is no certificate";
        return TLS_NOT_TRUSTED;
    }
    switch (result) {
    case X509_V_OK:
        return TLS_PROVED;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TLS_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return TLS_OTHER_NAME;
    default:
        return TLS_NOT_TRUSTED;
    }
}

void tls_shutdown(struct tls *t) {
    if (t->broken || !SSL_is_init_finished(t->ssl))
        return;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}

const char *tls_version(const struct tls *t) {
    switch (SSL_version(t->ssl)) {
    case TLS1_2_VERSION:
        return "TLS1.2";
    case TLS1_3_VERSION:
        return "TLS1.3";
    default:
        return SSL_get_version(t->ssl);
    }
}

const char *tls_cipher(const struct tls *t) {
    return SSL_get_cipher_name(t->ssl);
}
