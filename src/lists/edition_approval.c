/* edition_approval.c: a post whose text begins with "Approved: PASSWORD" (post.h) without it: the line goes
 * from the text it stands in, and what says the same from the post's other texts, HTML of the same words
 * among them. */
#include <stdio.h>

#include "lists/edition_private.h"
#include "lists/post.h"
#include "mail/transfer.h"

enum {
    BASE64_LINE = 57, /* octets, which become 76 characters */
    TAGS_MOST =
        256 /* octets of tags that are passed over between two letters: a text of tags costs no more */
};

/* Where one text says it: octets to be left out. */
struct cut {
    size_t from, to;
};

/* A text is gone over from cut to cut; what stays is told in its order. Tags between the words do, so that
 * what is left is still HTML. */
struct walk {
    view text;
    bool html;
    const struct post_approval *said;
    size_t at;
    struct cut words; /* those it is in; else `to` is 0 */
    bool found;
};

/* ---- the words, as texts and HTML write them ---- */

static size_t pass_tags(const struct walk *w, size_t at) {
    view rest = w->html ? view_slice(w->text, at, TAGS_MOST) : VIEW("");
    while (view_starts_with(rest, VIEW("<"))) {
        ptrdiff_t len = view_find(rest, '>');
        if (len < 0)
            break;
        rest = view_skip(rest, (size_t)len + 1);
        at += (size_t)len + 1;
    }
    return at;
}

static size_t pass_space(const struct walk *w, size_t at) {
    const view hard = VIEW("&nbsp;");
    for (;;) {
        size_t before = at = pass_tags(w, at);
        if (at < w->text.len && ascii_is_space(w->text.ptr[at]))
            at++;
        else if (w->html && view_starts_with_nocase(view_skip(w->text, at), hard))
            at += hard.len;
        if (at == before)
            return at;
    }
}

/* The octets of the entity that stands for this one. 0: something else does. */
static size_t entity_len(view v, char c) {
    static const struct {
        char c;
        const char *entity;
    } named[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&apos;"}};
    char number[16];
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (named[i].c == c && view_starts_with_nocase(v, view_of(named[i].entity)))
            return view_of(named[i].entity).len;
    snprintf(number, sizeof number, "&#%d;", (unsigned char)c);
    if (view_starts_with(v, view_of(number)))
        return view_of(number).len;
    snprintf(number, sizeof number, "&#x%x;", (unsigned char)c);
    return view_starts_with_nocase(v, view_of(number)) ? view_of(number).len : 0;
}

/* The octets that stand for this one. 0: something else does. */
static size_t len_of(view v, char c, bool any_case, bool html) {
    if (v.len > 0 && (v.ptr[0] == c || (any_case && ascii_lower(v.ptr[0]) == ascii_lower(c))))
        return html && c == '&' && view_starts_with_nocase(v, VIEW("&amp;")) ? VIEW("&amp;").len : 1;
    return html && view_starts_with(v, VIEW("&")) ? entity_len(v, c) : 0;
}

/* Where the words end that begin there. 0: other words do. */
static size_t pass_words(const struct walk *w, size_t at, view words, bool any_case) {
    for (size_t i = 0; i < words.len;) {
        size_t next = ascii_is_space(words.ptr[i]) ? pass_space(w, at) : pass_tags(w, at);
        if (ascii_is_space(words.ptr[i])) {
            if (next == at)
                return 0;
            while (i < words.len && ascii_is_space(words.ptr[i]))
                i++;
        } else {
            size_t len = len_of(view_skip(w->text, next), words.ptr[i++], any_case, w->html);
            if (len == 0)
                return 0;
            next += len;
        }
        at = next;
    }
    return at;
}

/* "Approved: PASSWORD", the next one. */
static bool find_words(struct walk *w) {
    const struct post_approval *said = w->said;
    for (size_t at = w->at; at < w->text.len; at++) {
        if (ascii_lower(w->text.ptr[at]) != ascii_lower(said->name.ptr[0]))
            continue;
        size_t colon = pass_words(w, at, said->name, true);
        size_t end = colon > 0 ? pass_words(w, colon, VIEW(":"), false) : 0;
        end = end > 0 ? pass_words(w, pass_space(w, end), said->password, false) : 0;
        if (end > 0) {
            w->words = (struct cut){at, end};
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

static bool next_tag(struct walk *w, struct cut *ret) {
    for (; w->at < w->words.to; w->at++) {
        size_t end = pass_tags(w, w->at);
        if (end > w->words.to)
            end = w->words.to;
        if (end > w->at) {
            *ret = (struct cut){w->at, end};
            w->at = end;
            return true;
        }
    }
    w->words.to = 0;
    return false;
}

static bool next_left(struct walk *w, struct cut *ret) {
    while (w->at < w->text.len) {
        if (w->words.to > 0) {
            if (next_tag(w, ret))
                return true;
            continue;
        }
        *ret = (struct cut){w->at, w->text.len};
        if (find_words(w)) {
            w->found = true;
            widen(w->text, &w->words);
            if (w->words.from < w->at) /* white space that a cut before took */
                w->words.from = w->at;
            ret->to = w->words.from;
        }
        w->at = ret->to;
        if (ret->to > ret->from)
            return true;
    }
    return false;
}

static struct walk walk_of(const struct mime_part *p, view text, const struct post_approval *said) {
    return (struct walk){.text = text, .html = !mime_is(p, "text/plain"), .said = said};
}

/* What is left of a decoded text. False: it says nothing of the kind. */
static bool without(const struct mime_part *p, view text, const struct post_approval *said, struct buf *out) {
    struct walk w = walk_of(p, text, said);
    struct cut left;
    while (next_left(&w, &left))
        buf_add(out, view_slice(text, left.from, left.to - left.from));
    return w.found;
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
    if (mime_decode(p->encoding, p->body, &text) && without(p, buf_view(&text), said, &left)) {
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
    struct walk w = walk_of(p, p->body, said);
    struct cut left;
    while (next_left(&w, &left))
        recipe_copy(&m->out, making_at(m, p->body) + left.from, left.to - left.from);
}

bool edition_approval(struct making *m) {
    struct post_approval said;
    bool found = m->l->approvals && post_approval_part(&m->mime, m->arena, &said) != NULL;
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
    return found;
}
