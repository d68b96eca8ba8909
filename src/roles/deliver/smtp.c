/* smtp.c: the sending side of SMTP. With PIPELINING (RFC 2920) MAIL, RCPT and DATA leave in one write and the
 * text in a second one; with CHUNKING (RFC 3030), too, a small mail leaves in one, from a
 * connection's second on. Nothing is ever sent behind an end of data that has not been answered: Exim and
 * OpenSMTPD refuse it. */
#include "roles/deliver/smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/accept.h"

enum {
    IN_BYTES = 64 * 1024,
    OUT_BYTES = 256 * 1024,
    PART_BYTES = 64 * 1024,
    SLICE_MS = 500,
    AT_ONCE_BYTES =
        64 * 1024,          /* of a mail that leaves before anything is answered: in vain if it is refused */
    AT_ONCE_WAIT_MS = 1000, /* and only to a host that has answered sooner than this so far */
};

/* The error of a broken connection. */
static bool lost(const struct smtp *c, struct err *e) {
    if (c->stream.error.code != ERR_OK)
        *e = c->stream.error;
    else
        err_set(e, ERR_CONNECTION_LOST, NULL);
    if (!err_is_temporary(e)) /* a server that breaks the protocol may be mended: not the message's fault */
        e->code = ERR_CONNECTION_LOST;
    return err_prefix(e, "%s", c->host);
}

/* RFC 5321 4.5.3.2.6: twice as long for the answer to the final dot. */
static int64_t timeout_of(const struct smtp *c, const struct smtp_settings *set) {
    return c->behind_dot ? 2 * set->reply_timeout_ms : set->reply_timeout_ms;
}

/* Whether to wait on after a slice of time; then the stream's error is taken back. Behind the final dot the
 * rule for slow sites does not end the wait: it would send the mail twice. */
static bool wait_on(struct smtp *c, const struct smtp_settings *set, int64_t since_ms) {
    int64_t waited = clock_mono_ms() - since_ms;
    if (c->stream.error.code != ERR_TIMEOUT || waited >= timeout_of(c, set) ||
        !set->keep_waiting(set->context, c->behind_dot ? 0 : waited))
        return false;
    c->stream.error.code = ERR_OK;
    return true;
}

static int64_t slice_end(const struct smtp *c, const struct smtp_settings *set, int64_t since_ms) {
    int64_t slice = clock_mono_ms() + SLICE_MS, end = since_ms + timeout_of(c, set);
    return slice < end ? slice : end;
}

static bool wait_line(struct smtp *c, const struct smtp_settings *set, view *ret_line) {
    int64_t since = clock_mono_ms();
    while (!stream_line_wait(&c->stream, LIMIT_SMTP_REPLY_LINE, ret_line, slice_end(c, set, since)))
        if (!wait_on(c, set, since))
            return false;
    int64_t waited = clock_mono_ms() - since;
    if (waited > c->longest_wait_ms)
        c->longest_wait_ms = waited;
    return true;
}

static bool wait_flush(struct smtp *c, const struct smtp_settings *set) {
    int64_t since = clock_mono_ms();
    while (!stream_flush_wait(&c->stream, slice_end(c, set, since)))
        if (!wait_on(c, set, since))
            return false;
    return true;
}

static bool wait_handshake(struct smtp *c, const struct smtp_settings *set) {
    int64_t since = clock_mono_ms();
    while (!stream_handshake_wait(&c->stream, slice_end(c, set, since)))
        if (!wait_on(c, set, since))
            return false;
    return true;
}

/* One reply into c->reply. False: the connection is of no more use; see e. */
static bool read_reply(struct smtp *c, const struct smtp_settings *set, struct err *e) {
    view line;
    int done = 0;
    reply_reset(&c->reply);
    while (done == 0) {
        if (!wait_line(c, set, &line))
            return lost(c, e);
        done = reply_feed(&c->reply, line, e);
    }
    if (done < 0) { /* nonsense is no verdict on the message */
        err_prefix(e, "%s", c->host);
        e->code = ERR_CONNECTION_LOST;
    }
    return done > 0;
}

static bool command(struct smtp *c, const struct smtp_settings *set, struct err *e, const char *line) {
    stream_printf(&c->stream, "%s\r\n", line);
    return wait_flush(c, set) ? read_reply(c, set, e) : lost(c, e);
}

/* The reply as an error of its class. */
static bool reply_err(const struct smtp *c, struct err *e) {
    enum err_code code =
        reply_class(&c->reply) == ERR_CLASS_PERMANENT ? ERR_REMOTE_PERMANENT : ERR_REMOTE_TEMPORARY;
    return err_set(e, code, "%s said: %d %s", c->host, c->reply.code, c->reply.text.data);
}

/* ---- opening ---- */

static void note_extension(struct smtp *c, view line) {
    view word;
    if (!view_split(&line, ' ', &word))
        return;
    c->pipelining |= view_eq_nocase(word, VIEW("PIPELINING"));
    c->chunking |= view_eq_nocase(word, VIEW("CHUNKING"));
    c->eightbit |= view_eq_nocase(word, VIEW("8BITMIME"));
    c->utf8 |= view_eq_nocase(word, VIEW("SMTPUTF8"));
    c->dsn |= view_eq_nocase(word, VIEW("DSN"));
    c->starttls |= view_eq_nocase(word, VIEW("STARTTLS"));
    c->requiretls |= view_eq_nocase(word, VIEW("REQUIRETLS"));
    if (view_eq_nocase(word, VIEW("SIZE"))) {
        c->size = true;
        if (!view_to_i64(view_trim(line), &c->size_max))
            c->size_max = 0;
    }
}

static bool hello(struct smtp *c, const struct smtp_settings *set, struct err *e) {
    char line[LIMIT_DOMAIN + 16];
    c->pipelining = c->chunking = c->size = c->eightbit = c->utf8 = c->dsn = c->starttls = c->requiretls =
        false;
    c->size_max = 0;
    snprintf(line, sizeof line, "%s %s", set->lmtp ? "LHLO" : "EHLO", set->helo);
    if (!command(c, set, e, line))
        return false;
    if (c->reply.code / 100 == 2) {
        view rest = buf_view(&c->reply.text), extension;
        for (bool first = true; view_split(&rest, '\n', &extension); first = false)
            if (!first)
                note_extension(c, extension);
        return true;
    }
    if (set->lmtp)
        return reply_err(c, e);
    snprintf(line, sizeof line, "HELO %s", set->helo);
    return command(c, set, e, line) && (c->reply.code / 100 == 2 || reply_err(c, e));
}

/* Addresses have no place in server_name (RFC 6066 3). */
static bool is_name(view host) {
    struct sockaddr_any ignored;
    return view_find(host, ':') < 0 && view_find(host, '[') < 0 && !sockaddr_from_ip(host, 0, &ignored, NULL);
}

/* The error of a demand that is not met. */
static bool unmet(const struct smtp *c, const struct smtp_demand *d, struct err *e, const char *what) {
    return err_set(e, d->requiretls ? ERR_NO_ENCRYPTION : ERR_TLS_POLICY, "%s %s, and %s demands it", c->host,
                   what, d->requiretls ? "the message" : d->by);
}

/* What the certificate is worth. False: less than is demanded. */
static bool look_at_proof(struct smtp *c, const struct smtp_demand *d, struct smtp_tls_end *end,
                          struct err *e) {
    static const int ends[] = {[TLS_PROVED] = SMTP_TLS_GOOD,
                               [TLS_EXPIRED] = SMTP_TLS_EXPIRED,
                               [TLS_OTHER_NAME] = SMTP_TLS_OTHER_NAME,
                               [TLS_NOT_TRUSTED] = SMTP_TLS_NOT_TRUSTED};
    const char *why;
    if (!d->proof)
        return true;
    enum tls_proved proved = tls_proved(c->stream.tls, &why);
    end->end = ends[proved];
    if (proved == TLS_PROVED) {
        c->proved_by = d->by;
        return true;
    }
    snprintf(end->info, sizeof end->info, "%s", why);
    return d->tls != SMTP_TLS_PROVED || err_set(e, d->requiretls ? ERR_NO_ENCRYPTION : ERR_TLS_POLICY,
                                                "the certificate of %s is not what %s demands: %s", c->host,
                                                d->requiretls ? "the message" : d->by, why);
}

static bool shake_hands(struct smtp *c, view host, const struct smtp_settings *set,
                        const struct smtp_demand *d, struct smtp_tls_end *end, struct err *e) {
    FREE_AUTO char *name = is_name(host) ? mem_view(host) : NULL;
    stream_discard_input(&c->stream);
    stream_start_tls(&c->stream, d->proof ? set->proving : set->tls, d->proof ? d->proof->names[0] : name);
    if (d->proof && !tls_expect(c->stream.tls, d->proof, e))
        return false;
    if (!wait_handshake(c, set))
        return lost(c, e);
    c->tls = true;
    end->end = SMTP_TLS_GOOD;
    return true;
}

/* A connection that was lost or took too long says nothing of TLS; all else is what the demand is about. */
static bool tls_failed(const struct smtp_demand *d, struct smtp_tls_end *end, struct err *e) {
    snprintf(end->info, sizeof end->info, "%.*s", (int)sizeof end->info - 1, e->text);
    bool of_tls = e->code != ERR_CONNECTION_LOST && e->code != ERR_TIMEOUT;
    if (of_tls && d->tls != SMTP_TLS_MAY)
        e->code = d->requiretls ? ERR_NO_ENCRYPTION : ERR_TLS_POLICY;
    return false;
}

static bool start_tls(struct smtp *c, view host, const struct smtp_settings *set, const struct smtp_demand *d,
                      struct smtp_tls_end *end, struct err *e) {
    end->end = SMTP_TLS_BROKEN;
    if (!command(c, set, e, "STARTTLS") || (c->reply.code != 220 && !reply_err(c, e)) ||
        !shake_hands(c, host, set, d, end, e))
        return tls_failed(d, end, e);
    return look_at_proof(c, d, end, e) && hello(c, set, e);
}

static void name_host(struct smtp *c, const struct sockaddr_any *addr, view host) {
    if (addr->storage.ss_family == AF_UNIX) {
        snprintf(c->host, sizeof c->host, "%.*s", VIEW_ARG(host));
        return;
    }
    struct sockaddr_text text = sockaddr_format(addr);
    if (view_eq(host, view_of(sockaddr_ip(addr).s)))
        snprintf(c->host, sizeof c->host, "%s", text.s);
    else
        snprintf(c->host, sizeof c->host, "%.*s[%s]", VIEW_ARG(host), text.s);
}

/* The address to come from; len 0 when the system chooses, as it does for the IP version we have none of. */
static struct sockaddr_any own_address(const struct sockaddr_any *to, const struct smtp_settings *set) {
    struct sockaddr_any from = {.len = 0};
    bool wanted = set->bind && sockaddr_from_ip(view_of(set->bind), 0, &from, NULL);
    if (!wanted || from.storage.ss_family != to->storage.ss_family)
        from.len = 0;
    return from;
}

static void note_own_address(const struct smtp *c, struct smtp_tls_end *end) {
    struct sockaddr_any own = {.len = sizeof own.storage};
    if (getsockname(c->stream.fd, (struct sockaddr *)&own.storage, &own.len) == 0)
        end->own_ip = sockaddr_ip(&own);
}

/* Greeted: TLS as it is demanded, and nothing sent that is worth protecting before. */
static bool secure(struct smtp *c, view host, const struct smtp_settings *set, const struct smtp_demand *d,
                   bool tls, struct smtp_tls_end *end, bool *ret_tls_failed, struct err *e) {
    note_own_address(c, end);
    if (tls && set->tls && c->starttls) {
        bool ok = start_tls(c, host, set, d, end, e);
        *ret_tls_failed = !ok;
        return ok && (!d->requiretls || c->requiretls ||
                      err_set(e, ERR_NO_REQUIRETLS,
                              "%s does not offer REQUIRETLS, and the message demands it", c->host));
    }
    if (tls)
        end->end = SMTP_TLS_NOT_OFFERED;
    return d->tls == SMTP_TLS_MAY || unmet(c, d, e, "does not offer STARTTLS");
}

static struct smtp *try_open(const struct sockaddr_any *addr, view host, const struct smtp_settings *set,
                             const struct smtp_demand *d, bool tls, struct smtp_tls_end *end,
                             bool *ret_tls_failed, struct err *e) {
    struct smtp *c = mem_alloc(sizeof *c);
    c->lmtp = set->lmtp;
    name_host(c, addr, host);
    reply_init(&c->reply);
    struct sockaddr_any from = own_address(addr, set);
    bool ok = stream_connect_wait(&c->stream, &addr->storage, addr->len, from.len ? &from.storage : NULL,
                                  from.len, IN_BYTES, OUT_BYTES, clock_mono_ms() + set->connect_timeout_ms);
    if (!ok) {
        lost(c, e);
        e->code = ERR_CONNECT;
    }
    ok = ok && read_reply(c, set, e) && (c->reply.code == 220 || reply_err(c, e)) && hello(c, set, e);
    if (ok && secure(c, host, set, d, tls, end, ret_tls_failed, e))
        return c;
    smtp_close(c);
    return NULL;
}

struct smtp *smtp_open(const struct sockaddr_any *addr, view host, const struct smtp_settings *set,
                       const struct smtp_demand *demand, struct smtp_tls_end *ret_tls, struct err *e) {
    bool tls_failed = false;
    *ret_tls = (struct smtp_tls_end){.end = SMTP_TLS_UNTRIED};
    struct smtp *c = try_open(addr, host, set, demand, true, ret_tls, &tls_failed, e);
    if (!c && tls_failed)
        log_line(LOG_INFO, "tls-failed", LOG_V("host", host), LOG_S("reason", e->text));
    if (!c && tls_failed && demand->tls == SMTP_TLS_MAY)
        c = try_open(addr, host, set, demand, false, ret_tls, &tls_failed, e);
    return c;
}

void smtp_close(struct smtp *c) {
    if (stream_ok(&c->stream)) {
        stream_write(&c->stream, VIEW("QUIT\r\n"));
        stream_flush(&c->stream);
    }
    stream_done(&c->stream);
    reply_done(&c->reply);
    free(c);
}

/* ---- a transaction ---- */

static void set_result(struct smtp_recipient *to, const struct smtp *c, bool accepted) {
    const char *text = c->reply.text.data;
    to->err.code = ERR_OK;
    if (!accepted)
        reply_err(c, &to->err);
    snprintf(to->status, sizeof to->status, "%s", c->reply.status);
    snprintf(to->reply, sizeof to->reply, "%d %s", c->reply.code, text);
    for (char *p = to->reply; *p; p++)
        if (*p == '\n')
            *p = ' ';
}

static void set_one_error(struct smtp_recipient *to, const struct err *e) {
    to->err = *e;
    snprintf(to->status, sizeof to->status, "%s", err_info(e->code)->enhanced);
    snprintf(to->reply, sizeof to->reply, "%.*s", (int)sizeof to->reply - 1, e->text);
}

/* Every recipient that has no refusal yet. */
static void set_error(const struct smtp_mail *mail, const struct err *e) {
    for (size_t i = 0; i < mail->recipient_count; i++) {
        struct smtp_recipient *to = &mail->recipients[i];
        if (to->err.code == ERR_OK && !to->answered)
            set_one_error(to, e);
    }
}

static void write_mail_from(struct smtp *c, const struct smtp_mail *mail) {
    stream_printf(&c->stream, "MAIL FROM:<%.*s>", VIEW_ARG(mail->sender));
    if (c->size)
        stream_printf(&c->stream, " SIZE=%lld", (long long)mail->size);
    if (mail->eightbit && c->eightbit)
        stream_printf(&c->stream, " BODY=8BITMIME");
    if (mail->utf8)
        stream_printf(&c->stream, " SMTPUTF8");
    if (mail->requiretls && c->requiretls && c->tls)
        stream_printf(&c->stream, " REQUIRETLS");
    if (c->dsn && mail->ret)
        stream_printf(&c->stream, " RET=%s", mail->ret);
    if (c->dsn && mail->envid.len > 0)
        stream_printf(&c->stream, " ENVID=%.*s", VIEW_ARG(mail->envid));
    stream_write(&c->stream, VIEW("\r\n"));
}

static void write_notify(struct smtp *c, const struct smtp_recipient *to) {
    static const struct {
        int64_t bit;
        const char *name;
    } names[] = {{NOTIFY_NEVER, "NEVER"},
                 {NOTIFY_SUCCESS, "SUCCESS"},
                 {NOTIFY_FAILURE, "FAILURE"},
                 {NOTIFY_DELAY, "DELAY"}};
    const char *before = " NOTIFY=";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (to->notify & names[i].bit) {
            stream_printf(&c->stream, "%s%s", before, names[i].name);
            before = ",";
        }
    if (to->orcpt.len > 0)
        stream_printf(&c->stream, " ORCPT=%.*s", VIEW_ARG(to->orcpt));
}

static void write_rcpt(struct smtp *c, const struct smtp_recipient *to) {
    stream_printf(&c->stream, "RCPT TO:<%.*s>", VIEW_ARG(to->address));
    if (c->dsn)
        write_notify(c, to);
    stream_write(&c->stream, VIEW("\r\n"));
}

/* What MAIL, RCPT and DATA were answered. */
struct envelope {
    bool mail_ok, go_ahead;
    bool farewell; /* MAIL was answered 421: the other side had ended the connection before */
    size_t accepted;
    bool read_any;
};

static void take_mail_reply(struct smtp *c, const struct smtp_mail *mail, struct envelope *env) {
    env->read_any = true;
    env->mail_ok = c->reply.code / 100 == 2;
    env->farewell = c->reply.code == 421;
    for (size_t i = 0; !env->mail_ok && i < mail->recipient_count; i++)
        set_result(&mail->recipients[i], c, false);
}

static void take_rcpt_reply(struct smtp *c, struct smtp_recipient *to, struct envelope *env) {
    bool accepted = env->mail_ok && c->reply.code / 100 == 2;
    if (env->mail_ok)
        set_result(to, c, accepted);
    env->accepted += accepted;
}

static void write_envelope(struct smtp *c, const struct smtp_mail *mail) {
    write_mail_from(c, mail);
    for (size_t i = 0; i < mail->recipient_count; i++)
        write_rcpt(c, &mail->recipients[i]);
}

/* The replies to what write_envelope wrote. */
static bool read_envelope(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set,
                          struct envelope *env, struct err *e) {
    if (!read_reply(c, set, e))
        return false;
    take_mail_reply(c, mail, env);
    for (size_t i = 0; i < mail->recipient_count; i++) {
        if (!read_reply(c, set, e))
            return false;
        take_rcpt_reply(c, &mail->recipients[i], env);
    }
    return true;
}

static bool envelope_pipelined(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set,
                               struct envelope *env, struct err *e) {
    write_envelope(c, mail);
    stream_write(&c->stream, VIEW("DATA\r\n"));
    if (!wait_flush(c, set))
        return lost(c, e);
    if (!read_envelope(c, mail, set, env, e) || !read_reply(c, set, e))
        return false;
    env->go_ahead = c->reply.code == 354;
    return true;
}

static bool envelope_stepwise(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set,
                              struct envelope *env, struct err *e) {
    write_mail_from(c, mail);
    if (!wait_flush(c, set))
        return lost(c, e);
    if (!read_reply(c, set, e))
        return false;
    take_mail_reply(c, mail, env);
    for (size_t i = 0; env->mail_ok && i < mail->recipient_count; i++) {
        write_rcpt(c, &mail->recipients[i]);
        if (!wait_flush(c, set))
            return lost(c, e);
        if (!read_reply(c, set, e))
            return false;
        take_rcpt_reply(c, &mail->recipients[i], env);
    }
    if (env->accepted == 0)
        return true;
    if (!command(c, set, e, "DATA"))
        return false;
    env->go_ahead = c->reply.code == 354;
    return true;
}

static bool write_text(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set) {
    const view parts[] = {mail->fields[0], mail->fields[1], mail->fields[2], mail->stuffed};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (view rest = parts[i]; rest.len > 0; rest = view_skip(rest, PART_BYTES)) {
            stream_write(&c->stream, view_slice(rest, 0, PART_BYTES));
            if (stream_unsent(&c->stream) > PART_BYTES && !wait_flush(c, set))
                return false;
        }
    stream_write(&c->stream, VIEW(".\r\n"));
    return wait_flush(c, set);
}

/* The reply to the text holds for all that are still in. */
static bool read_one(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set,
                     const struct envelope *env, struct err *e) {
    if (!read_reply(c, set, e))
        return false;
    for (size_t i = 0; env->accepted > 0 && i < mail->recipient_count; i++)
        if (mail->recipients[i].err.code == ERR_OK)
            set_result(&mail->recipients[i], c, c->reply.code / 100 == 2);
    return true;
}

/* LMTP: one for each recipient that was accepted, in order (RFC 2033 4.2). When the connection breaks in
 * between, those that have their reply keep it. */
static bool read_each(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set,
                      struct err *e) {
    for (size_t i = 0; i < mail->recipient_count; i++) {
        struct smtp_recipient *to = &mail->recipients[i];
        if (to->err.code != ERR_OK)
            continue;
        if (!read_reply(c, set, e))
            return false;
        set_result(to, c, c->reply.code / 100 == 2);
        to->answered = true;
    }
    return true;
}

/* The text, or after a 354 nobody can use, an empty one (RFC 2920 3.1). */
static bool send_text(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set,
                      const struct envelope *env, struct err *e) {
    static const struct smtp_mail nothing = {.recipient_count = 0};
    if (!write_text(c, env->accepted > 0 ? mail : &nothing, set))
        return lost(c, e);
    c->behind_dot = env->accepted > 0;
    bool answered =
        c->lmtp && env->accepted > 0 ? read_each(c, mail, set, e) : read_one(c, mail, set, env, e);
    c->behind_dot = false;
    return answered;
}

/* After a transaction that ended early the next one must find a clean state. */
static bool reset(struct smtp *c, const struct smtp_settings *set) {
    struct err ignored;
    return command(c, set, &ignored, "RSET") && c->reply.code == 250;
}

/* Behind the envelope: the text, or an end of the transaction. False: the connection is of no more use. */
static bool go_on(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set,
                  const struct envelope *env, struct err *e) {
    if (env->go_ahead)
        return send_text(c, mail, set, env, e);
    if (env->accepted > 0) {
        reply_err(c, e);
        set_error(mail, e);
    }
    return reset(c, set);
}

static bool by_steps(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set,
                     struct envelope *env, struct err *e) {
    bool ok =
        c->pipelining ? envelope_pipelined(c, mail, set, env, e) : envelope_stepwise(c, mail, set, env, e);
    return ok && !env->farewell && go_on(c, mail, set, env, e);
}

/* The other side has the text before it has said anything, so a silence may mean that it took it: only for a
 * host that has shown that it answers. */
static bool may_go_at_once(const struct smtp *c, const struct smtp_mail *mail) {
    return c->pipelining && c->chunking && !c->lmtp && c->transactions > 1 &&
           c->longest_wait_ms < AT_ONCE_WAIT_MS && mail->size <= AT_ONCE_BYTES;
}

static bool at_once(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set,
                    struct envelope *env, struct err *e) {
    write_envelope(c, mail);
    stream_printf(&c->stream, "BDAT %lld LAST\r\n", (long long)mail->size);
    stream_write(&c->stream, mail->fields[0]);
    stream_write(&c->stream, mail->fields[1]);
    stream_write(&c->stream, mail->fields[2]);
    stream_write(&c->stream, mail->body);
    c->behind_dot = true;
    bool ok = wait_flush(c, set) || lost(c, e);
    ok = ok && read_envelope(c, mail, set, env, e) && !env->farewell && read_one(c, mail, set, env, e);
    c->behind_dot = false;
    env->read_any |= e->code == ERR_TIMEOUT;
    return ok && (c->reply.code / 100 == 2 || c->reply.code == 421 || reset(c, set)); /* RFC 3030 2 */
}

enum smtp_end smtp_send(struct smtp *c, const struct smtp_mail *mail, const struct smtp_settings *set) {
    struct envelope env = {.mail_ok = false};
    struct err e = {.code = ERR_OK};
    c->transactions++;
    bool ok = may_go_at_once(c, mail) ? at_once(c, mail, set, &env, &e) : by_steps(c, mail, set, &env, &e);
    if (env.farewell)
        return SMTP_REFUSED;
    bool touched = env.read_any;
    if (!ok && e.code == ERR_OK)
        err_set(&e, ERR_CONNECTION_LOST, NULL);
    if (!ok)
        set_error(mail, &e);
    if (!ok && !touched)
        return SMTP_ENDED;
    return ok && c->reply.code != 421 ? SMTP_DONE : SMTP_LAST;
}
