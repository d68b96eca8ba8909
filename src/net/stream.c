/* stream.c: a connection's two buffers, over a plain socket or TLS.
 *
 * Buffers are consumed by moving a position, and closed up only when at least as much has been taken as is
 * left (or there is no room else): every octet is moved a constant number of times on average. Before a
 * session is parked its buffers shrink to what they hold, mostly to nothing. */
#include "net/stream.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SPARE_BYTES = 512,   /* what a parked session's buffer may have beyond twice its content */
    POLL_SLICE_MS = 1000 /* test builds move the clock; a wait looks at it that often */
};

void stream_init(struct stream *s, int fd, size_t in_limit, size_t out_limit) {
    *s = (struct stream){.fd = fd};
    buf_init(&s->in, in_limit);
    buf_init(&s->out, out_limit);
}

void stream_done(struct stream *s) {
    if (s->tls && stream_ok(s) && stream_unsent(s) == 0)
        tls_shutdown(s->tls);
    tls_free(&s->tls);
    mem_close_fd(&s->fd);
    stream_discard_input(s);
    buf_done(&s->out);
    s->out_pos = 0;
}

bool stream_ok(const struct stream *s) {
    return s->error.code == ERR_OK;
}

/* Drop what has been taken off the front. */
static void close_up(struct buf *b, size_t *pos) {
    buf_consume(b, *pos);
    *pos = 0;
}

/* Give storage back before the session waits. */
static void shrink(struct buf *b, size_t *pos) {
    struct buf small = BUF_INIT(b->limit);
    size_t left = b->len - *pos;
    if (left > 0 && b->cap <= 2 * left + SPARE_BYTES)
        return; /* moving what is left would cost more than was taken since the last time */
    buf_add(&small, view_skip(buf_view(b), *pos));
    buf_done(b);
    *b = small;
    *pos = 0;
}

static enum stream_io of_want(enum tls_want w) {
    switch (w) {
    case TLS_DONE:
        return STREAM_READY;
    case TLS_WANT_READ:
        return STREAM_READ;
    case TLS_WANT_WRITE:
        return STREAM_WRITE;
    case TLS_FAILED:
        break;
    }
    return STREAM_FAILED;
}

/* What the result of recv(2) or send(2) means; `waiting` when it would have waited. */
static enum stream_io of_result(struct stream *s, ssize_t n, enum stream_io waiting, const char *what) {
    if (n >= 0)
        return STREAM_READY;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return waiting;
    err_errno(&s->error, ERR_CONNECTION_LOST, "%s", what);
    return STREAM_FAILED;
}

static enum stream_io receive(struct stream *s, char *to, size_t len, size_t *ret_n) {
    if (s->tls)
        return of_want(tls_read(s->tls, to, len, ret_n, &s->error));
    ssize_t n;
    do
        n = recv(s->fd, to, len, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    *ret_n = n > 0 ? (size_t)n : 0;
    return of_result(s, n, STREAM_READ, "cannot read");
}

static enum stream_io send_some(struct stream *s, view v, size_t *ret_n) {
    if (s->tls)
        return of_want(tls_write(s->tls, v.ptr, v.len, ret_n, &s->error));
    ssize_t n;
    do
        n = send(s->fd, v.ptr, v.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    *ret_n = n > 0 ? (size_t)n : 0;
    return of_result(s, n, STREAM_WRITE, "cannot write");
}

/* Room behind the input, at most `max` bytes; 0 when the buffer is full of input nobody took. */
static size_t make_room(struct stream *s, size_t max) {
    size_t left = s->in.len - s->in_pos;
    if (s->in_pos >= left || s->in.len == s->in.limit)
        close_up(&s->in, &s->in_pos);
    size_t room = s->in.limit - s->in.len;
    return room < max ? room : max;
}

enum stream_io stream_fill(struct stream *s, size_t max) {
    if (!stream_ok(s))
        return STREAM_FAILED;
    if (s->eof)
        return STREAM_CLOSED;
    size_t room = make_room(s, max), n = 0;
    if (room == 0)
        return STREAM_READY;
    enum stream_io io = receive(s, buf_reserve(&s->in, room), room, &n);
    if (io == STREAM_READY && n > 0) {
        buf_commit(&s->in, n);
        return STREAM_READY;
    }
    shrink(&s->in, &s->in_pos);
    s->eof = io == STREAM_READY;
    return s->eof ? STREAM_CLOSED : io;
}

enum stream_io stream_flush(struct stream *s) {
    if (!stream_ok(s))
        return STREAM_FAILED;
    while (stream_unsent(s) > 0) {
        size_t n = 0;
        enum stream_io io = send_some(s, view_skip(buf_view(&s->out), s->out_pos), &n);
        if (io != STREAM_READY) {
            shrink(&s->out, &s->out_pos);
            return io;
        }
        s->out_pos += n;
    }
    buf_done(&s->out);
    s->out_pos = 0;
    return STREAM_READY;
}

view stream_peek(const struct stream *s) {
    return view_skip(buf_view(&s->in), s->in_pos);
}

void stream_take(struct stream *s, size_t len) {
    BUG_ON(len > s->in.len - s->in_pos);
    s->in_pos += len;
    s->in_scanned = s->in_scanned > len ? s->in_scanned - len : 0;
}

/* Octets up to and with the first LF among the first `max`; 0: there is none, and they are not looked at
 * again. */
static size_t find_line(struct stream *s, size_t max) {
    view v = view_slice(stream_peek(s), 0, max);
    ptrdiff_t lf = view_find(view_skip(v, s->in_scanned), '\n');
    if (lf >= 0)
        return s->in_scanned + (size_t)lf + 1;
    if (s->in_scanned < v.len)
        s->in_scanned = v.len;
    return 0;
}

int stream_take_line(struct stream *s, size_t max, view *ret_line, struct err *e) {
    if (max > s->in.limit)
        max = s->in.limit; /* a longer line never becomes whole */
    view v = stream_peek(s);
    size_t len = find_line(s, max);
    if (len == 0 && v.len < max)
        return 0;
    if (len == 0) {
        err_set(e, ERR_LIMIT_LINE, NULL);
        return -1;
    }
    stream_take(s, len);
    /* CRLF is the line end and nothing else (RFC 5321 2.3.8): the only CR stands before the only LF. */
    v = view_slice(v, 0, len);
    if (len < 2 || view_find(v, '\r') != (ptrdiff_t)len - 2) {
        err_set(e, ERR_BARE_CR_LF, NULL);
        return -1;
    }
    *ret_line = view_slice(v, 0, len - 2);
    return 1;
}

bool stream_skip_line(struct stream *s) {
    size_t len = find_line(s, SIZE_MAX);
    stream_take(s, len > 0 ? len : stream_peek(s).len);
    return len > 0;
}

void stream_discard_input(struct stream *s) {
    buf_done(&s->in);
    s->in_pos = s->in_scanned = 0;
}

/* Where `len` more octets of output go; NULL when the stream has failed. */
static char *reserve_output(struct stream *s, size_t len) {
    if (!stream_ok(s))
        return NULL;
    if (s->out_pos >= stream_unsent(s) || len > s->out.limit - s->out.len)
        close_up(&s->out, &s->out_pos);
    char *to = buf_reserve(&s->out, len);
    if (!to)
        err_set(&s->error, ERR_LIMIT, "over %zu bytes wait to be sent", s->out.limit);
    return to;
}

void stream_write(struct stream *s, view v) {
    char *to = v.len > 0 ? reserve_output(s, v.len) : NULL;
    if (!to)
        return;
    memcpy(to, v.ptr, v.len);
    buf_commit(&s->out, v.len);
}

void stream_printf(struct stream *s, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    BUG_ON(len < 0);
    char *to = len > 0 ? reserve_output(s, (size_t)len) : NULL;
    if (to) {
        vsnprintf(to, (size_t)len + 1, fmt, again); /* a buffer has room for the NUL */
        buf_commit(&s->out, (size_t)len);
    }
    va_end(again);
    va_end(ap);
}

size_t stream_unsent(const struct stream *s) {
    return s->out.len - s->out_pos;
}

void stream_start_tls(struct stream *s, struct tls_context *c, const char *sni) {
    if (!stream_ok(s))
        return;
    BUG_ON(s->tls || stream_unsent(s) > 0);
    stream_discard_input(s);
    s->tls = tls_new(c, s->fd, sni);
}

enum stream_io stream_handshake(struct stream *s) {
    if (!stream_ok(s))
        return STREAM_FAILED;
    return of_want(tls_handshake(s->tls, &s->error));
}

/* Wait until the socket is ready for `io` (READ or WRITE). */
static bool wait_for(struct stream *s, enum stream_io io, int64_t deadline_ms) {
    struct pollfd p = {.fd = s->fd, .events = io == STREAM_READ ? POLLIN : POLLOUT};
    for (;;) {
        int64_t left = deadline_ms - clock_mono_ms();
        if (left <= 0)
            return err_set(&s->error, ERR_TIMEOUT, NULL);
        int n = poll(&p, 1, left < POLL_SLICE_MS ? (int)left : POLL_SLICE_MS);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return err_errno(&s->error, ERR_SYSTEM, "cannot wait for a connection");
    }
}

/* After an input or output call: wait and try again (true), or its result is final (false). */
static bool wait_again(struct stream *s, enum stream_io io, int64_t deadline_ms) {
    return (io == STREAM_READ || io == STREAM_WRITE) && wait_for(s, io, deadline_ms);
}

static bool set_option(int fd, int level, int name) {
    int on = 1;
    return setsockopt(fd, level, name, &on, sizeof on) == 0;
}

static bool open_socket(struct stream *s, int family, const void *bind_addr, unsigned bind_len) {
    s->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return err_errno(&s->error, ERR_SYSTEM, "cannot make a socket");
    /* Both only save time: replies are not held back for a full packet, and the local port is chosen with
     * the peer known, so that there can be more connections than ports. */
    if (family == AF_INET || family == AF_INET6) {
        set_option(s->fd, IPPROTO_TCP, TCP_NODELAY);
        set_option(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    }
    if (bind_addr && bind(s->fd, bind_addr, bind_len) < 0)
        return err_errno(&s->error, ERR_CONNECT, "cannot use the local address");
    return true;
}

static bool connect_socket(struct stream *s, const void *sockaddr, unsigned sockaddr_len,
                           int64_t deadline_ms) {
    int reason = 0;
    socklen_t len = sizeof reason;
    if (connect(s->fd, sockaddr, sockaddr_len) == 0)
        return true;
    /* An interrupted connect goes on by itself, as one in progress does. */
    if (errno != EINPROGRESS && errno != EINTR)
        return err_errno(&s->error, ERR_CONNECT, "cannot connect");
    if (!wait_for(s, STREAM_WRITE, deadline_ms))
        return err_prefix(&s->error, "connecting");
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &reason, &len) < 0)
        reason = errno;
    errno = reason;
    return reason == 0 || err_errno(&s->error, ERR_CONNECT, "cannot connect");
}

bool stream_connect_wait(struct stream *s, const void *sockaddr, unsigned sockaddr_len, const void *bind_addr,
                         unsigned bind_len, size_t in_limit, size_t out_limit, int64_t deadline_ms) {
    sa_family_t family;
    BUG_ON(sockaddr_len < sizeof family);
    memcpy(&family, sockaddr, sizeof family);
    stream_init(s, -1, in_limit, out_limit);
    if (open_socket(s, family, bind_addr, bind_len) && connect_socket(s, sockaddr, sockaddr_len, deadline_ms))
        return true;
    mem_close_fd(&s->fd); /* the caller may just try the next address */
    return false;
}

bool stream_line_wait(struct stream *s, size_t max, view *ret_line, int64_t deadline_ms) {
    while (stream_ok(s)) {
        int taken = stream_take_line(s, max, ret_line, &s->error);
        if (taken != 0)
            return taken > 0;
        enum stream_io io = stream_fill(s, max);
        if (io == STREAM_CLOSED)
            return err_set(&s->error, ERR_CONNECTION_LOST, "the other side closed the connection");
        if (io != STREAM_READY)
            wait_again(s, io, deadline_ms);
        else if (clock_mono_ms() >= deadline_ms && find_line(s, max) == 0)
            err_set(&s->error, ERR_TIMEOUT, NULL); /* a peer that trickles never makes us wait */
    }
    return false;
}

bool stream_flush_wait(struct stream *s, int64_t deadline_ms) {
    enum stream_io io;
    do
        io = stream_flush(s);
    while (wait_again(s, io, deadline_ms));
    return io == STREAM_READY;
}

bool stream_handshake_wait(struct stream *s, int64_t deadline_ms) {
    enum stream_io io;
    do
        io = stream_handshake(s);
    while (wait_again(s, io, deadline_ms));
    return io == STREAM_READY;
}
