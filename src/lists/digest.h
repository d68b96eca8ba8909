/* digest.h: the posts of a while as one message: with each whole (MIME, RFC 2046 5.1.5), as one text (RFC
 * 1153), or only what they are about. */
#ifndef LISTS_DIGEST_H
#define LISTS_DIGEST_H

#include "base/arena.h"
#include "base/buf.h"

struct digest {
    view hostname;
    view list; /* its address */
    view display_name;
    int64_t volume, issue;
    const view *posts; /* as the list's archive has them, the oldest first */
    size_t count;
    view masthead, header, footer; /* UTF-8; empty: none */
    view topics;                   /* what stands above the contents */
    view message_id;               /* without brackets */
    int64_t now_ms;
};

/* Append the message. Its parts keep their octets, so it may be 8bit. */
void digest_mime(const struct digest *d, struct arena *a, struct buf *out);
/* In UTF-8; what is no text is named, not shown. */
void digest_plain(const struct digest *d, struct arena *a, struct buf *out);
void digest_summary(const struct digest *d, struct arena *a, struct buf *out);

#endif
