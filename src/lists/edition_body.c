/* edition_body.c: the list's texts above and below a post. Where the post is one plain text they become lines
 * of it; in a multipart/mixed, parts of it; around everything else, which so keeps its octets, a
 * multipart/mixed is put. Signed and encrypted mail gets neither. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "lists/edition_private.h"
#include "mail/charset.h"
#include "mail/text.h"
#include "mail/transfer.h"

static bool is_sealed(const struct mime_part *p) {
    return mime_is(p, "multipart/signed") || mime_is(p, "multipart/encrypted") ||
           mime_is(p, "application/pkcs7-mime") || mime_is(p, "application/x-pkcs7-mime") ||
           mime_is(p, "application/pgp-encrypted") || mime_is(p, "application/pgp");
}

/* What a name holds is not known yet. */
static bool is_ascii(const struct recipe *r) {
    for (size_t i = 0; i < r->count; i++)
        if (!text_is_7bit(r->pieces[i].text) ||
            (r->pieces[i].kind == PIECE_SLOT && r->pieces[i].slot != SLOT_EMAIL))
            return false;
    return true;
}

static bool is_qp(const struct mime_part *p) {
    return view_eq(p->encoding, VIEW("quoted-printable"));
}

/* Lines of the list can stand in that text as they are, or in its encoding. */
static bool takes_lines(const struct mime_part *p, const struct body_plan *plan) {
    bool ascii = is_ascii(&plan->header) && is_ascii(&plan->footer);
    bool wide = view_eq(p->encoding, VIEW("8bit")) || view_eq(p->encoding, VIEW("binary"));
    bool narrow = p->encoding.len == 0 || view_eq(p->encoding, VIEW("7bit"));
    view charset = p->charset.len > 0 ? p->charset : VIEW("us-ascii");
    if (!mime_is(p, "text/plain") || !(wide || narrow || is_qp(p)))
        return false;
    return ascii ? charset_is_ascii_compatible(charset) : !narrow && view_eq(charset, VIEW("utf-8"));
}

/* A boundary that is in no message: it depends on all of its octets. */
void edition_boundary(const struct making *m, char *out, size_t size) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_Digest(m->source.ptr, m->source.len, digest, NULL, EVP_sha256(), NULL);
    size_t n = (size_t)snprintf(out, size, "=_list_");
    for (size_t i = 0; i < 16; i++)
        n += (size_t)snprintf(out + n, size - n, "%02x", digest[i]);
}

/* A poster may choose a boundary that stands in the list's own texts. */
static bool has_text(const struct recipe *r, view text) {
    for (size_t i = 0; i < r->count; i++)
        if (view_search(r->pieces[i].text, text) >= 0)
            return true;
    return false;
}

void edition_body_plan(struct making *m, struct body_plan *ret) {
    const struct mime_part *top = &m->mime.parts[0];
    bool copies = making_number(m, LIST_SETTING_PERSONALIZE) != PERSONALIZE_NONE;
    *ret = (struct body_plan){.header = recipe_in(m->arena), .footer = recipe_in(m->arena)};
    edition_text(m, m->l->settings[LIST_SETTING_MSG_HEADER], copies, &ret->header);
    edition_text(m, m->l->settings[LIST_SETTING_MSG_FOOTER], copies, &ret->footer);
    if (ret->header.count == 0 && ret->footer.count == 0)
        return;
    if (is_sealed(top)) {
        ret->header.count = ret->footer.count = 0;
        edition_note(m, "no header and footer, for it is signed or encrypted");
        return;
    }
    if (takes_lines(top, ret)) {
        ret->how = BODY_APPEND;
    } else if (mime_is(top, "multipart/mixed") && top->children > 0 && top->closing.len > 0 &&
               !has_text(&ret->header, top->boundary) && !has_text(&ret->footer, top->boundary)) {
        ret->how = BODY_INSERT;
    } else {
        ret->how = BODY_WRAP;
        edition_boundary(m, ret->boundary, sizeof ret->boundary);
    }
    static const char *const how[] = {
        [BODY_APPEND] = "lines of", [BODY_INSERT] = "parts of", [BODY_WRAP] = "parts around"};
    edition_note(m, "header and footer as %s the post", how[ret->how]);
}

static bool ends_line(const struct recipe *r) {
    const struct piece *last = r->count > 0 ? &r->pieces[r->count - 1] : NULL;
    return last && last->kind == PIECE_TEXT && view_ends_with(last->text, VIEW("\n"));
}

/* ---- lines of a plain text ---- */

static void add_qp_text(struct making *m, view text) {
    struct buf qp = BUF_INIT(4 * LIMIT_EDITION_TEXT);
    transfer_add_qp(&qp, text);
    recipe_text(&m->out, arena_view(m->arena, buf_view(&qp)));
    buf_done(&qp);
}

/* Slots stand between soft line breaks, so that no line becomes too long (RFC 2045 6.7). */
static void add_qp(struct making *m, const struct recipe *text) {
    for (size_t i = 0; i < text->count; i++) {
        const struct piece *p = &text->pieces[i];
        if (p->kind == PIECE_SLOT) {
            recipe_text(&m->out, VIEW("=\r\n"));
            recipe_slot(&m->out, p->slot, FORM_QP, p->text);
            recipe_text(&m->out, VIEW("=\r\n"));
        } else {
            struct buf run = BUF_INIT(LIMIT_EDITION_TEXT); /* lines as a whole: their ends matter */
            while (i < text->count && text->pieces[i].kind == PIECE_TEXT)
                buf_add(&run, text->pieces[i++].text);
            add_qp_text(m, buf_view(&run));
            buf_done(&run);
            i--;
        }
    }
}

/* RFC 3676 4.2, 4.4: a line of ours is fixed, and is not taken for a quotation. */
static void add_flowed(struct making *m, const struct recipe *text) {
    bool at_start = true;
    for (size_t i = 0; i < text->count; i++) {
        const struct piece *p = &text->pieces[i];
        view v = p->text;
        if (at_start && p->kind == PIECE_TEXT &&
            (view_starts_with(v, VIEW(" ")) || view_starts_with(v, VIEW(">")) ||
             view_starts_with(v, VIEW("From "))))
            recipe_text(&m->out, VIEW(" "));
        bool ends = i + 1 == text->count || view_starts_with(text->pieces[i + 1].text, VIEW("\r\n"));
        bool signature = at_start && view_eq(v, VIEW("-- ")); /* 4.3 */
        while (p->kind == PIECE_TEXT && ends && !signature && view_ends_with(v, VIEW(" ")))
            v.len--;
        if (p->kind == PIECE_SLOT)
            recipe_slot(&m->out, p->slot, p->form, p->text);
        else
            recipe_text(&m->out, v);
        at_start = view_ends_with(p->text, VIEW("\n"));
    }
}

static void add_lines(struct making *m, const struct recipe *text, const struct mime_part *top) {
    if (text->count == 0)
        return;
    if (is_qp(top))
        add_qp(m, text);
    else if (top->flowed)
        add_flowed(m, text);
    else
        recipe_add(&m->out, text);
    if (!ends_line(text))
        recipe_text(&m->out, VIEW("\r\n"));
}

static void append_lines(struct making *m, const struct body_plan *plan) {
    const struct mime_part *top = &m->mime.parts[0];
    view body = top->body;
    add_lines(m, &plan->header, top);
    making_copy(m, body);
    if (plan->footer.count == 0)
        return;
    if (body.len > 0 && !view_ends_with(body, VIEW("\n")))
        recipe_text(&m->out, VIEW("\r\n"));
    /* A line that goes on in the next one ends before ours. */
    bool soft = is_qp(top) &&
                view_ends_with(view_trim(view_skip(body, body.len > 100 ? body.len - 100 : 0)), VIEW("="));
    bool flows = top->flowed && body.len > 2 && view_ends_with(body, VIEW(" \r\n")) &&
                 !view_ends_with(body, VIEW("\n-- \r\n"));
    if (soft || flows)
        recipe_text(&m->out, VIEW("\r\n"));
    add_lines(m, &plan->footer, top);
}

/* ---- parts ---- */

static void add_part(struct making *m, const struct recipe *text) {
    bool ascii = is_ascii(text);
    recipe_printf(&m->out,
                  "Content-Type: text/plain; charset=%s\r\nContent-Disposition: inline\r\n"
                  "Content-Transfer-Encoding: %s\r\n\r\n",
                  ascii ? "us-ascii" : "utf-8", ascii ? "7bit" : "quoted-printable");
    if (ascii)
        recipe_add(&m->out, text);
    else
        add_qp(m, text);
    if (!ends_line(text))
        recipe_text(&m->out, VIEW("\r\n"));
}

static void add_delimiter(struct making *m, view boundary) {
    recipe_text(&m->out, VIEW("--"));
    recipe_text(&m->out, boundary); /* whatever octets it has */
    recipe_text(&m->out, VIEW("\r\n"));
}

static void insert_parts(struct making *m, const struct body_plan *plan) {
    const struct mime_part *top = &m->mime.parts[0], *first = &m->mime.parts[1];
    size_t start = making_at(m, top->body), end = start + top->body.len;
    size_t above = making_at(m, first->span), below = making_at(m, top->closing);
    recipe_copy(&m->out, start, above - start);
    if (plan->header.count > 0) {
        add_delimiter(m, top->boundary);
        add_part(m, &plan->header);
    }
    recipe_copy(&m->out, above, below - above);
    if (plan->footer.count > 0) {
        add_delimiter(m, top->boundary);
        add_part(m, &plan->footer);
    }
    recipe_copy(&m->out, below, end - below);
}

static void wrap(struct making *m, const struct body_plan *plan) {
    if (plan->header.count > 0) {
        recipe_printf(&m->out, "--%s\r\n", plan->boundary);
        add_part(m, &plan->header);
    }
    recipe_printf(&m->out, "--%s\r\n", plan->boundary);
    for (size_t i = 0; i < m->header.count; i++)
        if (making_is_content(m->header.fields[i].name))
            making_copy(m, m->header.fields[i].raw);
    recipe_text(&m->out, VIEW("\r\n"));
    making_copy(m, m->mime.parts[0].body);
    recipe_printf(&m->out, "\r\n--%s", plan->boundary);
    if (plan->footer.count > 0) {
        recipe_text(&m->out, VIEW("\r\n"));
        add_part(m, &plan->footer);
        recipe_printf(&m->out, "--%s", plan->boundary);
    }
    recipe_text(&m->out, VIEW("--\r\n"));
}

void edition_body(struct making *m, const struct body_plan *plan) {
    switch (plan->how) {
    case BODY_AS_IT_IS:
        making_copy(m, m->header.body);
        break;
    case BODY_APPEND:
        append_lines(m, plan);
        break;
    case BODY_INSERT:
        insert_parts(m, plan);
        break;
    case BODY_WRAP:
        wrap(m, plan);
        break;
    }
}
