/* dsn_check.h: reads a delivery status notification as another program would, and aborts where it breaks RFC
 * 3464, RFC 6522 or RFC 6533, or does not return exactly the octets it was given. */
#ifndef TESTING_DSN_CHECK_H
#define TESTING_DSN_CHECK_H

#include <string.h>

#include "mail/dsn.h"
#include "mail/header.h"
#include "testing/decode.h"

enum { DSN_CHECK_BYTES = 64 << 20 };

struct dsn_parts {
    struct arena arena;
    struct header top;       /* of the notification */
    struct header fields[3]; /* of its parts */
    struct buf contents[3];  /* of its parts, decoded */
};

/* Lines end in CRLF, are at most 998 octets, hold no NUL, and are 7-bit. */
static inline void dsn_check_lines(view text, bool may_be_8bit) {
    while (text.len) {
        ptrdiff_t lf = view_find(text, '\n');
        BUG_ON(lf < 1 || text.ptr[lf - 1] != '\r');
        view line = view_slice(text, 0, (size_t)lf - 1);
        text = view_skip(text, (size_t)lf + 1);
        BUG_ON(line.len > 998 || view_find(line, '\r') >= 0 || view_find(line, '\0') >= 0);
        for (size_t i = 0; i < line.len && !may_be_8bit; i++)
            BUG_ON((unsigned char)line.ptr[i] >= 0x80);
    }
}

static inline view dsn_check_value(struct dsn_parts *p, const struct header *h, const char *name) {
    BUG_ON(header_count(h, name) > 1);
    const struct header_field *f = header_find(h, name);
    return f ? header_value(f, &p->arena) : VIEW_NULL;
}

static inline view dsn_check_boundary(struct dsn_parts *p) {
    view type = dsn_check_value(p, &p->top, "Content-Type");
    BUG_ON(!view_starts_with(type, VIEW("multipart/report;")));
    BUG_ON(view_search(type, VIEW("report-type=delivery-status")) < 0);
    ptrdiff_t at = view_search(type, VIEW("boundary=\""));
    BUG_ON(at < 0);
    view boundary = view_skip(type, (size_t)at + 10);
    boundary = view_slice(boundary, 0, (size_t)view_find(boundary, '"'));
    BUG_ON(boundary.len == 0 || boundary.len > 70); /* RFC 2046 5.1.1 */
    return boundary;
}

/* Cuts the body at its boundary lines into exactly three parts. */
static inline void dsn_check_cut(struct dsn_parts *p, view body) {
    struct buf delimiter = BUF_INIT(100);
    buf_printf(&delimiter, "--%.*s", VIEW_ARG(dsn_check_boundary(p)));
    BUG_ON(!view_starts_with(body, buf_view(&delimiter)));
    body = view_skip(body, delimiter.len);
    for (size_t i = 0; i < 3; i++) {
        BUG_ON(!view_starts_with(body, VIEW("\r\n")));
        body = view_skip(body, 2);
        ptrdiff_t end = view_search(body, buf_view(&delimiter));
        BUG_ON(end < 2 || body.ptr[end - 2] != '\r' || body.ptr[end - 1] != '\n');
        header_parse(view_slice(body, 0, (size_t)end - 2), &p->arena, &p->fields[i]);
        view encoding = dsn_check_value(p, &p->fields[i], "Content-Transfer-Encoding");
        buf_init(&p->contents[i], DSN_CHECK_BYTES);
        if (encoding.len)
            decode_qp(p->fields[i].body, &p->contents[i]);
        else
            buf_add(&p->contents[i], p->fields[i].body);
        BUG_ON(encoding.len && !view_eq(encoding, VIEW("quoted-printable")));
        body = view_skip(body, (size_t)end + delimiter.len);
    }
    BUG_ON(!view_eq(body, VIEW("--\r\n")));
    buf_done(&delimiter);
}

/* "type; text": an atom, a semicolon (RFC 3464 2.1.2). */
static inline void dsn_check_typed(view value) {
    ptrdiff_t semicolon = view_find(value, ';');
    BUG_ON(semicolon < 1);
    for (ptrdiff_t i = 0; i < semicolon; i++)
        BUG_ON(!ascii_is_alnum(value.ptr[i]) && !strchr("!#$%&'*+-/=?^_`{|}~", value.ptr[i]));
}

/* One digit of the class, a point, and two numbers (RFC 3463 2). */
static inline bool dsn_check_is_status(view v) {
    view piece;
    size_t n = 0;
    int64_t number;
    if (!view_starts_with(v, VIEW("2.")) && !view_starts_with(v, VIEW("4.")) &&
        !view_starts_with(v, VIEW("5.")))
        return false;
    for (; view_split(&v, '.', &piece); n++)
        if (piece.len > 3 || !ascii_is_digit(piece.ptr[0]) || !view_to_i64(piece, &number))
            return false;
    return n == 3;
}

static inline void dsn_check_recipient(struct dsn_parts *p, const struct header *h,
                                       const struct dsn_recipient *r) {
    static const char *const actions[] = {"failed", "delayed", "delivered", "relayed", "expanded"};
    BUG_ON(!view_eq(dsn_check_value(p, h, "Action"), view_of(actions[r->action])));
    BUG_ON(!dsn_check_is_status(dsn_check_value(p, h, "Status")));
    dsn_check_typed(dsn_check_value(p, h, "Final-Recipient"));
    static const char *const optional[] = {"Original-Recipient", "Remote-MTA", "Diagnostic-Code"};
    const bool wanted[] = {r->original.len > 0, r->remote_host.len > 0, r->diagnostic.len > 0};
    for (size_t i = 0; i < 3; i++) {
        BUG_ON(header_count(h, optional[i]) != wanted[i]);
        if (wanted[i])
            dsn_check_typed(dsn_check_value(p, h, optional[i]));
    }
    BUG_ON(header_count(h, "Will-Retry-Until") != (r->action == DSN_DELAYED && r->will_retry_until_ms));
}

/* Per-message fields, then one group for each recipient, in order (RFC 3464 2.1). */
static inline void dsn_check_status(struct dsn_parts *p, const struct dsn *d) {
    struct header h;
    view rest = buf_view(&p->contents[1]);
    BUG_ON(!view_is_utf8(rest) && rest.len > 0);
    dsn_check_lines(rest, true);
    header_parse(rest, &p->arena, &h);
    dsn_check_typed(dsn_check_value(p, &h, "Reporting-MTA"));
    BUG_ON(header_count(&h, "Arrival-Date") != (d->arrival_ms != 0));
    for (size_t i = 0; i < d->recipient_count; i++) {
        BUG_ON(h.count == 0);
        header_parse(h.body, &p->arena, &h);
        dsn_check_recipient(p, &h, &d->recipients[i]);
    }
    BUG_ON(h.body.len != 0);
}

static inline void dsn_check_types(struct dsn_parts *p, const struct dsn *d) {
    static const char *const allowed[3][3] = {
        {"text/plain; charset=us-ascii", "text/plain; charset=utf-8", ""},
        {"message/delivery-status", "message/global-delivery-status", ""},
        {"message/rfc822", "message/global", ""},
    };
    static const char *const headers_only[] = {"text/rfc822-headers", "message/global-headers", ""};
    for (size_t i = 0; i < 3; i++) {
        const char *const *types = i == 2 && !d->whole ? headers_only : allowed[i];
        view type = dsn_check_value(p, &p->fields[i], "Content-Type");
        BUG_ON(!view_eq(type, view_of(types[0])) && !view_eq(type, view_of(types[1])));
        bool encoded = header_count(&p->fields[i], "Content-Transfer-Encoding") > 0;
        /* RFC 2046 5.2.1 and RFC 3464 2.1: these two are 7-bit and not encoded. */
        BUG_ON(encoded &&
               (view_eq(type, VIEW("message/rfc822")) || view_eq(type, VIEW("message/delivery-status"))));
        bool ascii = true;
        for (size_t k = 0; k < p->contents[i].len; k++)
            ascii = ascii && (unsigned char)p->contents[i].data[k] < 0x80;
        BUG_ON(i == 0 && !ascii && !view_ends_with(type, VIEW("utf-8")));
        BUG_ON(i == 1 && !ascii && !view_starts_with(type, VIEW("message/global")));
    }
}

/* Formats `d`, reads it back and checks it. dsn_check_done() frees the parts. */
static inline void dsn_check(const struct dsn *d, struct buf *out, struct dsn_parts *p) {
    *p = (struct dsn_parts){0};
    arena_init(&p->arena, DSN_CHECK_BYTES);
    dsn_format(d, out);
    BUG_ON(out->failed);
    bool utf8_to = false;
    for (size_t i = 0; i < d->to.len; i++)
        utf8_to = utf8_to || (unsigned char)d->to.ptr[i] >= 0x80;
    header_parse(buf_view(out), &p->arena, &p->top);
    dsn_check_lines(p->top.section, utf8_to);
    dsn_check_lines(p->top.body, false);
    BUG_ON(!view_is_utf8(p->top.section));
    static const char *const once[] = {"From",       "To",           "Subject",     "Date",
                                       "Message-ID", "MIME-Version", "Content-Type"};
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        BUG_ON(header_count(&p->top, once[i]) != 1);
    BUG_ON(!view_eq(dsn_check_value(p, &p->top, "Auto-Submitted"), VIEW("auto-replied"))); /* RFC 3834 5 */
    BUG_ON(!view_starts_with(buf_view(out), p->top.section) || p->top.count > 12);
    dsn_check_cut(p, p->top.body);
    dsn_check_types(p, d);
    dsn_check_status(p, d);
    struct header original;
    header_parse(d->original, &p->arena, &original);
    view returned = d->whole ? d->original : view_slice(original.section, 0, LIMIT_HEADER_BYTES);
    BUG_ON(!view_eq(buf_view(&p->contents[2]), returned));
}

static inline void dsn_check_done(struct dsn_parts *p) {
    for (size_t i = 0; i < 3; i++)
        buf_done(&p->contents[i]);
    arena_done(&p->arena);
}

#endif
