/* text_fill.c: see text_fill.h. Line ends are owed (`breaks`) until something follows them: so none is at the
 * end, and a cell of a table can still take back those that the cell before left behind. */
#include "mail/text_fill.h"

#include "mail/text.h"

enum { CELL_BLANKS = 2 };

void text_fill_init(struct text_fill *f, struct buf *out) {
    *f = (struct text_fill){.out = out, .word = BUF_INIT(out->limit)};
    buf_init(&f->prefix, TEXT_FILL_PREFIX_MOST);
    buf_init(&f->first, TEXT_FILL_PREFIX_MOST);
}

static void end_line(struct text_fill *f) {
    buf_add(f->out, VIEW("\r\n"));
    f->line_open = false;
    f->blanks = 0;
}

static void add_empty_line(struct text_fill *f) {
    view prefix = view_slice(buf_view(&f->prefix), 0, f->empty_prefix_len);
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == ' ')
        prefix.len--;
    buf_add(f->out, prefix);
    buf_add(f->out, VIEW("\r\n"));
}

/* The line ends that are owed. */
static void pay_breaks(struct text_fill *f) {
    size_t empty = f->breaks;
    f->breaks = 0;
    if (empty > 0 && f->line_open) {
        end_line(f);
        f->lines++;
        empty--;
    }
    for (; empty > 0 && f->started && !f->out->failed; empty--)
        add_empty_line(f);
}

static void open_line(struct text_fill *f) {
    pay_breaks(f);
    if (f->line_open)
        return;
    buf_add(f->out, buf_view(&f->first));
    f->column = f->first.len;
    f->blanks = 0;
    f->line_open = f->started = true;
    buf_reset(&f->first);
    buf_add(&f->first, buf_view(&f->prefix));
    f->empty_prefix_len = f->prefix.len;
}

static void end_word(struct text_fill *f) {
    if (f->word.len == 0)
        return;
    pay_breaks(f);
    if (f->line_open && f->column + f->blanks + f->word_columns > TEXT_FILL_COLUMNS)
        end_line(f);
    if (!f->line_open)
        open_line(f);
    else
        buf_add(f->out, view_slice(VIEW("  "), 0, f->blanks));
    buf_add(f->out, buf_view(&f->word));
    f->column += f->blanks + f->word_columns;
    f->blanks = f->word_columns = 0;
    buf_reset(&f->word);
}

void text_fill_done(struct text_fill *f) {
    f->out->failed = f->out->failed || f->word.failed;
    end_word(f);
    if (f->line_open)
        end_line(f);
    buf_done(&f->word);
    buf_done(&f->prefix);
    buf_done(&f->first);
}

/* White space other than the no-break space: that of ASCII, and U+2028 and U+2029, which end lines. */
static bool is_space(view c) {
    return ascii_is_space(c.ptr[0]) || c.ptr[0] == '\f' || view_eq(c, VIEW("\xe2\x80\xa8")) ||
           view_eq(c, VIEW("\xe2\x80\xa9"));
}

static bool is_no_break_space(view c) {
    return view_eq(c, VIEW("\xc2\xa0"));
}

/* Characters without a look of their own: soft hyphen, grapheme joiner, zero width space, word joiner, BOM.
 */
static bool is_invisible(view c) {
    return view_eq(c, VIEW("\xc2\xad")) || view_eq(c, VIEW("\xcd\x8f")) || view_eq(c, VIEW("\xe2\x80\x8b")) ||
           view_eq(c, VIEW("\xe2\x81\xa0")) || view_eq(c, VIEW("\xef\xbb\xbf"));
}

/* The character at the front of *text, or the octet there, if it is none to show: false. */
static bool take_char(view *text, view *ret) {
    size_t len = text_char_len(*text);
    *ret = view_slice(*text, 0, len > 0 ? len : 1);
    *text = view_skip(*text, ret->len);
    return len > 0;
}

void text_fill_words(struct text_fill *f, view text) {
    view c;
    while (text.len > 0) {
        bool shown = take_char(&text, &c);
        if (is_space(c) || is_no_break_space(c)) {
            end_word(f);
            f->blanks = f->blanks > 0 ? f->blanks : 1;
        } else if (shown && !is_invisible(c)) {
            buf_add(&f->word, c);
            f->word_columns++;
        }
    }
}

static void add_verbatim(struct text_fill *f, view c) {
    open_line(f);
    buf_add(f->out, c);
    f->column++;
    f->blanks = 0;
}

void text_fill_verbatim(struct text_fill *f, view text) {
    view c;
    end_word(f);
    while (text.len > 0) {
        bool shown = take_char(&text, &c);
        if (c.ptr[0] == '\n') {
            f->breaks++;
        } else if (is_space(c) || is_no_break_space(c)) {
            if (c.ptr[0] != '\r')
                add_verbatim(f, c.ptr[0] == '\t' ? c : VIEW(" "));
        } else if (shown && !is_invisible(c)) {
            add_verbatim(f, c);
        }
    }
}

/* At least so many line ends come before what follows. */
static void owe_breaks(struct text_fill *f, size_t n) {
    size_t wanted = f->line_open ? n : n - 1;
    if (f->breaks < wanted)
        f->breaks = wanted;
}

void text_fill_break(struct text_fill *f) {
    end_word(f);
    f->blanks = 0;
    owe_breaks(f, f->breaks > 0 || !f->line_open ? 2 : 1);
}

void text_fill_block(struct text_fill *f, bool gap) {
    end_word(f);
    if (f->blanks < CELL_BLANKS)
        owe_breaks(f, gap ? 2 : 1);
}

void text_fill_line(struct text_fill *f) {
    end_word(f);
    f->blanks = 0;
    owe_breaks(f, 1);
}

size_t text_fill_indent(struct text_fill *f, view prefix, view first) {
    size_t indent = f->prefix.len;
    text_fill_line(f);
    if (indent + prefix.len <= TEXT_FILL_PREFIX_MOST) {
        buf_add(&f->prefix, prefix);
        buf_add(&f->first, first);
    }
    return indent;
}

void text_fill_outdent(struct text_fill *f, size_t indent) {
    text_fill_line(f);
    buf_truncate(&f->prefix, indent);
    buf_truncate(&f->first, indent);
    if (f->empty_prefix_len > indent)
        f->empty_prefix_len = indent;
}

size_t text_fill_row(struct text_fill *f) {
    end_word(f);
    if (f->line_open) {
        end_line(f);
        f->lines++;
        f->breaks -= f->breaks > 0;
    }
    return f->lines;
}

void text_fill_cell(struct text_fill *f, size_t row) {
    if (!f->line_open && f->word.len == 0)
        return;
    text_fill_line(f);
    if (f->lines == row && f->line_open) {
        f->breaks = 0;
        f->blanks = CELL_BLANKS;
    }
}
