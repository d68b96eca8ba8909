/* session.c: a session from the connection to its end. The runner calls session_step on every readiness
 * event; a step runs phases until one needs something: input (park on READ), the store (park until woken), or
 * the end. Replies pile up while the client pipelines and are sent when the session parks. */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/tls_memory.h"
#include "mail/text.h"
#include "roles/smtpd/smtpd.h"

enum {
    FILL_BYTES = 64 * 1024, /* what one readiness event may bring */
    OUT_BYTES = 512 * 1024, /* replies a client may leave unread while it pipelines */
    PHASES_PER_STEP = 200,  /* then others get their turn */
    TRIM_AFTER = 16,        /* TLS handshakes */
    PROXY_MS = 5000,        /* a front end knows for whom it connects */
};

static struct session *session_of(struct task *t) {
    return (struct session *)t;
}

void session_reply(struct session *s, int code, const char *fmt, ...) {
    char text[LIMIT_SMTP_REPLY_LINE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    stream_printf(&s->stream, "%d ", code);
    struct buf printable = BUF_INIT(3 * LIMIT_SMTP_REPLY_LINE);
    text_add_printable(&printable, view_of(text), true); /* it may quote the client */
    stream_write(&s->stream, buf_view(&printable));
    stream_write(&s->stream, VIEW("\r\n"));
    buf_done(&printable);
    metric_add(METRIC_SMTPD_DEFERRED, code / 100 == 4);
    metric_add(METRIC_SMTPD_REFUSED, code / 100 == 5);
}

/* Errors whose text speaks of our inside: it is for the log, the client gets the plain text of the row. */
static bool is_inner(enum err_code code) {
    return code == ERR_STORE || code == ERR_STORE_BUSY || code == ERR_STORE_DENIED || code == ERR_CONFLICT ||
           code == ERR_IO || code == ERR_SYSTEM || code == ERR_DAMAGED;
}

void session_reply_err(struct session *s, const struct err *e) {
    const struct err_info *info = err_info(e->code);
    bool inner = is_inner(e->code);
    if (inner)
        log_line(LOG_ERROR, "temporary-failure", LOG_S("client", s->peer_ip.s), LOG_S("reason", e->text));
    session_reply(s, info->smtp, "%s %s", info->enhanced, inner ? info->text : e->text);
}

void session_reset(struct session *s) {
    struct transaction *t = &s->t;
    if (t->staged > 0 && !t->handed_over)
        data_drop(s);
    check_drop(t);
    buf_done(&t->body);
    buf_done(&t->first);
    arena_done(&t->rules_arena);
    EVP_MD_CTX_free(t->sha256);
    *t = (struct transaction){.active = false, .only_lists = true};
    buf_init(&t->body, LIMIT_BODY_CHUNK);
    buf_init(&t->first, LIMIT_BODY_CHUNK);
    arena_init(&t->rules_arena, LIMIT_STEP_ARENA);
    arena_done(&s->transaction_arena); /* a session that waits for its next message holds nothing */
    s->pending = (struct accept_recipient){.notify = NOTIFY_DEFAULT};
}

void session_useful(struct session *s) {
    s->idle_commands -= s->idle_commands > 0;
}

static void store_answered(struct store_request *r) {
    struct session *s = (struct session *)((char *)r - offsetof(struct session, request));
    task_wake(&s->task);
}

enum next session_ask(struct session *s, enum next (*answered)(struct session *s)) {
    s->answered = answered;
    s->request.done = store_answered;
    store_submit(s->server->role.store, &s->request);
    return NEXT_STORE;
}

enum next session_phase_command(struct session *s) {
    view line;
    struct err e;
    if (s->draining && !s->t.active) {
        session_reply(s, 421, "4.3.2 %s service is stopping, try again later", s->server->hostname);
        return NEXT_CLOSE;
    }
    if (s->skipping) {
        if (!stream_skip_line(&s->stream))
            return NEXT_INPUT;
        s->skipping = false;
    }
    int got = stream_take_line(&s->stream, LIMIT_SMTP_LINE, &line, &e);
    if (got == 0)
        return NEXT_INPUT;
    if (got > 0)
        return command_run(s, line);
    session_reply_err(s, &e);
    s->skipping = e.code == ERR_LIMIT_LINE;
    return ++s->bad_commands > LIMIT_SMTP_BAD_COMMANDS ? NEXT_CLOSE : NEXT_MORE;
}

/* The 220, and what the client has not read before it, must have left in the clear; nothing is read
 * meanwhile. */
enum next session_phase_starttls(struct session *s) {
    if (stream_unsent(&s->stream) > 0)
        return NEXT_INPUT;
    stream_start_tls(&s->stream, s->policy->tls[s->service], NULL);
    s->phase = session_phase_handshake;
    return NEXT_MORE;
}

/* What a burst of handshakes needed for a moment goes back. */
static _Atomic unsigned handshakes;

void session_quiet(void) {
    if (atomic_load(&handshakes) >= TRIM_AFTER) {
        atomic_store(&handshakes, 0);
        tls_memory_trim();
        malloc_trim(0);
    }
}

enum next session_phase_handshake(struct session *s) {
    switch (stream_handshake(&s->stream)) {
    case STREAM_READY:
        s->tls = true;
        s->phase = session_phase_command;
        metric_add(METRIC_SMTPD_TLS, 1);
        atomic_fetch_add(&handshakes, 1);
        return NEXT_MORE;
    case STREAM_READ:
    case STREAM_WRITE:
        return NEXT_INPUT;
    case STREAM_CLOSED:
    case STREAM_FAILED:
        break;
    }
    log_line(LOG_INFO, "tls-failed", LOG_S("client", s->peer_ip.s), LOG_S("reason", s->stream.error.text));
    return NEXT_CLOSE;
}

/* The step's last act: send what is written, then park as the phase wants. */
static enum step park(struct session *s, enum step wanted) {
    if (stream_unsent(&s->stream) > 0 && !(s->phase == session_phase_handshake)) {
        enum stream_io io = stream_flush(&s->stream);
        if (io == STREAM_WRITE)
            return STEP_WRITE;
        if (io != STREAM_READY && io != STREAM_READ)
            return STEP_CLOSE;
    }
    return wanted;
}

static void set_deadline(struct session *s) {
    int64_t idle = clock_mono_ms() + s->policy->config->smtp_idle_timeout;
    s->task.deadline_ms = idle < s->ends_ms ? idle : s->ends_ms;
    if (s->phase_ends_ms && s->phase_ends_ms < s->task.deadline_ms)
        s->task.deadline_ms = s->phase_ends_ms;
}

/* More input for the phase: READ when there is none now. */
static enum step fill(struct session *s) {
    if (s->phase == session_phase_starttls)
        return park(s, STEP_AGAIN);
    if (s->phase == session_phase_handshake) {
        enum stream_io io = stream_handshake(&s->stream);
        return io == STREAM_WRITE ? STEP_WRITE : io == STREAM_READ ? STEP_READ : STEP_AGAIN;
    }
    if (stream_unsent(&s->stream) > 0 && park(s, STEP_READ) != STEP_READ)
        return stream_ok(&s->stream) ? STEP_WRITE : STEP_CLOSE;
    switch (stream_fill(&s->stream, FILL_BYTES)) {
    case STREAM_READY:
        return STEP_AGAIN;
    case STREAM_READ:
        return STEP_READ;
    case STREAM_WRITE:
        return STEP_WRITE;
    case STREAM_CLOSED:
    case STREAM_FAILED:
        break;
    }
    return STEP_CLOSE;
}

static enum step run_phases(struct session *s) {
    for (int i = 0; i < PHASES_PER_STEP; i++) {
        if (!stream_ok(&s->stream))
            return STEP_CLOSE;
        switch (s->phase(s)) {
        case NEXT_MORE:
            break;
        case NEXT_STORE:
            return STEP_WAIT;
        case NEXT_PAUSE:
            return STEP_TIMER;
        case NEXT_CLOSE:
            park(s, STEP_CLOSE);
            return STEP_CLOSE;
        case NEXT_INPUT: {
            enum step step = fill(s);
            if (step != STEP_AGAIN)
                return step;
            break;
        }
        }
    }
    return park(s, STEP_AGAIN);
}

static enum step time_out(struct session *s) {
    if (s->phase != session_phase_handshake && s->phase != frontend_proxy_phase)
        session_reply(s, 421, "4.4.2 %s timeout, closing the connection", s->server->hostname);
    park(s, STEP_CLOSE);
    return STEP_CLOSE;
}

/* What waited for the store, or for the end of a pause. */
static enum step go_on(struct session *s) {
    enum next (*answered)(struct session *) = s->answered;
    s->answered = NULL;
    switch (answered(s)) {
    case NEXT_STORE:
        return STEP_WAIT;
    case NEXT_PAUSE:
        return STEP_TIMER;
    case NEXT_CLOSE:
        return park(s, STEP_CLOSE);
    case NEXT_MORE:
    case NEXT_INPUT:
        break;
    }
    return run_phases(s);
}

static enum step handle(struct session *s, enum task_event event) {
    switch (event) {
    case TASK_TIMEOUT:
        if (!s->answered)
            return time_out(s);
        return go_on(s);
    case TASK_DRAIN:
        s->draining = true;
        break;
    case TASK_WOKEN:
        if (s->answered)
            return go_on(s);
        break;
    case TASK_READY:
        break;
    }
    return run_phases(s);
}

static enum step session_step(struct task *task, enum task_event event) {
    struct session *s = session_of(task);
    enum step step = handle(s, event);
    if (step == STEP_WAIT)
        task->deadline_ms = 0; /* the store answers in any case; until then the session must live */
    else if (step == STEP_TIMER)
        task->deadline_ms = clock_mono_ms() + s->pause_ms;
    else if (step == STEP_READ || step == STEP_WRITE)
        set_deadline(s);
    return step;
}

static void session_closed(struct task *task) {
    struct session *s = session_of(task);
    if (s->counted)
        clients_leave(s->server->clients, &s->peer);
    metric_add(METRIC_SMTPD_SESSIONS_OPEN, -1);
    session_reset(s);
    store_request_done(&s->request);
    stream_done(&s->stream);
    arena_done(&s->transaction_arena);
    arena_done(&s->arena);
    policy_unref(&s->policy);
    free(s);
}

static void turn_away(struct server *server, int fd) {
    char text[LIMIT_DOMAIN + 128];
    int len = snprintf(text, sizeof text, "421 4.7.0 %s too many connections from your address\r\n",
                       server->hostname);
    ssize_t ignored = write(fd, text, (size_t)len);
    (void)ignored;
    metric_add(METRIC_SMTPD_DEFERRED, 1);
    close(fd);
}

void session_greet(struct session *s) {
    stream_printf(&s->stream, "220 %s %s Postroad\r\n", s->server->hostname,
                  s->service == SERVICE_LMTP ? "LMTP" : "ESMTP");
}

static struct session *new_session(const struct listener *l, struct policy *policy, int fd,
                                   const struct sockaddr_any *peer) {
    struct session *s = mem_alloc(sizeof *s);
    s->task = (struct task){.step = session_step, .closed = session_closed, .fd = fd};
    s->server = l->server;
    s->service = l->service;
    s->listener = l->text;
    s->policy = policy;
    s->peer = *peer;
    s->peer_ip = sockaddr_ip(peer);
    s->may_relay = networks_have(&policy->relay, peer);
    s->may_xclient = networks_have(&policy->xclient, peer);
    s->phase = session_phase_command;
    s->ends_ms = clock_mono_ms() + policy->config->smtp_session_timeout;
    arena_init(&s->arena, LIMIT_SESSION_ARENA);
    arena_init(&s->transaction_arena, LIMIT_TRANSACTION_ARENA);
    stream_init(&s->stream, fd, 2 * FILL_BYTES, OUT_BYTES);
    session_reset(s);
    return s;
}

void session_accepted(struct runner *r, int fd, void *context) {
    const struct listener *l = context;
    struct sockaddr_any peer = {.len = sizeof peer.storage};
    metric_add(METRIC_SMTPD_SESSIONS, 1);
    if (getpeername(fd, (struct sockaddr *)&peer.storage, &peer.len) < 0) {
        close(fd);
        return;
    }
    struct policy *policy = policy_current(l->server);
    bool front_end = networks_have(&policy->proxy, &peer);
    if (!front_end && !clients_enter(l->server->clients, &peer)) {
        policy_unref(&policy);
        turn_away(l->server, fd);
        return;
    }
    struct session *s = new_session(l, policy, fd, &peer);
    s->counted = !front_end;
    metric_add(METRIC_SMTPD_SESSIONS_OPEN, 1);
    if (front_end) {
        s->phase = frontend_proxy_phase;
        s->phase_ends_ms = clock_mono_ms() + PROXY_MS;
    } else {
        session_greet(s);
    }
    runner_add(r, &s->task);
}
