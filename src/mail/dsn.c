/* dsn.c: a delivery status notification put together (RFC 3464 in RFC 6522, UTF-8 by RFC 6533).
 *
 * Its three parts are made first, each in its own buffer, then the boundary is chosen so that it occurs in
 * none of them. A notification must arrive where the sender's server takes least, so no part is ever 8-bit:
 * what would be goes as quoted-printable, which also keeps long lines and odd line ends of the returned
 * message as they were. */
#include "mail/dsn.h"

#include <string.h>

#include "mail/dsn_text.h"
#include "mail/header.h"
#include "mail/date.h"
#include "mail/text.h"
#include "mail/transfer.h"

enum { BOUNDARY_TRIES = 16, LINE_OCTETS = 998, TEXT_OCTETS = 64 * 1024 * 1024 };

struct part {
    const char *type;
    const char *description;
    bool quoted; /* as quoted-printable */
    view content;
};

enum { PART_TEXT, PART_STATUS, PART_RETURNED, PARTS };

struct boundary {
    char s[40];
};

/* May it travel as it is: 7-bit, no NUL, only CRLF line ends, no line too long (RFC 5321 4.5.3.1.6)? */
static bool is_plain(view v) {
    size_t column = 0;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == '\r' && i + 1 < v.len && v.ptr[i + 1] == '\n') {
            i++;
            column = 0;
            continue;
        }
        if (c == '\r' || c == '\n' || c == '\0' || (unsigned char)c >= 0x80 || ++column > LINE_OCTETS)
            return false;
    }
    return true;
}

/* "name: type; text", the text made safe. */
static void add_typed(struct buf *out, const char *name, const char *type, view text, bool utf8) {
    struct buf value = BUF_INIT(2 * LIMIT_SMTP_REPLY);
    buf_add_str(&value, type);
    buf_add(&value, VIEW("; "));
    bool more = false;
    for (view line; view_split(&text, '\n', &line); more = true) {
        buf_add_str(&value, more ? " " : "");
        text_add_printable(&value, line, utf8);
    }
    header_add(out, name, buf_view(&value));
    buf_done(&value);
}

static int hex_digit(char c) {
    const char *digits = "0123456789ABCDEF";
    const char *p = c ? strchr(digits, c) : NULL;
    return p ? (int)(p - digits) : -1;
}

/* RFC 3461 4: '+' and two upper-case hex digits are one octet. */
static void decode_xtext(view v, struct buf *out) {
    for (size_t i = 0; i < v.len; i++) {
        int high = i + 2 < v.len ? hex_digit(v.ptr[i + 1]) : -1;
        int low = i + 2 < v.len ? hex_digit(v.ptr[i + 2]) : -1;
        if (v.ptr[i] == '+' && high >= 0 && low >= 0) {
            buf_add_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_add_char(out, v.ptr[i]);
        }
    }
}

/* An atom (RFC 5322 3.2.3), which the type of an address must be (RFC 3464 2.1.2). */
static bool is_atom(view v) {
    for (size_t i = 0; i < v.len; i++)
        if (!ascii_is_alnum(v.ptr[i]) && (!v.ptr[i] || !strchr("!#$%&'*+-/=?^_`{|}~", v.ptr[i])))
            return false;
    return v.len > 0;
}

static void add_envelope_id(struct buf *out, view envid) {
    struct buf id = BUF_INIT(LIMIT_SMTP_LINE), printable = BUF_INIT(LIMIT_SMTP_LINE);
    decode_xtext(envid, &id);
    text_add_printable(&printable, buf_view(&id), false);
    header_add(out, "Original-Envelope-Id", buf_view(&printable));
    buf_done(&id);
    buf_done(&printable);
}

static void add_original_recipient(struct buf *out, view orcpt) {
    struct buf address = BUF_INIT(LIMIT_SMTP_LINE);
    char type[32] = "rfc822";
    view rest = orcpt;
    ptrdiff_t semicolon = view_find(orcpt, ';');
    if (semicolon > 0 && (size_t)semicolon < sizeof type &&
        is_atom(view_slice(orcpt, 0, (size_t)semicolon))) {
        memcpy(type, orcpt.ptr, (size_t)semicolon);
        type[semicolon] = '\0';
        rest = view_skip(orcpt, (size_t)semicolon + 1);
        decode_xtext(rest, &address);
    } else {
        buf_add(&address, rest);
    }
    if (strcmp(type, "rfc822") == 0 &&
        !text_is_7bit(buf_view(&address))) /* as Postfix gives it; RFC 6533 3 */
        memcpy(type, "utf-8", sizeof "utf-8");
    add_typed(out, "Original-Recipient", type, buf_view(&address), true);
    buf_done(&address);
}

/* RFC 3463 2: success, persistent transient, permanent. */
static bool is_class(char c) {
    return c == '2' || c == '4' || c == '5';
}

/* "5.1.1" at the front: length of it, or 0. */
static size_t status_span(view text) {
    size_t i = 0;
    for (int part = 0; part < 3; part++) {
        if (part && (i >= text.len || text.ptr[i++] != '.'))
            return 0;
        size_t digits = i;
        while (i < text.len && i - digits < 3 && ascii_is_digit(text.ptr[i]))
            i++;
        if (i == digits || (!part && i != 1))
            return 0;
    }
    return i == text.len || ascii_is_space(text.ptr[i]) ? i : 0;
}

static const char *address_type(view address) {
    return text_is_7bit(address) ? "rfc822" : "utf-8";
}

static void add_date(struct buf *out, const char *name, int64_t ms) {
    struct buf date = BUF_INIT(64);
    date_format(ms, &date);
    header_add(out, name, buf_view(&date));
    buf_done(&date);
}

static void add_status_recipient(struct buf *out, const struct dsn_recipient *r) {
    static const char *const actions[] = {[DSN_FAILED] = "failed",
                                          [DSN_DELAYED] = "delayed",
                                          [DSN_DELIVERED] = "delivered",
                                          [DSN_RELAYED] = "relayed",
                                          [DSN_EXPANDED] = "expanded"};
    static const char *const statuses[] = {[DSN_FAILED] = "5.0.0",
                                           [DSN_DELAYED] = "4.0.0",
                                           [DSN_DELIVERED] = "2.0.0",
                                           [DSN_RELAYED] = "2.0.0",
                                           [DSN_EXPANDED] = "2.0.0"};
    bool utf8 = !text_is_7bit(r->address);
    size_t span = status_span(r->status);
    bool status_ok = span && span == r->status.len && is_class(r->status.ptr[0]);
    buf_add(out, VIEW("\r\n"));
    if (r->original.len)
        add_original_recipient(out, r->original);
    add_typed(out, "Final-Recipient", address_type(r->address), r->address, true);
    header_add(out, "Action", view_of(actions[r->action]));
    header_add(out, "Status", status_ok ? r->status : view_of(statuses[r->action]));
    if (r->remote_host.len)
        add_typed(out, "Remote-MTA", "dns", r->remote_host, utf8);
    if (r->diagnostic.len)
        add_typed(out, "Diagnostic-Code", r->diagnostic_smtp ? "smtp" : "x-postroad", r->diagnostic, utf8);
    if (r->action == DSN_DELAYED && r->will_retry_until_ms)
        add_date(out, "Will-Retry-Until", r->will_retry_until_ms);
}

static void add_status(struct buf *out, const struct dsn *d) {
    if (d->envid.len)
        add_envelope_id(out, d->envid);
    add_typed(out, "Reporting-MTA", "dns", d->reporting_host, false);
    if (d->queue_id.len) {
        struct buf id = BUF_INIT(LIMIT_SMTP_LINE);
        text_add_printable(&id, d->queue_id, false);
        header_add(out, "X-Postroad-Queue-ID", buf_view(&id));
        buf_done(&id);
    }
    if (d->arrival_ms)
        add_date(out, "Arrival-Date", d->arrival_ms);
    for (size_t i = 0; i < d->recipient_count; i++)
        add_status_recipient(out, &d->recipients[i]);
}

/* RFC 6522 4 lets text/rfc822-headers be encoded, message/rfc822 may not be (RFC 2046 5.2.1): message/global
 * may. */
static struct part returned_part(const struct dsn *d, const struct header *h) {
    struct part p = {.description = "The message", .content = d->original};
    if (!d->whole) {
        p.description = "Header of the message";
        p.content = view_slice(h->section, 0, LIMIT_HEADER_BYTES);
    }
    p.quoted = !is_plain(p.content);
    if (d->whole)
        p.type = p.quoted ? "message/global" : "message/rfc822";
    else if (!text_is_7bit(p.content) && view_is_utf8(p.content))
        p.type = "message/global-headers";
    else
        p.type = "text/rfc822-headers";
    return p;
}

static struct boundary make_boundary(const struct dsn *d, unsigned try) {
    uint64_t hash = 14695981039346656037u + try; /* FNV-1a */
    const view seeds[] = {d->queue_id, d->message_id, view_from(&d->now_ms, sizeof d->now_ms)};
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++)
        for (size_t i = 0; i < seeds[s].len; i++)
            hash = (hash ^ (unsigned char)seeds[s].ptr[i]) * 1099511628211u;
    struct boundary b;
    struct buf text = BUF_INIT(sizeof b.s - 1);
    buf_printf(&text, "=_postroad_%016llx", (unsigned long long)hash);
    memcpy(b.s, text.data, text.len + 1);
    buf_done(&text);
    return b;
}

/* Somebody who could make a message hold every one of these gets a notification without it. */
static struct boundary choose_boundary(const struct dsn *d, struct part *parts) {
    for (unsigned try = 0; try < BOUNDARY_TRIES; try++) {
        struct boundary b = make_boundary(d, try);
        bool occurs = false;
        for (size_t i = 0; i < PARTS; i++)
            occurs = occurs || view_search(parts[i].content, view_of(b.s)) >= 0;
        if (!occurs)
            return b;
    }
    parts[PART_RETURNED].content = VIEW_NULL;
    return make_boundary(d, BOUNDARY_TRIES);
}

/* Threads the notification with the message in the sender's mail program. */
static void add_references(struct buf *out, const struct header *h, struct arena *a) {
    struct buf id = BUF_INIT(LIMIT_MESSAGE_ID + 2);
    buf_add_char(&id, '<');
    text_add_printable(&id, header_message_id(h, a), false);
    buf_add_char(&id, '>');
    if (id.len > 2 && !id.failed && view_find(buf_view(&id), ' ') < 0) {
        header_add(out, "In-Reply-To", buf_view(&id));
        header_add(out, "References", buf_view(&id));
    }
    buf_done(&id);
}

/* "Name: <before><text><after>", the text made safe. */
static void add_field(struct buf *out, const char *name, const char *before, view text, const char *after,
                      bool utf8) {
    struct buf value = BUF_INIT(LIMIT_SMTP_LINE);
    buf_add_str(&value, before);
    text_add_printable(&value, text, utf8);
    buf_add_str(&value, after);
    header_add(out, name, buf_view(&value));
    buf_done(&value);
}

static void add_header(struct buf *out, const struct dsn *d, struct boundary b) {
    add_field(out, "From", "Mail Delivery System <MAILER-DAEMON@", d->reporting_host, ">", false);
    if (d->to.len)
        add_field(out, "To", "<", d->to, ">", true); /* who uses such an address can read it */
    else
        header_add(out, "To", VIEW("undisclosed-recipients:;"));
    header_add(out, "Subject", view_of(dsn_text_subject(d)));
    add_date(out, "Date", d->now_ms);
    add_field(out, "Message-ID", "<", d->message_id, ">", false);
    header_add(out, "Auto-Submitted", VIEW("auto-replied"));
    header_add(out, "MIME-Version", VIEW("1.0"));
    add_field(out, "Content-Type", "multipart/report; report-type=delivery-status; boundary=\"", view_of(b.s),
              "\"", false);
}

static void add_part(struct buf *out, const struct part *p, struct boundary b) {
    buf_add(out, VIEW("\r\n--"));
    buf_add_str(out, b.s);
    buf_add(out, VIEW("\r\n"));
    header_add(out, "Content-Type", view_of(p->type));
    header_add(out, "Content-Description", view_of(p->description));
    if (p->quoted)
        header_add(out, "Content-Transfer-Encoding", VIEW("quoted-printable"));
    buf_add(out, VIEW("\r\n"));
    if (p->quoted)
        transfer_add_qp(out, p->content);
    else
        buf_add(out, p->content);
}

void dsn_format(const struct dsn *d, struct buf *out) {
    struct arena arena;
    struct header h;
    arena_init(&arena, LIMIT_STEP_ARENA);
    header_parse(d->original, &arena, &h);
    struct buf text = BUF_INIT(TEXT_OCTETS), status = BUF_INIT(TEXT_OCTETS);
    dsn_text_format(d, &text);
    add_status(&status, d);
    bool text_quoted = !is_plain(buf_view(&text)), status_quoted = !is_plain(buf_view(&status));
    struct part parts[PARTS] = {
        [PART_TEXT] = {.type = text_quoted ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
                       .description = "What happened",
                       .quoted = text_quoted,
                       .content = buf_view(&text)},
        [PART_STATUS] = {.type = status_quoted ? "message/global-delivery-status" : "message/delivery-status",
                         .description = "Delivery status for programs",
                         .quoted = status_quoted,
                         .content = buf_view(&status)},
        [PART_RETURNED] = returned_part(d, &h),
    };
    struct boundary b = choose_boundary(d, parts);
    add_header(out, d, b);
    add_references(out, &h, &arena);
    for (size_t i = 0; i < PARTS; i++)
        add_part(out, &parts[i], b);
    buf_add(out, VIEW("\r\n--"));
    buf_add_str(out, b.s);
    buf_add(out, VIEW("--\r\n"));
    out->failed = out->failed || text.failed || status.failed;
    buf_done(&text);
    buf_done(&status);
    arena_done(&arena);
}

struct dsn_status dsn_status_of_reply(int code, view text) {
    static const struct {
        int code;
        const char *status;
    } defaults[] = {{421, "4.3.2"}, {450, "4.2.0"}, {451, "4.3.0"}, {452, "4.3.1"}, {454, "4.7.0"},
                    {500, "5.5.2"}, {501, "5.5.4"}, {502, "5.5.1"}, {503, "5.5.1"}, {504, "5.5.4"},
                    {521, "5.3.2"}, {530, "5.7.0"}, {535, "5.7.8"}, {551, "5.1.6"}, {552, "5.2.2"},
                    {553, "5.1.3"}, {556, "5.1.10"}};
    struct dsn_status found = {.s = "4.0.0"}; /* what nobody understands may be tried again */
    size_t len = status_span(text);
    if (len && text.ptr[0] - '0' == code / 100 && is_class(text.ptr[0])) {
        memcpy(found.s, text.ptr, len);
        found.s[len] = '\0';
        return found;
    }
    if (code >= 200 && code <= 399)
        found.s[0] = '2';
    if (code >= 500 && code <= 599)
        found.s[0] = '5';
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (defaults[i].code == code)
            memcpy(found.s, defaults[i].status, strlen(defaults[i].status) + 1);
    return found;
}
