/* edition_filter.c: a post without the parts the list does not want (Mailman's mime_delete): by type and by
 * the ending of file names; of alternatives the first one; HTML as plain text. What stays keeps its octets.
 * Parts that must not be are taken out of signed mail too; alternatives and HTML in it stay, for the
 * signature's sake. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "lists/edition_private.h"
#include "mail/charset.h"
#include "mail/html_text.h"
#include "mail/text.h"
#include "mail/transfer.h"

struct filter {
    struct making *m;
    bool *dropped;      /* per part */
    bool *sealed;       /* it stands in signed or encrypted mail */
    view *texts;        /* of a part of HTML that is made text: that, in quoted-printable */
    const char *reason; /* why the message as a whole is not wanted */
};

static const struct mime_part *part_at(const struct filter *f, size_t i) {
    return &f->m->mime.parts[i];
}

/* "text/html", "text" or an ending alone, one a line; the case of letters does not matter. */
static bool has_line(view lines, view word) {
    view line;
    while (view_split(&lines, '\n', &line)) {
        line = view_trim(line);
        if (view_starts_with(line, VIEW(".")))
            line = view_skip(line, 1);
        if (view_eq_nocase(line, word))
            return true;
    }
    return false;
}

static bool has_type(view lines, const struct mime_part *p) {
    char type[128];
    snprintf(type, sizeof type, "%.*s/%.*s", VIEW_ARG(p->type), VIEW_ARG(p->subtype));
    return has_line(lines, view_of(type)) || has_line(lines, p->type);
}

/* NULL: the part may stay. */
static const char *objection(const struct filter *f, const struct mime_part *p) {
    const view *settings = f->m->l->settings;
    view pass_types = settings[LIST_SETTING_PASS_TYPES],
         pass_extensions = settings[LIST_SETTING_PASS_EXTENSIONS];
    ptrdiff_t dot = view_rfind(p->filename, '.');
    view extension = dot < 0 ? VIEW("") : view_trim(view_skip(p->filename, (size_t)dot + 1));
    if (has_type(settings[LIST_SETTING_FILTER_TYPES], p))
        return "not wanted:";
    if (pass_types.len > 0 && !has_type(pass_types, p))
        return "none of the types that are wanted:";
    if (extension.len > 0 && has_line(settings[LIST_SETTING_FILTER_EXTENSIONS], extension))
        return "a file that is not wanted:";
    if (extension.len > 0 && pass_extensions.len > 0 && !has_line(pass_extensions, extension))
        return "a file of none of the kinds that are wanted:";
    return NULL;
}

static void note(struct filter *f, const char *what, const struct mime_part *p) {
    struct buf name = BUF_INIT(80);
    text_add_printable(&name, view_slice(p->filename, 0, 40), true);
    edition_note(f->m, "%s %.*s/%.*s%s%s", what, VIEW_ARG(view_slice(p->type, 0, 20)),
                 VIEW_ARG(view_slice(p->subtype, 0, 40)), name.len > 0 ? " " : "", name.data);
    buf_done(&name);
}

static size_t kept_children(const struct filter *f, size_t part, size_t *ret_first) {
    size_t kept = 0;
    for (size_t i = part + 1; i < part_at(f, part)->after; i = part_at(f, i)->after)
        if (!f->dropped[i] && kept++ == 0)
            *ret_first = i;
    return kept;
}

/* Inner parts first: what holds nothing any more goes too. */
static void drop_parts(struct filter *f) {
    for (size_t i = f->m->mime.count; i-- > 1;) {
        const struct mime_part *p = part_at(f, i);
        size_t first = 0;
        bool empty = p->children > 0 && kept_children(f, i, &first) == 0;
        f->dropped[i] = empty || objection(f, p) != NULL;
    }
    for (size_t i = 1; i < f->m->mime.count; i++)
        if (f->dropped[i] && !f->dropped[part_at(f, i)->parent])
            note(f, "without", part_at(f, i));
}

static bool is_sealed(const struct mime_part *p) {
    return mime_is(p, "multipart/signed") || mime_is(p, "multipart/encrypted");
}

/* The part that stands for it: of alternatives the first, of a multipart that has lost parts the only one
 * left. */
static size_t stands_for(struct filter *f, size_t i) {
    for (;;) {
        const struct mime_part *p = part_at(f, i);
        size_t first = 0, kept = kept_children(f, i, &first);
        bool collapse =
            making_number(f->m, LIST_SETTING_COLLAPSE_ALTERNATIVES) && mime_is(p, "multipart/alternative");
        bool alone = kept == 1 && kept < p->children && !mime_is(part_at(f, first), "message");
        if (!mime_is(p, "multipart") || kept == 0 || f->sealed[i] || !(collapse || alone))
            return i;
        i = first;
    }
}

/* `room`: for its text. */
static view text_of_html(struct filter *f, const struct mime_part *p, size_t room) {
    struct buf octets = BUF_INIT(p->body.len + 1), utf8 = BUF_INIT(4 * p->body.len + 16);
    struct buf text = BUF_INIT(room), qp = BUF_INIT(room);
    view made = VIEW_NULL, charset = p->charset.len > 0 ? p->charset : VIEW("utf-8");
    if (mime_decode(p->encoding, p->body, &octets) && charset_to_utf8(charset, buf_view(&octets), &utf8) &&
        html_text(buf_view(&utf8), &text)) {
        transfer_add_qp(&qp, buf_view(&text));
        if (!qp.failed && !text.failed)
            made = arena_view(f->m->arena, buf_view(&qp));
    }
    buf_done(&octets);
    buf_done(&utf8);
    buf_done(&text);
    buf_done(&qp);
    return made;
}

/* One that cannot be read, or is too large, stays HTML: nothing is lost. */
static void convert_parts(struct filter *f) {
    size_t total = 0;
    for (size_t i = 0; i < f->m->mime.count; i++) {
        const struct mime_part *p = part_at(f, i);
        if (!mime_is(p, "text/html") || f->sealed[i] || f->dropped[i])
            continue;
        view text = text_of_html(f, p, LIMIT_EDITION_TEXT - total);
        if (!text.ptr) {
            note(f, "not made plain text:", p);
            continue;
        }
        note(f, "plain text in place of", p);
        f->texts[i] = text;
        total += text.len;
    }
}

/* ---- what stays ---- */

static void emit_entity(struct filter *f, size_t i);

static void emit_content_fields(struct filter *f, size_t i) {
    struct header h;
    header_parse(view_from(part_at(f, i)->head.ptr, part_at(f, i)->head.len), f->m->arena, &h);
    for (size_t k = 0; k < h.count; k++) {
        view name = h.fields[k].name;
        bool made = f->texts[i].ptr && (view_eq_nocase(name, VIEW("Content-Type")) ||
                                        view_eq_nocase(name, VIEW("Content-Transfer-Encoding")));
        if (making_is_content(name) && !made)
            making_copy(f->m, h.fields[k].raw);
    }
    if (f->texts[i].ptr)
        recipe_text(&f->m->out, VIEW("Content-Type: text/plain; charset=utf-8\r\n"
                                     "Content-Transfer-Encoding: quoted-printable\r\n"));
}

/* Fields of a message around the content of `stand`. */
static void emit_message_fields(struct filter *f, size_t message, size_t stand) {
    struct header h;
    header_parse(part_at(f, message)->head, f->m->arena, &h);
    for (size_t k = 0; k < h.count; k++)
        if (!making_is_content(h.fields[k].name))
            making_copy(f->m, h.fields[k].raw);
    emit_content_fields(f, stand);
}

static void emit_parts(struct filter *f, size_t i) {
    const struct mime_part *p = part_at(f, i);
    size_t at = making_at(f->m, p->body), end = at + p->body.len;
    for (size_t k = i + 1; k < p->after; k = part_at(f, k)->after) {
        const struct mime_part *child = part_at(f, k);
        size_t span = making_at(f->m, child->span), text = making_at(f->m, child->head);
        size_t behind = making_at(f->m, child->body) + child->body.len;
        recipe_copy(&f->m->out, at, span - at); /* the preamble */
        at = span + child->span.len;
        if (f->dropped[k])
            continue;
        recipe_copy(&f->m->out, span, text - span); /* its delimiter line */
        emit_entity(f, k);
        recipe_copy(&f->m->out, behind, at - behind); /* the line end before the next one */
    }
    recipe_copy(&f->m->out, at, end - at);
}

static void emit_body(struct filter *f, size_t i) {
    const struct mime_part *p = part_at(f, i);
    if (f->texts[i].ptr)
        recipe_text(&f->m->out, f->texts[i]);
    else if (mime_is(p, "multipart") && p->children > 0)
        emit_parts(f, i);
    else if (p->children > 0)
        emit_entity(f, i + 1);
    else
        making_copy(f->m, p->body);
}

static void emit_entity(struct filter *f, size_t i) {
    const struct mime_part *p = part_at(f, i);
    size_t stand = stands_for(f, i);
    bool message = p->parent < 0 || mime_is(part_at(f, (size_t)p->parent), "message");
    const struct mime_part *s = part_at(f, stand);
    if (stand != i && mime_is(p, "multipart/alternative"))
        note(f, "of alternatives", s);
    if (stand == i && !f->texts[i].ptr)
        making_copy(f->m, s->head);
    else if (message)
        emit_message_fields(f, i, stand);
    else
        emit_content_fields(f, stand);
    bool typed =
        view_search(s->head, VIEW("ontent-")) >= 0; /* in a digest a part that says nothing is a message */
    if (stand != i && !message && !typed && !f->texts[stand].ptr)
        recipe_text(&f->m->out, VIEW("Content-Type: text/plain\r\n"));
    size_t end = making_at(f->m, s->head) + s->head.len, body = making_at(f->m, s->body);
    if (body > end)
        recipe_copy(&f->m->out, end, body - end);
    else if (stand != i || f->texts[stand].ptr)
        recipe_text(&f->m->out, VIEW("\r\n"));
    emit_body(f, stand);
}

bool edition_filter(struct making *m) {
    size_t count = m->mime.count, first = 0;
    struct filter f = {.m = m,
                       .dropped = arena_array(m->arena, bool, count),
                       .sealed = arena_array(m->arena, bool, count),
                       .texts = arena_array(m->arena, view, count)};
    if (!f.dropped || !f.sealed || !f.texts)
        return true; /* the arena has failed, which the caller sees */
    for (size_t i = 0; i < count; i++)
        f.sealed[i] = is_sealed(part_at(&f, i)) || (i > 0 && f.sealed[part_at(&f, i)->parent]);
    f.reason = m->mime.cut ? "too much to be looked through:" : objection(&f, part_at(&f, 0));
    if (!f.reason)
        drop_parts(&f);
    if (!f.reason && m->mime.parts[0].children > 0 && kept_children(&f, 0, &first) == 0)
        f.reason = "no part is left of";
    if (f.reason) {
        m->edition->what[0] = '\0';
        note(&f, f.reason, &m->mime.parts[0]);
        return false;
    }
    if (making_number(m, LIST_SETTING_CONVERT_HTML_TO_PLAINTEXT))
        convert_parts(&f);
    recipe_copy(&m->out, 0, m->trace);
    emit_entity(&f, 0);
    return true;
}
