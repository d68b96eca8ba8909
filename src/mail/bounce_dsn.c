/* bounce_dsn.c: what the fields of a message/delivery-status say (RFC 3464; RFC 6533 for UTF-8).
 *
 * They come in groups with an empty line between, the first of which is about the message and the others
 * about a recipient each. Some programs write no such lines, or too many, or leave fields out, so a group
 * ends where all that is needed is there and a line comes that can only begin another. */
#include "mail/bounce_reader.h"

#include <stddef.h>

#include "mail/text.h"

struct group {
    view original, final, actual, action, status, diagnostic;
};

struct status_reading {
    struct bounce_reader *reader;
    struct group group;
    view envelope_id;
    view *field;  /* that is being read; what lines of white space continue */
    bool arrived; /* somebody has the mail */
};

enum action { ACTION_UNKNOWN, ACTION_FAILED, ACTION_DELAYED, ACTION_ARRIVED };

/* By their beginnings: comments and endings vary. "error" is an early OpenSMTPD's. */
static enum action read_action(view v) {
    static const struct {
        const char *word;
        enum action action;
    } words[] = {{"fail", ACTION_FAILED},      {"error", ACTION_FAILED},    {"undeliver", ACTION_FAILED},
                 {"delay", ACTION_DELAYED},    {"deliver", ACTION_ARRIVED}, {"relay", ACTION_ARRIVED},
                 {"expanded", ACTION_ARRIVED}, {"expired", ACTION_FAILED}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (view_starts_with_nocase(v, view_of(words[i].word)))
            return words[i].action;
    return ACTION_UNKNOWN;
}

/* ---- addresses ---- */

static int hex_digit(char c) {
    if (ascii_is_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void add_utf8(struct buf *out, unsigned c) {
    if (c < 0x80) {
        buf_add_char(out, (char)c);
        return;
    }
    if (c >= 0x10000) {
        buf_add_char(out, (char)(0xf0 | c >> 18));
        buf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
    } else if (c >= 0x800) {
        buf_add_char(out, (char)(0xe0 | c >> 12));
    }
    buf_add_char(out, (char)(c < 0x800 ? 0xc0 | c >> 6 : 0x80 | (c >> 6 & 0x3f)));
    buf_add_char(out, (char)(0x80 | (c & 0x3f)));
}

/* "+C3", as Postfix writes octets; how many octets of text it takes, or 0. */
static size_t add_octet(struct buf *out, view v) {
    int high = v.len > 2 ? hex_digit(v.ptr[1]) : -1, low = v.len > 2 ? hex_digit(v.ptr[2]) : -1;
    if (v.ptr[0] != '+' || high < 0 || low < 0)
        return 0;
    buf_add_char(out, (char)(high << 4 | low));
    return 3;
}

/* "\x{E9}" (RFC 6533 3); as above. */
static size_t add_code_point(struct buf *out, view v) {
    enum { FIRST_DIGIT = 3, DIGITS_END = 9 };
    unsigned c = 0;
    size_t i = FIRST_DIGIT;
    if (!view_starts_with_nocase(v, VIEW("\\x{")))
        return 0;
    for (; i < v.len && i < DIGITS_END && hex_digit(v.ptr[i]) >= 0; i++)
        c = c << 4 | (unsigned)hex_digit(v.ptr[i]);
    if (i == FIRST_DIGIT || i >= v.len || v.ptr[i] != '}' || c > 0x10ffff)
        return 0;
    add_utf8(out, c);
    return i + 1;
}

/* An address of the type utf-8, which may stand there in ASCII. Where it does not, it is as it is. */
static view decode_utf8_address(view v, struct arena *a) {
    struct buf text = BUF_INIT(v.len + 1);
    view decoded = v;
    for (size_t i = 0; i < v.len;) {
        size_t n = add_octet(&text, view_skip(v, i));
        n += n ? 0 : add_code_point(&text, view_skip(v, i));
        if (n == 0)
            buf_add_char(&text, v.ptr[i]);
        i += n ? n : 1;
    }
    if (text_is_7bit(v) && view_is_utf8(buf_view(&text)) && bounce_address(buf_view(&text)).len > 0)
        decoded = arena_view(a, buf_view(&text));
    buf_done(&text);
    return decoded;
}

/* "rfc822; <address>" with or without type and brackets; empty when it is none that we can read. */
static view read_address(view field, struct arena *a) {
    view address = field, type = VIEW_NULL;
    ptrdiff_t semicolon = view_find(field, ';');
    if (semicolon >= 0) {
        type = view_trim(view_slice(field, 0, (size_t)semicolon));
        address = view_skip(field, (size_t)semicolon + 1);
    }
    ptrdiff_t open = view_find(address, '<');
    if (open >= 0)
        view_split(&(view){address.ptr + open + 1, address.len - (size_t)open - 1}, '>', &address);
    address = view_trim(address);
    size_t len = 0;
    while (len < address.len && !ascii_is_space(address.ptr[len]))
        len++;
    address.len = len;
    if (view_eq_nocase(type, VIEW("utf-8")))
        address = decode_utf8_address(address, a);
    return bounce_address(address);
}

/* The original recipient is the one that the mail was sent to; what became of it on the road is another's. */
static view group_address(const struct group *g, struct arena *a) {
    const view fields[] = {g->original, g->final, g->actual};
    view address = VIEW_NULL;
    for (size_t i = 0; i < sizeof fields / sizeof *fields && address.len == 0; i++)
        address = read_address(fields[i], a);
    return address;
}

/* ---- groups ---- */

/* "5.1.1 (comment)". */
static view read_status(view field) {
    view v = view_trim(field);
    size_t n = 0;
    while (n < v.len && !ascii_is_space(v.ptr[n]) && v.ptr[n] != '(')
        n++;
    v.len = n;
    return view_slice(v, 0, bounce_status_len(v));
}

/* Without "smtp;" in front. */
static view read_diagnostic(view field) {
    ptrdiff_t semicolon = view_find(field, ';');
    view type = view_slice(field, 0, semicolon < 0 ? 0 : (size_t)semicolon);
    for (size_t i = 0; i < type.len; i++)
        if (!ascii_is_alnum(type.ptr[i]) && type.ptr[i] != '-' && !ascii_is_space(type.ptr[i]))
            return field;
    return view_skip(field, (size_t)(semicolon + 1));
}

static void add_failure(struct bounce_reader *r, const struct group *g, view status, bool delayed) {
    struct bounce b = {.address = group_address(g, r->arena), .status = status};
    if (b.address.len == 0)
        return;
    bounce_judge(&b, delayed, read_diagnostic(g->diagnostic), r->arena);
    bounce_add(r, &b);
}

static void end_group(struct status_reading *s) {
    const struct group *g = &s->group;
    view status = read_status(g->status);
    enum action action = read_action(view_trim(g->action));
    if (action == ACTION_UNKNOWN && status.len > 0)
        action = status.ptr[0] == '5'   ? ACTION_FAILED
                 : status.ptr[0] == '4' ? ACTION_DELAYED
                                        : ACTION_ARRIVED;
    if (action == ACTION_FAILED || action == ACTION_DELAYED)
        add_failure(s->reader, g, status, action == ACTION_DELAYED);
    s->arrived |= action == ACTION_ARRIVED;
    s->group = (struct group){0};
}

static bool is_complete(const struct group *g) {
    return (g->original.len || g->final.len || g->actual.len) && (g->action.len || g->status.len);
}

static view *field_named(struct status_reading *s, view name) {
    const struct {
        const char *name;
        view *field;
    } fields[] = {
        {"Original-Recipient", &s->group.original},
        {"Final-Recipient", &s->group.final},
        {"X-Actual-Recipient", &s->group.actual},
        {"Action", &s->group.action},
        {"Status", &s->group.status},
        {"Diagnostic-Code", &s->group.diagnostic},
        {"Original-Envelope-Id", &s->envelope_id},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (view_eq_nocase(name, view_of(fields[i].name)))
            return fields[i].field;
    return NULL;
}

static void begin_field(struct status_reading *s, view line) {
    ptrdiff_t colon = view_find(line, ':');
    s->field = NULL;
    if (colon < 0)
        return;
    view *field = field_named(s, view_trim(view_slice(line, 0, (size_t)colon)));
    if (!field)
        return;
    if (field->len > 0 && is_complete(&s->group))
        end_group(s);
    if (field->len > 0)
        return;
    *field = view_skip(line, (size_t)colon + 1);
    s->field = field;
}

bool bounce_read_status(struct bounce_reader *r, view fields) {
    struct status_reading s = {.reader = r};
    for (view line; view_split(&fields, '\n', &line);) {
        if (view_trim(line).len == 0) {
            s.field = NULL;
            if (is_complete(&s.group))
                end_group(&s);
        } else if (line.ptr[0] != ' ' && line.ptr[0] != '\t') {
            begin_field(&s, line);
        } else if (s.field) {
            s.field->len = (size_t)(line.ptr + line.len - s.field->ptr);
        }
    }
    if (is_complete(&s.group))
        end_group(&s);
    if (r->report->envelope_id.len == 0)
        r->report->envelope_id = bounce_line(s.envelope_id, r->arena);
    return s.arrived || r->report->count > 0;
}
