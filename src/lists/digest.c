/* digest.c: see digest.h. */
#include "lists/digest.h"

#include <stdio.h>

#include "base/id.h"
#include "lists/digest_text.h"
#include "lists/post.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/list_address.h"
#include "mail/mime.h"
#include "mail/text.h"

enum { SCRATCH = 8 * 1024 * 1024, TOPIC_MOST = 100 };

/* ---- what both kinds begin with ---- */

static view title(const struct digest *d, struct arena *a) {
    return arena_printf(a, "%.*s Digest, Vol %lld, Issue %lld", VIEW_ARG(d->display_name),
                        (long long)d->volume, (long long)d->issue);
}

static void add_field(struct buf *out, const char *name, view text, struct arena *a) {
    struct buf value = BUF_INIT(LIMIT_BODY_CHUNK);
    header_encode_text(&value, text);
    header_add(out, name, arena_view(a, buf_view(&value)));
    buf_done(&value);
}

static void add_header(const struct digest *d, const char *type, struct arena *a, struct buf *out) {
    struct buf date = BUF_INIT(LIMIT_SMTP_LINE);
    date_format(d->now_ms, &date);
    header_add(out, "From", list_part_address(d->list, "request", a));
    header_add(out, "To", d->list);
    header_add(out, "Reply-To", d->list);
    add_field(out, "Subject", title(d, a), a);
    header_add(out, "Date", buf_view(&date));
    buf_printf(out, "Message-ID: <%.*s>\r\nPrecedence: list\r\nMIME-Version: 1.0\r\nContent-Type: %s\r\n",
               VIEW_ARG(d->message_id), type);
    buf_done(&date);
}

/* ---- the topics ---- */

static view cut(view text, struct arena *a) {
    if (text.len <= TOPIC_MOST)
        return text;
    size_t n = TOPIC_MOST;
    while (n > 0 && ((unsigned char)text.ptr[n] & 0xc0) == 0x80)
        n--;
    return arena_printf(a, "%.*s...", (int)n, text.ptr);
}

static view printable(view text, struct arena *a) {
    struct buf out = BUF_INIT(LIMIT_BODY_CHUNK);
    text_add_printable(&out, post_line(text, a), true);
    view made = arena_view(a, buf_view(&out));
    buf_done(&out);
    return made;
}

view digest_field(view post, const char *name, struct arena *a) {
    struct header h;
    header_parse(post, a, &h);
    const struct header_field *f = header_find(&h, name);
    return f ? printable(post_value(f, a), a) : VIEW("");
}

static void add_topics(const struct digest *d, struct buf *out) {
    buf_printf(out, "%.*s\n\n", VIEW_ARG(d->topics));
    for (size_t i = 0; i < d->count; i++) {
        struct arena scratch;
        arena_init(&scratch, SCRATCH);
        view subject = digest_field(d->posts[i], "Subject", &scratch);
        view from = digest_field(d->posts[i], "From", &scratch);
        ptrdiff_t bracket = view_find(from, '<');
        view name = bracket > 0 ? view_trim(view_slice(from, 0, (size_t)bracket)) : from;
        if (name.len > 1 && name.ptr[0] == '"' && name.ptr[name.len - 1] == '"')
            name = view_slice(name, 1, name.len - 2);
        if (subject.len == 0)
            subject = VIEW("(no subject)");
        buf_printf(out, "  %2zu. %.*s (%.*s)\n", i + 1, VIEW_ARG(cut(subject, &scratch)),
                   VIEW_ARG(cut(name, &scratch)));
        arena_done(&scratch);
    }
}

/* ---- MIME ---- */

/* Of a post in a digest these fields stay: what it is, and what answers need. */
static bool is_kept(view name) {
    static const char *const kept[] = {"Date",
                                       "From",
                                       "Sender",
                                       "To",
                                       "Cc",
                                       "Subject",
                                       "Message-ID",
                                       "Keywords",
                                       "In-Reply-To",
                                       "References",
                                       "Content-Type",
                                       "MIME-Version",
                                       "Content-Transfer-Encoding",
                                       "Content-Disposition",
                                       "Content-Language",
                                       "Precedence",
                                       "Reply-To"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (view_eq_nocase(name, view_of(kept[i])))
            return true;
    return false;
}

static void add_text_part(const char *boundary, const char *description, view text, struct buf *out) {
    if (text.len == 0)
        return;
    buf_printf(out, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n",
               boundary, text_is_7bit(text) ? "7bit" : "8bit");
    buf_printf(out, "Content-Description: %s\r\n\r\n", description);
    text_add_lines(out, text);
    buf_add_str(out, "\r\n");
}

static void add_post(view post, size_t number, struct buf *out) {
    struct arena a;
    struct header h;
    arena_init(&a, SCRATCH);
    header_parse(post, &a, &h);
    for (size_t i = 0; i < h.count; i++)
        if (is_kept(h.fields[i].name))
            buf_add(out, h.fields[i].raw);
    buf_printf(out, "Message: %zu\r\n\r\n", number);
    buf_add(out, h.body);
    if (!view_ends_with(h.body, VIEW("\n")))
        buf_add_str(out, "\r\n");
    arena_done(&a);
}

void digest_mime(const struct digest *d, struct arena *a, struct buf *out) {
    char outer[MIME_BOUNDARY], inner[MIME_BOUNDARY], type[80];
    struct buf topics = BUF_INIT(LIMIT_STORE_PACKET);
    mime_boundary(outer);
    mime_boundary(inner);
    snprintf(type, sizeof type, "multipart/mixed; boundary=\"%s\"", outer);
    add_header(d, type, a, out);
    buf_add_str(out, "Content-Transfer-Encoding: 8bit\r\n\r\n");
    add_topics(d, &topics);
    add_text_part(outer, "Masthead", d->masthead, out);
    add_text_part(outer, "Digest header", d->header, out);
    add_text_part(outer, "Today's topics", buf_view(&topics), out);
    buf_printf(out, "--%s\r\nContent-Type: multipart/digest; boundary=\"%s\"\r\n\r\n", outer, inner);
    for (size_t i = 0; i < d->count; i++) {
        buf_printf(out, "--%s\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
                   inner);
        add_post(d->posts[i], i + 1, out);
        buf_add_str(out, "\r\n");
    }
    buf_printf(out, "--%s--\r\n\r\n", inner);
    add_text_part(outer, "Digest footer", d->footer, out);
    buf_printf(out, "--%s--\r\n", outer);
    buf_done(&topics);
}

/* ---- one text ---- */

static void begin_text(const struct digest *d, struct arena *a, struct buf *out) {
    add_header(d, "text/plain; charset=utf-8", a, out);
    buf_add_str(out, "Content-Transfer-Encoding: 8bit\r\n\r\n");
}

/* RFC 1153: a preamble, 70 hyphens, the posts behind 30 hyphens each, and the end. */
void digest_plain(const struct digest *d, struct arena *a, struct buf *out) {
    static const char *const fields[] = {"Date", "From", "To", "Cc", "Subject", "Message-ID"};
    struct buf text = BUF_INIT(out->limit);
    view name = title(d, a);
    begin_text(d, a, out);
    buf_printf(&text, "%.*s\n\n", VIEW_ARG(d->masthead));
    if (d->header.len > 0)
        buf_printf(&text, "%.*s\n\n", VIEW_ARG(d->header));
    add_topics(d, &text);
    buf_printf(&text, "\n\n%.70s\n\n", DIGEST_HYPHENS);
    for (size_t i = 0; i < d->count; i++) {
        buf_printf(&text, "Message: %zu\n", i + 1);
        for (size_t k = 0; k < sizeof fields / sizeof fields[0]; k++) {
            struct arena scratch;
            arena_init(&scratch, SCRATCH);
            view value = digest_field(d->posts[i], fields[k], &scratch);
            if (value.len > 0)
                buf_printf(&text, "%s: %.*s\n", fields[k], VIEW_ARG(value));
            arena_done(&scratch);
        }
        buf_add_char(&text, '\n');
        digest_add_text(d->posts[i], &text);
        buf_printf(&text, "\n%.30s\n\n", DIGEST_HYPHENS);
    }
    if (d->footer.len > 0)
        buf_printf(&text, "Subject: Digest Footer\n\n%.*s\n\n%.30s\n\n", VIEW_ARG(d->footer), DIGEST_HYPHENS);
    buf_printf(&text, "End of %.*s\n", VIEW_ARG(name));
    for (size_t i = 0; i < name.len + sizeof "End of " - 1 && i < 70; i++)
        buf_add_char(&text, '*');
    buf_add_char(&text, '\n');
    text_add_lines(out, buf_view(&text));
    out->failed = out->failed || text.failed;
    buf_done(&text);
}

void digest_summary(const struct digest *d, struct arena *a, struct buf *out) {
    struct buf text = BUF_INIT(LIMIT_STORE_PACKET);
    begin_text(d, a, out);
    buf_printf(&text, "%.*s\n\n", VIEW_ARG(d->masthead));
    if (d->header.len > 0)
        buf_printf(&text, "%.*s\n\n", VIEW_ARG(d->header));
    add_topics(d, &text);
    if (d->footer.len > 0)
        buf_printf(&text, "\n%.*s\n", VIEW_ARG(d->footer));
    text_add_lines(out, buf_view(&text));
    buf_done(&text);
}
