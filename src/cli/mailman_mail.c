/* mailman_mail.c: inject, notify, and the letters of others: messages brought in, as sendmail brings them. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/words.h"
#include "cli/mailman.h"
#include "cli/sendmail.h"
#include "lists/post.h"
#include "mail/list_address.h"
#include "mail/address.h"
#include "mail/header.h"
#include "lists/mailman_configuration.h"
#include "store/subscription.h"

enum { REQUESTS_SHOWN = 500 };

/* ---- a message ---- */

static bool prepare(struct cli *c, struct submission *s, struct err *e) {
    *s = (struct submission){.cli = c, .dots_are_text = true};
    if (!cli_config(c, e) || !cli_who(c, &s->user, e))
        return false;
    s->host = cli_hostname(c);
    s->size_max = c->config->message_size_max;
    s->smtp =
        c->config->smtp_listen.count > 0 ? view_of(c->config->smtp_listen.items[0]) : VIEW("127.0.0.1:25");
    buf_init(&s->body, (size_t)s->size_max + LIMIT_HEADER_BYTES);
    return true;
}

static bool send(struct submission *s, view text, struct err *e) {
    bool ok = submission_compose(s, text, e) && submission_submit(s, e);
    buf_done(&s->body);
    free(s->recipients);
    return ok;
}

bool mailman_send(struct cli *c, const char *const *to, size_t count, view from, view subject, view text,
                  struct err *e) {
    struct submission s;
    struct buf letter = BUF_INIT(LIMIT_STORE_PACKET);
    bool ok = prepare(c, &s, e);
    buf_printf(&letter, "From: %.*s\n", VIEW_ARG(from));
    for (size_t i = 0; i < count; i++) {
        buf_printf(&letter, i == 0 ? "To: %s" : ",\n %s", to[i]);
        ok = ok && submission_add(&s, view_of(to[i]), e);
    }
    buf_add_str(&letter, "\nSubject: ");
    header_encode_text(&letter, subject);
    buf_printf(&letter,
               "\nAuto-Submitted: auto-generated\nPrecedence: bulk\nMIME-Version: 1.0\nContent-Type: "
               "text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%.*s",
               VIEW_ARG(text));
    ok = ok && send(&s, buf_view(&letter), e);
    buf_done(&letter);
    return ok;
}

bool mailman_letter(struct cli *c, view list, const char *name, const struct letter_variable *more,
                    size_t count, struct letter_made *ret, struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_LETTER_TEXT);
    vals_view(&r.args, list);
    vals_view(&r.args, view_of(name));
    vals_view(&r.args, VIEW("")); /* those who look after the list */
    bool ok = cli_call(c, &r, e);
    if (ok) {
        struct letter_words w = letter_words_read(buf_view(&r.out), list, VIEW(""));
        w.more = more;
        w.more_count = count;
        *ret = letter_words_make(&w, name, &c->arena);
    }
    store_request_done(&r);
    return ok;
}

/* ---- inject ---- */

static bool show_queues(struct cli *c) {
    view rest = VIEW(MAILMAN_QUEUES), name;
    cli_print(c, "Available queues:\n");
    while (view_split(&rest, ' ', &name))
        cli_print(c, "    %.*s\n", VIEW_ARG(name));
    return true;
}

/* To the list, LIST-request or LIST-bounces. */
static bool find_addressee(struct cli *c, view list, const char **ret, struct err *e) {
    static const char *const parts[][2] = {{"in", ""}, {"command", "-request"}, {"bounces", "-bounces"}};
    const char *queue = args_get(&c->args, "--queue");
    struct address a = address_split(list);
    int64_t number;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (strcmp(queue ? queue : "in", parts[i][0]) == 0) {
            view to =
                arena_printf(&c->arena, "%.*s%s@%.*s", VIEW_ARG(a.local), parts[i][1], VIEW_ARG(a.domain));
            *ret = arena_str(&c->arena, to);
            return true;
        }
    if (!words_find(MAILMAN_QUEUES, view_of(queue), &number))
        return err_set(e, ERR_USAGE, "No such queue: %.60s", queue);
    return err_set(e, ERR_REFUSED,
                   "No message is taken for the queue %.60s: in, command and bounces take some", queue);
}

/* Who wrote it: what mail would have in its envelope. */
static bool find_sender(struct submission *s, view text, struct err *e) {
    struct post post;
    struct arena *a = &s->cli->arena;
    struct buf lines = BUF_INIT(2 * (size_t)s->size_max + LIMIT_HEADER_BYTES);
    view line, rest = text;
    while (view_split(&rest, '\n', &line)) {
        buf_add(&lines, view_ends_with(line, VIEW("\r")) ? view_slice(line, 0, line.len - 1) : line);
        buf_add_str(&lines, "\r\n");
    }
    bool ok = post_read(VIEW(""), arena_view(a, buf_view(&lines)), (int64_t)lines.len, a, &post) &&
              post.header.count > 0;
    if (ok && post.sender_count > 0)
        s->sender = post.senders[0];
    buf_done(&lines);
    return ok || err_set(e, ERR_REFUSED, "the message has no header");
}

static bool inject(struct cli *c, const char *to, struct err *e) {
    const char *file = args_get(&c->args, "--filename");
    struct submission s;
    if (!prepare(c, &s, e))
        return false;
    struct buf text = BUF_INIT((size_t)s.size_max);
    bool ok = import_read(file ? file : "-", &text, e) && find_sender(&s, buf_view(&text), e) &&
              submission_add(&s, view_of(to), e);
    if (ok)
        ok = send(&s, buf_view(&text), e);
    else
        buf_done(&s.body);
    buf_done(&text);
    return ok;
}

bool mailman_cmd_inject(struct cli *c, struct err *e) {
    struct mailman_list list;
    const char *to = "";
    if (args_has(&c->args, "--show"))
        return show_queues(c);
    return mailman_need_list(c, c->args.words[0], &list, e) && find_addressee(c, list.address, &to, e) &&
           inject(c, to, e);
}

/* ---- notify ---- */

/* The addresses whose subscription, or its end, a moderator is to decide about. */
static bool add_requests(struct cli *c, view list, enum request_kind kind, int64_t *count, struct buf *text,
                         struct err *e) {
    struct store_request r;
    store_request_init(&r, OP_REQUEST_FIND);
    vals_view(&r.args, list);
    vals_int(&r.args, kind);
    vals_int(&r.args, WAITS_MODERATOR);
    vals_int(&r.args, 0);
    vals_int(&r.args, REQUESTS_SHOWN);
    bool ok = cli_call(c, &r, e);
    struct vals v = vals_of(buf_view(&r.out));
    int64_t n = vals_get_int(&v);
    *count += n;
    if (n > 0)
        buf_printf(text, "\n%s wait for a moderator:\n",
                   kind == REQUEST_SUBSCRIBE ? "Subscriptions that" : "Ends of subscriptions that");
    while (ok && vals_more(&v)) {
        vals_get_view(&v); /* token */
        vals_get_view(&v); /* list */
        view address = vals_get_view(&v);
        buf_printf(text, "    %.*s\n", VIEW_ARG(address));
        vals_get_view(&v); /* name */
        for (int i = 0; i < 3; i++)
            vals_get_int(&v); /* kind, waits, created */
    }
    store_request_done(&r);
    return ok;
}

static bool add_held(struct cli *c, view list, int64_t *count, struct buf *text, struct err *e) {
    struct store_request r;
    int64_t n = 0;
    store_request_init(&r, OP_HELD_IDS);
    vals_view(&r.args, list);
    bool ok = cli_call(c, &r, e);
    for (struct vals v = vals_of(buf_view(&r.out)); ok && vals_more(&v); n++)
        vals_get_int(&v);
    if (n > 0)
        buf_printf(text, "\nPosts that wait for a moderator: %lld\n", (long long)n);
    *count += n;
    store_request_done(&r);
    return ok;
}

static bool notify_one(struct cli *c, view list, struct err *e) {
    struct buf text = BUF_INIT(LIMIT_STORE_PACKET / 2);
    int64_t count = 0;
    view owner = list_part_address(list, "owner", &c->arena);
    const char *to = arena_str(&c->arena, owner);
    bool ok = add_requests(c, list, REQUEST_SUBSCRIBE, &count, &text, e) &&
              add_requests(c, list, REQUEST_UNSUBSCRIBE, &count, &text, e) &&
              add_held(c, list, &count, &text, e);
    const struct letter_variable more[] = {{"count", arena_printf(&c->arena, "%lld", (long long)count)},
                                           {"data", arena_view(&c->arena, buf_view(&text))}};
    struct letter_made letter;
    ok = ok && mailman_letter(c, list, "list:admin:notice:pending", more, COUNT_OF(more), &letter, e);
    if (ok && args_has(&c->args, "--verbose"))
        cli_print(c, "The %.*s list has %lld moderation requests waiting.\n", VIEW_ARG(list),
                  (long long)count);
    if (ok && count > 0 && !args_has(&c->args, "--dry-run"))
        ok = mailman_send(c, &to, 1, owner, letter.subject, letter.text, e);
    buf_done(&text);
    return ok || err_prefix(e, "%.*s", VIEW_ARG(list));
}

bool mailman_cmd_notify(struct cli *c, struct err *e) {
    struct mailman_lists lists;
    if (!mailman_chosen(c, &lists, e))
        return false;
    for (size_t i = 0; i < lists.count; i++)
        if (!notify_one(c, lists.rows[i].address, e))
            return false;
    return true;
}
