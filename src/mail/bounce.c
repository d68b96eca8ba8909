/* bounce.c: whom a message that came back did not reach, and why.
 *
 * A notification of RFC 3464 is believed wherever it stands in the message, but not inside of the message
 * that came back: that may be about a bounce itself. Without one the header and the texts are looked at, see
 * bounce_text.c. */
#include "mail/bounce.h"
#include "mail/bounce_reader.h"

#include <string.h>

#include "base/limits.h"
#include "mail/mime.h"
#include "mail/text.h"

enum { LINE_OCTETS = 400 /* of a reason */, TAG_OCTETS = 1000, WRAPS = 2 };

/* ---- what the readers share ---- */

static bool is_worse(enum bounce_kind a, enum bounce_kind b) {
    static const int weight[] = {[BOUNCE_TEMPORARY] = 0, [BOUNCE_OF_MESSAGE] = 1, [BOUNCE_PERMANENT] = 2};
    return weight[a] > weight[b];
}

void bounce_add(struct bounce_reader *r, const struct bounce *b) {
    struct bounce_report *report = r->report;
    for (size_t i = 0; i < report->count; i++)
        if (view_eq_nocase(report->bounces[i].address, b->address)) {
            if (is_worse(b->kind, report->bounces[i].kind))
                report->bounces[i] = *b;
            return;
        }
    if (report->count < BOUNCES_MOST)
        report->bounces[report->count++] = *b;
}

static bool is_domain_char(char c) {
    return ascii_is_alnum(c) || c == '.' || c == '-' || c == '_' || (unsigned char)c >= 0x80;
}

/* Length of the domain at the front, or of an address literal. What follows it, as dots and what is left of
 * an encoding, is none of it. */
static size_t domain_len(view v) {
    size_t n = 0;
    if (view_starts_with(v, VIEW("["))) {
        ptrdiff_t end = view_find(v, ']');
        return end > 1 ? (size_t)end + 1 : 0;
    }
    while (n < v.len && is_domain_char(v.ptr[n]))
        n++;
    while (n > 0 && (v.ptr[n - 1] == '.' || v.ptr[n - 1] == '-'))
        n--;
    return n > 0 && v.ptr[0] != '.' ? n : 0;
}

static view without_quotes(view word) {
    while (word.len > 0 && word.ptr[0] && strchr("'`*\"", word.ptr[0]))
        word = view_skip(word, 1);
    return word;
}

view bounce_address(view word) {
    word = without_quotes(word);
    ptrdiff_t at = view_find(word, '@');
    if (at <= 0 || view_rfind(word, '@') != at)
        return VIEW_NULL;
    size_t domain = domain_len(view_skip(word, (size_t)at + 1));
    word = view_slice(word, 0, (size_t)at + 1 + domain);
    bool fine =
        domain > 0 && word.len <= LIMIT_ADDRESS && text_is_printable(word) && view_find(word, ' ') < 0;
    return fine ? word : VIEW_NULL;
}

view bounce_line(view text, struct arena *a) {
    struct buf line = BUF_INIT(LINE_OCTETS);
    text = view_trim(text);
    while (text.len > 0 && !line.failed) {
        size_t n = text_char_len(text);
        bool blank = ascii_is_space(text.ptr[0]);
        if (!blank)
            buf_add(&line, n ? view_slice(text, 0, n) : VIEW("?"));
        else if (!view_ends_with(buf_view(&line), VIEW(" ")))
            buf_add_char(&line, ' ');
        text = view_skip(text, n ? n : 1);
    }
    view kept = arena_view(a, view_trim(buf_view(&line)));
    buf_done(&line);
    return kept;
}

/* ---- parts ---- */

static bool is_status(const struct mime_part *p) {
    return mime_is(p, "message/delivery-status") || mime_is(p, "message/global-delivery-status");
}

static bool is_message(const struct mime_part *p) {
    return mime_is(p, "message/rfc822") || mime_is(p, "message/global") || mime_is(p, "message/partial");
}

static bool is_header(const struct mime_part *p) {
    return mime_is(p, "text/rfc822-headers") || mime_is(p, "message/global-headers");
}

/* A multipart that lost its boundary on the road: all that was in its parts is one text now. */
static bool is_broken(const struct mime_part *p) {
    return p->children == 0 && mime_is(p, "multipart");
}

static bool is_text(const struct mime_part *p) {
    return is_broken(p) || (mime_is(p, "text") && !is_header(p));
}

static view decoded(const struct mime_part *p, struct arena *a) {
    if (mime_is_plain(p->encoding))
        return p->body;
    struct buf text = BUF_INIT(p->body.len);
    view v = mime_decode(p->encoding, p->body, &text) ? arena_view(a, buf_view(&text)) : p->body;
    buf_done(&text);
    return v;
}

/* The fields of a report; some programs leave out the empty line between them and those of the part. */
static view status_fields(const struct mime_part *p, struct arena *a) {
    if (is_broken(p))
        return p->body;
    if (!mime_is_plain(p->encoding) || p->head.len == 0 || p->body.len == 0)
        return p->body.len > 0 ? decoded(p, a) : p->head;
    return view_from(p->head.ptr, (size_t)(p->body.ptr + p->body.len - p->head.ptr));
}

/* ---- HTML ---- */

static bool starts_line(view tag) {
    static const char *const names[] = {"br",  "p",  "/p",  "div", "/div", "tr",
                                        "/tr", "li", "/li", "td",  "pre"};
    size_t n = 0;
    while (n < tag.len && (ascii_is_alnum(tag.ptr[n]) || (n == 0 && tag.ptr[n] == '/')))
        n++;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (view_eq_nocase(view_slice(tag, 0, n), view_of(names[i])))
            return true;
    return false;
}

/* "<address>" is none: there are texts that only call themselves HTML. */
static bool is_tag(view tag) {
    ptrdiff_t at = view_find(tag, '@'), blank = view_find(tag, ' ');
    return at < 0 || (blank >= 0 && blank < at);
}

static size_t add_entity(view v, struct buf *out) {
    static const struct {
        const char *name, *text;
    } entities[] = {{"&lt;", "<"},    {"&gt;", ">"},  {"&nbsp;", " "},
                    {"&quot;", "\""}, {"&#64;", "@"}, {"&amp;", "&"}};
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (view_starts_with(v, view_of(entities[i].name))) {
            buf_add_str(out, entities[i].text);
            return strlen(entities[i].name);
        }
    buf_add_char(out, '&');
    return 1;
}

/* HTML as lines: enough for words to be found, and no more. */
static view html_lines(view html, struct arena *a) {
    struct buf out = BUF_INIT(html.len + 1);
    while (html.len > 0) {
        ptrdiff_t end = html.ptr[0] == '<' ? view_find(view_slice(html, 0, TAG_OCTETS), '>') : -1;
        size_t len = 1;
        if (end > 0 && is_tag(view_slice(html, 1, (size_t)end - 1))) {
            buf_add_str(&out, starts_line(view_slice(html, 1, (size_t)end - 1)) ? "\n" : "");
            len = (size_t)end + 1;
        } else if (html.ptr[0] == '&') {
            len = add_entity(html, &out);
        } else {
            buf_add_char(&out, html.ptr[0]);
        }
        html = view_skip(html, len);
    }
    view lines = arena_view(a, buf_view(&out));
    buf_done(&out);
    return lines;
}

/* ---- the message ---- */

/* The next part that is not inside of a message that came back. */
static size_t next_part(const struct mime *m, size_t i) {
    return is_message(&m->parts[i]) ? m->parts[i].after : i + 1;
}

static bool read_statuses(struct bounce_reader *r, const struct mime *m) {
    bool settled = false;
    for (size_t i = 0; i < m->count; i = next_part(m, i))
        if (is_status(&m->parts[i]) || is_broken(&m->parts[i]))
            settled |= bounce_read_status(r, status_fields(&m->parts[i], r->arena));
    return settled;
}

static view text_content(const struct mime_part *p, struct arena *a) {
    view text = decoded(p, a);
    return mime_is(p, "text/html") ? html_lines(text, a) : text;
}

static view field_value(const struct header *h, const char *name, struct arena *a) {
    const struct header_field *f = header_find(h, name);
    return f ? header_value(f, a) : VIEW_NULL;
}

/* Returns the copy of the message that a text has at its end. */
static view read_texts(struct bounce_reader *r, const struct mime *m, view failed) {
    view copy = VIEW_NULL, text = VIEW_NULL;
    bool found = false;
    for (size_t i = 0; i < m->count && !found; i = next_part(m, i)) {
        if (!is_text(&m->parts[i]))
            continue;
        text = text_content(&m->parts[i], r->arena);
        found = failed.len > 0 || bounce_read_text(r, text, &copy);
    }
    if (failed.len > 0)
        bounce_read_failed(r, failed, text, &copy);
    return copy;
}

static bool is_explained(const struct bounce_report *report) {
    for (size_t i = 0; i < report->count; i++)
        if (report->bounces[i].reason.len == 0)
            return false;
    return true;
}

static void explain(struct bounce_reader *r, const struct mime *m) {
    for (size_t i = 0; i < m->count && !is_explained(r->report); i = next_part(m, i))
        if (is_text(&m->parts[i]))
            bounce_explain(r, text_content(&m->parts[i], r->arena));
}

static view id_in_header(view header, struct arena *a) {
    struct header h;
    header_parse(header, a, &h);
    view id = header_message_id(&h, a);
    return text_is_printable(id) && view_find(id, ' ') < 0 ? id : VIEW_NULL;
}

/* Behind what else there is: other words, or fields that something broke. */
static view id_in_text(view text, struct arena *a) {
    for (view line; view_split(&text, '\n', &line);)
        if (view_starts_with_nocase(line, VIEW("message-id:")))
            return id_in_header(view_from(line.ptr, (size_t)(text.ptr + text.len - line.ptr)), a);
    return VIEW_NULL;
}

static view returned_id(const struct mime *m, view copy, struct arena *a) {
    for (size_t i = 0; i < m->count; i = next_part(m, i)) {
        const struct mime_part *p = &m->parts[i];
        if (is_message(p) || is_header(p))
            return id_in_header(decoded(p, a), a);
    }
    return id_in_text(copy, a);
}

/* Returns the message that is all this one has: some gateways wrap a bounce once more. Where a text stands in
 * front of it, somebody is telling of a bounce. */
static view wrapped(const struct mime *m) {
    size_t i = 0;
    while (i < m->count && mime_is(&m->parts[i], "multipart") && m->parts[i].children > 0)
        i++;
    return i < m->count && mime_is(&m->parts[i], "message/rfc822") ? m->parts[i].body : VIEW_NULL;
}

/* Returns what there is still to be read, or nothing. */
static view read_message(struct bounce_reader *r, view message) {
    struct arena *a = r->arena;
    struct header h;
    struct mime m;
    view copy = VIEW_NULL;
    if (!mime_parse(message, a, &m))
        return VIEW_NULL;
    bool settled = read_statuses(r, &m);
    if (settled) {
        explain(r, &m);
    } else {
        header_parse(message, a, &h);
        r->from = field_value(&h, "From", a);
        copy = read_texts(r, &m, field_value(&h, "X-Failed-Recipients", a));
    }
    if (r->report->count > 0)
        r->report->message_id = returned_id(&m, copy, a);
    return settled || r->report->count > 0 ? VIEW_NULL : wrapped(&m);
}

void bounce_read(view message, struct arena *a, struct bounce_report *ret) {
    struct bounce_reader r = {.arena = a, .report = ret};
    *ret = (struct bounce_report){0};
    for (int wraps = 0; wraps < WRAPS && message.len > 0; wraps++)
        message = read_message(&r, message);
}
