/* command.c: mail to LIST-request, LIST-join and the like: what it asks for is done, and answered by letters
 * that leave with the mail's own commit. What is done is done once: the token of a subscription that has to
 * wait is made from the mail's id, so that a router which comes to the same mail again finds it waiting
 * already. */
#include "lists/command.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "lists/held_letter.h"
#include "lists/letter.h"
#include "lists/membership_letter.h"
#include "lists/unsubscribe.h"
#include "roles/router/router.h"
#include "store/moderation.h"
#include "store/subscription.h"
#include "store/vals.h"

enum {
    ROSTER_MOST = 500, /* members that one answer shows */
    HELD_PAGE = 1000
};

struct run {
    struct role *role;
    const struct command_mail *mail;
    const struct command_to *to;
    view person, list;               /* whom it is about, and which list */
    view secret;                     /* the list's, once it was asked for */
    bool asked[COMMAND_UNKNOWN + 1]; /* commands that count once in a mail */
    struct arena *arena;
    struct buf results; /* lines of the answer */
    bool answers;       /* somebody wants to read them */
    struct buf *letters;
    int64_t letter_count;
    size_t number; /* of the command */
};

/* ---- letters ---- */

static bool write_letter(struct run *r, view part, view to, view subject, view text) {
    struct err e;
    if (!letter_may_go(r->role, to))
        return false;
    bool ok = letter_args(&(struct letter){.hostname = view_of(r->role->config->hostname),
                                           .list = r->list,
                                           .part = part,
                                           .to = to,
                                           .subject = subject,
                                           .text = text,
                                           .references = r->mail->message_id,
                                           .message = r->mail->id},
                          clock_now_ms(), r->letters, &e);
    r->letter_count += ok;
    return ok;
}

/* 128 bits that nobody else can know: the mail's id is known to many, so the list's secret goes in. */
static view make_token(struct run *r, view secret) {
    struct id_text id = id_format(r->mail->id);
    view seed = arena_printf(r->arena, "%s %zu %.*s", id.s, r->number, VIEW_ARG(r->list));
    return unsubscribe_key(secret, seed, r->arena);
}

/* ---- what is done ---- */

static void say(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct run *r, const char *fmt, ...) {
    char line[LIMIT_SMTP_LINE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    buf_printf(&r->results, "%s\n", line);
}

/* What an operation refuses is an answer for people; what fails in any other way is tried again. */
static bool is_refusal(enum err_code code) {
    return code == ERR_NOT_FOUND || code == ERR_EXISTS || code == ERR_REFUSED || code == ERR_CONFLICT;
}

/* False: it was refused, which is said; or it failed, see e. */
static bool call(struct run *r, struct store_request *q, struct err *e) {
    if (store_call(r->role->store, q, e))
        return true;
    if (is_refusal(e->code)) {
        say(r, "%s", e->text);
        r->answers = true;
        e->code = ERR_OK;
    }
    return false;
}

/* The key of a copy is its member's, whichever of the mail's senders that is. */
static bool has_key(struct run *r, view key) {
    for (size_t i = 0; i < r->mail->post->sender_count; i++)
        if (unsubscribe_key_is(r->secret, r->mail->post->senders[i], key)) {
            r->person = r->mail->post->senders[i];
            return true;
        }
    return false;
}

/* The letters about it are the store's business (store/owed.h). */
static void tell_waits(struct run *r, enum waits waits, bool join) {
    if (waits == WAITS_SUBSCRIBER) {
        say(r, "Confirmation email sent to %.*s", VIEW_ARG(r->person));
    } else if (waits == WAITS_MODERATOR) {
        say(r, "The request of %.*s waits for the moderators of %.*s", VIEW_ARG(r->person),
            VIEW_ARG(r->list));
        r->answers = true;
    } else {
        say(r, join ? "%.*s is now a member of %.*s" : "%.*s is no longer a member of %.*s",
            VIEW_ARG(r->person), VIEW_ARG(r->list));
        r->answers = true;
    }
}

static bool join_or_leave(struct run *r, const struct command *c, struct err *e) {
    bool join = c->kind == COMMAND_JOIN;
    if (!list_secret(r->role, r->list, r->arena, &r->secret, e))
        return false;
    view token = make_token(r, r->secret);
    bool key = !join && has_key(r, c->argument);
    int64_t proofs = key ? PROOF_VERIFIED | PROOF_CONFIRMED | PROOF_APPROVED : 0;
    if (!key && !letter_may_go(r->role, r->person)) { /* what nobody can be asked about must not wait */
        say(r, "%.*s has got too many letters today", VIEW_ARG(r->person));
        return true;
    }
    struct store_request q;
    store_request_init(&q, join ? OP_SUBSCRIBE : OP_UNSUBSCRIBE);
    vals_view(&q.args, r->list);
    vals_view(&q.args, VIEW("mail"));
    vals_view(&q.args, r->person);
    if (join) {
        vals_view(&q.args, VIEW("")); /* as it is written by its owner, and its name: not known */
        vals_view(&q.args, VIEW(""));
        vals_int(&q.args, 0);
    }
    vals_int(&q.args, proofs);
    vals_view(&q.args, token);
    if (call(r, &q, e)) {
        struct vals v = vals_of(buf_view(&q.out));
        tell_waits(r, (enum waits)vals_get_int(&v), join);
    }
    store_request_done(&q);
    return e->code == ERR_OK;
}

/* The answer to a warning: posts are sent to the member again. False with *e OK: it is no such answer. */
static bool enable(struct run *r, view key, struct err *e) {
    struct store_request q;
    view person = VIEW_NULL;
    e->code = ERR_OK;
    if (key.len != UNSUBSCRIBE_KEY_LEN || !list_secret(r->role, r->list, r->arena, &r->secret, e))
        return false;
    for (size_t i = 0; i < r->mail->post->sender_count && !person.ptr; i++)
        if (view_eq_nocase(key, membership_enable_key(r->secret, r->mail->post->senders[i], r->arena)))
            person = r->mail->post->senders[i];
    if (!person.ptr)
        return false;
    store_request_init(&q, OP_MEMBER_ENABLE);
    vals_view(&q.args, r->list);
    vals_view(&q.args, VIEW("mail"));
    vals_view(&q.args, person);
    r->answers = true;
    bool ok = call(r, &q, e);
    if (ok)
        say(r, "Posts of %.*s are sent to %.*s again", VIEW_ARG(r->list), VIEW_ARG(person));
    store_request_done(&q);
    return ok || e->code == ERR_OK; /* refused: said */
}

/* Which of the list's posts the token is about, and what the mail says of the moderators' password. False: of
 * none, which is said; or it failed, see e. */
static bool find_held(struct run *r, view token, int64_t *ret_id, enum approval *ret_said, struct err *e) {
    struct store_request q;
    view kept = VIEW("");
    int64_t id = 0, message = 0;
    bool more = true, found = false;
    while (more && !found) {
        store_request_init(&q, OP_HELD_ON);
        vals_view(&q.args, r->list);
        vals_int(&q.args, id);
        vals_int(&q.args, HELD_PAGE);
        more = call(r, &q, e);
        struct vals v = vals_of(buf_view(&q.out));
        kept = arena_view(r->arena, vals_get_view(&v));
        for (more = more && vals_more(&v); !found && vals_more(&v);) {
            id = vals_get_int(&v);
            message = vals_get_int(&v);
            found = view_eq_nocase(token, held_token(r->secret, message, r->arena));
        }
        store_request_done(&q);
    }
    if (e->code == ERR_OK && !found)
        say(r, "No such post is held: it was decided about, or never was");
    *ret_id = id;
    *ret_said = found ? post_approved(r->mail->post, kept, r->arena) : APPROVAL_NONE;
    return found;
}

/* What a moderator's mail to the address in the letter says: the post goes on with the list's password, and
 * without one it goes nowhere (Mailman's eml_confirm.py). False: it failed. */
static bool moderate(struct run *r, view token, struct err *e) {
    struct store_request q;
    enum approval said;
    int64_t id;
    r->answers = true;
    if (!list_secret(r->role, r->list, r->arena, &r->secret, e))
        return false;
    if (!find_held(r, token, &id, &said, e))
        return e->code == ERR_OK;
    if (said == APPROVAL_WRONG) {
        say(r, "Invalid Approved: password");
        return true;
    }
    store_request_init(&q, OP_HELD_DECIDE);
    vals_view(&q.args, r->person);
    vals_int(&q.args, said == APPROVAL_RIGHT ? MODERATION_ACCEPT : MODERATION_DISCARD);
    vals_view(&q.args, VIEW("by mail"));
    vals_int(&q.args, 0);
    vals_int(&q.args, 1);
    vals_int(&q.args, id);
    vals_int(&q.args, 0);
    if (call(r, &q, e))
        say(r, said == APPROVAL_RIGHT ? "Message accepted" : "Message discarded");
    store_request_done(&q);
    return e->code == ERR_OK;
}

static bool confirm(struct run *r, const struct command *c, struct err *e) {
    if (held_token_is(c->argument))
        return moderate(r, c->argument, e);
    if (enable(r, c->argument, e))
        return true;
    if (e->code != ERR_OK)
        return false;
    struct store_request q;
    struct run of = *r; /* whose request it is, and of which list, whoever answers */
    store_request_init(&q, OP_REQUEST_CONFIRM);
    vals_view(&q.args, c->argument);
    vals_view(&q.args, r->person);
    vals_int(&q.args, 1);
    vals_view(&q.args, VIEW("by mail"));
    of.answers = true;
    if (call(&of, &q, e)) {
        struct vals v = vals_of(buf_view(&q.out));
        enum waits waits = (enum waits)vals_get_int(&v);
        bool join = vals_get_int(&v) == REQUEST_SUBSCRIBE;
        of.list = arena_view(r->arena, vals_get_view(&v));
        of.person = arena_view(r->arena, vals_get_view(&v));
        say(&of, "Confirmed");
        tell_waits(&of, waits, join);
    }
    r->results = of.results;
    r->letter_count = of.letter_count;
    r->answers = true;
    store_request_done(&q);
    return e->code == ERR_OK;
}

/* "delivery=enabled mode=digest". False: there is something else, which is said. */
static bool read_roster_words(struct run *r, view words, int64_t *ret_delivery, int64_t *ret_mode) {
    view word;
    *ret_delivery = *ret_mode = -1;
    while (view_split(&words, ' ', &word)) {
        if (view_eq_nocase(word, VIEW("delivery=enabled")) ||
            view_eq_nocase(word, VIEW("delivery=disabled"))) {
            *ret_delivery = view_eq_nocase(word, VIEW("delivery=disabled"));
        } else if (view_eq_nocase(word, VIEW("mode=regular")) || view_eq_nocase(word, VIEW("mode=digest"))) {
            *ret_mode = view_eq_nocase(word, VIEW("mode=digest"));
        } else if (word.len > 0) {
            say(r, "Unrecognized or invalid argument(s): %.*s", VIEW_ARG(word));
            return false;
        }
    }
    return true;
}

static void show_roster(struct run *r, struct vals *v) {
    if (!vals_get_int(v)) {
        say(r, "You are not authorized to see the membership list.");
        return;
    }
    int64_t members = vals_get_int(v), shown = 0;
    say(r, "Members of the %.*s mailing list:", VIEW_ARG(r->list));
    for (; vals_more(v); shown++) {
        view address = vals_get_view(v), name = vals_get_view(v);
        if (name.len > 0)
            say(r, "    %.*s <%.*s>", VIEW_ARG(name), VIEW_ARG(address));
        else
            say(r, "    %.*s", VIEW_ARG(address));
    }
    if (shown < members)
        say(r, "    and %lld more", (long long)(members - shown));
}

/* The answer goes to the address that asks, so whoever forges one learns nothing. */
static bool who(struct run *r, const struct command *c, struct err *e) {
    struct store_request q;
    int64_t delivery, mode;
    r->answers = true;
    if (!read_roster_words(r, c->argument, &delivery, &mode))
        return true;
    store_request_init(&q, OP_ROSTER_FOR);
    vals_view(&q.args, r->list);
    vals_int(&q.args, delivery);
    vals_int(&q.args, mode);
    vals_int(&q.args, ROSTER_MOST);
    vals_int(&q.args, 1);
    vals_view(&q.args, r->mail->post->senders[0]);
    bool ok = call(r, &q, e);
    struct vals v = vals_of(buf_view(&q.out));
    if (ok)
        show_roster(r, &v);
    store_request_done(&q);
    return ok || e->code == ERR_OK;
}

static void help(struct run *r) {
    r->answers = true;
    say(r, "    join           - join the list (subscribe is the same)");
    say(r, "    leave          - leave the list (unsubscribe is the same)");
    say(r, "    confirm TOKEN  - confirm what the list has asked about");
    say(r, "    who            - show the members, as far as the list lets you");
    say(r, "    echo TEXT      - answer TEXT");
    say(r, "    help           - show these commands");
    say(r, "    end            - nothing behind it is a command (stop is the same)");
}

/* False: the store could not do it now. */
static bool execute(struct run *r, const struct command *c, struct err *e) {
    e->code = ERR_OK;
    if ((c->kind == COMMAND_JOIN || c->kind == COMMAND_LEAVE) && r->asked[c->kind])
        return true; /* said once is enough */
    r->asked[c->kind] = true;
    switch (c->kind) {
    case COMMAND_JOIN:
    case COMMAND_LEAVE:
        return join_or_leave(r, c, e);
    case COMMAND_CONFIRM:
        return confirm(r, c, e);
    case COMMAND_WHO:
        return who(r, c, e);
    case COMMAND_HELP:
        help(r);
        break;
    case COMMAND_ECHO:
        r->answers = true;
        say(r, "echo %.*s", VIEW_ARG(c->argument));
        break;
    case COMMAND_UNKNOWN:
        r->answers = true;
        say(r, "No such command: %.*s", VIEW_ARG(c->line));
        break;
    }
    return true;
}

static void answer(struct run *r, size_t commands) {
    struct buf text = BUF_INIT(LIMIT_BODY_CHUNK);
    if (commands == 0) {
        say(r, "There was no command in it; this is what can be said:");
        help(r);
    }
    if (r->answers) {
        buf_add_str(&text,
                    "The results of your email command are provided below.\n\n- Original message details:\n");
        buf_printf(&text, "    From: %.*s\n    Subject: %.*s\n    Message-ID: <%.*s>\n\n- Results:\n",
                   VIEW_ARG(r->mail->post->senders[0]), VIEW_ARG(r->mail->subject),
                   VIEW_ARG(r->mail->message_id));
        buf_add(&text, buf_view(&r->results));
        buf_add_str(&text, "\n- Done.\n");
        write_letter(r, VIEW("request"), r->mail->post->senders[0],
                     VIEW("The results of your email commands"), buf_view(&text));
    }
    buf_done(&text);
}

bool command_run(struct role *role, const struct command_mail *mail, const struct command_to *to,
                 struct arena *a, struct buf *letters, int64_t *letter_count, view *ret_said, struct err *e) {
    struct command commands[COMMANDS_MOST];
    struct run r = {.role = role,
                    .mail = mail,
                    .to = to,
                    .list = to->list_address,
                    .arena = a,
                    .results = BUF_INIT(LIMIT_BODY_CHUNK / 2),
                    .letters = letters};
    bool ok = true;
    *ret_said = VIEW("from a program, or from nobody: nothing was done");
    if (mail->post->sender_count == 0 || post_is_of_a_robot(mail->post, mail->sender))
        return true;
    r.person = mail->post->senders[0];
    if (to->part == LIST_PART_REQUEST) {
        bool discard;
        if (!autoreply(role, mail, to->list_address, AUTOREPLY_REQUESTS, a, letters, letter_count, &discard,
                       e))
            return false;
        *ret_said = VIEW("answered, and nothing was done (autorespond_requests)");
        if (discard)
            return true;
    }
    size_t count = commands_read(to->part, to->detail, mail->post, a, commands);
    bool more = true; /* whatever stands below "confirm" is the letter that is answered */
    for (; ok && more && r.number < count; r.number++) {
        ok = execute(&r, &commands[r.number], e);
        more = commands[r.number].kind != COMMAND_CONFIRM;
    }
    if (ok) {
        answer(&r, count);
        view results = view_trim(buf_view(&r.results));
        view_split(&results, '\n', ret_said);
        *ret_said = arena_view(a, view_slice(*ret_said, 0, LIMIT_EVENT_TEXT));
    }
    *letter_count += r.letter_count;
    buf_done(&r.results);
    return ok;
}
