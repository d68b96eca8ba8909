/* reply.c: SMTP replies, collected line by line until the one without a hyphen behind its code.
 *
 * A reply ends up in logs, events and notifications, so its text is cleaned here, once. Everything about it
 * is bounded: a server that answers without end is an error, not a full memory. */
#include "mail/reply.h"

#include <string.h>

#include "mail/dsn.h"
#include "mail/text.h"

void reply_init(struct reply *r) {
    *r = (struct reply){0};
    buf_init(&r->text, LIMIT_SMTP_REPLY);
}

void reply_reset(struct reply *r) {
    r->code = 0;
    r->lines = 0;
    r->status[0] = '\0';
    buf_reset(&r->text);
}

void reply_done(struct reply *r) {
    buf_done(&r->text);
    reply_reset(r);
}

/* RFC 5321 4.2: 2yz to 5yz; other digits than the grammar's in the second place are taken. 0 when it is none.
 */
static int code_of(view line) {
    int code = 0;
    if (line.len < 3 || (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-'))
        return 0;
    for (size_t i = 0; i < 3; i++) {
        if (!ascii_is_digit(line.ptr[i]))
            return 0;
        code = code * 10 + (line.ptr[i] - '0');
    }
    return code >= 200 && code <= 599 ? code : 0;
}

static void add_line(struct reply *r, int code, view text) {
    if (!r->lines) {
        struct dsn_status status = dsn_status_of_reply(code, text);
        memcpy(r->status, status.s, sizeof r->status);
    }
    if (r->lines++)
        buf_add_char(&r->text, '\n');
    text_add_printable(&r->text, text, true);
    r->code = code;
}

int reply_feed(struct reply *r, view line, struct err *e) {
    int code = code_of(line);
    if (!code) {
        err_set(e, ERR_SYNTAX, "the server's answer is no SMTP reply");
        return -1;
    }
    if (r->code && r->code != code) {
        err_set(e, ERR_SYNTAX, "the lines of the server's reply differ in their code: %d, %d", r->code, code);
        return -1;
    }
    if (line.len <= LIMIT_SMTP_REPLY_LINE && r->lines < LIMIT_SMTP_REPLY_LINES)
        add_line(r, code, view_skip(line, 4));
    else
        r->text.failed = true;
    if (r->text.failed) {
        err_set(e, ERR_LIMIT, "the server's reply is too long");
        return -1;
    }
    return line.len > 3 && line.ptr[3] == '-' ? 0 : 1;
}

enum err_class reply_class(const struct reply *r) {
    if (r->code >= 500 && r->code <= 599)
        return ERR_CLASS_PERMANENT;
    return r->code >= 200 && r->code <= 399 ? ERR_CLASS_NONE : ERR_CLASS_TEMPORARY;
}
