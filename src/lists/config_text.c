/* config_text.c: see config_text.h. A cursor over the text; every error names its line. */
#include "lists/config_text.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MOST = 256 * 1024 /* octets of one value */ };

struct config_text config_text_of(view text, struct arena *a) {
    return (struct config_text){.rest = text, .line = 1, .arena = a, .err = {.code = ERR_OK}};
}

static bool wrong(struct config_text *t, const char *what) {
    if (t->err.code == ERR_OK)
        err_set(&t->err, ERR_SYNTAX, "line %zu: %s", t->line, what);
    return false;
}

/* ---- the cursor ---- */

static char peek(const struct config_text *t) {
    return t->rest.len > 0 ? t->rest.ptr[0] : '\0';
}

static void step(struct config_text *t, size_t n) {
    for (size_t i = 0; i < n && i < t->rest.len; i++)
        t->line += t->rest.ptr[i] == '\n';
    t->rest = view_skip(t->rest, n);
}

static bool take(struct config_text *t, view what) {
    if (!view_starts_with(t->rest, what))
        return false;
    step(t, what.len);
    return true;
}

static void skip_blanks(struct config_text *t) {
    while (peek(t) == ' ' || peek(t) == '\t')
        step(t, 1);
}

static void skip_comment(struct config_text *t) {
    if (peek(t) == '#')
        while (t->rest.len > 0 && peek(t) != '\n')
            step(t, 1);
}

/* Blanks, comments and line ends. */
static void skip_lines(struct config_text *t) {
    size_t before;
    do {
        before = t->rest.len;
        skip_blanks(t);
        skip_comment(t);
        if (peek(t) == '\n' || view_starts_with(t->rest, VIEW("\r\n")))
            step(t, 1 + (peek(t) == '\r'));
    } while (t->rest.len < before);
}

static bool end_line(struct config_text *t) {
    skip_blanks(t);
    skip_comment(t);
    return t->rest.len == 0 || peek(t) == '\n' || view_starts_with(t->rest, VIEW("\r\n")) ||
           wrong(t, "nothing more is wanted on this line");
}

static bool is_word(char ch) {
    return ascii_is_alnum(ch) || (ch && strchr("_-+.@", ch));
}

static view take_word(struct config_text *t) {
    size_t n = 0;
    while (n < t->rest.len && is_word(t->rest.ptr[n]))
        n++;
    view word = view_slice(t->rest, 0, n);
    step(t, n);
    return word;
}

/* ---- strings ---- */

static void add_utf8(struct buf *out, unsigned code) {
    if (code < 0x80) {
        buf_add_char(out, (char)code);
    } else if (code < 0x800) {
        buf_add_char(out, (char)(0xc0 | code >> 6));
        buf_add_char(out, (char)(0x80 | (code & 0x3f)));
    } else {
        if (code < 0x10000) {
            buf_add_char(out, (char)(0xe0 | code >> 12));
        } else {
            buf_add_char(out, (char)(0xf0 | code >> 18));
            buf_add_char(out, (char)(0x80 | (code >> 12 & 0x3f)));
        }
        buf_add_char(out, (char)(0x80 | (code >> 6 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (code & 0x3f)));
    }
}

/* Behind "\u" and "\U". */
static bool add_code(struct config_text *t, size_t digits, struct buf *out) {
    unsigned code = 0;
    for (size_t i = 0; i < digits; i++) {
        static const char hex[] = "0123456789abcdef";
        char ch = ascii_lower(peek(t));
        const char *at = ch ? strchr(hex, ch) : NULL;
        if (!at)
            return wrong(t, "\\u wants 4 hexadecimal digits, \\U 8");
        code = code * 16 + (unsigned)(at - hex);
        step(t, 1);
    }
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return wrong(t, "there is no such character");
    add_utf8(out, code);
    return true;
}

/* Behind the backslash. */
static bool add_escape(struct config_text *t, bool lines, struct buf *out) {
    static const char names[] = "btnfr\"\\", chars[] = "\b\t\n\f\r\"\\";
    char ch = peek(t);
    const char *at = ch ? strchr(names, ch) : NULL;
    if (at) {
        buf_add_char(out, chars[at - names]);
        step(t, 1);
        return true;
    }
    if (take(t, VIEW("u")))
        return add_code(t, 4, out);
    if (take(t, VIEW("U")))
        return add_code(t, 8, out);
    if (lines && (ch == '\n' || view_starts_with(t->rest, VIEW("\r\n")))) { /* the text goes on below */
        while (peek(t) == ' ' || peek(t) == '\t' || peek(t) == '\n' || peek(t) == '\r')
            step(t, 1);
        return true;
    }
    return wrong(t, "a backslash stands before one of btnfr\"\\uU; '...' takes it as it is");
}

/* Line ends of a file that is edited elsewhere are line ends. */
static bool add_plain(struct config_text *t, bool lines, struct buf *out) {
    char ch = peek(t);
    if (lines && view_starts_with(t->rest, VIEW("\r\n")))
        step(t, 1);
    else if (((unsigned char)ch < ' ' && ch != '\t' && !(lines && ch == '\n')) || ch == 0x7f)
        return wrong(t, t->rest.len == 0 || ch == '\n' ? "the text has no end"
                                                       : "a control character: write it as \\u0001");
    buf_add_char(out, peek(t));
    step(t, 1);
    return true;
}

static bool take_string(struct config_text *t, view quote, struct buf *out) {
    bool lines = quote.len == 3, literal = quote.ptr[0] == '\'', ok = true;
    if (lines && !take(t, VIEW("\n")))
        take(t, VIEW("\r\n"));
    while (ok && !take(t, quote)) {
        if (out->failed)
            return wrong(t, "the text is too long");
        ok = !literal && take(t, VIEW("\\")) ? add_escape(t, lines, out) : add_plain(t, lines, out);
    }
    while (ok && lines && take(t, VIEW("\""))) /* one or two of them may stand before the end */
        buf_add_char(out, '"');
    return ok;
}

/* A string or a bare word. */
static bool take_value(struct config_text *t, struct buf *out) {
    static const char *const quotes[] = {"\"\"\"", "\"", "'"};
    if (view_starts_with(t->rest, VIEW("'''")))
        return wrong(t, "'''...''' is not read here: \"\"\"...\"\"\" is");
    for (size_t i = 0; i < 3; i++)
        if (take(t, view_of(quotes[i])))
            return take_string(t, view_of(quotes[i]), out);
    view word = take_word(t);
    buf_add(out, word);
    return word.len > 0 || wrong(t, "a value is wanted: \"text\", a word, or [\"a\", \"b\"]");
}

/* Empty values are none. */
static bool take_array(struct config_text *t, struct buf *out) {
    for (;;) {
        skip_lines(t);
        if (take(t, VIEW("]")))
            return true;
        size_t before = out->len;
        if (before > 0)
            buf_add_char(out, '\n');
        size_t from = out->len;
        if (!take_value(t, out))
            return false;
        if (view_find(view_skip(buf_view(out), from), '\n') >= 0)
            return wrong(t, "a value of several is one line");
        if (out->failed)
            return wrong(t, "the text is too long");
        if (out->len == from)
            buf_truncate(out, before);
        skip_lines(t);
        if (!take(t, VIEW(",")) && peek(t) != ']')
            return wrong(t, "a comma or ] is wanted");
    }
}

/* ---- items ---- */

static bool take_name(struct config_text *t, view *ret) {
    struct buf name = BUF_INIT(TEXT_MOST);
    bool ok = true, quoted = peek(t) == '"' || peek(t) == '\'';
    if (quoted)
        ok = !view_starts_with(t->rest, VIEW("\"\"\"")) ? take_value(t, &name) : wrong(t, "a name is wanted");
    else
        buf_add(&name, take_word(t));
    *ret = arena_view(t->arena, buf_view(&name));
    buf_done(&name);
    return ok && (ret->len > 0 || wrong(t, "a name is wanted"));
}

/* "SCOPE".header_match, of which the quotes may be missing. */
static bool take_match_name(struct config_text *t, view *ret) {
    static const view tail = {".header_match", 13};
    bool quoted = peek(t) == '"' || peek(t) == '\'';
    if (!take_name(t, ret))
        return false;
    bool ok = quoted ? take(t, tail) : view_ends_with(*ret, tail);
    if (!ok)
        return wrong(t, "[[\"SCOPE\".header_match]] is wanted");
    if (!quoted)
        ret->len -= tail.len;
    return ret->len > 0 || wrong(t, "a name is wanted");
}

/* Behind the first bracket. */
static bool take_section(struct config_text *t, struct config_text_item *ret) {
    bool match = take(t, VIEW("["));
    ret->kind = match ? CONFIG_TEXT_MATCH : CONFIG_TEXT_SECTION;
    skip_blanks(t);
    if (!(match ? take_match_name(t, &ret->name) : take_name(t, &ret->name)))
        return false;
    skip_blanks(t);
    return (take(t, match ? VIEW("]]") : VIEW("]")) || wrong(t, "] is wanted")) && end_line(t);
}

static bool take_setting(struct config_text *t, struct config_text_item *ret) {
    struct buf value = BUF_INIT(TEXT_MOST);
    ret->kind = CONFIG_TEXT_VALUE;
    bool ok = take_name(t, &ret->name);
    skip_blanks(t);
    ok = ok && (take(t, VIEW("=")) || wrong(t, "NAME = VALUE is wanted"));
    skip_blanks(t);
    ret->many = ok && take(t, VIEW("["));
    ok = ok && (ret->many ? take_array(t, &value) : take_value(t, &value)) && end_line(t);
    if (ok && value.failed)
        ok = wrong(t, "the text is too long");
    ret->value = arena_view(t->arena, buf_view(&value));
    buf_done(&value);
    return ok && (!t->arena->failed || wrong(t, "the file is too long"));
}

bool config_text_next(struct config_text *t, struct config_text_item *ret) {
    if (t->err.code != ERR_OK)
        return false;
    if (!t->begun && t->rest.len > 0 && !view_is_utf8(t->rest))
        return wrong(t, "this is not all UTF-8");
    t->begun = true;
    skip_lines(t);
    *ret = (struct config_text_item){.line = t->line, .name = VIEW(""), .value = VIEW("")};
    if (t->rest.len == 0)
        return false;
    return take(t, VIEW("[")) ? take_section(t, ret) : take_setting(t, ret);
}

/* ---- writing ---- */

static bool is_control(char ch) {
    return (unsigned char)ch < ' ' || ch == 0x7f;
}

static void add_escaped(struct buf *out, view value, bool lines) {
    for (size_t i = 0; i < value.len; i++) {
        char ch = value.ptr[i];
        if (ch == '"' || ch == '\\')
            buf_printf(out, "\\%c", ch);
        else if (ch == '\n')
            buf_add_str(out, lines ? "\n" : "\\n");
        else if (is_control(ch) && ch != '\t')
            buf_printf(out, "\\u%04X", (unsigned char)ch);
        else
            buf_add_char(out, ch);
    }
}

void config_text_literal(struct buf *out, view value) {
    bool literal = view_find(value, '\\') >= 0; /* an expression is written as it is, where it can be */
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '\'' || is_control(value.ptr[i]))
            literal = false;
    buf_add_char(out, literal ? '\'' : '"');
    if (literal)
        buf_add(out, value);
    else
        add_escaped(out, value, false);
    buf_add_char(out, literal ? '\'' : '"');
}

void config_text_section(struct buf *out, view scope, enum config_text_kind kind) {
    bool match = kind == CONFIG_TEXT_MATCH;
    buf_add_str(out, match ? "[[\"" : "[\"");
    add_escaped(out, scope, false);
    buf_add_str(out, match ? "\".header_match]]\n" : "\"]\n");
}

static void add_lines(struct buf *out, view lines) {
    view line;
    bool several = view_find(lines, '\n') >= 0;
    buf_add_str(out, several ? "[\n" : "[");
    while (view_split(&lines, '\n', &line)) {
        buf_add_str(out, several ? "    " : "");
        config_text_literal(out, line);
        buf_add_str(out, several ? ",\n" : "");
    }
    buf_add_char(out, ']');
}

void config_text_value(struct buf *out, const char *name, view value, enum config_text_form form) {
    buf_printf(out, "%s = ", name);
    if (form == CONFIG_TEXT_LINES) {
        add_lines(out, value);
    } else if (form == CONFIG_TEXT_BARE) {
        buf_add(out, value);
    } else if (view_find(value, '\n') >= 0) {
        buf_add_str(out, "\"\"\"\n");
        add_escaped(out, value, true);
        buf_add_str(out, "\"\"\"");
    } else {
        config_text_literal(out, value);
    }
    buf_add_char(out, '\n');
}
