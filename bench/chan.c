#include "chan.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

void chan_open(struct chan *c, int fd) {
    c->fd = fd;
    c->out.len = c->out_pos = 0;
    c->tail_len = 0;
    c->want_write = false;
}

void chan_close(struct chan *c) {
    if (c->ssl != NULL) {
        /* No close_notify is awaited: SMTP has its own end (QUIT), and a lost peer would not answer. */
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->out.len = c->out_pos = 0;
    c->tail_len = 0;
}

/* What an OpenSSL call that did not succeed means to the event loop. */
static int tls_result(struct chan *c, int ret) {
    int err = SSL_get_error(c->ssl, ret);
    int result = CHAN_ERROR;
    if (err == SSL_ERROR_WANT_READ) {
        result = CHAN_AGAIN;
    } else if (err == SSL_ERROR_WANT_WRITE) {
        c->want_write = true;
        result = CHAN_AGAIN;
    } else if (err == SSL_ERROR_ZERO_RETURN) {
        result = CHAN_EOF;
    }
    ERR_clear_error();
    return result;
}

ssize_t chan_read(struct chan *c, char *into, size_t cap) {
    if (c->ssl != NULL) {
        int n = SSL_read(c->ssl, into, (int)cap);
        return n > 0 ? n : tls_result(c, n);
    }
    for (;;) {
        ssize_t n = read(c->fd, into, cap);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return errno == EAGAIN ? CHAN_AGAIN : CHAN_ERROR;
    }
}

bool chan_pending(const struct chan *c) {
    return c->out_pos < c->out.len || c->tail_len > 0;
}

void chan_tail(struct chan *c, const char *data, size_t len) {
    c->tail = data;
    c->tail_len = len;
}

static void consume(struct chan *c, size_t n) {
    size_t own = c->out.len - c->out_pos;
    if (n < own) {
        c->out_pos += n;
        return;
    }
    n -= own;
    c->out.len = c->out_pos = 0;
    if (n > 0) {
        c->tail += n;
        c->tail_len -= n;
    }
}

static ssize_t write_some(struct chan *c) {
    size_t own = c->out.len - c->out_pos;
    if (c->ssl != NULL) {
        const char *p = own > 0 ? c->out.data + c->out_pos : c->tail;
        int n = SSL_write(c->ssl, p, (int)(own > 0 ? own : c->tail_len));
        return n > 0 ? n : tls_result(c, n);
    }
    union {
        const char *from;
        void *to;
    } tail = {.from = c->tail}; /* iovec has no const; writev only reads */
    struct iovec iov[2] = {{c->out.data + c->out_pos, own}, {tail.to, c->tail_len}};
    if (own == 0)
        iov[0] = iov[1];
    ssize_t n = writev(c->fd, iov, own > 0 && c->tail_len > 0 ? 2 : 1);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CHAN_AGAIN : CHAN_ERROR;
    return n;
}

bool chan_flush(struct chan *c) {
    c->want_write = false;
    while (chan_pending(c)) {
        ssize_t n = write_some(c);
        if (n == CHAN_AGAIN) {
            c->want_write = true;
            return true;
        }
        if (n <= 0)
            return false;
        consume(c, (size_t)n);
    }
    return true;
}

void chan_start_tls(struct chan *c, SSL_CTX *ctx, bool server) {
    c->ssl = SSL_new(ctx);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        die("cannot set up TLS");
    SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (server)
        SSL_set_accept_state(c->ssl);
    else
        SSL_set_connect_state(c->ssl);
}

int chan_handshake(struct chan *c) {
    c->want_write = false;
    int n = SSL_do_handshake(c->ssl);
    if (n == 1)
        return 1;
    return tls_result(c, n) == CHAN_AGAIN ? CHAN_AGAIN : CHAN_ERROR;
}
