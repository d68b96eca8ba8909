/* digest_text.c: a post as plain text, for a digest of one text. */
#include "lists/digest_text.h"

#include "mail/charset.h"
#include "mail/html_text.h"
#include "mail/mime.h"
#include "mail/text.h"

enum { PARTS = 8 * 1024 * 1024, TEXT_MOST = 4 * 1024 * 1024 };

/* Line by line, printable: a line of 30 hyphens or more would end the post (RFC 1153), and gets a blank in
 * front. */
static void add_lines(view text, struct buf *out) {
    view line;
    while (view_split(&text, '\n', &line)) {
        size_t hyphens = 0;
        if (view_ends_with(line, VIEW("\r")))
            line.len--;
        while (hyphens < line.len && line.ptr[hyphens] == '-')
            hyphens++;
        if (hyphens >= 30 && hyphens == line.len)
            buf_add_char(out, ' ');
        text_add_printable(out, line, true);
        buf_add_char(out, '\n');
    }
}

static void decode(const struct mime_part *p, struct buf *utf8) {
    struct buf octets = BUF_INIT(TEXT_MOST);
    view charset = p->charset.len > 0 ? p->charset : VIEW("us-ascii");
    if (!mime_decode(p->encoding, view_slice(p->body, 0, TEXT_MOST), &octets))
        buf_add(&octets, view_slice(p->body, 0, TEXT_MOST));
    if (!charset_to_utf8(charset, buf_view(&octets), utf8))
        buf_add(utf8, buf_view(&octets));
    buf_done(&octets);
}

static void add_note(const struct mime_part *p, const char *what, struct buf *out) {
    buf_printf(out, "[%.*s/%.*s", VIEW_ARG(p->type), VIEW_ARG(p->subtype));
    if (p->filename.len > 0) {
        buf_add_str(out, ", ");
        text_add_printable(out, p->filename, true);
    }
    buf_printf(out, ", %zu octets, %s]\n", p->body.len, what);
}

static void add_leaf(const struct mime_part *p, struct buf *out) {
    struct buf text = BUF_INIT(3 * TEXT_MOST), plain = BUF_INIT(3 * TEXT_MOST);
    bool html = mime_is(p, "text/html"), shown = html || mime_is(p, "text/plain");
    if (shown)
        decode(p, &text);
    if (html && !html_text(buf_view(&text), &plain))
        shown = false;
    if (shown)
        add_lines(buf_view(html ? &plain : &text), out);
    if (!shown)
        add_note(p, "not shown", out);
    else if (p->body.len > TEXT_MOST)
        add_note(p, "the rest is not shown", out);
    buf_done(&plain);
    buf_done(&text);
}

/* Of several forms of one text (multipart/alternative) the first is read: the plainest. */
static bool is_other_form(const struct mime *m, size_t i) {
    for (size_t k = i; m->parts[k].parent >= 0; k = (size_t)m->parts[k].parent) {
        size_t parent = (size_t)m->parts[k].parent;
        if (mime_is(&m->parts[parent], "multipart/alternative") && k != parent + 1)
            return true;
    }
    return false;
}

void digest_add_text(view post, struct buf *out) {
    struct arena a;
    struct mime m;
    bool first = true;
    arena_init(&a, PARTS);
    if (mime_parse(post, &a, &m))
        for (size_t i = 0; i < m.count; i++) {
            const struct mime_part *p = &m.parts[i];
            if (p->children > 0 || mime_is(p, "message/rfc822") || is_other_form(&m, i))
                continue;
            if (!first)
                buf_add_str(out, "\n");
            add_leaf(p, out);
            first = false;
        }
    arena_done(&a);
}
