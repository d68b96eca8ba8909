/* html_tags.h: what HTML of strangers must pass before libxml2 parses it. */
#ifndef MAIL_HTML_TAGS_H
#define MAIL_HTML_TAGS_H

#include "base/buf.h"

/* Blank out what libxml2 takes for text or for the end of the document, and browsers for neither: control
 * characters, and the conditions that Word writes ("<![if !supportLists]>"). */
void html_tags_clean(struct buf *html);

/* No tag has more than about `attributes` attributes, wherever the parser may find it to begin: it compares
 * each with all before it. */
bool html_tags_bounded(view html, size_t attributes);

#endif
