/*
 * The SMTP dialogue of postroad-sink: one epoll loop a worker.
 *
 * A read goes into the worker's one large buffer and is parsed in place; only the start of an unfinished line
 * is copied to the session. All replies a read leads to leave in one write. So the sink's cost per message
 * stays far below that of any server under test, and its ceiling can be told apart from theirs.
 */
#include "sink.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    ACCEPTS = 16, /* connections taken in one go, so that several workers get their share */
    TICK_MS = 1000,
};

/* epoll's data.ptr for what is not a session. */
static char wake_mark; /* that of a listener is its site */

static void reply(struct session *s, const char *text) {
    buf_adds(&s->ch.out, text);
}

static void session_free(struct session *s) {
    struct worker *w = s->worker;
    if (s->delayed != DELAY_NONE)
        timer_remove(&w->delayed, s);
    LIST_REMOVE(s, all);
    chan_close(&s->ch);
    buf_free(&s->ch.out);
    buf_free(&s->sender);
    buf_free(&s->rcpts);
    buf_free(&s->carry);
    data_free(&s->data);
    w->sink->open--;
    s->site->open--;
    free(s);
}

static void delay(struct session *s, enum delay what, long ms) {
    s->due_us = now_us() + (uint64_t)ms * 1000;
    s->delayed = what;
    timer_add(&s->worker->delayed, s);
}

static void session_lost(struct session *s) {
    if (s->in_mail)
        s->worker->stats.broken++;
    session_free(s);
}

/* ---- commands ---- */

static void reset(struct session *s) {
    s->in_mail = s->in_data = s->in_chunk = s->chunks_begun = false;
    s->n_rcpts = 0;
    s->sender.len = s->rcpts.len = 0;
}

static void bad(struct session *s, const char *text) {
    s->worker->stats.bad_commands++;
    reply(s, text);
}

/* The address in "<...>" behind a colon; NULL when there is none. A quoted local part may hold any bracket.
 */
static const char *find_path(const char *arg, size_t len, size_t *path_len) {
    const char *end = arg + len;
    const char *open = memchr(arg, '<', len);
    if (open == NULL)
        return NULL;
    bool quoted = false;
    for (const char *p = open + 1; p < end; p++) {
        if (*p == '\\' && quoted)
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (*p == '>' && !quoted) {
            *path_len = (size_t)(p - open - 1);
            return open + 1;
        }
    }
    return NULL;
}

static bool has_prefix(const char *arg, size_t len, const char *prefix) {
    size_t n = strlen(prefix);
    return len >= n && strncasecmp(arg, prefix, n) == 0;
}

static void cmd_helo(struct session *s, const char *arg, size_t len) {
    (void)arg;
    (void)len;
    reset(s);
    s->greeted = true;
    reply(s, "250 sink.example\r\n");
}

static void cmd_ehlo(struct session *s, const char *arg, size_t len) {
    (void)arg;
    (void)len;
    reset(s);
    s->greeted = true;
    reply(s, "250-sink.example\r\n250-PIPELINING\r\n250-SIZE 1073741824\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
             "250-CHUNKING\r\n");
    if (s->worker->sink->tls != NULL && s->ch.ssl == NULL)
        reply(s, "250-STARTTLS\r\n");
    reply(s, "250 ENHANCEDSTATUSCODES\r\n");
}

static void cmd_mail(struct session *s, const char *arg, size_t len) {
    size_t path_len = 0;
    const char *path = has_prefix(arg, len, "FROM:") ? find_path(arg, len, &path_len) : NULL;
    if (!s->greeted || s->in_mail) {
        bad(s, "503 5.5.1 Bad sequence of commands\r\n");
    } else if (path == NULL) {
        bad(s, "501 5.5.4 Syntax: MAIL FROM:<address>\r\n");
    } else if (!site_rate_ok(s->site)) {
        reply(s, "421 4.7.28 Too many messages, try later\r\n");
        s->closing = true;
    } else {
        reset(s);
        s->in_mail = true;
        buf_add(&s->sender, path, path_len);
        buf_add(&s->sender, "", 1);
        reply(s, "250 2.1.0 Ok\r\n");
    }
}

static const struct fail_rule *find_rule(const struct sink_options *o, const char *path, size_t len) {
    for (int i = 0; i < o->n_rules; i++) {
        if (memmem(path, len, o->rules[i].part, strlen(o->rules[i].part)) != NULL)
            return &o->rules[i];
    }
    return NULL;
}

static void cmd_rcpt(struct session *s, const char *arg, size_t len) {
    const struct sink_options *o = &s->worker->sink->opt;
    size_t path_len = 0;
    const char *path = has_prefix(arg, len, "TO:") ? find_path(arg, len, &path_len) : NULL;
    if (!s->in_mail) {
        bad(s, "503 5.5.1 Need MAIL first\r\n");
        return;
    }
    if (path == NULL || path_len == 0) {
        bad(s, "501 5.5.4 Syntax: RCPT TO:<address>\r\n");
        return;
    }
    const struct fail_rule *rule = find_rule(o, path, path_len);
    if (rule != NULL) {
        s->worker->stats.refused_rcpts++;
        reply(s, rule->reply);
        return;
    }
    s->n_rcpts++;
    site_charge(s->site, 1);
    if (o->log_file != NULL || o->dump_dir != NULL) {
        buf_add(&s->rcpts, path, path_len);
        buf_add(&s->rcpts, "", 1);
    }
    reply(s, "250 2.1.5 Ok\r\n");
}

static void cmd_data(struct session *s, const char *arg, size_t len) {
    (void)arg;
    (void)len;
    if (s->n_rcpts == 0) {
        bad(s, "503 5.5.1 No valid recipients\r\n");
        return;
    }
    s->in_data = true;
    data_begin(&s->data);
    reply(s, "354 End data with <CR><LF>.<CR><LF>\r\n");
}

/* RFC 3030. The octets follow the command whatever becomes of it. */
static void cmd_bdat(struct session *s, const char *arg, size_t len) {
    char text[40];
    char last[8] = "";
    snprintf(text, sizeof text, "%.*s", (int)len, arg);
    if (sscanf(text, "%zu %7s", &s->chunk_left, last) < 1 || (last[0] && strcasecmp(last, "LAST") != 0)) {
        bad(s, "501 5.5.4 Syntax: BDAT octets [LAST]\r\n");
        s->closing = true; /* nobody knows where the next command begins */
        return;
    }
    s->chunk_useless = s->n_rcpts == 0;
    s->chunk_last = last[0] != '\0';
    if (!s->chunks_begun && !s->chunk_useless) {
        data_begin(&s->data);
        s->chunks_begun = true;
    }
    s->in_chunk = true;
}

static void cmd_rset(struct session *s, const char *arg, size_t len) {
    (void)arg;
    (void)len;
    reset(s);
    reply(s, "250 2.0.0 Ok\r\n");
}

static void cmd_noop(struct session *s, const char *arg, size_t len) {
    (void)arg;
    (void)len;
    reply(s, "250 2.0.0 Ok\r\n");
}

static void cmd_vrfy(struct session *s, const char *arg, size_t len) {
    (void)arg;
    (void)len;
    reply(s, "252 2.1.5 Send some mail\r\n");
}

static void cmd_quit(struct session *s, const char *arg, size_t len) {
    (void)arg;
    (void)len;
    reset(s);
    reply(s, "221 2.0.0 Bye\r\n");
    s->closing = true;
}

static void cmd_starttls(struct session *s, const char *arg, size_t len) {
    (void)arg;
    (void)len;
    if (s->worker->sink->tls == NULL || s->ch.ssl != NULL) {
        bad(s, "503 5.5.1 TLS not available\r\n");
        return;
    }
    reset(s);
    s->greeted = false;
    s->handshaking = true;
    reply(s, "220 2.0.0 Ready to start TLS\r\n");
}

static const struct command {
    const char *verb;
    size_t len;
    void (*run)(struct session *s, const char *arg, size_t len);
} commands[] = {
    {"RCPT", 4, cmd_rcpt}, {"MAIL", 4, cmd_mail}, {"DATA", 4, cmd_data},         {"EHLO", 4, cmd_ehlo},
    {"HELO", 4, cmd_helo}, {"RSET", 4, cmd_rset}, {"QUIT", 4, cmd_quit},         {"NOOP", 4, cmd_noop},
    {"VRFY", 4, cmd_vrfy}, {"BDAT", 4, cmd_bdat}, {"STARTTLS", 8, cmd_starttls},
};

static void command(struct session *s, const char *line, size_t len) {
    if (len > 0 && line[len - 1] == '\r')
        len--;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct command *c = &commands[i];
        if (len < c->len || strncasecmp(line, c->verb, c->len) != 0)
            continue;
        if (len > c->len && line[c->len] != ' ')
            continue;
        size_t skip = len > c->len ? c->len + 1 : c->len;
        c->run(s, line + skip, len - skip);
        return;
    }
    bad(s, "500 5.5.2 Command not recognized\r\n");
}

/* ---- the end of a message ---- */

static void finish_message(struct session *s) {
    struct worker *w = s->worker;
    const struct sink_options *o = &w->sink->opt;
    if (o->fail_data[0] != '\0') {
        w->stats.refused_data++;
        reply(s, o->fail_data);
    } else {
        record_message(w, s);
        s->site->rcpts += s->n_rcpts;
        reply(s, "250 2.0.0 Ok\r\n");
    }
    reset(s);
    s->transactions++;
    if (o->drop_after > 0 && s->transactions >= o->drop_after) {
        w->stats.dropped_connections++;
        s->closing = true;
    }
}

static void end_of_data(struct session *s) {
    struct worker *w = s->worker;
    s->in_data = false;
    if (w->sink->opt.delay_ms == 0) {
        finish_message(s);
        return;
    }
    delay(s, DELAY_ANSWER, w->sink->opt.delay_ms);
}

static void end_of_chunk(struct session *s) {
    s->in_chunk = false;
    if (s->chunk_useless)
        bad(s, "503 5.5.1 No valid recipients\r\n");
    else if (s->chunk_last)
        end_of_data(s);
    else
        reply(s, "250 2.0.0 Ok\r\n");
}

/* ---- input and output ---- */

/* Understand as much of p as possible; returns how much that was. */
static size_t process(struct session *s, const char *p, size_t len) {
    const struct sink *k = s->worker->sink;
    size_t pos = 0;
    /* An empty chunk has ended without a further octet. */
    while ((pos < len || (s->in_chunk && s->chunk_left == 0)) && !s->closing && !s->delayed &&
           !s->handshaking) {
        if (s->in_chunk) {
            size_t n = len - pos < s->chunk_left ? len - pos : s->chunk_left;
            if (!s->chunk_useless)
                data_take_chunk(&s->data, p + pos, n, k->want_id, k->opt.dump_dir != NULL);
            s->chunk_left -= n;
            pos += n;
            if (s->chunk_left == 0)
                end_of_chunk(s);
            continue;
        }
        if (s->in_data) {
            bool end;
            pos += data_take(&s->data, p + pos, len - pos, k->want_id, k->opt.dump_dir != NULL, &end);
            if (!end)
                break;
            end_of_data(s);
            continue;
        }
        const char *lf = memchr(p + pos, '\n', len - pos);
        if (lf == NULL) {
            if (len - pos > LINE_LIMIT) {
                bad(s, "500 5.5.6 Line too long\r\n");
                s->closing = true;
            }
            break;
        }
        size_t n = (size_t)(lf - (p + pos));
        command(s, p + pos, n);
        pos += n + 1;
    }
    return pos;
}

static void poll_update(struct session *s, int op) {
    bool want_read = !s->delayed && !s->closing && !chan_pending(&s->ch);
    bool want_write = s->ch.want_write;
    if (op == EPOLL_CTL_MOD && want_read == s->polled_read && want_write == s->polled_write)
        return;
    s->polled_read = want_read;
    s->polled_write = want_write;
    struct epoll_event ev = {.data.ptr = s};
    ev.events = (want_read ? (uint32_t)EPOLLIN : 0U) | (want_write ? (uint32_t)EPOLLOUT : 0U);
    if (epoll_ctl(s->worker->epoll, op, s->ch.fd, &ev) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

/* Returns false when the session is gone. */
static bool session_handshake(struct session *s) {
    if (s->ch.ssl == NULL) {
        s->carry.len = 0; /* RFC 3207: what was sent behind STARTTLS in the clear is forgotten */
        chan_start_tls(&s->ch, s->worker->sink->tls, true);
    }
    int r = chan_handshake(&s->ch);
    if (r == CHAN_ERROR) {
        session_lost(s);
        return false;
    }
    if (r == 1) {
        s->handshaking = false;
        s->worker->stats.tls++;
    }
    return true;
}

/* Send what is queued, then do what was waiting for that. Returns false when the session is gone. */
static bool session_flush(struct session *s) {
    if (!chan_flush(&s->ch)) {
        session_lost(s);
        return false;
    }
    if (!chan_pending(&s->ch)) {
        if (s->closing) {
            session_free(s);
            return false;
        }
        if (s->handshaking && !session_handshake(s))
            return false;
    }
    poll_update(s, EPOLL_CTL_MOD);
    return true;
}

static void on_readable(struct session *s) {
    struct worker *w = s->worker;
    for (;;) {
        if (s->handshaking) {
            session_flush(s);
            return;
        }
        size_t have = s->carry.len;
        if (have > 0)
            memcpy(w->in, s->carry.data, have);
        ssize_t n = chan_read(&s->ch, w->in + have, READ_SIZE);
        if (n == CHAN_AGAIN)
            break;
        if (n <= 0) {
            session_lost(s);
            return;
        }
        have += (size_t)n;
        size_t used = process(s, w->in, have);
        s->carry.len = 0;
        buf_add(&s->carry, w->in + used, have - used);
        if (s->delayed || s->closing || s->handshaking || (s->ch.ssl == NULL && n < READ_SIZE))
            break;
    }
    session_flush(s);
}

static void greet(struct session *s) {
    struct worker *w = s->worker;
    if (s->refused) {
        w->stats.refused_connections++;
        s->site->refused_connections++;
        reply(s, "421 4.7.0 Too many connections\r\n");
        s->closing = true;
    } else {
        w->stats.connections++;
        s->site->connections++;
        reply(s, "220 sink.example ESMTP\r\n");
    }
}

/* The answer's delay is over: give it, and go on with what came in behind the message. */
static void resume_answer(struct session *s) {
    finish_message(s);
    size_t used = process(s, s->carry.data, s->carry.len);
    if (used > 0 && used < s->carry.len)
        memmove(s->carry.data, s->carry.data + used, s->carry.len - used);
    s->carry.len -= used;
    if (!session_flush(s) || s->ch.ssl == NULL || s->delayed)
        return;
    on_readable(s); /* TLS may hold decrypted bytes that epoll knows nothing of */
}

static void resume(struct session *s) {
    enum delay what = s->delayed;
    timer_remove(&s->worker->delayed, s);
    s->delayed = DELAY_NONE;
    if (what == DELAY_ANSWER) {
        resume_answer(s);
    } else if (what == DELAY_INPUT) {
        on_readable(s);
    } else {
        greet(s);
        session_flush(s);
    }
}

static int resume_due(struct worker *w) {
    struct session *s;
    uint64_t now = now_us();
    while ((s = timer_first(&w->delayed)) != NULL) {
        if (s->due_us > now)
            return (int)((s->due_us - now) / 1000 + 1);
        resume(s);
    }
    return TICK_MS;
}

/* ---- connections ---- */

/* Count one more; the new number. */
static long count_open(_Atomic long *open, _Atomic long *open_max) {
    long now = ++*open;
    long max = *open_max;
    while (now > max && !atomic_compare_exchange_weak(open_max, &max, now)) {
    }
    return now;
}

static void session_start(struct worker *w, struct site *site, int fd) {
    struct sink *k = w->sink;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct session *s = xcalloc(1, sizeof *s);
    s->worker = w;
    s->site = site;
    chan_open(&s->ch, fd);
    LIST_INSERT_HEAD(&w->sessions, s, all);
    long open = count_open(&k->open, &k->open_max), here = count_open(&site->open, &site->open_max);
    s->refused =
        (k->opt.max_conn > 0 && open > k->opt.max_conn) || (site->max_conn > 0 && here > site->max_conn);
    if (site->delay_ms > 0)
        delay(s, DELAY_GREETING, site->delay_ms);
    else
        greet(s);
    poll_update(s, EPOLL_CTL_ADD);
    session_flush(s);
}

static void on_listener(struct worker *w, struct site *site) {
    for (int i = 0; i < ACCEPTS; i++) {
        int conn = accept4(site->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (conn < 0) {
            if (errno == EMFILE || errno == ENFILE)
                die("accept: %s", strerror(errno));
            return;
        }
        session_start(w, site, conn);
    }
}

static void on_wake(struct worker *w) {
    uint64_t count;
    ssize_t n = read(w->wake, &count, sizeof count);
    (void)n; /* woken is all there is to know */
    record_flush(w);
    w->sink->log_flushes++;
}

static void on_session(struct session *s, uint32_t events) {
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 && (s->delayed || s->closing)) {
        session_lost(s);
        return;
    }
    if ((events & EPOLLOUT) != 0 && !session_flush(s))
        return;
    if ((events & EPOLLIN) == 0 && (events & EPOLLOUT) != 0)
        return;
    if (s->site->delay_ms == 0) {
        on_readable(s);
    } else if (!s->delayed) {
        delay(s, DELAY_INPUT, s->site->delay_ms);
        poll_update(s, EPOLL_CTL_MOD);
    }
}

static void on_event(struct worker *w, const struct epoll_event *ev) {
    char *mark = ev->data.ptr, *sites = (char *)w->sink->sites;
    if (mark == &wake_mark)
        on_wake(w);
    else if (mark >= sites && mark < sites + sizeof w->sink->sites)
        on_listener(w, ev->data.ptr);
    else
        on_session(ev->data.ptr, ev->events);
}

static void watch(struct worker *w, int fd, void *mark, uint32_t flags) {
    struct epoll_event ev = {.events = EPOLLIN | flags, .data.ptr = mark};
    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void worker_open(struct worker *w) {
    LIST_INIT(&w->sessions);
    w->in_cap = 2 * (size_t)READ_SIZE + LINE_LIMIT; /* a delayed session's carry may be a whole read */
    w->in = xcalloc(1, w->in_cap);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0)
        die("epoll_create1: %s", strerror(errno));
    watch(w, w->wake, &wake_mark, 0);
    for (int i = 0; i < w->sink->n_sites; i++) {
        struct site *site = &w->sink->sites[i];
        if (!site->dead)
            watch(w, site->fd, site, EPOLLEXCLUSIVE);
    }
}

void worker_run(struct worker *w) {
    struct epoll_event events[EVENTS];
    worker_open(w);
    int wait_ms = TICK_MS;
    while (!w->sink->stop) {
        int n = epoll_wait(w->epoll, events, EVENTS, wait_ms);
        if (n < 0 && errno != EINTR)
            die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; i++)
            on_event(w, &events[i]);
        wait_ms = resume_due(w);
        uint64_t now = now_us();
        if (now - w->log_us >= 1000000) {
            record_flush(w);
            w->log_us = now;
        }
    }
    while (!LIST_EMPTY(&w->sessions))
        session_free(LIST_FIRST(&w->sessions));
    record_flush(w);
    timer_free(&w->delayed);
    buf_free(&w->log);
    free(w->in);
    close(w->epoll);
}
