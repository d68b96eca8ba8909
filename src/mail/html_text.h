/* html_text.h: HTML of mail as plain text to read (libxml2's HTML parser).
 *
 * Nothing is loaded or looked up: no image, no style, no entity. What styles would hide is shown. */
#ifndef MAIL_HTML_TEXT_H
#define MAIL_HTML_TEXT_H

#include "base/buf.h"

/* Append the HTML (UTF-8, whatever it says of itself) as plain text: paragraphs with empty lines between
 * them, lists with "* " or "1. ", quotations with "> ", the rows of a table as lines with two blanks between
 * cells, an image as "[its alternative text]", a link as "its text <its URL>"; filled and made safe as
 * mail/text_fill.h says, verbatim where <pre> asks for it. Takes time in proportion to its length and no more
 * stack for what is deeply nested.
 *
 * False, with nothing appended: elements nested deeper than 1,000, a tag of more than 1,000 attributes,
 * longer than 256 MiB, or beyond the limit of `out`, which then has failed. */
bool html_text(view html, struct buf *out);

#endif
