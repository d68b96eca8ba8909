/* tls_test.c: streams over TLS, both ends ours, with a certificate made for the test.
 *
 * Most tests run both ends in one thread, which shows that no call waits. What the protocol itself must
 * refuse (an old version, garbage) is sent as raw octets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/listen.h"
#include "net/stream.h"

enum { FOREVER_MS = 60 * 1000, LIMIT = 64 * 1024, BIG = 3 * 1000 * 1000 };

static char *dir, *cert_path, *key_path, *other_key_path, *locked_key_path;
static struct tls_context *server_context, *client_context;

static int64_t later(void) {
    return clock_mono_ms() + FOREVER_MS;
}

static void write_key(const char *path, EVP_PKEY *key, const char *pass_phrase) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    FREE_AUTO char *phrase = mem_str(pass_phrase);
    assert_int_equal(PEM_write_PrivateKey(f, key, phrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL, phrase),
                     1);
    fclose(f);
}

static void write_certificate(const char *path, EVP_PKEY *key) {
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mx.example.org", -1, -1, 0);
    X509_set_issuer_name(x, name);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
    X509_free(x);
}

static int make_contexts(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    dir = mem_printf("%s/postroad-tls-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(dir));
    cert_path = mem_printf("%s/cert.pem", dir);
    key_path = mem_printf("%s/key.pem", dir);
    other_key_path = mem_printf("%s/other.pem", dir);
    locked_key_path = mem_printf("%s/locked.pem", dir);
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    write_certificate(cert_path, key);
    write_key(key_path, key, NULL);
    write_key(other_key_path, other, NULL);
    write_key(locked_key_path, key, "secret");
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    struct err e = {0};
    server_context = tls_server_context(cert_path, key_path, &e);
    client_context = tls_client_context(&e);
    if (!server_context || !client_context)
        fail_msg("%s", e.text);
    return 0;
}

static int free_contexts(void **state) {
    (void)state;
    tls_context_unref(&server_context);
    tls_context_unref(&client_context);
    char *const paths[] = {cert_path, key_path, other_key_path, locked_key_path};
    for (size_t i = 0; i < 4; i++) {
        unlink(paths[i]);
        free(paths[i]);
    }
    rmdir(dir);
    free(dir);
    return 0;
}

/* Both ends of a connection, in one thread. */
struct ends {
    struct stream server, client;
};

static void open_ends(struct ends *x) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    stream_init(&x->server, fds[0], LIMIT, BIG);
    stream_init(&x->client, fds[1], LIMIT, BIG);
}

static void shake_hands(struct ends *x) {
    enum stream_io server = STREAM_READ, client = STREAM_READ;
    stream_start_tls(&x->server, server_context, NULL);
    stream_start_tls(&x->client, client_context, "mx.example.org");
    for (int i = 0; i < 20 && (server != STREAM_READY || client != STREAM_READY); i++) {
        client = stream_handshake(&x->client);
        server = stream_handshake(&x->server);
    }
    assert_int_equal(client, STREAM_READY);
    assert_int_equal(server, STREAM_READY);
}

static void done_ends(struct ends *x) {
    stream_done(&x->client);
    stream_done(&x->server);
}

static void assert_line(struct stream *s, const char *expected) {
    view line;
    for (;;) {
        int taken = stream_take_line(s, 1000, &line, NULL);
        if (taken == 0) {
            assert_int_equal(stream_fill(s, 4096), STREAM_READY);
            continue;
        }
        assert_int_equal(taken, 1);
        FREE_AUTO char *copy = mem_view(line);
        assert_string_equal(copy, expected);
        return;
    }
}

static void both_ways(void **state) {
    (void)state;
    struct ends x;
    open_ends(&x);
    shake_hands(&x);
    assert_string_equal(tls_version(x.client.tls), "TLS1.3");
    assert_string_equal(tls_version(x.server.tls), "TLS1.3");
    assert_non_null(strstr(tls_cipher(x.client.tls), "TLS_"));
    assert_string_equal(tls_cipher(x.client.tls), tls_cipher(x.server.tls));
    for (int i = 0; i < 3; i++) {
        stream_printf(&x.client, "NOOP %d\r\n", i);
        assert_int_equal(stream_flush(&x.client), STREAM_READY);
        assert_line(&x.server, i == 0 ? "NOOP 0" : i == 1 ? "NOOP 1" : "NOOP 2");
        stream_write(&x.server, VIEW("250-a\r\n250 b\r\n"));
        assert_int_equal(stream_flush(&x.server), STREAM_READY);
        assert_line(&x.client, "250-a");
        assert_line(&x.client, "250 b");
    }
    assert_int_equal(stream_fill(&x.server, 4096), STREAM_READ);
    assert_int_equal(x.server.in.cap, 0);
    /* The end that closes first says so. */
    stream_done(&x.client);
    assert_int_equal(stream_fill(&x.server, 4096), STREAM_CLOSED);
    assert_true(stream_ok(&x.server));
    stream_done(&x.server);
}

/* What came in the clear together with STARTTLS does not count after it (RFC 3207 6). */
static void starttls_forgets(void **state) {
    (void)state;
    struct ends x;
    open_ends(&x);
    stream_write(&x.client, VIEW("STARTTLS\r\nMAIL FROM:<injected@example.org>\r\n"));
    assert_int_equal(stream_flush(&x.client), STREAM_READY);
    assert_line(&x.server, "STARTTLS");
    assert_true(stream_peek(&x.server).len > 0);
    shake_hands(&x);
    assert_int_equal(stream_peek(&x.server).len, 0);
    stream_write(&x.client, VIEW("EHLO client.example\r\n"));
    assert_int_equal(stream_flush(&x.client), STREAM_READY);
    assert_line(&x.server, "EHLO client.example");
    done_ends(&x);
}

static bool readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* A record is decrypted as a whole: the socket is silent while there is more to read. */
static void decrypted_already(void **state) {
    (void)state;
    struct ends x;
    size_t got = 0, silent = 0;
    char block[10000];
    memset(block, 'x', sizeof block);
    open_ends(&x);
    shake_hands(&x);
    stream_write(&x.client, (view){block, sizeof block});
    assert_int_equal(stream_flush(&x.client), STREAM_READY);
    while (got < sizeof block) {
        silent += !readable(x.server.fd);
        assert_int_equal(stream_fill(&x.server, 100), STREAM_READY);
        assert_true(stream_peek(&x.server).len <= 100);
        got += stream_peek(&x.server).len;
        stream_take(&x.server, stream_peek(&x.server).len);
    }
    assert_int_equal(got, sizeof block);
    assert_true(silent > 90);
    assert_int_equal(stream_fill(&x.server, 100), STREAM_READ);
    done_ends(&x);
}

/* Move one octet if there is one. */
static void carry(int from, int to) {
    char c;
    if (recv(from, &c, 1, MSG_DONTWAIT) == 1)
        assert_int_equal(send(to, &c, 1, MSG_NOSIGNAL), 1);
}

/* Every octet of the handshake and after comes alone. */
static void trickled(void **state) {
    (void)state;
    int a[2], b[2];
    struct ends x;
    enum stream_io server = STREAM_READ, client = STREAM_READ, filled = STREAM_READ;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, b), 0);
    stream_init(&x.client, a[0], LIMIT, LIMIT);
    stream_init(&x.server, b[0], LIMIT, LIMIT);
    stream_start_tls(&x.server, server_context, NULL);
    stream_start_tls(&x.client, client_context, NULL);
    for (int i = 0; i < 100000 && (server != STREAM_READY || client != STREAM_READY); i++) {
        client = stream_handshake(&x.client);
        server = stream_handshake(&x.server);
        carry(a[1], b[1]);
        carry(b[1], a[1]);
    }
    assert_int_equal(client, STREAM_READY);
    assert_int_equal(server, STREAM_READY);
    stream_write(&x.client, VIEW("EHLO client.example\r\n"));
    assert_int_equal(stream_flush(&x.client), STREAM_READY);
    for (int i = 0; i < 1000 && filled == STREAM_READ; i++) {
        carry(a[1], b[1]);
        filled = stream_fill(&x.server, 4096);
    }
    assert_int_equal(filled, STREAM_READY);
    assert_line(&x.server, "EHLO client.example");
    done_ends(&x);
    close(a[1]);
    close(b[1]);
}

static char pattern_at(size_t i) {
    return (char)('a' + i % 23);
}

static void write_pattern(struct stream *s, size_t len) {
    for (size_t i = 0; i < len; i++) {
        char c = pattern_at(i);
        stream_write(s, (view){&c, 1});
    }
}

/* Take what is there and compare it; *at counts on. */
static void check_pattern(struct stream *s, size_t *at) {
    view v = stream_peek(s);
    for (size_t i = 0; i < v.len; i++, ++*at)
        if (v.ptr[i] != pattern_at(*at))
            fail_msg("octet %zu differs", *at);
    stream_take(s, v.len);
}

static void output_larger_than_the_socket(void **state) {
    (void)state;
    struct ends x;
    size_t got = 0;
    int waits = 0;
    open_ends(&x);
    shake_hands(&x);
    write_pattern(&x.server, BIG - 100);
    while (got < BIG) {
        enum stream_io io = stream_flush(&x.server);
        assert_true(io == STREAM_READY || io == STREAM_WRITE);
        if (waits == 0) /* more output between two tries moves the buffer */
            for (size_t i = BIG - 100; i < BIG; i++)
                stream_write(&x.server, (view){&(char){pattern_at(i)}, 1});
        waits += io == STREAM_WRITE;
        while (stream_fill(&x.client, LIMIT) == STREAM_READY)
            check_pattern(&x.client, &got);
        assert_true(stream_ok(&x.client));
    }
    assert_true(waits > 1);
    assert_int_equal(got, BIG);
    assert_int_equal(stream_flush(&x.server), STREAM_READY);
    done_ends(&x);
}

/* Many peers just close; that is an end, and writing to them an error, not a signal. */
static void closed_without_notice(void **state) {
    (void)state;
    struct ends x;
    open_ends(&x);
    shake_hands(&x);
    assert_int_equal(stream_fill(&x.client, 4096),
                     STREAM_READ); /* the tickets: left unread they mean a reset */
    stream_write(&x.client, VIEW("whole\r\nhalf"));
    assert_int_equal(stream_flush(&x.client), STREAM_READY);
    close(x.client.fd);
    x.client.fd = -1;
    tls_free(&x.client.tls);
    stream_done(&x.client);
    assert_line(&x.server, "whole");
    assert_int_equal(stream_fill(&x.server, 4096), STREAM_CLOSED);
    assert_int_equal(stream_peek(&x.server).len, 4);
    stream_write(&x.server, VIEW("221 bye\r\n"));
    assert_int_equal(stream_flush(&x.server), STREAM_FAILED);
    assert_int_equal(x.server.error.code, ERR_CONNECTION_LOST);
    stream_done(&x.server);
}

static void closed_in_handshake(void **state) {
    (void)state;
    struct ends x;
    open_ends(&x);
    stream_start_tls(&x.server, server_context, NULL);
    stream_start_tls(&x.client, client_context, NULL);
    assert_int_equal(stream_handshake(&x.client), STREAM_READ);
    assert_int_equal(stream_handshake(&x.server), STREAM_READ);
    stream_done(&x.client); /* before its Finished */
    assert_int_equal(stream_handshake(&x.server), STREAM_FAILED);
    assert_int_equal(x.server.error.code, ERR_CONNECTION_LOST);
    assert_int_equal(stream_handshake(&x.server), STREAM_FAILED);
    stream_done(&x.server);
    /* An end without a word. */
    open_ends(&x);
    stream_start_tls(&x.server, server_context, NULL);
    stream_done(&x.client);
    assert_int_equal(stream_handshake(&x.server), STREAM_FAILED);
    assert_int_equal(x.server.error.code, ERR_CONNECTION_LOST);
    stream_done(&x.server);
}

/* A ClientHello of TLS 1.1: version, random, no session, one cipher suite of that time, no compression. */
static const unsigned char hello_tls11[] = {
    0x16, 3, 1,    0,    47,    /* a handshake record of 47 octets */
    1,    0, 0,    43,   3,  2, /* ClientHello of 43 octets, for TLS 1.1 */
    1,    2, 3,    4,    5,  6,    7, 8, 9, 10, 11, 12, 13, 14, 15, 16, /* random … */
    1,    2, 3,    4,    5,  6,    7, 8, 9, 10, 11, 12, 13, 14, 15, 16, /* … 32 octets */
    0,                                                                  /* session id */
    0,    4, 0xc0, 0x13, 0,  0x2f,                                      /* ECDHE-RSA-AES128-SHA, AES128-SHA */
    1,    0,                                                            /* no compression */
};

static void old_version_refused(void **state) {
    (void)state;
    struct ends x;
    unsigned char alert[64];
    open_ends(&x);
    stream_start_tls(&x.server, server_context, NULL);
    assert_int_equal(send(x.client.fd, hello_tls11, sizeof hello_tls11, 0), sizeof hello_tls11);
    assert_int_equal(stream_handshake(&x.server), STREAM_FAILED);
    assert_int_equal(x.server.error.code, ERR_TLS);
    assert_int_equal(recv(x.client.fd, alert, sizeof alert, 0), 7);
    assert_int_equal(alert[0], 0x15); /* alert, fatal, protocol_version (RFC 5246 7.2) */
    assert_int_equal(alert[5], 2);
    assert_int_equal(alert[6], 70);
    done_ends(&x);
}

static void garbage_refused(void **state) {
    (void)state;
    struct ends x;
    open_ends(&x);
    stream_start_tls(&x.server, server_context, NULL);
    assert_int_equal(send(x.client.fd, "EHLO client.example\r\n", 21, 0), 21);
    assert_int_equal(stream_handshake(&x.server), STREAM_FAILED);
    assert_int_equal(x.server.error.code, ERR_TLS);
    assert_true(strlen(x.server.error.text) > strlen("TLS handshake failed: "));
    done_ends(&x);
    /* In the middle of a connection. */
    open_ends(&x);
    shake_hands(&x);
    assert_int_equal(send(x.client.fd,
                          "\x17\x03\x03\x00\x20"
                          "0123456789abcdef0123456789abcdef",
                          37, 0),
                     37);
    assert_int_equal(stream_fill(&x.server, 4096), STREAM_FAILED);
    assert_int_equal(x.server.error.code, ERR_TLS);
    /* An error of one connection is not blamed on the next. */
    struct ends y;
    open_ends(&y);
    shake_hands(&y);
    assert_int_equal(stream_fill(&y.server, 4096), STREAM_READ);
    done_ends(&y);
    done_ends(&x);
}

static void bad_files(void **state) {
    (void)state;
    FREE_AUTO char *missing = mem_printf("%s/missing.pem", dir);
    const struct {
        const char *cert, *key, *named;
    } rows[] = {
        {missing, key_path, missing},
        {cert_path, missing, missing},
        {cert_path, other_key_path, other_key_path},
        {cert_path, locked_key_path, locked_key_path},
        {key_path, key_path, key_path},
        {cert_path, cert_path, cert_path},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        assert_null(tls_server_context(rows[i].cert, rows[i].key, &e));
        assert_int_equal(e.code, ERR_CONFIG);
        assert_non_null(strstr(e.text, rows[i].named));
    }
    struct err e = {0};
    assert_null(tls_server_context(missing, key_path, &e));
    assert_non_null(strstr(e.text, strerror(ENOENT)));
}

/* A reload drops its context while connections still use it. */
static void context_goes_first(void **state) {
    (void)state;
    struct ends x;
    struct tls_context *c = tls_server_context(cert_path, key_path, NULL), *again = tls_context_ref(c);
    open_ends(&x);
    stream_start_tls(&x.server, c, NULL);
    stream_start_tls(&x.client, client_context, NULL);
    tls_context_unref(&c);
    assert_null(c);
    tls_context_unref(&again);
    tls_context_unref(&again); /* NULL by now */
    assert_int_equal(stream_handshake(&x.client), STREAM_READ);
    assert_int_equal(stream_handshake(&x.server), STREAM_READ);
    assert_int_equal(stream_handshake(&x.client), STREAM_READY);
    assert_int_equal(stream_handshake(&x.server), STREAM_READY);
    done_ends(&x);
}

/* The first octets a client sends contain the name only when it is one. */
static void server_name(void **state) {
    (void)state;
    char over_long[400];
    memset(over_long, 'a', sizeof over_long - 1);
    over_long[sizeof over_long - 1] = '\0';
    const struct {
        const char *sni;
        bool sent;
    } rows[] = {{"mx.example.org", true},
                {"192.0.2.1", false},
                {"2001:db8::1", false},
                {"", false},
                {over_long, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ends x;
        char hello[4096];
        open_ends(&x);
        stream_start_tls(&x.client, client_context, rows[i].sni);
        assert_int_equal(stream_handshake(&x.client), STREAM_READ);
        ssize_t n = recv(x.server.fd, hello, sizeof hello, 0);
        assert_true(n > 0);
        bool found = *rows[i].sni && view_search((view){hello, (size_t)n}, view_of(rows[i].sni)) >= 0;
        assert_int_equal(found, rows[i].sent);
        done_ends(&x);
    }
}

/* The waiting forms over loopback TCP, with a server in a thread. */

struct served {
    int listener;
    bool fine;
};

static void *serve(void *arg) {
    struct served *v = arg;
    struct stream s;
    view line;
    int fd = accept4(v->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    stream_init(&s, fd, LIMIT, BIG);
    stream_start_tls(&s, server_context, NULL);
    v->fine = stream_handshake_wait(&s, later()) && stream_line_wait(&s, 1000, &line, later()) &&
              view_eq(line, VIEW("EHLO client.example"));
    stream_write(&s, VIEW("250 ok\r\n"));
    write_pattern(&s, 500000);
    v->fine = v->fine && stream_flush_wait(&s, later());
    stream_done(&s);
    return NULL;
}

static void waiting_forms(void **state) {
    (void)state;
    struct sockaddr_any a;
    assert_true(sockaddr_parse(VIEW("127.0.0.1:0"), &a, NULL));
    struct served v = {.listener = listen_open(&a, NULL)};
    assert_int_equal(getsockname(v.listener, (struct sockaddr *)&a.storage, &a.len), 0);
    /* The thread accepts by waiting. */
    assert_int_equal(fcntl(v.listener, F_SETFL, 0), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve, &v), 0);
    struct stream s;
    view line;
    size_t got = 0;
    assert_true(stream_connect_wait(&s, &a.storage, a.len, NULL, 0, LIMIT, LIMIT, later()));
    stream_start_tls(&s, client_context, "mx.example.org");
    assert_true(stream_handshake_wait(&s, later()));
    stream_write(&s, VIEW("EHLO client.example\r\n"));
    assert_true(stream_flush_wait(&s, later()));
    assert_true(stream_line_wait(&s, 1000, &line, later()));
    assert_true(view_eq(line, VIEW("250 ok")));
    check_pattern(&s, &got);
    for (enum stream_io io = STREAM_READY; io != STREAM_CLOSED; check_pattern(&s, &got)) {
        struct pollfd p = {.fd = s.fd, .events = POLLIN};
        if (io == STREAM_READ)
            poll(&p, 1, FOREVER_MS);
        io = stream_fill(&s, LIMIT);
        assert_int_not_equal(io, STREAM_FAILED);
    }
    assert_int_equal(got, 500000);
    pthread_join(thread, NULL);
    assert_true(v.fine);
    stream_done(&s);
    close(v.listener);
}

static void handshake_ends_in_time(void **state) {
    (void)state;
    struct ends x;
    open_ends(&x);
    stream_start_tls(&x.client, client_context, NULL);
    assert_false(stream_handshake_wait(&x.client, clock_mono_ms() + 20));
    assert_int_equal(x.client.error.code, ERR_TIMEOUT);
    done_ends(&x);
}

/* ---- proofs ---- */

enum { NOTHING = -1 };

static const struct tls_tlsa *record_of_key(uint8_t usage, bool right) {
    static struct tls_tlsa record;
    static unsigned char digest[32];
    FILE *f = fopen(cert_path, "r");
    assert_non_null(f);
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    assert_true(len > 0);
    assert_int_equal(EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL), 1);
    digest[0] ^= !right;
    OPENSSL_free(der);
    X509_free(x);
    record = (struct tls_tlsa){
        .usage = usage, .selector = 1, .matching = 1, .data = view_from(digest, sizeof digest)};
    return &record;
}

/* The server's certificate is signed by itself and says mx.example.org. */
static enum tls_proved prove(const char *authorities, const struct tls_proof *proof) {
    struct err e = {0};
    struct tls_context *proving = tls_proving_context(authorities, &e);
    struct ends x;
    const char *why;
    enum stream_io server = STREAM_READ, client = STREAM_READ;
    if (!proving)
        fail_msg("%s", e.text);
    open_ends(&x);
    stream_start_tls(&x.server, server_context, NULL);
    stream_start_tls(&x.client, proving, proof->names[0]);
    assert_true(tls_expect(x.client.tls, proof, &e));
    for (int i = 0; i < 20 && (server != STREAM_READY || client != STREAM_READY); i++) {
        client = stream_handshake(&x.client);
        server = stream_handshake(&x.server);
    }
    assert_int_equal(client, STREAM_READY);
    enum tls_proved proved = tls_proved(x.client.tls, &why);
    assert_true(*why);
    done_ends(&x);
    tls_context_unref(&proving);
    return proved;
}

static void proofs(void **state) {
    (void)state;
    const struct {
        const char *name, *other;
        int usage; /* NOTHING: by the authorities */
        bool right, known;
        enum tls_proved result;
    } cases[] = {
        {"mx.example.org", NULL, NOTHING, true, true, TLS_PROVED},
        {"MX.Example.org", NULL, NOTHING, true, true, TLS_PROVED},
        {"mx.example.com", NULL, NOTHING, true, true, TLS_OTHER_NAME},
        {"example.com", "mx.example.org", NOTHING, true, true, TLS_PROVED},
        {"mx.example.org", NULL, NOTHING, true, false, TLS_NOT_TRUSTED},
        {"mx.example.org", NULL, TLSA_USAGE_ENTITY, true, false, TLS_PROVED},
        {"other.example", NULL, TLSA_USAGE_ENTITY, true, false, TLS_PROVED},
        {"mx.example.org", NULL, TLSA_USAGE_ENTITY, false, false, TLS_NOT_TRUSTED},
        {"mx.example.org", NULL, TLSA_USAGE_ENTITY, false, true, TLS_NOT_TRUSTED},
        {"mx.example.org", NULL, TLSA_USAGE_ANCHOR, true, true,
         TLS_NOT_TRUSTED}, /* no anchor: it is the host's own */
        {"mx.example.org", NULL, TLSA_USAGE_ANCHOR, false, true, TLS_NOT_TRUSTED},
    };
    FREE_AUTO char *stranger = mem_printf("%s/stranger.pem", dir);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    write_certificate(stranger, key);
    EVP_PKEY_free(key);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_proof proof = {.names = {cases[i].name, cases[i].other}};
        if (cases[i].usage != NOTHING) {
            proof.records = record_of_key((uint8_t)cases[i].usage, cases[i].right);
            proof.record_count = 1;
        }
        enum tls_proved result = prove(cases[i].known ? cert_path : stranger, &proof);
        if (result != cases[i].result)
            fail_msg("case %zu: %d, expected %d", i, result, cases[i].result);
    }
    struct err e = {0};
    assert_null(tls_proving_context("/does/not/exist", &e));
    assert_int_equal(e.code, ERR_CONFIG);
    unlink(stranger);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(starttls_forgets),
        cmocka_unit_test(decrypted_already),
        cmocka_unit_test(trickled),
        cmocka_unit_test(output_larger_than_the_socket),
        cmocka_unit_test(closed_without_notice),
        cmocka_unit_test(closed_in_handshake),
        cmocka_unit_test(old_version_refused),
        cmocka_unit_test(garbage_refused),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(context_goes_first),
        cmocka_unit_test(server_name),
        cmocka_unit_test(waiting_forms),
        cmocka_unit_test(handshake_ends_in_time),
        cmocka_unit_test(proofs),
    };
    return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
