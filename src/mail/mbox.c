/* mbox.c: one message to its place in an mboxrd file, and back, octet for octet.
 *
 * The file has LF line ends, so what a line ended in is lost for lines that did not end in CRLF: the note
 * names those. Everything else survives by itself: a CR that belongs to no CRLF is content, and the quoting
 * of "From " lines is one '>' more, always, so taking one away again is exact. Decoding is strict: what
 * encoding cannot have written is DAMAGED. */
#include "mail/mbox.h"

#include <string.h>

#include "mail/date.h"
#include "mail/text.h"

enum line_end { END_CRLF, END_LF, END_NONE };

struct line {
    view text; /* without its end */
    enum line_end end;
};

/* Take the line at the front of *v, which is not empty. */
static struct line take_line(view *v) {
    const char *lf = memchr(v->ptr, '\n', v->len);
    struct line l = {.text = *v, .end = END_NONE};
    if (lf) {
        l.text.len = (size_t)(lf - v->ptr);
        l.end = END_LF;
        *v = view_skip(*v, l.text.len + 1);
    } else {
        *v = view_skip(*v, v->len);
    }
    if (l.end == END_LF && view_ends_with(l.text, VIEW("\r"))) {
        l.text.len--;
        l.end = END_CRLF;
    }
    return l;
}

/* ^>*From : with `quoted`, at least one '>'. */
static bool is_from_line(view text, bool quoted) {
    size_t marks = 0;
    while (marks < text.len && text.ptr[marks] == '>')
        marks++;
    return marks >= quoted && view_starts_with(view_skip(text, marks), VIEW("From "));
}

/* The lines that end in LF alone, written as ranges while they pass. */
struct note {
    struct buf *out;
    size_t start;       /* length of `out` before the note */
    size_t first, last; /* the range not yet written; 0 when there is none */
};

static void note_separate(struct note *n, const char *first) {
    buf_add_str(n->out, n->out->len == n->start ? first : ",");
}

static void note_flush(struct note *n) {
    if (!n->first)
        return;
    note_separate(n, "lf:");
    buf_printf(n->out, n->last > n->first ? "%zu-%zu" : "%zu", n->first, n->last);
    n->first = 0;
}

static void note_line(struct note *n, size_t number) {
    if (n->first && n->last + 1 != number)
        note_flush(n);
    if (!n->first)
        n->first = number;
    n->last = number;
}

static void note_end(struct note *n, bool no_end) {
    note_flush(n);
    if (no_end) {
        note_separate(n, "");
        buf_add(n->out, VIEW("none"));
    }
    if (n->out->len == n->start)
        buf_add_char(n->out, '-');
}

static void add_from_line(view sender, int64_t date_ms, struct buf *out) {
    buf_add(out, VIEW("From "));
    for (view rest = sender; rest.len;) { /* a space would end the sender */
        size_t n = rest.ptr[0] == ' ' ? 0 : text_char_len(rest);
        buf_add(out, n ? view_slice(rest, 0, n) : VIEW("?"));
        rest = view_skip(rest, n ? n : 1);
    }
    if (!sender.len)
        buf_add(out, VIEW("MAILER-DAEMON"));
    buf_add_char(out, ' ');
    date_format_asctime(date_ms, out);
    buf_add_char(out, '\n');
}

void mbox_encode(view message, view sender, int64_t date_ms, struct buf *out, struct buf *note) {
    struct note n = {.out = note, .start = note->len};
    enum line_end end = END_CRLF;
    add_from_line(sender, date_ms, out);
    for (size_t number = 1; message.len; number++) {
        struct line l = take_line(&message);
        if (is_from_line(l.text, false))
            buf_add_char(out, '>');
        buf_add(out, l.text);
        buf_add_char(out, '\n');
        if (l.end == END_LF)
            note_line(&n, number);
        end = l.end;
    }
    note_end(&n, end == END_NONE);
    buf_add_char(out, '\n');
}

/* A note being read: the next range of lines that end in LF alone. */
struct note_reader {
    view rest;          /* behind the range */
    size_t first, last; /* 0 when there are no more */
    bool no_end;
    bool bad;
};

static bool take_line_number(view *v, size_t *ret_n) {
    size_t len = 0;
    while (len < v->len && ascii_is_digit(v->ptr[len]))
        len++;
    int64_t n;
    if (view_starts_with(*v, VIEW("0")) || !view_to_i64(view_slice(*v, 0, len), &n))
        return false;
    *v = view_skip(*v, len);
    *ret_n = (size_t)n;
    return true;
}

/* On to the next range: "N" or "N-M", rising, with a gap before it: what touches is written as one range. */
static void note_next(struct note_reader *n) {
    size_t before = n->last;
    n->first = n->last = 0;
    if (!n->rest.len || n->bad)
        return;
    view range;
    bool comma = view_ends_with(n->rest, VIEW(","));
    view_split(&n->rest, ',', &range);
    n->bad = comma || !take_line_number(&range, &n->first);
    n->last = n->first;
    if (!n->bad && range.len && range.ptr[0] == '-') {
        range = view_skip(range, 1);
        n->bad = !take_line_number(&range, &n->last) || n->last <= n->first;
    }
    n->bad = n->bad || range.len || (before && n->first <= before + 1);
}

static struct note_reader note_open(view note) {
    struct note_reader n = {.no_end = view_eq(note, VIEW("none")) || view_ends_with(note, VIEW(",none"))};
    if (view_eq(note, VIEW("-")) || view_eq(note, VIEW("none")))
        return n;
    if (n.no_end)
        note.len -= strlen(",none");
    n.bad = !view_starts_with(note, VIEW("lf:")) || note.len == strlen("lf:");
    n.rest = view_skip(note, strlen("lf:"));
    note_next(&n);
    return n;
}

/* The body of an entry: without the "From " line and the empty line at the end. */
static bool entry_body(view entry, view *ret_body) {
    ptrdiff_t lf = view_find(entry, '\n');
    if (lf < 0 || !view_starts_with(entry, VIEW("From ")))
        return false;
    view body = view_skip(entry, (size_t)lf + 1);
    if (!view_ends_with(body, VIEW("\n")))
        return false;
    *ret_body = view_slice(body, 0, body.len - 1);
    return !ret_body->len || view_ends_with(*ret_body, VIEW("\n"));
}

static enum line_end end_of_line(struct note_reader *n, size_t number, bool last_line) {
    if (n->last && number > n->last)
        note_next(n);
    bool lf_alone = n->last && number >= n->first;
    if (last_line && n->no_end) {
        n->bad = n->bad || lf_alone;
        return END_NONE;
    }
    return lf_alone ? END_LF : END_CRLF;
}

/* False when encoding cannot have written this body under this note. */
static bool decode_body(view body, struct note_reader *n, struct buf *out) {
    static const char *const ends[] = {[END_CRLF] = "\r\n", [END_LF] = "\n", [END_NONE] = ""};
    size_t lines = 0;
    bool no_end_done = !n->no_end;
    while (body.len) {
        size_t len = (size_t)view_find(body, '\n');
        view text = view_slice(body, 0, len);
        body = view_skip(body, len + 1);
        enum line_end end = end_of_line(n, ++lines, !body.len);
        if (view_starts_with(text, VIEW("From ")))
            return false;
        buf_add(out, is_from_line(text, true) ? view_skip(text, 1) : text);
        buf_add_str(out, ends[end]);
        bool cr_joins = end == END_LF && view_ends_with(text, VIEW("\r"));
        if (cr_joins || (end == END_NONE && !text.len))
            return false;
        no_end_done = no_end_done || end == END_NONE;
    }
    if (n->last && lines >= n->last)
        note_next(n);
    return no_end_done && !n->bad && !n->last;
}

bool mbox_decode(view entry, view note, struct buf *out, struct err *e) {
    size_t start = out->len;
    view body;
    struct note_reader n = note_open(note);
    bool ok = !n.bad && entry_body(entry, &body) && decode_body(body, &n, out);
    if (ok && !out->failed)
        return true;
    buf_truncate(out, start);
    if (ok)
        return err_set(e, ERR_LIMIT, "the message does not fit");
    return err_set(e, ERR_DAMAGED, "a message in the archive does not go with its line-end note");
}
