/* edition_approval.c: a post whose text begins with "Approved: PASSWORD" (post.h) without it: the line goes
 * from the text it stands in, and what says the same from the post's other texts, HTML of the same words
 * among them. */
#include "lists/edition_private.h"
#include "lists/post.h"
#include "mail/transfer.h"

enum { BASE64_LINE = 57 /* octets, which become 76 characters */ };

/* Where one text says it: octets to be left out. */
struct cut {
    size_t from, to;
};

static const struct mime_part *first_text(const struct mime *m) {
    for (size_t i = 0; i < m->count; i++)
        if (mime_is(&m->parts[i], "text/plain") && m->parts[i].children == 0)
            return &m->parts[i];
    return NULL;
}

/* White space as texts and HTML write it. */
static size_t pass_space(view v, size_t at) {
    const view hard = VIEW("&nbsp;");
    for (;;) {
        if (at < v.len && ascii_is_space(v.ptr[at]))
            at++;
        else if (view_starts_with_nocase(view_skip(v, at), hard))
            at += hard.len;
        else
            return at;
    }
}

/* "Approved: PASSWORD", the next one at or behind `at`. */
static bool find_words(view text, const struct post_approval *said, size_t at, struct cut *ret) {
    for (; at + said->name.len < text.len; at++) {
        if (!view_starts_with_nocase(view_skip(text, at), said->name) || text.ptr[at + said->name.len] != ':')
            continue;
        size_t password = pass_space(text, at + said->name.len + 1);
        if (view_starts_with(view_skip(text, password), said->password)) {
            *ret = (struct cut){at, password + said->password.len};
            return true;
        }
    }
    return false;
}

/* The rest of a line that had nothing else goes, too. */
static void widen(view text, struct cut *c) {
    size_t begin = c->from, end = c->to;
    while (begin > 0 && (text.ptr[begin - 1] == ' ' || text.ptr[begin - 1] == '\t'))
        begin--;
    while (end < text.len && (text.ptr[end] == ' ' || text.ptr[end] == '\t' || text.ptr[end] == '\r'))
        end++;
    if ((begin == 0 || text.ptr[begin - 1] == '\n') && (end == text.len || text.ptr[end] == '\n'))
        *c = (struct cut){begin, end < text.len ? end + 1 : end};
}

/* What is left of a decoded text. False: it says nothing of the kind. */
static bool without(view text, const struct post_approval *said, struct buf *out) {
    struct cut c;
    size_t at = 0;
    while (find_words(text, said, at, &c)) {
        widen(text, &c);
        buf_add(out, view_slice(text, at, c.from - at));
        at = c.to;
    }
    buf_add(out, view_skip(text, at));
    return at > 0;
}

static void encode(const struct mime_part *p, view text, struct buf *out) {
    if (mime_is_plain(p->encoding)) {
        buf_add(out, text);
    } else if (view_eq(p->encoding, VIEW("quoted-printable"))) {
        transfer_add_qp(out, text);
    } else {
        for (; text.len > 0; text = view_skip(text, BASE64_LINE)) {
            transfer_add_base64(out, view_slice(text, 0, BASE64_LINE));
            buf_add_str(out, "\r\n");
        }
    }
}

/* The part's body as it is to be, in the arena; NULL: it stays. */
static view body_of(const struct making *m, const struct mime_part *p, const struct post_approval *said) {
    struct buf text = BUF_INIT(p->body.len + 1), left = BUF_INIT(p->body.len + 1),
               made = BUF_INIT(4 * p->body.len + 16);
    view body = VIEW_NULL;
    if (mime_decode(p->encoding, p->body, &text) && without(buf_view(&text), said, &left)) {
        encode(p, buf_view(&left), &made);
        body = arena_view(m->arena, buf_view(&made));
    }
    buf_done(&text);
    buf_done(&left);
    buf_done(&made);
    return body;
}

/* Of octets that stay as they are, only the place of the words is left out. */
static void leave_out(struct making *m, const struct mime_part *p, const struct post_approval *said) {
    struct cut c;
    size_t at = 0, body = making_at(m, p->body);
    while (find_words(p->body, said, at, &c)) {
        widen(p->body, &c);
        recipe_copy(&m->out, body + at, c.from - at);
        at = c.to;
    }
    recipe_copy(&m->out, body + at, p->body.len - at);
}

bool edition_approval(struct making *m) {
    const struct mime_part *first = first_text(&m->mime);
    struct post_approval said;
    struct buf text = BUF_INIT(first ? first->body.len + 1 : 1);
    bool found = m->l->approvals && first && mime_decode(first->encoding, first->body, &text) &&
                 post_approval(buf_view(&text), &said);
    size_t at = 0;
    for (size_t i = 0; found && i < m->mime.count; i++) {
        const struct mime_part *p = &m->mime.parts[i];
        if (!mime_is(p, "text") || p->children > 0 || p->body.len == 0)
            continue;
        recipe_copy(&m->out, at, making_at(m, p->body) - at);
        at = making_at(m, p->body) + p->body.len;
        view body = mime_is_plain(p->encoding) ? VIEW_NULL : body_of(m, p, &said);
        if (mime_is_plain(p->encoding))
            leave_out(m, p, &said);
        else if (body.ptr)
            recipe_text(&m->out, body);
        else
            making_copy(m, p->body);
    }
    recipe_copy(&m->out, at, m->source.len - at);
    buf_done(&text);
    return found;
}
