/* edition_subject.c: the subject with the list's prefix in front: PREFIX "Re: " REST, whatever runs of both
 * the answers have collected. A subject that has neither keeps its octets. */
#include <string.h>

#include "lists/edition_private.h"
#include "lists/post.h"
#include "mail/encoded_word.h"
#include "mail/text.h"

/* "Re:", "AW[2]:" and the like (Mailman's subject_prefix.py). Octets, or 0. */
static size_t answer_len(view v) {
    static const char *const words[] = {"re", "aw", "sv", "vs"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!view_starts_with_nocase(v, view_of(words[i])))
            continue;
        size_t n = 2;
        if (n < v.len && v.ptr[n] == '[') {
            size_t digits = n + 1;
            while (digits < v.len && ascii_is_digit(v.ptr[digits]))
                digits++;
            if (digits > n + 1 && digits < v.len && v.ptr[digits] == ']')
                n = digits + 1;
        }
        while (n < v.len && (v.ptr[n] == ' ' || v.ptr[n] == '\t'))
            n++;
        if (n < v.len && v.ptr[n] == ':')
            return n + 1;
    }
    return 0;
}

struct number_form {
    int width;
    bool zeros; /* in front, not blanks */
};

/* "%d" or, with a width, "%05d" (Mailman's): octets, or 0. */
static size_t number_len(view v, struct number_form *ret) {
    enum { WIDEST = 18 };
    size_t n = 1;
    *ret = (struct number_form){.zeros = v.len > 1 && v.ptr[1] == '0'};
    if (!view_starts_with(v, VIEW("%")))
        return 0;
    for (; n < v.len && ascii_is_digit(v.ptr[n]); n++)
        if (ret->width < WIDEST)
            ret->width = 10 * ret->width + (v.ptr[n] - '0');
    if (ret->width > WIDEST)
        ret->width = WIDEST;
    return n < v.len && v.ptr[n] == 'd' ? n + 1 : 0;
}

static size_t blanks_len(view v, size_t at) {
    size_t n = at;
    while (n < v.len && v.ptr[n] == ' ')
        n++;
    return n - at;
}

/* The prefix, with any number where it has one. Octets, or 0. */
static size_t prefix_len(view v, view prefix) {
    struct number_form form;
    size_t at = 0, n;
    while (prefix.len > 0) {
        if ((n = number_len(prefix, &form)) > 0) {
            size_t digits = at += blanks_len(v, at);
            while (digits < v.len && ascii_is_digit(v.ptr[digits]))
                digits++;
            if (digits == at)
                return 0;
            at = digits;
            prefix = view_skip(prefix, n);
        } else if (at < v.len && ascii_lower(v.ptr[at]) == ascii_lower(prefix.ptr[0])) {
            at++;
            prefix = view_skip(prefix, 1);
        } else {
            return 0;
        }
    }
    return at;
}

/* What is behind prefixes and "Re:" in any order. */
static view strip(view v, view prefix, bool *ret_answer) {
    size_t n;
    *ret_answer = false;
    for (;;) {
        while (v.len > 0 && ascii_is_space(v.ptr[0]))
            v = view_skip(v, 1);
        if ((n = prefix_len(v, prefix)) > 0) {
            v = view_skip(v, n);
        } else if ((n = answer_len(v)) > 0) {
            v = view_skip(v, n);
            *ret_answer = true;
        } else {
            return v;
        }
    }
}

static view with_number(const struct making *m, view prefix) {
    struct buf made = BUF_INIT(LIMIT_HEADER_BYTES);
    struct number_form form;
    while (prefix.len > 0) {
        size_t n = number_len(prefix, &form);
        if (n > 0)
            buf_printf(&made, form.zeros ? "%0*lld" : "%*lld", form.width, (long long)m->l->number);
        else
            buf_add_char(&made, prefix.ptr[0]);
        prefix = view_skip(prefix, n > 0 ? n : 1);
    }
    view numbered = arena_view(m->arena, buf_view(&made));
    buf_done(&made);
    return numbered;
}

/* As a field of its own makes it: folded, encoded words where needed. The name is written elsewhere. An ASCII
 * prefix stays readable; white space beside an encoded one is part of it (RFC 2047 6.2). */
static void add_made(struct making *m, view prefix, const char *answer, view text) {
    struct buf value = BUF_INIT(LIMIT_HEADER_BYTES), field = BUF_INIT(2 * LIMIT_HEADER_BYTES);
    view front = arena_printf(m->arena, "%.*s %s", VIEW_ARG(prefix), answer);
    if (text_is_7bit(front)) {
        buf_add(&value, front);
        header_encode_text(&value, text);
    } else {
        header_encode_text(&value, arena_printf(m->arena, "%.*s%.*s", VIEW_ARG(front), VIEW_ARG(text)));
    }
    header_add(&field, "Subject", buf_view(&value));
    view made = view_trim(view_skip(buf_view(&field), sizeof "Subject:" - 1));
    recipe_text(&m->out, arena_view(m->arena, made));
    buf_done(&value);
    buf_done(&field);
}

/* Decoded and printable: what is encoded again is text, whatever a poster has put into it. */
static view decoded_text(struct making *m, const struct header_field *f) {
    struct buf clean = BUF_INIT(LIMIT_HEADER_BYTES);
    text_add_printable(&clean, post_value(f, m->arena), true);
    view text = view_trim(arena_view(m->arena, buf_view(&clean)));
    buf_done(&clean);
    return text;
}

/* As it stands, folds and all, without the blanks around. */
static view as_written(view v) {
    while (v.len > 0 && ascii_is_space(v.ptr[0]))
        v = view_skip(v, 1);
    while (v.len > 0 && (v.ptr[v.len - 1] == '\r' || v.ptr[v.len - 1] == '\n'))
        v.len--;
    return v;
}

static bool fits_in_line(view prefix, view first_line) {
    enum { COLUMNS = 78 };
    return sizeof "Subject: " + prefix.len + first_line.len <= COLUMNS;
}

/* The prefix in front of a value that keeps its octets. */
static void add_in_front(struct making *m, view prefix, view value) {
    ptrdiff_t end = view_find(value, '\n');
    view first = view_slice(value, 0, end < 0 ? value.len : (size_t)end);
    recipe_printf(&m->out, "%.*s%s", VIEW_ARG(prefix), fits_in_line(prefix, first) ? " " : "\r\n ");
    making_copy(m, value);
}

void edition_subject(struct making *m, const struct header_field *subject, view prefix) {
    view numbered = with_number(m, view_trim(prefix));
    view raw = subject ? as_written(subject->value) : VIEW("");
    if (view_trim(raw).len == 0) {
        add_made(m, numbered, "", VIEW("(no subject)"));
        return;
    }
    bool answer;
    view text = decoded_text(m, subject), rest = strip(text, view_trim(prefix), &answer);
    if (rest.len == text.len && text_is_7bit(numbered))
        add_in_front(m, numbered, raw);
    else
        add_made(m, numbered, answer ? "Re: " : "", rest);
}
