/* html_text.c: see html_text.h. The parser's events (SAX) are written as they come: no tree is built, which
 * would have to be walked, and freed, in depth. */
#include "mail/html_text.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <libxml/HTMLparser.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "mail/charset.h"
#include "mail/html_tags.h"
#include "mail/text.h"
#include "mail/text_fill.h"

enum kind {
    INLINE,
    BLOCK,     /* begins and ends on lines of its own */
    PARAGRAPH, /* with empty lines around it */
    LINE_BREAK,
    RULE,
    IMAGE,
    CELL,
    /* Those below are kept as `struct open` while they are open. */
    LEFT_OUT,
    LIST,
    NUMBERED,
    ITEM,
    INDENTED,
    QUOTATION,
    VERBATIM,
    LINK,
    TABLE,
    ROW,
};

static const struct element {
    const char *name;
    enum kind kind;
} elements[] = {
    {"a", LINK},
    {"address", BLOCK},
    {"article", BLOCK},
    {"aside", BLOCK},
    {"blockquote", QUOTATION},
    {"br", LINE_BREAK},
    {"caption", BLOCK},
    {"center", BLOCK},
    {"dd", INDENTED},
    {"details", BLOCK},
    {"dialog", BLOCK},
    {"dir", LIST},
    {"div", BLOCK},
    {"dl", PARAGRAPH},
    {"dt", BLOCK},
    {"fieldset", BLOCK},
    {"figcaption", BLOCK},
    {"figure", BLOCK},
    {"footer", BLOCK},
    {"form", BLOCK},
    {"h1", PARAGRAPH},
    {"h2", PARAGRAPH},
    {"h3", PARAGRAPH},
    {"h4", PARAGRAPH},
    {"h5", PARAGRAPH},
    {"h6", PARAGRAPH},
    {"header", BLOCK},
    {"hr", RULE},
    {"iframe", LEFT_OUT},
    {"img", IMAGE},
    {"legend", BLOCK},
    {"li", ITEM},
    {"listing", VERBATIM},
    {"main", BLOCK},
    {"menu", LIST},
    {"nav", BLOCK},
    {"noembed", LEFT_OUT},
    {"noframes", LEFT_OUT},
    {"ol", NUMBERED},
    {"option", BLOCK},
    {"p", PARAGRAPH},
    {"pre", VERBATIM},
    {"script", LEFT_OUT},
    {"section", BLOCK},
    {"style", LEFT_OUT},
    {"summary", BLOCK},
    {"table", TABLE},
    {"td", CELL},
    {"template", LEFT_OUT},
    {"th", CELL},
    {"title", LEFT_OUT},
    {"tr", ROW},
    {"ul", LIST},
    {"xmp", VERBATIM},
};

static enum kind kind_of(const xmlChar *name) {
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++)
        if (strcmp((const char *)name, elements[i].name) == 0)
            return elements[i].kind;
    return INLINE;
}

/* How the items of a list begin, and the number of the next. */
struct numbering {
    bool numbered;
    int64_t next;
};

/* An open element, with what is to be as before at its end. */
struct open {
    enum kind kind;
    size_t indent;
    size_t row;
    struct numbering numbering;
};

struct html {
    htmlParserCtxtPtr parser;
    struct text_fill fill;
    struct open open[LIMIT_HTML_DEPTH];
    size_t open_count;
    size_t left_out, verbatim, lists, tables; /* open ones */
    struct numbering numbering;
    size_t row;
    bool verbatim_begins;
    bool in_link;
    struct buf url, link_text;
    bool failed;
};

static view attribute(const xmlChar **attributes, const char *name) {
    for (size_t i = 0; attributes && attributes[i]; i += 2)
        if (strcmp((const char *)attributes[i], name) == 0)
            return view_of((const char *)attributes[i + 1]);
    return VIEW_NULL;
}

static void add_plain(struct html *h, view text) {
    if (h->in_link)
        buf_add(&h->link_text, text);
    if (h->verbatim)
        text_fill_verbatim(&h->fill, text);
    else
        text_fill_words(&h->fill, text);
}

static ptrdiff_t find_c1(view text) {
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.ptr[i] == '\xc2' && (unsigned char)text.ptr[i + 1] < 0xa0)
            return (ptrdiff_t)i;
    return -1;
}

/* C1 controls are what windows-1252 means by these octets, as HTML has it for "&#150;" (13.2.5.80). */
static void add_text(struct html *h, view text) {
    ptrdiff_t at;
    for (; (at = find_c1(text)) >= 0; text = view_skip(text, (size_t)at + 2)) {
        struct buf character = BUF_INIT(3);
        charset_to_utf8(VIEW("windows-1252"), view_slice(text, (size_t)at + 1, 1), &character);
        add_plain(h, view_slice(text, 0, (size_t)at));
        add_plain(h, buf_view(&character));
        buf_done(&character);
    }
    add_plain(h, text);
}

/* --- Links --- */

static const view schemes[] = {{"https://", 8}, {"http://", 7}, {"mailto:", 7}};

/* Behind the scheme, without the "/" of a host's root; the empty view if the scheme is none to show. */
static view url_body(view url) {
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (view_starts_with_nocase(url, schemes[i])) {
            view body = view_skip(url, schemes[i].len);
            return view_ends_with(body, VIEW("/")) ? view_slice(body, 0, body.len - 1) : body;
        }
    return VIEW_NULL;
}

/* ASCII that can stand in "<>": controls left out as browsers do, the rest that is no URL as %XX. */
static void add_url(struct buf *out, view url) {
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.ptr[i];
        if (c == ' ' || c == '<' || c == '>' || c >= 0x80)
            buf_printf(out, "%%%02X", c);
        else if (c > ' ' && c != 0x7f)
            buf_add_char(out, (char)c);
    }
}

static void begin_link(struct html *h, const xmlChar **attributes) {
    buf_reset(&h->url);
    add_url(&h->url, view_trim(attribute(attributes, "href")));
    h->in_link = url_body(buf_view(&h->url)).len > 0;
    buf_done(&h->link_text);
    buf_init(&h->link_text, 2 * h->url.len + 100); /* enough to compare with it */
}

static void end_link(struct html *h) {
    view url = buf_view(&h->url), text = view_trim(buf_view(&h->link_text)), body = url_body(text);
    if (!h->in_link)
        return;
    h->in_link = false;
    if (view_eq(text, url) || view_eq(body.len > 0 ? body : text, url_body(url)))
        return;
    text_fill_words(&h->fill, VIEW(" <"));
    text_fill_words(&h->fill, url);
    text_fill_words(&h->fill, VIEW(">"));
}

/* --- Elements --- */

static void add_image(struct html *h, const xmlChar **attributes) {
    view alternative = view_trim(attribute(attributes, "alt"));
    if (alternative.len == 0)
        return;
    add_text(h, VIEW("["));
    add_text(h, alternative);
    add_text(h, VIEW("]"));
}

static void begin_list(struct html *h, bool numbered, view start) {
    int64_t first = 1;
    if (!view_to_i64(start, &first) || first < 0 || first > 9999)
        first = 1;
    text_fill_block(&h->fill, h->lists == 0);
    h->lists++;
    h->numbering = (struct numbering){numbered, first};
}

static size_t begin_item(struct html *h) {
    static const char blanks[] = "                        ";
    char mark[sizeof blanks] = "* ";
    if (h->numbering.numbered)
        snprintf(mark, sizeof mark, "%lld. ", (long long)h->numbering.next++);
    return text_fill_indent(&h->fill, view_slice(view_of(blanks), 0, strlen(mark)), view_of(mark));
}

static void open_element(struct html *h, enum kind kind, const xmlChar **attributes) {
    BUG_ON(h->open_count == LIMIT_HTML_DEPTH);
    struct open *o = &h->open[h->open_count++];
    *o = (struct open){kind, .row = h->row, .numbering = h->numbering};
    switch ((int)kind) {
    case LEFT_OUT:
        h->left_out++;
        return;
    case LIST:
    case NUMBERED:
        begin_list(h, kind == NUMBERED, attribute(attributes, "start"));
        return;
    case ITEM:
        o->indent = begin_item(h);
        return;
    case INDENTED:
        o->indent = text_fill_indent(&h->fill, VIEW("    "), VIEW("    "));
        return;
    case QUOTATION:
        text_fill_block(&h->fill, true);
        o->indent = text_fill_indent(&h->fill, VIEW("> "), VIEW("> "));
        return;
    case VERBATIM:
        text_fill_block(&h->fill, true);
        text_fill_line(&h->fill);
        h->verbatim++;
        h->verbatim_begins = true;
        return;
    case LINK:
        end_link(h);
        begin_link(h, attributes);
        return;
    case TABLE:
        text_fill_block(&h->fill, h->tables++ == 0);
        return;
    case ROW:
        h->row = text_fill_row(&h->fill);
        return;
    }
}

static void close_element(struct html *h, const struct open *o) {
    switch ((int)o->kind) {
    case LEFT_OUT:
        h->left_out--;
        return;
    case LIST:
    case NUMBERED:
        h->numbering = o->numbering;
        text_fill_block(&h->fill, --h->lists == 0);
        return;
    case ITEM:
    case INDENTED:
        text_fill_outdent(&h->fill, o->indent);
        return;
    case QUOTATION:
        text_fill_outdent(&h->fill, o->indent);
        text_fill_block(&h->fill, true);
        return;
    case VERBATIM:
        h->verbatim--;
        text_fill_block(&h->fill, true);
        return;
    case LINK:
        end_link(h);
        return;
    case TABLE:
        text_fill_line(&h->fill);
        text_fill_block(&h->fill, --h->tables == 0);
        return;
    case ROW:
        text_fill_line(&h->fill);
        h->row = o->row;
        return;
    }
}

/* --- Events of the parser --- */

static void on_start(void *context, const xmlChar *name, const xmlChar **attributes) {
    struct html *h = context;
    enum kind kind = kind_of(name);
    if (h->parser->nameNr > LIMIT_HTML_DEPTH) {
        h->failed = true;
        xmlStopParser(h->parser);
    }
    if (h->failed || (h->left_out > 0 && kind != LEFT_OUT))
        return;
    switch ((int)kind) {
    case INLINE:
        return;
    case BLOCK:
    case PARAGRAPH:
        text_fill_block(&h->fill, kind == PARAGRAPH);
        return;
    case LINE_BREAK:
        text_fill_break(&h->fill);
        return;
    case RULE:
        text_fill_block(&h->fill, true);
        text_fill_words(&h->fill, VIEW("----------"));
        text_fill_block(&h->fill, true);
        return;
    case IMAGE:
        add_image(h, attributes);
        return;
    case CELL:
        text_fill_cell(&h->fill, h->row);
        return;
    default:
        open_element(h, kind, attributes);
    }
}

/* Ends the innermost open element of that kind, and those in it. */
static void end_open(struct html *h, enum kind kind) {
    size_t i = h->open_count;
    while (i > 0 && h->open[i - 1].kind != kind)
        i--;
    while (i > 0 && h->open_count >= i)
        close_element(h, &h->open[--h->open_count]);
}

static void on_end(void *context, const xmlChar *name) {
    struct html *h = context;
    enum kind kind = kind_of(name);
    if (h->failed || (h->left_out > 0 && kind != LEFT_OUT))
        return;
    if (kind == BLOCK || kind == PARAGRAPH)
        text_fill_block(&h->fill, kind == PARAGRAPH);
    else if (kind >= LEFT_OUT)
        end_open(h, kind);
}

static void on_text(void *context, const xmlChar *octets, int len) {
    struct html *h = context;
    view text = view_from(octets, (size_t)len);
    if (h->failed || h->left_out > 0 || len <= 0)
        return;
    if (h->verbatim_begins && h->verbatim > 0) { /* a line end right behind <pre> is not part of it */
        if (view_starts_with(text, VIEW("\r")))
            text = view_skip(text, 1);
        if (view_starts_with(text, VIEW("\n")))
            text = view_skip(text, 1);
    }
    h->verbatim_begins = false;
    add_text(h, text);
}

/* What is in scripts and styles. */
static void on_data(void *context, const xmlChar *octets, int len) {
    (void)context, (void)octets, (void)len;
}

static void parse(struct html *h, view html) {
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* libxml2 wants it before there are threads in it */
    pthread_once(&once, xmlInitParser);
    h->parser = htmlNewParserCtxt();
    BUG_ON(!h->parser);
    *h->parser->sax = (xmlSAXHandler){.startElement = on_start,
                                      .endElement = on_end,
                                      .characters = on_text,
                                      .ignorableWhitespace = on_text,
                                      .cdataBlock = on_data};
    h->parser->userData = h;
    htmlDocPtr none = htmlCtxtReadMemory(h->parser, html.ptr, (int)html.len, NULL, "UTF-8",
                                         HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                             HTML_PARSE_NONET | HTML_PARSE_NODEFDTD | HTML_PARSE_IGNORE_ENC);
    BUG_ON(none != NULL);
    h->failed = h->failed || h->parser->errNo == XML_ERR_NO_MEMORY;
    htmlFreeParserCtxt(h->parser);
}

/* `clean` is UTF-8 without NUL. */
static bool write_text(view clean, struct buf *out) {
    FREE_AUTO struct html *h = mem_alloc(sizeof *h);
    size_t before = out->len;
    buf_init(&h->url, 3 * clean.len);
    buf_init(&h->link_text, 0);
    text_fill_init(&h->fill, out);
    parse(h, clean);
    text_fill_done(&h->fill);
    buf_done(&h->url);
    buf_done(&h->link_text);
    bool written = !h->failed && !out->failed;
    if (!written)
        buf_truncate(out, before);
    return written;
}

bool html_text(view html, struct buf *out) {
    if (html.len == 0 || html.len > LIMIT_HTML || out->failed)
        return html.len == 0 && !out->failed;
    struct buf clean = BUF_INIT(3 * html.len);
    charset_to_utf8(VIEW("utf-8"), html, &clean);
    html_tags_clean(&clean);
    bool written =
        html_tags_bounded(buf_view(&clean), LIMIT_HTML_ATTRIBUTES) && write_text(buf_view(&clean), out);
    buf_done(&clean);
    return written;
}
