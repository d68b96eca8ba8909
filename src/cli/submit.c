/* submit.c: a message of this machine into the queue. Whoever may open the store writes it there himself:
 * that works while nothing runs, and asks nobody for rights. Everybody else speaks SMTP with the instance's
 * own port, which is what he could do with any mail program. */
#include "cli/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/reply.h"
#include "net/hint.h"
#include "net/sockaddr.h"
#include "net/stream.h"

enum { PATIENCE_MS = 300000, CONNECT_MS = 10000, INLINE_BYTES = LIMIT_BODY_CHUNK, JOIN_BYTES = 16384 };

/* ---- into the store ---- */

static void add_received(const struct submission *s, int64_t id, struct buf *fields) {
    struct buf value = BUF_INIT(1024);
    buf_printf(&value, "by %.*s (Postroad sendmail, user %.*s) id %s; ", VIEW_ARG(s->host), VIEW_ARG(s->user),
               id_format(id).s);
    date_format(clock_now_ms(), &value);
    header_add(fields, "Received", buf_view(&value));
    buf_done(&value);
}

/* The body in pieces that never end between CR and LF. */
static bool stage(struct submission *s, int64_t id, struct err *e) {
    struct store_request r;
    view rest = buf_view(&s->body);
    bool ok = true;
    store_request_init(&r, OP_BODY_STAGE);
    for (int64_t seq = 0; ok && rest.len > 0; seq++) {
        view piece = view_slice(rest, 0, LIMIT_BODY_CHUNK);
        if (piece.len < rest.len && view_ends_with(piece, VIEW("\r")))
            piece.len--;
        rest = view_skip(rest, piece.len);
        buf_reset(&r.args);
        vals_int(&r.args, id);
        vals_int(&r.args, seq);
        vals_view(&r.args, piece);
        ok = cli_call(s->cli, &r, e);
    }
    store_request_done(&r);
    return ok;
}

static bool has_room(const struct submission *s, struct err *e) {
    const struct config *c = s->cli->config;
    FREE_AUTO char *data = config_path(c, "data");
    int64_t bytes;
    return !file_free_bytes(data, &bytes, NULL) || bytes >= c->min_free ||
           err_set(e, ERR_DISK_FULL, "less than min_free is left on the disk of %.100s", data);
}

static bool into_store(struct submission *s, struct err *e) {
    int64_t id = id_new();
    unsigned char sha256[32];
    struct buf fields = BUF_INIT(8192);
    struct store_request r;
    size_t envelope = 8192;
    for (size_t i = 0; i < s->count; i++)
        envelope += s->recipients[i].address.len + 24;
    bool staged = envelope + s->body.len > INLINE_BYTES;
    EVP_Digest(s->body.data, s->body.len, sha256, NULL, EVP_sha256(), NULL);
    add_received(s, id, &fields);
    store_request_init(&r, OP_ACCEPT);
    accept_args(&(struct accept){.id = id,
                                 .sender = s->sender,
                                 .message_id = s->message_id,
                                 .size = (int64_t)s->body.len,
                                 .sha256 = view_from(sha256, sizeof sha256),
                                 .fields = buf_view(&fields),
                                 .origin = arena_printf(&s->cli->arena, "sendmail user=%.*s size=%zu",
                                                        VIEW_ARG(s->user), s->body.len),
                                 .flags = s->flags,
                                 .body = staged ? VIEW("") : buf_view(&s->body),
                                 .recipients = s->recipients,
                                 .recipient_count = s->count},
                &r.args);
    bool ok = has_room(s, e) && (!staged || stage(s, id, e)) && cli_call(s->cli, &r, e);
    store_request_done(&r);
    buf_done(&fields);
    if (ok)
        hint_send(s->cli->config->dir, "router");
    return ok;
}

/* ---- over SMTP ---- */

struct dialogue {
    struct stream stream;
    struct reply reply;
};

static bool hear(struct dialogue *d, struct err *e) {
    view line;
    int done = 0;
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    reply_reset(&d->reply);
    while (done == 0) {
        if (!stream_line_wait(&d->stream, LIMIT_SMTP_REPLY_LINE, &line, deadline)) {
            *e = d->stream.error;
            return false;
        }
        done = reply_feed(&d->reply, line, e);
    }
    return done > 0;
}

static bool say(struct dialogue *d, int want, struct err *e, const char *line) {
    if (line) {
        stream_printf(&d->stream, "%s\r\n", line);
        if (!stream_flush_wait(&d->stream, clock_mono_ms() + PATIENCE_MS)) {
            *e = d->stream.error;
            return false;
        }
    }
    if (!hear(d, e))
        return false;
    if (d->reply.code / 100 == want)
        return true;
    enum err_code code =
        reply_class(&d->reply) == ERR_CLASS_PERMANENT ? ERR_REMOTE_PERMANENT : ERR_REMOTE_TEMPORARY;
    if (code == ERR_REMOTE_PERMANENT && strcmp(d->reply.status, "5.1.1") == 0)
        code = ERR_NO_SUCH_USER;
    else if (code == ERR_REMOTE_PERMANENT && strcmp(d->reply.status, "5.7.1") == 0)
        code = ERR_NO_RELAY;
    return err_set(e, code, "%d %s%s", d->reply.code, d->reply.text.data,
                   code == ERR_NO_RELAY ? " (relay_networks of the instance must hold 127.0.0.0/8 for that)"
                                        : "");
}

static bool send_text(struct submission *s, struct dialogue *d, struct err *e) {
    view rest = buf_view(&s->body);
    while (rest.len > 0) {
        ptrdiff_t lf = view_find(rest, '\n');
        size_t len = lf < 0 ? rest.len : (size_t)lf + 1;
        if (rest.ptr[0] == '.')
            stream_write(&d->stream, VIEW("."));
        stream_write(&d->stream, view_slice(rest, 0, len));
        rest = view_skip(rest, len);
        if (stream_unsent(&d->stream) > LIMIT_BODY_CHUNK &&
            !stream_flush_wait(&d->stream, clock_mono_ms() + PATIENCE_MS)) {
            *e = d->stream.error;
            return false;
        }
    }
    return say(d, 2, e, ".");
}

static bool converse(struct submission *s, struct dialogue *d, struct err *e) {
    struct arena *a = &s->cli->arena;
    if (!say(d, 2, e, NULL) || !say(d, 2, e, arena_printf(a, "EHLO %.*s", VIEW_ARG(s->host)).ptr) ||
        !say(d, 2, e,
             arena_printf(a, "MAIL FROM:<%.*s>%s%s", VIEW_ARG(s->sender),
                          s->flags & MESSAGE_8BIT ? " BODY=8BITMIME" : "",
                          s->flags & MESSAGE_UTF8 ? " SMTPUTF8" : "")
                 .ptr))
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (!say(d, 2, e, arena_printf(a, "RCPT TO:<%.*s>", VIEW_ARG(s->recipients[i].address)).ptr))
            return err_prefix(e, "%.*s", VIEW_ARG(s->recipients[i].address));
    return say(d, 3, e, "DATA") && send_text(s, d, e);
}

static bool connect_to(const struct submission *s, struct stream *stream, struct err *e) {
    struct sockaddr_any addr;
    if (!sockaddr_parse(s->smtp, &addr, e))
        return false;
    if (stream_connect_wait(stream, &addr.storage, addr.len, NULL, 0, 2 * LIMIT_SMTP_REPLY,
                            4 * LIMIT_BODY_CHUNK, clock_mono_ms() + CONNECT_MS))
        return true;
    *e = stream->error;
    stream_done(stream);
    return err_prefix(e, "%.*s", VIEW_ARG(s->smtp));
}

static bool over_smtp(struct submission *s, struct err *e) {
    struct dialogue d;
    if (!connect_to(s, &d.stream, e))
        return false;
    reply_init(&d.reply);
    bool ok = converse(s, &d, e);
    struct err ignored;
    if (stream_ok(&d.stream))
        say(&d, 2, &ignored, "QUIT");
    reply_done(&d.reply);
    stream_done(&d.stream);
    return ok;
}

/* A store that is there but not ours to open: the other way is meant. */
static bool opens_store(struct submission *s) {
    struct cli *c = s->cli;
    struct err ignored;
    return c->config && (c->store || (c->store = store_open(c->config, R_CLI, 1, &ignored)));
}

bool submission_submit(struct submission *s, struct err *e) {
    return opens_store(s) ? into_store(s, e) : over_smtp(s, e);
}

/* ---- -bs ---- */

/* What is readable on one side to the other. False: it has ended. */
static bool pass(int from, int to) {
    char chunk[JOIN_BYTES];
    ssize_t n = read(from, chunk, sizeof chunk);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    return n > 0 && file_write_all(to, view_from(chunk, (size_t)n), NULL);
}

bool submission_join(struct submission *s, struct err *e) {
    struct stream server;
    if (!connect_to(s, &server, e))
        return false;
    int flags = fcntl(server.fd, F_GETFL);
    fcntl(server.fd, F_SETFL, flags & ~O_NONBLOCK);
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = server.fd, .events = POLLIN}};
    for (bool open = true; open;) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        if (p[1].revents)
            open = pass(server.fd, STDOUT_FILENO);
        if (open && p[0].revents && !pass(STDIN_FILENO, server.fd)) {
            shutdown(server.fd, SHUT_WR); /* no more commands: the last replies are still ours to give */
            p[0].fd = -1;
        }
    }
    stream_done(&server);
    return true;
}
