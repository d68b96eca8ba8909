/* command.c: the commands of SMTP (RFC 5321 4.1), one function each, found by the table in command.def. A
 * function writes its reply and says what comes next. To add a command: a row there, a function here. */
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/text.h"
#include "roles/smtpd/smtpd.h"
#include "routing/postmaster.h"
#include "routing/report_address.h"
#include "routing/route.h"

enum argument { NONE, OPTIONAL, NEEDED };

#define COMMAND(verb, function, argument, help) static enum next function(struct session *s, view argument);
#include "roles/smtpd/command.def"
#undef COMMAND

static const struct command {
    const char *verb;
    enum next (*run)(struct session *s, view argument);
    enum argument argument;
    const char *help;
} commands[] = {
#define COMMAND(verb, function, argument, help) {verb, function, argument, help},
#include "roles/smtpd/command.def"
#undef COMMAND
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static enum next bad(struct session *s, int code, const char *text) {
    session_reply(s, code, "%s", text);
    return ++s->bad_commands > LIMIT_SMTP_BAD_COMMANDS ? NEXT_CLOSE : NEXT_MORE;
}

enum next command_run(struct session *s, view line) {
    ptrdiff_t space = view_find(line, ' ');
    view verb = space < 0 ? line : view_slice(line, 0, (size_t)space);
    view argument = view_trim(view_skip(line, verb.len));
    if (s->bad_commands > LIMIT_SMTP_BAD_COMMANDS) {
        session_reply(s, 421, "4.7.0 %s too many errors", s->server->hostname);
        return NEXT_CLOSE;
    }
    if (s->refused_recipients > LIMIT_SMTP_REFUSED_RCPTS) {
        session_reply(s, 421, "4.7.1 %s too many recipients that are not here", s->server->hostname);
        return NEXT_CLOSE;
    }
    if (++s->idle_commands > LIMIT_SMTP_IDLE_COMMANDS) {
        session_reply(s, 421, "4.7.0 %s too many commands without a message", s->server->hostname);
        return NEXT_CLOSE;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command *c = &commands[i];
        if (!view_eq_nocase(verb, view_of(c->verb)))
            continue;
        if ((c->argument == NONE && argument.len > 0) || (c->argument == NEEDED && argument.len == 0)) {
            session_reply(s, 501, "5.5.4 syntax: %s", c->help);
            return NEXT_MORE;
        }
        return c->run(s, argument);
    }
    return bad(s, 500, "5.5.2 command not recognised");
}

/* ---- hello ---- */

/* A name or an address literal; only what could hurt a log or a trace field is refused. */
static bool take_helo(struct session *s, view name, bool esmtp) {
    ptrdiff_t space = view_find(name, ' ');
    if (space >= 0)
        name = view_slice(name, 0, (size_t)space);
    if (name.len > LIMIT_DOMAIN || !text_is_printable(name)) {
        bad(s, 501, "5.5.4 that is not a host name");
        return false;
    }
    session_reset(s);
    if (!view_eq(s->helo, name))
        s->helo = arena_view(&s->arena, name);
    if (s->arena.failed) { /* a client that greets for ever */
        session_reply(s, 421, "4.7.0 %s too many greetings", s->server->hostname);
        return false;
    }
    s->esmtp = esmtp;
    s->greeted = true;
    return true;
}

static enum next run_helo(struct session *s, view name) {
    if (s->service == SERVICE_LMTP)
        return bad(s, 500, "5.5.1 this is LMTP: say LHLO");
    if (take_helo(s, name, false))
        session_reply(s, 250, "%s", s->server->hostname);
    return s->arena.failed ? NEXT_CLOSE : NEXT_MORE;
}

static enum next hello(struct session *s, view name) {
    if (!take_helo(s, name, true))
        return s->arena.failed ? NEXT_CLOSE : NEXT_MORE;
    stream_printf(&s->stream, "250-%s\r\n250-PIPELINING\r\n250-SIZE %lld\r\n", s->server->hostname,
                  (long long)s->policy->config->message_size_max);
    if (s->policy->tls[s->service] && !s->tls)
        stream_printf(&s->stream, "250-STARTTLS\r\n");
    stream_printf(&s->stream,
                  "250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n%s%s"
                  "250-LIMITS RCPTMAX=%lld\r\n250 ENHANCEDSTATUSCODES\r\n",
                  s->tls ? "250-REQUIRETLS\r\n" : "",
                  s->may_xclient ? "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n" : "",
                  (long long)s->policy->config->recipients_max);
    return NEXT_MORE;
}

static enum next run_ehlo(struct session *s, view name) {
    return s->service == SERVICE_LMTP ? bad(s, 500, "5.5.1 this is LMTP: say LHLO") : hello(s, name);
}

/* RFC 2033 4.1 */
static enum next run_lhlo(struct session *s, view name) {
    return s->service == SERVICE_LMTP ? hello(s, name) : bad(s, 500, "5.5.1 this is SMTP: say EHLO");
}

static enum next run_xclient(struct session *s, view argument) {
    if (!s->may_xclient)
        return bad(s, 500, "5.5.2 command not recognised");
    if (s->t.active)
        return bad(s, 503, "5.5.1 a transaction is under way");
    return frontend_xclient(s, argument);
}
static enum next run_starttls(struct session *s, view argument) {
    (void)argument;
    if (s->tls)
        return bad(s, 503, "5.5.1 TLS is on already");
    if (!s->policy->tls[s->service])
        return bad(s, 502, "5.5.1 TLS is not offered here");
    /* What came before TLS must not count after it: neither state nor bytes (RFC 3207 4.2, 6). */
    session_reset(s);
    s->helo = VIEW_NULL;
    s->greeted = false;
    session_reply(s, 220, "2.0.0 ready to start TLS");
    stream_discard_input(&s->stream);
    s->phase = session_phase_starttls;
    return NEXT_MORE;
}

/* ---- mail ---- */

/* smtpd stops taking mail before the disk is full. */
bool disk_has_room(struct server *server) {
    int64_t now = clock_real_us() / 1000, free_bytes;
    if (now - atomic_load(&server->disk_looked_ms) > 1000) {
        atomic_store(&server->disk_looked_ms, now);
        FREE_AUTO char *data = config_path(server->role.config, "data");
        bool full = file_free_bytes(data, &free_bytes, NULL) && free_bytes < server->role.config->min_free;
        if (full != atomic_exchange(&server->disk_full, full))
            log_line(LOG_WARN, full ? "disk-full" : "disk-has-room", LOG_I("free", free_bytes));
    }
    return !atomic_load(&server->disk_full);
}

/* "FROM:<path> rest" or "TO:<path> rest"; a space behind the colon is taken, as many clients send it. */
static bool take_path(view *argument, view keyword, unsigned flags, struct address *ret_path, struct err *e) {
    if (!view_starts_with_nocase(*argument, keyword))
        return err_set(e, ERR_USAGE, "%.*s<address> is wanted", VIEW_ARG(keyword));
    *argument = view_trim(view_skip(*argument, keyword.len));
    return address_parse_path(argument, flags, ret_path, e);
}

/* The form that is stored: local part as given (its owner alone may know its case), domain normalised. */
static bool keep_address(struct session *s, const struct address *a, view *ret_text, struct err *e) {
    struct arena *arena = &s->transaction_arena;
    view domain;
    if (!domain_normalise(a->domain, arena, &domain, e)) {
        if (a->domain.len == 0 || a->domain.ptr[0] != '[')
            return false;
        domain = a->domain;
    }
    *ret_text = arena_printf(arena, "%.*s@%.*s", VIEW_ARG(a->local), VIEW_ARG(domain));
    return !arena->failed || err_set(e, ERR_LIMIT, NULL);
}

static bool take_sender(struct session *s, view argument, struct err *e) {
    struct address sender;
    struct transaction *t = &s->t;
    if (!take_path(&argument, VIEW("FROM:"), PATH_ALLOW_NULL | PATH_ALLOW_UTF8, &sender, e)) {
        e->code = e->code == ERR_SYNTAX_ADDRESS ? ERR_SYNTAX_SENDER : e->code;
        return false;
    }
    if (!parameters_take(s, argument, false, e))
        return false;
    if (address_is_utf8(&sender) && !(t->flags & MESSAGE_UTF8))
        return err_set(e, ERR_NO_UTF8, NULL);
    if (sender.domain.len > 0 && !keep_address(s, &sender, &t->sender, e))
        return false;
    return true;
}

static enum next run_mail(struct session *s, view argument) {
    struct err e;
    if (!s->greeted)
        return bad(s, 503, s->service == SERVICE_LMTP ? "5.5.1 say LHLO first" : "5.5.1 say EHLO first");
    if (s->t.active)
        return bad(s, 503, "5.5.1 a transaction is under way");
    if (!disk_has_room(s->server)) {
        err_set(&e, ERR_DISK_FULL, NULL);
        session_reply_err(s, &e);
    } else if (take_sender(s, argument, &e)) {
        s->t.active = true;
        session_useful(s);
        session_reply(s, 250, "2.1.0 ok");
    } else {
        session_reply_err(s, &e);
        session_reset(s);
    }
    return NEXT_MORE;
}

/* ---- rcpt ---- */

static bool add_recipient(struct session *s, struct err *e) {
    struct transaction *t = &s->t;
    if (t->recipient_count == t->recipient_room) {
        size_t room = t->recipient_room ? 4 * t->recipient_room : 8;
        struct accept_recipient *grown = arena_array(&s->transaction_arena, struct accept_recipient, room);
        if (!grown)
            return err_set(e, ERR_LIMIT_RCPT, NULL);
        if (t->recipient_count)
            memcpy(grown, t->recipients, t->recipient_count * sizeof *grown);
        t->recipients = grown;
        t->recipient_room = room;
    }
    t->recipients[t->recipient_count++] = s->pending;
    return true;
}

/* Ask again, about the address that the setting names. DSNs speak of the recipient as it was given. */
static enum next turn_to_postmaster(struct session *s, view wanted) {
    struct arena *arena = &s->transaction_arena;
    struct err e;
    view normal;
    if (s->pending.orcpt.len == 0) /* before the request that `wanted` is part of has gone */
        s->pending.orcpt = arena_printf(arena, "rfc822;%.*s", VIEW_ARG(wanted));
    s->pending.given = s->pending.address;
    s->pending.address = view_of(s->policy->config->postmaster);
    s->to_postmaster = true;
    store_request_done(&s->request);
    if (address_normalise_text(s->pending.address, arena, &normal, &e))
        return command_ask_about(s, normal);
    session_reply_err(s, &e);
    return NEXT_MORE;
}

static bool is_wanted(struct session *s, view wanted, const struct route *route, struct err *e) {
    if (route_refusal(route)) {
        *e = *route_refusal(route);
        return false;
    }
    if (!route->local && !s->may_relay && !s->to_postmaster && !s->unwrapped)
        return err_set(e, ERR_NO_RELAY, "<%.*s>: relaying denied", VIEW_ARG(wanted));
    if (s->t.recipient_count > 0 && s->t.target_count + route->count > LIMIT_MESSAGE_TARGETS)
        return err_set(e, ERR_LIMIT_RCPT,
                       "the recipients lead to too many addresses: send the rest by itself");
    return true;
}

static bool note_lists(struct session *s, const struct route *route, struct err *e) {
    return rules_note(s, route) || err_set(e, ERR_LIMIT_RCPT, NULL);
}

/* The store has told what it knows about the recipient; router will come to the same decision (DESIGN 1.4).
 */
static enum next recipient_known(struct session *s) {
    struct err e = s->request.err;
    struct arena arena;
    struct route route;
    arena_init(&arena, LIMIT_STEP_ARENA);
    view wanted = vals_get_view(&(struct vals){.rest = buf_view(&s->request.args)});
    bool ok = e.code == ERR_OK && route_decide(wanted, buf_view(&s->request.out), &arena, &route, &e);
    if (ok)
        route_turn_to_reports(wanted, view_of(s->policy->config->reports_to), &arena, &route);
    if (ok && !s->to_postmaster && *s->policy->config->postmaster &&
        postmaster_is_for(wanted, s->bare_postmaster, &route)) {
        arena_done(&arena);
        return turn_to_postmaster(s, wanted);
    }
    if (ok && is_wanted(s, wanted, &route, &e) && note_lists(s, &route, &e) && add_recipient(s, &e)) {
        s->t.target_count += route.count;
        session_useful(s);
        session_reply(s, 250, "2.1.5 ok");
    } else {
        session_reply_err(s, &e);
        s->refused_recipients += !s->may_relay && !err_is_temporary(&e);
        log_line(LOG_INFO, "recipient-refused", LOG_S("client", s->peer_ip.s), LOG_V("from", s->t.sender),
                 LOG_V("rcpt", wanted), LOG_S("reason", e.text));
    }
    arena_done(&arena);
    s->pending = (struct accept_recipient){.notify = NOTIFY_DEFAULT};
    store_request_done(&s->request);
    return NEXT_MORE;
}

enum next command_ask_about(struct session *s, view normal) {
    store_request_init(&s->request, OP_LOOKUP);
    vals_view(&s->request.args, normal);
    return session_ask(s, recipient_known);
}

static enum next run_rcpt(struct session *s, view argument) {
    struct err e;
    struct address rcpt;
    view normal;
    unsigned flags = PATH_ALLOW_POSTMASTER | (s->t.flags & MESSAGE_UTF8 ? PATH_ALLOW_UTF8 : 0);
    if (!s->t.active)
        return bad(s, 503, "5.5.1 MAIL first");
    if (s->t.chunked)
        return bad(s, 503, "5.5.1 the text is under way");
    if (s->t.recipient_count >= (size_t)s->policy->config->recipients_max) {
        err_set(&e, ERR_LIMIT_RCPT, NULL);
        session_reply_err(s, &e);
        return NEXT_MORE;
    }
    s->pending = (struct accept_recipient){.notify = NOTIFY_DEFAULT};
    bool ok = take_path(&argument, VIEW("TO:"), flags, &rcpt, &e) && parameters_take(s, argument, true, &e);
    s->to_postmaster = s->unwrapped = false;
    s->bare_postmaster = ok && rcpt.domain.len == 0;
    if (s->bare_postmaster)
        rcpt.domain = view_of(s->server->hostname);
    if (!ok || !keep_address(s, &rcpt, &s->pending.address, &e) ||
        !address_normalise(&rcpt, &s->transaction_arena, &normal, &e)) {
        session_reply_err(s, &e);
        return NEXT_MORE;
    }
    return unwrap_is_due(s) ? unwrap_ask(s) : command_ask_about(s, normal);
}

/* ---- the rest ---- */

static enum next run_data(struct session *s, view argument) {
    (void)argument;
    if (!s->t.active || s->t.recipient_count == 0)
        return bad(s, 503, s->t.active ? "5.5.1 no valid recipients" : "5.5.1 MAIL first");
    if (s->t.chunked)
        return bad(s, 503, "5.5.1 the text comes by BDAT, RSET first");
    session_reply(s, 354, "go ahead, end with a dot on a line of its own");
    data_begin(s);
    return NEXT_MORE;
}

static enum next run_bdat(struct session *s, view argument) {
    return chunk_begin(s, argument);
}

static enum next run_rset(struct session *s, view argument) {
    (void)argument;
    session_reset(s);
    session_reply(s, 250, "2.0.0 ok");
    return NEXT_MORE;
}

static enum next run_noop(struct session *s, view argument) {
    (void)argument;
    session_reply(s, 250, "2.0.0 ok");
    return NEXT_MORE;
}

static enum next run_quit(struct session *s, view argument) {
    (void)argument;
    session_reply(s, 221, "2.0.0 %s closing the connection", s->server->hostname);
    return NEXT_CLOSE;
}

/* Who lives here is not told to strangers (RFC 5321 7.3). */
static enum next run_vrfy(struct session *s, view argument) {
    (void)argument;
    session_reply(s, 252, "2.1.5 cannot verify, but will take a message and try");
    return NEXT_MORE;
}

static enum next run_help(struct session *s, view argument) {
    (void)argument;
    for (size_t i = 0; i < COMMANDS; i++)
        stream_printf(&s->stream, "214%c2.0.0 %s\r\n", i + 1 < COMMANDS ? '-' : ' ', commands[i].help);
    return NEXT_MORE;
}
