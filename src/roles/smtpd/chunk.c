/* chunk.c: BDAT (RFC 3030): message text in chunks whose length is said before.
 *
 * The octets behind a BDAT are eaten whatever the answer will be, so that none of them is ever read as a
 * command; where the length cannot be read the session ends. A chunk that is refused ends the hope for the
 * transaction: what follows is answered 503 until RSET or the last chunk. The rule for line ends is that of
 * DATA, over all chunks; a dot has no meaning. */
#include <string.h>

#include "base/log.h"
#include "roles/smtpd/smtpd.h"

/* The chunk is over, and a command comes next. */
static enum next chunk_over(struct session *s) {
    s->phase = session_phase_command;
    return NEXT_MORE;
}

/* Octets that belong to no message. */
static enum next skip_phase(struct session *s) {
    view in = stream_peek(&s->stream);
    size_t len = (int64_t)in.len < s->chunk_left ? in.len : (size_t)s->chunk_left;
    stream_take(&s->stream, len);
    s->chunk_left -= (int64_t)len;
    if (s->chunk_left > 0)
        return NEXT_INPUT;
    session_reply(s, s->chunk_code, "%s", s->chunk_text);
    if (s->t.chunked && s->chunk_last)
        session_reset(s);
    chunk_over(s);
    return ++s->bad_commands > LIMIT_SMTP_BAD_COMMANDS ? NEXT_CLOSE : NEXT_MORE;
}

static enum next skip(struct session *s, int code, const char *text) {
    s->chunk_code = code;
    s->chunk_text = text;
    s->phase = skip_phase;
    return NEXT_MORE;
}

/* A CR has an LF behind it, and an LF a CR before it, wherever chunks are cut. */
static void check_line_ends(struct transaction *t, view v) {
    for (size_t i = 0; i < v.len; i++) {
        if (t->after_cr != (v.ptr[i] == '\n'))
            data_fault(t, ERR_BARE_CR_LF);
        t->after_cr = v.ptr[i] == '\r';
    }
}

/* Move what the stream has of this chunk into the body. True when something was taken. */
static bool take_chunk(struct session *s) {
    struct transaction *t = &s->t;
    view in = stream_peek(&s->stream);
    if ((int64_t)in.len > s->chunk_left)
        in = view_slice(in, 0, (size_t)s->chunk_left);
    if (t->fault.code == ERR_OK)
        in = view_slice(in, 0, t->body.limit - t->body.len);
    check_line_ends(t, in);
    data_take_octets(s, in);
    stream_take(&s->stream, in.len);
    s->chunk_left -= (int64_t)in.len;
    return in.len > 0;
}

static enum next chunk_ended(struct session *s) {
    struct transaction *t = &s->t;
    chunk_over(s);
    if (s->chunk_last) {
        if (t->after_cr)
            data_fault(t, ERR_BARE_CR_LF);
        t->at_end = true;
        s->phase = data_phase;
    } else if (t->fault.code != ERR_OK) {
        session_reply_err(s, &t->fault);
        log_line(LOG_INFO, "refused", LOG_S("client", s->peer_ip.s), LOG_V("from", t->sender),
                 LOG_S("reason", t->fault.text));
        t->spoilt = true;
    } else {
        session_reply(s, 250, "2.0.0 %lld octets taken", (long long)s->chunk_size);
    }
    return NEXT_MORE;
}

static enum next chunk_phase(struct session *s) {
    struct transaction *t = &s->t;
    size_t before = t->body.len;
    bool progress = take_chunk(s);
    data_hash(t, before);
    if (progress && s->chunk_left > 0 && data_is_slow(s))
        return data_too_slow(s);
    if (data_piece_is_full(t))
        return data_stage(s);
    if (s->chunk_left > 0)
        return progress ? NEXT_MORE : NEXT_INPUT;
    return chunk_ended(s);
}

/* "n" or "n LAST". False: even n cannot be read. */
static bool take_argument(struct session *s, view argument, bool *ret_fine) {
    view number = VIEW("");
    view_split(&argument, ' ', &number);
    view rest = view_trim(argument);
    s->chunk_last = view_eq_nocase(rest, VIEW("LAST"));
    *ret_fine = s->chunk_last || rest.len == 0;
    return number.len > 0 && ascii_is_digit(number.ptr[0]) && view_to_i64(number, &s->chunk_size);
}

enum next chunk_begin(struct session *s, view argument) {
    struct transaction *t = &s->t;
    bool fine;
    if (!take_argument(s, argument, &fine)) {
        session_reply(s, 501, "5.5.4 BDAT wants a size; the octets behind it cannot be told from commands");
        return NEXT_CLOSE;
    }
    s->chunk_left = s->chunk_size;
    if (!t->active || t->recipient_count == 0)
        return skip(s, 503, t->active ? "5.5.1 no valid recipients" : "5.5.1 MAIL first");
    if (t->spoilt)
        return skip(s, 503, "5.5.1 an earlier chunk was refused, RSET first");
    if (!t->chunked)
        data_begin(s);
    t->chunked = true;
    data_pace_begin(s);
    if (s->chunk_size >= LIMIT_SMTP_TINY_CHUNK)
        session_useful(s);
    if (!fine) {
        t->spoilt = true;
        return skip(s, 501, "5.5.4 syntax: BDAT size [LAST]");
    }
    if (s->chunk_size > s->policy->config->message_size_max - t->size)
        data_fault(t, ERR_LIMIT_MESSAGE);
    s->phase = chunk_phase;
    return NEXT_MORE;
}
