/* data.c: the text of a message, from 354 to the answer after the final dot; chunk.c brings text by BDAT and
 * uses what is here from the text's end on.
 *
 * Line ends are CRLF and nothing else: a bare CR or LF anywhere refuses the message, and only CRLF.CRLF ends
 * it, so nobody can smuggle a second message past us (RFC 5321 2.3.8, 4.1.1.4). A refused message is read to
 * its end, so that what follows is a command again. Octets are kept as they came, dots unstuffed. Up to
 * LIMIT_BODY_CHUNK they travel inside the ACCEPT; longer messages are staged piece by piece, and the ACCEPT
 * only names them. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "mail/header.h"
#include "mail/received.h"
#include "net/hint.h"
#include "roles/smtpd/smtpd.h"

enum {
    RATE_WINDOW_MS = 30 * 1000, /* over which the pace of a client's text is averaged */
    FIELDS_MOST = 64 * 1024     /* octets put on top: results of forty signatures, and a hop */
};

void data_fault(struct transaction *t, enum err_code code) {
    if (t->fault.code == ERR_OK)
        err_set(&t->fault, code, NULL);
}

void data_begin(struct session *s) {
    struct transaction *t = &s->t;
    t->id = id_new();
    t->line_start = true;
    t->fault.code = ERR_OK;
    data_pace_begin(s);
    t->sha256 = EVP_MD_CTX_new();
    BUG_ON(!t->sha256 || EVP_DigestInit_ex(t->sha256, EVP_sha256(), NULL) != 1);
    s->phase = data_phase;
}

void data_pace_begin(struct session *s) {
    s->t.window_ms = clock_mono_ms();
    s->t.window_size = s->t.size;
}

bool data_is_slow(struct session *s) {
    struct transaction *t = &s->t;
    int64_t passed = clock_mono_ms() - t->window_ms;
    if (passed < RATE_WINDOW_MS)
        return false;
    int64_t octets = t->size - t->window_size;
    data_pace_begin(s);
    return octets < s->policy->config->smtp_body_rate_min * (passed / 1000);
}

enum next data_too_slow(struct session *s) {
    session_reply(s, 421, "4.4.2 %s the text comes too slowly, closing the connection", s->server->hostname);
    log_line(LOG_INFO, "too-slow", LOG_S("client", s->peer_ip.s), LOG_V("from", s->t.sender),
             LOG_I("size", s->t.size));
    return NEXT_CLOSE;
}

/* By an empty line, or by a line that is no field. */
static bool header_ended(const struct header *h, size_t size) {
    return h->section.len + h->body.len < size || view_find(h->body, '\n') >= 0;
}

/* The header is looked at once: when the first piece is whole, or at the end. */
static void inspect(struct session *s) {
    struct transaction *t = &s->t;
    struct arena arena;
    struct header h;
    t->inspected = true;
    arena_init(&arena, LIMIT_STEP_ARENA);
    header_parse(buf_view(&t->body), &arena, &h);
    /* What is behind a limit would escape every look at the header, the hops first of all. */
    if (h.truncated || (!t->at_end && !header_ended(&h, t->body.len)))
        data_fault(t, ERR_LIMIT_HEADER);
    if (received_hops(&h) > LIMIT_RECEIVED_HOPS)
        data_fault(t, ERR_LOOP);
    t->message_id = arena_view(&s->transaction_arena, header_message_id(&h, &arena));
    arena_done(&arena);
}

void data_take_octets(struct session *s, view v) {
    struct transaction *t = &s->t;
    t->size += (int64_t)v.len;
    if (t->size > s->policy->config->message_size_max)
        data_fault(t, ERR_LIMIT_MESSAGE);
    if (t->fault.code == ERR_OK)
        buf_add(&t->body, v);
}

/* At the start of a line: step over a stuffed dot, see the final one. False: more input is needed to tell. */
static bool take_line_start(struct transaction *t, view *in) {
    if (in->ptr[0] == '.') {
        if (view_starts_with(*in, VIEW(".\r\n"))) {
            t->at_end = true;
            *in = view_skip(*in, 3);
            return true;
        }
        if (in->len < 3 && view_starts_with(VIEW(".\r\n"), *in))
            return false;
        *in = view_skip(*in, 1);
    }
    t->line_start = false;
    return true;
}

/* The rest of a line, or as much of it as is there. False: a CR is at the very end, its LF not there yet. */
static bool take_line(struct session *s, view *in) {
    const char *lf = memchr(in->ptr, '\n', in->len);
    size_t len = lf ? (size_t)(lf - in->ptr) + 1 : in->len;
    const char *cr = memchr(in->ptr, '\r', len);
    if (!lf && in->ptr[len - 1] == '\r') { /* its LF may come with the next read: the two stay together */
        if (len == 1)
            return false;
        len--;
        cr = cr == in->ptr + len ? NULL : cr;
    }
    bool ended = lf && len > 1 && lf[-1] == '\r'; /* only behind CRLF can a dot be the final one */
    if (lf ? cr != lf - 1 : cr != NULL)
        data_fault(&s->t, ERR_BARE_CR_LF);
    size_t room = s->t.body.limit - s->t.body.len;
    if (s->t.fault.code == ERR_OK && len > room) { /* a line is cut where a piece is full, but not a CRLF */
        len = room > 1 ? room - 1 : 0;
        len -= len > 0 && in->ptr[len - 1] == '\r';
        ended = false;
    }
    data_take_octets(s, view_slice(*in, 0, len));
    *in = view_skip(*in, len);
    s->t.line_start = ended;
    return len > 0;
}

/* Move what the stream has into the body. True when something was taken. */
static bool take_text(struct session *s) {
    struct transaction *t = &s->t;
    view in = stream_peek(&s->stream);
    size_t before = in.len;
    while (in.len > 0 && !t->at_end) {
        if (t->line_start && !take_line_start(t, &in))
            break;
        if (!t->at_end && in.len > 0 && !take_line(s, &in))
            break;
        if (t->fault.code == ERR_OK && t->body.limit - t->body.len < 2)
            break;
    }
    stream_take(&s->stream, before - in.len);
    return in.len < before;
}

static enum next finish(struct session *s) {
    session_reset(s);
    store_request_done(&s->request);
    s->phase = session_phase_command;
    return NEXT_MORE;
}

/* LMTP answers for each recipient (RFC 2033 4.2). */
static size_t answers(const struct session *s) {
    return s->service == SERVICE_LMTP ? s->t.recipient_count : 1;
}

static enum next refuse(struct session *s, const struct err *e) {
    for (size_t i = 0; i < answers(s); i++)
        session_reply_err(s, e);
    log_line(LOG_INFO, "refused", LOG_S("client", s->peer_ip.s), LOG_V("from", s->t.sender),
             LOG_V("message-id", s->t.message_id), LOG_S("reason", e->text));
    return finish(s);
}

static enum next tell_accepted(struct session *s) {
    struct id_text id = id_format(s->t.id);
    for (size_t i = 0; i < answers(s); i++)
        session_reply(s, 250, "2.0.0 queued as %s", id.s);
    s->idle_commands = 0;
    return finish(s);
}

static enum next accepted(struct session *s) {
    struct transaction *t = &s->t;
    struct id_text id = id_format(t->id);
    if (s->request.err.code != ERR_OK)
        return refuse(s, &s->request.err);
    hint_send(s->server->role.config->dir, "router");
    metric_add(METRIC_SMTPD_MESSAGES, 1);
    metric_add(METRIC_SMTPD_RECIPIENTS, (int64_t)t->recipient_count);
    log_line(LOG_INFO, "accepted", LOG_S("queue", id.s), LOG_S("client", s->peer_ip.s),
             LOG_V("from", t->sender), LOG_I("recipients", t->recipient_count), LOG_I("size", t->size),
             LOG_V("message-id", t->message_id));
    s->pause_ms = flow_pause_ms(s->server);
    if (s->pause_ms == 0)
        return tell_accepted(s);
    s->answered = tell_accepted;
    return NEXT_PAUSE;
}

static void format_received(struct session *s, struct buf *out) {
    const struct transaction *t = &s->t;
    struct id_text id = id_format(t->id);
    char peer[80];
    bool v6 = strchr(s->peer_ip.s, ':') != NULL;
    int len = snprintf(peer, sizeof peer, "%s%s", v6 ? "IPv6:" : "", s->peer_ip.s);
    received_format(&(struct received){.helo = s->helo,
                                       .peer = view_from(peer, (size_t)len),
                                       .by = view_of(s->server->hostname),
                                       .esmtp = s->esmtp,
                                       .tls = s->tls,
                                       .lmtp = s->service == SERVICE_LMTP,
                                       .utf8 = (t->flags & MESSAGE_UTF8) != 0,
                                       .tls_version = s->tls ? view_of(tls_version(s->stream.tls)) : VIEW(""),
                                       .tls_cipher = s->tls ? view_of(tls_cipher(s->stream.tls)) : VIEW(""),
                                       .id = view_of(id.s),
                                       .rcpt = t->recipient_count == 1 ? t->recipients[0].address : VIEW(""),
                                       .at_ms = clock_now_ms()},
                    out);
}

static void dropped(struct store_request *q) {
    store_request_done(q);
    free(q);
}

void data_drop(struct session *s) {
    struct store_request *q = mem_alloc(sizeof *q); /* outlives the session */
    store_request_init(q, OP_BODY_DROP);
    vals_int(&q->args, s->t.id);
    q->done = dropped;
    store_submit(s->server->role.store, q);
}

static enum next ask_accept(struct session *s) {
    struct transaction *t = &s->t;
    t->handed_over = true;
    unsigned char sha256[32];
    struct buf fields = BUF_INIT(FIELDS_MOST);
    struct arena *arena = &s->transaction_arena;
    BUG_ON(EVP_DigestFinal_ex(t->sha256, sha256, NULL) != 1);
    check_add_field(s, &fields);
    format_received(s, &fields);
    BUG_ON(fields.failed);
    view origin = arena_printf(arena, "client=%s helo=%.*s tls=%s size=%lld%.*s", s->peer_ip.s,
                               VIEW_ARG(s->helo), s->tls ? tls_version(s->stream.tls) : "no",
                               (long long)t->size, VIEW_ARG(check_summary(s)));
    store_request_init(&s->request, OP_ACCEPT);
    accept_args(&(struct accept){.id = t->id,
                                 .sender = t->sender,
                                 .message_id = t->message_id,
                                 .size = t->size,
                                 .sha256 = view_from(sha256, sizeof sha256),
                                 .fields = buf_view(&fields),
                                 .origin = origin,
                                 .flags = t->flags |
                                          (s->may_relay && s->service == SERVICE_SMTP ? MESSAGE_TRUSTED : 0),
                                 .envid = t->envid,
                                 .body = t->staged ? VIEW("") : buf_view(&t->body),
                                 .recipients = t->recipients,
                                 .recipient_count = t->recipient_count},
                &s->request.args);
    buf_done(&fields);
    buf_done(&t->body);
    return session_ask(s, accepted);
}

static enum next staged(struct session *s) {
    if (s->request.err.code != ERR_OK && s->t.fault.code == ERR_OK)
        s->t.fault = s->request.err;
    store_request_done(&s->request);
    data_pace_begin(s); /* the client did not make us wait */
    return NEXT_MORE;
}

bool data_piece_is_full(const struct transaction *t) {
    return t->fault.code == ERR_OK && t->body.limit - t->body.len < 2;
}

enum next data_stage(struct session *s) {
    struct transaction *t = &s->t;
    if (!t->inspected)
        inspect(s);
    if (t->fault.code != ERR_OK)
        return NEXT_MORE;
    if (!disk_has_room(s->server)) {
        data_fault(t, ERR_DISK_FULL);
        return NEXT_MORE;
    }
    store_request_init(&s->request, OP_BODY_STAGE);
    vals_int(&s->request.args, t->id);
    vals_int(&s->request.args, t->staged++);
    vals_view(&s->request.args, buf_view(&t->body));
    check_take_piece(s);
    rules_keep_first(s);
    buf_reset(&t->body);
    return session_ask(s, staged);
}

/* Envelope and inline body must fit one request. */
static bool fits_inline(const struct transaction *t) {
    size_t envelope = 4096 + FIELDS_MOST;
    for (size_t i = 0; i < t->recipient_count; i++)
        envelope += t->recipients[i].address.len + t->recipients[i].orcpt.len + 24;
    return t->staged == 0 && envelope + t->body.len < LIMIT_STORE_PACKET - 8192;
}

void data_hash(struct transaction *t, size_t before) {
    if (t->fault.code != ERR_OK)
        buf_done(&t->body);
    else if (t->body.len > before)
        EVP_DigestUpdate(t->sha256, t->body.data + before, t->body.len - before);
}

static enum next text_ended(struct session *s) {
    struct transaction *t = &s->t;
    if (t->fault.code == ERR_OK && !t->inspected)
        inspect(s);
    if (t->fault.code != ERR_OK)
        return refuse(s, &t->fault);
    if (t->body.len > 0 && !fits_inline(t))
        return data_stage(s);
    if (!check_is_done(s))
        return check_ask(s);
    if (!rules_all_asked(s))
        return rules_ask(s);
    if (t->fault.code != ERR_OK)
        return refuse(s, &t->fault);
    return ask_accept(s);
}

enum next data_phase(struct session *s) {
    struct transaction *t = &s->t;
    size_t before = t->body.len;
    bool progress = !t->at_end && take_text(s);
    data_hash(t, before);
    if (t->at_end)
        return text_ended(s);
    if (progress && data_is_slow(s))
        return data_too_slow(s);
    if (data_piece_is_full(t))
        return data_stage(s);
    return progress ? NEXT_MORE : NEXT_INPUT;
}
