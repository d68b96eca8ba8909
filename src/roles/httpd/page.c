/* page.c: HTML for people: a title, a heading and a few paragraphs. No scripts and no style, so that the
 * policy in its header can forbid everything (server.c); a program that reads pages aloud finds its way. */
#include <string.h>

#include "mail/text.h"
#include "roles/httpd/httpd.h"

void page_html(struct call *c, const char *html) {
    buf_add_str(&c->out, html);
}

static const char *entity(char ch) {
    switch (ch) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void page_text(struct call *c, view text) {
    struct buf printable = BUF_INIT(text.len + 1);
    text_add_printable(&printable, text, true);
    for (size_t i = 0; i < printable.len; i++) {
        const char *escaped = entity(printable.data[i]);
        if (escaped)
            buf_add_str(&c->out, escaped);
        else
            buf_add_char(&c->out, printable.data[i]);
    }
    buf_done(&printable);
}

void page_name(struct call *c, view text) {
    page_html(c, "<bdi>");
    page_text(c, text);
    page_html(c, "</bdi>");
}

void page_begin(struct call *c, int status, const char *title) {
    buf_reset(&c->out);
    c->status = status;
    c->page = true;
    page_html(c, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                 "<meta name=\"robots\" content=\"noindex\">\n<title>");
    page_text(c, view_of(title));
    page_html(c, "</title>\n</head>\n<body>\n<main>\n<h1>");
    page_text(c, view_of(title));
    page_html(c, "</h1>\n");
}

void page_end(struct call *c) {
    page_html(c, "</main>\n</body>\n</html>\n");
}

void page_say(struct call *c, int status, const char *title, const char *html) {
    page_begin(c, status, title);
    page_html(c, "<p>");
    page_html(c, html);
    page_html(c, "</p>\n");
    page_end(c);
}
