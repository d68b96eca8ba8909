/*
 * The SMTP dialogue of postroad-load: one epoll loop a thread, one struct session a connection.
 *
 * Order within a turn of the loop matters: replies are read and the next commands queued, then the
 * acknowledgement log is written, and only then are the commands sent. So whatever the server may have learnt
 * from our next command, the log already holds the messages it answered for, and a power-cut test can trust
 * the log.
 */
#include "load.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    REPLY_MAX = 4096, /* longest unfinished reply line kept */
    EVENTS = 256,
    RETRY_US = 50000,  /* pause before a lost connection is opened again */
    SWEEP_US = 50000,  /* how often timeouts are looked at */
    QUIT_US = 2000000, /* how long a server may take to answer QUIT */
};

enum state {
    ST_CLOSED, /* finished for good */
    ST_WAIT,   /* to be opened (again) at wake_us */
    ST_CONNECT,
    ST_BANNER,
    ST_EHLO,
    ST_STARTTLS,
    ST_HANDSHAKE,
    ST_READY, /* paced: waits for its turn */
    ST_MAIL,  /* from here to ST_END: the reply awaited next */
    ST_RCPT,
    ST_DATA,
    ST_END,
    ST_RSET,
    ST_QUIT,
    ST_STALLED,
};

static const char *const state_names[] = {
    "closed", "wait", "connect", "banner",      "EHLO", "STARTTLS", "TLS handshake", "ready",
    "MAIL",   "RCPT", "DATA",    "end-of-data", "RSET", "QUIT",     "stalled",
};

struct session {
    struct chan ch;
    enum state state;
    bool dirty, in_tls, has_pipelining, has_starttls, failed, told, polled_write;
    size_t in_len;
    long number, rcpt, rcpts_ok;
    uint64_t begun_us, active_us, wake_us;
    TAILQ_ENTRY(session) ready;
    char in[REPLY_MAX];
};

TAILQ_HEAD(session_queue, session);

struct worker {
    struct load_run *run;
    struct load_stats *stats;
    int epoll;
    long live; /* sessions not ST_CLOSED */
    struct session *sessions, **dirty;
    size_t n_sessions, n_dirty;
    struct buf acks;
    uint64_t now_us, sweep_us;
    uint64_t alive_us; /* when the server last said anything */
    struct session_queue ready;
};

static void session_lost(struct worker *w, struct session *s);
static void next_message(struct worker *w, struct session *s);

static void queue_flush(struct worker *w, struct session *s) {
    if (!s->dirty) {
        s->dirty = true;
        w->dirty[w->n_dirty++] = s;
    }
}

static void say(struct worker *w, struct session *s, const char *text, enum state next) {
    buf_adds(&s->ch.out, text);
    s->state = next;
    queue_flush(w, s);
}

static void poll_set(struct worker *w, struct session *s, int op) {
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
    s->polled_write = s->ch.want_write || s->state == ST_CONNECT;
    if (s->polled_write)
        ev.events |= EPOLLOUT;
    if (epoll_ctl(w->epoll, op, s->ch.fd, &ev) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static bool time_is_over(const struct worker *w) {
    return w->run->stop || (w->run->end_us != 0 && w->now_us >= w->run->end_us);
}

/* ---- opening and closing ---- */

static void session_close(struct worker *w, struct session *s) {
    chan_close(&s->ch);
    if (s->state != ST_CLOSED)
        w->live--;
    s->state = ST_CLOSED;
}

static void session_open(struct worker *w, struct session *s) {
    const struct addr *to = &w->run->opt->target;
    int fd = socket(to->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    chan_open(&s->ch, fd);
    s->in_len = 0;
    s->in_tls = s->has_pipelining = s->has_starttls = s->told = false;
    s->active_us = w->now_us;
    s->state = ST_CONNECT;
    if (connect(fd, &to->u.sa, to->len) != 0 && errno != EINPROGRESS) {
        session_lost(w, s);
        return;
    }
    poll_set(w, s, EPOLL_CTL_ADD);
}

/* Open again after a pause, or never when the run is over. */
static void session_again(struct worker *w, struct session *s, uint64_t pause_us) {
    chan_close(&s->ch);
    if (time_is_over(w) || (w->run->opt->total >= 0 && w->run->next >= w->run->opt->total)) {
        session_close(w, s);
        return;
    }
    s->state = ST_WAIT;
    s->wake_us = w->now_us + pause_us;
    if (pause_us == 0)
        session_open(w, s);
}

static void note_lost(struct worker *w, const struct session *s) {
    if (s->told && s->state <= ST_READY)
        return; /* the server said why: one error, not two */
    struct buf text = {0};
    buf_addf(&text, "connection lost (%s)", state_names[s->state]);
    load_error(w->run, text.data, text.len);
    buf_free(&text);
}

/* The connection is gone: what that means depends on where the dialogue was. */
static void session_lost(struct worker *w, struct session *s) {
    const struct load_options *opt = w->run->opt;
    if (s->state == ST_CLOSED)
        return;
    if (s->state == ST_QUIT) {
        if (opt->reconnect)
            session_again(w, s, 0);
        else
            session_close(w, s);
        return;
    }
    if (s->state == ST_STALLED) {
        if (w->stats->stall_ended++ == 0)
            w->stats->stall_first_end_us = w->now_us - w->run->start_us;
        session_close(w, s);
        return;
    }
    if (s->state == ST_READY)
        TAILQ_REMOVE(&w->ready, s, ready);
    note_lost(w, s);
    bool connecting = s->state < ST_READY;
    bool in_message = s->state >= ST_MAIL && s->state <= ST_END;
    if (connecting)
        w->stats->connect_failures++;
    else
        w->stats->lost++;
    if (in_message && !opt->retry_connect)
        w->stats->failed++;
    else if (in_message)
        w->stats->unanswered++;
    if (opt->retry_connect)
        session_again(w, s, RETRY_US);
    else
        session_close(w, s);
}

/* ---- a message's transaction ---- */

static void add_mail(struct buf *out, const struct load_options *opt) {
    buf_adds(out, "MAIL FROM:<");
    buf_adds(out, opt->sender);
    buf_adds(out, ">\r\n");
}

static void add_rcpt(struct buf *out, const struct load_options *opt, long number, long i) {
    buf_adds(out, "RCPT TO:<");
    message_rcpt(out, opt, number, i);
    buf_adds(out, ">\r\n");
}

static void begin_transaction(struct worker *w, struct session *s, long number) {
    const struct load_options *opt = w->run->opt;
    s->number = number;
    s->rcpt = s->rcpts_ok = 0;
    s->failed = false;
    s->begun_us = w->now_us;
    if (w->stats->first_us == 0)
        w->stats->first_us = w->now_us;
    add_mail(&s->ch.out, opt);
    if (opt->pipelining) {
        /* RFC 2920 section 3.1: DATA may only be the last command of a group. */
        for (long i = 0; i < opt->rcpts; i++)
            add_rcpt(&s->ch.out, opt, number, i);
        buf_adds(&s->ch.out, "DATA\r\n");
    }
    s->state = ST_MAIL;
    queue_flush(w, s);
}

/* Take the next message's number: -1 when there is none left, -2 when its time has not come. */
static long claim_number(const struct worker *w) {
    struct load_run *run = w->run;
    if (time_is_over(w))
        return -1;
    long n = run->next;
    do {
        if (run->opt->total >= 0 && n >= run->opt->total)
            return -1;
        if (run->opt->rate > 0 && (double)(w->now_us - run->start_us) < (double)n * 1e6 / run->opt->rate)
            return -2;
    } while (!atomic_compare_exchange_weak(&run->next, &n, n + 1));
    return n;
}

static void next_message(struct worker *w, struct session *s) {
    long n = claim_number(w);
    if (n == -1) {
        say(w, s, "QUIT\r\n", ST_QUIT);
    } else if (n == -2) {
        s->state = ST_READY;
        TAILQ_INSERT_TAIL(&w->ready, s, ready);
    } else {
        begin_transaction(w, s, n);
    }
}

static void add_latency(struct latencies *l, uint64_t us) {
    if (l->len == l->cap) {
        l->cap = l->cap != 0 ? l->cap * 2 : 4096;
        l->us = realloc(l->us, l->cap * sizeof *l->us);
        if (l->us == NULL)
            die("out of memory");
    }
    l->us[l->len++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void message_done(struct worker *w, struct session *s) {
    if (s->failed) {
        w->stats->failed++;
        say(w, s, "RSET\r\n", ST_RSET);
        return;
    }
    uint64_t now = now_us(); /* the loop's clock is as old as the batch of events */
    w->stats->acked++;
    w->stats->last_us = now;
    add_latency(&w->stats->lat, now - s->begun_us);
    if (w->run->ack_fd >= 0) {
        message_id(&w->acks, w->run->opt, s->number);
        if (w->run->opt->times)
            buf_addf(&w->acks, "\t%.3f", now_unix());
        buf_adds(&w->acks, "\n");
    }
    if (w->run->opt->reconnect)
        say(w, s, "QUIT\r\n", ST_QUIT);
    else
        next_message(w, s);
}

static void reply_mail(struct worker *w, struct session *s, int code) {
    s->failed = code / 100 != 2;
    s->state = ST_RCPT;
    if (w->run->opt->pipelining)
        return;
    if (s->failed) {
        message_done(w, s);
        return;
    }
    add_rcpt(&s->ch.out, w->run->opt, s->number, 0);
    queue_flush(w, s);
}

static void reply_rcpt(struct worker *w, struct session *s, int code) {
    const struct load_options *opt = w->run->opt;
    if (code / 100 == 2)
        s->rcpts_ok++;
    else
        w->stats->rcpts_refused++;
    if (++s->rcpt == opt->rcpts)
        s->state = ST_DATA;
    if (opt->pipelining)
        return;
    if (s->state == ST_RCPT) {
        add_rcpt(&s->ch.out, opt, s->number, s->rcpt);
        queue_flush(w, s);
    } else if (s->rcpts_ok == 0) {
        s->failed = true;
        message_done(w, s);
    } else {
        say(w, s, "DATA\r\n", ST_DATA);
    }
}

static void reply_data(struct worker *w, struct session *s, int code) {
    struct load_run *run = w->run;
    if (s->rcpts_ok == 0)
        s->failed = true;
    if (code != 354) {
        s->failed = true;
        message_done(w, s);
        return;
    }
    if (run->opt->stall == STALL_DATA) {
        message_head(&s->ch.out, run, s->number);
        size_t half = run->msg.text.len / 2;
        buf_add(&s->ch.out, run->msg.text.data, half);
        w->stats->stalled++;
        s->state = ST_STALLED;
    } else if (s->failed) {
        /* RFC 2920 section 3.1: a 354 without a valid recipient is answered with an empty message. */
        buf_adds(&s->ch.out, ".\r\n");
        s->state = ST_END;
    } else {
        message_head(&s->ch.out, run, s->number);
        chan_tail(&s->ch, run->msg.text.data, run->msg.text.len);
        s->state = ST_END;
    }
    queue_flush(w, s);
}

/* ---- greeting, EHLO, TLS ---- */

/* Send the first half of a ClientHello and nothing more. */
static void stall_in_handshake(struct worker *w, struct session *s) {
    SSL *ssl = SSL_new(w->run->tls);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || out == NULL)
        die("cannot set up TLS");
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    char *hello = NULL;
    long len = BIO_get_mem_data(out, &hello);
    buf_add(&s->ch.out, hello, len > 0 ? (size_t)len / 2 : 0);
    SSL_free(ssl);
    w->stats->stalled++;
    s->state = ST_STALLED;
    queue_flush(w, s);
}

static void say_ehlo(struct worker *w, struct session *s) {
    buf_addf(&s->ch.out, "EHLO %s\r\n", w->run->opt->helo);
    s->state = ST_EHLO;
    queue_flush(w, s);
}

static void handshake(struct worker *w, struct session *s) {
    int r = chan_handshake(&s->ch);
    if (r == CHAN_ERROR) {
        session_lost(w, s);
    } else if (r == 1) {
        s->in_tls = true;
        say_ehlo(w, s);
    }
}

static void reply_starttls(struct worker *w, struct session *s, int code) {
    if (code != 220) {
        session_lost(w, s);
    } else if (w->run->opt->stall == STALL_HANDSHAKE) {
        stall_in_handshake(w, s);
    } else {
        s->state = ST_HANDSHAKE;
        s->in_len = 0; /* RFC 3207: nothing said before TLS counts after it */
        chan_start_tls(&s->ch, w->run->tls, false);
        handshake(w, s);
    }
}

static void reply_banner(struct worker *w, struct session *s, int code) {
    if (code != 220) {
        session_lost(w, s);
        return;
    }
    w->stats->connections++;
    if (w->run->opt->stall == STALL_IDLE) {
        w->stats->stalled++;
        s->state = ST_STALLED;
        return;
    }
    say_ehlo(w, s);
}

static void reply_ehlo(struct worker *w, struct session *s, int code) {
    const struct load_options *opt = w->run->opt;
    if (code != 250) {
        session_lost(w, s);
    } else if (opt->starttls && !s->in_tls) {
        if (!s->has_starttls)
            die("the server does not offer STARTTLS");
        say(w, s, "STARTTLS\r\n", ST_STARTTLS);
    } else if (opt->pipelining && !s->has_pipelining) {
        /* Going on in lock-step would measure something else than was asked for. */
        die("the server does not offer PIPELINING");
    } else if (opt->stall == STALL_EHLO) {
        w->stats->stalled++;
        s->state = ST_STALLED;
    } else {
        next_message(w, s);
    }
}

/* ---- replies ---- */

/* A reply we must report: it refuses something, and we did not cause it by an earlier refusal. */
static void note_refusal(struct worker *w, struct session *s, int code, const char *line, size_t len) {
    bool follows = s->failed && s->state > ST_MAIL && s->state <= ST_END;
    bool no_rcpt = s->state == ST_DATA && s->rcpts_ok == 0;
    if (code < 400 || s->state == ST_QUIT || follows || no_rcpt)
        return;
    load_error(w->run, line, len);
    s->told = true;
}

static void reply_end(struct worker *w, struct session *s, int code) {
    if (code != 250)
        s->failed = true;
    message_done(w, s);
}

static void reply_rset(struct worker *w, struct session *s, int code) {
    (void)code;
    if (w->run->opt->reconnect)
        say(w, s, "QUIT\r\n", ST_QUIT);
    else
        next_message(w, s);
}

/* The answer to QUIT, or something nobody asked for, such as a 421 between two messages. */
static void reply_close(struct worker *w, struct session *s, int code) {
    (void)code;
    session_lost(w, s);
}

/* Most likely 421; the close behind it is what counts. */
static void reply_ignore(struct worker *w, struct session *s, int code) {
    (void)w;
    (void)s;
    (void)code;
}

/* What a reply means in each state. */
static void (*const on_state_reply[])(struct worker *, struct session *, int) = {
    [ST_CLOSED] = reply_ignore, [ST_WAIT] = reply_ignore,     [ST_CONNECT] = reply_close,
    [ST_BANNER] = reply_banner, [ST_EHLO] = reply_ehlo,       [ST_STARTTLS] = reply_starttls,
    [ST_READY] = reply_close,   [ST_HANDSHAKE] = reply_close, [ST_MAIL] = reply_mail,
    [ST_RCPT] = reply_rcpt,     [ST_DATA] = reply_data,       [ST_END] = reply_end,
    [ST_RSET] = reply_rset,     [ST_QUIT] = reply_close,      [ST_STALLED] = reply_ignore,
};

static void on_reply(struct worker *w, struct session *s, const char *line, size_t len) {
    int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    s->active_us = w->alive_us = w->now_us;
    note_refusal(w, s, code, line, len);
    on_state_reply[s->state](w, s, code);
}

static bool is_reply_line(const char *line, size_t len) {
    return len >= 3 && isdigit((unsigned char)line[0]) && isdigit((unsigned char)line[1]) &&
           isdigit((unsigned char)line[2]) && (len == 3 || line[3] == ' ' || line[3] == '-');
}

static void note_keyword(struct session *s, const char *line, size_t len) {
    if (len >= 14 && strncasecmp(line + 4, "PIPELINING", 10) == 0)
        s->has_pipelining = true;
    else if (len >= 12 && strncasecmp(line + 4, "STARTTLS", 8) == 0)
        s->has_starttls = true;
}

static void on_line(struct worker *w, struct session *s, const char *line, size_t len) {
    if (!is_reply_line(line, len)) {
        load_error(w->run, "not an SMTP reply", strlen("not an SMTP reply"));
        session_lost(w, s);
        return;
    }
    if (s->state == ST_EHLO)
        note_keyword(s, line, len);
    if (len == 3 || line[3] == ' ')
        on_reply(w, s, line, len);
}

/* Hand on every complete line in s->in. The session may be closed or switch to TLS on the way. */
static void on_input(struct worker *w, struct session *s) {
    size_t pos = 0;
    int fd = s->ch.fd;
    while (pos < s->in_len && s->ch.fd == fd && s->state != ST_CONNECT) {
        const char *start = s->in + pos;
        const char *lf = memchr(start, '\n', s->in_len - pos);
        if (lf == NULL)
            break;
        size_t len = (size_t)(lf - start);
        pos += len + 1;
        if (len > 0 && start[len - 1] == '\r')
            len--;
        on_line(w, s, start, len);
    }
    if (s->ch.fd != fd || s->state == ST_CONNECT)
        return; /* closed or opened anew: in is not this connection's any more */
    pos = pos < s->in_len ? pos : s->in_len;
    memmove(s->in, s->in + pos, s->in_len - pos);
    s->in_len -= pos;
}

static void on_readable(struct worker *w, struct session *s) {
    for (;;) {
        int fd = s->ch.fd;
        size_t room = sizeof s->in - s->in_len;
        ssize_t n = room > 0 ? chan_read(&s->ch, s->in + s->in_len, room) : CHAN_ERROR;
        if (n == CHAN_AGAIN)
            return;
        if (n <= 0) {
            session_lost(w, s);
            return;
        }
        s->in_len += (size_t)n;
        on_input(w, s);
        if (s->ch.fd != fd || fd < 0 || s->state == ST_CONNECT || s->state == ST_HANDSHAKE)
            return;
        if (s->ch.ssl == NULL && (size_t)n < room)
            return; /* a short read: the socket is empty; epoll tells when that changes */
    }
}

static void on_event(struct worker *w, struct session *s, uint32_t events) {
    if (s->ch.fd < 0)
        return; /* closed earlier in this batch */
    if (s->state == ST_CONNECT) {
        int err = 0;
        socklen_t len = sizeof err;
        getsockopt(s->ch.fd, SOL_SOCKET, SO_ERROR, &err, &len);
        if (err != 0) {
            session_lost(w, s);
            return;
        }
        s->state = ST_BANNER;
        poll_set(w, s, EPOLL_CTL_MOD);
    }
    if (s->state == ST_HANDSHAKE) {
        handshake(w, s);
        if (s->ch.fd >= 0 && s->polled_write != s->ch.want_write)
            poll_set(w, s, EPOLL_CTL_MOD);
        return;
    }
    if ((events & EPOLLOUT) != 0)
        queue_flush(w, s);
    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        on_readable(w, s);
}

/* ---- the loop ---- */

static void write_acks(struct worker *w) {
    if (w->acks.len == 0)
        return;
    /* One write for the batch: two threads append to the same file, and lines must not be torn. */
    ssize_t n = write(w->run->ack_fd, w->acks.data, w->acks.len);
    if (n < 0 || (size_t)n != w->acks.len)
        die("cannot write the acknowledgement log: %s", strerror(errno));
    w->acks.len = 0;
}

static void flush_all(struct worker *w) {
    for (size_t i = 0; i < w->n_dirty; i++) {
        struct session *s = w->dirty[i];
        s->dirty = false;
        if (s->ch.fd < 0 || s->state == ST_CONNECT)
            continue;
        if (!chan_flush(&s->ch))
            session_lost(w, s);
        else if (s->polled_write != s->ch.want_write)
            poll_set(w, s, EPOLL_CTL_MOD);
    }
    w->n_dirty = 0;
}

static void start_paced(struct worker *w) {
    struct session *s;
    while ((s = TAILQ_FIRST(&w->ready)) != NULL) {
        long n = claim_number(w);
        if (n == -2)
            break;
        TAILQ_REMOVE(&w->ready, s, ready);
        if (n == -1)
            say(w, s, "QUIT\r\n", ST_QUIT);
        else
            begin_transaction(w, s, n);
    }
}

static void sweep_one(struct worker *w, struct session *s) {
    bool over = time_is_over(w);
    uint64_t limit = (uint64_t)(w->run->opt->timeout * 1e6);
    if (s->state == ST_STALLED) {
        if (over)
            session_close(w, s);
    } else if (s->state == ST_WAIT) {
        /* A server that stays away as long as a reply may take is not coming back. */
        if (over || w->now_us - w->alive_us > limit)
            session_close(w, s);
        else if (w->now_us >= s->wake_us)
            session_open(w, s);
    } else if (s->state == ST_QUIT && w->now_us - s->active_us > QUIT_US) {
        session_lost(w, s);
    } else if (s->state != ST_CLOSED && s->state != ST_READY && w->now_us - s->active_us > limit) {
        load_error(w->run, "no reply in time", strlen("no reply in time"));
        session_lost(w, s);
    }
}

static void sweep(struct worker *w) {
    if (w->now_us < w->sweep_us)
        return;
    for (size_t i = 0; i < w->n_sessions; i++)
        sweep_one(w, &w->sessions[i]);
    w->sweep_us = w->now_us + SWEEP_US;
}

static void worker_loop(struct worker *w) {
    struct epoll_event events[EVENTS];
    while (w->live > 0) {
        int wait_ms = TAILQ_EMPTY(&w->ready) ? SWEEP_US / 1000 : 1;
        int n = epoll_wait(w->epoll, events, EVENTS, wait_ms);
        if (n < 0 && errno != EINTR)
            die("epoll_wait: %s", strerror(errno));
        w->now_us = now_us();
        for (int i = 0; i < n; i++)
            on_event(w, events[i].data.ptr, events[i].events);
        sweep(w);
        start_paced(w);
        write_acks(w);
        flush_all(w);
    }
}

void load_worker(struct load_run *run, long first, long step, struct load_stats *stats) {
    struct worker w = {.run = run, .stats = stats, .now_us = now_us()};
    w.alive_us = w.now_us;
    TAILQ_INIT(&w.ready);
    w.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w.epoll < 0)
        die("epoll_create1: %s", strerror(errno));
    w.n_sessions = (size_t)((run->opt->sessions - first + step - 1) / step);
    w.sessions = xcalloc(w.n_sessions, sizeof *w.sessions);
    w.dirty = xcalloc(w.n_sessions, sizeof(struct session *));
    w.live = (long)w.n_sessions;
    for (size_t i = 0; i < w.n_sessions; i++) {
        w.sessions[i].ch.fd = -1;
        session_open(&w, &w.sessions[i]);
    }
    worker_loop(&w);
    for (size_t i = 0; i < w.n_sessions; i++)
        buf_free(&w.sessions[i].ch.out);
    free(w.sessions);
    free(w.dirty);
    buf_free(&w.acks);
    close(w.epoll);
}
