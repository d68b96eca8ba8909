/* buf.h: a growing byte buffer with a mandatory limit and a sticky error.
 *
 * Append straight down and check once: when the limit is hit, the buffer keeps what it has, `failed` stays
 * set and every later append does nothing. `data` is never NULL and always NUL-terminated after the last
 * byte, so text can be handed to C functions. Running out of memory aborts. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/view.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;   /* allocated, without the NUL; 0 means `data` is a static empty string */
    size_t limit; /* most bytes it may ever hold */
    bool failed;
};

extern char buf_empty[1];
#define BUF_INIT(max_bytes) ((struct buf){.data = buf_empty, .limit = (max_bytes)})

void buf_init(struct buf *b, size_t limit_bytes);
/* Free the storage; the buffer is empty and usable again with the same limit. NULL is allowed. */
void buf_done(struct buf *b);
/* Length 0 and no error; keeps the storage. */
void buf_reset(struct buf *b);

void buf_add(struct buf *b, view v);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Make room for `len` more bytes and return where to write them (commit with buf_commit), or NULL at the
 * limit (then `failed` is set). */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);
/* Drop `len` bytes from the front. */
void buf_consume(struct buf *b, size_t len);
/* Shorten to `len` bytes. */
void buf_truncate(struct buf *b, size_t len);

view buf_view(const struct buf *b);
/* Ownership moves to the caller (free()); the buffer is empty again. NULL-terminated. */
char *buf_take(struct buf *b, size_t *ret_len);

#endif
