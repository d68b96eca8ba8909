/* stream.h: one connection, plain or TLS: a bounded input buffer, an output buffer, and a sticky error.
 *
 * The same stream serves both ways of running (ADR 1): a parked session calls stream_fill and stream_flush on
 * readiness and never waits; a delivering thread calls the _wait forms, which poll with a deadline.
 * Protocol code reads lines and writes text straight down and checks stream_ok once. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/buf.h"
#include "base/err.h"
#include "net/tls.h"

enum stream_io { STREAM_READY, STREAM_READ, STREAM_WRITE, STREAM_CLOSED, STREAM_FAILED };

struct stream {
    int fd;
    struct tls *tls; /* NULL while plain */
    struct buf in;   /* received, not yet taken: in.data[in_pos..] */
    size_t in_pos;
    size_t in_scanned; /* octets behind in_pos known to have no LF */
    struct buf out;    /* written, not yet sent: out.data[out_pos..] */
    size_t out_pos;
    bool eof;
    struct err error; /* sticky; error.code == ERR_OK while fine */
};

/* Takes the descriptor (non-blocking). Limits bound what may pile up on either side. */
void stream_init(struct stream *s, int fd, size_t in_limit, size_t out_limit);
/* Close and free; the buffers too. */
void stream_done(struct stream *s);
bool stream_ok(const struct stream *s);

/* Read once what is there, at most `max` bytes. READY: something came (or was there). READ/WRITE: wait for
 * the socket to be readable/writable. CLOSED: the other side ended. FAILED: see s->error. Frees buffers that
 * ran empty, so that a parked session holds none. Before parking on READ, call it until it says READ: what
 * TLS has decrypted already wakes no epoll. READY without reading while the buffer is full. */
enum stream_io stream_fill(struct stream *s, size_t max);
/* Send what is in `out`. READY when all is sent. */
enum stream_io stream_flush(struct stream *s);

/* What is in the input buffer, untouched. */
view stream_peek(const struct stream *s);
void stream_take(struct stream *s, size_t len);
/* Take one line off the input without its CRLF. 1: *ret_line is valid until the next stream_fill or
 * stream_take*. 0: no whole line yet. -1: the line is longer than `max` octets with CRLF (LIMIT_LINE, not
 * sticky; the caller answers and uses stream_skip_line) or has a bare CR or LF (BARE_CR_LF; the bad line has
 * been taken). */
int stream_take_line(struct stream *s, size_t max, view *ret_line, struct err *e);
/* Drop input up to and with the next LF; true when one was found. */
bool stream_skip_line(struct stream *s);
/* Forget all input: what came before TLS must not count after it (RFC 3207 6). */
void stream_discard_input(struct stream *s);

void stream_write(struct stream *s, view v);
void stream_printf(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t stream_unsent(const struct stream *s);

/* Start TLS; then call stream_handshake until READY. */
void stream_start_tls(struct stream *s, struct tls_context *c, const char *sni);
enum stream_io stream_handshake(struct stream *s);

/* Waiting forms for threads; `deadline_ms` is a clock_mono_ms() instant. False: see s->error (TIMEOUT,
 * CONNECTION_LOST, TLS …). */
bool stream_connect_wait(struct stream *s, const void *sockaddr, unsigned sockaddr_len, const void *bind_addr,
                         unsigned bind_len, size_t in_limit, size_t out_limit, int64_t deadline_ms);
bool stream_line_wait(struct stream *s, size_t max, view *ret_line, int64_t deadline_ms);
bool stream_flush_wait(struct stream *s, int64_t deadline_ms);
bool stream_handshake_wait(struct stream *s, int64_t deadline_ms);

#endif
