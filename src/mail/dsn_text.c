/* dsn_text.c: a delivery status notification in plain words.
 *
 * Most people who get a bounce have never seen one. So: what happened, to whom, why in words rather than
 * numbers, what the other server said, and what to do. The tables hold all of the wording. */
#include "mail/dsn_text.h"

#include <string.h>

#include "mail/date.h"
#include "mail/text.h"

enum { LINE_COLUMNS = 76, WORD_OCTETS = 800, ANSWER_OCTETS = 2000, ACTIONS = DSN_EXPANDED + 1 };

static const struct {
    const char *subject, *intro, *outro;
} actions[ACTIONS] = {
    [DSN_FAILED] = {"Your message could not be delivered", "Your message could not be delivered to:",
                    "Delivery to the addresses above has been given up. If you can mend the cause, for\n"
                    "example a misspelt address, please send your message to them again."},
    [DSN_DELAYED] = {"Your message is delayed", "Your message has not been delivered yet to:",
                     "You need not do anything: delivery goes on being tried by itself. Please do not\n"
                     "send the message again."},
    [DSN_DELIVERED] = {"Your message was delivered", "Your message was delivered to:", NULL},
    [DSN_RELAYED] = {"Your message was passed on",
                     "Your message was passed on to a mail server that does not report delivery, for:", NULL},
    [DSN_EXPANDED] = {"Your message was passed on to a list",
                      "Your message was passed on to the members of:", NULL},
};

/* By the numbers behind the class of the code. */
static const struct {
    const char *code, *text;
} reasons[] = {
    {"1.1", "there is no such address at that mail server"},
    {"1.2", "the part behind the @ is not a domain that can receive mail"},
    {"1.3", "the address is not written correctly"},
    {"1.4", "the address can mean more than one mailbox"},
    {"1.6", "the mailbox has moved and no new address is known"},
    {"1.8", "the domain of the sender's address does not exist or cannot receive mail"},
    {"1.10", "the domain has declared that it accepts no mail"},
    {"2.1", "the mailbox is disabled or does not accept mail"},
    {"2.2", "the mailbox is full"},
    {"2.3", "the message is larger than the mailbox accepts"},
    {"2.4", "the mailing list could not be resolved to its members"},
    {"3.1", "the mail server has no space left"},
    {"3.2", "the mail server accepts no mail at the moment"},
    {"3.4", "the message is larger than the mail server accepts"},
    {"4.1", "the mail server does not answer"},
    {"4.2", "the connection to the mail server was lost"},
    {"4.3", "the name service (DNS) gave no usable answer"},
    {"4.4", "no mail server for the domain could be found"},
    {"4.5", "the mail server is overloaded"},
    {"4.6", "the message went round in circles"},
    {"4.7", "the message could not be delivered in the time allowed for it"},
    {"5.3", "the message has too many recipients"},
    {"6.3", "the message would have to be converted to be accepted"},
    {"6.7", "the mail server does not support international addresses"},
    {"7.0", "the mail server refused the message for reasons of its policy"},
    {"7.1", "the mail server's rules do not permit this message"},
    {"7.2", "the sender may not write to this mailing list"},
    {"7.20", "no valid DKIM signature was found"},
    {"7.23", "the sender's domain does not permit this server to send its mail (SPF)"},
    {"7.25", "the sending server has no valid reverse name"},
    {"7.26", "the message could not be proved to come from its sender (SPF, DKIM, DMARC)"},
};

const char *dsn_text_reason(view status) {
    view code = view_skip(status, 2);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (view_eq(code, view_of(reasons[i].code)))
            return reasons[i].text;
    return view_starts_with(status, VIEW("4.")) ? "the mail server cannot accept the message at the moment"
                                                : "the mail server refused the message";
}

const char *dsn_text_subject(const struct dsn *d) {
    enum dsn_action worst = DSN_EXPANDED;
    for (size_t i = 0; i < d->recipient_count; i++)
        if (d->recipients[i].action < worst)
            worst = d->recipients[i].action;
    return actions[worst].subject;
}

/* Text of ours, its lines indented and given CRLF. */
static void add_lines(struct buf *out, const char *text) {
    view rest = view_of(text), line;
    while (view_split(&rest, '\n', &line)) {
        buf_add(out, line);
        buf_add(out, VIEW("\r\n"));
    }
}

static size_t cut_word(view text) {
    ptrdiff_t space = view_find(text, ' ');
    size_t len = space < 0 ? text.len : (size_t)space;
    if (len <= WORD_OCTETS)
        return len;
    for (len = WORD_OCTETS; len > WORD_OCTETS - 4 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80;)
        len--;
    return len;
}

/* One line of outside text, wrapped between words. */
static void add_wrapped(struct buf *out, const char *indent, view text) {
    size_t column = 0;
    for (text = view_trim(text); text.len; text = view_skip(text, view_starts_with(text, VIEW(" ")))) {
        view word = view_slice(text, 0, cut_word(text));
        text = view_skip(text, word.len);
        if (!word.len)
            continue;
        if (column && column + 1 + word.len > LINE_COLUMNS) {
            buf_add(out, VIEW("\r\n"));
            column = 0;
        }
        buf_add_str(out, column ? " " : indent);
        column += column ? 1 : strlen(indent);
        text_add_printable(out, word, true);
        column += word.len;
    }
    if (column)
        buf_add(out, VIEW("\r\n"));
}

static void add_answer(struct buf *out, const struct dsn_recipient *r) {
    struct buf intro = BUF_INIT(2 * LIMIT_DOMAIN);
    if (!r->diagnostic.len)
        return;
    if (!r->diagnostic_smtp) {
        buf_add(&intro, VIEW("What happened:"));
    } else if (r->remote_host.len) {
        buf_add(&intro, VIEW("The mail server "));
        buf_add(&intro, view_slice(r->remote_host, 0, LIMIT_DOMAIN));
        buf_add(&intro, VIEW(" said:"));
    } else {
        buf_add(&intro, VIEW("The mail server said:"));
    }
    add_wrapped(out, "    ", buf_view(&intro));
    buf_done(&intro);
    view rest = view_slice(r->diagnostic, 0, ANSWER_OCTETS), line;
    while (view_split(&rest, '\n', &line))
        add_wrapped(out, "      ", line);
}

static void add_recipient(struct buf *out, const struct dsn_recipient *r) {
    struct buf line = BUF_INIT(LIMIT_SMTP_LINE);
    buf_add(out, VIEW("\r\n"));
    add_wrapped(out, "  ", r->address);
    if (r->action == DSN_FAILED || r->action == DSN_DELAYED) {
        buf_printf(&line, "Reason: %s", dsn_text_reason(r->status));
        if (r->status.len)
            buf_printf(&line, " (%.*s)", VIEW_ARG(r->status));
        buf_add_char(&line, '.');
        add_wrapped(out, "    ", buf_view(&line));
        add_answer(out, r);
    }
    if (r->action == DSN_DELAYED && r->will_retry_until_ms) {
        buf_reset(&line);
        buf_add(&line, VIEW("Delivery will be tried until "));
        date_format(r->will_retry_until_ms, &line);
        buf_add_char(&line, '.');
        add_wrapped(out, "    ", buf_view(&line));
    }
    buf_done(&line);
}

static void add_action(const struct dsn *d, enum dsn_action action, struct buf *out) {
    bool any = false;
    for (size_t i = 0; i < d->recipient_count; i++) {
        if (d->recipients[i].action != action)
            continue;
        if (!any)
            add_lines(out, actions[action].intro);
        any = true;
        add_recipient(out, &d->recipients[i]);
    }
    if (any && actions[action].outro) {
        buf_add(out, VIEW("\r\n"));
        add_lines(out, actions[action].outro);
    }
    if (any)
        buf_add(out, VIEW("\r\n"));
}

void dsn_text_format(const struct dsn *d, struct buf *out) {
    struct buf line = BUF_INIT(LIMIT_SMTP_LINE);
    for (int action = DSN_FAILED; action < ACTIONS; action++)
        add_action(d, (enum dsn_action)action, out);
    buf_add_str(&line, d->whole ? "Your message is attached. " : "The header of your message is attached. ");
    buf_add(&line, VIEW("If you need help, write to postmaster@"));
    buf_add(&line, view_slice(d->reporting_host, 0, LIMIT_DOMAIN));
    if (d->queue_id.len) {
        buf_add(&line, VIEW(" and mention the queue id "));
        buf_add(&line, view_slice(d->queue_id, 0, LIMIT_DOMAIN));
    }
    buf_add_char(&line, '.');
    add_wrapped(out, "", buf_view(&line));
    buf_add(out, VIEW("\r\n-- \r\nThe mail server at "));
    text_add_printable(out, view_slice(d->reporting_host, 0, LIMIT_DOMAIN), true);
    buf_add(out, VIEW("\r\n"));
    buf_done(&line);
}
