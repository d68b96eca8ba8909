/* digest_text.h: what the files of digests share. */
#ifndef LISTS_DIGEST_TEXT_H
#define LISTS_DIGEST_TEXT_H

#include "lists/digest.h"

#define DIGEST_HYPHENS "----------------------------------------------------------------------"

/* A field of a post, decoded, one printable line; or empty. */
view digest_field(view post, const char *name, struct arena *a);
/* A post as text (digest_text.c): its texts; of what is none, its type, name and size. No line of it is one
 * that separates posts. */
void digest_add_text(view post, struct buf *out);

#endif
