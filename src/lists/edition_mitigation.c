/* edition_mitigation.c: a From that must not stand in what the list sends, since its domain forbids that
 * (DMARC): the author inside an address of ours, the list in the author's place, or the post inside of a
 * message of the list's. What Mailman does is done as it does it. */
#include "base/pattern.h"
#include "lists/edition_private.h"
#include "lists/mitigation.h"
#include "mail/encoded_word.h"
#include "mail/mailboxes.h"
#include "mail/text.h"

/* ---- whether ---- */

static bool is_listed(const struct making *m, view author) {
    view lines = m->l->settings[LIST_SETTING_DMARC_ADDRESSES], line;
    struct err e;
    while (view_split(&lines, '\n', &line)) {
        line = view_trim(line);
        bool expression = view_starts_with(line, VIEW("^"));
        int64_t budget_us = PATTERN_BUDGET_US;
        if (expression ? pattern_match_within(line, author, &budget_us, &e) == PATTERN_YES
                       : view_eq_nocase(line, author))
            return true;
    }
    return false;
}

static view author_of(struct making *m, const struct header_field **ret_from) {
    struct err e;
    view author = VIEW("");
    *ret_from = header_find(&m->header, "From");
    view rest = *ret_from ? header_value(*ret_from, m->arena) : VIEW("");
    mailboxes_next(&rest, m->arena, &author, &e);
    return author;
}

enum mitigation edition_mitigation(struct making *m, bool *ret_always) {
    const struct header_field *from;
    enum mitigation how = (enum mitigation)making_number(m, LIST_SETTING_DMARC_MITIGATE_ACTION);
    if (how == MITIGATE_NOT || making_number(m, LIST_SETTING_ANONYMOUS_LIST))
        return MITIGATE_NOT; /* nobody's name stands there */
    view author = author_of(m, &from);
    *ret_always = making_number(m, LIST_SETTING_DMARC_MITIGATE_UNCONDITIONALLY) || is_listed(m, author);
    return how;
}

/* ---- what takes its place ---- */

static void rewrite(struct making *m) {
    struct buf fields = BUF_INIT(4 * LIMIT_HEADER_BYTES);
    if (m->post->wrap_domain.len == 0 ||
        !mitigation_wrap_from(&m->header, m->post->wrap_domain, m->post->wrap_key, m->arena, &fields))
        m->mitigation = MITIGATE_MUNGE; /* there is always the list's own address */
    m->rewritten = arena_view(m->arena, buf_view(&fields));
    buf_done(&fields);
}

void edition_mitigation_begin(struct making *m, enum mitigation how) {
    static const char *const notes[] = {[MITIGATE_MUNGE] = "From: the list, via",
                                        [MITIGATE_WRAP] = "the post inside of a message of the list's",
                                        [MITIGATE_REWRITE] =
                                            "From: an address of ours that reaches the author"};
    m->mitigation = how;
    if (how == MITIGATE_REWRITE)
        rewrite(m);
    if (m->mitigation != MITIGATE_NOT)
        edition_note(m, "%s", notes[m->mitigation]);
}

/* Where the author's address goes when From names the list: as Mailman has it. */
static const char *answers_field(const struct making *m) {
    return making_number(m, LIST_SETTING_REPLY_GOES_TO_LIST) == REPLY_UNCHANGED ? "Reply-To" : "Cc";
}

/* Of a post inside of a message: its own header is there, so only what programs sort by stands outside. */
static bool stands_outside(view name) {
    static const char *const names[] = {"Date",       "Subject",     "To",         "Cc",
                                        "Message-ID", "In-Reply-To", "References", "Precedence"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (view_eq_nocase(name, view_of(names[i])))
            return true;
    return false;
}

bool edition_mitigation_replaces(const struct making *m, view name) {
    if (m->mitigation == MITIGATE_NOT)
        return false;
    if (m->mitigation == MITIGATE_WRAP && !stands_outside(name))
        return true;
    if (view_eq_nocase(name, VIEW("From")))
        return true;
    if (m->mitigation == MITIGATE_REWRITE)
        return view_eq_nocase(name, VIEW("X-Original-From"));
    return view_eq_nocase(name, view_of(answers_field(m)));
}

/* The author's name as people read it; without one the local part. */
static view author_name(struct making *m, const struct header_field *from, view author) {
    view written = from ? header_value(from, m->arena) : VIEW("");
    ptrdiff_t open = view_rfind(written, '<');
    struct buf name = BUF_INIT(LIMIT_HEADER_BYTES);
    view phrase = view_trim(view_slice(written, 0, open < 0 ? 0 : (size_t)open));
    if (view_starts_with(phrase, VIEW("\"")) && view_ends_with(phrase, VIEW("\"")) && phrase.len > 1)
        phrase = view_slice(phrase, 1, phrase.len - 2);
    encoded_words_decode(phrase, &name);
    view made = view_trim(arena_view(m->arena, buf_view(&name)));
    buf_done(&name);
    return made.len > 0 ? made : address_split(author).local;
}

static void add_value(struct making *m, const char *name, view value) {
    struct buf field = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    header_add(&field, name, value);
    recipe_text(&m->out, arena_view(m->arena, buf_view(&field)));
    buf_done(&field);
}

/* What stands in the field, and the author if not among them. */
static void add_author(struct making *m, const struct header_field *from, view author) {
    const char *name = answers_field(m);
    struct buf value = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    bool there = false;
    for (size_t i = 0; i < m->header.count; i++) {
        const struct header_field *f = &m->header.fields[i];
        view rest = view_eq_nocase(f->name, view_of(name)) ? header_value(f, m->arena) : VIEW(""), other;
        struct err e;
        if (rest.len > 0)
            buf_printf(&value, "%s%.*s", value.len > 0 ? ", " : "", VIEW_ARG(rest));
        while (rest.len > 0 && mailboxes_next(&rest, m->arena, &other, &e))
            there |= view_eq_nocase(other, author);
    }
    if (!there && from)
        buf_printf(&value, "%s%.*s", value.len > 0 ? ", " : "", VIEW_ARG(header_value(from, m->arena)));
    if (value.len > 0)
        add_value(m, name, buf_view(&value));
    buf_done(&value);
}

void edition_mitigation_fields(struct making *m) {
    const struct header_field *from;
    view author = author_of(m, &from), list = edition_variable(m, VIEW("display_name"));
    struct buf value = BUF_INIT(LIMIT_HEADER_BYTES);
    if (m->mitigation == MITIGATE_REWRITE) {
        recipe_text(&m->out, m->rewritten);
    } else if (m->mitigation != MITIGATE_NOT) {
        mailbox_format(
            arena_printf(m->arena, "%.*s via %.*s", VIEW_ARG(author_name(m, from, author)), VIEW_ARG(list)),
            m->l->list, &value);
        add_value(m, "From", buf_view(&value));
        add_author(m, from, author);
    }
    buf_done(&value);
}

void edition_mitigation_body(struct making *m) {
    view message = view_skip(m->source, m->trace),
         text = m->l->settings[LIST_SETTING_DMARC_WRAPPED_MESSAGE_TEXT];
    const char *wide =
        text_is_7bit(message) && text_is_7bit(text) ? "" : "Content-Transfer-Encoding: 8bit\r\n";
    char boundary[64];
    recipe_text(&m->out, VIEW("MIME-Version: 1.0\r\n"));
    if (text.len > 0) {
        edition_boundary(m, boundary, sizeof boundary);
        recipe_printf(&m->out, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n%s\r\n--%s\r\n", boundary,
                      wide, boundary);
        recipe_printf(&m->out, "Content-Type: text/plain; charset=utf-8\r\n%s\r\n", wide);
        edition_text(m, text, false, &m->out);
        recipe_printf(&m->out, "\r\n--%s\r\n", boundary);
    }
    recipe_printf(&m->out, "Content-Type: message/rfc822\r\n%s\r\n", wide);
    making_copy(m, message);
    if (text.len > 0)
        recipe_printf(&m->out, "\r\n--%s--\r\n", boundary);
}
