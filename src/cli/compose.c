/* compose.c: from what a program wrote to a message ready for the queue (RFC 6409 8 says what may be added).
 */
#include "cli/sendmail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/mailboxes.h"
#include "mail/received.h"
#include "mail/text.h"

bool submission_address(struct submission *s, view given, view *ret_address, struct err *e) {
    struct address parts;
    view text = view_trim(given), domain = VIEW("");
    struct arena *a = &s->cli->arena;
    if (view_starts_with(text, VIEW("<")) && view_ends_with(text, VIEW(">")))
        text = view_slice(text, 1, text.len - 2);
    if (view_rfind(text, '@') < 0)
        text = arena_printf(a, "%.*s@%.*s", VIEW_ARG(text), VIEW_ARG(s->host));
    if (!address_parse(text, PATH_ALLOW_UTF8, &parts, NULL))
        return err_set(e, ERR_SYNTAX_ADDRESS, "%.*s is not a mail address",
                       VIEW_ARG(view_slice(given, 0, 100)));
    bool literal = view_starts_with(parts.domain, VIEW("["));
    if (!literal && !domain_normalise(parts.domain, a, &domain, e))
        return err_prefix(e, "%.*s", VIEW_ARG(view_slice(given, 0, 100)));
    *ret_address =
        arena_printf(a, "%.*s@%.*s", VIEW_ARG(parts.local), VIEW_ARG(literal ? parts.domain : domain));
    return true;
}

bool submission_add(struct submission *s, view given, struct err *e) {
    view address;
    if (!submission_address(s, given, &address, e))
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (view_eq(s->recipients[i].address, address))
            return true;
    if (s->count == LIMIT_MESSAGE_TARGETS)
        return err_set(e, ERR_LIMIT_RCPT, "more than %d recipients: use a list", LIMIT_MESSAGE_TARGETS);
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 16;
        s->recipients = mem_resize(s->recipients, s->room, sizeof *s->recipients);
    }
    s->recipients[s->count++] = (struct accept_recipient){.address = address, .orcpt = VIEW("")};
    return true;
}

/* ---- reading ---- */

/* Where a line with a dot alone begins, at or behind `from`; SIZE_MAX: nowhere yet. */
static size_t find_dot(view text, size_t from) {
    while (from < text.len) {
        view line = view_skip(text, from);
        const char *lf = memchr(line.ptr, '\n', line.len);
        size_t len = lf ? (size_t)(lf - line.ptr) : line.len;
        if (lf && line.ptr[0] == '.' && (len == 1 || (len == 2 && line.ptr[1] == '\r')))
            return from;
        if (!lf)
            break;
        from += len + 1;
    }
    return SIZE_MAX;
}

bool submission_read(struct submission *s, struct buf *text, struct err *e) {
    char chunk[16384];
    size_t line = 0; /* where the last line begins that was not complete */
    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_IO, "standard input");
        if (n == 0)
            return true;
        buf_add(text, view_from(chunk, (size_t)n));
        if (text->failed)
            return err_set(e, ERR_LIMIT_MESSAGE, "the message is larger than message_size_max (%lld bytes)",
                           (long long)s->size_max);
        size_t dot = s->dots_are_text ? SIZE_MAX : find_dot(buf_view(text), line);
        if (dot != SIZE_MAX) {
            text->len = dot;
            return true;
        }
        ptrdiff_t last = view_rfind(buf_view(text), '\n');
        line = last < 0 ? 0 : (size_t)last + 1;
    }
}

/* ---- the message ---- */

/* A line ends with LF, CRLF, or CRs (in front of LF or not); the last one does, too. */
static void add_lines(struct buf *out, view text) {
    for (size_t i = 0; i < text.len;) {
        size_t end = i;
        while (end < text.len && text.ptr[end] != '\n' && text.ptr[end] != '\r')
            end++;
        buf_add(out, view_slice(text, i, end - i));
        buf_add_str(out, "\r\n");
        while (end < text.len && text.ptr[end] == '\r')
            end++;
        i = end < text.len && text.ptr[end] == '\n' ? end + 1 : end;
    }
}

/* "From ada Tue Nov 24 …", as mbox files begin. */
static view without_mbox_line(view text) {
    ptrdiff_t lf = view_find(text, '\n');
    return view_starts_with(text, VIEW("From ")) && lf >= 0 ? view_skip(text, (size_t)lf + 1) : text;
}

static bool is_dropped(view name) {
    static const char *const names[] = {"Bcc", "Resent-Bcc", "Return-Path"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (view_eq_nocase(name, view_of(names[i])))
            return true;
    return false;
}

/* Recipients of a field; those of a message that is sent on stand in Resent- fields (RFC 5322 3.6.6). */
static bool is_recipients(view name, bool resent) {
    static const char *const names[] = {"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"};
    for (size_t i = resent ? 3 : 0; i < (resent ? 6 : 3); i++)
        if (view_eq_nocase(name, view_of(names[i])))
            return true;
    return false;
}

static bool take_recipients(struct submission *s, const struct header *h, struct err *e) {
    bool resent = header_find(h, "Resent-To") || header_find(h, "Resent-Cc") || header_find(h, "Resent-Bcc");
    for (size_t i = 0; i < h->count; i++) {
        view address;
        if (!is_recipients(h->fields[i].name, resent))
            continue;
        view rest = header_value(&h->fields[i], &s->cli->arena);
        while (mailboxes_next(&rest, &s->cli->arena, &address, e))
            if (!submission_add(s, address, e))
                return false;
        if (rest.len > 0)
            return err_prefix(e, "%.*s", VIEW_ARG(h->fields[i].name));
    }
    return true;
}

static void add_from(struct submission *s, struct buf *out) {
    struct buf value = BUF_INIT(4096), quoted = BUF_INIT(2048);
    view from = s->sender.len > 0
                    ? s->sender
                    : arena_printf(&s->cli->arena, "%.*s@%.*s", VIEW_ARG(s->user), VIEW_ARG(s->host));
    if (s->full_name.len > 0 && text_is_7bit(s->full_name)) {
        buf_add_str(&quoted, "\"");
        for (size_t i = 0; i < s->full_name.len; i++) {
            char c = s->full_name.ptr[i];
            buf_printf(&quoted, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
        }
        buf_add_str(&quoted, "\" ");
    } else if (s->full_name.len > 0) {
        header_encode_text(&quoted, s->full_name);
        buf_add_str(&quoted, " ");
    }
    buf_add(&value, buf_view(&quoted));
    buf_printf(&value, "<%.*s>", VIEW_ARG(from));
    header_add(out, "From", buf_view(&value));
    buf_done(&quoted);
    buf_done(&value);
}

/* In front of the fields that are there. */
static void add_missing(struct submission *s, const struct header *h, struct buf *out) {
    struct buf value = BUF_INIT(LIMIT_MESSAGE_ID + 2);
    if (!header_find(h, "Date")) {
        date_format(clock_now_ms(), &value);
        header_add(out, "Date", buf_view(&value));
    }
    if (!header_find(h, "From"))
        add_from(s, out);
    if (!header_find(h, "Message-ID")) {
        buf_reset(&value);
        buf_printf(&value, "<%s@%.*s>", id_format(id_new()).s, VIEW_ARG(s->host));
        header_add(out, "Message-ID", buf_view(&value));
    }
    buf_done(&value);
}

static int64_t flags_of(const struct submission *s, view header) {
    bool utf8 = !text_is_7bit(header) || !text_is_7bit(s->sender);
    for (size_t i = 0; i < s->count; i++)
        utf8 |= !text_is_7bit(s->recipients[i].address);
    return utf8 ? MESSAGE_UTF8 | MESSAGE_8BIT : text_is_7bit(buf_view(&s->body)) ? 0 : MESSAGE_8BIT;
}

bool submission_compose(struct submission *s, view text, struct err *e) {
    struct buf lines = BUF_INIT((size_t)s->size_max + 2);
    struct header h;
    struct arena *a = &s->cli->arena;
    add_lines(&lines, without_mbox_line(text));
    header_parse(buf_view(&lines), a, &h);
    bool ok = !s->recipients_from_header || take_recipients(s, &h, e);
    add_missing(s, &h, &s->body);
    for (size_t i = 0; i < h.count; i++)
        if (!is_dropped(h.fields[i].name))
            buf_add(&s->body, h.fields[i].raw);
    size_t header = s->body.len;
    view rest = view_skip(buf_view(&lines), h.section.len);
    if (!view_starts_with(rest, VIEW("\r\n"))) /* a text without a header, or a header alone */
        buf_add_str(&s->body, "\r\n");
    buf_add(&s->body, rest);
    if (ok && (lines.failed || s->body.failed || (int64_t)s->body.len > s->size_max))
        ok = err_set(e, ERR_LIMIT_MESSAGE, "the message is larger than message_size_max (%lld bytes)",
                     (long long)s->size_max);
    if (ok && received_hops(&h) > LIMIT_RECEIVED_HOPS)
        ok = err_set(e, ERR_LOOP, "the message has passed %d servers: it goes in a circle",
                     LIMIT_RECEIVED_HOPS);
    if (ok) {
        s->flags = flags_of(s, view_slice(buf_view(&s->body), 0, header));
        header_parse(buf_view(&s->body), a, &h);
        s->message_id = arena_view(a, header_message_id(&h, a));
    }
    buf_done(&lines);
    return ok;
}
