/*
 * A non-blocking byte channel: a socket, with or without TLS on it, and what still has to be written to it.
 *
 * Output is queued as bytes of our own (out) and, behind them, a view of bytes shared by all sessions (tail:
 * the message text), so that a large message is not copied once per session.
 */
#ifndef BENCH_CHAN_H
#define BENCH_CHAN_H

#include "util.h"

#include <openssl/ssl.h>

struct chan {
    int fd; /* -1 when closed */
    SSL *ssl;
    struct buf out;
    size_t out_pos;
    const char *tail; /* not owned */
    size_t tail_len;
    bool want_write; /* the socket was full, or TLS must write before it can go on */
};

enum {
    CHAN_EOF = 0,
    CHAN_AGAIN = -1,
    CHAN_ERROR = -2,
};

/* Take over a connected or connecting non-blocking socket. */
void chan_open(struct chan *c, int fd);
/* Close; output not yet written is dropped, buffers are kept for the next connection. */
void chan_close(struct chan *c);

/* Bytes read (> 0), CHAN_EOF, CHAN_AGAIN or CHAN_ERROR. */
ssize_t chan_read(struct chan *c, char *into, size_t cap);
/* Write what is queued. False when the connection is lost. chan_pending() tells whether all of it went. */
bool chan_flush(struct chan *c);
bool chan_pending(const struct chan *c);
/* Queue shared bytes behind what is in out. Only one tail may be queued at a time. */
void chan_tail(struct chan *c, const char *data, size_t len);

/* Begin TLS as client or server; then call chan_handshake on every readiness event. */
void chan_start_tls(struct chan *c, SSL_CTX *ctx, bool server);
/* 1 done, CHAN_AGAIN, CHAN_ERROR. */
int chan_handshake(struct chan *c);

#endif
