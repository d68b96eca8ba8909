/* arena.h: memory with one lifetime (session, transaction, step): allocated bit by bit, freed at once.
 *
 * An arena has a byte limit; at the limit arena_alloc returns NULL and `failed` is set (sticky), which the
 * caller turns into ERR_LIMIT once. Freed and not yet used memory is poisoned under AddressSanitizer, so a
 * pointer that outlives its arena is found. Not thread-safe: one owner at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/view.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out */
    size_t limit;
    bool failed;
};

void arena_init(struct arena *a, size_t limit_bytes);
/* Free everything; usable again. One block is kept for the next round. */
void arena_reset(struct arena *a);
/* Free everything, the kept block too. */
void arena_done(struct arena *a);

/* Zeroed, aligned for any type. NULL at the limit. */
void *arena_alloc(struct arena *a, size_t size);
/* As arena_alloc of n * size bytes; a product that overflows is over the limit. */
void *arena_alloc_n(struct arena *a, size_t n, size_t size);
/* A NUL-terminated copy; "" at the limit (check a->failed). */
char *arena_str(struct arena *a, view v);
view arena_view(struct arena *a, view v);
view arena_lower(struct arena *a, view v); /* ASCII only */
view arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc_n((a), (n), sizeof(type)))

#endif
